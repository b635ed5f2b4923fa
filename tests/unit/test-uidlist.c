/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unit test of uidlist: what it reads of a dovecot-uidlist, and that it
   gives up where Dovecot would complain of the file. */

#include "lib.h"
#include "str.h"
#include "uidlist.h"

#include <glib.h>

#define HEADER "3 V1700000123 N9 G0123456789abcdef0123456789abcdef\n"

struct uidlist_case {
	const char *name;
	const char *text;
	/* "uid:size" of each entry, then U and O for what it has of its own;
	   "!" where it gives up */
	const char *expected;
};

static const struct uidlist_case cases[] = {
	{ "header-only", HEADER, "" },
	{ "no-sizes", HEADER "1 :a\n2 :b.c,d\n", "1:- 2:- " },
	{ "size-field", HEADER "1 W123 :a\n2 S9 W0 :b\n", "1:123 2:0 " },
	{ "size-in-name", HEADER "1 :a,W=77\n2 :a,S=4,W=5:2,S\n"
		"3 :a,W=6,S=7\n", "1:77 2:5 3:6 " },
	{ "name-goes-first", HEADER "1 W1 :a,W=2\n", "1:2 " },
	{ "size-in-name-is-none", HEADER "1 W1 :a,W=\n2 W1 :a,W=2x\n"
		"3 :a,W\n4 :aW=5\n5 :a,W=x,W=5\n", "1:1 2:1 3:- 4:- 5:- " },
	{ "large-size", HEADER "1 W18446744073709551614 :a\n",
		"1:18446744073709551614 " },
	{ "own-uidl", HEADER "1 Pabc :a\n2 P :b\n", "1:-U 2:-U " },
	{ "own-order", HEADER "1 O7 Pabc W3 :a\n", "1:3UO " },
	{ "other-fields", HEADER "1 Gguid Zany :a\n", "1:- " },
	{ "many-spaces", HEADER "1   W3   :a b\n", "1:3 " },
	{ "no-last-lf", HEADER "1 :a\n2 :b", "1:- " },
	{ "largest-uid", HEADER "4294967294 :a\n", "4294967294:- " },
	{ "header-order", "3 N9 V1700000123\n1 :a\n", "1:- " },
	/* from here on it gives up */
	{ "empty-line", HEADER "\n", "!" },
	{ "version-1", "1 1700000123 9\n1 a\n", "!" },
	{ "version-33", "33 V1700000123 N9\n1 :a\n", "!" },
	{ "no-uidvalidity", "3 N9\n1 :a\n", "!" },
	{ "other-uidvalidity", "3 V1700000124 N9\n1 :a\n", "!" },
	{ "longer-uidvalidity", "3 V17000001230 N9\n1 :a\n", "!" },
	{ "uid-0", HEADER "0 :a\n", "!" },
	{ "uid-too-large", HEADER "4294967295 :a\n", "!" },
	{ "uid-far-too-large", HEADER "18446744073709551617 :a\n", "!" },
	{ "uid-twice", HEADER "1 :a\n1 :b\n", "1:- !" },
	{ "uids-in-disorder", HEADER "2 :a\n1 :b\n", "2:- !" },
	{ "no-uid", HEADER ":a\n", "!" },
	{ "uid-alone", HEADER "1\n", "!" },
	{ "no-name", HEADER "1 :\n", "!" },
	{ "no-colon", HEADER "1 W5\n", "!" },
	{ "slash-in-name", HEADER "1 :a/b\n", "!" },
	{ "invalid-key", HEADER "1 w5 :a\n", "!" },
	{ "invalid-size", HEADER "1 W5x :a\n", "!" },
	{ "empty-size", HEADER "1 W :a\n", "!" },
	{ "size-twice", HEADER "1 W5 W5 :a\n", "!" },
	{ "size-too-large", HEADER "1 W18446744073709551616 :a\n", "!" },
};

/* Read size bytes, first only those before cut, as if the file came in two
   pieces. */
static void
read_text(string_t *dest, const char *text, size_t size, size_t cut)
{
	struct popinjay_uidlist list;
	struct popinjay_uidlist_entry entry;
	const unsigned char *data = (const unsigned char *)text;
	const unsigned char *const end = data + size;
	unsigned int piece;
	int ret;

	popinjay_uidlist_init(&list, 1700000123);
	for (piece = 0; piece < 2; piece++) {
		size_t left = (piece == 0 ? (const unsigned char *)text + cut :
			       end) - data;

		while ((ret = popinjay_uidlist_next(&list, &data, &left,
						    &entry)) > 0) {
			str_printfa(dest, "%u:", entry.uid);
			if (entry.virtual_size == UOFF_T_MAX)
				str_append_c(dest, '-');
			else {
				str_printfa(dest, "%"PRIuUOFF_T,
					    entry.virtual_size);
			}
			str_printfa(dest, "%s%s ",
				    entry.pop3_uidl.data != NULL ? "U" : "",
				    entry.pop3_order ? "O" : "");
		}
		if (ret < 0) {
			str_append_c(dest, '!');
			return;
		}
	}
}

static void test_case(const void *data)
{
	const struct uidlist_case *c = data;
	size_t size = strlen(c->text), cut;

	for (cut = 0; cut <= size; cut++) T_BEGIN {
		/* of exactly this size, for ASan and valgrind to watch */
		g_autofree char *text = g_memdup2(c->text, size);
		string_t *got = t_str_new(128);

		read_text(got, text, size, cut);
		g_assert_cmpstr(str_c(got), ==, c->expected);
	} T_END;
}

static void test_nul(void)
{
	static const char text[] = HEADER "1 :a\0b\n";
	string_t *got = t_str_new(128);

	read_text(got, text, sizeof(text) - 1, 0);
	g_assert_cmpstr(str_c(got), ==, "!");
}

int main(int argc, char *argv[])
{
	unsigned int i;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/uidlist/%s",
							cases[i].name);
		g_test_add_data_func(path, &cases[i], test_case);
	}
	g_test_add_func("/uidlist/nul", test_nul);
	return g_test_run();
}
