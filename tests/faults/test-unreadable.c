/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages that cannot be opened, or are no more there: the client is told
   which of both is true, and what could not be read is not deleted. */

#include "numbered.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_BYTES 5000

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	if (the_fixture != NULL)
		return the_fixture;
	the_fixture = fixture_new(NULL);
	/* the storage's own complaints about what is done to it here, and
	   ours */
	fixture_log_allow(the_fixture, "Permission denied|"
			  "(dbox|Mailbox INBOX): Unexpectedly lost uid|"
			  "map.index corrupted: Unexpectedly lost|"
			  "mdbox.*map uidvalidity mismatch|"
			  "Mailbox was deleted under us|"
			  "popinjay: (RETR|TOP): Opening message UID|"
			  "popinjay: The size of message UID");
	return the_fixture;
}

static char *user_with_mails(const char *storage)
{
	struct fixture *f = get_fixture();
	char *user = fixture_user(f, storage);
	g_autoptr(GArray) numbers = NULL;

	numbered_deliver(f, user, 1, 3, MAIL_BYTES);
	numbers = numbered_read(f, user, MAIL_BYTES);
	g_assert_cmpuint(numbers->len, ==, 3);
	return user;
}

static void ask(struct pop3 *pop3, const char *line, const char *reply)
{
	g_autofree char *want = g_strconcat(reply, "\r\n", NULL);

	pop3_send(pop3, "%s", line);
	pop3_expect_at(line, pop3, want, strlen(want));
}

/* "Logged in." comes before the mailbox is opened. */
static struct pop3 *open_session(const char *user)
{
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);

	ask(pop3, "NOOP", "+OK");
	return pop3;
}

/* RETR of a message that can be read. */
static void assert_retr(struct pop3 *pop3, unsigned int msn)
{
	g_autoptr(GString) reply = NULL;
	g_autofree char *error = NULL;
	unsigned int number;

	pop3_send(pop3, "RETR %u", msn);
	reply = pop3_multiline(pop3);
	number = numbered_check(reply, MAIL_BYTES, &error);
	g_assert_cmpstr(error, ==, NULL);
	g_assert_cmpuint(number, ==, msn);
}

static void assert_mails(const char *user, unsigned int first,
			 unsigned int last)
{
	g_autoptr(GArray) numbers = numbered_read(get_fixture(), user,
						  MAIL_BYTES);

	g_assert_cmpuint(numbers->len, ==, last - first + 1);
	for (unsigned int number = first; number <= last; number++)
		g_assert_true(numbered_has(numbers, number));
}

/* Our line names the message and why, in words: Dovecot frees the reason when
   something else fails. */
static void assert_logged(const char *user, gsize since, const char *reason)
{
	g_autofree char *regex = g_strdup_printf(
		"pop3\\(%s\\).*Error: popinjay: RETR: Opening message UID 3 "
		"\\(GUID [^ ]+\\) failed: [ -~]*%s[ -~]*$", user, reason);

	g_free(fixture_log_wait(get_fixture(), since, regex));
}

/* Everything that can be said about message 3, which cannot be read now. */
static void assert_unreadable(struct pop3 *pop3)
{
	ask(pop3, "RETR 3", "-ERR [SYS/TEMP] Message 3 can't be read now.");
	ask(pop3, "TOP 3 0", "-ERR [SYS/TEMP] Message 3 can't be read now.");
	ask(pop3, "RETR 3", "-ERR [SYS/TEMP] Message 3 can't be read now.");
	ask(pop3, "DELE 3", "-ERR [SYS/TEMP] Message 3 couldn't be read, so "
	    "it isn't deleted.");
	ask(pop3, "RSET", "+OK");
	ask(pop3, "DELE 3", "-ERR [SYS/TEMP] Message 3 couldn't be read, so "
	    "it isn't deleted.");
}

/* A file that the mail user may not read, for a while. */
static void test_mode(gconstpointer storage)
{
	g_autofree char *user = user_with_mails(storage);
	g_autofree char *path = numbered_find_file(get_fixture(), user, 3);
	gboolean own_file = !g_str_equal(storage, "mdbox");
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = open_session(user);

	g_assert_cmpint(chmod(path, 0), ==, 0);
	assert_unreadable(pop3);
	assert_logged(user, since, "Permission denied");
	/* a client that does not wait for replies */
	pop3_send(pop3, "RETR 3\r\nDELE 3\r\nUIDL 3");
	pop3_expect(pop3, "-ERR [SYS/TEMP] Message 3 can't be read now.\r\n"
		    "-ERR [SYS/TEMP] Message 3 couldn't be read, so it isn't "
		    "deleted.\r\n+OK 3 ");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	if (own_file)
		assert_retr(pop3, 2);

	/* for this session that was it */
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	assert_retr(pop3, 3);
	ask(pop3, "DELE 3", "-ERR [SYS/TEMP] Message 3 couldn't be read, so "
	    "it isn't deleted.");
	ask(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	assert_mails(user, 2, 3);

	pop3 = open_session(user);
	ask(pop3, "DELE 2", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	assert_mails(user, 2, 2);
}

/* Run a command with all of a user's files of this name. */
static void with_files(const char *user, const char *name, const char *command,
		       const char *argument)
{
	g_autofree char *home = fixture_home(get_fixture(), user);
	const char *const argv[] = {
		"find", home, "-type", "f", "-name", name, "-exec", command,
		argument, "{}", "+", NULL
	};

	g_assert_cmpint(fixture_run(get_fixture(), argv, NULL, NULL, NULL), ==,
			0);
}

/* What Dovecot remembers of sizes is lost. */
static void remove_cache(const char *user)
{
	with_files(user, "dovecot.index.cache", "rm", "-f");
}

struct no_size {
	const char *name, *storage, *config;
	gboolean only_2_3;
};

/* The size of a message is not known and cannot be found out: all others are
   served. */
static void test_no_size(gconstpointer data)
{
	const struct no_size *test = data;
	struct fixture *f = get_fixture();
	g_autofree char *user = NULL, *path = NULL, *list = NULL, *size = NULL;
	g_autoptr(GBytes) mail = numbered_mail(3, MAIL_BYTES);
	g_autoptr(GString) wire =
		pop3_mail_on_wire(g_bytes_get_data(mail, NULL),
				  g_bytes_get_size(mail));
	struct stat st;
	struct pop3 *pop3;
	gsize since;

	fixture_reload(f, test->config);
	user = fixture_user(f, test->storage);
	numbered_deliver(f, user, 1, 3, MAIL_BYTES);
	remove_cache(user);
	path = numbered_find_file(f, user, 3);
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(chmod(path, 0), ==, 0);

	since = fixture_log_size(f);
	pop3 = open_session(user);
	list = pop3_ask(pop3, "LIST 3");
	size = g_strdup_printf("+OK 3 %lu", (unsigned long)st.st_size);
	g_assert_cmpstr(list, ==, size);
	assert_retr(pop3, 1);
	assert_retr(pop3, 2);
	assert_unreadable(pop3);
	g_free(fixture_log_wait(f, since, "Error: popinjay: The size of "
				"message UID 3 can't be found out: .*"
				"Permission denied"));
	ask(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");

	/* nobody has remembered that size */
	with_files(user, "*", "chmod", "600");
	pop3 = open_session(user);
	g_free(list);
	list = pop3_ask(pop3, "LIST 2");
	g_assert_true(g_str_has_prefix(list, "+OK 2 "));
	g_assert_cmpstr(list, !=, size);
	pop3_quit(pop3, "Logging out.");
	assert_mails(user, 2, 3);
	fixture_reload(f, NULL);
}

/* No size can be found out, and no file is there for one message alone. */
static void test_no_sizes_mdbox(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "mdbox");
	g_autofree char *path = NULL;
	struct pop3 *pop3;

	numbered_deliver(f, user, 1, 3, MAIL_BYTES);
	remove_cache(user);
	path = numbered_find_file(f, user, 3);
	g_assert_cmpint(chmod(path, 0), ==, 0);
	pop3 = open_session(user);
	ask(pop3, "STAT", "+OK 3 3");
	assert_unreadable(pop3);
	pop3_quit(pop3, "Logging out.");
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	assert_mails(user, 1, 3);
}

/* That many messages are no messages in trouble, but a storage in trouble. The
   access log says that there was no session. */
static void test_no_sizes(void)
{
	const unsigned int count = 101;
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	gsize since = fixture_log_size(f);
	g_autoptr(GString) reply = NULL;
	struct pop3 *pop3;

	numbered_deliver(f, user, 1, count, 10);
	with_files(user, "*.popinjay", "chmod", "0");
	pop3 = pop3_connect(f, POP3_CLEAR);
	pop3_send(pop3, "USER %s\r\nPASS %s\r\nDELE 1\r\nQUIT", user,
		  FIXTURE_PASSWORD);
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	g_assert_true(g_str_has_prefix(reply->str,
		"+OK\r\n+OK Logged in.\r\n-ERR [SYS/TEMP] "));
	pop3_close(pop3);
	/* each once, though Dovecot tries three times */
	g_free(fixture_log_wait(f, since, "\"unreadable_count\":100,"
				".*\"end\":\"refused\""));
}

/* The message was deleted by somebody else, as it should be. In mdbox it can
   be read until doveadm purge. */
static void test_expunged(gconstpointer storage)
{
	g_autofree char *user = user_with_mails(storage);
	struct pop3 *pop3 = open_session(user);

	g_assert_cmpint(fixture_doveadm(get_fixture(), NULL, NULL, NULL,
		"expunge", "-u", user, "mailbox", "INBOX", "uid", "3", NULL),
		==, 0);
	if (g_str_equal(storage, "mdbox"))
		assert_retr(pop3, 3);
	else {
		ask(pop3, "RETR 3", "-ERR Message 3 expunged.");
		ask(pop3, "TOP 3 1", "-ERR Message 3 expunged.");
	}
	/* nothing hinders what the client does with the others */
	ask(pop3, "DELE 3", "+OK Marked to be deleted.");
	ask(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	assert_mails(user, 2, 2);
}

/* The file is gone. In a Maildir this is how a mail is deleted; elsewhere it
   is a fault. */
static void test_file_gone(gconstpointer storage)
{
	g_autofree char *user = user_with_mails(storage);
	g_autofree char *path = numbered_find_file(get_fixture(), user, 3);
	struct pop3 *pop3 = open_session(user);

	g_assert_cmpint(unlink(path), ==, 0);
	if (g_str_equal(storage, "maildir")) {
		ask(pop3, "RETR 3", "-ERR Message 3 expunged.");
		ask(pop3, "TOP 3 1", "-ERR Message 3 expunged.");
	} else {
		assert_unreadable(pop3);
	}
	pop3_send(pop3, "QUIT");
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
	if (g_str_equal(storage, "maildir") || g_str_equal(storage, "sdbox"))
		assert_mails(user, 1, 2);
}

/* The whole directory is gone, and comes back after the session. */
static void test_directory_gone(gconstpointer storage)
{
	g_autofree char *user = user_with_mails(storage);
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);
	g_autofree char *away = g_strconcat(dir, ".away", NULL);
	g_autofree char *back = g_strconcat(dir, ".back", NULL);
	struct pop3 *pop3 = open_session(user);

	g_assert_cmpint(rename(dir, away), ==, 0);
	ask(pop3, "DELE 1", "+OK Marked to be deleted.");
	ask(pop3, "RETR 3", "-ERR [SYS/TEMP] Message 3 can't be read now.");
	ask(pop3, "DELE 3", "-ERR [SYS/TEMP] Message 3 couldn't be read, so "
	    "it isn't deleted.");
	ask(pop3, "DELE 2", "+OK Marked to be deleted.");
	ask(pop3, "QUIT", "-ERR [SYS/TEMP] Mailbox is in inconsistent state, "
	    "please relogin.");
	pop3_expect_eof(pop3);
	pop3_close(pop3);

	/* Dovecot may have made a new, empty one */
	if (g_file_test(dir, G_FILE_TEST_EXISTS))
		g_assert_cmpint(rename(dir, back), ==, 0);
	g_assert_cmpint(rename(away, dir), ==, 0);
	assert_mails(user, 1, 3);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		GTestDataFunc func;
		const char *storages;
	} tests[] = {
		/* an mbox is open already */
		{ "mode", test_mode, "maildir sdbox mdbox" },
		{ "expunged", test_expunged, "maildir mbox sdbox mdbox" },
		{ "file-gone", test_file_gone, "maildir mbox sdbox mdbox" },
		{ "directory-gone", test_directory_gone,
		  "maildir mbox sdbox mdbox" }
	};
	static const struct no_size no_sizes[] = {
		{ "maildir", "maildir", NULL, FALSE },
		/* the index of 2.4 knows its sizes without the cache */
		{ "sdbox", "sdbox", NULL, TRUE },
		/* Dovecot tries more than once */
		{ "fast", "maildir", "pop3_fast_size_lookups = yes\n", FALSE },
		/* Dovecot's own search */
		{ "flag", "maildir", "pop3_deleted_flag = POP3Deleted\n",
		  FALSE }
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(tests); i++) {
		char **storages = g_strsplit(tests[i].storages, " ", -1);

		for (char **p = storages; *p != NULL; p++) {
			g_autofree char *path = g_strdup_printf(
				"/unreadable/%s/%s", *p, tests[i].name);

			g_test_add_data_func(path, *p, tests[i].func);
		}
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(no_sizes); i++) {
		g_autofree char *path = g_strconcat("/unreadable/no-size/",
						    no_sizes[i].name, NULL);

		if (no_sizes[i].only_2_3 && !fixture_is_2_3())
			continue;
		g_test_add_data_func(path, &no_sizes[i], test_no_size);
	}
	if (fixture_is_2_3()) {
		g_test_add_func("/unreadable/no-sizes/mdbox",
				test_no_sizes_mdbox);
	}
	g_test_add_func("/unreadable/no-sizes/many", test_no_sizes);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/unreadable", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
