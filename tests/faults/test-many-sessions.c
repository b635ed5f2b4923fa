/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many sessions at the same time: 200 of them, and several in one pop3 process,
   where nothing of one may get into another. */

#include "numbered.h"

#include <stdio.h>

#define USER_COUNT 20
/* Dovecot's limit for one user at one address */
#define SESSIONS_PER_USER 10
#define SESSION_COUNT (USER_COUNT * SESSIONS_PER_USER)
/* These have a mail larger than what sockets hold, and do not read it. */
#define SLOW_USER_COUNT 4
#define MAIL_COUNT 3
#define MAIL_BYTES (50 * 1000)
#define BIG_MAIL_BYTES (12 * 1000 * 1000)
/* of 2.3 and 2.4 */
#define LOGIN_REGEX "pop3-login: .*(Login|Logged in): "

static const char *const big_commands = "RETR 1\r\nSTAT\r\nQUIT";
static const char *const commands =
	"UIDL\r\nRETR 1\r\nRETR 2\r\nRETR 3\r\nTOP 1 0\r\nLIST\r\nQUIT";

static struct fixture *the_fixture, *shared_fixture;

static void expect_mail(struct pop3 *pop3, unsigned int number, gsize size)
{
	g_autoptr(GString) reply = pop3_multiline(pop3);
	g_autofree char *error = NULL;
	unsigned int got = numbered_check(reply, size, &error);

	g_assert_cmpstr(error, ==, NULL);
	g_assert_cmpuint(got, ==, number);
}

static void finish_session(struct pop3 *pop3)
{
	g_string_free(pop3_multiline(pop3), TRUE);
	for (unsigned int number = 1; number <= MAIL_COUNT; number++)
		expect_mail(pop3, number, MAIL_BYTES);
	g_string_free(pop3_multiline(pop3), TRUE);
	g_string_free(pop3_multiline(pop3), TRUE);
	pop3_expect(pop3, "+OK Logging out.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
}

static void finish_slow_session(struct pop3 *pop3)
{
	expect_mail(pop3, 1, BIG_MAIL_BYTES);
	pop3_expect(pop3, "+OK 1 ");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	pop3_expect(pop3, "+OK Logging out.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
}

static void test_200(void)
{
	struct fixture *f = the_fixture = fixture_new(NULL);
	struct pop3 *pop3[SESSION_COUNT];
	char *users[USER_COUNT];
	unsigned int slow_count = SLOW_USER_COUNT * SESSIONS_PER_USER;
	gsize since = fixture_log_size(f);
	gint64 end;

	for (unsigned int i = 0; i < USER_COUNT; i++) {
		users[i] = fixture_user(f, "maildir");
		if (i < SLOW_USER_COUNT)
			numbered_deliver(f, users[i], 1, 1, BIG_MAIL_BYTES);
		else
			numbered_deliver(f, users[i], 1, MAIL_COUNT,
					 MAIL_BYTES);
	}
	for (unsigned int i = 0; i < SESSION_COUNT; i++) {
		pop3[i] = pop3_connect(f, POP3_CLEAR);
		pop3_send(pop3[i], "USER %s\r\nPASS %s",
			  users[i / SESSIONS_PER_USER], FIXTURE_PASSWORD);
	}
	for (unsigned int i = 0; i < SESSION_COUNT; i++)
		pop3_expect(pop3[i], "+OK\r\n+OK Logged in.\r\n");
	/* the log's writer may be behind */
	end = g_get_monotonic_time() +
		(gint64)fixture_timeout_secs() * G_USEC_PER_SEC;
	while (fixture_log_count(f, since, LOGIN_REGEX) < SESSION_COUNT &&
	       g_get_monotonic_time() < end)
		g_usleep(10 * 1000);
	g_assert_cmpuint(fixture_log_count(f, since, LOGIN_REGEX), ==,
			 SESSION_COUNT);
	g_assert_cmpuint(fixture_log_count(f, since, "session_finished"), ==,
			 0);

	for (unsigned int i = 0; i < SESSION_COUNT; i++) {
		pop3_send(pop3[i], "%s", i < slow_count ? big_commands :
			  commands);
	}
	for (unsigned int i = slow_count; i < SESSION_COUNT; i++)
		finish_session(pop3[i]);
	/* some of the slow ones never read */
	for (unsigned int i = 0; i < slow_count; i++) {
		if (i % 4 == 0)
			pop3_close(pop3[i]);
		else
			finish_slow_session(pop3[i]);
	}
	while (fixture_log_count(f, since, "session_finished") < SESSION_COUNT)
		g_usleep(10 * 1000);
	g_assert_cmpuint(fixture_log_count(f, since, "\"end\":\"lost\""), ==,
			 slow_count / 4);
	g_assert_cmpuint(fixture_log_count(f, since, "\"end\":\"quit\""), ==,
			 SESSION_COUNT - slow_count / 4);
	for (unsigned int i = 0; i < USER_COUNT; i++)
		g_free(users[i]);
	g_clear_pointer(&the_fixture, fixture_free);
}

/* --- Several sessions in a process --- */

/* All sessions are in one process, and a user needs a key of his own. */
static struct fixture *get_shared_fixture(void)
{
	gboolean is_2_3 = fixture_is_2_3();
	const char *const settings[] = {
		"popinjay_uidl_format", is_2_3 ? "%%{hmac}" : "%{hmac}",
		"popinjay_uidl_key_file", is_2_3 ? "%h/key" : "%{home}/key",
		NULL
	};
	g_autofree char *config = g_strdup_printf(
		"service pop3 {\n"
		"  %s\n"
		"  process_limit = 1\n"
		"  client_limit = 20\n"
		"}\n", is_2_3 ? "service_count = 0" :
		"restart_request_count = unlimited");
	const struct fixture_options options = {
		.settings = settings, .config = config
	};

	if (shared_fixture == NULL)
		shared_fixture = fixture_new(&options);
	return shared_fixture;
}

static char *user_with_key(unsigned int first, unsigned int last, gsize size)
{
	struct fixture *f = get_shared_fixture();
	char *user = fixture_user(f, "maildir");
	g_autofree char *home = fixture_home(f, user);
	g_autofree char *path = g_build_filename(home, "key", NULL);
	g_autofree char *key = g_strdup_printf("the secret key of %s", user);

	g_assert_true(g_file_set_contents(path, key, -1, NULL));
	fixture_give(f, user, path);
	numbered_deliver(f, user, first, last, size);
	return user;
}

static GString *ask_uidl(struct pop3 *pop3)
{
	pop3_send(pop3, "UIDL");
	return pop3_multiline(pop3);
}

static void test_users(void)
{
	struct fixture *f = get_shared_fixture();
	g_autofree char *big = user_with_key(1, 1, BIG_MAIL_BYTES);
	g_autofree char *small = user_with_key(4, 6, MAIL_BYTES);
	g_autofree char *keyless = fixture_user(f, "maildir");
	g_autoptr(GString) big_uidl = NULL, small_uidl = NULL;
	g_autoptr(GString) big_again = NULL, small_again = NULL;
	g_autofree char *line = NULL;
	gsize since = fixture_log_size(f);
	struct pop3 *pop3_big = pop3_session(f, POP3_CLEAR, big);
	struct pop3 *pop3_small = pop3_session(f, POP3_TLS, small);
	struct pop3 *pop3;

	fixture_log_allow(f, "popinjay_uidl_key_file=");
	g_assert_cmpint(fixture_session_pid(f, since, big), ==,
			fixture_session_pid(f, since, small));

	big_uidl = ask_uidl(pop3_big);
	small_uidl = ask_uidl(pop3_small);
	/* one is in the middle of a message while the other does all this */
	pop3_send(pop3_big, "RETR 1\r\nUIDL");
	pop3_send(pop3_small, "STAT");
	pop3_expect(pop3_small, "+OK 3 ");
	g_string_free(pop3_read_line(pop3_small, NULL), TRUE);
	for (unsigned int msn = 1; msn <= 3; msn++) {
		pop3_send(pop3_small, "RETR %u", msn);
		expect_mail(pop3_small, msn + 3, MAIL_BYTES);
	}
	pop3_send(pop3_small, "DELE 1");
	pop3_expect(pop3_small, "+OK Marked to be deleted.\r\n");

	/* a third one is refused, for reasons of his own */
	pop3 = pop3_connect(f, POP3_CLEAR);
	pop3_send(pop3, "USER %s\r\nPASS %s\r\nSTAT", keyless,
		  FIXTURE_PASSWORD);
	pop3_expect(pop3, "+OK\r\n-ERR [SYS/PERM] ");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	pop3_expect_eof(pop3);
	pop3_close(pop3);

	/* a second session of the same user goes away in a message */
	pop3 = pop3_session(f, POP3_CLEAR, big);
	pop3_send(pop3, "DELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n+OK\r\n+OK ");
	pop3_close(pop3);

	small_again = ask_uidl(pop3_small);
	g_assert_cmpstr(strchr(small_again->str, '2'), ==,
			strchr(strstr(small_uidl->str, "\r\n2 "), '2'));
	pop3_quit(pop3_small, "Logging out, messages deleted.");
	expect_mail(pop3_big, 1, BIG_MAIL_BYTES);
	big_again = pop3_multiline(pop3_big);
	g_assert_cmpstr(big_again->str, ==, big_uidl->str);
	pop3_quit(pop3_big, "Logging out.");

	line = g_strdup_printf(
		"\"user\":\"%s\",.*\"tls\":true,.*\"messages\":3,"
		".*\"retr_count\":3,.*\"uidl_count\":2,.*\"dele_count\":1,"
		".*\"expunged_count\":1,.*\"commands\":8,\"errors\":0,"
		".*\"end\":\"quit\"", small);
	g_free(fixture_log_wait(f, since, line));
	g_free(line);
	line = g_strdup_printf(
		"\"user\":\"%s\",.*\"tls\":false,.*\"messages\":1,"
		".*\"retr_count\":1,.*\"uidl_count\":2,.*\"dele_count\":0,"
		".*\"expunged_count\":0,.*\"commands\":4,\"errors\":0,"
		".*\"end\":\"quit\"", big);
	g_free(fixture_log_wait(f, since, line));
	g_free(line);
	line = g_strdup_printf("\"user\":\"%s\",.*\"end\":\"lost\"", big);
	g_free(fixture_log_wait(f, since, line));
	g_free(line);
	line = g_strdup_printf("\"user\":\"%s\",.*\"end\":\"refused\"",
			       keyless);
	g_free(fixture_log_wait(f, since, line));
}

/* Sessions one after the other are not influenced by those before. */
static void test_in_turn(void)
{
	struct fixture *f = get_shared_fixture();
	g_autofree char *user = user_with_key(1, 20, 1000);

	for (unsigned int i = 0; i < 20; i++) {
		gsize since = fixture_log_size(f);
		struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
		g_autofree char *regex = g_strdup_printf(
			"\"messages\":%u,.*\"retr_count\":1,.*"
			"\"dele_count\":1,.*\"expunged_count\":1,.*"
			"\"commands\":3,", 20 - i);

		pop3_send(pop3, "RETR 1\r\nDELE 1\r\nQUIT");
		expect_mail(pop3, i + 1, 1000);
		pop3_expect(pop3, "+OK Marked to be deleted.\r\n"
			    "+OK Logging out, messages deleted.\r\n");
		pop3_expect_eof(pop3);
		pop3_close(pop3);
		g_free(fixture_log_wait(f, since, regex));
	}
}

static void test_stop(void)
{
	g_clear_pointer(&shared_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/many-sessions/200", test_200);
	g_test_add_func("/many-sessions/one-process/users", test_users);
	g_test_add_func("/many-sessions/one-process/in-turn", test_in_turn);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/many-sessions", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
