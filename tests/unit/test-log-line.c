/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -line: which lines have a record, and what is in it. */

#include "lib.h"
#include "str.h"
#include "cases.h"
#include "log-line.h"
#include "record.h"

#include <glib.h>

#define OTHER POPINJAY_LOG_LINE_OTHER
#define RECORD POPINJAY_LOG_LINE_RECORD
#define DAMAGED POPINJAY_LOG_LINE_DAMAGED

/* with the user "alice" */
#define JSON(more) "{\"event\":\"popinjay_session_finished\"," \
	"\"time\":\"2024-02-29T23:59:59.000001Z\",\"user\":\"alice\"" more "}"
#define LOGFMT(more) "event=popinjay_session_finished " \
	"time=2024-02-29T23:59:59.000001Z user=alice" more
#define PREFIX "pop3(alice)<4711><ViHWZ+RgtOF/AAAB>: "
#define TIME_JSON(time) "{\"event\":\"popinjay_x\",\"time\":\"" time \
	"\",\"user\":\"alice\"}"

static const struct line_case {
	const char *path;
	const char *line;
	enum popinjay_log_line type;
} line_cases[] = {
	{ "json", JSON(""), RECORD },
	{ "json-crlf", JSON("") "\r", RECORD },
	{ "json-spaces", "{\"event\":\"popinjay_x\" , \"time\": "
	  "\"2024-02-29T23:59:59Z\",\t\"user\" :\"alice\" } ", RECORD },
	{ "json-values", JSON(",\"a\":-1.5e+9,\"b\":null,\"c\":false,"
			      "\"d\":\"\",\"e\":0"), RECORD },
	{ "json-escapes", JSON(",\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t"
			       "\\u0000\\uD83d\""), RECORD },
	{ "logfmt", LOGFMT(""), RECORD },
	{ "logfmt-quoted", LOGFMT(" a=\"b c\\\"\\u0041\" d= e=1"), RECORD },
	{ "dovecot-log", "Nov 23 00:08:30 "PREFIX"Info: "JSON(""), RECORD },
	{ "dovecot-log-logfmt", "Nov 23 00:08:30 "PREFIX"Info: "LOGFMT(""),
	  RECORD },
	{ "dovecot-log-no-time", PREFIX"Info: "JSON(""), RECORD },
	{ "dovecot-log-login", "Nov 23 00:08:30 pop3-login: Info: "JSON(""),
	  RECORD },
	{ "syslog", "Nov 23 00:08:30 host dovecot: "PREFIX JSON(""), RECORD },
	{ "syslog-pid", "Nov 23 00:08:30 host dovecot[1]: "PREFIX JSON(""),
	  RECORD },
	{ "syslog-login", "Nov 23 00:08:30 host dovecot: pop3-login: "JSON(""),
	  RECORD },
	{ "syslog-rfc3339", "2024-02-29T00:08:30.123+00:00 host dovecot: "
	  PREFIX JSON(""), RECORD },
	{ "syslog-instance", "Nov 23 00:08:30 host dovecot-2.b: "PREFIX
	  JSON(""), RECORD },
	{ "syslog-rfc5424", "<22>1 2024-02-29T00:08:30.1Z host dovecot 1 - - "
	  PREFIX JSON(""), RECORD },
	{ "syslog-own", "Nov 23 00:08:30 host popinjay[4711]: "JSON(""),
	  RECORD },
	{ "syslog-own-logfmt", "Nov 23 00:08:30 host popinjay: "LOGFMT(""),
	  RECORD },
	{ "user-with-bracket", "Nov 23 00:08:30 pop3(a)b(<1><2>: Info: "
	  JSON(""), RECORD },

	{ "empty", "", OTHER },
	{ "cr", "\r\r", OTHER },
	{ "colon", ":", OTHER },
	{ "colon-space", ": ", OTHER },
	{ "info", ": Info: ", OTHER },
	{ "login", "Nov 23 00:08:30 pop3-login: Info: Login: user=<alice>",
	  OTHER },
	{ "other-json", "{\"event\":\"other\",\"time\":"
	  "\"2024-02-29T23:59:59Z\"}", OTHER },
	/* what a client chose in what others log */
	{ "in-other-message", "Nov 23 00:08:30 imap(eve)<1><2>: Info: delete: "
	  "subject="JSON(""), OTHER },
	{ "in-other-message-with-info", "Nov 23 00:08:30 imap(eve)<1><2>: "
	  "Info: delete: subject=x: Info: "JSON(""), OTHER },
	{ "in-other-message-with-prefix", "Nov 23 00:08:30 imap(eve)<1><2>: "
	  "Info: delete: subject=x "PREFIX"Info: "JSON(""), OTHER },
	{ "in-other-message-syslog", "Nov 23 00:08:30 host dovecot: "
	  "imap(eve)<1><2>: delete: subject=x dovecot: "PREFIX JSON(""),
	  OTHER },
	{ "in-failed-login", "Nov 23 00:08:30 pop3-login: Info: Disconnected: "
	  "user=<"JSON("")">, method=PLAIN", OTHER },
	{ "in-error", "Nov 23 00:08:30 imap(eve)<1><2>: Error: x: Info: "
	  JSON(""), OTHER },
	{ "other-program", "Nov 23 00:08:30 host sshd[1]: user dovecot: "
	  PREFIX JSON(""), OTHER },
	{ "other-program-own-name", "Nov 23 00:08:30 host logger: x "
	  "popinjay: "JSON(""), OTHER },

	{ "cut", "{\"event\":\"popinjay_x\",\"time\":"
	  "\"2024-02-29T23:59:59Z\",\"user\":\"ali", DAMAGED },
	{ "cut-key", "{\"event\":\"popinjay_x\",\"ti", DAMAGED },
	{ "cut-escape", "{\"event\":\"popinjay_x\\", DAMAGED },
	{ "cut-unicode", "{\"event\":\"popinjay_x\\u00\"", DAMAGED },
	{ "behind", JSON("") "x", DAMAGED },
	{ "two", JSON("") JSON(""), DAMAGED },
	{ "no-time", "{\"event\":\"popinjay_x\",\"user\":\"alice\"}",
	  DAMAGED },
	{ "event-alone", "{\"event\":\"popinjay_", DAMAGED },
	{ "twice", JSON(",\"user\":\"bob\""), DAMAGED },
	{ "comma-at-end", JSON(","), DAMAGED },
	{ "nested", JSON(",\"a\":{}"), DAMAGED },
	{ "array", JSON(",\"a\":[]"), DAMAGED },
	{ "bare-word", JSON(",\"a\":alice"), DAMAGED },
	{ "leading-zero", JSON(",\"a\":01"), DAMAGED },
	{ "hex", JSON(",\"a\":0x1"), DAMAGED },
	{ "point-at-end", JSON(",\"a\":1."), DAMAGED },
	{ "bad-escape", JSON(",\"a\":\"\\x\""), DAMAGED },
	{ "control", JSON(",\"a\":\"\t\""), DAMAGED },
	{ "logfmt-cut", LOGFMT(" a=\"b"), DAMAGED },
	{ "logfmt-no-value", LOGFMT(" a"), DAMAGED },
	{ "logfmt-two-spaces", LOGFMT("  a=b"), DAMAGED },
	{ "logfmt-behind-quote", LOGFMT(" a=\"b\"c"), DAMAGED },
	{ "logfmt-quote-inside", LOGFMT(" a=b\"c"), DAMAGED },
	{ "logfmt-space-at-end", LOGFMT(" "), DAMAGED },
	/* a user name in Dovecot's prefix that would be a record itself */
	{ "user-is-json", "Nov 23 00:08:30 pop3(x: Info: "JSON("")")<1><2>: "
	  "Info: "JSON(""), DAMAGED },
	{ "user-takes-in-json", "Nov 23 00:08:30 pop3(x: Info: "
	  "{\"event\":\"popinjay_x\",\"time\":\"2024-02-29T23:59:59Z\","
	  "\"user\":\"bob\",\"a\":\")<1><2>: Info: "JSON(""), DAMAGED },
	{ "user-takes-in-logfmt", "Nov 23 00:08:30 pop3(x: Info: "
	  "event=popinjay_x time=2024-02-29T23:59:59Z user=bob a=\")<1><2>: "
	  "Info: "LOGFMT(" b=\"c d=e\""), DAMAGED },

	{ "time-no-fraction", TIME_JSON("2024-02-29T23:59:59Z"), RECORD },
	{ "time-millis", TIME_JSON("2024-02-29T23:59:59.123Z"), RECORD },
	{ "time-no-zone", TIME_JSON("2024-02-29T23:59:59"), DAMAGED },
	{ "time-offset", TIME_JSON("2024-02-29T23:59:59+01:00"), DAMAGED },
	{ "time-nanos", TIME_JSON("2024-02-29T23:59:59.123456789Z"),
	  DAMAGED },
	{ "time-no-leap", TIME_JSON("2023-02-29T23:59:59Z"), DAMAGED },
	{ "time-century", TIME_JSON("2100-02-29T23:59:59Z"), DAMAGED },
	{ "time-month-0", TIME_JSON("2024-00-29T23:59:59Z"), DAMAGED },
	{ "time-month-13", TIME_JSON("2024-13-29T23:59:59Z"), DAMAGED },
	{ "time-hour-24", TIME_JSON("2024-02-29T24:59:59Z"), DAMAGED },
	{ "time-letters", TIME_JSON("2O24-02-29T23:59:59Z"), DAMAGED },
	{ "time-before-1970", TIME_JSON("1969-12-31T23:59:59Z"), DAMAGED },
};

/* The line at the end of a page of its own: reading beyond it is seen by
   ASan. */
static enum popinjay_log_line
read_line(const char *line, size_t size, struct popinjay_log_record *record_r,
	  unsigned char **copy_r)
{
	*copy_r = g_memdup2(line, size);
	return popinjay_log_line_read(*copy_r, size, record_r);
}

static void test_line(const void *data)
{
	const struct line_case *c = data;
	struct popinjay_log_record record;
	unsigned char *copy;

	g_assert_cmpint(read_line(c->line, strlen(c->line), &record, &copy),
			==, c->type);
	if (c->type == RECORD) {
		g_assert_true(popinjay_log_record_str_equals(&record,
				POPINJAY_LOG_USER, "alice"));
		g_assert_cmpint(record.time_usecs / 1000000, ==, 1709251199);
	}
	g_free(copy);
}

/* No part of a record's line is a record. */
static void test_cut_anywhere(void)
{
	const char *lines[] = {
		JSON(",\"a\":12,\"b\":\"\\u0041\""),
		"Nov 23 00:08:30 host dovecot: "PREFIX JSON(""),
	};
	struct popinjay_log_record record;
	unsigned char *copy;

	for (unsigned int i = 0; i < G_N_ELEMENTS(lines); i++) {
		for (size_t size = 0; size < strlen(lines[i]); size++) {
			g_assert_cmpint(read_line(lines[i], size, &record,
						  &copy), !=, RECORD);
			g_free(copy);
		}
	}
}

static void test_fields(void)
{
	static const char line[] = "{\"event\":\"popinjay_message_finished\","
		"\"time\":\"1970-01-01T00:00:00.5Z\",\"record\":"
		"18446744073709551615,\"uid\":18446744073709551616,"
		"\"size\":-1,\"bytes\":\"5\",\"complete\":true,\"tls\":1,"
		"\"guid\":null,\"uidl\":\"\",\"user\":17,\"secret_label\":"
		"\"a\\\"\\\\\\/\\n\\u00e4\\u2028\\u0000\\ud83d\"}";
	struct popinjay_log_record record;
	unsigned char *copy;

	g_assert_cmpint(read_line(line, strlen(line), &record, &copy), ==,
			RECORD);
	g_assert_cmpint(record.event, ==, POPINJAY_LOG_MESSAGE);
	g_assert_cmpuint(record.time_usecs, ==, 500000);
#define NUM(key) popinjay_log_record_num(&record, POPINJAY_LOG_##key)
#define STR(key) popinjay_log_record_str(&record, POPINJAY_LOG_##key)
#define HAS(key) popinjay_log_record_has(&record, POPINJAY_LOG_##key)
	g_assert_cmpuint(NUM(RECORD), ==, G_MAXUINT64);
	g_assert_false(HAS(UID));
	g_assert_cmpuint(NUM(UID), ==, 0);
	g_assert_false(HAS(SIZE));
	g_assert_false(HAS(BYTES));
	g_assert_cmpuint(NUM(COMPLETE), ==, 1);
	g_assert_false(HAS(TLS));
	g_assert_false(HAS(GUID));
	g_assert_null(STR(GUID));
	g_assert_cmpstr(STR(UIDL), ==, "");
	g_assert_null(STR(USER));
	g_assert_cmpstr(STR(SECRET_LABEL), ==,
			"a\"\\/\n\xc3\xa4\xe2\x80\xa8\xef\xbf\xbd\xef\xbf\xbd");
	g_assert_true(popinjay_log_record_str_equals(&record,
		POPINJAY_LOG_SECRET_LABEL, STR(SECRET_LABEL)));
	g_assert_false(popinjay_log_record_str_equals(&record,
		POPINJAY_LOG_GUID, ""));
	g_free(copy);
}

static void test_logfmt_fields(void)
{
	static const char line[] = "event=popinjay_login_finished "
		"time=2024-02-29T23:59:59Z session=12 user=\"true\" "
		"record=12 tls=true remote_ip=2001:db8::7 "
		"message_id=<a@b> reason=null";
	struct popinjay_log_record record;
	unsigned char *copy;

	g_assert_cmpint(read_line(line, strlen(line), &record, &copy), ==,
			RECORD);
	g_assert_cmpint(record.event, ==, POPINJAY_LOG_LOGIN);
	g_assert_cmpstr(STR(SESSION_ID), ==, "12");
	g_assert_cmpstr(STR(USER), ==, "true");
	g_assert_cmpuint(NUM(RECORD), ==, 12);
	g_assert_cmpuint(NUM(TLS), ==, 1);
	g_assert_cmpstr(STR(REMOTE_IP), ==, "2001:db8::7");
	g_assert_cmpstr(STR(MESSAGE_ID), ==, "<a@b>");
	g_assert_false(HAS(REASON));
	g_free(copy);
}

/* What record.h writes is read as it was, whatever the strings are. */
static void test_written(void)
{
	for (unsigned int i = 0; i < 2000; i++) T_BEGIN {
		struct popinjay_record *written =
			popinjay_record_create(pool_datastack_create(),
					       POPINJAY_RECORD_SESSION);
		struct popinjay_log_record record;
		struct timeval time = {
			.tv_sec = g_test_rand_int_range(0, G_MAXINT),
			.tv_usec = g_test_rand_int_range(0, 1000000)
		};
		char user[32];
		string_t *json = t_str_new(256), *clean = t_str_new(64);
		unsigned char *copy;
		unsigned int len = g_test_rand_int_range(0, sizeof(user));

		for (unsigned int j = 0; j < len; j++)
			user[j] = g_test_rand_int_range(1, 128);
		user[len] = '\0';
		str_append(clean, user);
		popinjay_record_add_time(written, POPINJAY_LOG_TIME, &time);
		popinjay_record_add_str(written, POPINJAY_LOG_USER, user);
		popinjay_record_add_uint(written, POPINJAY_LOG_BYTES_OUT, i);
		popinjay_record_to_json(written, json);
		g_assert_cmpint(read_line(str_c(json), str_len(json), &record,
					  &copy), ==, RECORD);
		g_assert_cmpuint(record.time_usecs, ==, time.tv_sec *
				 G_GUINT64_CONSTANT(1000000) + time.tv_usec);
		g_assert_cmpstr(STR(USER), ==, str_c(clean));
		g_assert_cmpuint(NUM(BYTES_OUT), ==, i);
		g_free(copy);
	} T_END;
}

/* Good lines with bytes changed, and noise, end neither in a crash nor in
   reading beyond the line (the sanitizers' build). */
static void test_noise(void)
{
	static const char *const lines[] = {
		"Nov 23 00:08:30 "PREFIX"Info: "JSON(",\"a\":\"\\u0041\""),
		"Nov 23 00:08:30 host dovecot: "PREFIX LOGFMT(" a=\"b\\\"\""),
		JSON(",\"session\":\"x\",\"record\":1,\"tls\":true"),
	};
	struct popinjay_log_record record;

	for (unsigned int i = 0; i < 20000; i++) T_BEGIN {
		const char *line = lines[i % G_N_ELEMENTS(lines)];
		size_t size = strlen(line);
		unsigned char *copy = g_memdup2(line, size);
		unsigned int changes = g_test_rand_int_range(1, 5);

		while (changes-- > 0) {
			copy[g_test_rand_int_range(0, size)] =
				g_test_rand_bit() ? g_test_rand_int() :
				"\"\\{}:,= u"[g_test_rand_int_range(0, 10)];
		}
		if (popinjay_log_line_read(copy, size, &record) == RECORD) {
			for (unsigned int k = 0;
			     k < POPINJAY_LOG_FIELD_COUNT; k++)
				(void)popinjay_log_record_str(&record, k);
		}
		g_free(copy);
	} T_END;
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	ADD_CASES("/log-line/", line_cases, test_line);
	g_test_add_func("/log-line/cut-anywhere", test_cut_anywhere);
	g_test_add_func("/log-line/fields", test_fields);
	g_test_add_func("/log-line/logfmt-fields", test_logfmt_fields);
	g_test_add_func("/log-line/written", test_written);
	g_test_add_func("/log-line/noise", test_noise);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
