/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -saved: the file of saved UIDLs, as text and in memory. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "uidl-saved.h"

#include <glib.h>

#define HEADER "popinjay-uidl 1 "
#define NOW 1700000000

/* a view that knows all messages */
static const struct popinjay_uidl_view now_view = { NOW, 5, 10000 };

static struct popinjay_uidl_saved *parse(const char *text, size_t *whole_r)
{
	struct popinjay_uidl_saved *saved = popinjay_uidl_saved_create();

	*whole_r = popinjay_uidl_saved_parse(saved, text, strlen(text));
	return saved;
}

/* --- Text --- */

static const struct text_test {
	const char *name, *text;
	/* the first fault, NULL if there is none */
	const char *fault;
	unsigned int faults, entries;
	/* at its end, of a line that is not whole */
	unsigned int cut;
} text_tests[] = {
	{ "empty", HEADER"0\n", NULL, 0, 0, 0 },
	{ "one", HEADER"1\n7 guid uidl\n", NULL, 0, 1, 0 },
	{ "appended", HEADER"1\n7 guid uidl\n8 b c\n", NULL, 0, 2, 0 },
	{ "gone", HEADER"1\n7 guid uidl 1700000000\n", NULL, 0, 1, 0 },
	{ "cut-entry", HEADER"1\n7 guid uidl\n8 b", NULL, 0, 1, 3 },
	{ "cut-before-lf", HEADER"1\n7 guid uidl\n8 b c", NULL, 0, 1, 5 },
	{ "encoded", HEADER"1\n7 a%20b%25%FF uidl\n", NULL, 0, 1, 0 },
	{ "unknown-key", HEADER"1\n7 :1700000000:7 uidl\n", NULL, 0, 1, 0 },
	{ "replaced", HEADER"1\n7 guid uidl\n7 guid other\n", NULL, 0, 1, 0 },
	{ "copies", HEADER"2\n7 guid uidl\n8 guid other\n", NULL, 0, 2, 0 },
	{ "uidvalidity", HEADER"1 5\n7 guid uidl\n", NULL, 0, 1, 0 },
	{ "uidvalidities", HEADER"1 5\n7 guid uidl\nuidvalidity 0\n8 b c\n",
	  NULL, 0, 2, 0 },
	{ "cut-uidvalidity", HEADER"1 5\n7 guid uidl\nuidvalidity 6", NULL, 0,
	  1, 13 },
	{ "bad-uidvalidity", HEADER"0 x\n", "The first line is not "
	  "\"popinjay-uidl 1 COUNT UIDVALIDITY\"", 1, 0, 0 },
	{ "uidvalidity-word", HEADER"0 5\nuidvalidity x\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "two-uidvalidities", HEADER"0 5\nuidvalidity 5 6\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "uidvalidity-is-no-entry", HEADER"1 5\nuidvalidity 6\n",
	  "It has 0 entries of at least 1", 1, 0, 0 },
	{ "no-text", "", "It has no first line", 1, 0, 0 },
	{ "no-line", "popinjay-uidl 1 0", "It has no first line", 1, 0, 17 },
	{ "other-file", "hello\n", "The first line is not "
	  "\"popinjay-uidl 1 COUNT UIDVALIDITY\"", 1, 0, 0 },
	{ "other-version", "popinjay-uidl 2 0\n", "The first line is not "
	  "\"popinjay-uidl 1 COUNT UIDVALIDITY\"", 1, 0, 0 },
	{ "long-header", HEADER"0 5 5\n", "The first line is not "
	  "\"popinjay-uidl 1 COUNT UIDVALIDITY\"", 1, 0, 0 },
	{ "too-few", HEADER"3\n7 guid uidl\n8 b c\n",
	  "It has 2 entries of at least 3", 1, 2, 0 },
	{ "promised-is-cut", HEADER"2\n7 guid uidl\n8 b c",
	  "It has 1 entries of at least 2", 1, 1, 5 },
	{ "two-words", HEADER"0\n7 guid\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "five-words", HEADER"0\n7 a b 5 c\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "no-key", HEADER"0\n7  uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "no-uidl", HEADER"0\n7 guid \n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "empty-line", HEADER"0\n\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "uid", HEADER"0\nx guid uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "large-uid", HEADER"0\n4294967296 guid uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "negative-uid", HEADER"0\n-1 guid uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "uidl", HEADER"0\n7 guid u\tidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "eight-bit-uidl", HEADER"0\n7 guid \xc3\xa9\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "eight-bit-key", HEADER"0\n7 \xc3\xa9 uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "bad-escape", HEADER"0\n7 a%2 uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "escape-end", HEADER"0\n7 a% uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "lower-escape", HEADER"0\n7 a%c3 uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "nul-escape", HEADER"0\n7 a%00 uidl\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "gone-0", HEADER"0\n7 guid uidl 0\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "gone-word", HEADER"0\n7 guid uidl ago\n",
	  "Line 2 is not \"UID KEY UIDL [GONE]\"", 1, 0, 0 },
	{ "two-faults", HEADER"1\n1 a b\nx\n2 c d\ny\n",
	  "Line 3 is not \"UID KEY UIDL [GONE]\"", 2, 2, 0 },
	{ "cr", HEADER"0\r\n", "The first line is not "
	  "\"popinjay-uidl 1 COUNT UIDVALIDITY\"", 1, 0, 0 }
};

static void test_text(gconstpointer data)
{
	const struct text_test *test = data;
	struct popinjay_uidl_saved *saved;
	const char *fault;
	size_t whole;

	saved = parse(test->text, &whole);
	g_assert_cmpuint(whole + test->cut, ==, strlen(test->text));
	g_assert_cmpuint(popinjay_uidl_saved_faults(saved, &fault), ==,
			 test->faults);
	g_assert_cmpstr(fault, ==, test->fault);
	g_assert_cmpuint(array_count(popinjay_uidl_saved_get(saved)), ==,
			 test->entries);
	popinjay_uidl_saved_free(&saved);
	g_assert_null(saved);
}

/* A NUL is left where a disk lost what was written. */
static void test_nul(void)
{
	static const char text[] = HEADER"1\n7 guid uidl\n\0\0\0\n8 b c\n";
	struct popinjay_uidl_saved *saved = popinjay_uidl_saved_create();
	const char *fault;

	g_assert_cmpuint(popinjay_uidl_saved_parse(saved, text,
						   sizeof(text) - 1), ==,
			 sizeof(text) - 1);
	g_assert_cmpuint(popinjay_uidl_saved_faults(saved, &fault), ==, 1);
	g_assert_cmpstr(fault, ==, "Line 3 has a NUL");
	g_assert_cmpuint(array_count(popinjay_uidl_saved_get(saved)), ==, 2);
	popinjay_uidl_saved_free(&saved);
}

/* What is written is read as it was, whatever bytes a key has. */
static void test_keys(void)
{
	struct popinjay_uidl_saved *saved = popinjay_uidl_saved_create();
	struct popinjay_uidl_saved *again;
	string_t *text = str_new(default_pool, 1024);
	struct popinjay_uidl_entry *entry;
	char key[] = "a?b";
	size_t whole;
	bool rest;

	for (unsigned int chr = 1; chr < 256; chr++) {
		key[1] = chr;
		popinjay_uidl_saved_set(saved, 5, chr, key,
					"uidl")->matched = TRUE;
	}
	popinjay_uidl_saved_write(saved, &now_view, text);
	again = parse(str_c(text), &whole);
	g_assert_cmpuint(whole, ==, str_len(text));
	for (unsigned int chr = 1; chr < 256; chr++) {
		key[1] = chr;
		entry = popinjay_uidl_saved_find(again, 5, chr, key, &rest);
		g_assert_nonnull(entry);
		g_assert_cmpuint(entry->uid, ==, chr);
		g_assert_cmpstr(entry->key, ==, key);
	}
	str_free(&text);
	popinjay_uidl_saved_free(&again);
	popinjay_uidl_saved_free(&saved);
}

/* Wherever a file is cut, what is left has no entry that was not there, and
   the loss of one that was promised is noticed. */
static void test_cut_anywhere(void)
{
	static const char text[] = HEADER"2\n1 aa first\n2 bb second\n"
		"3 cc third\n4 dd fourth 1700000000\n";
	struct popinjay_uidl_saved *saved;
	struct popinjay_uidl_entry *const *entryp;
	const char *fault;
	size_t promised = strstr(text, "3 cc") - text;

	for (size_t size = 0; size < sizeof(text); size++) {
		saved = popinjay_uidl_saved_create();
		(void)popinjay_uidl_saved_parse(saved, text, size);
		array_foreach(popinjay_uidl_saved_get(saved), entryp) {
			g_autofree char *line = g_strdup_printf("%u %s %s",
				(*entryp)->uid, (*entryp)->key,
				(*entryp)->uidl);

			g_assert_nonnull(strstr(text, line));
			g_assert_cmpint((*entryp)->gone, ==,
					(*entryp)->uid == 4 ? 1700000000 : 0);
		}
		g_assert_true((popinjay_uidl_saved_faults(saved, &fault) > 0) ==
			      (size < promised));
		popinjay_uidl_saved_free(&saved);
	}
}

/* --- Finding --- */

struct message {
	uint32_t uid;
	const char *key;
	/* NULL: nothing is saved for it */
	const char *uidl;
};

static const struct find_test {
	const char *name, *text;
	struct message messages[6];
} find_tests[] = {
	{ "by-key", HEADER"2\n1 a first\n2 b second\n",
	  { { 1, "a", "first" }, { 2, "b", "second" }, { 3, "c", NULL } } },
	{ "other-uids", HEADER"2\n1 a first\n2 b second\n",
	  { { 11, "b", "second" }, { 12, "a", "first" } } },
	{ "uid-is-not-enough", HEADER"2\n1 a first\n2 b second\n",
	  { { 1, "c", NULL }, { 2, "b", "second" } } },
	{ "copies", HEADER"3\n1 a first\n5 a second\n9 a third\n",
	  { { 1, "a", "first" }, { 5, "a", "second" }, { 9, "a", "third" } } },
	{ "copies-by-uid", HEADER"3\n9 a third\n1 a first\n5 a second\n",
	  { { 5, "a", "second" }, { 9, "a", "third" } } },
	{ "copies-in-order", HEADER"3\n9 a third\n1 a first\n5 a second\n",
	  { { 2, "a", "first" }, { 3, "a", "second" }, { 4, "a", "third" },
	    { 6, "a", NULL } } },
	{ "copy-keeps-its-own", HEADER"2\n1 a first\n5 a second\n",
	  { { 3, "a", "first" }, { 5, "a", "second" }, { 7, "a", NULL } } },
	{ "unknown-key", HEADER"1\n7 :5:7 first\n",
	  { { 7, "a", "first" }, { 8, "b", NULL } } },
	{ "other-uidvalidity", HEADER"1\n7 :6:7 first\n",
	  { { 7, "a", NULL } } },
	{ "unknown-key-copies", HEADER"2\n1 a first\n7 :5:7 second\n",
	  { { 7, "a", "second" }, { 9, "a", "first" } } },
	{ "no-key", HEADER"2\n7 :5:7 first\n8 a second\n",
	  { { 7, "", "first" }, { 8, "", NULL } } },
	{ "came-back", HEADER"1\n7 a first 1700000000\n",
	  { { 9, "a", "first" } } }
};

static void test_find(gconstpointer data)
{
	const struct find_test *test = data;
	const struct popinjay_uidl_entry *entries[6] = { NULL };
	struct popinjay_uidl_saved *saved;
	bool rest[6] = { FALSE };
	unsigned int i;
	size_t whole;

	saved = parse(test->text, &whole);
	for (i = 0; test->messages[i].uid > 0; i++) T_BEGIN {
		entries[i] = popinjay_uidl_saved_find(saved, 5,
			test->messages[i].uid, test->messages[i].key,
			&rest[i]);
		g_assert_false(rest[i] && entries[i] != NULL &&
			       *entries[i]->key != ':');
	} T_END;
	for (i = 0; test->messages[i].uid > 0; i++) {
		if (entries[i] == NULL && rest[i]) {
			entries[i] = popinjay_uidl_saved_find_rest(saved,
				test->messages[i].key);
		}
		g_assert_cmpstr(entries[i] == NULL ? NULL : entries[i]->uidl,
				==, test->messages[i].uidl);
	}
	popinjay_uidl_saved_free(&saved);
}

/* --- Writing --- */

static void assert_written(struct popinjay_uidl_saved *saved, time_t now,
			   const char *expected)
{
	struct popinjay_uidl_view view = now_view;
	string_t *text = str_new(default_pool, 1024);

	view.now = now;
	popinjay_uidl_saved_write(saved, &view, text);
	g_assert_cmpstr(str_c(text), ==, expected);
	str_free(&text);
}

static void test_write(void)
{
	struct popinjay_uidl_saved *saved;
	size_t whole;
	bool rest;

	saved = parse(HEADER"4 5\n1 a first\n2 b second\n3 c third 1699999999\n"
		      "4 :5:4 fourth\n", &whole);
	g_assert_nonnull(popinjay_uidl_saved_find(saved, 5, 1, "a", &rest));
	/* nobody can come back with an unknown key */
	assert_written(saved, NOW, HEADER"3 5\n1 a first\n"
		       "2 b second 1700000000\n3 c third 1699999999\n");
	/* the third has gone for nearly 30 days, and for 30 */
	assert_written(saved, NOW - 2 + 30 * 24 * 60 * 60,
		       HEADER"3 5\n1 a first\n2 b second 1702591998\n"
		       "3 c third 1699999999\n");
	assert_written(saved, NOW - 1 + 30 * 24 * 60 * 60,
		       HEADER"2 5\n1 a first\n2 b second 1702591999\n");
	/* it comes back */
	g_assert_nonnull(popinjay_uidl_saved_find_rest(saved, "c"));
	assert_written(saved, NOW, HEADER"3 5\n1 a first\n"
		       "2 b second 1700000000\n3 c third\n");

	/* what is given anew is there once */
	popinjay_uidl_saved_set(saved, 5, 1, "a", "changed");
	popinjay_uidl_saved_set(saved, 5, 9, "a", "copy")->matched = TRUE;
	assert_written(saved, NOW, HEADER"4 5\n1 a changed\n"
		       "2 b second 1700000000\n3 c third\n9 a copy\n");
	popinjay_uidl_saved_free(&saved);
}

/* The messages are looked at again, with the same entries: each gets the same
   one as before, also where it is found by its key alone. */
static void test_find_again(void)
{
	struct popinjay_uidl_saved *saved;
	struct popinjay_uidl_entry *entry;
	size_t whole;
	bool rest;

	saved = parse(HEADER"2 5\n1 a first\n2 b second\n", &whole);
	for (unsigned int i = 0; i < 3; i++) {
		popinjay_uidl_saved_unmatch(saved);
		g_assert_null(popinjay_uidl_saved_find(saved, 5, 11, "a",
						       &rest));
		g_assert_true(rest);
		entry = popinjay_uidl_saved_find_rest(saved, "a");
		g_assert_nonnull(entry);
		g_assert_cmpstr(entry->uidl, ==, "first");
	}
	/* b was seen once, and has gone by now */
	popinjay_uidl_saved_unmatch(saved);
	g_assert_nonnull(popinjay_uidl_saved_find(saved, 5, 2, "b", &rest));
	popinjay_uidl_saved_unmatch(saved);
	g_assert_nonnull(popinjay_uidl_saved_find(saved, 5, 1, "a", &rest));
	assert_written(saved, NOW, HEADER"2 5\n1 a first\n"
		       "2 b second 1700000000\n");
	popinjay_uidl_saved_free(&saved);
}

/* A message that came back must not look as if it were gone: when it goes
   again, its month begins anew. */
static void test_came_back_wants_write(void)
{
	struct popinjay_uidl_saved *saved;
	size_t whole;
	bool rest;

	saved = parse(HEADER"1\n1 a first 1700000000\n", &whole);
	g_assert_false(popinjay_uidl_saved_wants_write(saved, &now_view));
	g_assert_nonnull(popinjay_uidl_saved_find(saved, 5, 1, "a", &rest));
	g_assert_true(popinjay_uidl_saved_wants_write(saved, &now_view));
	popinjay_uidl_saved_free(&saved);
}

static void test_wants_write(void)
{
	struct popinjay_uidl_saved *saved = popinjay_uidl_saved_create();
	string_t *text = str_new(default_pool, 1024);
	struct popinjay_uidl_view view = now_view;
	unsigned int i, needed = 50 + 1000 / 8;
	size_t whole;

	for (i = 1; i <= 1000; i++) T_BEGIN {
		popinjay_uidl_saved_set(saved, 5, i,
			t_strdup_printf("k%u", i),
			t_strdup_printf("u%u", i))->matched = i > needed - 1;
	} T_END;
	g_assert_false(popinjay_uidl_saved_wants_write(saved, &now_view));
	array_front(popinjay_uidl_saved_get(saved));
	popinjay_uidl_saved_write(saved, &now_view, text);
	popinjay_uidl_saved_set(saved, 5, needed,
		t_strdup_printf("k%u", needed), "u")->matched = FALSE;
	g_assert_true(popinjay_uidl_saved_wants_write(saved, &now_view));
	popinjay_uidl_saved_free(&saved);

	/* those that are marked have no need of it, until a month is over */
	saved = parse(str_c(text), &whole);
	for (i = needed; i <= 1000; i++) T_BEGIN {
		bool rest;

		(void)popinjay_uidl_saved_find(saved, 5, i,
			t_strdup_printf("k%u", i), &rest);
	} T_END;
	g_assert_false(popinjay_uidl_saved_wants_write(saved, &now_view));
	/* popinjay(7) says 30 days */
	view.now += 30 * 24 * 60 * 60 - 1;
	g_assert_false(popinjay_uidl_saved_wants_write(saved, &view));
	popinjay_uidl_saved_free(&saved);
	str_free(&text);
}

/* Others brought messages that this view is too old to know: their UIDLs stay,
   and are no reason to write. */
static void test_ahead(void)
{
	static const struct popinjay_uidl_view view = { NOW, 5, 7 };
	struct popinjay_uidl_saved *saved;
	string_t *text = str_new(default_pool, 1024);
	size_t whole;

	saved = parse(HEADER"0 5\n6 :5:6 past\n7 :5:7 seventh\n8 :5:8 eighth\n"
		      "9 :6:9 other\n8 :5:9 odd\n", &whole);
	popinjay_uidl_saved_write(saved, &view, text);
	g_assert_cmpstr(str_c(text), ==,
			HEADER"2 5\n7 :5:7 seventh\n8 :5:8 eighth\n");
	popinjay_uidl_saved_free(&saved);

	saved = popinjay_uidl_saved_create();
	for (unsigned int uid = 7; uid < 1007; uid++) T_BEGIN {
		popinjay_uidl_saved_set(saved, 5, uid,
			t_strdup_printf(":5:%u", uid), "uidl");
	} T_END;
	g_assert_false(popinjay_uidl_saved_wants_write(saved, &view));
	g_assert_true(popinjay_uidl_saved_wants_write(saved, &now_view));
	popinjay_uidl_saved_free(&saved);
	str_free(&text);
}

static void test_get_uids(void)
{
	struct popinjay_uidl_saved *saved;
	ARRAY_TYPE(seq_range) uids;
	size_t whole;

	saved = parse(HEADER"0\n9 a one\n3 b two\n5 c three 1700000000\n"
		      "4 :5:4 four\n9 d five\n", &whole);
	i_array_init(&uids, 4);
	popinjay_uidl_saved_get_uids(saved, 10, &uids);
	g_assert_cmpuint(seq_range_count(&uids), ==, 0);
	popinjay_uidl_saved_get_uids(saved, 4, &uids);
	g_assert_cmpuint(seq_range_count(&uids), ==, 3);
	g_assert_true(seq_range_exists(&uids, 4));
	g_assert_true(seq_range_exists(&uids, 5));
	g_assert_true(seq_range_exists(&uids, 9));
	array_free(&uids);
	popinjay_uidl_saved_free(&saved);
}

static void test_hash_key(void)
{
	string_t *key = str_new(default_pool, 64);

	popinjay_uidl_saved_hash_key(key, "0123abcd", 5000000000);
	g_assert_cmpstr(str_c(key), ==, "0123abcd-5000000000");
	str_free(&key);
}

/* Whatever bytes a file has, and however they are cut: nothing breaks, and
   what was read can be written and read again. */
static void test_random(void)
{
	static const char *const parts[] = {
		HEADER, "1", "\n", "uidvalidity", " ", "7", "guid", "uidl",
		":5:7", "%", "%41",
		"\x01", "\xff", "1700000000", "x", "\r", "\n", " ", "\n"
	};

	for (unsigned int i = 0; i < 20000; i++) T_BEGIN {
		string_t *text = t_str_new(256), *written = t_str_new(256);
		struct popinjay_uidl_saved *saved, *again;
		const char *fault;
		size_t whole;

		if (g_test_rand_int_range(0, 2) == 0)
			str_append(text, HEADER"1\n1 a b\n");
		for (int n = g_test_rand_int_range(0, 30); n > 0; n--) {
			str_append(text, parts[g_test_rand_int_range(0,
				G_N_ELEMENTS(parts))]);
		}
		saved = parse(str_c(text), &whole);
		g_assert_cmpuint(whole, <=, str_len(text));
		popinjay_uidl_saved_write(saved, &now_view, written);
		again = parse(str_c(written), &whole);
		g_assert_cmpuint(whole, ==, str_len(written));
		g_assert_cmpuint(popinjay_uidl_saved_faults(again, &fault), ==,
				 0);
		popinjay_uidl_saved_free(&again);
		popinjay_uidl_saved_free(&saved);
	} T_END;
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	g_test_init(&argc, &argv, NULL);
	lib_init();
	for (i = 0; i < G_N_ELEMENTS(text_tests); i++) {
		g_autofree char *path = g_strconcat(
			"/uidl-saved/text/", text_tests[i].name, NULL);

		g_test_add_data_func(path, &text_tests[i], test_text);
	}
	g_test_add_func("/uidl-saved/text/nul", test_nul);
	g_test_add_func("/uidl-saved/text/keys", test_keys);
	g_test_add_func("/uidl-saved/text/cut-anywhere", test_cut_anywhere);
	for (i = 0; i < G_N_ELEMENTS(find_tests); i++) {
		g_autofree char *path = g_strconcat(
			"/uidl-saved/find/", find_tests[i].name, NULL);

		g_test_add_data_func(path, &find_tests[i], test_find);
	}
	g_test_add_func("/uidl-saved/write", test_write);
	g_test_add_func("/uidl-saved/wants-write", test_wants_write);
	g_test_add_func("/uidl-saved/find-again", test_find_again);
	g_test_add_func("/uidl-saved/came-back", test_came_back_wants_write);
	g_test_add_func("/uidl-saved/ahead", test_ahead);
	g_test_add_func("/uidl-saved/get-uids", test_get_uids);
	g_test_add_func("/uidl-saved/hash-key", test_hash_key);
	g_test_add_func("/uidl-saved/random", test_random);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
