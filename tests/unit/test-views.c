/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* view/views: popinjay-views as text, and what is done with views. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "views.h"

#include <glib.h>

#define HEADER "popinjay-views 1 "
#define DAY SECS_IN_DAY
/* 2026-11-29T20:15:00Z */
#define NOW 1795983300

static struct popinjay_views *parse(const char *text)
{
	struct popinjay_views *views = popinjay_views_create();
	const char *error;

	if (popinjay_views_parse(views, text, strlen(text), &error) < 0)
		g_error("%s: %s", text, error);
	return views;
}

static const char *t_text(const struct popinjay_views *views)
{
	string_t *text = t_str_new(256);

	popinjay_views_write(views, text);
	return str_c(text);
}

/* --- Text --- */

static const struct text_test {
	const char *name, *text;
	/* what is wrong with it; NULL if it is written as it was read */
	const char *error;
} text_tests[] = {
	{ "none", HEADER"0\n", NULL },
	{ "least", HEADER"1\na uidvalidity=5 floor=1 shown=0\n", NULL },
	{ "all", HEADER"1\naccount uidvalidity=4294967295 floor=70 shown=90 "
	  "used=2026-11-29T20:15:00Z "
	  "doubted=2027-01-01T00:00:00Z "
	  "window=75,77:78 keep=3:5,9:100000\n", NULL },
	{ "two", HEADER"2\n0 uidvalidity=5 floor=1 shown=0\n"
	  "0123abcd uidvalidity=5 floor=1 shown=0\n", NULL },
	{ "later-field",
	  HEADER"1\na uidvalidity=5 floor=1 shown=0 x-mood=1,2 "
	  "x-weather=\n", NULL },
	{ "empty", "", "It is empty" },
	{ "other-file", "popinjay-uidl 1 0 5\n",
	  "Line 1: It is not \"popinjay-views 1 COUNT\"" },
	{ "no-header", "\n",
	  "Line 1: It is not \"popinjay-views 1 COUNT\"" },
	{ "version-0", "popinjay-views 0 0\n",
	  "Line 1: It is not \"popinjay-views 1 COUNT\"" },
	{ "later-version", "popinjay-views 2\n",
	  "Line 1: A later version of Popinjay has written it" },
	{ "no-count", "popinjay-views 1\n",
	  "Line 1: It is not \"popinjay-views 1 COUNT\"" },
	{ "uidls", "popinjay-views 1 0 5\n",
	  "Line 1: It is not \"popinjay-views 1 COUNT\"" },
	{ "cut-header", "popinjay-views 1 0", "Line 1 is cut" },
	{ "cut",
	  HEADER"1\na uidvalidity=5 floor=1 shown=0", "Line 2 is cut" },
	{ "too-few", HEADER"2\na uidvalidity=5 floor=1 shown=0\n",
	  "It has 1 views, not 2" },
	{ "too-many", HEADER"0\na uidvalidity=5 floor=1 shown=0\n",
	  "It has 1 views, not 0" },
	{ "empty-line", HEADER"0\n\n",
	  "Line 2: It does not begin with the id of a view" },
	{ "bad-id", HEADER"1\na/b uidvalidity=5 floor=1 shown=0\n",
	  "Line 2: It does not begin with the id of a view" },
	{ "same-id", HEADER"2\na uidvalidity=5 floor=1 shown=0\n"
	  "a uidvalidity=5 floor=1 shown=0\n",
	  "Line 3: The view a is there already" },
	{ "unknown-field", HEADER"1\na uidvalidity=5 floor=1 shown=0 kep=7\n",
	  "Line 2: kep= is unknown" },
	{ "no-floor", HEADER"1\na uidvalidity=5 shown=0\n",
	  "Line 2: It has no floor=" },
	{ "two-floors", HEADER"1\na uidvalidity=5 floor=1 shown=0 floor=2\n",
	  "Line 2: It has two floor=" },
	{ "floor-0", HEADER"1\na uidvalidity=5 floor=0 shown=0\n",
	  "Line 2: floor= has no valid value" },
	{ "no-value", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep\n",
	  "Line 2: \"keep\" is no FIELD=VALUE" },
	{ "two-spaces", HEADER"1\na  uidvalidity=5 floor=1 shown=0\n",
	  "Line 2: \"\" is no FIELD=VALUE" },
	{ "uid-too-large", HEADER"1\na uidvalidity=5 floor=4294967296 "
	  "shown=0\n", "Line 2: floor= has no valid value" },
	{ "no-uids", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep=\n",
	  "Line 2: keep= has no valid value" },
	{ "uid-0", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep=0:3\n",
	  "Line 2: keep= has no valid value" },
	{ "descending", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep=5,3\n",
	  "Line 2: keep= has no valid value" },
	{ "overlap", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep=1:3,3\n",
	  "Line 2: keep= has no valid value" },
	{ "backward", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep=3:1\n",
	  "Line 2: keep= has no valid value" },
	{ "half-range", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep=3:\n",
	  "Line 2: keep= has no valid value" },
	{ "last-comma", HEADER"1\na uidvalidity=5 floor=1 shown=0 keep=3,\n",
	  "Line 2: keep= has no valid value" },
	{ "window", HEADER"1\na uidvalidity=5 floor=1 shown=0 window=x\n",
	  "Line 2: window= has no valid value" },
	{ "local-time", HEADER"1\na uidvalidity=5 floor=1 shown=0 "
	  "used=2026-11-29T20:15:00+01:00\n",
	  "Line 2: used= has no valid value" },
	{ "no-time", HEADER"1\na uidvalidity=5 floor=1 shown=0 doubted=5\n",
	  "Line 2: doubted= has no valid value" },
};

static void test_text(gconstpointer data)
{
	const struct text_test *test = data;
	struct popinjay_views *views = popinjay_views_create();
	const char *error;
	int ret;

	ret = popinjay_views_parse(views, test->text, strlen(test->text),
				   &error);
	g_assert_cmpstr(error, ==, test->error);
	g_assert_cmpint(ret, ==, test->error == NULL ? 0 : -1);
	if (test->error == NULL)
		g_assert_cmpstr(t_text(views), ==, test->text);
	else
		g_assert_cmpstr(t_text(views), ==, HEADER"0\n");
	popinjay_views_free(&views);
}

static void test_text_nul(void)
{
	static const char text[] = HEADER"1\na uidvalidity=5 floor=1 "
		"shown=0 keep=7\0,8\n";
	struct popinjay_views *views = popinjay_views_create();
	const char *error;

	g_assert_cmpint(popinjay_views_parse(views, text, sizeof(text) - 1,
					     &error), ==, -1);
	g_assert_cmpstr(error, ==, "Line 2 has a NUL");
	popinjay_views_free(&views);
}

/* Whatever byte is lost or another one: nothing may be half used. */
static void test_text_damage(void)
{
	const char *text = text_tests[2].text;
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++) T_BEGIN {
		string_t *damaged = t_str_new(len);
		struct popinjay_views *views = popinjay_views_create();
		const char *error;

		str_append_data(damaged, text, i);
		if (popinjay_views_parse(views, str_data(damaged), i,
					 &error) == 0)
			g_error("Cut at %zu is not seen", i);
		str_append_c(damaged, '\x01');
		str_append(damaged, text + i + 1);
		if (popinjay_views_parse(views, str_data(damaged), len,
					 &error) == 0)
			g_error("Another byte at %zu is not seen", i);
		popinjay_views_free(&views);
	} T_END;
}

static void test_text_order(void)
{
	struct popinjay_views *views = popinjay_views_create();

	popinjay_views_add(views, "b", 5);
	popinjay_views_add(views, "c", 5);
	popinjay_views_add(views, "a", 5);
	popinjay_view_raise(popinjay_views_add(views, "c", 5), 7);
	g_assert_cmpstr(t_text(views), ==, HEADER"3\n"
		"a uidvalidity=5 floor=1 shown=0\n"
		"b uidvalidity=5 floor=1 shown=0\n"
		"c uidvalidity=5 floor=7 shown=0\n");
	g_assert_true(popinjay_views_remove(views, "b"));
	g_assert_false(popinjay_views_remove(views, "b"));
	g_assert_null(popinjay_views_find(views, "b"));
	g_assert_cmpuint(popinjay_views_find(views, "c")->floor, ==, 7);
	g_assert_cmpuint(array_count(popinjay_views_get(views)), ==, 2);
	popinjay_views_free(&views);
}

static void test_text_large(void)
{
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	uint32_t uid;

	for (uid = 1; uid <= 100000; uid++)
		popinjay_view_keep(view, uid);
	g_assert_cmpstr(t_text(views), ==, HEADER"1\n"
		"a uidvalidity=5 floor=1 shown=0 keep=1:100000\n");
	popinjay_views_free(&views);
}

static void test_ids(void)
{
	g_autofree char *longest = g_strnfill(64, 'a');
	g_autofree char *too_long = g_strnfill(65, 'a');

	g_assert_true(popinjay_view_id_is_valid("account"));
	g_assert_true(popinjay_view_id_is_valid("0A-b_c.d"));
	g_assert_false(popinjay_view_id_is_valid(""));
	g_assert_false(popinjay_view_id_is_valid("a b"));
	g_assert_false(popinjay_view_id_is_valid("a\n"));
	g_assert_false(popinjay_view_id_is_valid("\xc3\xa4"));
	g_assert_true(popinjay_view_id_is_valid(longest));
	g_assert_false(popinjay_view_id_is_valid(too_long));
}

/* --- What is done with views: before, what, after --- */

static void view_hide(struct popinjay_views *views)
{
	struct popinjay_view *view = popinjay_views_find(views, "a");

	g_assert_true(popinjay_view_raise(view, 5));
	g_assert_false(popinjay_view_raise(view, 4));
	popinjay_view_keep(view, 9);
	popinjay_view_keep(view, 8);
	popinjay_view_keep(view, 2);
	g_assert_cmpint(popinjay_view_hides(view, 1), ==,
			POPINJAY_VIEW_HIDDEN_WINDOW);
	g_assert_cmpint(popinjay_view_hides(view, 2), ==,
			POPINJAY_VIEW_HIDDEN_KEEP);
	g_assert_cmpint(popinjay_view_hides(view, 5), ==,
			POPINJAY_VIEW_SHOWN);
	g_assert_cmpint(popinjay_view_hides(view, 8), ==,
			POPINJAY_VIEW_HIDDEN_KEEP);
}

static void view_raise_over_window(struct popinjay_views *views)
{
	popinjay_view_raise(popinjay_views_find(views, "a"), 8);
}

static void view_reset(struct popinjay_views *views)
{
	struct popinjay_view *view = popinjay_views_find(views, "a");

	g_assert_true(popinjay_view_reset(view, 15));
	g_assert_false(popinjay_view_reset(view, 15));
}

static void view_reset_all(struct popinjay_views *views)
{
	g_assert_true(popinjay_view_reset(popinjay_views_find(views, "a"), 0));
}

static void
map(struct popinjay_views *views, uint32_t uidvalidity, uint32_t first_uid,
    const uint32_t *pairs)
{
	ARRAY_TYPE(popinjay_view_moved) moved;

	t_array_init(&moved, 8);
	for (; *pairs != 0; pairs += 2) {
		struct popinjay_view_moved move = { 5, pairs[0], pairs[1] };

		array_push_back(&moved, &move);
	}
	g_assert_true(popinjay_view_map(popinjay_views_find(views, "a"),
					uidvalidity, first_uid, &moved) ==
		      (array_count(&moved) > 0));
}

static void view_map(struct popinjay_views *views)
{
	static const uint32_t pairs[] = {
		3, 1, 20, 2, 11, 3, 10, 4, 6, 5, 12, 6, 0
	};

	map(views, 6, 1, pairs);
}

static void view_map_none(struct popinjay_views *views)
{
	static const uint32_t none[] = { 0 };

	map(views, 6, 1, none);
}

static void view_map_restored(struct popinjay_views *views)
{
	static const uint32_t pairs[] = { 11, 9, 3, 50, 12, 8, 0 };

	map(views, 5, 8, pairs);
}

static void view_join(struct popinjay_views *views)
{
	static const uint32_t uids[] = { 1, 3, 6, 12, 20, 30 };

	popinjay_view_join_ranges(popinjay_views_find(views, "a"), uids,
				  N_ELEMENTS(uids), 26);
}

static const struct change_test {
	const char *name;
	const char *before;
	void (*change)(struct popinjay_views *views);
	const char *after;
} change_tests[] = {
	{ "hide", "a uidvalidity=5 floor=1 shown=0\n", view_hide,
	  "a uidvalidity=5 floor=5 shown=0 keep=2,8:9\n" },
	{ "raise-over-window",
	  "a uidvalidity=5 floor=2 shown=0 window=3:4,7:9 keep=5\n",
	  view_raise_over_window,
	  "a uidvalidity=5 floor=8 shown=0 window=8:9 keep=5\n" },
	{ "reset", "a uidvalidity=5 floor=20 shown=0 "
	  "doubted=2027-01-01T00:00:00Z window=12,25 keep=5,30\n", view_reset,
	  "a uidvalidity=5 floor=15 shown=0 window=12 keep=5,30\n" },
	{ "reset-all", "a uidvalidity=5 floor=20 shown=0 keep=5,30\n",
	  view_reset_all,
	  "a uidvalidity=5 floor=1 shown=0 keep=5,30\n" },
	/* 3 and 6 the floor hid, 10 and 11 keep, 12 the window */
	{ "map", "a uidvalidity=5 floor=7 shown=12 window=12 keep=10:11,40\n",
	  view_map,
	  "a uidvalidity=6 floor=1 shown=6 window=1,5:6 keep=3:4\n" },
	{ "map-none", "a uidvalidity=5 floor=7 shown=12 window=12 keep=10\n",
	  view_map_none, "a uidvalidity=6 floor=1 shown=0\n" },
	{ "map-restored", "a uidvalidity=5 floor=10 shown=12 "
	  "used=2026-11-29T20:15:00Z window=12 keep=3,11\n",
	  view_map_restored,
	  "a uidvalidity=5 floor=8 shown=9 used=2026-11-29T20:15:00Z "
	  "window=8 keep=3,9\n" },
	/* 3 and 6 are shown, 12 is kept; others are not there. Up to 25 none
	   can come, up to 29 may. */
	{ "join", "a uidvalidity=5 floor=1 shown=0 "
	  "keep=2,4,8,10:12,14,19,21,24,26,28,30\n", view_join,
	  "a uidvalidity=5 floor=1 shown=0 keep=2,4,8:19,21:26,28,30\n" },
};

static const char *t_file(const char *lines)
{
	unsigned int count = 0;
	const char *p;

	for (p = lines; *p != '\0'; p++) {
		if (*p == '\n')
			count++;
	}
	return t_strdup_printf(HEADER"%u\n%s", count, lines);
}

static void test_change(gconstpointer data)
{
	const struct change_test *test = data;
	struct popinjay_views *views = parse(t_file(test->before));

	test->change(views);
	g_assert_cmpstr(t_text(views), ==, t_file(test->after));
	popinjay_views_free(&views);
}

static void test_map_from(void)
{
	static const struct {
		const char *view;
		uint32_t uidvalidity, uidnext, first_uid;
	} tests[] = {
		{ "floor=5 shown=9", 5, 10, 0 },
		{ "floor=5 shown=9", 6, 10, 1 },
		{ "floor=5 shown=9", 5, 9, 9 },
		{ "floor=11 shown=0", 5, 11, 0 },
		{ "floor=11 shown=0", 5, 10, 10 },
		{ "floor=1 shown=0 keep=3:8", 5, 9, 0 },
		{ "floor=1 shown=0 keep=3:8", 5, 7, 7 },
		{ "floor=1 shown=0 window=8", 5, 8, 8 },
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		struct popinjay_views *views = parse(t_file(t_strdup_printf(
			"a uidvalidity=5 %s\n", tests[i].view)));

		g_assert_cmpuint(popinjay_view_map_from(
			popinjay_views_find(views, "a"), tests[i].uidvalidity,
			tests[i].uidnext), ==, tests[i].first_uid);
		popinjay_views_free(&views);
	}
}

/* --- Time --- */

static void test_use(void)
{
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);

	g_assert_true(popinjay_view_use(view, NOW, 7));
	g_assert_cmpuint(view->shown_uid, ==, 7);
	g_assert_false(popinjay_view_use(view, NOW, 8));
	g_assert_false(popinjay_view_use(view, NOW + DAY - 1, 8));
	g_assert_cmpuint(view->shown_uid, ==, 7);
	g_assert_true(popinjay_view_use(view, NOW + DAY, 8));
	g_assert_cmpuint(view->shown_uid, ==, 8);
	/* the clock went back */
	g_assert_true(popinjay_view_use(view, NOW, 0));
	g_assert_cmpuint(view->shown_uid, ==, 8);
	g_assert_cmpint(view->used, ==, NOW);
	view->doubted = NOW + 300 * DAY;
	g_assert_false(popinjay_view_use(view, NOW + 300 * DAY, 9));
	g_assert_cmpint(view->used, ==, NOW);
	popinjay_views_free(&views);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(text_tests); i++) {
		g_autofree char *path = g_strdup_printf("/view/text/%s",
			text_tests[i].name);

		g_test_add_data_func(path, &text_tests[i], test_text);
	}
	g_test_add_func("/view/text/nul", test_text_nul);
	g_test_add_func("/view/text/damage", test_text_damage);
	g_test_add_func("/view/text/order", test_text_order);
	g_test_add_func("/view/text/large", test_text_large);
	g_test_add_func("/view/id", test_ids);
	for (i = 0; i < N_ELEMENTS(change_tests); i++) {
		g_autofree char *path = g_strdup_printf("/view/change/%s",
			change_tests[i].name);

		g_test_add_data_func(path, &change_tests[i], test_change);
	}
	g_test_add_func("/view/map-from", test_map_from);
	g_test_add_func("/view/use", test_use);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
