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
/* the UIDVALIDITY of the uids 1 to 4 in the file, and of another message that
   came at uid 2: it is one that the views do not know */
static uint32_t old_uidvalidity, other_uidvalidity;

struct popinjay_uidl_box *popinjay_uidl_box(struct mailbox *mailbox)
{
	return (struct popinjay_uidl_box *)mailbox;
}

/* Each message has a uid that is 10 higher than at the UIDVALIDITY before. */
int popinjay_uidl_renumber(struct popinjay_uidl_box *ubox,
			   const char **error_r)
{
	struct mailbox *mailbox = (struct mailbox *)ubox;
	struct popinjay_uidl_moved other = { other_uidvalidity, 2, 30 };
	ARRAY_TYPE(popinjay_uidl_moved) moved;
	unsigned int i;

	if (renumber_fails) {
		*error_r = "popinjay-uidl is damaged";
		return -1;
	}
	if (!popinjay_view_moved_hook.wanted(mailbox, TRUE))
		return 0;
	renumbered++;
	t_array_init(&moved, 8);
	array_push_back(&moved, &other);
	for (i = 1; i <= 4; i++) {
		struct popinjay_uidl_moved move = { old_uidvalidity, i,
						    i + 10 };

		array_push_back(&moved, &move);
	}
	return popinjay_view_moved_hook.moved(mailbox, &moved, error_r);
}

/* --- A session --- */

static bool no_date(void *context, unsigned int idx, time_t *date_r)
{
	return FALSE;
}

static void session_setup(void)
{
	setup();
	renumbered = 0;
	renumber_fails = FALSE;
	old_uidvalidity = UIDVALIDITY;
	other_uidvalidity = UIDVALIDITY + 1;
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

	session_setup();
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
	g_assert_cmpuint(renumbered, ==, 0);
	assert_file("popinjay-views", "popinjay-views 1 1\na uidvalidity=5 "
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
	assert_file("popinjay-views", "popinjay-views 1 1\na uidvalidity=5 "
		    "floor=3 shown=4 used=2026-11-29T20:15:00Z keep=3\n");

	/* at another UIDVALIDITY the next session hides the same, and this one
	   nothing more */
	g_assert_cmpuint(renumbered, ==, 0);
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
	g_assert_cmpuint(renumbered, ==, 1);
	assert_file("popinjay-views", "popinjay-views 1 1\na uidvalidity=6 "
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

/* A message came at the new UIDVALIDITY, or nobody knows at which: it is never
   taken for an old one of that uid. */
static void test_session_other(void)
{
	static const uint32_t moved_uids[] = { 11, 12, 13, 30 };
	static const uint32_t others[] = { 0, UIDVALIDITY + 1,
					   UIDVALIDITY - 1 };
	struct popinjay_view_opening opening;
	struct popinjay_view_store *store;
	const struct popinjay_view *view;
	const char *error;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(others); i++) {
		session_setup();
		other_uidvalidity = others[i];
		write_file("popinjay-views", "popinjay-views 1 1\n"
			   "a uidvalidity=5 floor=3 shown=4 "
			   "used=2026-11-29T20:15:00Z keep=3\n");
		uidvalidity = UIDVALIDITY + 1;
		store = popinjay_view_store_create(&box);
		opening = opening_of(moved_uids);
		opening.window.messages = 0;
		g_assert_cmpint(popinjay_view_session_begin(store, &box,
			&opening, &view, &error), ==, 0);
		assert_first_shown(view, moved_uids, 3);
		assert_logged("");
		popinjay_view_store_free(&store);
		teardown();
	}

	/* popinjay-uidl knows nothing of them */
	session_setup();
	old_uidvalidity = 0;
	write_file("popinjay-views", "popinjay-views 1 1\n"
		   "a uidvalidity=5 floor=3 shown=4 "
		   "used=2026-11-29T20:15:00Z keep=3\n");
	uidvalidity = UIDVALIDITY + 1;
	store = popinjay_view_store_create(&box);
	opening = opening_of(moved_uids);
	opening.window.messages = 0;
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	assert_first_shown(view, moved_uids, 0);
	assert_logged("E: popinjay: What POP3 view a hid of the messages of "
		"UIDVALIDITY 5 can't be found again at UIDVALIDITY 6, since "
		"popinjay-uidl has none of their UIDs. All is shown to it\n");
	popinjay_view_store_free(&store);
	teardown();
}

/* Another session has hidden what this one does not know yet; but where the
   index has no such message either, the mailbox is an older one. */
static void test_session_older(void)
{
	static const uint32_t uids[] = { 1, 2, 3, 4 };
	static const char text[] = "popinjay-views 1 1\n"
		"a uidvalidity=5 floor=1 shown=4 used=2026-11-29T20:15:00Z "
		"keep=7\n";
	struct popinjay_view_opening opening;
	struct popinjay_view_store *store;
	const struct popinjay_view *view;
	const char *error;

	session_setup();
	write_file("popinjay-views", text);
	store = popinjay_view_store_create(&box);
	opening = opening_of(uids);
	opening.window.messages = 0;
	opening.uidnext = uidnext = 5;
	current_header.next_uid = 8;
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	g_assert_cmpuint(renumbered, ==, 0);
	assert_file("popinjay-views", text);

	current_header.next_uid = 5;
	index_in_memory = TRUE;
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	g_assert_cmpuint(renumbered, ==, 0);
	assert_file("popinjay-views", text);

	index_in_memory = FALSE;
	g_assert_cmpint(popinjay_view_session_begin(store, &box, &opening,
		&view, &error), ==, 0);
	g_assert_cmpuint(renumbered, ==, 1);
	assert_file("popinjay-views", "popinjay-views 1 1\n"
		    "a uidvalidity=5 floor=1 shown=4 "
		    "used=2026-11-29T20:15:00Z\n");
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

	session_setup();
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
		"damaged: Line 1: It is not \"popinjay-views 1 COUNT\"",
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
	g_test_add_func("/view/session/other", test_session_other);
	g_test_add_func("/view/session/older", test_session_older);
	g_test_add_func("/view/session/fails", test_session_fails);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
