/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sessions that no transcript can describe: deep pipelines, clients that do not
   read, half-closed connections, many clients, reload and shutdown. */

#include "pop3.h"
#include "access-record.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* More than what fits in the buffers between a server and a client. */
#define BIG_BYTES (20 * 1024 * 1024)
#define PIPELINE_COMMANDS 10000
#define CLIENTS 200
/* Long enough for a server to fill every buffer that a client leaves it. */
#define FILL_USECS (300 * 1000)

#define LOGGED_IN "+OK Logged in.\r\n"

static const char small_mail[] =
	"From: alice@example.org\n"
	"Subject: Small\n"
	"\n"
	".\n"
	"Small.\n";
/* with CRLF */
#define SMALL_BYTES 54

static struct fixture *f;
/* A user with one message of BIG_BYTES and a small one, to copy; the first
   message as RETR sends it, and its size. */
static char *big_user;
static GString *big_wire;
static gint64 big_octets;

static const char *const securities[] = {
	[POP3_CLEAR] = "clear", [POP3_STLS] = "stls", [POP3_TLS] = "tls"
};

/* --- Mailboxes --- */

static GString *big_mail(void)
{
	GString *mail = g_string_sized_new(BIG_BYTES + 100);

	g_string_append(mail, "From: alice@example.org\nSubject: Big\n\n");
	for (unsigned int i = 0; mail->len < BIG_BYTES; i++) {
		/* lines of many lengths, some of which begin with "." */
		g_string_append_printf(mail, "%s%u %.*s\n",
			i % 7 == 0 ? "." : "", i, (int)(i * 31 % 70),
			"a line of text that is as long as the longest of "
			"all these lines of text");
	}
	return mail;
}

static void make_big_user(void)
{
	g_autoptr(GString) mail = big_mail();

	big_user = fixture_user(f, "maildir");
	fixture_deliver(f, big_user, mail->str, mail->len);
	fixture_deliver(f, big_user, small_mail, strlen(small_mail));
	big_wire = pop3_mail_on_wire(mail->str, mail->len);
	big_octets = (gint64)mail->len;
	for (gsize i = 0; i < mail->len; i++)
		big_octets += mail->str[i] == '\n';
}

static char *user_with_big_mail(void)
{
	char *user = fixture_user(f, "maildir");

	fixture_user_copy(f, big_user, f, user);
	return user;
}

static char *user_with_small_mails(const char *storage, unsigned int count)
{
	char *user = fixture_user(f, storage);

	while (count-- > 0)
		fixture_deliver(f, user, small_mail, strlen(small_mail));
	return user;
}

/* Number of messages the user has now, asked by another session. */
static void expect_messages(const char *user, unsigned int count)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autofree char *stat = pop3_ask(pop3, "STAT");
	g_autofree char *want = g_strdup_printf("+OK %u ", count);

	g_assert_true(g_str_has_prefix(stat, want));
	pop3_quit(pop3, "Logging out.");
}

static void send_all(struct pop3 *pop3, const GString *commands)
{
	g_autoptr(GError) error = NULL;

	(void)pop3_send_bytes(pop3, commands->str, commands->len, &error);
	g_assert_no_error(error);
}

/* --- Pipelining (RFC 2449 section 6.6) --- */

/* Commands and the replies they must get. */
static void make_pipeline(GString *commands, GString *replies)
{
	g_autoptr(GString) wire =
		pop3_mail_on_wire(small_mail, strlen(small_mail));

	for (unsigned int i = 0; i < PIPELINE_COMMANDS; i++) {
		switch (i % 8) {
		case 0:
			g_string_append(commands, "NOOP\r\n");
			g_string_append(replies, "+OK\r\n");
			break;
		case 1:
			g_string_append(commands, "STAT\r\n");
			g_string_append_printf(replies, "+OK 3 %u\r\n",
					       3 * SMALL_BYTES);
			break;
		case 2:
			g_string_append(commands, "LIST 2\r\n");
			g_string_append_printf(replies, "+OK 2 %u\r\n",
					       SMALL_BYTES);
			break;
		case 3:
			g_string_append(commands, "RETR 3\r\n");
			g_string_append_printf(replies, "+OK %u octets\r\n%s",
					       SMALL_BYTES, wire->str);
			break;
		case 4:
			g_string_append(commands, "LIST\r\n");
			g_string_append_printf(replies, "+OK 3 messages:\r\n"
				"1 %u\r\n2 %u\r\n3 %u\r\n.\r\n", SMALL_BYTES,
				SMALL_BYTES, SMALL_BYTES);
			break;
		case 5:
			g_string_append(commands, "DELE 1\r\n");
			g_string_append(replies,
					"+OK Marked to be deleted.\r\n");
			break;
		case 6:
			g_string_append(commands, "LIST 1\r\n");
			g_string_append(replies,
					"-ERR Message is deleted.\r\n");
			break;
		case 7:
			g_string_append(commands, "RSET\r\n");
			g_string_append(replies, "+OK\r\n");
			break;
		}
	}
}

static void test_pipeline(gconstpointer data)
{
	enum pop3_security security = GPOINTER_TO_UINT(data);
	g_autofree char *user = user_with_small_mails("maildir", 3);
	g_autoptr(GString) commands = g_string_new(NULL);
	g_autoptr(GString) replies = g_string_new(NULL);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, security, user);
	g_autoptr(JsonObject) record = NULL;

	make_pipeline(commands, replies);
	send_all(pop3, commands);
	pop3_expect_bytes(pop3, replies->str, replies->len);
	pop3_quit(pop3, "Logging out.");

	record = fixture_record(f, since, user);
	record_expect_str(record, "end", "quit");
	record_expect(record,
		{ "commands", PIPELINE_COMMANDS + 1 },
		{ "errors", PIPELINE_COMMANDS / 8 },
		{ "dele_count", PIPELINE_COMMANDS / 8 },
		{ "expunged_count", 0 },
		{ "bytes_in", (gint64)commands->len + strlen("QUIT\r\n") },
		{ "bytes_out", (gint64)replies->len +
			strlen(LOGGED_IN "+OK Logging out.\r\n") });
}

/* The same, with USER and PASS before it and all in one go, to a client that
   begins to read late. */
static void test_pipeline_past_pass(void)
{
	g_autofree char *user = user_with_small_mails("maildir", 3);
	g_autoptr(GString) commands = g_string_new(NULL);
	g_autoptr(GString) replies = g_string_new("+OK\r\n" LOGGED_IN);
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);

	g_string_append_printf(commands, "USER %s\r\nPASS %s\r\n", user,
			       FIXTURE_PASSWORD);
	make_pipeline(commands, replies);
	g_string_append(commands, "QUIT\r\n");
	g_string_append(replies, "+OK Logging out.\r\n");
	send_all(pop3, commands);
	g_usleep(FILL_USECS);
	pop3_expect_bytes(pop3, replies->str, replies->len);
	pop3_expect_eof(pop3);
	pop3_close(pop3);
}

/* --- Clients that do not read --- */

static gint64 process_kilobytes(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *status = NULL;
	const char *p;

	g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
	p = strstr(status, "\nVmRSS:");
	g_assert_nonnull(p);
	return g_ascii_strtoll(p + strlen("\nVmRSS:"), NULL, 10);
}

static void expect_big_mail(struct pop3 *pop3)
{
	g_autofree char *status =
		g_strdup_printf("+OK %" G_GINT64_FORMAT " octets\r\n",
				big_octets);

	pop3_expect(pop3, status);
	pop3_expect_bytes(pop3, big_wire->str, big_wire->len);
}

static void test_pause(gconstpointer data)
{
	enum pop3_security security = GPOINTER_TO_UINT(data);
	g_autofree char *user = user_with_big_mail();
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, security, user);
	pid_t pid = fixture_session_pid(f, since, user);
	gint64 kilobytes;
	g_autoptr(JsonObject) record = NULL;

	pop3_send(pop3, "RETR 2");
	g_string_free(pop3_multiline(pop3), TRUE);
	kilobytes = process_kilobytes(pid);
	pop3_send(pop3, "RETR 1");
	pop3_send(pop3, "NOOP");
	g_usleep(FILL_USECS);
	/* the server waits, it does not read on */
	g_assert_cmpint(process_kilobytes(pid) - kilobytes, <, 4096);
	expect_big_mail(pop3);
	pop3_expect(pop3, "+OK\r\n");
	pop3_quit(pop3, "Logging out.");

	record = fixture_record(f, since, user);
	record_expect_str(record, "end", "quit");
	g_assert_true(json_object_get_boolean_member(record, "tls") ==
		      (security != POP3_CLEAR));
	record_expect(record, { "retr_count", 2 }, { "commands", 4 },
		      { "errors", 0 });
}

/* --- Half-closed connections --- */

static void test_half_close_in_retr(void)
{
	g_autofree char *user = user_with_big_mail();
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(JsonObject) record = NULL;

	pop3_send(pop3, "DELE 2");
	pop3_send(pop3, "RETR 1");
	pop3_half_close(pop3);
	g_usleep(FILL_USECS);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	expect_big_mail(pop3);
	pop3_expect_eof(pop3);
	pop3_close(pop3);

	/* there was no QUIT */
	record = fixture_record(f, since, user);
	record_expect_str(record, "end", "lost");
	record_expect(record, { "retr_count", 1 }, { "dele_count", 1 },
		      { "expunged_count", 0 });
	expect_messages(user, 2);
}

/* Commands are left to carry out when the client closes its side. */
static void test_half_close_in_pipeline(void)
{
	g_autofree char *user = user_with_big_mail();
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_send(pop3, "RETR 1\r\nNOOP\r\nRETR 1\r\nDELE 2\r\nQUIT");
	pop3_half_close(pop3);
	g_usleep(FILL_USECS);
	expect_big_mail(pop3);
	pop3_expect(pop3, "+OK\r\n");
	expect_big_mail(pop3);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n"
		    "+OK Logging out, messages deleted.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	expect_messages(user, 1);
}

/* --- Many clients --- */

static void test_many(void)
{
	struct pop3 *clients[CLIENTS];
	char *users[CLIENTS];
	g_autofree char *template = user_with_small_mails("maildir", 3);
	g_autoptr(GString) wire =
		pop3_mail_on_wire(small_mail, strlen(small_mail));
	gsize since = fixture_log_size(f);

	for (unsigned int i = 0; i < CLIENTS; i++) {
		users[i] = fixture_user(f, "maildir");
		fixture_user_copy(f, template, f, users[i]);
		clients[i] = pop3_connect(f, i % 4 == 0 ? POP3_STLS :
					  i % 4 == 1 ? POP3_TLS : POP3_CLEAR);
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		pop3_send(clients[i], "USER %s\r\nPASS %s", users[i],
			  FIXTURE_PASSWORD);
	for (unsigned int i = 0; i < CLIENTS; i++)
		pop3_expect(clients[i], "+OK\r\n" LOGGED_IN);
	for (unsigned int i = 0; i < CLIENTS; i++)
		pop3_send(clients[i], "STAT\r\nRETR 2\r\nDELE 2");
	for (unsigned int i = 0; i < CLIENTS; i++) {
		pop3_expect(clients[i], "+OK 3 162\r\n+OK 54 octets\r\n");
		pop3_expect(clients[i], wire->str);
		pop3_expect(clients[i], "+OK Marked to be deleted.\r\n");
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		pop3_send(clients[i], "QUIT");
	for (unsigned int i = 0; i < CLIENTS; i++) {
		g_autoptr(JsonObject) record = NULL;

		pop3_expect(clients[i],
			    "+OK Logging out, messages deleted.\r\n");
		pop3_expect_eof(clients[i]);
		record = fixture_record(f, since, users[i]);
		record_expect_str(record, "end", "quit");
		record_expect(record, { "remote_port", clients[i]->port },
			{ "retr_count", 1 }, { "expunged_count", 1 },
			{ "expunged_bytes", SMALL_BYTES });
		pop3_close(clients[i]);
		g_free(users[i]);
	}
}

/* --- Reload and shutdown --- */

static void test_reload(void)
{
	g_autofree char *user = user_with_big_mail();
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_send(pop3, "RETR 1");
	g_usleep(FILL_USECS);
	fixture_reload(f, NULL);
	expect_messages(user, 2);
	expect_big_mail(pop3);
	pop3_send(pop3, "DELE 2");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
	expect_messages(user, 1);
}

/* The pop3 process is told to end while it sends a message: the client must
   not take the part for the whole. */
static void test_shutdown_in_retr(void)
{
	g_autofree char *user = user_with_big_mail();
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	pid_t pid = fixture_session_pid(f, since, user);
	g_autofree char *killed = g_strdup_printf(
		"pop3\\(%d\\).* Killed with signal 15", (int)pid);
	g_autoptr(GString) received = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) record = NULL;

	pop3_send(pop3, "DELE 2");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_send(pop3, "RETR 1");
	g_string_free(pop3_read_line(pop3, &error), TRUE);
	g_usleep(FILL_USECS);
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	/* read on when it has seen that, not before: it might send the rest */
	g_free(fixture_log_wait(f, since, killed));
	received = pop3_read_to_eof(pop3, &error);
	g_assert_no_error(error);
	pop3_close(pop3);
	g_assert_cmpuint(received->len, <, big_wire->len);
	g_assert_true(memcmp(received->str, big_wire->str,
			     received->len) == 0);
	g_assert_false(g_str_has_suffix(received->str, "\r\n.\r\n"));

	record = fixture_record(f, since, user);
	record_expect_str(record, "end", "shutdown");
	record_expect(record, { "commands", 2 }, { "errors", 1 },
		      { "expunged_count", 0 });
	expect_messages(user, 2);
}

static void test_shutdown_idle(void)
{
	g_autofree char *user = user_with_small_mails("maildir", 2);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	pid_t pid = fixture_session_pid(f, since, user);
	g_autoptr(JsonObject) record = NULL;

	pop3_send(pop3, "DELE 1");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	pop3_expect(pop3, "-ERR [SYS/TEMP] Server shutting down.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);

	record = fixture_record(f, since, user);
	record_expect_str(record, "end", "shutdown");
	record_expect(record, { "dele_count", 1 }, { "expunged_count", 0 });
	expect_messages(user, 2);
}

/* Dovecot is stopped, which leaves its sessions some time: the message is sent
   to its end. */
static void test_stop_in_retr(void)
{
	g_autofree char *user = user_with_big_mail();
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	gsize since = fixture_log_size(f);

	pop3_send(pop3, "RETR 1");
	g_usleep(FILL_USECS);
	fixture_stop_begin(f);
	g_free(fixture_log_wait(f, since, "Killed with signal 15"));
	expect_big_mail(pop3);
	pop3_send(pop3, "DELE 2");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
	fixture_stop(f);
	fixture_start(f);
	expect_messages(user, 1);
}

/* --- The access log --- */

/* What a client may choose cannot forge a record. */
static void test_forged_user(void)
{
	struct fixture_options options = { .config = "auth_username_chars =" };
	struct fixture *any = fixture_new(&options);
	struct pop3 *pop3 = pop3_session(any, POP3_CLEAR,
		"a\",\"end\":\"quit\",\"x\":\"\\\xff\x1b[2;\xc3\xa4");
	g_autofree char *line = NULL;
	g_autoptr(JsonObject) record = NULL;

	pop3_quit(pop3, "Logging out.");
	line = fixture_log_wait(any, 0,
				"Info: \\{.*popinjay_session_finished.*\\}$");
	record = fixture_record_parse(strstr(line, "Info: {") + 6);
	record_expect_str(record, "user",
		"a\",\"end\":\"quit\",\"x\":\"\\\xef\xbf\xbd\x1b[2;\xc3\xa4");
	g_assert_false(json_object_has_member(record, "x"));
	g_assert_true(g_utf8_validate(strstr(line, "Info: {"), -1, NULL));
	fixture_free(any);
}

/* The last error may come late. */
/* --- Dovecot's own events --- */

/* What is logged of each event pop3_command_finished of a session. */
static char **native_events(gboolean stock)
{
	static const char *const commands[] = {
		"STAT", "LIST 1", "RETR 1", "UIDL 7", "dele 1", "NOOP", "FOO x",
		"QUIT"
	};
	const struct fixture_options options = {
		.stock = stock,
		.config = "log_debug = event=pop3_command_finished\n"
	};
	struct fixture *own = fixture_new(&options);
	g_autofree char *user = fixture_user(own, "maildir");
	g_autofree char *log = NULL;
	g_autoptr(GRegex) regex =
		g_regex_new("Debug: (Command finished: .*)", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	GStrvBuilder *events = g_strv_builder_new();
	struct pop3 *pop3;
	char **result;

	fixture_deliver(own, user, small_mail, strlen(small_mail));
	pop3 = pop3_session(own, POP3_CLEAR, user);
	for (unsigned int i = 0; i < G_N_ELEMENTS(commands); i++)
		pop3_send(pop3, "%s", commands[i]);
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
	fixture_stop(own);
	log = fixture_log(own, 0);
	for (g_regex_match(regex, log, 0, &match); g_match_info_matches(match);
	     g_match_info_next(match, NULL)) {
		g_autofree char *event = g_match_info_fetch(match, 1);

		g_strv_builder_add(events, event);
	}
	result = g_strv_builder_end(events);
	g_strv_builder_unref(events);
	g_assert_cmpuint(g_strv_length(result), ==, G_N_ELEMENTS(commands));
	fixture_free(own);
	return result;
}

/* Each command is one event, as it is without us. */
static void test_native_events(void)
{
	g_auto(GStrv) ours = NULL;
	g_auto(GStrv) stock = NULL;

	if (fixture_is_2_3()) {
		g_test_skip("Dovecot 2.3 has no event for a command");
		return;
	}
	ours = native_events(FALSE);
	stock = native_events(TRUE);
	for (unsigned int i = 0; stock[i] != NULL; i++)
		g_assert_cmpstr(ours[i], ==, stock[i]);
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	f = fixture_new(NULL);
	make_big_user();

	for (unsigned int i = 0; i < G_N_ELEMENTS(securities); i++) {
		g_autofree char *pipeline = g_strconcat(
			"/session/pipeline/", securities[i], NULL);
		g_autofree char *pause = g_strconcat(
			"/session/pause/", securities[i], NULL);

		g_test_add_data_func(pipeline, GUINT_TO_POINTER(i),
				     test_pipeline);
		g_test_add_data_func(pause, GUINT_TO_POINTER(i), test_pause);
	}
	g_test_add_func("/session/pipeline/past-pass",
			test_pipeline_past_pass);
	g_test_add_func("/session/half-close/retr", test_half_close_in_retr);
	g_test_add_func("/session/half-close/pipeline",
			test_half_close_in_pipeline);
	g_test_add_func("/session/many", test_many);
	g_test_add_func("/session/reload", test_reload);
	g_test_add_func("/session/shutdown/retr", test_shutdown_in_retr);
	g_test_add_func("/session/shutdown/idle", test_shutdown_idle);
	g_test_add_func("/session/shutdown/stop", test_stop_in_retr);
	g_test_add_func("/session/forged-user", test_forged_user);
	g_test_add_func("/session/native-events", test_native_events);
	g_test_add_func("/stop/session", test_stop);
	ret = g_test_run();

	/* if only some were asked for */
	test_stop();
	g_free(big_user);
	g_string_free(big_wire, TRUE);
	return ret;
}
