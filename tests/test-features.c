/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stages of a session, with a feature that does at each of them what it is
   told to: tests/plugin/feature-plugin.c. */

#include "pop3.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_FORMAT "Subject: mail %u\r\n\r\nRead it.\r\n"

static const char *const modules[] = {
	POPINJAY_BUILDDIR "/tests/plugin/lib30_popinjay_feature_plugin.so",
	NULL
};
static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	static const struct fixture_options options = {
		.plugins = "popinjay_feature",
		.modules = modules
	};

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

/* A user with mails 1 to count, and a feature that does what words say. */
static char *new_user(const char *storage, unsigned int count,
		      const char *words)
{
	struct fixture *f = get_fixture();
	char *user = fixture_user(f, storage);
	g_autofree char *home = fixture_home(f, user);
	g_autofree char *path = g_build_filename(home, "feature", NULL);
	g_autofree char *line = g_strconcat(words, "\n", NULL);
	g_autoptr(GError) error = NULL;

	for (unsigned int i = 1; i <= count; i++) {
		g_autofree char *mail = g_strdup_printf(MAIL_FORMAT, i);

		fixture_deliver(f, user, mail, strlen(mail));
	}
	if (!g_file_set_contents(path, line, -1, &error))
		g_error("%s", error->message);
	return user;
}

static void set_words(const char *user, const char *words)
{
	g_autofree char *home = fixture_home(get_fixture(), user);
	g_autofree char *path = g_build_filename(home, "feature", NULL);
	g_autofree char *line = g_strconcat(words, "\n", NULL);

	g_assert_true(g_file_set_contents(path, line, -1, NULL));
}

/* RETR of msn must give mail i. */
static void check_mail(struct pop3 *pop3, unsigned int msn, unsigned int i)
{
	g_autofree char *mail = g_strdup_printf(MAIL_FORMAT, i);
	g_autofree char *wanted = g_strdup_printf("+OK %zu octets\r\n%s.\r\n",
						  strlen(mail), mail);
	GString *reply;

	pop3_send(pop3, "RETR %u", msn);
	reply = pop3_multiline(pop3);
	g_assert_cmpstr(reply->str, ==, wanted);
	g_string_free(reply, TRUE);
}

/* How many messages a new session is shown. */
static void check_count(const char *user, unsigned int count)
{
	struct pop3 *pop3;
	g_autofree char *stat = NULL, *wanted = NULL;

	set_words(user, "nothing");
	pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	stat = pop3_ask(pop3, "STAT");
	wanted = g_strdup_printf("+OK %u ", count);
	g_assert_true(g_str_has_prefix(stat, wanted));
	pop3_quit(pop3, "Logging out.");
}

static void check_log(gsize since, const char *regex)
{
	g_autofree char *pattern =
		g_strconcat("popinjay_feature: ", regex, NULL);

	g_free(fixture_log_wait(get_fixture(), since, pattern));
}

/* --- before that waits --- */

static void test_wait(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir", 2, "wait");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	/* what was pipelined waits behind it, and keeps its order */
	pop3_send(pop3, "NOOP\r\nDELE 1\r\nNOOP\r\nLIST\r\nDELE 2\r\nRSET\r\n"
		  "STAT");
	pop3_expect(pop3, "+OK\r\n");
	check_log(since, "DELE waits");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n+OK\r\n"
		    "+OK 1 messages:\r\n2 29\r\n.\r\n"
		    "+OK Marked to be deleted.\r\n+OK\r\n+OK 2 58\r\n");
	pop3_quit(pop3, "Logging out.");
	check_log(since, "end of");
	g_assert_cmpuint(fixture_log_count(f, since, "after DELE: 0"), ==, 2);
	check_count(user, 2);
}

static void test_wait_refuse(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir", 1, "wait refuse-late");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_send(pop3, "DELE 1\r\nSTAT");
	pop3_expect(pop3, "-ERR The server refused the command.\r\n"
		    "+OK 1 29\r\n");
	pop3_quit(pop3, "Logging out.");
	check_log(since, "after DELE: 3");
	check_count(user, 1);
}

/* The answer may come before the command waits. */
static void test_wait_at_once(void)
{
	g_autofree char *user = new_user("maildir", 1, "wait-at-once");
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	pop3_send(pop3, "RSET\r\nRSET\r\nNOOP");
	pop3_expect(pop3, "+OK\r\n+OK\r\n+OK\r\n");
	pop3_quit(pop3, "Logging out.");
}

/* The client leaves while a command waits: it is carried out, but without a
   QUIT nothing is deleted. */
static void test_wait_lost(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir", 1, "wait");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_send(pop3, "DELE 1");
	check_log(since, "DELE waits");
	pop3_close(pop3);
	check_log(since, "after DELE: ");
	check_log(since, "end of");
	check_count(user, 1);
}

/* The process is stopped while a command waits for an answer that does not
   come. */
static void test_wait_shutdown(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir", 1, "wait for-ever");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	pid_t pid = fixture_session_pid(f, since, user);

	pop3_send(pop3, "DELE 1\r\nQUIT");
	check_log(since, "DELE waits");
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	check_log(since, "after DELE: 5, still waiting");
	check_log(since, "end of");
	pop3_close(pop3);
	check_count(user, 1);
}

/* The client has read all, so the log must not say that it has not. */
static void test_wait_timeout(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir", 1, "wait for-ever");
	gsize since;
	struct pop3 *pop3;

	fixture_reload(f, fixture_is_2_3() ?
		       "plugin {\n  popinjay_idle_timeout = 3s\n}\n" :
		       "popinjay_idle_timeout = 3s\n");
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "DELE 1\r\nQUIT");
	check_log(since, "after DELE: 5, still waiting");
	g_free(fixture_log_wait(f, since, "A command was not answered for "
				"[0-9]+ secs, as the server waited"));
	check_log(since, "end of");
	g_assert_cmpuint(fixture_log_count(f, since, "has not read"), ==, 0);
	pop3_close(pop3);
	fixture_reload(f, NULL);
	check_count(user, 1);
}

/* --- view --- */

static void test_view(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user(storage, 3, "hide-first reverse");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_check(pop3, "STAT", "+OK 2 58");
	check_mail(pop3, 1, 3);
	check_mail(pop3, 2, 2);
	pop3_check(pop3, "LIST 3", "-ERR There's no message 3.");
	check_log(since, "RETR 1 \\(UID 3, seq 3, 29 bytes\\): 1");
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	check_log(since, "removed UID 3: 1");

	/* the hidden one is there, and so is the one that was not deleted */
	set_words(user, "nothing");
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "STAT", "+OK 2 58");
	check_mail(pop3, 1, 1);
	check_mail(pop3, 2, 2);
	pop3_quit(pop3, "Logging out.");
}

static void test_refused(gconstpointer data)
{
	const char *word = data;
	const char *reply = g_str_equal(word, "refuse-view") ?
		"-ERR [SYS/TEMP] There is no view now." :
		"-ERR [SYS/PERM] Ask the feature why.";
	g_autofree char *user = new_user("maildir", 1, word);
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	pop3_check(pop3, "STAT", reply);
	pop3_check(pop3, "LIST", reply);
	pop3_check(pop3, "UIDL", reply);
	pop3_check(pop3, "RETR 1", reply);
	pop3_check(pop3, "TOP 1 0", reply);
	pop3_check(pop3, "DELE 1", reply);
	pop3_check(pop3, "NOOP", "+OK");
	pop3_check(pop3, "RSET", "+OK");
	pop3_quit(pop3, "Logging out.");
	check_count(user, 1);
}

/* --- messages --- */

static void test_not_opened(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir", 1, "not-opened");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3;

	fixture_log_allow(f, "The feature does not let it be read");
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "RETR 1",
		   "-ERR [SYS/TEMP] Message 1 can't be read now.");
	check_log(since, "RETR 1 .*: 5");
	pop3_check(pop3, "DELE 1", "-ERR [SYS/TEMP] Message 1 couldn't be "
		   "read, so it isn't deleted.");
	pop3_quit(pop3, "Logging out.");
}

/* The connection is dropped once something of the message was sent. */
static void test_not_whole(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user("maildir", 1, "not-whole");
	g_autofree char *line = g_strnfill(70, 'x');
	g_autoptr(GString) large = g_string_new("Subject: large\n\n");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3;
	GString *reply;

	while (large->len < 100 * 1024)
		g_string_append_printf(large, "%s\n", line);
	fixture_deliver(f, user, large->str, large->len);
	fixture_log_allow(f, "The feature misses something");
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "RETR 1",
		   "-ERR [SYS/TEMP] Message 1 can't be read now.");
	check_log(since, "RETR 1 .*: 5");
	pop3_send(pop3, "RETR 2");
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	g_assert_true(g_str_has_prefix(reply->str, "+OK "));
	g_assert_false(g_str_has_suffix(reply->str, "\r\n.\r\n"));
	g_string_free(reply, TRUE);
	pop3_close(pop3);
	check_log(since, "RETR 2 .*: 3");
}

static void test_keep(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user(storage, 3, "keep capability");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	GString *capa;

	pop3_send(pop3, "CAPA");
	capa = pop3_multiline(pop3);
	g_assert_nonnull(strstr(capa->str, "\r\nX-FEATURE\r\n"));
	g_string_free(capa, TRUE);
	/* RSET takes the mark of a kept message back, too */
	pop3_check(pop3, "DELE 3", "+OK Marked to be deleted.");
	pop3_check(pop3, "RSET", "+OK");
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_check(pop3, "DELE 2", "+OK Marked to be deleted.");
	pop3_check(pop3, "STAT", "+OK 1 29");
	pop3_quit(pop3, "Logging out, messages deleted.");
	check_log(since, "removed UID 1: 1");
	check_log(since, "end of");
	g_assert_cmpuint(fixture_log_count(f, since, "removed UID"), ==, 1);
	check_count(user, 2);
}

static void test_refuse_deletion(void)
{
	g_autofree char *user = new_user("maildir", 1, "refuse-deletion");
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	pop3_check(pop3, "DELE 1",
		   "-ERR The server refused to delete message 1.");
	pop3_quit(pop3, "Logging out.");
	set_words(user, "refuse-deletion-with-text");
	pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	pop3_check(pop3, "DELE 1", "-ERR [SYS/PERM] Message 1 stays.");
	pop3_quit(pop3, "Logging out.");
	check_count(user, 1);
}

static void test_update_fails(void)
{
	g_autofree char *user = new_user("maildir", 1, "update-fails");
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_check(pop3, "QUIT",
		   "-ERR [SYS/TEMP] The feature could not move.");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	check_count(user, 1);
}

/* Two sessions at once have states of their own. */
static void test_two_sessions(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *first = new_user("maildir", 2, "hide-first");
	g_autofree char *second = new_user("maildir", 2, "refuse-deletion");
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, first);
	struct pop3 *other = pop3_session(f, POP3_CLEAR, second);

	pop3_check(pop3, "STAT", "+OK 1 29");
	pop3_check(other, "STAT", "+OK 2 58");
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_check(other, "DELE 1",
		   "-ERR The server refused to delete message 1.");
	pop3_quit(other, "Logging out.");
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* A process that serves many sessions loads the plugins of a user when the
   first session of that user begins. The feature of such a plugin takes no part
   in the sessions before. */
static void test_registered_late(void)
{
	static const char *const plugins = "popinjay,popinjay_feature";
	g_autofree char *dir = g_dir_make_tmp("popinjay-late-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "users", NULL);
	g_autofree char *head = g_strdup_printf(fixture_is_2_3() ?
		"userdb {\n  driver = passwd-file\n  args = %s\n}\n" :
		"userdb late {\n  driver = passwd-file\n"
		"  passwd_file_path = %s\n}\n", path);
	g_autofree char *config = g_strdup_printf("service pop3 {\n"
		"  client_limit = 5\n  process_limit = 1\n  %s = 100\n}\n",
		fixture_is_2_3() ? "service_count" : "restart_request_count");
	struct fixture_options options = {
		.modules = modules, .config_head = head, .config = config
	};
	struct fixture *f;
	g_autofree char *early = NULL, *late = NULL, *users = NULL;
	struct pop3 *pop3, *other;
	gsize since;
	uid_t uid;
	gid_t gid;

	g_assert_cmpint(chmod(dir, 0755), ==, 0);
	g_assert_true(g_file_set_contents(path, "", 0, NULL));
	f = fixture_new(&options);
	early = fixture_user(f, "maildir");
	late = fixture_user(f, "maildir");
	uid = fixture_user_uid(f, late, &gid);
	users = g_strdup_printf("%s::%u:%u::::userdb_mail_plugins=%s\n", late,
				uid, gid, plugins);
	g_assert_true(g_file_set_contents(path, users, -1, NULL));
	g_assert_cmpint(chmod(path, 0644), ==, 0);

	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, early);
	other = pop3_session(f, POP3_CLEAR, late);
	pop3_check(pop3, "STAT", "+OK 0 0");
	pop3_check(other, "NOOP", "+OK");
	pop3_quit(pop3, "Logging out.");
	pop3_quit(other, "Logging out.");
	g_free(fixture_log_wait(f, since, "popinjay_feature: end of "));
	g_assert_cmpuint(fixture_log_count(f, since, "after NOOP"), ==, 1);
	g_assert_cmpuint(fixture_log_count(f, since, "after STAT"), ==, 0);
	fixture_free(f);
	g_assert_cmpint(unlink(path), ==, 0);
	g_assert_cmpint(rmdir(dir), ==, 0);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/features/wait/goes-on", test_wait);
	g_test_add_func("/features/wait/refused", test_wait_refuse);
	g_test_add_func("/features/wait/at-once", test_wait_at_once);
	g_test_add_func("/features/wait/lost", test_wait_lost);
	g_test_add_func("/features/wait/shutdown", test_wait_shutdown);
	g_test_add_func("/features/wait/timeout", test_wait_timeout);
	g_test_add_data_func("/features/view/maildir", "maildir", test_view);
	g_test_add_data_func("/features/view/mdbox", "mdbox", test_view);
	g_test_add_data_func("/features/view/mbox", "mbox", test_view);
	g_test_add_data_func("/features/refused/session", "refuse-session",
			     test_refused);
	g_test_add_data_func("/features/refused/view", "refuse-view",
			     test_refused);
	g_test_add_func("/features/message/not-opened", test_not_opened);
	g_test_add_func("/features/message/not-whole", test_not_whole);
	g_test_add_data_func("/features/keep/maildir", "maildir", test_keep);
	g_test_add_data_func("/features/keep/sdbox", "sdbox", test_keep);
	g_test_add_func("/features/refuse-deletion", test_refuse_deletion);
	g_test_add_func("/features/update-fails", test_update_fails);
	g_test_add_func("/features/two-sessions", test_two_sessions);
	g_test_add_func("/features/registered-late", test_registered_late);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/features", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
