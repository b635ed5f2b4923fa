/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* : fields, and the JSON that nobody can forge. */

#include "lib.h"
#include "str.h"
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

static string_t *json_of(const struct popinjay_record *record)
{
	string_t *json = t_str_new(64);

	popinjay_record_to_json(record, json);
	return json;
}

static string_t *json_of_str(const char *value)
{
	struct popinjay_record *record =
		popinjay_record_create(pool_datastack_create());

	popinjay_record_add_str(record, "k", value);
	return json_of(record);
}

static void test_str(gconstpointer data)
{
	const struct str_case *c = data;

	T_BEGIN {
		g_assert_cmpstr(str_c(json_of_str(c->value)), ==,
				t_strdup_printf("{\"k\":\"%s\"}", c->json));
	} T_END;
}

static void test_cut(gconstpointer data)
{
	const struct cut_case *c = data;
	g_autofree char *letters = g_strnfill(c->letters, 'a');
	g_autofree char *value = g_strconcat(letters, c->tail, NULL);
	g_autofree char *json = g_strconcat("{\"k\":\"", letters, c->json_tail,
					    "\"}", NULL);

	T_BEGIN {
		g_assert_cmpstr(str_c(json_of_str(value)), ==, json);
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
			popinjay_record_create(pool_datastack_create());

		popinjay_record_add_time(record, "k", &time);
		g_assert_cmpstr(str_c(json_of(record)), ==,
				t_strdup_printf("{\"k\":%s}", c->json));
	} T_END;
}

static void test_types(void)
{
	pool_t pool = pool_alloconly_create("test record", 1024);
	struct popinjay_record *record = popinjay_record_create(pool);
	T_BEGIN {
		g_assert_cmpstr(str_c(json_of(record)), ==, "{}");
		popinjay_record_add_str(record, "user", "joe");
		popinjay_record_add_str(record, "none", NULL);
		popinjay_record_add_uint(record, "zero", 0);
		popinjay_record_add_uint(record, "most", UINT64_MAX);
		popinjay_record_add_bool(record, "yes", TRUE);
		popinjay_record_add_bool(record, "no", FALSE);
		g_assert_cmpstr(str_c(json_of(record)), ==,
			"{\"user\":\"joe\",\"none\":null,"
			"\"zero\":0,"
			"\"most\":18446744073709551615,"
			"\"yes\":true,\"no\":false}");
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
			popinjay_record_create(pool_datastack_create());

		(void)popinjay_record_get_fields(record, &count);
		g_assert_cmpuint(count, ==, 0);
		popinjay_record_add_str(record, "a", "raw\n\xff");
		popinjay_record_add_uint(record, "c", 5);
		popinjay_record_add_bool(record, "d", TRUE);
		popinjay_record_add_time(record, "e", &tv);

		fields = popinjay_record_get_fields(record, &count);
		g_assert_cmpuint(count, ==, 4);
		g_assert_cmpstr(fields[0].key, ==, "a");
		g_assert_cmpint(fields[0].type, ==, POPINJAY_FIELD_STR);
		g_assert_cmpstr(fields[0].value.str, ==, "raw\n\xff");
		g_assert_cmpint(fields[1].type, ==, POPINJAY_FIELD_UINT);
		g_assert_cmpuint(fields[1].value.unum, ==, 5);
		g_assert_cmpint(fields[2].type, ==, POPINJAY_FIELD_BOOL);
		g_assert_true(fields[2].value.yes);
		g_assert_cmpstr(fields[3].key, ==, "e");
		g_assert_cmpint(fields[3].type, ==, POPINJAY_FIELD_TIME);
		g_assert_cmpint(fields[3].value.time.tv_sec, ==, 12);
		g_assert_cmpint(fields[3].value.time.tv_usec, ==, 34);
	} T_END;
}

/* The output is appended to what is there, and dest may be of the data stack
   and too small. */
static void test_append(void)
{
	T_BEGIN {
		string_t *dest = t_str_new(1);
		struct popinjay_record *record =
			popinjay_record_create(pool_datastack_create());
		const struct timeval tv = { 0, 0 };

		str_append(dest, "log: ");
		popinjay_record_add_time(record, "t", &tv);
		popinjay_record_add_str(record, "s", "abc");
		popinjay_record_to_json(record, dest);
		g_assert_cmpstr(str_c(dest), ==, "log: {\"t\":"
				"\"1970-01-01T00:00:00.000000Z\","
				"\"s\":\"abc\"}");
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
		string_t *json;
		const char *p;

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
		g_assert_true(g_utf8_validate(str_c(json), str_len(json),
					      NULL));
		g_assert_true(g_str_has_prefix(str_c(json), "{\"k\":\""));
		p = json_decode(str_c(json) + 6, decoded);
		g_assert_cmpstr(p, ==, "}");
		g_assert_cmpstr(decoded->str, ==, expected->str);
	} T_END;
}

static void test_logfmt_str(gconstpointer data)
{
	const struct str_case *test = data;
	pool_t pool = pool_alloconly_create("test", 1024);
	struct popinjay_record *record = popinjay_record_create(pool);
	g_autofree char *expected = g_strconcat("k=", test->json, NULL);
	string_t *str = str_new(pool, 64);

	popinjay_record_add_str(record, "k", test->value);
	popinjay_record_to_logfmt(record, str);
	g_assert_cmpstr(str_c(str), ==, expected);
	pool_unref(&pool);
}

static void test_logfmt_fields(void)
{
	const struct timeval time = { 1709251199, 1 }, never = { -1, 0 };
	pool_t pool = pool_alloconly_create("test", 1024);
	struct popinjay_record *record = popinjay_record_create(pool);
	string_t *str = str_new(pool, 64);
	char *longest = g_strnfill(MAX_BYTES + 1, 'x');

	str_append(str, "before:");
	popinjay_record_add_str(record, "nothing", NULL);
	popinjay_record_add_time(record, "time", &time);
	popinjay_record_add_time(record, "never", &never);
	popinjay_record_add_uint(record, "uint", 5);
	popinjay_record_add_bool(record, "yes", TRUE);
	popinjay_record_add_bool(record, "no", FALSE);
	popinjay_record_to_logfmt(record, str);
	g_assert_cmpstr(str_c(str), ==, "before:"
			"time=2024-02-29T23:59:59.000001Z uint=5 "
			"yes=true no=false");

	record = popinjay_record_create(pool);
	popinjay_record_add_str(record, "long", longest);
	str_truncate(str, 0);
	popinjay_record_to_logfmt(record, str);
	longest[MAX_BYTES] = '\0';
	g_assert_true(g_str_has_prefix(str_c(str), "long=\""));
	g_assert_true(g_str_has_prefix(str_c(str) + strlen("long=\""),
				       longest));
	g_assert_true(g_str_has_suffix(str_c(str), "x" ELLIPSIS "\""));
	g_free(longest);
	pool_unref(&pool);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(str_cases); i++) {
		g_autofree char *path =
			g_strconcat("/record/str/", str_cases[i].path, NULL);
		g_test_add_data_func(path, &str_cases[i], test_str);
	}
	for (i = 0; i < N_ELEMENTS(cut_cases); i++) {
		g_autofree char *path =
			g_strconcat("/record/cut/", cut_cases[i].path, NULL);
		g_test_add_data_func(path, &cut_cases[i], test_cut);
	}
	for (i = 0; i < N_ELEMENTS(time_cases); i++) {
		g_autofree char *path =
			g_strconcat("/record/time/", time_cases[i].path, NULL);
		g_test_add_data_func(path, &time_cases[i], test_time);
	}
	for (i = 0; i < N_ELEMENTS(logfmt_cases); i++) {
		g_autofree char *path = g_strconcat(
			"/record/logfmt/", logfmt_cases[i].path, NULL);
		g_test_add_data_func(path, &logfmt_cases[i], test_logfmt_str);
	}
	g_test_add_func("/record/logfmt-fields", test_logfmt_fields);
	g_test_add_func("/record/types", test_types);
	g_test_add_func("/record/fields", test_fields);
	g_test_add_func("/record/append", test_append);
	g_test_add_func("/record/random-bytes", test_random_bytes);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
