/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* view/window: the floor of a view that shows only what is new. */

#include "lib.h"
#include "views.h"
#include "window.h"

#include <glib.h>

#define DAY SECS_IN_DAY
#define NOW 1795983300
#define MAX_MESSAGES 100000

struct test_mailbox {
	uint32_t uids[MAX_MESSAGES];
	/* 0: not known */
	time_t received[MAX_MESSAGES];
	unsigned int asked[MAX_MESSAGES];
	struct popinjay_window_mailbox mailbox;
};

static bool test_received(void *context, unsigned int idx, time_t *date_r)
{
	struct test_mailbox *box = context;

	g_assert_cmpuint(idx, <, box->mailbox.count);
	box->asked[idx]++;
	*date_r = box->received[idx];
	return *date_r != 0;
}

static struct test_mailbox *mailbox_create(void)
{
	struct test_mailbox *box = g_new0(struct test_mailbox, 1);

	box->mailbox.uids = box->uids;
	box->mailbox.received = test_received;
	box->mailbox.context = box;
	return box;
}

static void mailbox_add(struct test_mailbox *box, uint32_t uid, int days_ago)
{
	unsigned int idx = box->mailbox.count++;

	g_assert_cmpuint(idx, <, MAX_MESSAGES);
	box->uids[idx] = uid;
	box->received[idx] = days_ago < 0 ? 0 :
		NOW - (time_t)days_ago * DAY;
}

/* --- What hides what: the mailbox is uids 10, 20, ... --- */

#define DAYS_MAX 8
#define UNKNOWN -1
#define END -2

static const struct floor_test {
	const char *name;
	struct popinjay_window window;
	/* of the messages, in days */
	int ages[DAYS_MAX];
	/* of the view */
	uint32_t floor, keep;
	/* days before NOW; 0: never */
	unsigned int used;

	uint32_t result;
	unsigned int lookups;
} floor_tests[] = {
	{ "no-window", { 0, 0 }, { 900, END }, 1, 0, 1, 1, 0 },
	{ "no-window-floor", { 0, 0 }, { 900, END }, 7, 0, 1, 7, 0 },
	{ "age", { 30 * DAY, 0 }, { 90, 31, 29, 1, END }, 1, 0, 1, 30, 3 },
	{ "age-exactly", { 30 * DAY, 0 }, { 31, 30, END }, 1, 0, 1, 20, 2 },
	{ "age-all-inside", { 30 * DAY, 0 }, { 20, 10, END }, 1, 0, 1, 1, 1 },
	{ "age-none-inside", { 30 * DAY, 0 }, { 90, 80, END }, 1, 0, 1, 21,
	  2 },
	{ "age-empty", { 30 * DAY, 0 }, { END }, 5, 0, 1, 5, 0 },
	{ "age-from-floor", { 30 * DAY, 0 }, { 90, 80, 70, 1, END }, 21, 0, 1,
	  40, 2 },
	{ "age-floor-above-all", { 30 * DAY, 0 }, { 90, 1, END }, 21, 0, 1,
	  21, 0 },
	/* an old message that was moved on top of a new one is shown */
	{ "age-unsorted", { 30 * DAY, 0 }, { 90, 2, 400, 1, END }, 1, 0, 1,
	  20, 2 },
	{ "age-unknown", { 30 * DAY, 0 }, { 90, UNKNOWN, 80, END }, 1, 0, 1,
	  20, 2 },
	{ "age-in-the-future", { 30 * DAY, 0 }, { 90, 0, END }, 1, 0, 1, 20,
	  2 },
	{ "number", { 0, 2 }, { 9, 9, 9, 9, END }, 1, 0, 1, 30, 0 },
	{ "number-all", { 0, 4 }, { 9, 9, 9, 9, END }, 1, 0, 1, 1, 0 },
	{ "number-more", { 0, 9 }, { 9, 9, END }, 1, 0, 1, 1, 0 },
	{ "number-floor", { 0, 3 }, { 9, 9, 9, 9, END }, 35, 0, 1, 35, 0 },
	/* what is kept does not count */
	{ "number-keep", { 0, 2 }, { 9, 9, 9, 9, END }, 1, 40, 1, 20, 0 },
	{ "both-age", { 30 * DAY, 3 }, { 90, 80, 70, 1, END }, 1, 0, 1, 40,
	  4 },
	{ "both-number", { 30 * DAY, 1 }, { 90, 2, 2, 1, END }, 1, 0, 1, 40,
	  2 },
	{ "never-used", { 30 * DAY, 0 }, { 90, 80, 70, 1, END }, 1, 0, 0, 40,
	  4 },
	/* it hides most, but the clock is where it was */
	{ "used-lately", { 30 * DAY, 0 }, { 90, 80, 70, 1, END }, 1, 0, 30,
	  40, 4 },
};

static void test_floor(gconstpointer data)
{
	const struct floor_test *test = data;
	struct test_mailbox *box = mailbox_create();
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	struct popinjay_window_result result;
	unsigned int i;

	for (i = 0; test->ages[i] != END; i++)
		mailbox_add(box, (i + 1) * 10, test->ages[i]);
	(void)popinjay_view_raise(view, test->floor);
	view->shown_uid = i * 10;
	view->used = test->used == 0 ? 0 : NOW - (time_t)test->used * DAY;
	if (test->keep != 0)
		popinjay_view_keep(view, test->keep);

	popinjay_window_look(&test->window, view, &box->mailbox, NOW, &result);
	g_assert_cmpuint(result.floor, ==, test->result);
	g_assert_cmpuint(result.lookups, ==, test->lookups);
	g_assert_cmpint(result.doubted, ==, 0);
	g_assert_null(result.error);
	g_assert_true(popinjay_window_apply(view, &result) ==
		      (test->result > test->floor));
	g_assert_cmpuint(view->floor, ==, test->result);
	popinjay_views_free(&views);
	g_free(box);
}

static void test_stricter(void)
{
	static const struct {
		struct popinjay_window one, other, result;
	} tests[] = {
		{ { 0, 0 }, { 0, 0 }, { 0, 0 } },
		{ { 0, 5 }, { 30, 0 }, { 30, 5 } },
		{ { 20, 9 }, { 30, 5 }, { 20, 5 } },
	};
	struct popinjay_window result;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		result = popinjay_window_stricter(&tests[i].one,
						  &tests[i].other);
		g_assert_cmpint(result.age_secs, ==, tests[i].result.age_secs);
		g_assert_cmpint(result.messages, ==, tests[i].result.messages);
		result = popinjay_window_stricter(&tests[i].other,
						  &tests[i].one);
		g_assert_cmpint(result.age_secs, ==, tests[i].result.age_secs);
		g_assert_cmpint(result.messages, ==, tests[i].result.messages);
	}
}

/* --- The clock --- */

struct clock_step {
	/* after NOW */
	unsigned int days, secs;
	uint32_t floor;
	bool error;
};

/* Ten messages of the last days; used at NOW, when all were shown. */
static void test_clock_steps(const struct clock_step *steps, unsigned int count)
{
	const struct popinjay_window window = { 30 * DAY, 0 };
	struct test_mailbox *box = mailbox_create();
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	struct popinjay_window_result result;
	unsigned int i;

	for (i = 1; i <= 10; i++)
		mailbox_add(box, i, 10 - i);
	(void)popinjay_view_use(view, NOW, 10);
	for (i = 0; i < count; i++) T_BEGIN {
		time_t now = NOW + (time_t)steps[i].days * DAY + steps[i].secs;

		popinjay_window_look(&window, view, &box->mailbox, now,
				     &result);
		g_assert_cmpuint(result.floor, ==, steps[i].floor);
		g_assert_true((result.error != NULL) == steps[i].error);
		(void)popinjay_window_apply(view, &result);
		(void)popinjay_view_use(view, now, 10);
	} T_END;
	popinjay_views_free(&views);
	g_free(box);
}

static void test_clock_jump(void)
{
	/* a year ahead for some hours, then it is right again; another year
	   ahead is another doubt */
	static const struct clock_step steps[] = {
		{ 365, 0, 1, TRUE }, { 365, 3600, 1, FALSE },
		{ 365, DAY - 1, 1, FALSE }, { 0, 7200, 1, FALSE },
		{ 365, DAY, 1, TRUE }, { 0, 7300, 1, FALSE },
		/* the messages become too old one by one */
		{ 22, 0, 2, FALSE }, { 24, 0, 4, FALSE },
		{ 40, 0, 11, FALSE }
	};

	test_clock_steps(steps, N_ELEMENTS(steps));
}

static void test_clock_agree(void)
{
	static const struct clock_step steps[] = {
		{ 365, 0, 1, TRUE }, { 365, DAY, 11, FALSE },
		{ 0, 0, 11, FALSE }
	};

	test_clock_steps(steps, N_ELEMENTS(steps));
}

/* The second witness is before the first one. */
static void test_clock_back(void)
{
	static const struct clock_step steps[] = {
		{ 900, 0, 1, TRUE }, { 365, 0, 1, TRUE }, { 365, 60, 1, FALSE },
		{ 366, 0, 11, FALSE }
	};

	test_clock_steps(steps, N_ELEMENTS(steps));
}

static void test_clock_text(void)
{
	const struct popinjay_window window = { 30 * DAY, 0 };
	struct test_mailbox *box = mailbox_create();
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	struct popinjay_window_result result;

	mailbox_add(box, 7, 1);
	(void)popinjay_view_use(view, NOW, 7);
	popinjay_window_look(&window, view, &box->mailbox, NOW + 365 * DAY,
			     &result);
	g_assert_cmpstr(result.error, ==,
		"View a was last used at 2026-11-29T20:15:00Z, and the clock "
		"says it is 2027-11-29T20:15:00Z: the window would hide most "
		"of what it shows, for good (everything below UID 8 instead "
		"of 1). It hides nothing more until a session at least a day "
		"later agrees. Check the clock of this host");
	g_assert_cmpint(result.doubted, ==, NOW + 365 * DAY);
	popinjay_views_free(&views);
	g_free(box);
}

/* Not most of what was shown last time, nor of what is there: no doubt. But
   either is enough. */
static void test_clock_half(void)
{
	const struct popinjay_window window = { 30 * DAY, 0 };
	static const struct {
		/* how many are old, how many of them are new to the view, and
		   how many are inside */
		unsigned int old, old_new, inside;
		bool doubted;
	} tests[] = {
		{ 0, 0, 9, FALSE }, { 5, 0, 9, TRUE }, { 5, 5, 9, FALSE },
		{ 5, 5, 5, FALSE }, { 5, 5, 4, TRUE }, { 1, 1, 0, TRUE }
	};
	unsigned int i, j;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		struct test_mailbox *box = mailbox_create();
		struct popinjay_views *views = popinjay_views_create();
		struct popinjay_view *view = popinjay_views_add(views, "a", 5);
		struct popinjay_window_result result;
		uint32_t uid = 1;

		for (j = 0; j < tests[i].old; j++)
			mailbox_add(box, uid++, 90);
		for (j = 0; j < tests[i].inside; j++)
			mailbox_add(box, uid++, 1);
		view->used = NOW - 40 * DAY;
		view->shown_uid = tests[i].old - tests[i].old_new;
		popinjay_window_look(&window, view, &box->mailbox, NOW,
				     &result);
		g_assert_true((result.doubted != 0) == tests[i].doubted);
		popinjay_views_free(&views);
		g_free(box);
	}
}

/* The clock rule is about age only. */
static void test_clock_number(void)
{
	const struct popinjay_window window = { 30 * DAY, 2 };
	struct test_mailbox *box = mailbox_create();
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	struct popinjay_window_result result;
	unsigned int i;

	for (i = 1; i <= 10; i++)
		mailbox_add(box, i, 90);
	view->used = NOW - 40 * DAY;
	view->shown_uid = 10;
	popinjay_window_look(&window, view, &box->mailbox, NOW, &result);
	g_assert_cmpuint(result.floor, ==, 9);
	g_assert_cmpint(result.doubted, ==, NOW);
	popinjay_views_free(&views);
	g_free(box);
}

/* --- 100,000 messages --- */

static void test_large_first(void)
{
	const struct popinjay_window window = { 30 * DAY, 0 };
	struct test_mailbox *box = mailbox_create();
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	struct popinjay_window_result result;
	unsigned int i;

	for (i = 1; i <= MAX_MESSAGES; i++) {
		/* 50 are inside, and old ones were moved among them */
		mailbox_add(box, i, i > MAX_MESSAGES - 100 && i % 2 == 0 ?
			    1 : 100);
	}
	popinjay_window_look(&window, view, &box->mailbox, NOW, &result);
	g_assert_cmpuint(result.floor, ==, MAX_MESSAGES - 98);
	g_assert_cmpuint(result.lookups, ==,
			 2 * POPINJAY_WINDOW_FIRST_LOOKUPS + 99);

	/* the second session has one to look at */
	(void)popinjay_window_apply(view, &result);
	(void)popinjay_view_use(view, NOW, MAX_MESSAGES);
	popinjay_window_look(&window, view, &box->mailbox, NOW, &result);
	g_assert_cmpuint(result.lookups, ==, 1);
	popinjay_views_free(&views);
	g_free(box);
}

/* Old messages were imported on top of a new one: it is found from above. */
static void test_large_between(void)
{
	const struct popinjay_window window = { 30 * DAY, 0 };
	struct test_mailbox *box = mailbox_create();
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	struct popinjay_window_result result;
	unsigned int i;

	for (i = 1; i <= 2 * POPINJAY_WINDOW_FIRST_LOOKUPS; i++) {
		mailbox_add(box, i, i == POPINJAY_WINDOW_FIRST_LOOKUPS + 1 ||
			    i == POPINJAY_WINDOW_FIRST_LOOKUPS + 9 ? 1 : 100);
	}
	popinjay_window_look(&window, view, &box->mailbox, NOW, &result);
	g_assert_cmpuint(result.floor, ==, POPINJAY_WINDOW_FIRST_LOOKUPS + 1);
	popinjay_views_free(&views);
	g_free(box);
}

/* A view that was used: all in the end, without a message inside hidden. */
static void test_large_later(void)
{
	const struct popinjay_window window = { 30 * DAY, 0 };
	struct test_mailbox *box = mailbox_create();
	struct popinjay_views *views = popinjay_views_create();
	struct popinjay_view *view = popinjay_views_add(views, "a", 5);
	struct popinjay_window_result result;
	unsigned int i, sessions = 0;

	for (i = 1; i <= 5000; i++)
		mailbox_add(box, i, i == 3501 ? 1 : 100);
	(void)popinjay_view_use(view, NOW, 5000);
	do {
		popinjay_window_look(&window, view, &box->mailbox, NOW,
				     &result);
		g_assert_cmpuint(result.lookups, <=, POPINJAY_WINDOW_LOOKUPS);
		sessions++;
	} while (popinjay_window_apply(view, &result));
	g_assert_cmpuint(sessions, ==, 5);
	g_assert_cmpuint(view->floor, ==, 3501);
	for (i = 0; i < 3500; i++)
		g_assert_cmpuint(box->asked[i], ==, 1);

	/* a wrong clock must not get through in small steps */
	(void)popinjay_view_reset(view, 1);
	view->used = NOW - 300 * DAY;
	view->shown_uid = 0;
	popinjay_window_look(&window, view, &box->mailbox, NOW, &result);
	g_assert_cmpuint(result.floor, ==, 1);
	g_assert_cmpint(result.doubted, ==, NOW);
	popinjay_views_free(&views);
	g_free(box);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(floor_tests); i++) {
		g_autofree char *path = g_strdup_printf("/view/window/floor/%s",
			floor_tests[i].name);

		g_test_add_data_func(path, &floor_tests[i], test_floor);
	}
	g_test_add_func("/view/window/stricter", test_stricter);
	g_test_add_func("/view/window/clock/jump", test_clock_jump);
	g_test_add_func("/view/window/clock/agree", test_clock_agree);
	g_test_add_func("/view/window/clock/back", test_clock_back);
	g_test_add_func("/view/window/clock/text", test_clock_text);
	g_test_add_func("/view/window/clock/half", test_clock_half);
	g_test_add_func("/view/window/clock/number", test_clock_number);
	g_test_add_func("/view/window/large/first", test_large_first);
	g_test_add_func("/view/window/large/between", test_large_between);
	g_test_add_func("/view/window/large/later", test_large_later);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
