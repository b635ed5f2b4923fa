/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* view/trouble: messages that do not get through, and the order. */

#include "lib.h"
#include "str.h"
#include "trouble.h"

#include <glib.h>

#define UIDVALIDITY 5

static const char *t_text(const struct popinjay_trouble *trouble)
{
	string_t *text = t_str_new(256);

	popinjay_trouble_write(trouble, text);
	return str_c(text);
}

static const struct text_test {
	const char *name, *text;
	int ret;
	const char *error;
} text_tests[] = {
	{ "none", "popinjay-trouble 1 5\n", 1, NULL },
	{ "some", "popinjay-trouble 1 5\naccount 7 1\naccount 9 4294967295\n"
	  "b 1 2\n", 1, NULL },
	{ "other-uidvalidity", "popinjay-trouble 1 6\naccount 7 1\n", 0,
	  NULL },
	{ "empty", "", -1, "It is empty" },
	{ "other-file", "popinjay-uidl 1 5\n", -1, "Line 1 is damaged" },
	{ "other-version", "popinjay-trouble 2 5\n", -1, "Line 1 is damaged" },
	{ "cut", "popinjay-trouble 1 5\naccount 7 1", -1, "Line 2 is damaged" },
	{ "two-words", "popinjay-trouble 1 5\na 7\n", -1, "Line 2 is damaged" },
	{ "four-words", "popinjay-trouble 1 5\na 7 1 1\n", -1,
	  "Line 2 is damaged" },
	{ "no-uid", "popinjay-trouble 1 5\na 0 1\n", -1, "Line 2 is damaged" },
	{ "no-tries", "popinjay-trouble 1 5\na 7 1\na 8 0\n", -1,
	  "Line 3 is damaged" },
	{ "bad-id", "popinjay-trouble 1 5\na/ 7 1\n", -1, "Line 2 is damaged" },
	{ "twice", "popinjay-trouble 1 5\na 7 1\na 7 1\n", -1,
	  "Line 3 is damaged" },
};

static void test_text(gconstpointer data)
{
	const struct text_test *test = data;
	struct popinjay_trouble *trouble = popinjay_trouble_create(UIDVALIDITY);
	const char *error = NULL;

	g_assert_cmpint(popinjay_trouble_parse(trouble, test->text,
		strlen(test->text), &error), ==, test->ret);
	g_assert_cmpstr(error, ==, test->error);
	g_assert_cmpstr(t_text(trouble), ==, test->ret > 0 ? test->text :
			"popinjay-trouble 1 5\n");
	popinjay_trouble_free(&trouble);
}

static void test_tries(void)
{
	static const uint32_t uids[] = { 1, 2, 9 };
	struct popinjay_trouble *trouble = popinjay_trouble_create(UIDVALIDITY);

	g_assert_cmpuint(popinjay_trouble_add(trouble, "b", 7), ==, 1);
	g_assert_cmpuint(popinjay_trouble_add(trouble, "b", 2), ==, 1);
	g_assert_cmpuint(popinjay_trouble_add(trouble, "b", 7), ==, 2);
	g_assert_cmpuint(popinjay_trouble_add(trouble, "account", 7), ==, 1);
	g_assert_cmpuint(popinjay_trouble_get(trouble, "b", 7), ==, 2);
	g_assert_cmpuint(popinjay_trouble_get(trouble, "b", 8), ==, 0);
	g_assert_cmpuint(popinjay_trouble_most(trouble, 7), ==, 2);
	g_assert_cmpuint(popinjay_trouble_most(trouble, 8), ==, 0);
	g_assert_cmpstr(t_text(trouble), ==, "popinjay-trouble 1 5\n"
			"account 7 1\nb 2 1\nb 7 2\n");
	g_assert_true(popinjay_trouble_prune(trouble, uids, 3));
	g_assert_false(popinjay_trouble_prune(trouble, uids, 3));
	g_assert_cmpstr(t_text(trouble), ==, "popinjay-trouble 1 5\nb 2 1\n");
	g_assert_false(popinjay_trouble_remove(trouble, "account", 2));
	g_assert_true(popinjay_trouble_remove(trouble, "b", 2));
	g_assert_cmpstr(t_text(trouble), ==, "popinjay-trouble 1 5\n");
	popinjay_trouble_free(&trouble);
}

static void test_many(void)
{
	struct popinjay_trouble *trouble = popinjay_trouble_create(UIDVALIDITY);
	struct popinjay_trouble *again = popinjay_trouble_create(UIDVALIDITY);
	const char *text, *error;
	uint32_t uid;

	(void)popinjay_trouble_add(trouble, "a", 1);
	for (uid = 1; uid <= POPINJAY_TROUBLE_MAX + 10; uid++)
		(void)popinjay_trouble_add(trouble, "a", uid);
	g_assert_cmpuint(popinjay_trouble_get(trouble, "a", 1), ==, 2);
	g_assert_cmpuint(popinjay_trouble_get(trouble, "a", 2), ==, 0);
	g_assert_cmpuint(popinjay_trouble_get(trouble, "a", uid - 1), ==, 1);
	text = t_text(trouble);
	g_assert_cmpint(popinjay_trouble_parse(again, text, strlen(text),
					       &error), ==, 1);
	g_assert_cmpstr(t_text(again), ==, text);
	popinjay_trouble_free(&again);
	popinjay_trouble_free(&trouble);
}

static void test_order(void)
{
	static const uint32_t uids[] = { 3, 4, 6, 8, 9, 12 };
	struct popinjay_trouble *trouble = popinjay_trouble_create(UIDVALIDITY);
	unsigned int order[N_ELEMENTS(uids)], i;

	g_assert_cmpuint(popinjay_trouble_order(trouble, "a", uids,
				N_ELEMENTS(uids), order), ==, 0);
	for (i = 0; i < N_ELEMENTS(uids); i++)
		g_assert_cmpuint(order[i], ==, i);
	g_assert_cmpuint(popinjay_trouble_order(trouble, "a", uids, 0, NULL),
			 ==, 0);

	/* 3 failed twice, 6 and 12 once; another view has trouble of its own,
	   and 7 is not shown */
	(void)popinjay_trouble_add(trouble, "a", 3);
	(void)popinjay_trouble_add(trouble, "a", 3);
	(void)popinjay_trouble_add(trouble, "a", 12);
	(void)popinjay_trouble_add(trouble, "a", 6);
	(void)popinjay_trouble_add(trouble, "a", 7);
	(void)popinjay_trouble_add(trouble, "b", 8);
	g_assert_cmpuint(popinjay_trouble_order(trouble, "a", uids,
				N_ELEMENTS(uids), order), ==, 3);
	static const unsigned int expected[] = { 1, 3, 4, 2, 5, 0 };
	for (i = 0; i < N_ELEMENTS(uids); i++)
		g_assert_cmpuint(order[i], ==, expected[i]);
	popinjay_trouble_free(&trouble);
}

/* A client that fetches what it has not, in order, and ends its session at the
   first message that fails. */
static void test_progress(void)
{
	enum { COUNT = 30 };
	/* never get through, and once they do not */
	static const uint32_t bad[] = { 4, 20 }, flaky[] = { 5, 25 };
	struct popinjay_trouble *trouble = popinjay_trouble_create(UIDVALIDITY);
	uint32_t uids[COUNT];
	unsigned int order[COUNT], tries[COUNT] = { 0 };
	unsigned int i, session, left = COUNT;
	bool fetched[COUNT] = { FALSE };

	for (i = 0; i < COUNT; i++)
		uids[i] = i + 1;
	for (session = 0; session < 10; session++) {
		(void)popinjay_trouble_order(trouble, "a", uids, COUNT, order);
		for (i = 0; i < COUNT; i++) {
			unsigned int idx = order[i];
			uint32_t uid = uids[idx];

			/* what was fetched stands at its place of arrival */
			g_assert_true(!fetched[idx] || i <= idx);
			if (fetched[idx])
				continue;
			tries[idx]++;
			if (uid == bad[0] || uid == bad[1] ||
			    (tries[idx] == 1 &&
			     (uid == flaky[0] || uid == flaky[1]))) {
				(void)popinjay_trouble_add(trouble, "a", uid);
				break;
			}
			(void)popinjay_trouble_remove(trouble, "a", uid);
			fetched[idx] = TRUE;
			left--;
		}
	}
	g_assert_cmpuint(left, ==, N_ELEMENTS(bad));
	g_assert_false(fetched[bad[0] - 1]);
	g_assert_false(fetched[bad[1] - 1]);
	popinjay_trouble_free(&trouble);
}

static void test_fetched(void)
{
	static const char *const ids[] = {
		"account", "0123abcd", "89abcdef", "00000000", "deadbeef"
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(ids); i++) {
		unsigned char bits = popinjay_trouble_fetched_bits(ids[i]);

		g_assert_true((bits & POPINJAY_FETCHED_ANY) != 0);
		g_assert_true(popinjay_trouble_is_fetched(ids[i], bits));
		g_assert_false(popinjay_trouble_is_fetched(ids[i], 0));
		/* the account's devices cannot be told apart from others */
		g_assert_true(popinjay_trouble_is_fetched("account", bits));
		/* what the account has fetched, this device has not */
		if (i > 0) {
			g_assert_false(popinjay_trouble_is_fetched(ids[i],
				popinjay_trouble_fetched_bits("account")));
		}
	}
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(text_tests); i++) {
		g_autofree char *path = g_strdup_printf("/view/trouble/text/%s",
			text_tests[i].name);

		g_test_add_data_func(path, &text_tests[i], test_text);
	}
	g_test_add_func("/view/trouble/tries", test_tries);
	g_test_add_func("/view/trouble/many", test_many);
	g_test_add_func("/view/trouble/order", test_order);
	g_test_add_func("/view/trouble/progress", test_progress);
	g_test_add_func("/view/trouble/fetched", test_fetched);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
