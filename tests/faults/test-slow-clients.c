/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients that do not read, go away, or are cut off by a stop of the server
   while a message is on its way: it comes whole or without its final ".", and
   is deleted only after it has left the server. */

#include "large-mail.h"

#include <signal.h>
#include <sys/socket.h>

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	if (the_fixture == NULL)
		the_fixture = fixture_new(NULL);
	return the_fixture;
}

/* --- DELE and QUIT are there before the message has been sent --- */

static void test_delete_then_read(gconstpointer security)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = large_mail_user(f);
	struct pop3 *pop3 = large_mail_start(f, GPOINTER_TO_INT(security), user,
				  large_mail_delete_text);

	g_usleep(G_USEC_PER_SEC / 2);
	g_assert_true(large_mail_is_there(f, user));
	large_mail_expect(pop3);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n"
		    "+OK Logging out, messages deleted.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	g_assert_false(large_mail_is_there(f, user));
}

static void test_delete_then_vanish(gconstpointer security)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = large_mail_user(f);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = large_mail_start(f, GPOINTER_TO_INT(security), user,
				  large_mail_delete_text);

	g_usleep(G_USEC_PER_SEC / 4);
	pop3_close(pop3);
	large_mail_wait_end(f, since, user, "lost");
	g_assert_true(large_mail_is_there(f, user));
}

/* Delete a mail of this size before reading it. Returns TRUE if it is deleted
   while nothing has been read. */
static gboolean is_deleted_unread(gsize size)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *error = NULL;
	g_autoptr(GString) reply = NULL;
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);
	int buffer_size = 32 * 1024;
	gboolean deleted = FALSE;

	numbered_deliver(f, user, 1, 1, size);
	(void)setsockopt(pop3->fd, SOL_SOCKET, SO_RCVBUF, &buffer_size,
			 sizeof(buffer_size));
	pop3_login(pop3, user);
	pop3_send(pop3, "%s", large_mail_delete_text);
	for (unsigned int i = 0; i < 40 && !deleted; i++) {
		g_usleep(10 * 1000);
		deleted = !large_mail_is_there(f, user);
	}

	/* it comes whole in any case */
	reply = pop3_multiline(pop3);
	g_assert_cmpuint(numbered_check(reply, size, &error), ==, 1);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n"
		    "+OK Logging out, messages deleted.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	return deleted;
}

/* What fits into the sockets has left the server before it is read. Look
   closely at the size that just does not fit. */
static void test_delete_unread(void)
{
	gsize fits = 1000, too_large = LARGE_MAIL_BYTES;

	g_assert_true(is_deleted_unread(fits));
	g_assert_false(is_deleted_unread(too_large));
	while (too_large - fits > 2000) {
		gsize size = (fits + too_large) / 2;

		if (is_deleted_unread(size))
			fits = size;
		else
			too_large = size;
	}
	g_test_message("%" G_GSIZE_FORMAT " bytes fit", fits);
}

/* --- A client that sends no more, but reads --- */

static void test_half_close(gconstpointer text)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = large_mail_user(f);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = large_mail_start(f, POP3_CLEAR, user, text);
	gboolean dele = strstr(text, "DELE") != NULL;
	gboolean quit = strstr(text, "QUIT") != NULL;

	pop3_half_close(pop3);
	g_usleep(G_USEC_PER_SEC / 4);
	large_mail_expect(pop3);
	if (dele)
		pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	if (quit)
		pop3_expect(pop3, "+OK Logging out, messages deleted.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	large_mail_wait_end(f, since, user, quit ? "quit" : "lost");
	g_assert_true(large_mail_is_there(f, user) == !quit);
}

/* --- Commands without reading their replies --- */

/* Send NOOPs until the server takes no more. Returns how many were sent whole;
   the rest of the last one is sent later. */
static unsigned int flood(struct pop3 *pop3, gsize *rest_r)
{
	static const char noop[] = "NOOP\r\n";
	g_autoptr(GString) block = g_string_new(NULL);
	gsize sent = 0, len = strlen(noop);
	unsigned int refused = 0;

	for (unsigned int i = 0; i < 10000; i++)
		g_string_append(block, noop);
	while (refused < 20) {
		ssize_t ret = send(pop3->fd, block->str + sent % len,
				   block->len - sent % len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);

		if (ret > 0) {
			sent += (gsize)ret;
			refused = 0;
		} else {
			refused++;
			g_usleep(20 * 1000);
		}
		/* else it takes everything, and keeps the replies */
		g_assert_cmpuint(sent, <, 64 * 1000 * 1000);
	}
	*rest_r = (len - sent % len) % len;
	return (unsigned int)((sent + *rest_r) / len);
}

static void test_flood(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	gsize rest, received = 0;
	unsigned int count = flood(pop3, &rest);

	g_assert_true(pop3_send_bytes(pop3, "NOOP\r\n" + 6 - rest, rest,
				      NULL));
	while (received < count * strlen("+OK\r\n")) {
		while (pop3->input->len < strlen("+OK\r\n"))
			g_assert_true(pop3_receive(pop3, NULL));
		for (gsize i = 0; i < pop3->input->len; i++) {
			g_assert_cmpint(pop3->input->str[i], ==,
					"+OK\r\n"[(received + i) % 5]);
		}
		received += pop3->input->len;
		g_string_truncate(pop3->input, 0);
	}
	g_assert_cmpuint(received, ==, count * strlen("+OK\r\n"));
	pop3_quit(pop3, "Logging out.");
}

/* --- The server is stopped --- */

static void test_terminated(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = large_mail_user(f);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 =
		large_mail_start(f, POP3_CLEAR, user, large_mail_delete_text);

	g_assert_cmpint(kill(fixture_session_pid(f, since, user), SIGTERM), ==,
			0);
	large_mail_wait_end(f, since, user, "shutdown");
	large_mail_expect_cut(pop3);
	g_assert_true(large_mail_is_there(f, user));
}

/* doveadm stop leaves sessions to themselves for a while. */
static void test_stopped(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = large_mail_user(f);
	g_autofree char *waiting_user = large_mail_user(f);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 =
		large_mail_start(f, POP3_CLEAR, user, large_mail_delete_text);
	struct pop3 *waiting =
		large_mail_start(f, POP3_CLEAR, waiting_user,
			large_mail_delete_text);

	fixture_stop_begin(f);
	large_mail_expect(pop3);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n"
		    "+OK Logging out, messages deleted.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	fixture_stop(f);
	g_assert_cmpuint(fixture_log_count(f, since, "\"end\":\"shutdown\""),
			 ==, 1);
	large_mail_expect_cut(waiting);
	g_assert_false(large_mail_is_there(f, user));
	g_assert_true(large_mail_is_there(f, waiting_user));
	fixture_start(f);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		int security;
	} securities[] = { { "clear", POP3_CLEAR }, { "tls", POP3_TLS } };
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(securities); i++) {
		g_autofree char *read = g_strconcat(
			"/slow-clients/delete-then-read/", securities[i].name,
			NULL);
		g_autofree char *vanish = g_strconcat(
			"/slow-clients/delete-then-vanish/",
			securities[i].name, NULL);
		gpointer security = GINT_TO_POINTER(securities[i].security);

		g_test_add_data_func(read, security, test_delete_then_read);
		g_test_add_data_func(vanish, security,
				     test_delete_then_vanish);
	}
	g_test_add_func("/slow-clients/delete-unread", test_delete_unread);
	g_test_add_data_func("/slow-clients/half-close/retr", "RETR 1",
			     test_half_close);
	g_test_add_data_func("/slow-clients/half-close/dele",
			     "RETR 1\r\nDELE 1", test_half_close);
	g_test_add_data_func("/slow-clients/half-close/quit",
		large_mail_delete_text,
			     test_half_close);
	g_test_add_func("/slow-clients/flood", test_flood);
	g_test_add_func("/slow-clients/server/terminated", test_terminated);
	g_test_add_func("/slow-clients/server/stopped", test_stopped);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/slow-clients", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
