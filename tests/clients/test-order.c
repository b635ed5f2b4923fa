/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* popinjay_order: messages that do not get through stand last, in the view that
   they did not get through to, and nothing else of them changes. What that is
   to mail clients, test-laws shows. */

#include "large-mail.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_BYTES 400
#define MASTER_PASSWORD "master-of-all"
#define ARRIVAL "1 2 3 4 5"
#define TWO_LAST "1 3 4 5 2"

static struct fixture *the_fixture;
/* what the userdb says of users of ours */
static char *users_path;

/* They are in the userdb before anybody is looked up in it. */
static const struct {
	const char *name, *fields;
} other_names[] = {
	{ "phone", "userdb_popinjay_secret_id=abcdefgh" },
	{ "arrival", "userdb_popinjay_order=arrival" }
};
/* These have a file for each message. */
static const char *const storages[] = { "maildir", "sdbox" };

static void write_users(struct fixture *f)
{
	g_autoptr(GString) users = g_string_new(NULL);

	for (unsigned int i = 0; i < G_N_ELEMENTS(other_names); i++) {
		for (unsigned int j = 0; j < G_N_ELEMENTS(storages); j++) {
			g_autofree char *name = g_strdup_printf("%s@%s",
				other_names[i].name, storages[j]);
			gid_t gid;
			uid_t uid = fixture_user_uid(f, name, &gid);

			g_string_append_printf(users, "%s::%u:%u::::%s\n",
				name, (unsigned int)uid, (unsigned int)gid,
				other_names[i].fields);
		}
	}
	g_assert_true(g_file_set_contents(users_path, users->str, -1, NULL));
	g_assert_cmpint(chmod(users_path, 0644), ==, 0);
}

static struct fixture *get_fixture(void)
{
	g_autofree char *dir = NULL, *head = NULL;
	struct fixture_options options = { 0 };

	if (the_fixture != NULL)
		return the_fixture;
	dir = g_dir_make_tmp("popinjay-order-XXXXXX", NULL);
	g_assert_nonnull(dir);
	g_assert_cmpint(chmod(dir, 0755), ==, 0);
	users_path = g_build_filename(dir, "users", NULL);
	g_assert_true(g_file_set_contents(users_path, "", 0, NULL));
	head = g_strdup_printf(fixture_is_2_3() ?
		"auth_master_user_separator = *\n"
		"userdb {\n  driver = passwd-file\n  args = %s\n}\n"
		"passdb {\n  driver = static\n  master = yes\n"
		"  args = password=" MASTER_PASSWORD "\n}\n" :
		"auth_master_user_separator = *\n"
		"userdb ours {\n  driver = passwd-file\n"
		"  passwd_file_path = %s\n}\n"
		"passdb masters {\n  driver = static\n  master = yes\n"
		"  passdb_static_password = " MASTER_PASSWORD "\n"
		"}\n", users_path);
	options.config_head = head;
	the_fixture = fixture_new(&options);
	write_users(the_fixture);
	fixture_log_allow(the_fixture, "Permission denied|"
			  "popinjay: (RETR|TOP): Opening message UID|"
			  "popinjay: The size of message UID");
	return the_fixture;
}

/* Another name for the user, one of other_names. */
static char *another_name(const char *user, const char *other)
{
	struct fixture *f = get_fixture();
	char *name = g_strdup_printf("%s@%s", other,
				     fixture_user_storage(user));
	g_autofree char *home = fixture_home(f, user);
	g_autofree char *other_home = fixture_home(f, name);

	g_assert_cmpint(symlink(home, other_home), ==, 0);
	return name;
}

static char *new_user(const char *storage)
{
	char *user = fixture_user(get_fixture(), storage);

	numbered_deliver(get_fixture(), user, 1, 5, MAIL_BYTES);
	/* a first session gives new files their names */
	g_strfreev(uidl_list(get_fixture(), user));
	return user;
}

/* The uids that stand in UIDLs, in their order. */
static char *uids_in(struct pop3 *pop3)
{
	g_auto(GStrv) uidls = uidl_list_in(pop3);
	g_autoptr(GString) uids = g_string_new(NULL);

	for (char **p = uidls; *p != NULL; p++) {
		unsigned int uid;

		g_assert_cmpint(sscanf(*p, "%8x", &uid), ==, 1);
		g_string_append_printf(uids, "%s%u", p == uidls ? "" : " ",
				       uid);
	}
	return g_string_free(g_steal_pointer(&uids), FALSE);
}

#define check_order(pop3, want) check_order_at(G_STRLOC, pop3, want)
static void
check_order_at(const char *where, struct pop3 *pop3, const char *want)
{
	g_autofree char *uids = uids_in(pop3);

	if (!g_str_equal(uids, want))
		g_error("%s: the order is %s, not %s", where, uids, want);
}

/* A session that is shown this order. */
#define expect_order(user, want) expect_order_at(G_STRLOC, user, want)
static void
expect_order_at(const char *where, const char *user, const char *want)
{
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	check_order_at(where, pop3, want);
	pop3_quit(pop3, "Logging out.");
}

/* Wait until a session has done all it does when it ends. */
static void quit(struct pop3 *pop3, gsize since)
{
	pop3_quit(pop3, "Logging out.");
	g_free(fixture_log_wait(get_fixture(), since,
				"popinjay_session_finished"));
}

/* A session in which this command fails as the message cannot be read. */
static void fail(const char *user, const char *command)
{
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	g_autofree char *reply = pop3_ask(pop3, "%s", command);

	if (!g_str_has_prefix(reply, "-ERR [SYS/TEMP] "))
		g_error("%s: %s", command, reply);
	quit(pop3, since);
}

static void fail_twice(const char *user, unsigned int msn)
{
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	for (unsigned int i = 0; i < 2; i++) {
		g_autofree char *reply = pop3_ask(pop3, "RETR %u", msn);

		g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
	}
	quit(pop3, since);
}

static void fetch(const char *user, const char *command)
{
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	GString *reply;

	pop3_send(pop3, "%s", command);
	reply = pop3_multiline(pop3);
	g_assert_true(g_str_has_prefix(reply->str, "+OK"));
	g_string_free(reply, TRUE);
	quit(pop3, since);
}

static char *hide(const char *user, unsigned int number)
{
	char *path = numbered_find_file(get_fixture(), user, number);

	g_assert_nonnull(path);
	g_assert_cmpint(chmod(path, 0), ==, 0);
	return path;
}

static void show(const char *path)
{
	g_assert_cmpint(chmod(path, 0600), ==, 0);
}

static gboolean has_file(const char *user)
{
	g_autofree char *home = fixture_home(get_fixture(), user);
	const char *const argv[] = {
		"find", home, "-name", "popinjay-trouble", NULL
	};
	GString *out = NULL;
	gboolean ret;

	g_assert_cmpint(fixture_run(get_fixture(), argv, NULL, &out, NULL), ==,
			0);
	ret = out->len > 0;
	g_string_free(out, TRUE);
	return ret;
}

/* --- Tests --- */

/* It stands last until it was fetched whole, under the same UIDL; then at its
   old place, whatever becomes of it. */
static void test_unreadable(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user(storage);
	g_autofree char *path = NULL;
	g_auto(GStrv) before = uidl_list(f, user), after = NULL;
	gsize since = fixture_log_size(f);
	struct pop3 *pop3;

	path = hide(user, 2);
	expect_order(user, ARRIVAL);
	g_assert_false(has_file(user));
	fail(user, "RETR 2");
	g_free(fixture_log_wait(f, since, "Info: popinjay: RETR of message UID "
		"2 .* \\(sessions so far: 1\\): .* the account's "
		"password"));
	after = uidl_list(f, user);
	g_assert_cmpstr(after[4], ==, before[1]);
	expect_order(user, TWO_LAST);
	numbered_deliver(f, user, 6, 6, MAIL_BYTES);
	expect_order(user, "1 3 4 5 6 2");
	fail(user, "RETR 6");

	/* what can be deleted is what it says */
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 5", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	expect_order(user, TWO_LAST);

	show(path);
	fetch(user, "TOP 5 1");
	expect_order(user, TWO_LAST);
	fetch(user, "RETR 5");
	expect_order(user, ARRIVAL);
	g_free(path);
	path = hide(user, 2);
	fail(user, "RETR 2");
	expect_order(user, ARRIVAL);
}

/* Who has all lines by TOP has fetched the message, too. */
static void test_top(gconstpointer storage)
{
	g_autofree char *user = new_user(storage);
	g_autofree char *path = hide(user, 2);

	fail(user, "TOP 2 0");
	expect_order(user, TWO_LAST);
	show(path);
	fetch(user, "TOP 5 1000");
	expect_order(user, ARRIVAL);
	g_free(path);
	path = hide(user, 2);
	fail(user, "TOP 2 1000");
	expect_order(user, ARRIVAL);
}

/* What fails least often stands first. */
static void test_several(gconstpointer storage)
{
	g_autofree char *user = new_user(storage);
	g_autofree char *path1 = hide(user, 1), *path3 = hide(user, 3);
	g_autofree char *list = NULL, *joined = NULL;
	g_auto(GStrv) tries = NULL;

	fail(user, "RETR 1");
	expect_order(user, "2 3 4 5 1");
	fail(user, "RETR 2");
	expect_order(user, "2 4 5 1 3");
	/* twice in one session is once */
	fail_twice(user, 4);
	expect_order(user, "2 4 5 3 1");

	/* doveadm sees them at their places */
	show(path1);
	show(path3);
	list = uidl_tool(get_fixture(), NULL, 0, "list", "-u", user, NULL);
	tries = uidl_tool_column(list, "trouble");
	joined = g_strjoinv("|", tries);
	g_assert_cmpstr(joined, ==, "2||1||");
	/* and takes its own list */
	g_free(uidl_tool(get_fixture(), list, 0, "import", "-n", "-u", user,
			 NULL));
}

/* Each view has an order of its own. */
static void test_views(gconstpointer storage)
{
	g_autofree char *user = new_user(storage);
	g_autofree char *phone = another_name(user, "phone");
	g_autofree char *path = hide(user, 2);

	fail(phone, "RETR 2");
	expect_order(phone, TWO_LAST);
	expect_order(user, ARRIVAL);
	fail(user, "RETR 2");
	expect_order(user, TWO_LAST);

	/* the account cannot know who fetched it */
	show(path);
	fetch(phone, "RETR 5");
	expect_order(phone, ARRIVAL);
	expect_order(user, ARRIVAL);
	g_free(path);
	path = hide(user, 2);
	fail(user, "RETR 2");
	expect_order(user, ARRIVAL);
}

static struct pop3 *master_session(const char *user)
{
	struct pop3 *pop3 = pop3_connect(get_fixture(), POP3_CLEAR);
	g_autofree char *line = g_strdup_printf("USER %s*master", user);

	pop3_check(pop3, line, "+OK");
	pop3_check(pop3, "PASS " MASTER_PASSWORD, "+OK Logged in.");
	return pop3;
}

/* A master user sees the INBOX as it is and leaves no marks. */
static void test_master(gconstpointer storage)
{
	g_autofree char *user = new_user(storage);
	g_autofree char *path = hide(user, 2), *reply = NULL;
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = master_session(user);

	reply = pop3_ask(pop3, "RETR 2");
	g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
	quit(pop3, since);
	g_assert_false(has_file(user));
	expect_order(user, ARRIVAL);
	fail(user, "RETR 2");
	expect_order(user, TWO_LAST);

	show(path);
	since = fixture_log_size(get_fixture());
	pop3 = master_session(user);
	check_order(pop3, ARRIVAL);
	pop3_send(pop3, "RETR 2");
	g_string_free(pop3_multiline(pop3), TRUE);
	quit(pop3, since);
	expect_order(user, TWO_LAST);
}

/* The order of arrival is kept for who wants it. */
static void test_arrival(gconstpointer storage)
{
	g_autofree char *user = new_user(storage);
	g_autofree char *arrival = another_name(user, "arrival");
	g_autofree char *path = hide(user, 2);

	fail(arrival, "RETR 2");
	g_assert_false(has_file(user));
	fail(user, "RETR 2");
	expect_order(arrival, ARRIVAL);
	expect_order(user, TWO_LAST);
	show(path);
}

/* Where Dovecot's settings do not go with another order. */
static void test_dovecot(gconstpointer setting)
{
	g_autofree char *user = new_user("maildir");
	g_autofree char *path = hide(user, 2);

	fail(user, "RETR 2");
	expect_order(user, TWO_LAST);
	fixture_reload(get_fixture(), setting);
	expect_order(user, ARRIVAL);
	fixture_reload(get_fixture(), NULL);
	expect_order(user, TWO_LAST);
	show(path);
}

/* The line is lost in the middle of a message. */
static void test_lost(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	struct pop3 *pop3;
	gsize since;

	numbered_deliver(f, user, 1, 1, LARGE_MAIL_BYTES);
	numbered_deliver(f, user, 2, 3, MAIL_BYTES);
	for (unsigned int i = 0; i < 2; i++) {
		const char *order = i == 0 ? "1 2 3" : "2 3 1";

		since = fixture_log_size(f);
		pop3 = pop3_session(f, POP3_CLEAR, user);
		check_order(pop3, order);
		pop3_send(pop3, i == 0 ? "RETR 1" : "RETR 3");
		g_assert_true(pop3_receive(pop3, NULL));
		pop3_close(pop3);
		g_free(fixture_log_wait(f, since, "popinjay_session_finished"));
		g_assert_cmpuint(fixture_log_count(f, since,
			"it stands last for clients with the account's "
			"password"), ==, 1);
	}
	expect_order(user, "2 3 1");
	fetch(user, "RETR 3");
	expect_order(user, "1 2 3");
}

/* A file that says nothing readable costs a warning. */
static void test_damaged(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir");
	g_autofree char *path = hide(user, 2);
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *file = g_build_filename(dir, "popinjay-trouble", NULL);
	gsize since;

	fail(user, "RETR 2");
	expect_order(user, TWO_LAST);
	g_assert_true(g_file_set_contents(file, "nonsense\n", -1, NULL));
	fixture_give(f, user, file);
	since = fixture_log_size(f);
	expect_order(user, ARRIVAL);
	g_free(fixture_log_wait(f, since, "Warning: .*popinjay-trouble: Line 1 "
				"is damaged: it is started anew"));
	fail(user, "RETR 2");
	expect_order(user, TWO_LAST);
	show(path);
}

static void test_stop(void)
{
	g_autofree char *dir = NULL;

	if (the_fixture == NULL)
		return;
	g_clear_pointer(&the_fixture, fixture_free);
	dir = g_path_get_dirname(users_path);
	(void)unlink(users_path);
	(void)rmdir(dir);
	g_clear_pointer(&users_path, g_free);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		GTestDataFunc func;
	} tests[] = {
		{ "unreadable", test_unreadable },
		{ "top", test_top },
		{ "several", test_several },
		{ "views", test_views },
		{ "master", test_master },
		{ "arrival", test_arrival }
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(tests); i++) {
		for (unsigned int j = 0; j < G_N_ELEMENTS(storages); j++) {
			g_autofree char *path = g_strdup_printf("/order/%s/%s",
				tests[i].name, storages[j]);

			g_test_add_data_func(path, storages[j], tests[i].func);
		}
	}
	g_test_add_data_func("/order/last", "pop3_enable_last = yes\n",
			     test_dovecot);
	g_test_add_data_func("/order/no-flag-updates",
			     "pop3_no_flag_updates = yes\n", test_dovecot);
	g_test_add_func("/order/lost", test_lost);
	g_test_add_func("/order/damaged", test_damaged);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/order", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
