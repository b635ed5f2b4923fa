/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -report: records in, tables out. */

#include "lib.h"
#include "array.h"
#include "log-report.h"
#include "log-text.h"

#include <glib.h>
#include <time.h>

#define DAY_USECS G_GUINT64_CONSTANT(86400000000)

struct report {
	struct popinjay_log_report *report;
	pool_t pool;
	const ARRAY_TYPE(popinjay_log_section) *sections;
};

static void report_init(struct report *r)
{
	static const struct popinjay_log_report_settings set = {
		.until_usecs = UINT64_MAX, .poll_secs = 60, .top = 5
	};

	r->report = popinjay_log_report_init(&set);
	r->pool = pool_alloconly_create("test", 4096);
	r->sections = NULL;
}

static void report_deinit(struct report *r)
{
	popinjay_log_report_deinit(&r->report);
	pool_unref(&r->pool);
}

/* secs are since 2024-02-29 00:00 UTC. */
static void G_GNUC_PRINTF(4, 5)
add(struct report *r, const char *event, unsigned int secs, const char *rest,
    ...)
{
	struct popinjay_log_record record;
	g_autoptr(GDateTime) start = g_date_time_new_utc(2024, 2, 29, 0, 0, 0);
	g_autoptr(GDateTime) time = g_date_time_add_seconds(start, secs);
	g_autofree char *iso = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
	g_autofree char *fields = NULL, *line = NULL;
	va_list args;

	va_start(args, rest);
	fields = g_strdup_vprintf(rest, args);
	va_end(args);
	line = g_strdup_printf("{\"event\":\"popinjay_%s_finished\","
			       "\"time\":\"%s\",%s}", event, iso, fields);
	g_assert_cmpint(popinjay_log_line_read((const void *)line,
					       strlen(line), &record), ==,
			POPINJAY_LOG_LINE_RECORD);
	popinjay_log_report_add(r->report, &record);
}

/* The rows of a section as text, "name|address|sessions|...|detail" with
   only the columns it has. */
static void
expect(struct report *r, const char *id, const char *expected)
{
	g_autoptr(GString) text = g_string_new(NULL);
	const struct popinjay_log_section *section;
	const struct popinjay_log_row *row;

	if (r->sections == NULL) {
		r->sections = popinjay_log_report_sections(r->report,
							   r->pool);
	}
	array_foreach(r->sections, section) {
		if (strcmp(section->id, id) != 0)
			continue;
		array_foreach(&section->rows, row) {
			const char *separator = "";

			for (unsigned int c = 0; c < POPINJAY_LOG_COLUMNS;
			     c++) {
				if (section->columns[c] == NULL)
					continue;
				g_string_append(text, separator);
				separator = "|";
				if (POPINJAY_LOG_COLUMN_IS_TEXT(c))
					g_string_append(text, row->text[c]);
				else
					g_string_append_printf(text,
						"%" G_GUINT64_FORMAT,
						row->num[c]);
			}
			g_string_append_c(text, '\n');
		}
		g_assert_cmpstr(text->str, ==, expected);
		return;
	}
	g_error("no section %s", id);
}

#define SESSION "\"user\":\"%s\",\"remote_ip\":\"%s\",\"tls\":%s," \
	"\"mechanism\":\"%s\",\"retr_count\":%u,\"bytes_out\":%u," \
	"\"end\":\"%s\""

static void add_all_kinds(struct report *r)
{
	add(r, "session", 10, SESSION ",\"expunged_count\":2", "alice",
	    "192.0.2.1", "true", "APOP", 2, 5000, "quit");
	add(r, "session", 4000, SESSION ",\"refetch_count\":3,"
	    "\"refetch_bytes\":900", "bob", "192.0.2.2", "false", "PLAIN", 3,
	    1000, "lost");
	add(r, "session", 4001, SESSION, "bob", "192.0.2.3", "false", "APOP",
	    0, 100, "quit");
	/* on the server itself */
	add(r, "session", 7300, SESSION ",\"unreadable_count\":2", "carol",
	    "127.0.0.1", "false", "PLAIN", 1, 50, "quit");
	add(r, "session", 7301, SESSION ",\"local_ip\":\"203.0.113.1\"",
	    "carol", "203.0.113.1", "false", "LOGIN", 1, 50, "timeout");
	add(r, "login", 7302, "\"user\":\"eve\",\"remote_ip\":\"192.0.2.9\","
	    "\"result\":\"refused\",\"reason\":\"tls_required\"");
	add(r, "login", 7303, "\"user\":null,\"remote_ip\":null,"
	    "\"result\":\"refused\"");
	add(r, "login", 7304, "\"user\":\"alice\",\"tls\":true,"
	    "\"tls_version\":\"TLSv1.3\",\"result\":\"accepted\"");
	add(r, "message", 7305, "\"user\":\"bob\",\"action\":\"retr\","
	    "\"complete\":false,\"cut_by\":\"storage\",\"uid\":7,"
	    "\"guid\":\"g7\"");
	add(r, "message", 7306, "\"user\":\"bob\",\"action\":\"retr\","
	    "\"complete\":false,\"cut_by\":\"storage\",\"uid\":7,"
	    "\"guid\":\"g7\"");
	add(r, "message", 7307, "\"user\":\"bob\",\"action\":\"retr\","
	    "\"complete\":false,\"cut_by\":\"client\",\"uid\":8,"
	    "\"guid\":null");
	add(r, "command", 7308, "\"user\":\"bob\"");
}

static void test_sections(void)
{
	struct report r;

	report_init(&r);
	add_all_kinds(&r);
	expect(&r, "summary", "sessions|5\nusers|3\naddresses|5\n"
	       "messages downloaded|7\nmessages downloaded again|3\n"
	       "messages deleted|2\nbytes sent|6200\n"
	       "sessions without TLS|2\npasswords in the clear|1\n"
	       "sessions not ended by QUIT|2\n"
	       "sessions with unreadable messages|1\n"
	       "messages not readable|1\nlogins refused|2\n");
	expect(&r, "times", "2024-02-29 00:00|1|2|5000|0\n"
	       "2024-02-29 01:00|2|3|1100|2\n"
	       "2024-02-29 02:00|2|2|100|0\n");
	expect(&r, "users", "alice|1|2|5000\nbob|2|3|1100\n"
	       "carol|2|2|100\n");
	expect(&r, "addresses", "127.0.0.1|1|1|50\n192.0.2.1|1|2|5000\n"
	       "192.0.2.2|1|3|1000\n192.0.2.3|1|0|100\n"
	       "203.0.113.1|1|1|50\n");
	expect(&r, "polls", "");
	expect(&r, "again", "bob|2|3|900|0\n");
	expect(&r, "no-tls", "bob|192.0.2.3|2|1|APOP\n");
	expect(&r, "failed", "bob|2|1\ncarol|2|1\n");
	expect(&r, "refused", "192.0.2.9|0|1\n");
	expect(&r, "refusals", "tls_required|1\nunknown|1\n");
	expect(&r, "broken", "bob|2|uid 7, GUID g7\n");
	expect(&r, "ends", "quit|3\nlost|1\ntimeout|1\n");
	expect(&r, "mechanisms", "APOP|2\nPLAIN|2\nLOGIN|1\n");
	expect(&r, "tls", "TLSv1.3|1\n");
	report_deinit(&r);
}

static void test_polls(void)
{
	struct report r;
	unsigned int i;

	report_init(&r);
	for (i = 0; i < 20; i++) {
		/* 20 seconds apart, and each takes 5 */
		add(&r, "session", i * 20, SESSION ",\"duration_usecs\":"
		    "5000000", "often", "192.0.2.1", "true", "APOP", 0, 1,
		    "quit");
		add(&r, "session", i * 20, SESSION, "often", "192.0.2.2",
		    "true", "APOP", 0, 1, "quit");
		add(&r, "session", i * 90, SESSION, "seldom", "192.0.2.1",
		    "true", "APOP", 0, 1, "quit");
		if (i < 10) {
			add(&r, "session", i * 20, SESSION, "few",
			    "192.0.2.1", "true", "APOP", 0, 1, "quit");
		}
	}
	expect(&r, "polls", "often|192.0.2.1|20|19|20\n"
	       "often|192.0.2.2|20|19|20\n");
	report_deinit(&r);
}

#define UIDLS "\"user\":\"%s\",\"messages\":%u,\"expunged_count\":%u," \
	"\"uidl_fingerprint\":%s,\"uidl_fingerprint_left\":%s"

static void test_uidl_changes(void)
{
	struct report r;

	report_init(&r);
	/* the same two messages under other UIDLs */
	add(&r, "session", 1, UIDLS, "a", 2, 0, "\"01\"", "\"01\"");
	add(&r, "session", 2, UIDLS, "a", 2, 0, "\"02\"", "\"02\"");
	add(&r, "session", 3, UIDLS, "a", 2, 0, "\"02\"", "\"02\"");
	/* one deleted, one came, nobody asked */
	add(&r, "session", 1, UIDLS, "b", 2, 1, "\"01\"", "\"03\"");
	add(&r, "session", 2, UIDLS, "b", 1, 0, "\"03\"", "\"03\"");
	add(&r, "session", 3, UIDLS, "b", 2, 0, "\"04\"", "\"04\"");
	add(&r, "session", 4, UIDLS, "b", 2, 0, "null", "null");
	add(&r, "session", 5, UIDLS, "b", 2, 0, "\"05\"", "\"05\"");
	expect(&r, "again", "a|3|0|0|1\n");
	report_deinit(&r);
}

static void test_times(void)
{
	struct report r;

	/* days, with one on which nothing was */
	report_init(&r);
	add(&r, "session", 0, SESSION, "a", "192.0.2.1", "true", "APOP", 1, 1,
	    "quit");
	add(&r, "session", 2 * 86400, SESSION, "a", "192.0.2.1", "true",
	    "APOP", 1, 1, "quit");
	add(&r, "session", 4 * 86400, SESSION, "a", "192.0.2.1", "false",
	    "APOP", 1, 1, "quit");
	expect(&r, "times", "2024-02-29|1|1|1|0\n2024-03-01|0|0|0|0\n"
	       "2024-03-02|1|1|1|0\n2024-03-03|0|0|0|0\n"
	       "2024-03-04|1|1|1|1\n");
	report_deinit(&r);

	/* months */
	report_init(&r);
	add(&r, "session", 0, SESSION, "a", "192.0.2.1", "true", "APOP", 1, 1,
	    "quit");
	add(&r, "session", 400 * 86400, SESSION, "a", "192.0.2.1", "true",
	    "APOP", 1, 1, "quit");
	expect(&r, "times", "2024-02|1|1|1|0\n2025-04|1|1|1|0\n");
	report_deinit(&r);
}

static void test_range(void)
{
	struct popinjay_log_report_settings set = {
		.since_usecs = 1709164800 * G_GUINT64_CONSTANT(1000000) + 10,
		.until_usecs = 1709164800 * G_GUINT64_CONSTANT(1000000) +
			DAY_USECS,
		.poll_secs = 60, .top = 5
	};
	struct report r;

	report_init(&r);
	popinjay_log_report_deinit(&r.report);
	r.report = popinjay_log_report_init(&set);
	add(&r, "session", 0, SESSION, "a", "192.0.2.1", "true", "APOP", 1, 1,
	    "quit");
	add(&r, "session", 1, SESSION, "b", "192.0.2.1", "true", "APOP", 1, 1,
	    "quit");
	add(&r, "session", 86401, SESSION, "c", "192.0.2.1", "true", "APOP",
	    1, 1, "quit");
	expect(&r, "users", "b|1|1|1\n");
	report_deinit(&r);
}

/* More users than are counted one by one: the heavy ones are among them, and
   the totals are right. */
static void test_many_users(void)
{
	const unsigned int count = POPINJAY_LOG_REPORT_NAMES_MAX * 2;
	const struct popinjay_log_section *section;
	const struct popinjay_log_row *row;
	struct report r;

	report_init(&r);
	for (unsigned int i = 0; i < count; i++) {
		g_autofree char *user = g_strdup_printf("user%u", i);

		add(&r, "session", i / 10, SESSION, user, "192.0.2.1", "true",
		    "APOP", 0, 10, "quit");
		if (i % 100 == 0) {
			add(&r, "session", i / 10, SESSION, "heavy",
			    "192.0.2.1", "true", "APOP", 1, 5000000, "quit");
		}
	}
	r.sections = popinjay_log_report_sections(r.report, r.pool);
	array_foreach(r.sections, section) {
		if (array_count(&section->rows) == 0)
			continue;
		row = array_front(&section->rows);
		if (strcmp(section->id, "summary") == 0) {
			g_assert_cmpuint(row->num[POPINJAY_LOG_COLUMN_COUNT],
					 ==, count + (count + 99) / 100);
		}
		if (strcmp(section->id, "users") == 0) {
			g_assert_cmpstr(row->text[POPINJAY_LOG_COLUMN_NAME],
					==, "heavy");
			g_assert_cmpuint(
				row->num[POPINJAY_LOG_COLUMN_SESSIONS], ==,
				(count + 99) / 100);
		}
	}
	report_deinit(&r);
}

static void test_text(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, "0 bytes" }, { 1, "1 byte" }, { 999, "999 bytes" },
		{ 1000, "1.0 kB" }, { 9999, "9.9 kB" }, { 10000, "10 kB" },
		{ 999999, "999 kB" }, { 1000000, "1.0 MB" },
		{ UINT64_MAX, "18 EB" },
	};
	static const struct {
		uint64_t secs;
		const char *text;
	} durations[] = {
		{ 0, "0 s" }, { 89, "89 s" }, { 90, "2 min" },
		{ 5399, "90 min" }, { 5400, "2 hours" }, { 3600 * 30,
		"30 hours" }, { 86400 * 2, "2 days" },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_assert_cmpstr(popinjay_log_text_bytes(sizes[i].bytes), ==,
				sizes[i].text);
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(durations); i++) {
		g_assert_cmpstr(popinjay_log_text_duration(durations[i].secs),
				==, durations[i].text);
	}
}

int main(int argc, char *argv[])
{
	int ret;

	g_setenv("TZ", "UTC0", TRUE);
	tzset();
	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log-report/sections", test_sections);
	g_test_add_func("/log-report/polls", test_polls);
	g_test_add_func("/log-report/uidl-changes", test_uidl_changes);
	g_test_add_func("/log-report/times", test_times);
	g_test_add_func("/log-report/range", test_range);
	g_test_add_func("/log-report/many-users", test_many_users);
	g_test_add_func("/log-report/text", test_text);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
