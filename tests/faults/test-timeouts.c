/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients that let time pass: those that do not read or are silent are timed
   out, those that are slow are not, and a message that is on its way meanwhile
   comes whole or without its final ".". */

#include "numbered.h"

#include <sys/socket.h>

/* More than sockets and TLS proxies hold. */
#define MAIL_BYTES (24 * 1000 * 1000)
#define IDLE_SECS 2
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

static char *user_with_mail(struct fixture *f)
{
	char *user = fixture_user(f, "maildir");

	numbered_deliver(f, user, 1, 1, MAIL_BYTES);
	return user;
}

static gboolean has_mail(struct fixture *f, const char *user)
{
	g_autofree char *path = numbered_find_file(f, user, 1);

	return path != NULL;
}

static void wait_session_end(struct fixture *f, gsize since, const char *user,
			     const char *end)
{
	g_autofree char *regex = g_strdup_printf(
		"\"user\":\"%s\",.*\"end\":\"%s\"", user, end);

	g_free(fixture_log_wait(f, since, regex));
}

/* A session that has been sent text and some of the first reply has come, of
   which nothing is read. */
static struct pop3 *
start(struct fixture *f, enum pop3_security security, const char *user,
      const char *text)
{
	struct pop3 *pop3 = pop3_session(f, security, user);

	pop3_send(pop3, "%s", text);
	while (pop3->input->len < 100)
		g_assert_true(pop3_receive(pop3, NULL));
	return pop3;
}

/* The mail comes whole. */
static void expect_mail(struct pop3 *pop3)
{
	g_autoptr(GString) reply = pop3_multiline(pop3);
	g_autofree char *error = NULL;
	unsigned int number = numbered_check(reply, MAIL_BYTES, &error);

	g_assert_cmpstr(error, ==, NULL);
	g_assert_cmpuint(number, ==, 1);
}

/* The connection ends within the mail. */
static void expect_cut_mail(struct pop3 *pop3)
{
	g_autoptr(GString) reply = pop3_read_to_eof(pop3, NULL);
	g_autoptr(GBytes) mail = numbered_mail(1, MAIL_BYTES);
	g_autoptr(GString) wire =
		pop3_mail_on_wire(g_bytes_get_data(mail, NULL),
				  g_bytes_get_size(mail));
	const char *got;
	gsize size;

	g_assert_nonnull(reply);
	got = strchr(reply->str, '\n');
	g_assert_nonnull(got);
	got++;
	size = reply->len - (gsize)(got - reply->str);
	g_assert_cmpuint(size, <, wire->len - 3);
	g_assert_true(memcmp(got, wire->str, size) == 0);
	pop3_close(pop3);
}

static const char delete_text[] = "RETR 1\r\nDELE 1\r\nQUIT";

/* Nobody gets more time by being silent in another way. */
static void test_timed_out(void)
{
	struct fixture *f = get_impatient_fixture();
	g_autofree char *reading_not = user_with_mail(f);
	g_autofree char *half_closed = user_with_mail(f);
	g_autofree char *silent = user_with_mail(f);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3[] = {
		start(f, POP3_CLEAR, reading_not, delete_text),
		start(f, POP3_CLEAR, half_closed, delete_text),
		pop3_session(f, POP3_CLEAR, silent)
	};

	pop3_half_close(pop3[1]);
	pop3_send(pop3[2], "DELE 1");
	pop3_expect(pop3[2], "+OK Marked to be deleted.\r\n"
		    "-ERR Disconnected for inactivity.\r\n");
	pop3_expect_eof(pop3[2]);
	pop3_close(pop3[2]);
	wait_session_end(f, since, reading_not, "timeout");
	wait_session_end(f, since, half_closed, "timeout");
	wait_session_end(f, since, silent, "timeout");
	g_assert_cmpuint(fixture_log_count(f, since, "Client has not read "
					   "server output for [2-9] secs"),
			 ==, 2);
	expect_cut_mail(pop3[0]);
	expect_cut_mail(pop3[1]);
	g_assert_true(has_mail(f, reading_not));
	g_assert_true(has_mail(f, half_closed));
	g_assert_true(has_mail(f, silent));
}

/* Who reads now and then is not timed out, however long it takes. */
static void test_slow_reader(void)
{
	struct fixture *f = get_impatient_fixture();
	g_autofree char *user = user_with_mail(f);
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);
	int buffer_size = 64 * 1024;

	(void)setsockopt(pop3->fd, SOL_SOCKET, SO_RCVBUF, &buffer_size,
			 sizeof(buffer_size));
	pop3_login(pop3, user);
	pop3_send(pop3, "%s", delete_text);
	for (unsigned int i = 0; i < IDLE_SECS * 2; i++) {
		gsize want = pop3->input->len + MAIL_BYTES / 10;

		g_usleep(G_USEC_PER_SEC);
		while (pop3->input->len < want)
			g_assert_true(pop3_receive(pop3, NULL));
	}
	expect_mail(pop3);
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
	g_autofree char *user = user_with_mail(f);
	g_autofree char *idle_user = user_with_mail(f);
	struct pop3 *pop3 = start(f, POP3_CLEAR, user, "RETR 1\r\nTOP 1 0");
	struct pop3 *idle = start(f, POP3_CLEAR, idle_user, "RETR 1");
	g_autoptr(GString) top = NULL;

	expect_mail(idle);
	g_usleep(COMMIT_SECS * G_USEC_PER_SEC);
	expect_mail(pop3);
	top = pop3_multiline(pop3);
	g_assert_true(g_str_has_prefix(top->str, "+OK\r\nFrom: "));
	pop3_send(idle, "RETR 1\r\nDELE 1");
	expect_mail(idle);
	pop3_expect(idle, "+OK Marked to be deleted.\r\n");
	pop3_quit(idle, "Logging out, messages deleted.");
	pop3_quit(pop3, "Logging out.");
	g_assert_true(has_mail(f, user));
	g_assert_false(has_mail(f, idle_user));
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
