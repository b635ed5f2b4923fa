/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -foreign: the files of Courier, Cyrus and another Dovecot. */

#include "lib.h"
#include "uidl-foreign.h"

#include <glib.h>

typedef int parse_func_t(const void *data, size_t size,
			 popinjay_uidl_foreign_func_t *func, void *context,
			 const char **error_r);

static void add_message(const struct popinjay_uidl_foreign *message,
			void *context)
{
	GString *text = context;
	g_autofree char *size = message->size == UOFF_T_MAX ? g_strdup("-") :
		g_strdup_printf("%" PRIu64, (uint64_t)message->size);

	g_string_append_printf(text, "%s %s %u %u %s %s;", message->filename,
			       message->uidl == NULL ? "-" : message->uidl,
			       message->uid, message->uidvalidity, size,
			       message->guid == NULL ? "-" : message->guid);
}

struct file_case {
	const char *data;
	/* the messages, or the error */
	const char *result, *error;
};

static void
check_cases(parse_func_t *parse, const struct file_case *cases, unsigned count)
{
	for (unsigned int i = 0; i < count; i++) T_BEGIN {
		g_autoptr(GString) text = g_string_new(NULL);
		const char *error = NULL;
		int ret = parse(cases[i].data, strlen(cases[i].data),
				add_message, text, &error);

		g_assert_cmpint(ret, ==, cases[i].error == NULL ? 0 : -1);
		g_assert_cmpstr(error, ==, cases[i].error);
		if (cases[i].error == NULL)
			g_assert_cmpstr(text->str, ==, cases[i].result);
	} T_END;
}

static void test_courier(void)
{
	static const struct file_case cases[] = {
		/* as courierpop3d writes it */
		{ "/3 4 1795392405\n"
		  "1700000001.M1.host:2, 42 1:1795392405:0\n"
		  "1700000002.M2.host,S=40:2,S 43 2:1795392000:1\n",
		  "1700000001.M1.host UID1-1795392405 1 1795392405 42 -;"
		  "1700000002.M2.host,S=40 UID2-1795392000 2 1795392000 43 -;",
		  NULL },
		{ "/2 4 17\na 42 1:17\nb 43 2:0\n",
		  "a UID1-17 1 17 42 -;b UID2 2 0 43 -;", NULL },
		{ "/1 4\na 42 1\n", "a UID1 1 0 42 -;", NULL },
		/* no number: made of the name */
		{ "/2 4 17\na+b'c\"d e\x80:2,S 42 0:0\n",
		  "a+b'c\"d e\x80 a+2Bb+27c+22d+20e+80 0 0 42 -;", NULL },
		{ "/3 1 17\n", "", NULL },
		{ "", NULL,
		  "It is not a courierpop3dsizelist" },
		{ "/4 1 17\na 1 1\n", NULL,
		  "It is not a courierpop3dsizelist" },
		{ "3 V1 N1\n", NULL,
		  "It is not a courierpop3dsizelist" },
		{ "/3 1 17\na 42 1:17:0", NULL, "Line 2: It has no line end" },
		{ "/3 1 17\na 42\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "/3 1 17\na 42 \n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "/3 1 17\na 42 x:17:0\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "/3 1 17\na 42 1:17:0:0\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "/3 1 17\n 42 1:17:0\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "/3 1 17\na -42 1:17:0\n", NULL,
		  "Line 2: It is not valid in this file" }
	};

	check_cases(popinjay_courier_parse, cases, G_N_ELEMENTS(cases));
}

static void test_uidlist(void)
{
	static const struct file_case cases[] = {
		{ "3 V1700000123 N8 G0123456789abcdef\n"
		  "1 :a.host\n"
		  "2 P0000abcd W1234 :b.host,S=1200:2,S\n"
		  "7 Gother O3 :c.host\n",
		  "a.host - 1 1700000123 - -;"
		  "b.host,S=1200 0000abcd 2 1700000123 1234 -;"
		  "c.host - 7 1700000123 - other;", NULL },
		{ "1 1700000123 3\n1 a.host\n2 b c:2,\n",
		  "a.host - 1 1700000123 - -;b c - 2 1700000123 - -;", NULL },
		{ "3 N8 V17\n", "", NULL },
		{ "2 V17 N8\n", NULL,
		  "It is not a dovecot-uidlist" },
		{ "", NULL, "It is not a dovecot-uidlist" },
		{ "\n3 V17 N8\n", NULL,
		  "It is not a dovecot-uidlist" },
		{ "3 N8\n", NULL, "Its first line has no UIDVALIDITY" },
		{ "3 V0 N8\n", NULL, "Its first line has no UIDVALIDITY" },
		{ "3 Vx N8\n", NULL, "Its first line has no UIDVALIDITY" },
		{ "1\n", NULL, "Its first line has no UIDVALIDITY" },
		{ "3 V17 N8\n0 :a\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "3 V17 N8\n1 a\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "3 V17 N8\n1 Wx :a\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "3 V17 N8\n1 :\n", NULL,
		  "Line 2: It is not valid in this file" },
		{ "3 V17 N8\n1 :a", NULL, "Line 2: It has no line end" }
	};

	check_cases(popinjay_uidlist_parse, cases, G_N_ELEMENTS(cases));
}

/* NULs and lines without end, in files and at their beginning. */
static void test_not_text(void)
{
	g_autofree char *filler = g_strnfill(5000, 'x');
	g_autofree char *longer = g_strconcat("/3 1 17\n", filler, "\n", NULL);
	parse_func_t *const funcs[] = {
		popinjay_courier_parse, popinjay_uidlist_parse
	};
	const char *error;

	for (unsigned int i = 0; i < G_N_ELEMENTS(funcs); i++) {
		g_assert_cmpint(funcs[i]("/3\0 1 17\n", 9, add_message, NULL,
					 &error), ==, -1);
		g_assert_cmpstr(error, ==,
				"Line 1: It is too long or has a NUL in it");
	}
	g_assert_cmpint(popinjay_courier_parse(longer, strlen(longer),
					       add_message, NULL, &error),
			==, -1);
	g_assert_cmpstr(error, ==, "Line 2: It is too long or has a NUL in it");
}

/* The beginning of a cyrus.index of Cyrus 3.6.1. */
static const unsigned char cyrus_index[64] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0, 0, 0, 0xa0,
	0, 0, 0, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0x6b, 3, 0x84, 0x45, 0x6b, 3, 0x84, 0x46
};

static void test_cyrus(void)
{
	unsigned char data[64];
	uint32_t uidvalidity, uid;
	const char *error;

	g_assert_cmpint(popinjay_cyrus_parse(cyrus_index, 64, &uidvalidity,
					     &error), ==, 0);
	g_assert_cmpuint(uidvalidity, ==, 0x6b038446);
	g_assert_cmpint(popinjay_cyrus_parse(cyrus_index, 63, &uidvalidity,
					     &error), ==, -1);
	memcpy(data, cyrus_index, sizeof(data));
	data[11] = 9;
	g_assert_cmpint(popinjay_cyrus_parse(data, 64, &uidvalidity, &error),
			==, -1);
	g_assert_cmpstr(error, ==,
			"This version of cyrus.index is unknown (9)");
	memcpy(data, cyrus_index, sizeof(data));
	memset(data + 44, 0, 4);
	g_assert_cmpint(popinjay_cyrus_parse(data, 64, &uidvalidity, &error),
			==, -1);

	g_assert_true(popinjay_cyrus_filename_parse("17.", &uid));
	g_assert_cmpuint(uid, ==, 17);
	g_assert_false(popinjay_cyrus_filename_parse("17", &uid));
	g_assert_false(popinjay_cyrus_filename_parse("0.", &uid));
	g_assert_false(popinjay_cyrus_filename_parse("17.x", &uid));
	g_assert_false(popinjay_cyrus_filename_parse("cyrus.index", &uid));
	g_assert_false(popinjay_cyrus_filename_parse("99999999999.", &uid));
}

static void test_fuzz(void)
{
	static const char *const parts[] = {
		"/3 ", "3 V17", " ", " ", "\n", "\n", "1", "42", ":", " :",
		"UID", "P", "W", "a.host", "\x80"
	};

	for (unsigned int i = 0; i < 5000; i++) T_BEGIN {
		g_autoptr(GString) text = g_string_new(
			g_test_rand_bit() ? "/3 4 17\n" : "3 V17 N8\n");
		g_autoptr(GString) result = g_string_new(NULL);
		unsigned int n = g_test_rand_int_range(0, 40);
		parse_func_t *parse = *text->str == '/' ?
			popinjay_courier_parse : popinjay_uidlist_parse;
		const char *error = NULL;

		for (unsigned int j = 0; j < n; j++) {
			g_string_append(text, parts[g_test_rand_int_range(
				0, G_N_ELEMENTS(parts))]);
		}
		g_assert_true(parse(text->str, text->len, add_message, result,
				    &error) == 0 || error != NULL);
	} T_END;
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl-foreign/courier", test_courier);
	g_test_add_func("/uidl-foreign/uidlist", test_uidlist);
	g_test_add_func("/uidl-foreign/not-text", test_not_text);
	g_test_add_func("/uidl-foreign/cyrus", test_cyrus);
	g_test_add_func("/uidl-foreign/fuzz", test_fuzz);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
