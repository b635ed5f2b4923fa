/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Several that save UIDLs at the same time: all show the same ones. */

#include "numbered.h"
#include "uidl-list.h"

#include <unistd.h>

#define MAIL_BYTES 300

/* Two sessions that would show other UIDLs: what the first one shows, the
   second one shows too, although it began with another format. */
static void test_two_formats(gconstpointer storage)
{
	g_autofree char *first = uidl_settings("popinjay_uidl_save", "yes",
		"popinjay_uidl_format", "first.%{uid}", NULL);
	g_autofree char *second = uidl_settings("popinjay_uidl_save", "yes",
		"popinjay_uidl_format", "second.%{uid}", NULL);
	const struct fixture_options options = { .config = first };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, storage);
	g_auto(GStrv) a = NULL, b = NULL, c = NULL;
	struct pop3 *pop3_a, *pop3_b;

	numbered_deliver(f, user, 1, 4, MAIL_BYTES);
	pop3_a = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3_a, "NOOP", "+OK");
	fixture_reload(f, second);
	pop3_b = pop3_session(f, POP3_CLEAR, user);
	b = uidl_list_in(pop3_b);
	g_assert_cmpstr(b[0], ==, "second.1");
	a = uidl_list_in(pop3_a);
	uidl_assert_same(a, b);
	pop3_quit(pop3_a, "Logging out.");
	pop3_quit(pop3_b, "Logging out.");
	c = uidl_fetch(f, user, "pop3.uidl");
	uidl_assert_same(c, b);
	fixture_free(f);
}

#define SESSIONS 6
#define MANY 300

/* Many sessions and doveadm ask at the same moment for UIDLs that nobody has
   saved yet. */
static void test_at_once(gconstpointer storage)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
						NULL);
	const struct fixture_options options = { .config = config };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, storage);
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *path = g_str_equal(storage, "maildir") ?
		g_build_filename(dir, "popinjay-uidl", NULL) :
		g_build_filename(dir, "mailboxes", "INBOX", "dbox-Mails",
				 "popinjay-uidl", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) fetched = NULL, lines = NULL;
	struct pop3 *pop3[SESSIONS];

	numbered_deliver(f, user, 1, MANY, MAIL_BYTES);
	for (unsigned int i = 0; i < SESSIONS; i++)
		pop3[i] = pop3_session(f, POP3_CLEAR, user);
	for (unsigned int i = 0; i < SESSIONS; i++)
		pop3_send(pop3[i], "UIDL");
	fetched = uidl_fetch(f, user, "pop3.uidl");
	g_assert_cmpuint(g_strv_length(fetched), ==, MANY);
	for (unsigned int i = 0; i < SESSIONS; i++) {
		g_autoptr(GString) reply = pop3_multiline(pop3[i]);
		g_auto(GStrv) uidls = uidl_list_in(pop3[i]);

		uidl_assert_same(uidls, fetched);
		pop3_quit(pop3[i], "Logging out.");
	}
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	/* the first line, each message once, and what is behind the last LF */
	g_assert_true(g_str_has_prefix(lines[0], "popinjay-uidl 1 300 "));
	g_assert_cmpuint(g_strv_length(lines), ==, MANY + 2);
	fixture_free(f);
}

static struct fixture *save_fixture(const char *more)
{
	g_autofree char *set = uidl_settings("popinjay_uidl_save", "yes", NULL);
	g_autofree char *config = g_strconcat(set, more, NULL);
	const struct fixture_options options = {
		.config = config, .fast_logins = TRUE
	};

	return fixture_new(&options);
}

/* A user with mails that nobody was shown yet, and with this lock. */
static char *user_with_lock(struct fixture *f, const char *lock_text)
{
	char *user = fixture_user(f, "maildir");
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *lock = g_build_filename(dir, "popinjay-uidl.lock",
						 NULL);

	numbered_deliver(f, user, 1, 2, MAIL_BYTES);
	g_assert_true(g_file_set_contents(lock, lock_text, -1, NULL));
	fixture_give(f, user, dir);
	return user;
}

/* The lock of a writer that was killed as it created it. Dovecot itself would
   wait for 20 seconds, which is longer than the fixture does. */
static void test_empty_lock(void)
{
	struct fixture *f = save_fixture("");
	g_autofree char *user = user_with_lock(f, "");
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *path = g_build_filename(dir, "popinjay-uidl", NULL);
	g_auto(GStrv) uidls = uidl_list(f, user);

	g_assert_cmpuint(g_strv_length(uidls), ==, 2);
	/* they are saved */
	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	fixture_free(f);
}

/* One process serves two users, and a process that lives has the lock of one:
   the other one does not notice. */
static void test_lock_of_another(void)
{
	struct fixture *f = save_fixture(fixture_is_2_3() ?
		"service pop3 {\n"
		"  service_count = 0\n"
		"  client_limit = 10\n"
		"  process_limit = 1\n"
		"}\n" :
		"service pop3 {\n"
		"  restart_request_count = unlimited\n"
		"  client_limit = 10\n"
		"  process_limit = 1\n"
		"}\n");
	g_autofree char *lock = g_strdup_printf("%d:%s", (int)getpid(),
						g_get_host_name());
	g_autofree char *user = user_with_lock(f, lock);
	g_autofree char *other = fixture_user(f, "maildir");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	struct pop3 *pop3_other = pop3_session(f, POP3_CLEAR, other);
	g_autoptr(GString) reply = NULL;

	g_assert_cmpint(fixture_session_pid(f, since, user), ==,
			fixture_session_pid(f, since, other));
	fixture_log_allow(f, "UIDLs are shown that couldn't be saved: Timeout "
			  "while waiting for .*popinjay-uidl.lock");
	pop3_send(pop3, "UIDL");
	pop3_check(pop3_other, "STAT", "+OK 0 0");
	reply = pop3_multiline(pop3);
	g_assert_nonnull(strstr(reply->str, "\r\n2 "));
	g_free(fixture_log_wait(f, since, "couldn't be saved: Timeout"));
	pop3_quit(pop3, "Logging out.");
	pop3_quit(pop3_other, "Logging out.");
	fixture_free(f);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/uidl-at-once/two-formats/maildir", "maildir",
			     test_two_formats);
	g_test_add_data_func("/uidl-at-once/two-formats/mdbox", "mdbox",
			     test_two_formats);
	g_test_add_data_func("/uidl-at-once/many/maildir", "maildir",
			     test_at_once);
	g_test_add_data_func("/uidl-at-once/many/sdbox", "sdbox",
			     test_at_once);
	g_test_add_func("/uidl-at-once/empty-lock", test_empty_lock);
	g_test_add_func("/uidl-at-once/lock-of-another", test_lock_of_another);
	return g_test_run();
}
