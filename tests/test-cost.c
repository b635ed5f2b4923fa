/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a session costs beside the same one of stock Dovecot, in numbers that do
   not depend on how busy the machine is: memory and system calls. */

#include "numbered.h"
#include "traced.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BIG_BYTES (6 * 1000 * 1000)
#define MAIL_COUNT 20
#define MAIL_BYTES (10 * 1000)

/* The memory of a session that is its own, above stock's. */
#define MEMORY_LIMIT_KIB 256
/* A poll may make this many system calls more than stock's. Most of them load
   the module. */
#define POLL_LIMIT 35
/* of a message's RETR, its record in the log included */
#define RETR_LIMIT 14

/* --- Memory --- */

static unsigned int anonymous_kib(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *text = NULL;
	unsigned int kib;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "\nRssAnon:"));
	g_assert_cmpint(sscanf(strstr(text, "\nRssAnon:"), "\nRssAnon: %u",
			       &kib), ==, 1);
	return kib;
}

/* The most that is seen while a client reads a large message slowly: then all
   buffers are full. */
static unsigned int peak_kib(struct fixture *f, const char *user)
{
	static const int buffer_size = 16 * 1024;
	gsize since = fixture_log_size(f), received = 0;
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);
	unsigned int peak = 0;
	pid_t pid;

	g_assert_cmpint(setsockopt(pop3->fd, SOL_SOCKET, SO_RCVBUF,
				   &buffer_size, sizeof(buffer_size)), ==, 0);
	pop3_login(pop3, user);
	pid = fixture_session_pid(f, since, user);
	pop3_send(pop3, "UIDL");
	g_string_free(pop3_multiline(pop3), TRUE);
	pop3_send(pop3, "RETR 1");
	while (received < BIG_BYTES) {
		g_assert_true(pop3_receive(pop3, NULL));
		received += pop3->input->len;
		g_string_truncate(pop3->input, 0);
		peak = MAX(peak, anonymous_kib(pid));
	}
	pop3_close(pop3);
	return peak;
}

static void test_memory(void)
{
	static const struct fixture_options stock_options = { .stock = TRUE };
	struct fixture *ours = fixture_new(NULL);
	struct fixture *stock = fixture_new(&stock_options);
	unsigned int ours_kib, stock_kib;
	g_autofree char *user = fixture_user(ours, "maildir");

	numbered_deliver(ours, user, 1, 1, BIG_BYTES);
	fixture_user_add(stock, user);
	fixture_user_copy(ours, user, stock, user);
	stock_kib = peak_kib(stock, user);
	ours_kib = peak_kib(ours, user);
	g_test_message("%u KiB, stock %u", ours_kib, stock_kib);
	g_assert_cmpuint(ours_kib, <=, stock_kib + MEMORY_LIMIT_KIB);
	fixture_stop_begin(stock);
	fixture_free(ours);
	fixture_free(stock);
}

/* --- System calls --- */

/* All calls of the pop3 process in a session, from its first one on. */
static unsigned int
count_session(struct traced *traced, const char *user, unsigned int retr_count)
{
	gsize since = fixture_log_size(traced->f);
	g_autofree char *text = NULL;
	unsigned int calls = 0;
	struct pop3 *pop3;

	pop3 = pop3_session(traced->f, POP3_CLEAR, user);
	g_free(pop3_ask(pop3, "STAT"));
	for (unsigned int msn = 1; msn <= retr_count; msn++) {
		pop3_send(pop3, "RETR %u", msn);
		g_string_free(pop3_multiline(pop3), TRUE);
	}
	pop3_quit(pop3, "Logging out.");
	traced_wait_end(traced, since, user);
	g_assert_true(g_file_get_contents(traced->trace_file, &text, NULL,
					  NULL));
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		calls++;
	return calls;
}

/* The least of some sessions: one may find things to write into indexes. */
static unsigned int
count_calls(struct traced *traced, const char *user, unsigned int retr_count)
{
	unsigned int least = UINT_MAX;

	for (unsigned int i = 0; i < 3; i++) {
		unsigned int count = count_session(traced, user, retr_count);

		least = MIN(least, count);
	}
	return least;
}

static void test_calls(void)
{
	const char *without = fixture_is_2_3() ?
		"mail_plugins =\n" : "mail_plugins {\n  popinjay = no\n}\n";
	struct traced *traced = traced_new("pop3", without);
	g_autofree char *user = fixture_user(traced->f, "maildir");
	unsigned int stock, ours, retr;

	numbered_deliver(traced->f, user, 1, MAIL_COUNT, MAIL_BYTES);
	traced_set(traced, "-s 1");
	stock = count_calls(traced, user, 0);
	traced_reload(traced, NULL);
	ours = count_calls(traced, user, 0);
	retr = count_calls(traced, user, MAIL_COUNT) - ours;
	g_test_message("a poll has %u calls, %u in stock; RETR has %.1f", ours,
		       stock, (double)retr / MAIL_COUNT);
	g_assert_cmpuint(ours, <=, stock + POLL_LIMIT);
	g_assert_cmpuint(retr, <=, RETR_LIMIT * MAIL_COUNT);
	traced_free(traced);
}

/* The calls by which the login process sends a message that it encrypts. */
static unsigned int count_tls_calls(struct traced *traced, const char *user)
{
	gint64 end = g_get_monotonic_time() +
		(gint64)fixture_timeout_secs() * G_USEC_PER_SEC;
	struct pop3 *pop3 = pop3_session(traced->f, POP3_TLS, user);
	g_autoptr(GString) mail = NULL;
	gboolean ended = FALSE;
	unsigned int calls = 0;

	pop3_send(pop3, "RETR 1");
	mail = pop3_multiline(pop3);
	g_assert_cmpuint(mail->len, >=, BIG_BYTES);
	pop3_quit(pop3, "Logging out.");
	while (!ended) {
		g_autofree char *text = NULL;

		g_assert_cmpint(g_get_monotonic_time(), <, end);
		g_usleep(1000);
		if (!g_file_get_contents(traced->trace_file, &text, NULL,
					 NULL))
			continue;
		ended = strstr(text, "exit_group(") != NULL;
		calls = 0;
		for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
			calls++;
	}
	return calls;
}

/* A login process does not live for long; this one serves one client. */
static void test_tls_calls(void)
{
	struct traced *traced = traced_new("pop3-login", NULL);
	g_autofree char *user = fixture_user(traced->f, "maildir");
	unsigned int stock, ours;

	numbered_deliver(traced->f, user, 1, 1, BIG_BYTES);
	traced_set(traced, "-e trace=write,setsockopt,exit_group");
	stock = count_tls_calls(traced, user);
	traced_reload(traced, fixture_is_2_3() ?
		      "protocol pop3 {\n  login_plugins = popinjay_login\n}\n" :
		      "protocol pop3 {\n  login_plugins {\n"
		"    popinjay_login = yes\n  }\n}\n");
	ours = count_tls_calls(traced, user);
	g_test_message("TLS output of %u bytes has %u calls, %u in stock",
		       BIG_BYTES, ours, stock);
	g_assert_cmpuint(ours, <=, stock * 2 / 3);
	traced_free(traced);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cost/memory", test_memory);
	g_test_add_func("/cost/system-calls", test_calls);
	g_test_add_func("/cost/system-calls-tls", test_tls_calls);
	return g_test_run();
}
