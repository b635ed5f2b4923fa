/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -table: the text form of a list of UIDLs. */

#include "lib.h"
#include "array.h"
#include "uidl-table.h"

#include <glib.h>

#define HASH1 "0123456789abcdef0123456789abcdef"

struct table {
	pool_t pool;
	ARRAY_TYPE(popinjay_uidl_row) rows;
};

static int parse_data(struct table *table, const char *text, gsize size,
		      const char **error_r)
{
	table->pool = pool_alloconly_create("test table", 1024);
	p_array_init(&table->rows, table->pool, 8);
	return popinjay_uidl_table_parse(text, size, table->pool, &table->rows,
					 error_r);
}

static void parse(struct table *table, const char *text)
{
	const char *error = NULL;

	if (parse_data(table, text, strlen(text), &error) < 0)
		g_error("\"%s\": %s", text, error);
}

/* A row as text, to compare with. */
static char *row_text(const struct popinjay_uidl_row *row)
{
	g_autofree char *size = row->size == UOFF_T_MAX ? g_strdup("-") :
		g_strdup_printf("%" PRIu64, (uint64_t)row->size);

#define TEXT(str) ((str) == NULL ? "-" : (str))
	return g_strjoin(" ", row->uidl, size, TEXT(row->hash),
			 TEXT(row->message_id), TEXT(row->guid),
			 TEXT(row->user), NULL);
}

static char *table_text(const struct table *table)
{
	const struct popinjay_uidl_row *row;
	GString *text = g_string_new(NULL);

	array_foreach(&table->rows, row) {
		g_autofree char *one = row_text(row);

		g_string_append_printf(text, "%s;", one);
	}
	return g_string_free(text, FALSE);
}

static void test_good(void)
{
	static const struct {
		const char *text, *rows;
	} cases[] = {
		{ "uidl\n", "" },
		{ "uidl", "" },
		{ "# made by hand\n\nuidl\nabc\n", "abc - - - - -;" },
		{ "uidl\r\nabc\r\ndef", "abc - - - - -;def - - - - -;" },
		/* only before the first line is it a comment */
		{ "uidl\n#abc\n\n%41\n", "#abc - - - - -;%41 - - - - -;" },
		{ "UIDL\tSize\tHeader\tMessage_ID\tGUID\n"
		  "a\t5\t" HASH1 "\t<1@x>\tg\nb\t\t\t\t\n",
		  "a 5 " HASH1 " <1@x> g -;b - - - - -;" },
		{ "msn\tuid\tguid\tuidl\tsource\n1\t7\tg\tu\tformat\n",
		  "u - - - g -;" },
		{ "size\tuidl\n18446744073709551614\tu\n",
		  "u 18446744073709551614 - - - -;" },
		{ "Username\tuidl\nbob\t1\nalice\t2\nbob\t3\ncarol\t4\n"
		  "alice\t5\n", "2 - - - - alice;5 - - - - alice;"
		  "1 - - - - bob;3 - - - - bob;4 - - - - carol;" },
		/* for the one who matches to judge */
		{ "uidl\na b\nc\x80\n", "a b - - - - -;c\x80 - - - - -;" }
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = NULL;
		struct table table;

		parse(&table, cases[i].text);
		text = table_text(&table);
		g_assert_cmpstr(text, ==, cases[i].rows);
		pool_unref(&table.pool);
	}
}

static void test_bad(void)
{
	g_autofree char *filler = g_strnfill(POPINJAY_UIDL_TABLE_MAX_LINE + 1,
					     'x');
	g_autofree char *long_line = g_strconcat("uidl\nok\n", filler, NULL);
	const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "There is no line that names the columns" },
		{ "\n# nothing\n", "There is no line that names the columns" },
		{ "guid\tsize\n",
		  "Line 1: The first line names no column uidl" },
		{ "\nuidl\tcolour\n",
		  "Line 2: There is no column \"colour\"; there are uidl, "
		  "size, header, message_id, guid and username" },
		{ "uidl\tsize\tuidl\n",
		  "Line 1: The column uidl is there twice" },
		{ "1 abc\n", "Line 1: There is no column \"1 abc\"; there are "
		  "uidl, size, header, message_id, guid and username" },
		{ "uidl\tsize\na\t1\nb\n", "Line 3: It has 1 columns, not 2" },
		{ "uidl\na\tb\n", "Line 2: It has 2 columns, not 1" },
		{ "uidl\tsize\n\t5\n", "Line 2: There is no UIDL" },
		{ "uidl\tsize\na\t-5\n", "Line 2: \"-5\" is not a size" },
		{ "uidl\tsize\na\t5k\n", "Line 2: \"5k\" is not a size" },
		{ "uidl\tsize\na\t99999999999999999999\n",
		  "Line 2: \"99999999999999999999\" is not a size" },
		{ "uidl\theader\na\tABCDEF\n",
		  "Line 2: \"ABCDEF\" is no hash of a header" },
		{ "uidl\theader\na\t" HASH1 "0\n",
		  "Line 2: \"" HASH1 "0\" is no hash of a header" },
		{ "uidl\tusername\na\t\n", "Line 2: There is no user" },
		{ long_line, "Line 3: It is too long" }
	};
	struct table table;
	const char *error;

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		error = NULL;
		g_assert_cmpint(parse_data(&table, cases[i].text,
					   strlen(cases[i].text), &error),
				==, -1);
		g_assert_cmpstr(error, ==, cases[i].error);
		pool_unref(&table.pool);
	}
	g_assert_cmpint(parse_data(&table, "uidl\na\0b\n", 9, &error), ==, -1);
	g_assert_cmpstr(error, ==, "It has a NUL character in it");
	pool_unref(&table.pool);
}

static void test_find(void)
{
	static const struct {
		const char *user;
		unsigned int count;
		const char *first;
	} cases[] = {
		{ "alice", 2, "2" }, { "bob", 2, "1" }, { "carol", 1, "4" },
		{ "", 0, NULL }, { "aaron", 0, NULL }, { "bo", 0, NULL },
		{ "zoe", 0, NULL }
	};
	const struct popinjay_uidl_row *rows;
	unsigned int count;
	struct table table;

	parse(&table, "username\tuidl\nbob\t1\nalice\t2\nbob\t3\ncarol\t4\n"
	      "alice\t5\n");
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		rows = popinjay_uidl_table_find(&table.rows, cases[i].user,
						&count);
		g_assert_cmpuint(count, ==, cases[i].count);
		if (count > 0)
			g_assert_cmpstr(rows[0].uidl, ==, cases[i].first);
	}
	pool_unref(&table.pool);

	/* a list without users is of whoever it is used for */
	parse(&table, "uidl\na\nb\n");
	(void)popinjay_uidl_table_find(&table.rows, "anybody", &count);
	g_assert_cmpuint(count, ==, 2);
	pool_unref(&table.pool);
	parse(&table, "uidl\n");
	(void)popinjay_uidl_table_find(&table.rows, "anybody", &count);
	g_assert_cmpuint(count, ==, 0);
	pool_unref(&table.pool);
}

static void test_sorted(void)
{
	for (unsigned int i = 0; i < 200; i++) {
		g_autoptr(GString) text = g_string_new("uidl\tusername\n");
		unsigned int n = g_test_rand_int_range(0, 60), seen[5] = { 0 };
		const struct popinjay_uidl_row *row, *prev = NULL;
		struct table table;

		for (unsigned int j = 0; j < n; j++) {
			unsigned int user = g_test_rand_int_range(0, 5);

			g_string_append_printf(text, "%u\tu%u\n", seen[user]++,
					       user);
		}
		parse(&table, text->str);
		g_assert_cmpuint(array_count(&table.rows), ==, n);
		array_foreach(&table.rows, row) {
			int order = prev == NULL ? -1 :
				strcmp(prev->user, row->user);

			g_assert_cmpint(order, <=, 0);
			g_assert_cmpint(atoi(row->uidl), ==, order < 0 ? 0 :
					atoi(prev->uidl) + 1);
			prev = row;
		}
		pool_unref(&table.pool);
	}
}

static void test_value(void)
{
	g_autofree char *longest = g_strnfill(512, 'x');
	g_autofree char *longer = g_strnfill(513, 'x');

	g_assert_cmpstr(popinjay_uidl_table_value(NULL), ==, "");
	g_assert_cmpstr(popinjay_uidl_table_value("a b~"), ==, "a b~");
	/* C1 controls as a byte and in UTF-8, and what is no UTF-8 */
	g_assert_cmpstr(popinjay_uidl_table_value("a\x9b" "31m"), ==, "");
	g_assert_cmpstr(popinjay_uidl_table_value("a\xc2\x9b" "31m"), ==, "");
	g_assert_cmpstr(popinjay_uidl_table_value("a\xff"), ==, "");
	g_assert_cmpstr(popinjay_uidl_table_value("a\tb"), ==, "");
	g_assert_cmpstr(popinjay_uidl_table_value("a\nb"), ==, "");
	g_assert_cmpstr(popinjay_uidl_table_value("a\x7f"), ==, "");
	g_assert_cmpstr(popinjay_uidl_table_value(longest), ==, longest);
	g_assert_cmpstr(popinjay_uidl_table_value(longer), ==, "");
}

static void test_text(void)
{
	g_autofree char *longest = g_strnfill(100, 'x');
	g_autofree char *longer = g_strnfill(101, 'x');
	g_autofree char *cut = g_strconcat(longest, "...", NULL);

	T_BEGIN {
		g_assert_cmpstr(popinjay_uidl_table_text("a b~"), ==, "a b~");
		g_assert_cmpstr(popinjay_uidl_table_text("a\x1b[m\xc2\x9b\xff"),
				==, "a?[m???");
		g_assert_cmpstr(popinjay_uidl_table_text(longest), ==, longest);
		g_assert_cmpstr(popinjay_uidl_table_text(longer), ==, cut);
	} T_END;
}

/* Whatever it is given, it ends, and says either rows or a reason. */
static void test_fuzz(void)
{
	static const char *const parts[] = {
		"uidl", "size", "header", "guid", "username", "\t", "\t", "\n",
		"\n", "\r\n", "#", "5", HASH1, "x", "\x80", " ", "<1@x>"
	};

	for (unsigned int i = 0; i < 5000; i++) {
		g_autoptr(GString) text = g_string_new(
			g_test_rand_bit() ? "uidl\tsize\n" : "");
		unsigned int n = g_test_rand_int_range(0, 40);
		struct table table;
		const char *error = NULL;
		int ret;

		for (unsigned int j = 0; j < n; j++) {
			g_string_append(text, parts[g_test_rand_int_range(
				0, G_N_ELEMENTS(parts))]);
		}
		T_BEGIN {
			ret = parse_data(&table, text->str, text->len, &error);
			g_assert_true(ret == 0 || error != NULL);
		} T_END;
		pool_unref(&table.pool);
	}
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl-table/good", test_good);
	g_test_add_func("/uidl-table/bad", test_bad);
	g_test_add_func("/uidl-table/find", test_find);
	g_test_add_func("/uidl-table/sorted", test_sorted);
	g_test_add_func("/uidl-table/value", test_value);
	g_test_add_func("/uidl-table/text", test_text);
	g_test_add_func("/uidl-table/fuzz", test_fuzz);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
