/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process of a large mailbox is killed before QUIT, at some moment of
   it, and after it. test-killed-anywhere does the same for every moment of a
   small one. */

#include "numbered.h"

#include <signal.h>
#include <stdio.h>

#define MAIL_BYTES 700
#define MAIL_COUNT 2000
#define DELETED(number) ((number) % 2 == 0)
#define RANDOM_RUNS 2

static struct fixture *the_fixture;
/* a user with a Maildir of all mails */
static char *the_source;

static struct fixture *get_fixture(void)
{
	/* this is not about power failures, and much faster */
	static const struct fixture_options options = {
		.config = "mail_fsync = never\n"
	};

	if (the_fixture == NULL) {
		the_fixture = fixture_new(&options);
		fixture_log_allow(the_fixture, "killed with signal 9|"
			"Deleting corrupted cache: reset_id mismatch|"
			"map.index corrupted: map_uid=\\d+ refcount too low");
	}
	return the_fixture;
}

/* What is there: all that was not deleted, each once. Returns how many deleted
   ones are still there. */
static unsigned int check_inbox(const char *user)
{
	g_autoptr(GArray) numbers = numbered_read(get_fixture(), user,
						  MAIL_BYTES);
	unsigned int count[MAIL_COUNT + 1] = { 0 }, left = 0;

	for (unsigned int i = 0; i < numbers->len; i++) {
		unsigned int number = g_array_index(numbers, unsigned int, i);

		g_assert_cmpuint(number, <=, MAIL_COUNT);
		count[number]++;
	}
	for (unsigned int number = 1; number <= MAIL_COUNT; number++) {
		if (DELETED(number)) {
			g_assert_cmpuint(count[number], <=, 1);
			left += count[number];
		} else {
			g_assert_cmpuint(count[number], ==, 1);
		}
	}
	return left;
}

static struct pop3 *delete_half(const char *user)
{
	struct pop3 *pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	g_autoptr(GString) commands = g_string_new(NULL);

	for (unsigned int number = 1; number <= MAIL_COUNT; number++) {
		if (DELETED(number)) {
			g_string_append_printf(commands, "DELE %u\r\n",
					       number);
		}
	}
	g_assert_true(pop3_send_bytes(pop3, commands->str, commands->len,
				      NULL));
	for (unsigned int number = 1; number <= MAIL_COUNT; number++) {
		if (DELETED(number))
			pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	}
	return pop3;
}

/* As many users as there are runs, all with the same mail. */
static char *next_user(const char *template)
{
	char *user = fixture_user(get_fixture(),
				  fixture_user_storage(template));

	fixture_user_copy(get_fixture(), template, get_fixture(), user);
	return user;
}

/* Returns how long QUIT takes, in microseconds. */
static unsigned int test_after_quit(const char *template)
{
	g_autofree char *user = next_user(template);
	struct pop3 *pop3 = delete_half(user);
	gint64 start = g_get_monotonic_time();

	pop3_quit(pop3, "Logging out, messages deleted.");
	start = g_get_monotonic_time() - start;
	g_assert_cmpuint(check_inbox(user), ==, 0);
	return (unsigned int)start;
}

static void test_before_quit(const char *user)
{
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = delete_half(user);

	g_assert_cmpint(kill(fixture_session_pid(get_fixture(), since, user),
			     SIGKILL), ==, 0);
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	g_assert_cmpuint(check_inbox(user), ==, MAIL_COUNT / 2);
}

static void test_in_quit(const char *template, unsigned int max_usecs)
{
	g_autofree char *user = next_user(template);
	gsize since = fixture_log_size(get_fixture());
	struct pop3 *pop3 = delete_half(user);
	pid_t pid = fixture_session_pid(get_fixture(), since, user);
	double part = g_test_rand_double();
	/* most happens at the beginning */
	gulong delay = (gulong)(max_usecs * part * part);
	g_autoptr(GString) reply = NULL;
	unsigned int left;

	pop3_send(pop3, "QUIT");
	g_usleep(delay);
	/* it may be through already */
	(void)kill(pid, SIGKILL);
	reply = pop3_read_to_eof(pop3, NULL);
	pop3_close(pop3);
	left = check_inbox(user);
	g_test_message("killed after %lu of %u us: %u mails left, said '%s'",
		       delay, max_usecs, left,
		       reply == NULL ? "" : reply->str);
	if (reply != NULL && reply->len > 0)
		g_assert_cmpuint(left, ==, 0);
}

static void test_storage(gconstpointer storage)
{
	g_autofree char *template = fixture_user(get_fixture(), storage);
	unsigned int quit_usecs;

	if (the_source == NULL) {
		the_source = fixture_user(get_fixture(), "maildir");
		numbered_deliver(get_fixture(), the_source, 1, MAIL_COUNT,
				 MAIL_BYTES);
	}
	if (g_str_equal(storage, "maildir")) {
		g_free(template);
		template = g_strdup(the_source);
	} else {
		numbered_import(get_fixture(), template, the_source);
	}
	g_assert_cmpuint(check_inbox(template), ==, MAIL_COUNT / 2);
	test_before_quit(template);
	quit_usecs = test_after_quit(template);
	/* Dovecot moves messages within an mbox in place: a process that dies
	   then leaves it half moved, with and without us */
	if (g_str_equal(storage, "mbox"))
		return;
	for (unsigned int i = 0; i < RANDOM_RUNS; i++)
		test_in_quit(template, quit_usecs);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
	g_clear_pointer(&the_source, g_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/killed", test_storage);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/killed", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
