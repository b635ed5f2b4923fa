/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How much more address space than Dovecot alone a session needs that saves
   the UIDLs of a large mailbox, or reads them: what Dovecot's vsz_limit
   bounds. */

#include "numbered.h"
#include "uidl-list.h"

#include <stdio.h>

#define MAIL_COUNT 10000
#define MAIL_BYTES 300

/* for each message */
#define FIRST_BYTES 190
#define NEXT_BYTES 300

static struct fixture *stock, *ours;
static char *stock_user;

static gsize read_peak(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *text = NULL;
	const char *line;
	gsize kib;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	line = strstr(text, "\nVmPeak:");
	g_assert_nonnull(line);
	g_assert_cmpint(sscanf(line, "\nVmPeak: %zu kB", &kib), ==, 1);
	return kib * 1024;
}

/* Returns what a session needed that asked for all UIDLs. */
static gsize session_peak(struct fixture *f, const char *user)
{
	gsize since = fixture_log_size(f), peak;
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	pid_t pid = fixture_session_pid(f, since, user);

	pop3_send(pop3, "UIDL");
	g_string_free(pop3_multiline(pop3), TRUE);
	peak = read_peak(pid);
	pop3_quit(pop3, "Logging out.");
	return peak;
}

static void start(void)
{
	const struct fixture_options stock_options = { .stock = TRUE };
	g_autofree char *config = NULL;
	struct fixture_options options = { .config = NULL };

	if (ours != NULL)
		return;
	stock = fixture_new(&stock_options);
	config = uidl_settings("popinjay_uidl_save", "yes", NULL);
	options.config = config;
	ours = fixture_new(&options);
	stock_user = fixture_user(stock, "maildir");
	numbered_deliver(stock, stock_user, 1, MAIL_COUNT, MAIL_BYTES);
}

static void test_saved(void)
{
	g_autofree char *user = NULL, *empty = NULL, *empty_ours = NULL;
	gsize dovecots, own, first, next;

	start();
	/* the first one makes the index */
	(void)session_peak(stock, stock_user);
	empty = fixture_user(stock, "maildir");
	dovecots = session_peak(stock, stock_user) -
		session_peak(stock, empty);
	user = fixture_user(ours, "maildir");
	fixture_user_copy(stock, stock_user, ours, user);
	empty_ours = fixture_user(ours, "maildir");
	own = session_peak(ours, empty_ours);
	first = session_peak(ours, user) - own;
	next = session_peak(ours, user) - own;
	g_test_message("bytes for each message: Dovecot %zu, first %zu, "
		       "next %zu", dovecots / MAIL_COUNT, first / MAIL_COUNT,
		       next / MAIL_COUNT);
	g_assert_cmpuint(first, <, dovecots + FIRST_BYTES * MAIL_COUNT);
	g_assert_cmpuint(next, <, dovecots + NEXT_BYTES * MAIL_COUNT);
}

static void test_stop(void)
{
	g_clear_pointer(&stock, fixture_free);
	g_clear_pointer(&ours, fixture_free);
	g_clear_pointer(&stock_user, g_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl-memory/saved", test_saved);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-memory", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
