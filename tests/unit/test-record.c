/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* : fields, and the JSON that nobody can forge. */

#include "lib.h"
#include "str.h"
#include "cases.h"
#include "record.h"

#include <glib.h>

#define MAX_BYTES POPINJAY_RECORD_STR_MAX_BYTES
#define ELLIPSIS "\xE2\x80\xA6"
#define REPLACEMENT "\xEF\xBF\xBD"

struct str_case {
	const char *path;
	const char *value;
	/* the JSON without its quotes */
	const char *json;
};

static const struct str_case str_cases[] = {
	{ "empty", "", "" },
	{ "plain", "joe@example.com", "joe@example.com" },
	{ "quote", "a\"b", "a\\\"b" },
	{ "backslash", "a\\", "a\\\\" },
	{ "slash", "</a>", "</a>" },
	{ "forged-field", "x\",\"user\":\"root",
	  "x\\\",\\\"user\\\":\\\"root" },
	{ "forged-line", "x\"}\npop3: Info: {", "x\\\"}\\u000apop3: Info: {" },
	{ "cr-tab", "\r\t", "\\u000d\\u0009" },
	{ "escape", "\x1b[2J", "\\u001b[2J" },
	{ "first-and-last-control", "\x01\x1f", "\\u0001\\u001f" },
	{ "space", " ", " " },
	{ "del", "\x7f", "\\u007f" },
	{ "c1", "\xc2\x80\xc2\x9b\xc2\x9f", "\\u0080\\u009b\\u009f" },
	{ "after-c1", "\xc2\xa0", "\xc2\xa0" },
	{ "line-separators", "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029" },
	{ "utf8", "h\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x9c",
	  "h\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x9c" },
	{ "last-character", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
	{ "latin1", "h\xe9!", "h" REPLACEMENT "!" },
	{ "cut-character", "a\xe2\x82", "a" REPLACEMENT REPLACEMENT },
	{ "cut-then-quote", "\xe2\"", REPLACEMENT "\\\"" },
	{ "overlong-quote", "\xc0\xa2", REPLACEMENT REPLACEMENT },
	{ "overlong-lf", "\xe0\x80\x8a", REPLACEMENT REPLACEMENT REPLACEMENT },
	{ "surrogate", "\xed\xa0\x80", REPLACEMENT REPLACEMENT REPLACEMENT },
	{ "above-unicode", "\xf4\x90\x80\x80",
	  REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT },
	{ "five-bytes", "\xf8\x88\x80\x80\x80", REPLACEMENT REPLACEMENT
	  REPLACEMENT REPLACEMENT REPLACEMENT },
	{ "no-utf8-byte", "\xff\xfe", REPLACEMENT REPLACEMENT },
};

struct time_case {
	const char *path;
	int64_t secs;
	int usecs;
	const char *json;
};

static const struct time_case time_cases[] = {
	{ "epoch", 0, 0, "\"1970-01-01T00:00:00.000000Z\"" },
	{ "leap-day", 1709251199, 1, "\"2024-02-29T23:59:59.000001Z\"" },
	{ "last-usec", 1700000000, 999999,
	  "\"2023-11-14T22:13:20.999999Z\"" },
	{ "after-2038", 4102444800, 20, "\"2100-01-01T00:00:00.000020Z\"" },
	{ "last-year", 253402300799, 0,
	  "\"9999-12-31T23:59:59.000000Z\"" },
	{ "year-10000", 253402300800, 0, "null" },
	{ "before-epoch", -1, 0, "null" },
};

/* A string as logfmt has it. */
static const struct str_case logfmt_cases[] = {
	{ "empty", "", "\"\"" },
	{ "plain", "joe@example.com", "joe@example.com" },
	{ "message-id", "<a.b+c@d>", "<a.b+c@d>" },
	{ "address", "198.51.100.7", "198.51.100.7" },
	{ "label", "office printer", "\"office printer\"" },
	{ "equals", "a=b", "\"a=b\"" },
	{ "quote", "a\"b", "\"a\\\"b\"" },
	{ "backslash", "a\\b", "\"a\\\\b\"" },
	{ "number", "4711", "\"4711\"" },
	{ "negative", "-1", "\"-1\"" },
	{ "minus", "-", "-" },
	{ "true", "true", "\"true\"" },
	{ "false", "false", "\"false\"" },
	{ "null", "null", "\"null\"" },
	{ "true-ish", "truely", "truely" },
	{ "forged-field", "x user=root", "\"x user=root\"" },
	{ "forged-line", "x\nevent=popinjay_x",
	  "\"x\\u000aevent=popinjay_x\"" },
	{ "utf8", "h\xc3\xa9", "\"h\xc3\xa9\"" },
	{ "latin1", "h\xe9", "\"h" REPLACEMENT "\"" },
};

struct cut_case {
	const char *path;
	/* a string of this many plain letters, then the tail */
	unsigned int letters;
	const char *tail;
	/* what follows the letters in the JSON */
	const char *json_tail;
};

static const struct cut_case cut_cases[] = {
	{ "fits", MAX_BYTES, "", "" },
	{ "one-too-long", MAX_BYTES, "b", ELLIPSIS },
	{ "character-fits", MAX_BYTES - 3, "\xe2\x82\xac", "\xe2\x82\xac" },
	{ "character-cut", MAX_BYTES - 2, "\xe2\x82\xac", ELLIPSIS },
	{ "escape-fits", MAX_BYTES - 6, "\n", "\\u000a" },
	{ "escape-cut", MAX_BYTES - 5, "\n", ELLIPSIS },
	{ "quote-cut", MAX_BYTES - 1, "\"", ELLIPSIS },
	{ "replacement-cut", MAX_BYTES - 1, "\xff", ELLIPSIS },
	{ "nothing-after-cut", MAX_BYTES - 1, "\"a", ELLIPSIS },
};

#define EVENT "popinjay_message_finished"

/* Of the kind that has a field of each type, and two that are true or false. */
static struct popinjay_record *new_record(pool_t pool)
{
	return popinjay_record_create(pool, POPINJAY_RECORD_EXPUNGE);
}

/* The JSON without the event that each record begins with. */
static const char *json_of(const struct popinjay_record *record)
{
	string_t *json = t_str_new(64);
	const char *rest;

	popinjay_record_to_json(record, json);
	g_assert_true(g_str_has_prefix(str_c(json), "{\"event\":\""EVENT"\""));
	rest = str_c(json) + strlen("{\"event\":\""EVENT"\"");
	return t_strconcat("{", *rest == ',' ? rest + 1 : rest, NULL);
}

static const char *json_of_str(const char *value)
{
	struct popinjay_record *record =
		new_record(pool_datastack_create());

	popinjay_record_add_str(record, POPINJAY_LOG_USER, value);
	return json_of(record);
}

/* The logfmt without the event. */
static const char *logfmt_of(const struct popinjay_record *record)
{
	string_t *str = t_str_new(64);

	popinjay_record_to_logfmt(record, str);
	g_assert_true(g_str_has_prefix(str_c(str), "event="EVENT" "));
	return str_c(str) + strlen("event="EVENT" ");
}

static void test_str(gconstpointer data)
{
	const struct str_case *c = data;

	T_BEGIN {
		g_assert_cmpstr(json_of_str(c->value), ==,
			t_strdup_printf("{\"user\":\"%s\"}", c->json));
	} T_END;
}

static void test_cut(gconstpointer data)
{
	const struct cut_case *c = data;
	g_autofree char *letters = g_strnfill(c->letters, 'a');
	g_autofree char *value = g_strconcat(letters, c->tail, NULL);
	g_autofree char *json = g_strconcat("{\"user\":\"", letters,
					    c->json_tail, "\"}", NULL);

	T_BEGIN {
		g_assert_cmpstr(json_of_str(value), ==, json);
	} T_END;
}

static void test_time(gconstpointer data)
{
	const struct time_case *c = data;
	const struct timeval time = { .tv_sec = (time_t)c->secs,
				      .tv_usec = c->usecs };

	if (time.tv_sec != c->secs) {
		g_test_skip("time_t has 32 bits here");
		return;
	}
	T_BEGIN {
		struct popinjay_record *record =
			new_record(pool_datastack_create());

		popinjay_record_add_time(record, POPINJAY_LOG_TIME, &time);
		g_assert_cmpstr(json_of(record), ==,
				t_strdup_printf("{\"time\":%s}", c->json));
	} T_END;
}

static void test_types(void)
{
	pool_t pool = pool_alloconly_create("test record", 1024);
	struct popinjay_record *record = new_record(pool);
	T_BEGIN {
		g_assert_cmpstr(json_of(record), ==, "{}");
		popinjay_record_add_str(record, POPINJAY_LOG_USER, "joe");
		popinjay_record_add_str(record, POPINJAY_LOG_GUID, NULL);
		popinjay_record_add_uint(record, POPINJAY_LOG_UID, 0);
		popinjay_record_add_uint(record, POPINJAY_LOG_SIZE,
					 UINT64_MAX);
		popinjay_record_add_bool(record, POPINJAY_LOG_FETCHED, TRUE);
		popinjay_record_add_bool(record, POPINJAY_LOG_CERTAIN, FALSE);
		g_assert_cmpstr(json_of(record), ==,
			"{\"user\":\"joe\",\"guid\":null,"
			"\"uid\":0,\"size\":18446744073709551615,"
			"\"fetched\":true,\"certain\":false}");
	} T_END;
	pool_unref(&pool);
}

static void test_fields(void)
{
	const struct timeval tv = { 12, 34 };
	const struct popinjay_field *fields;
	unsigned int count = 99;

	T_BEGIN {
		struct popinjay_record *record =
			new_record(pool_datastack_create());

		g_assert_cmpstr(popinjay_record_event(record), ==, EVENT);
		fields = popinjay_record_get_fields(record, &count);
		g_assert_cmpuint(count, ==, 1);
		g_assert_cmpint(fields[0].key, ==, POPINJAY_LOG_EVENT);
		g_assert_cmpstr(fields[0].value.str, ==, EVENT);
		popinjay_record_add_str(record, POPINJAY_LOG_USER,
					"raw\n\xff");
		popinjay_record_add_uint(record, POPINJAY_LOG_UID, 5);
		popinjay_record_add_bool(record, POPINJAY_LOG_CERTAIN, TRUE);
		popinjay_record_add_time(record, POPINJAY_LOG_TIME, &tv);
		popinjay_record_add_null(record, POPINJAY_LOG_FETCHED);

		fields = popinjay_record_get_fields(record, &count);
		g_assert_cmpuint(count, ==, 6);
		g_assert_cmpint(fields[1].key, ==, POPINJAY_LOG_USER);
		g_assert_false(fields[1].null);
		g_assert_cmpstr(fields[1].value.str, ==, "raw\n\xff");
		g_assert_cmpuint(fields[2].value.unum, ==, 5);
		g_assert_true(fields[3].value.yes);
		g_assert_cmpint(fields[4].key, ==, POPINJAY_LOG_TIME);
		g_assert_cmpint(fields[4].value.time.tv_sec, ==, 12);
		g_assert_cmpint(fields[4].value.time.tv_usec, ==, 34);
		g_assert_true(fields[5].null);
	} T_END;
}

static GString *errors;

static void ATTR_FORMAT(2, 0)
take_error(const struct failure_context *ctx ATTR_UNUSED, const char *format,
	   va_list args)
{
	g_string_append_vprintf(errors, format, args);
}

/* What the schema forbids does not get into a record. */
static void test_refused(void)
{
	failure_callback_t *fatal, *error, *info, *debug;

	i_get_failure_handlers(&fatal, &error, &info, &debug);
	errors = g_string_new(NULL);
	i_set_error_handler(take_error);
	T_BEGIN {
		struct popinjay_record *record =
			new_record(pool_datastack_create());

#define ASSERT_REFUSED(name) \
	g_assert_nonnull(strstr(errors->str, "The field "name" is not")); \
	g_assert_cmpstr(json_of(record), ==, "{}"); \
	g_string_truncate(errors, 0)
		/* a field of another kind of record */
		popinjay_record_add_uint(record, POPINJAY_LOG_LINES, 1);
		ASSERT_REFUSED("lines");
		popinjay_record_add_null(record, POPINJAY_LOG_REFETCH_COUNT);
		ASSERT_REFUSED("refetch_count");
		/* another type */
		popinjay_record_add_str(record, POPINJAY_LOG_UID, "1");
		ASSERT_REFUSED("uid");
		popinjay_record_add_uint(record, POPINJAY_LOG_CERTAIN, 1);
		ASSERT_REFUSED("certain");
		/* null */
		popinjay_record_add_str(record, POPINJAY_LOG_ACTION, NULL);
		ASSERT_REFUSED("action");
		popinjay_record_add_null(record, POPINJAY_LOG_CERTAIN);
		ASSERT_REFUSED("certain");
		popinjay_record_add_uint(record, POPINJAY_LOG_UID, 1);
		g_assert_cmpstr(errors->str, ==, "");
		g_assert_cmpstr(json_of(record), ==, "{\"uid\":1}");
	} T_END;
	i_set_error_handler(error);
	g_string_free(errors, TRUE);
}

/* The output is appended to what is there, and dest may be of the data stack
   and too small. */
static void test_append(void)
{
	T_BEGIN {
		string_t *dest = t_str_new(1);
		struct popinjay_record *record =
			new_record(pool_datastack_create());
		const struct timeval tv = { 0, 0 };

		str_append(dest, "log: ");
		popinjay_record_add_time(record, POPINJAY_LOG_TIME, &tv);
		popinjay_record_add_str(record, POPINJAY_LOG_USER, "abc");
		popinjay_record_to_json(record, dest);
		g_assert_cmpstr(str_c(dest), ==, "log: {\"event\":\""EVENT"\","
				"\"time\":\"1970-01-01T00:00:00.000000Z\","
				"\"user\":\"abc\"}");
	} T_END;
}

/* Decode a JSON string from after its quote. Returns what is behind it. */
static const char *json_decode(const char *json, GString *value)
{
	static const char hex[] = "0123456789abcdef";
	gunichar chr;
	unsigned int i;

	for (; *json != '"'; json = g_utf8_next_char(json)) {
		chr = g_utf8_get_char(json);
		g_assert_cmpuint(chr, >=, 0x20);
		g_assert_false(chr >= 0x7f && chr < 0xa0);
		if (chr == '\\' && json[1] == 'u') {
			chr = 0;
			for (i = 2; i < 6; i++) {
				const char *digit = strchr(hex, json[i]);
				g_assert_nonnull(digit);
				chr = chr * 16 + (digit - hex);
			}
			json += 5;
		} else if (chr == '\\') {
			chr = *++json;
			g_assert_true(chr == '"' || chr == '\\');
		}
		g_string_append_unichar(value, chr);
	}
	return json + 1;
}

/* Any bytes at all come back, with U+FFFD for each that is no UTF-8, and leave
   nothing of themselves outside their quotes. */
static void test_random_bytes(void)
{
	static const char interesting[] =
		"\"\\\n\x7f\x80\x9b\xa8\xbf\xc2\xc3\xe0\xe2\xed\xef\xf0\xf4";
	const unsigned int rounds = g_test_thorough() ? 1000000 : 50000;
	unsigned int i, j, size;

	for (i = 0; i < rounds; i++) T_BEGIN {
		char value[33];
		g_autoptr(GString) expected = g_string_new(NULL);
		g_autoptr(GString) decoded = g_string_new(NULL);
		const char *json, *p;

		size = g_test_rand_int_range(0, sizeof(value));
		for (j = 0; j < size; j++) {
			value[j] = g_test_rand_bit() ?
				g_test_rand_int_range(1, 256) :
				interesting[g_test_rand_int_range(
					0, sizeof(interesting) - 1)];
		}
		value[size] = '\0';
		for (p = value; *p != '\0'; ) {
			gunichar chr = g_utf8_get_char_validated(p, -1);

			if (chr == (gunichar)-1 || chr == (gunichar)-2) {
				g_string_append(expected, REPLACEMENT);
				p++;
			} else {
				g_string_append_unichar(expected, chr);
				p = g_utf8_next_char(p);
			}
		}

		json = json_of_str(value);
		g_assert_true(g_utf8_validate(json, -1, NULL));
		g_assert_true(g_str_has_prefix(json, "{\"user\":\""));
		p = json_decode(json + strlen("{\"user\":\""), decoded);
		g_assert_cmpstr(p, ==, "}");
		g_assert_cmpstr(decoded->str, ==, expected->str);
	} T_END;
}

static void test_logfmt_str(gconstpointer data)
{
	const struct str_case *test = data;
	g_autofree char *expected = g_strconcat("user=", test->json, NULL);

	T_BEGIN {
		struct popinjay_record *record =
			new_record(pool_datastack_create());

		popinjay_record_add_str(record, POPINJAY_LOG_USER,
					test->value);
		g_assert_cmpstr(logfmt_of(record), ==, expected);
	} T_END;
}

static void test_logfmt_fields(void)
{
	const struct timeval time = { 1709251199, 1 };
	pool_t pool = pool_alloconly_create("test", 1024);
	struct popinjay_record *record = new_record(pool);
	string_t *str = str_new(pool, 64);

	str_append(str, "before:");
	popinjay_record_add_str(record, POPINJAY_LOG_GUID, NULL);
	popinjay_record_add_time(record, POPINJAY_LOG_TIME, &time);
	popinjay_record_add_uint(record, POPINJAY_LOG_UID, 5);
	popinjay_record_add_bool(record, POPINJAY_LOG_FETCHED, TRUE);
	popinjay_record_add_bool(record, POPINJAY_LOG_CERTAIN, FALSE);
	popinjay_record_to_logfmt(record, str);
	g_assert_cmpstr(str_c(str), ==, "before:event="EVENT" "
			"time=2024-02-29T23:59:59.000001Z uid=5 "
			"fetched=true certain=false");
	pool_unref(&pool);
}

static void test_logfmt_cut(void)
{
	const struct timeval never = { -1, 0 };
	g_autofree char *longest = g_strnfill(MAX_BYTES + 1, 'x');
	g_autofree char *expected = g_strdup_printf("user=\"%.*s"ELLIPSIS"\"",
						    MAX_BYTES, longest);

	T_BEGIN {
		struct popinjay_record *record =
			new_record(pool_datastack_create());

		popinjay_record_add_time(record, POPINJAY_LOG_TIME, &never);
		popinjay_record_add_str(record, POPINJAY_LOG_USER, longest);
		g_assert_cmpstr(logfmt_of(record), ==, expected);
	} T_END;
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	ADD_CASES("/record/str/", str_cases, test_str);
	ADD_CASES("/record/cut/", cut_cases, test_cut);
	ADD_CASES("/record/time/", time_cases, test_time);
	ADD_CASES("/record/logfmt/", logfmt_cases, test_logfmt_str);
	g_test_add_func("/record/logfmt-fields", test_logfmt_fields);
	g_test_add_func("/record/logfmt-cut", test_logfmt_cut);
	g_test_add_func("/record/types", test_types);
	g_test_add_func("/record/fields", test_fields);
	g_test_add_func("/record/refused", test_refused);
	g_test_add_func("/record/append", test_append);
	g_test_add_func("/record/random-bytes", test_random_bytes);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
