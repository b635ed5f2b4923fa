/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* view/view-session and view/view-moved: what a session hides is on disk. */

#include "view-mailbox.h"
#include "uidl-renumber.h"
#include "uidl-box.h"
#include "view-moved.h"
#include "view-open.h"
#include "view-session.h"

#define NOW 1795983300

/* --- In place of popinjay-uidl --- */

static unsigned int renumbered;
static bool renumber_fails;

struct popinjay_uidl_box *popinjay_uidl_box(struct mailbox *mailbox)
{
	return (struct popinjay_uidl_box *)mailbox;
}

/* Each message has a uid that is 10 higher than at the UIDVALIDITY before. */
int popinjay_uidl_renumber(struct popinjay_uidl_box *ubox,
			   const char **error_r)
{
	struct mailbox *mailbox = (struct mailbox *)ubox;
	ARRAY_TYPE(popinjay_uidl_moved) moved;
	unsigned int i;

	renumbered++;
	if (renumber_fails) {
		*error_r = "popinjay-uidl is damaged";
		return -1;
	}
	t_array_init(&moved, 8);
	for (i = 1; i <= 4; i++) {
		struct popinjay_uidl_moved move = { i, i + 10 };

		array_push_back(&moved, &move);
	}
	if (popinjay_view_moved_hook.wanted(mailbox) &&
	    popinjay_view_moved_hook.moved(mailbox, &moved, error_r) < 0)
		return -1;
	return popinjay_view_moved_hook.renumbered(mailbox, error_r);
}

/* --- A session --- */

static bool no_date(void *context, unsigned int idx, time_t *date_r)
{
	return FALSE;
}

/* The mailbox has four messages, and the window shows two. */
static struct popinjay_view_opening opening_of(const uint32_t *uids)
{
	struct popinjay_view_opening opening = {
		.view_id = "a", .window = { 0, 2 }, .now = NOW,
		.uidvalidity = uidvalidity, .uidnext = 100,
		.mailbox = { uids, 4, no_date, NULL }
	};

	return opening;
}

static void assert_first_shown(const struct popinjay_view *view,
			       const uint32_t *uids, unsigned int first)
{
	unsigned int i;

	g_assert_nonnull(view);
	for (i = 0; i < 4; i++) {
		g_assert_true((popinjay_view_hides(view, uids[i]) ==
			       POPINJAY_VIEW_SHOWN) == (i >= first));
	}
}

static void test_session(void)
{
	static const uint32_t uids[] = { 1, 2, 3, 4 };
	static const uint32_t moved_uids[] = { 11, 12, 13, 14 };
	struct popinjay_view_opening opening;
	struct popinjay_view_store *store;
	const struct popinjay_view *view;
	ARRAY_TYPE(seq_range) kept;
	struct stat before, after;
	const char *error;

	setup();
	renumbered = 0;
	renumber_fails = FALSE;
	t_array_init(&kept, 1);
	store = popinjay_view_store_create(&box);
	/* nothing to hide */
	opening = opening_of(uids);
	opening.window.messages = 0;
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	g_assert_null(view);
	assert_file("popinjay-views", NULL);
	g_assert_cmpuint(renumbered, ==, 0);

	opening = opening_of(uids);
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	assert_first_shown(view, uids, 2);
	g_assert_cmpuint(renumbered, ==, 1);
	assert_file("popinjay-views", "popinjay-views 1 1 5\na uidvalidity=5 "
		    "floor=3 shown=4 used=2026-11-29T20:15:00Z\n");

	/* another one writes nothing */
	g_assert_cmpint(stat(t_path("popinjay-views"), &before), ==, 0);
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	assert_first_shown(view, uids, 2);
	g_assert_cmpint(stat(t_path("popinjay-views"), &after), ==, 0);
	g_assert_cmpuint(before.st_ino, ==, after.st_ino);

	seq_range_array_add(&kept, 3);
	g_assert_cmpint(popinjay_view_session_keep(store, &box, &opening,
		&kept, &error), ==, 0);
	assert_file("popinjay-views", "popinjay-views 1 1 5\na uidvalidity=5 "
		    "floor=3 shown=4 used=2026-11-29T20:15:00Z keep=3\n");

	/* at another UIDVALIDITY the next session hides the same, and this one
	   nothing more */
	g_assert_cmpuint(renumbered, ==, 1);
	uidvalidity = 6;
	renumber_fails = TRUE;
	opening = opening_of(moved_uids);
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, -1);
	g_assert_cmpstr(error, ==, "popinjay-uidl is damaged");
	g_assert_null(view);
	renumber_fails = FALSE;
	opening.window.messages = 0;
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	assert_first_shown(view, moved_uids, 3);
	assert_file("popinjay-views", "popinjay-views 1 1 6\na uidvalidity=6 "
		    "floor=1 shown=14 used=2026-11-29T20:15:00Z window=11:12 "
		    "keep=13\n");
	opening = opening_of(uids);
	opening.uidvalidity = 5;
	g_assert_cmpint(popinjay_view_session_keep(store, &box, &opening,
		&kept, &error), ==, -1);
	assert_file("popinjay-views.lock", NULL);
	popinjay_view_store_free(&store);
	teardown();
}

static void test_session_fails(void)
{
	static const uint32_t uids[] = { 1, 2, 3, 4 };
	struct popinjay_view_opening opening;
	struct popinjay_view_store *store;
	const struct popinjay_view *view;
	const char *error;

	setup();
	renumbered = 0;
	renumber_fails = FALSE;
	store = popinjay_view_store_create(&box);
	opening = opening_of(uids);
	renumber_fails = TRUE;
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, -1);
	g_assert_cmpstr(error, ==, "popinjay-uidl is damaged");
	g_assert_null(view);
	assert_file("popinjay-views", NULL);
	assert_file("popinjay-views.lock", NULL);

	renumber_fails = FALSE;
	write_file("popinjay-views", "x\n");
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, -1);
	g_assert_cmpstr(error, ==, t_strdup_printf("%s/popinjay-views is "
		"damaged: Line 1: It is not \"popinjay-views 1 COUNT UIDLS\"",
		control_dir));
	popinjay_view_store_free(&store);
	teardown();
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/view/session/hides", test_session);
	g_test_add_func("/view/session/fails", test_session_fails);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
