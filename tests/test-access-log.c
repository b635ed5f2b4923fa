/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The record of a session in the access log: each of its fields, for every way
   a session can end, and the same in the event. */

#include "access-record.h"
#include "large-mail.h"
#include "pop3.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_1 "Subject: one\r\n\r\nThe first.\r\n"
#define MAIL_2 "Subject: two\r\n\r\nThe second one.\r\n.\r\n.dots\r\n"
#define MAIL_3 "Subject: three\r\n\r\n3\r\n"
#define SIZE_1 ((gint64)strlen(MAIL_1))
#define SIZE_2 ((gint64)strlen(MAIL_2))
#define SIZE_3 ((gint64)strlen(MAIL_3))
#define THREE_MAILS .messages = 3, .message_bytes = SIZE_1 + SIZE_2 + SIZE_3

#define REFUSAL "-ERR [SYS/PERM] The server's configuration for this mailbox " \
	"is wrong.\r\n"
#define MARKED "+OK Marked to be deleted."
#define DELETED "+OK Logging out, messages deleted."

/* What differs from zero in a record, besides what every session has. */
struct counts {
	gint64 messages, message_bytes;
	gint64 retr_count, retr_bytes, top_count, top_bytes;
	gint64 list_count, list_bytes, uidl_count, uidl_bytes;
	gint64 dele_count, dele_bytes, expunged_count, expunged_bytes;
	gint64 commands, errors;
};

/* A session, and what its client knows of it. */
struct session {
	struct fixture *f;
	const char *user;
	enum pop3_security security;
	struct pop3 *pop3;
	/* marks in the log, before the login and before the record */
	gsize since, record_since;
	/* the connection's counts when the password had been sent */
	guint64 sent, received;
	gint64 start_usecs, start_real_usecs;
};

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	static const struct fixture_options options = {
		.config = "mail_max_lock_timeout = 1 secs\n"
	};

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

static char *user_with_mails(struct fixture *f, const char *storage)
{
	static const char *const mails[] = { MAIL_1, MAIL_2, MAIL_3 };
	char *user = fixture_user(f, storage);

	for (gsize i = 0; i < G_N_ELEMENTS(mails); i++)
		fixture_deliver(f, user, mails[i], strlen(mails[i]));
	return user;
}

/* --- Sessions --- */

/* Send the password, and in the same write what a client pipelines: a line end
   and commands, of which the last has no line end yet. */
static struct session *
session_begin(struct fixture *f, enum pop3_security security, const char *user,
	      const char *pipelined)
{
	struct session *s = g_new0(struct session, 1);

	s->f = f;
	s->user = user;
	s->security = security;
	s->since = s->record_since = fixture_log_size(f);
	s->pop3 = pop3_connect(f, security);
	pop3_send(s->pop3, "USER %s", user);
	pop3_expect(s->pop3, "+OK\r\n");
	s->received = s->pop3->received;
	s->start_usecs = g_get_monotonic_time();
	s->start_real_usecs = g_get_real_time();
	pop3_send(s->pop3, "PASS " FIXTURE_PASSWORD "%s", pipelined);
	s->sent = s->pop3->sent - strlen(pipelined);
	return s;
}

/* Wait until the login is in the log. Returns its line. */
static char *wait_login(struct session *s)
{
	g_autofree char *quoted = g_regex_escape_string(s->user, -1);
	g_autofree char *pattern = g_strdup_printf(
		"pop3-login: .*: user=<%s>.*session=<", quoted);

	return fixture_log_wait(s->f, s->since, pattern);
}

static struct session *session_login(struct fixture *f, const char *user)
{
	struct session *s = session_begin(f, POP3_CLEAR, user, "");

	pop3_expect(s->pop3, "+OK Logged in.\r\n");
	/* or the user's next session could take this one's line for its own */
	g_free(wait_login(s));
	return s;
}

/* Send a command that is answered with +OK. Returns the size of its reply. */
static gint64
session_ask(struct session *s, const char *line, gboolean multiline)
{
	GString *reply;
	gint64 size;

	pop3_send(s->pop3, "%s", line);
	reply = multiline ? pop3_multiline(s->pop3) :
		pop3_read_line(s->pop3, NULL);
	g_assert_nonnull(reply);
	g_assert_true(g_str_has_prefix(reply->str, "+OK"));
	size = (gint64)reply->len;
	g_string_free(reply, TRUE);
	return size;
}

/* --- Records --- */

static void check_strings(struct session *s, JsonObject *record)
{
	g_autofree char *line = wait_login(s);
	g_autofree char *id = g_strdup(strstr(line, "session=<") + 9);

	*strchr(id, '>') = '\0';
	record_expect_str(record, "session", id);
	record_expect_str(record, "user", s->user);
	record_expect_str(record, "remote_ip", "127.0.0.1");
	record_expect_str(record, "local_ip", "127.0.0.1");
	g_assert_cmpint(json_object_get_boolean_member(record, "tls"), ==,
			s->security != POP3_CLEAR);
}

static void check_times(struct session *s, JsonObject *record)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(
		json_object_get_string_member(record, "time"), NULL);
	gint64 duration =
		json_object_get_int_member(record, "duration_usecs");
	gint64 end = g_date_time_to_unix(time) * G_USEC_PER_SEC +
		g_date_time_get_microsecond(time);

	g_assert_cmpint(duration, >, 0);
	g_assert_cmpint(duration, <=, g_get_monotonic_time() - s->start_usecs);
	g_assert_cmpint(end, >=, s->start_real_usecs);
	g_assert_cmpint(end, <=, g_get_real_time());
}

/* The client is done: check the whole record of the session. */
#define session_check(session, end, ...) \
	session_check_at(G_STRLOC, session, end, \
			 &(const struct counts){ __VA_ARGS__ })
static void session_check_at(const char *where, struct session *s,
			     const char *end, const struct counts *c)
{
	struct fixture *f = s->f;
	struct pop3 *pop3 = s->pop3;
	JsonObject *record = fixture_record(f, s->record_since, s->user);

	check_strings(s, record);
	check_times(s, record);
	record_expect_str(record, "end", end);
	record_expect_at(where, record, (const struct record_number[]){
		{ "remote_port", pop3->port },
		{ "local_port", s->security == POP3_TLS ? f->pop3s_port :
			f->pop3_port },
		{ "messages", c->messages },
		{ "message_bytes", c->message_bytes },
		{ "retr_count", c->retr_count },
		{ "retr_bytes", c->retr_bytes },
		{ "top_count", c->top_count },
		{ "top_bytes", c->top_bytes },
		{ "list_count", c->list_count },
		{ "list_bytes", c->list_bytes },
		{ "uidl_count", c->uidl_count },
		{ "uidl_bytes", c->uidl_bytes },
		{ "dele_count", c->dele_count },
		{ "dele_bytes", c->dele_bytes },
		{ "expunged_count", c->expunged_count },
		{ "expunged_bytes", c->expunged_bytes },
		{ "commands", c->commands },
		{ "errors", c->errors },
		{ "bytes_in", (gint64)(pop3->sent - s->sent) },
		{ "bytes_out", (gint64)(pop3->received - s->received) },
		{ NULL, 0 }
	});
	json_object_unref(record);
	pop3_close(pop3);
	g_free(s);
}

/* QUIT, and check. */
#define session_quit(session, reply, ...) do { \
		pop3_check((session)->pop3, "QUIT", reply); \
		pop3_expect_eof((session)->pop3); \
		session_check(session, "quit", __VA_ARGS__); \
	} while (0)

/* --- What is counted --- */

static void check_everything(struct session *s)
{
	struct counts c = { THREE_MAILS };

	c.retr_count = 2;
	c.retr_bytes = session_ask(s, "RETR 2", TRUE);
	c.retr_bytes += session_ask(s, "retr 3", TRUE);
	pop3_check(s->pop3, "RETR 4", "-ERR There's no message 4.");
	c.top_count = 1;
	c.top_bytes = session_ask(s, "TOP 2 1", TRUE);
	c.list_count = 2;
	c.list_bytes = session_ask(s, "LIST", TRUE);
	c.list_bytes += session_ask(s, "LIST 3", FALSE);
	c.uidl_count = 3;
	c.uidl_bytes = session_ask(s, "UIDL", TRUE);
	c.uidl_bytes += session_ask(s, "UIDL 1", FALSE);
	c.uidl_bytes += session_ask(s, "UIDL 2", FALSE);
	session_ask(s, "STAT", FALSE);
	session_ask(s, "CAPA", TRUE);
	c.dele_count = 3;
	c.dele_bytes = SIZE_1 + 2 * SIZE_3;
	pop3_check(s->pop3, "DELE 3", MARKED);
	pop3_check(s->pop3, "DELE 3", "-ERR Message is deleted.");
	/* nothing of what came before it is deleted */
	session_ask(s, "RSET", FALSE);
	pop3_check(s->pop3, "DELE 1", MARKED);
	pop3_check(s->pop3, "DELE 3", MARKED);
	pop3_check(s->pop3, "NOSUCH", "-ERR Unknown command: NOSUCH");
	pop3_check(s->pop3, "", "-ERR Missing command name.");
	c.expunged_count = 2;
	c.expunged_bytes = SIZE_1 + SIZE_3;
	c.commands = 19;
	c.errors = 4;

	pop3_check(s->pop3, "QUIT", DELETED);
	pop3_expect_eof(s->pop3);
	session_check_at(G_STRLOC, s, "quit", &c);
}

static void test_counts(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);

	check_everything(session_login(f, user));
}

static void test_security(gconstpointer data)
{
	enum pop3_security security = GPOINTER_TO_INT(data);
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	struct session *s = session_begin(f, security, user, "");

	pop3_expect(s->pop3, "+OK Logged in.\r\n");
	check_everything(s);
}

/* What comes in one packet with the password counts, the password not. */
static void test_pipelined(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	struct session *s = session_begin(f, POP3_CLEAR, user,
		"\r\nNOOP\nDELE 1\r\nDELE 9\r\nNOOP");

	pop3_expect(s->pop3, "+OK Logged in.\r\n+OK\r\n" MARKED "\r\n"
		    "-ERR There's no message 9.\r\n+OK\r\n");
	session_quit(s, DELETED, THREE_MAILS, .dele_count = 1,
		     .dele_bytes = SIZE_1, .expunged_count = 1,
		     .expunged_bytes = SIZE_1, .commands = 5, .errors = 1);
}

/* Of two sessions that delete the same message one has expunged it, and
   neither counts what a third one does. */
static void test_two_sessions(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);
	struct session *first = session_login(f, user);
	struct session *second = session_login(f, user);

	session_ask(first, "STAT", FALSE);
	session_ask(second, "STAT", FALSE);
	pop3_check(first->pop3, "DELE 1", MARKED);
	pop3_check(second->pop3, "DELE 1", MARKED);
	pop3_check(second->pop3, "DELE 2", MARKED);
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "expunge", "-u",
		user, "mailbox", "INBOX", "uid", "3", NULL), ==, 0);

	session_quit(first, DELETED, THREE_MAILS, .dele_count = 1,
		     .dele_bytes = SIZE_1, .expunged_count = 1,
		     .expunged_bytes = SIZE_1, .commands = 3);
	second->record_since = fixture_log_size(f);
	session_quit(second, DELETED, THREE_MAILS, .dele_count = 2,
		     .dele_bytes = SIZE_1 + SIZE_2, .expunged_count = 1,
		     .expunged_bytes = SIZE_2, .commands = 4);
}

/* --- How sessions end --- */

static void test_lost(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	struct session *s = session_login(f, user);

	pop3_check(s->pop3, "DELE 1", MARKED);
	pop3_half_close(s->pop3);
	pop3_expect_eof(s->pop3);
	session_check(s, "lost", THREE_MAILS, .dele_count = 1,
		      .dele_bytes = SIZE_1, .commands = 1);

	/* a line without an end has come all the same */
	s = session_login(f, user);
	pop3_check(s->pop3, "NOOP", "+OK");
	g_assert_true(pop3_send_bytes(s->pop3, "DELE 1", 6, NULL));
	pop3_half_close(s->pop3);
	pop3_expect_eof(s->pop3);
	session_check(s, "lost", THREE_MAILS, .commands = 1);

	s = session_login(f, user);
	session_quit(s, "+OK Logging out.", THREE_MAILS, .commands = 1);
}

static void test_shutdown(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	struct session *s = session_login(f, user);
	pid_t pid = fixture_session_pid(f, s->since, user);

	pop3_check(s->pop3, "DELE 1", MARKED);
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	pop3_expect(s->pop3, "-ERR [SYS/TEMP] Server shutting down.\r\n");
	pop3_expect_eof(s->pop3);
	session_check(s, "shutdown", THREE_MAILS, .dele_count = 1,
		      .dele_bytes = SIZE_1, .commands = 1);
}

static void test_bad_commands(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	struct session *s = session_login(f, user);

	pop3_check(s->pop3, "DELE 1", MARKED);
	for (unsigned int i = 0; i < 21; i++)
		pop3_check(s->pop3, "BAD", "-ERR Unknown command: BAD");
	pop3_expect(s->pop3, "-ERR Too many bad commands.\r\n");
	pop3_expect_eof(s->pop3);
	session_check(s, "error", THREE_MAILS, .dele_count = 1,
		      .dele_bytes = SIZE_1, .commands = 22, .errors = 21);
}

static void test_long_line(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	g_autofree char *line = g_strnfill(4000, 'x');
	struct session *s = session_login(f, user);

	g_assert_true(pop3_send_bytes(s->pop3, line, strlen(line), NULL));
	pop3_expect(s->pop3, "-ERR Input line too long.\r\n");
	pop3_expect_eof(s->pop3);
	/* the server did not read all that the client sent */
	s->pop3->sent = s->sent + 2048;
	session_check(s, "error", THREE_MAILS);
}

/* The reply ends in the middle. */
static void test_short_message(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = large_mail_user(f);
	struct session *s = session_login(f, user);
	g_autofree char *path = NULL, *line = NULL;
	g_autoptr(GString) reply = NULL;
	gint64 retr_bytes;
	long size;

	fixture_log_allow(f, "RETR of message UID 1 .* when it was opened");
	pop3_send(s->pop3, "RETR 1");
	g_assert_true(pop3_receive(s->pop3, NULL));
	path = numbered_find_file(f, user, 1);
	g_assert_cmpint(truncate(path, LARGE_MAIL_BYTES / 2), ==, 0);
	reply = pop3_read_to_eof(s->pop3, NULL);
	g_assert_nonnull(reply);
	g_assert_cmpint(sscanf(reply->str, "+OK %ld octets", &size), ==, 1);
	/* what the client had not taken by then is dropped with the
	   connection */
	line = fixture_log_wait(f, s->since, "\"retr_bytes\":[0-9]+");
	retr_bytes = g_ascii_strtoll(strstr(line, "\"retr_bytes\":") +
				     strlen("\"retr_bytes\":"), NULL, 10);
	g_assert_cmpint(retr_bytes, >=, reply->len);
	g_assert_cmpint(retr_bytes, <=, reply->len + 64 * 1024);
	s->pop3->received += retr_bytes - (gint64)reply->len;
	session_check(s, "error", .messages = 1, .message_bytes = size,
		      .retr_count = 1, .retr_bytes = retr_bytes,
		      .commands = 1, .errors = 1);
}

/* What could not be deleted is not counted. */
static void test_failed_expunge(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	g_autofree char *path = g_strdup_printf(
		"%s/home/%s/Mail/cur", f->dir, user);
	struct session *s = session_login(f, user);

	pop3_check(s->pop3, "DELE 2", MARKED);
	g_assert_cmpint(chmod(path, 0500), ==, 0);
	fixture_log_allow(f, "unlink\\(.*Permission denied");
	/* this Dovecot does not notice */
	session_quit(s, DELETED, THREE_MAILS, .dele_count = 1,
		     .dele_bytes = SIZE_2, .commands = 2);
	g_assert_cmpint(chmod(path, 0700), ==, 0);
}

/* Somebody keeps the index locked for longer than Dovecot waits. */
static void test_failed_update(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *path = g_build_filename(dir, "dovecot.index.log",
						 NULL);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct session *s = session_login(f, user);
	int fd;

	pop3_check(s->pop3, "DELE 2", MARKED);
	fd = open(path, O_RDWR | O_CLOEXEC);
	g_assert_cmpint(fcntl(fd, F_SETLK, &lock), ==, 0);
	fixture_log_allow(f, "Timeout .* while waiting for lock");
	pop3_send(s->pop3, "QUIT");
	pop3_expect(s->pop3, "-ERR [SYS/TEMP] ");
	g_string_free(pop3_read_to_eof(s->pop3, NULL), TRUE);
	close(fd);
	session_check(s, "error", THREE_MAILS, .dele_count = 1,
		      .dele_bytes = SIZE_2, .commands = 2, .errors = 1);
}

static void test_timeout(void)
{
	static const char *const settings[] = {
		"popinjay_idle_timeout", "3 secs", NULL
	};
	static const struct fixture_options options = { .settings = settings };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = user_with_mails(f, "maildir");
	struct session *s = session_login(f, user);

	pop3_check(s->pop3, "DELE 1", MARKED);
	pop3_expect(s->pop3, "-ERR Disconnected for inactivity.\r\n");
	pop3_expect_eof(s->pop3);
	session_check(s, "timeout", THREE_MAILS, .dele_count = 1,
		      .dele_bytes = SIZE_1, .commands = 1);
	fixture_free(f);
}

/* --- Sessions that are refused --- */

static void test_refused_settings(gconstpointer config)
{
	static const char *const settings[] = {
		"popinjay_uidl_policy", "nobodys", NULL
	};
	const struct fixture_options options = {
		.settings = settings, .config = config
	};
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = user_with_mails(f, "maildir");
	struct session *s = session_begin(f, POP3_CLEAR, user, "");

	fixture_log_allow(f, "popinjay_uidl_policy=nobodys: ");
	pop3_expect(s->pop3, REFUSAL);
	pop3_expect_eof(s->pop3);
	session_check(s, "refused", THREE_MAILS);
	fixture_free(f);
}

static void test_refused_mailbox(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	g_autofree char *path = fixture_mail_dir(f, user);
	struct session *s;

	g_assert_cmpint(chmod(path, 0), ==, 0);
	fixture_log_allow(f, "Permission denied");
	s = session_begin(f, POP3_CLEAR, user, "");
	pop3_expect(s->pop3, "+OK Logged in.\r\n-ERR [SYS/");
	g_string_free(pop3_read_to_eof(s->pop3, NULL), TRUE);
	session_check(s, "refused", 0);
	g_assert_cmpint(chmod(path, 0700), ==, 0);
}

/* The lock that a session holds cannot be made. */
static void test_refused_lock(void)
{
	static const struct fixture_options options = {
		.config = "pop3_lock_session = yes\n"
	};
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = user_with_mails(f, "maildir");
	g_autofree char *path = fixture_mail_dir(f, user);
	struct session *s = session_login(f, user);

	session_quit(s, "+OK Logging out.", THREE_MAILS, .commands = 1);
	g_assert_cmpint(chmod(path, 0500), ==, 0);
	fixture_log_allow(f, "Permission denied");
	s = session_begin(f, POP3_CLEAR, user, "");
	pop3_expect(s->pop3, "-ERR [SYS/TEMP] "
		    "Failed to create POP3 session lock.\r\n");
	pop3_expect_eof(s->pop3);
	session_check(s, "refused", 0);
	g_assert_cmpint(chmod(path, 0700), ==, 0);
	fixture_free(f);
}

/* --- All --- */

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/access-log/counts", test_counts);
	g_test_add_data_func("/access-log/stls", GINT_TO_POINTER(POP3_STLS),
			     test_security);
	g_test_add_data_func("/access-log/pop3s", GINT_TO_POINTER(POP3_TLS),
			     test_security);
	g_test_add_func("/access-log/pipelined", test_pipelined);
	fixture_add_storage_tests("/access-log/two-sessions",
				  test_two_sessions);
	g_test_add_func("/access-log/lost", test_lost);
	g_test_add_func("/access-log/shutdown", test_shutdown);
	g_test_add_func("/access-log/bad-commands", test_bad_commands);
	g_test_add_func("/access-log/long-line", test_long_line);
	g_test_add_func("/access-log/short-message", test_short_message);
	g_test_add_func("/access-log/failed-expunge", test_failed_expunge);
	g_test_add_func("/access-log/failed-update", test_failed_update);
	g_test_add_func("/access-log/timeout", test_timeout);
	g_test_add_data_func("/access-log/refused/settings", "",
			     test_refused_settings);
	g_test_add_data_func("/access-log/refused/settings-lock",
			     "pop3_lock_session = yes\n",
			     test_refused_settings);
	g_test_add_func("/access-log/refused/mailbox", test_refused_mailbox);
	g_test_add_func("/access-log/refused/lock", test_refused_lock);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/access-log", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
