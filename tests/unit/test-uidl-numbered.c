/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -saved: which UIDVALIDITY the uids in the file of saved UIDLs belong to, for
   those that have uids elsewhere. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "uidl-saved.h"

#include <glib.h>

#define HEADER "popinjay-uidl 1 "

/* a view that knows all messages */
static const struct popinjay_uidl_view now_view = { 1700000000, 5, 10000 };

static struct popinjay_uidl_saved *parse(const char *text)
{
	struct popinjay_uidl_saved *saved = popinjay_uidl_saved_create();

	(void)popinjay_uidl_saved_parse(saved, text, strlen(text));
	return saved;
}

/* Which UIDVALIDITY uids belong to: 0 wherever that may be otherwise. */
static const struct uidvalidity_test {
	const char *name, *text;
	/* of the entries */
	uint32_t uidvalidities[5];
	/* of what is appended */
	uint32_t end;
	/* what is written anew */
	const char *written;
} uidvalidity_tests[] = {
	{ "first-line", HEADER"2 5\n1 a b\n2 c d\n", { 5, 5 }, 5,
	  HEADER"2 5\n1 a b\n2 c d\n" },
	{ "earlier-version", HEADER"1\n1 a b\n2 c d\n", { 0, 0 }, 0,
	  HEADER"2 5\nuidvalidity 0\n1 a b\n2 c d\n" },
	{ "appended", HEADER"1 4\n1 a b\nuidvalidity 5\n2 c d\n"
	  "uidvalidity 0\n3 e f\n", { 4, 5, 0 }, 0,
	  HEADER"3 5\nuidvalidity 4\n1 a b\nuidvalidity 5\n2 c d\n"
	  "uidvalidity 0\n3 e f\n" },
	{ "nothing-follows", HEADER"1 5\n1 a b\nuidvalidity 6\n", { 5 }, 6,
	  HEADER"1 5\n1 a b\n" },
	{ "replaced", HEADER"1 4\n1 a b\nuidvalidity 5\n1 a c\n", { 5 }, 5,
	  HEADER"1 5\n1 a c\n" },
	{ "replaced-by-unknown", HEADER"1 5\n1 a b\nuidvalidity 0\n1 a c\n",
	  { 5 }, 0, HEADER"1 5\n1 a c\n" },
	{ "cut-line", HEADER"1 5\n1 a b\nuidvalidity 0", { 5 }, 5,
	  HEADER"1 5\n1 a b\n" },
	{ "after-fault", HEADER"1 5\n1 a b\nuidval\n2 c d\n"
	  "uidvalidity 5\n3 e f\n", { 5, 0, 5 }, 5,
	  HEADER"3 5\n1 a b\nuidvalidity 0\n2 c d\nuidvalidity 5\n"
	  "3 e f\n" },
	{ "after-faulty-header", "popinjay-uidl 1 5\r\n1 a b\n", { 0 }, 0,
	  HEADER"1 5\nuidvalidity 0\n1 a b\n" },
	{ "lines-are-missing", HEADER"3 5\n1 a b\n2 c d\n", { 0, 0 }, 0,
	  HEADER"2 5\nuidvalidity 0\n1 a b\n2 c d\n" }
};

static void test_uidvalidity(gconstpointer data)
{
	const struct uidvalidity_test *test = data;
	struct popinjay_uidl_saved *saved;
	struct popinjay_uidl_entry *const *entryp;
	string_t *text = t_str_new(256);
	unsigned int i = 0;

	saved = parse(test->text);
	array_foreach(popinjay_uidl_saved_get(saved), entryp) {
		g_assert_cmpuint((*entryp)->uidvalidity, ==,
				 test->uidvalidities[i++]);
		(*entryp)->matched = TRUE;
	}
	g_assert_cmpuint(popinjay_uidl_saved_end(saved), ==, test->end);
	popinjay_uidl_saved_write(saved, &now_view, text);
	g_assert_cmpstr(str_c(text), ==, test->written);
	popinjay_uidl_saved_free(&saved);
}

struct message {
	uint32_t uid;
	const char *key;
};

/* Whether the file has the uids of now. */
static const struct numbered_test {
	const char *name, *text;
	bool unmatched, matched;
	struct message messages[3];
} numbered_tests[] = {
	{ "none", HEADER"0 4\n", TRUE, TRUE, { } },
	{ "same", HEADER"2 5\n1 a b\n2 c d\n", TRUE, TRUE,
	  { { 1, "a" }, { 2, "c" } } },
	{ "other-uidvalidity", HEADER"1 4\n1 a b\n", FALSE, FALSE,
	  { { 1, "a" } } },
	{ "unknown", HEADER"1\n1 a b\n", FALSE, FALSE, { } },
	{ "appended", HEADER"1 5\n1 a b\nuidvalidity 0\n2 c d\n", FALSE,
	  FALSE, { } },
	{ "gone", HEADER"2 4\n1 a b 1700000000\nuidvalidity 5\n2 c d\n",
	  TRUE, TRUE, { { 2, "c" } } },
	{ "came-back", HEADER"1 4\n1 a b 1700000000\n", TRUE, FALSE,
	  { { 1, "a" } } },
	{ "other-uid", HEADER"1 5\n1 a b\n", TRUE, FALSE,
	  { { 7, "a" } } }
};

static void test_numbered(gconstpointer data)
{
	const struct numbered_test *test = data;
	struct popinjay_uidl_saved *saved;
	const struct message *message;
	bool rest;

	saved = parse(test->text);
	g_assert_true(popinjay_uidl_saved_is_numbered(saved, 5) ==
		      test->unmatched);
	for (message = test->messages; message->uid > 0; message++) {
		if (popinjay_uidl_saved_find(saved, 5, message->uid,
					     message->key, &rest) == NULL) {
			g_assert_nonnull(popinjay_uidl_saved_find_rest(saved,
				message->key));
		}
	}
	g_assert_true(popinjay_uidl_saved_is_numbered(saved, 5) ==
		      test->matched);
	popinjay_uidl_saved_unmatch(saved);
	g_assert_true(popinjay_uidl_saved_is_numbered(saved, 5) ==
		      test->unmatched);
	popinjay_uidl_saved_free(&saved);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	g_test_init(&argc, &argv, NULL);
	lib_init();
	for (i = 0; i < G_N_ELEMENTS(uidvalidity_tests); i++) {
		g_autofree char *path = g_strconcat(
			"/uidl-numbered/uidvalidity/",
			uidvalidity_tests[i].name, NULL);

		g_test_add_data_func(path, &uidvalidity_tests[i],
				     test_uidvalidity);
	}
	for (i = 0; i < G_N_ELEMENTS(numbered_tests); i++) {
		g_autofree char *path = g_strconcat(
			"/uidl-numbered/numbered/", numbered_tests[i].name,
			NULL);

		g_test_add_data_func(path, &numbered_tests[i], test_numbered);
	}
	ret = g_test_run();
	lib_deinit();
	return ret;
}
