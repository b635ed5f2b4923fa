/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* view/view-store and view/trouble-store: the files, in a directory of the
   test's own. What they ask Dovecot's storage for is answered here. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "unlink-directory.h"
#include "master-service.h"
#include "mail-storage-private.h"
#include "trouble.h"
#include "trouble-store.h"
#include "uidl-renumber.h"
#include "uidl-box.h"
#include "views.h"
#include "view-moved.h"
#include "view-open.h"
#include "view-session.h"
#include "view-store.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UIDVALIDITY 5
#define NOW 1795983300

/* --- In place of Dovecot's storage --- */

static char *control_dir;
static bool has_control_dir;
/* the header of the extension */
static uint32_t index_written;
static unsigned int index_commits;
static bool index_fails;
static uint32_t uidvalidity;
/* what was logged */
static GString *logged;

int mailbox_get_path_to(struct mailbox *box, enum mailbox_list_path_type type,
			const char **path_r)
{
	g_assert_cmpint(type, ==, MAILBOX_LIST_PATH_TYPE_CONTROL);
	*path_r = control_dir;
	return has_control_dir ? 1 : 0;
}

const struct mailbox_permissions *mailbox_get_permissions(struct mailbox *box)
{
	static struct mailbox_permissions perm = {
		.file_create_mode = 0600, .dir_create_mode = 0700,
		.file_create_gid = (gid_t)-1
	};

	return &perm;
}

unsigned int mail_storage_get_lock_timeout(struct mail_storage *storage,
					   unsigned int secs)
{
	return secs;
}

unsigned int master_service_get_client_limit(struct master_service *service)
{
	return 1;
}

void mailbox_get_open_status(struct mailbox *box,
			     enum mailbox_status_items items,
			     struct mailbox_status *status_r)
{
	i_zero(status_r);
	status_r->uidvalidity = uidvalidity;
	status_r->uidnext = 100;
}

void mailbox_set_index_error(struct mailbox *box)
{
}

const char *mailbox_get_last_internal_error(struct mailbox *box,
					    enum mail_error *error_r)
{
	return "no space left";
}

uint32_t mail_index_ext_register(struct mail_index *index, const char *name,
				 uint32_t hdr_size, uint16_t record_size,
				 uint16_t record_align)
{
	g_assert_cmpstr(name, ==, "popinjay-views");
	g_assert_cmpuint(hdr_size, ==, sizeof(index_written));
	g_assert_cmpuint(record_size, ==, 0);
	return 3;
}

void mail_index_get_header_ext(struct mail_index_view *view, uint32_t ext_id,
			       const void **data_r, size_t *data_size_r)
{
	g_assert_cmpuint(ext_id, ==, 3);
	*data_r = &index_written;
	/* there is none before the first commit */
	*data_size_r = index_commits == 0 ? 0 : sizeof(index_written);
}

static uint32_t index_new;

struct mail_index_transaction *
mail_index_transaction_begin(struct mail_index_view *view,
			     enum mail_index_transaction_flags flags)
{
	return (struct mail_index_transaction *)&index_new;
}

void mail_index_update_header_ext(struct mail_index_transaction *trans,
				  uint32_t ext_id, size_t offset,
				  const void *data, size_t size)
{
	g_assert_cmpuint(offset, ==, 0);
	g_assert_cmpuint(size, ==, sizeof(index_new));
	memcpy(&index_new, data, size);
}

#undef mail_index_transaction_commit
int mail_index_transaction_commit(struct mail_index_transaction **trans)
{
	*trans = NULL;
	if (index_fails)
		return -1;
	index_written = index_new;
	index_commits++;
	return 0;
}

static void ATTR_FORMAT(2, 0)
log_handler(const struct failure_context *ctx, const char *format,
	    va_list args)
{
	g_string_append_printf(logged, "%s: ",
		ctx->type == LOG_TYPE_WARNING ? "W" : "E");
	g_string_append_vprintf(logged, format, args);
	g_string_append_c(logged, '\n');
}

/* --- In place of popinjay-uidl --- */

static unsigned int renumbered;
static bool renumber_fails;

struct popinjay_uidl_box *popinjay_uidl_box(struct mailbox *box)
{
	return (struct popinjay_uidl_box *)box;
}

/* Each message has a uid that is 10 higher than at the UIDVALIDITY before. */
int popinjay_uidl_renumber(struct popinjay_uidl_box *ubox,
			   const char **error_r)
{
	struct mailbox *box = (struct mailbox *)ubox;
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
	if (popinjay_view_moved_hook.wanted(box) &&
	    popinjay_view_moved_hook.moved(box, &moved, error_r) < 0)
		return -1;
	return popinjay_view_moved_hook.renumbered(box, error_r);
}

/* --- A mailbox for each test --- */

static struct mailbox box;
static struct mail_storage storage;
static struct mail_storage_settings set;

static void setup(void)
{
	has_control_dir = TRUE;
	control_dir = g_dir_make_tmp("popinjay-view-XXXXXX", NULL);
	index_written = 0;
	index_commits = 0;
	index_fails = FALSE;
	uidvalidity = UIDVALIDITY;
	renumbered = 0;
	renumber_fails = FALSE;
	logged = g_string_new(NULL);
	storage.set = &set;
	box.storage = &storage;
	box.event = event_create(NULL);
	i_set_error_handler(log_handler);
}

static void teardown(void)
{
	const char *error;

	if (unlink_directory(control_dir, UNLINK_DIRECTORY_FLAG_RMDIR,
			     &error) < 0)
		g_error("%s", error);
	event_unref(&box.event);
	g_string_free(logged, TRUE);
	g_clear_pointer(&control_dir, g_free);
}

static const char *t_path(const char *name)
{
	return t_strconcat(control_dir, "/", name, NULL);
}

static void assert_file(const char *name, const char *text)
{
	g_autofree char *data = NULL;

	if (!g_file_get_contents(t_path(name), &data, NULL, NULL))
		data = NULL;
	g_assert_cmpstr(data, ==, text);
}

static void write_file(const char *name, const char *text)
{
	g_assert_true(g_file_set_contents(t_path(name), text, -1, NULL));
}

static void assert_logged(const char *text)
{
	g_assert_cmpstr(logged->str, ==, text);
	g_string_truncate(logged, 0);
}

/* A write by another process. */
static void keep_one(uint32_t uid)
{
	struct popinjay_view_store *store = popinjay_view_store_create(&box);
	struct popinjay_views *views;
	const char *error;

	g_assert_cmpint(popinjay_view_store_lock(store, &error), >=, 0);
	views = popinjay_view_store_get(store);
	popinjay_views_set_uidls(views, UIDVALIDITY);
	popinjay_view_keep(popinjay_views_add(views, "a", UIDVALIDITY), uid);
	g_assert_cmpint(popinjay_view_store_write(store, &error), ==, 0);
	popinjay_view_store_free(&store);
}

#define FILE_OF(uids) \
	"popinjay-views 1 1 5\na uidvalidity=5 floor=1 shown=0 keep=" uids "\n"

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
	write_file("popinjay-views", "popinjay-views 1 2 5\n"
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
	assert_logged(t_strdup_printf("W: popinjay: Messages that do not get "
		"through couldn't be read: %s/popinjay-trouble: Line 2 is "
		"damaged: it begins anew\n", control_dir));
	assert_file("popinjay-trouble", "popinjay-trouble 1 5\na 7 1\n");

	/* where it cannot be written, nothing else happens */
	has_control_dir = FALSE;
	popinjay_trouble_store_change(&box, add_trouble, &uid);
	assert_logged("W: popinjay: Messages that do not get through couldn't "
		      "be remembered: This mailbox has no control directory\n");
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
	g_test_add_func("/view/store/session", test_session);
	g_test_add_func("/view/store/session-fails", test_session_fails);
	g_test_add_func("/view/store/trouble", test_trouble);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
