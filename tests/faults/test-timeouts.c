/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients that let time pass: those that do not read or are silent are timed
   out, those that are slow are not, and a message that is on its way meanwhile
   comes whole or without its final ".". */

#include "large-mail.h"

#include <sys/socket.h>

#define IDLE_SECS 4
/* Dovecot commits what it knows of a mailbox after 10 idle seconds. */
#define COMMIT_SECS 11

static struct fixture *the_fixture, *impatient_fixture;

static struct fixture *get_fixture(void)
{
	if (the_fixture == NULL)
		the_fixture = fixture_new(NULL);
	return the_fixture;
}

static struct fixture *get_impatient_fixture(void)
{
	static const char *const settings[] = {
		"popinjay_idle_timeout", G_STRINGIFY(IDLE_SECS) " secs", NULL
	};
	static const struct fixture_options options = { .settings = settings };

	if (impatient_fixture == NULL)
		impatient_fixture = fixture_new(&options);
	return impatient_fixture;
}

/* Nobody gets more time by being silent in another way. */
static void test_timed_out(void)
{
	struct fixture *f = get_impatient_fixture();
	g_autofree char *reading_not = large_mail_user(f);
	g_autofree char *half_closed = large_mail_user(f);
	g_autofree char *silent = large_mail_user(f);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3[] = {
		large_mail_start(f, POP3_CLEAR, reading_not,
			large_mail_delete_text),
		large_mail_start(f, POP3_CLEAR, half_closed,
			large_mail_delete_text),
		pop3_session(f, POP3_CLEAR, silent)
	};

	pop3_half_close(pop3[1]);
	pop3_send(pop3[2], "DELE 1");
	pop3_expect(pop3[2], "+OK Marked to be deleted.\r\n"
		    "-ERR Disconnected for inactivity.\r\n");
	pop3_expect_eof(pop3[2]);
	pop3_close(pop3[2]);
	large_mail_wait_end(f, since, reading_not, "timeout");
	large_mail_wait_end(f, since, half_closed, "timeout");
	large_mail_wait_end(f, since, silent, "timeout");
	g_assert_cmpuint(fixture_log_count(f, since, "Client has not read "
					   "server output for \\d+ secs"),
			 ==, 2);
	large_mail_expect_cut(pop3[0]);
	large_mail_expect_cut(pop3[1]);
	g_assert_true(large_mail_is_there(f, reading_not));
	g_assert_true(large_mail_is_there(f, half_closed));
	g_assert_true(large_mail_is_there(f, silent));
}

/* Who reads now and then is not timed out, however long it takes. */
static void test_slow_reader(void)
{
	struct fixture *f = get_impatient_fixture();
	g_autofree char *user = large_mail_user(f);
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);
	int buffer_size = 64 * 1024;

	(void)setsockopt(pop3->fd, SOL_SOCKET, SO_RCVBUF, &buffer_size,
			 sizeof(buffer_size));
	pop3_login(pop3, user);
	pop3_send(pop3, "%s", large_mail_delete_text);
	for (unsigned int i = 0; i <= IDLE_SECS; i++) {
		gsize want = pop3->input->len + LARGE_MAIL_BYTES / 10;

		g_usleep(G_USEC_PER_SEC);
		while (pop3->input->len < want)
			g_assert_true(pop3_receive(pop3, NULL));
	}
	large_mail_expect(pop3);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n"
		    "+OK Logging out, messages deleted.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
}

/* Dovecot commits its mailbox transaction after a while, which a message that
   is being read belongs to. */
static void test_commit(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = large_mail_user(f);
	g_autofree char *idle_user = large_mail_user(f);
	struct pop3 *pop3 =
		large_mail_start(f, POP3_CLEAR, user, "RETR 1\r\nTOP 1 0");
	struct pop3 *idle =
		large_mail_start(f, POP3_CLEAR, idle_user, "RETR 1");
	g_autoptr(GString) top = NULL;

	large_mail_expect(idle);
	g_usleep(COMMIT_SECS * G_USEC_PER_SEC);
	large_mail_expect(pop3);
	top = pop3_multiline(pop3);
	g_assert_true(g_str_has_prefix(top->str, "+OK\r\nFrom: "));
	pop3_send(idle, "RETR 1\r\nDELE 1");
	large_mail_expect(idle);
	pop3_expect(idle, "+OK Marked to be deleted.\r\n");
	pop3_quit(idle, "Logging out, messages deleted.");
	pop3_quit(pop3, "Logging out.");
	g_assert_true(large_mail_is_there(f, user));
	g_assert_false(large_mail_is_there(f, idle_user));
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
	g_clear_pointer(&impatient_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/timeouts/timed-out", test_timed_out);
	g_test_add_func("/timeouts/slow-reader", test_slow_reader);
	g_test_add_func("/timeouts/commit", test_commit);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/timeouts", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
