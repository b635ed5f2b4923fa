/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tests of the access log: reading records, and the collector. */

#include "records.h"
#include "record-schema.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD_START "{\"event\":\"popinjay_"

GPtrArray *records_parse(const char *text, const char *user)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	GPtrArray *records = g_ptr_array_new_with_free_func(
		(GDestroyNotify)json_object_unref);

	for (char **p = lines; *p != NULL; p++) {
		const char *json = g_strrstr(*p, RECORD_START);
		g_autofree char *wrong = NULL;
		JsonObject *record;

		if (json == NULL || strstr(*p, " stats: Info: ") != NULL)
			continue;
		wrong = record_schema_check(json);
		if (wrong != NULL)
			g_error("%s: %s", wrong, *p);
		record = fixture_record_parse(json);
		if (user == NULL ||
		    g_strcmp0(json_object_get_string_member(record, "user"),
			      user) == 0)
			g_ptr_array_add(records, record);
		else
			json_object_unref(record);
	}
	return records;
}

JsonObject *record_at(GPtrArray *records, unsigned int idx, const char *event)
{
	g_autofree char *name = g_strdup_printf("popinjay_%s_finished", event);
	JsonObject *record;

	g_assert_cmpuint(idx, <, records->len);
	record = g_ptr_array_index(records, idx);
	record_expect_str(record, "event", name);
	return record;
}

GPtrArray *records_of_session(struct fixture *f, gsize since, const char *user)
{
	g_autofree char *quoted = g_regex_escape_string(user, -1);
	g_autofree char *pattern = g_strdup_printf(
		": Info: \\{\"event\":\"popinjay_session_finished\",\"time\":"
		"[^\\n]*\"user\":\"%s\"", quoted);
	g_autofree char *line = fixture_log_wait(f, since, pattern);
	g_autofree char *text = fixture_log(f, since);
	GPtrArray *records;
	unsigned int i;

	/* what came after it is another session's */
	strstr(text, line)[strlen(line)] = '\0';
	records = records_parse(text, user);
	for (i = 0; i < records->len; i++) {
		record_expect((JsonObject *)g_ptr_array_index(records, i),
			      { "record", i + 1 });
	}
	record_at(records, i - 1, "session");
	return records;
}

static unsigned int count_lines(const char *text)
{
	unsigned int count = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		count++;
	return count;
}

GPtrArray *records_in_file(const char *path, unsigned int count)
{
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;

	for (;;) {
		g_autofree char *text = NULL;
		GPtrArray *records = NULL;
		gsize size;

		if (g_file_get_contents(path, &text, &size, NULL) &&
		    count_lines(text) >= count)
			records = records_parse(text, NULL);
		if (records != NULL && records->len >= count) {
			g_assert_cmpuint(records->len, ==, count);
			return records;
		}
		if (g_get_monotonic_time() > end) {
			g_error("%s: %u of %u records", path,
				records == NULL ? 0 : records->len, count);
		}
		if (records != NULL)
			g_ptr_array_unref(records);
		g_usleep(50 * 1000);
	}
}

unsigned int records_check_sessions(GPtrArray *records)
{
	g_autoptr(GHashTable) last = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, NULL);
	unsigned int ended = 0;

	for (unsigned int i = 0; i < records->len; i++) {
		JsonObject *record = g_ptr_array_index(records, i);
		const char *session =
			json_object_get_string_member(record, "session");
		gint64 number = json_object_get_int_member(record, "record");
		gpointer value = g_hash_table_lookup(last, session);
		gint64 before = GPOINTER_TO_INT(value);

		if (number != before + 1) {
			g_error("session %s: record %d after %d", session,
				(int)number, (int)before);
		}
		if (g_str_equal(json_object_get_string_member(record, "event"),
				"popinjay_session_finished")) {
			ended++;
			/* nothing may come behind it */
			number = -2;
		}
		g_hash_table_insert(last, g_strdup(session),
				    GINT_TO_POINTER((int)number));
	}
	g_assert_cmpuint(ended, ==, g_hash_table_size(last));
	return ended;
}

enum place {
	PLACE_FILE = 0x01,
	PLACE_LOG = 0x02
};

/* Add to the places where each record was seen. Returns how many sessions have
   their last record here, and had it in no other place. */
static unsigned int
note_places(GHashTable *seen, GPtrArray *records, enum place place,
	    gboolean once)
{
	unsigned int ended = 0;

	for (unsigned int i = 0; i < records->len; i++) {
		JsonObject *record = g_ptr_array_index(records, i);
		char *key = g_strdup_printf("%s %d",
			json_object_get_string_member(record, "session"),
			(int)json_object_get_int_member(record, "record"));
		gpointer value = g_hash_table_lookup(seen, key);
		guint places = GPOINTER_TO_UINT(value);

		if ((places & (once ? PLACE_FILE | PLACE_LOG : place)) != 0)
			g_error("%s is there twice", key);
		if (places == 0 &&
		    strstr(json_object_get_string_member(record, "event"),
			   "session") != NULL)
			ended++;
		g_hash_table_insert(seen, key,
				    GUINT_TO_POINTER(places | place));
	}
	return ended;
}

static void
check_nothing_lost(struct fixture *f, const char *path, gsize since,
		   unsigned int count, unsigned int sessions, gboolean once)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, NULL);
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;
	unsigned int ended;

	do {
		g_autofree char *file = NULL;
		g_autofree char *log = fixture_log(f, since);
		g_autoptr(GPtrArray) logged = records_parse(log, NULL);
		g_autoptr(GPtrArray) written = NULL;

		g_hash_table_remove_all(seen);
		g_assert_true(g_file_get_contents(path, &file, NULL, NULL));
		written = records_parse(file, NULL);
		ended = note_places(seen, written, PLACE_FILE, once);
		ended += note_places(seen, logged, PLACE_LOG, once);
		g_test_message("%u in the file, %u in the log", written->len,
			       logged->len);
		g_usleep(100 * 1000);
	} while (g_hash_table_size(seen) < count &&
		 g_get_monotonic_time() < end);
	g_assert_cmpuint(g_hash_table_size(seen), ==, count);
	g_assert_cmpuint(ended, ==, sessions);
}

void records_check_nothing_lost(struct fixture *f, const char *path,
				gsize since, unsigned int count,
				unsigned int sessions)
{
	check_nothing_lost(f, path, since, count, sessions, TRUE);
}

void records_check_nothing_lost_killed(struct fixture *f, const char *path,
				       gsize since, unsigned int count,
				       unsigned int sessions)
{
	check_nothing_lost(f, path, since, count, sessions, FALSE);
}

char *collector_config(struct fixture *f, const char *path)
{
	return g_strdup_printf(
		"mail_max_userip_connections = 200\n"
		"service popinjay-log {\n"
		"  executable = /usr/bin/env %s/popinjay-log %s\n"
		"  process_limit = 1\n"
		"  client_limit = 1000\n"
		"  unix_listener popinjay-log {\n"
		"    mode = 0666\n"
		"  }\n"
		"}\n"
		"%spopinjay_access_log = service\n"
		"popinjay_access_log_events = session message\n%s",
		POPINJAY_PROGRAMDIR, path,
		fixture_is_2_3() ? "plugin {\n" : "",
		fixture_is_2_3() ? "}\n" : "");
}

pid_t collector_pid(struct fixture *f)
{
	g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
	const char *name;

	g_assert_nonnull(dir);
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_strdup_printf("/proc/%s/stat", name);
		g_autofree char *text = NULL;
		const char *p;
		int parent;

		if (!g_ascii_isdigit(*name) ||
		    !g_file_get_contents(path, &text, NULL, NULL) ||
		    (p = strstr(text, "(popinjay-log) ")) == NULL ||
		    sscanf(p, "(popinjay-log) %*c %d", &parent) != 1 ||
		    p[strlen("(popinjay-log) ")] == 'Z' || parent != f->pid)
			continue;
		return (pid_t)atoi(name);
	}
	return 0;
}
