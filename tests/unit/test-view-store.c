/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* view/view-store and view/trouble-store: the files. */

#include "view-mailbox.h"
#include "trouble.h"
#include "trouble-store.h"

/* A write by another process. */
static void keep_one(uint32_t uid)
{
	struct popinjay_view_store *store = popinjay_view_store_create(&box);
	struct popinjay_views *views;
	const char *error;

	g_assert_cmpint(popinjay_view_store_lock(store, &error), >=, 0);
	views = popinjay_view_store_get(store);
	popinjay_view_keep(popinjay_views_add(views, "a", UIDVALIDITY), uid);
	g_assert_cmpint(popinjay_view_store_write(store, &error), ==, 0);
	popinjay_view_store_free(&store);
}

#define FILE_OF(uids) \
	"popinjay-views 1 1\na uidvalidity=5 floor=1 shown=0 keep=" uids "\n"

/* --- Views --- */

static void test_none(void)
{
	struct popinjay_view_store *store;
	const char *error;

	setup();
	store = popinjay_view_store_create(&box);
	g_assert_cmpstr(popinjay_view_store_path(store), ==,
			t_path("popinjay-views"));
	g_assert_cmpint(popinjay_view_store_read(store, &error), ==, 0);
	g_assert_cmpint(popinjay_view_store_lock(store, &error), ==, 0);
	g_assert_cmpuint(array_count(popinjay_views_get(
		popinjay_view_store_get(store))), ==, 0);
	popinjay_view_store_free(&store);
	assert_file("popinjay-views", NULL);
	assert_file("popinjay-views.lock", NULL);
	g_assert_cmpuint(index_commits, ==, 0);
	assert_logged("");
	teardown();
}

static void test_write(void)
{
	struct popinjay_view_store *store;
	struct stat st;
	const char *error;

	setup();
	store = popinjay_view_store_create(&box);
	g_assert_cmpint(popinjay_view_store_read(store, &error), ==, 0);
	keep_one(7);
	assert_file("popinjay-views", FILE_OF("7"));
	g_assert_cmpint(stat(t_path("popinjay-views"), &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
	g_assert_cmpuint(index_written, ==, 1);
	g_assert_cmpuint(index_commits, ==, 1);
	/* this one has it only now */
	g_assert_cmpint(popinjay_view_store_read(store, &error), ==, 1);
	g_assert_nonnull(popinjay_views_find(popinjay_view_store_get(store),
					     "a"));
	keep_one(8);
	assert_file("popinjay-views", FILE_OF("7:8"));
	/* the index knows */
	g_assert_cmpuint(index_commits, ==, 1);

	/* changed, but not written: the next read knows nothing of it */
	popinjay_view_keep(popinjay_views_find(popinjay_view_store_get(store),
					       "a"), 99);
	g_assert_cmpint(popinjay_view_store_lock(store, &error), ==, 1);
	g_assert_cmpint(popinjay_view_hides(popinjay_views_find(
		popinjay_view_store_get(store), "a"), 99), ==,
		POPINJAY_VIEW_SHOWN);
	popinjay_view_store_free(&store);
	assert_file("popinjay-views.lock", NULL);
	assert_logged("");
	teardown();
}

static void test_lost(void)
{
	struct popinjay_view_store *store;
	const char *error;

	setup();
	keep_one(7);
	g_assert_cmpint(unlink(t_path("popinjay-views")), ==, 0);
	store = popinjay_view_store_create(&box);
	g_assert_cmpint(popinjay_view_store_read(store, &error), ==, 0);
	assert_logged(t_strdup_printf("E: popinjay: %s/popinjay-views is lost: "
		"what was hidden from POP3 clients is shown to them again, "
		"unless you restore the file from a backup before they log "
		"in\n", control_dir));
	g_assert_cmpuint(index_written, ==, 0);
	g_assert_cmpint(popinjay_view_store_read(store, &error), ==, 0);
	assert_logged("");
	popinjay_view_store_free(&store);
	/* it begins anew */
	keep_one(8);
	assert_file("popinjay-views", FILE_OF("8"));
	g_assert_cmpuint(index_written, ==, 1);
	teardown();
}

/* The index was lost, or a writer was killed before it told it. */
static void test_index_behind(void)
{
	setup();
	keep_one(7);
	index_written = 0;
	keep_one(8);
	assert_file("popinjay-views", FILE_OF("7:8"));
	g_assert_cmpuint(index_written, ==, 1);

	index_written = 0;
	index_fails = TRUE;
	keep_one(9);
	assert_file("popinjay-views", FILE_OF("7:9"));
	assert_logged(t_strdup_printf("W: popinjay: The index couldn't be told "
		"of %s/popinjay-views, whose loss would not be noticed: no "
		"space left\n", control_dir));
	teardown();
}

static void assert_unreadable(const char *reason)
{
	struct popinjay_view_store *store = popinjay_view_store_create(&box);
	const char *error;

	g_assert_cmpint(popinjay_view_store_read(store, &error), ==, -1);
	g_assert_cmpstr(error, ==, reason);
	g_assert_cmpint(popinjay_view_store_lock(store, &error), ==, -1);
	g_assert_cmpstr(error, ==, reason);
	g_assert_cmpuint(array_count(popinjay_views_get(
		popinjay_view_store_get(store))), ==, 0);
	/* nobody else has to wait */
	assert_file("popinjay-views.lock", NULL);
	popinjay_view_store_free(&store);
}

static void test_damaged(void)
{
	struct popinjay_view_store *store;
	const char *error;

	setup();
	write_file("popinjay-views", "popinjay-views 1 2\n"
		   "a uidvalidity=5 floor=1 shown=0\n");
	assert_unreadable(t_strdup_printf("%s/popinjay-views is damaged: It "
		"has 1 views, not 2", control_dir));
	write_file("popinjay-views", "");
	assert_unreadable(t_strdup_printf("%s/popinjay-views is damaged: It is "
		"empty", control_dir));
	store = popinjay_view_store_create(&box);
	g_assert_cmpint(popinjay_view_store_keep_broken(store, &error), ==, 0);
	popinjay_view_store_free(&store);
	assert_file("popinjay-views.broken", "");
	assert_logged("");

	g_assert_cmpint(unlink(t_path("popinjay-views")), ==, 0);
	g_assert_cmpint(mkfifo(t_path("popinjay-views"), 0600), ==, 0);
	assert_unreadable(t_strdup_printf("%s/popinjay-views is no regular "
		"file", control_dir));
	teardown();
}

/* A session must not show what it could not write. */
static void test_cannot_write(void)
{
	struct popinjay_view_store *store;
	const char *error;

	setup();
	keep_one(7);
	store = popinjay_view_store_create(&box);
	g_assert_cmpint(popinjay_view_store_lock(store, &error), ==, 1);
	popinjay_view_raise(popinjay_views_find(popinjay_view_store_get(store),
						"a"), 9);
	/* another process has taken the lock for that of a dead one */
	g_assert_cmpint(unlink(t_path("popinjay-views.lock")), ==, 0);
	g_assert_cmpint(popinjay_view_store_write(store, &error), ==, -1);
	g_assert_cmpstr(error, ==, t_strdup_printf(
		"The lock %s/popinjay-views.lock was lost", control_dir));
	assert_file("popinjay-views", FILE_OF("7"));
	popinjay_view_store_free(&store);
	g_string_truncate(logged, 0);
	has_control_dir = FALSE;
	store = popinjay_view_store_create(&box);
	g_assert_null(popinjay_view_store_path(store));
	g_assert_cmpint(popinjay_view_store_lock(store, &error), ==, -1);
	g_assert_cmpstr(error, ==, "This mailbox has no control directory");
	popinjay_view_store_free(&store);
	teardown();
}

/* --- Trouble --- */

static bool add_trouble(void *context, struct popinjay_trouble *trouble)
{
	const uint32_t *uid = context;

	if (*uid == 0)
		return FALSE;
	(void)popinjay_trouble_add(trouble, "a", *uid);
	return TRUE;
}

static void assert_tries(uint32_t uid, unsigned int tries)
{
	struct popinjay_trouble *trouble = popinjay_trouble_store_read(&box);

	g_assert_cmpuint(popinjay_trouble_get(trouble, "a", uid), ==, tries);
	popinjay_trouble_free(&trouble);
}

static void test_trouble(void)
{
	uint32_t uid = 0;

	setup();
	assert_tries(7, 0);
	popinjay_trouble_store_change(&box, add_trouble, &uid);
	assert_file("popinjay-trouble", NULL);
	uid = 7;
	popinjay_trouble_store_change(&box, add_trouble, &uid);
	popinjay_trouble_store_change(&box, add_trouble, &uid);
	assert_file("popinjay-trouble", "popinjay-trouble 1 5\na 7 2\n");
	assert_tries(7, 2);
	assert_logged("");

	/* of another UIDVALIDITY, and damaged */
	write_file("popinjay-trouble", "popinjay-trouble 1 6\na 7 2\n");
	assert_tries(7, 0);
	assert_logged("");
	write_file("popinjay-trouble", "popinjay-trouble 1 5\na 7");
	popinjay_trouble_store_change(&box, add_trouble, &uid);
	assert_logged(t_strdup_printf("W: popinjay: The list of messages that "
		"do not get through couldn't be read: %s/popinjay-trouble: "
		"Line 2 is damaged: it is started anew\n", control_dir));
	assert_file("popinjay-trouble", "popinjay-trouble 1 5\na 7 1\n");

	/* where it cannot be written, nothing else happens */
	has_control_dir = FALSE;
	popinjay_trouble_store_change(&box, add_trouble, &uid);
	assert_logged("W: popinjay: The list of messages that do not get "
		      "through couldn't be saved: This mailbox has no control "
		      "directory\n");
	teardown();
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/view/store/none", test_none);
	g_test_add_func("/view/store/write", test_write);
	g_test_add_func("/view/store/lost", test_lost);
	g_test_add_func("/view/store/index-behind", test_index_behind);
	g_test_add_func("/view/store/damaged", test_damaged);
	g_test_add_func("/view/store/cannot-write", test_cannot_write);
	g_test_add_func("/view/store/trouble", test_trouble);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
