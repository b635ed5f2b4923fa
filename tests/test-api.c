/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The public API, used by the example plugin in a real Dovecot: commands,
   hooks, capabilities, UIDL policies. */

#include "pop3.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define EXAMPLE_PLUGIN POPINJAY_BUILDDIR \
	"/tests/plugin/lib30_popinjay_example_plugin.so"

#define FREE_MAIL "Subject: free\r\n\r\nTake it.\r\n"
#define KEPT "-ERR [SYS/PERM] Message 2 has to be kept."
#define KEPT_MAIL "Subject: kept\r\nX-Keep: yes\r\n\r\nLeave it.\r\n"

static const char *const modules[] = { EXAMPLE_PLUGIN, NULL };

static struct fixture *the_fixture, *policy_fixture;

static struct fixture *get_fixture(void)
{
	static const struct fixture_options options = {
		.plugins = "popinjay_example", .modules = modules
	};

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

static void deliver_text(struct fixture *f, const char *user, const char *mail)
{
	fixture_deliver(f, user, mail, strlen(mail));
}

/* --- Commands --- */

static void test_command(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_check(pop3, "XECHO hello world", "+OK hello world");
	pop3_check(pop3, "xecho a  b", "+OK a  b");
	pop3_check(pop3, "XECHO %s %n", "+OK %s %n");
	pop3_check(pop3, "XECHO h\xc3\xa9", "+OK h\xc3\xa9");
	pop3_send(pop3, "XCOUNT 3\r\nXECHO behind it");
	pop3_expect(pop3, "+OK 3 lines\r\nline 1 of 3\r\nline 2 of 3\r\n"
		    "line 3 of 3\r\n.\r\n+OK behind it\r\n");
	pop3_quit(pop3, "Logging out.");
}

static void test_arguments(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_check(pop3, "XECHO", "-ERR Missing arguments.");
	pop3_check(pop3, "XECHO  ", "-ERR Missing arguments.");
	pop3_check(pop3, "XECHO 1", "+OK 1");
	pop3_check(pop3, "XECHO 1 2 3", "+OK 1 2 3");
	pop3_check(pop3, "XECHO 1 2 3 4", "-ERR Too many arguments.");
	pop3_check(pop3, "XCOUNT 1 2", "-ERR Too many arguments.");
	pop3_check(pop3, "XCOUNT one", "-ERR Not a number.");
	pop3_check(pop3, "XCOUNT 0", "-ERR There is nothing to count.");
	pop3_check(pop3, "XECHOO 1", "-ERR Unknown command: XECHOO");
	pop3_quit(pop3, "Logging out.");
}

/* Bad commands end the session, those that only could not be done do not. */
static void test_bad_commands(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	struct pop3 *pop3;

	deliver_text(f, user, KEPT_MAIL);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	for (unsigned int i = 0; i < 25; i++) {
		pop3_check(pop3, "XCOUNT 0", "-ERR There is nothing to count.");
		pop3_check(pop3, "DELE 1",
		    "-ERR [SYS/PERM] Message 1 has to be kept.");
	}
	for (unsigned int i = 0; i < 20; i++)
		pop3_check(pop3, "XECHO", "-ERR Missing arguments.");
	pop3_check(pop3, "XECHO good", "+OK good");
	for (unsigned int i = 0; i < 21; i++)
		pop3_check(pop3, "XECHO", "-ERR Missing arguments.");
	pop3_expect(pop3, "-ERR Too many bad commands.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
}

/* --- Capabilities --- */

/* How often is the line in a reply? */
static unsigned int count_lines(const GString *reply, const char *line)
{
	g_auto(GStrv) lines = g_strsplit(reply->str, "\r\n", -1);
	unsigned int count = 0;

	for (char **p = lines; *p != NULL; p++)
		count += strcmp(*p, line) == 0 ? 1 : 0;
	return count;
}

static void test_capability(void)
{
	struct fixture *f = get_fixture();

	for (unsigned int messages = 0; messages < 3; messages++) {
		g_autofree char *user = fixture_user(f, "maildir");
		g_autofree char *line = g_strdup_printf("XMESSAGES %u",
							messages);
		g_autoptr(GString) reply = NULL;
		struct pop3 *pop3;

		for (unsigned int i = 0; i < messages; i++)
			deliver_text(f, user, FREE_MAIL);
		pop3 = pop3_session(f, POP3_CLEAR, user);
		pop3_send(pop3, "CAPA");
		reply = pop3_multiline(pop3);
		g_assert_cmpuint(count_lines(reply, "XECHO"), ==, 1);
		g_assert_cmpuint(count_lines(reply, "XCOUNT"), ==, 1);
		g_assert_cmpuint(count_lines(reply, line), ==, 1);
		g_assert_cmpuint(count_lines(reply, "TOP"), ==, 1);
		pop3_quit(pop3, "Logging out.");
	}
}

/* --- The hook that refuses --- */

static void test_hook_refuses(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, storage);
	struct pop3 *pop3;

	deliver_text(f, user, FREE_MAIL);
	deliver_text(f, user, KEPT_MAIL);
	deliver_text(f, user, FREE_MAIL);

	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_check(pop3, "DELE 2", KEPT);
	pop3_check(pop3, "dele  2", KEPT);
	/* what the hook leaves to the command */
	pop3_check(pop3, "DELE 1", "-ERR Message is deleted.");
	pop3_check(pop3, "DELE 4", "-ERR There's no message 4.");
	pop3_check(pop3, "DELE 2x", "-ERR Noise after message number: x");
	/* nobody gets around the hook by adding what Dovecot ignores */
	pop3_check(pop3, "DELE 2 ", KEPT);
	pop3_check(pop3, "DELE 02", KEPT);
	pop3_quit(pop3, "Logging out, messages deleted.");

	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1");
	pop3_expect(pop3, "+OK 41 octets\r\n" KEPT_MAIL ".\r\n");
	pop3_send(pop3, "RETR 2");
	pop3_expect(pop3, "+OK 27 octets\r\n" FREE_MAIL ".\r\n");
	pop3_check(pop3, "RETR 3", "-ERR There's no message 3.");
	pop3_quit(pop3, "Logging out.");
}

/* --- The hook that is told how commands ended --- */

struct exchange {
	const char *line;
	gsize line_size;
	gboolean multiline;
	/* as the hook sees it */
	const char *name, *outcome;
};

#define EXCHANGE(line, multiline, name, outcome) \
	{ line, sizeof(line) - 1, multiline, name, outcome }

/* The mailbox: FREE_MAIL, KEPT_MAIL. */
static const struct exchange exchanges[] = {
	EXCHANGE("NOOP\r\n", FALSE, "NOOP", "ok"),
	EXCHANGE("noop\n", FALSE, "NOOP", "ok"),
	EXCHANGE("STAT  \r\n", FALSE, "STAT", "ok"),
	EXCHANGE("LIST\r\n", TRUE, "LIST", "ok"),
	EXCHANGE("LIST 1\r\n", FALSE, "LIST", "ok"),
	EXCHANGE("LIST 9\r\n", FALSE, "LIST", "bad"),
	EXCHANGE("UIDL\r\n", TRUE, "UIDL", "ok"),
	EXCHANGE("UIDL 2\r\n", FALSE, "UIDL", "ok"),
	EXCHANGE("RETR 1\r\n", TRUE, "RETR", "ok"),
	EXCHANGE("TOP 1 0\r\n", TRUE, "TOP", "ok"),
	EXCHANGE("CAPA\r\n", TRUE, "CAPA", "ok"),
	EXCHANGE("XCOUNT 20000\r\n", TRUE, "XCOUNT", "ok"),
	EXCHANGE("XCOUNT 0\r\n", FALSE, "XCOUNT", "err"),
	EXCHANGE("XECHO a b\r\n", FALSE, "XECHO", "ok"),
	EXCHANGE("XECHO\r\n", FALSE, "XECHO", "bad"),
	EXCHANGE("DELE 2\r\n", FALSE, "DELE", "refused"),
	EXCHANGE("DELE 1\r\n", FALSE, "DELE", "ok"),
	EXCHANGE("RETR 1\r\n", FALSE, "RETR", "bad"),
	EXCHANGE("RSET\r\n", FALSE, "RSET", "ok"),
	EXCHANGE("nosuch a\r\n", FALSE, "NOSUCH", "bad"),
	EXCHANGE("FOO:BAR\r\n", FALSE, "FOO:BAR", "bad"),
	EXCHANGE("NO\0OP\r\n", FALSE, "", "bad"),
	EXCHANGE("LIST\t1\r\n", FALSE, "", "bad"),
	EXCHANGE("\r\n", FALSE, "", "bad"),
	EXCHANGE("\n", FALSE, "", "bad"),
	EXCHANGE("QUIT\r\n", FALSE, "QUIT", "ok")
};

struct logged {
	char *name, *outcome;
	guint64 bytes_in, bytes_out, usecs;
};

static void logged_free(gpointer data)
{
	struct logged *logged = data;

	g_free(logged->name);
	g_free(logged->outcome);
	g_free(logged);
}

/* What the hook logged since the mark, to the end of one session. */
static GPtrArray *read_logged(struct fixture *f, gsize since)
{
	g_autofree char *end =
		fixture_log_wait(f, since, "popinjay_session_finished");
	g_autofree char *log = fixture_log(f, since);
	g_autoptr(GRegex) regex = g_regex_new(
		"popinjay_example: '(.*)' (\\w+): (\\d+) bytes in, "
		"(\\d+) bytes out, (\\d+) usecs$",
		G_REGEX_MULTILINE | G_REGEX_RAW, 0, NULL);
	GPtrArray *all = g_ptr_array_new_with_free_func(logged_free);
	g_autoptr(GMatchInfo) match = NULL;

	for (g_regex_match(regex, log, 0, &match); g_match_info_matches(match);
	     g_match_info_next(match, NULL)) {
		struct logged *logged = g_new0(struct logged, 1);
		guint64 *const numbers[] = {
			&logged->bytes_in, &logged->bytes_out, &logged->usecs
		};

		logged->name = g_match_info_fetch(match, 1);
		logged->outcome = g_match_info_fetch(match, 2);
		for (unsigned int i = 0; i < G_N_ELEMENTS(numbers); i++) {
			g_autofree char *text =
				g_match_info_fetch(match, 3 + (int)i);

			*numbers[i] = g_ascii_strtoull(text, NULL, 10);
		}
		g_ptr_array_add(all, logged);
	}
	return all;
}

static void send_exchange(struct pop3 *pop3, const struct exchange *exchange)
{
	g_assert_true(pop3_send_bytes(pop3, exchange->line,
				      exchange->line_size, NULL));
}

static gsize read_reply(struct pop3 *pop3, const struct exchange *exchange)
{
	g_autoptr(GString) reply = exchange->multiline ?
		pop3_multiline(pop3) : pop3_read_line(pop3, NULL);

	g_assert_nonnull(reply);
	return reply->len;
}

static void test_hook_after(gconstpointer pipelined)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	gsize since, received[G_N_ELEMENTS(exchanges)];
	gint64 start, elapsed;
	g_autoptr(GPtrArray) all = NULL;
	struct pop3 *pop3;

	deliver_text(f, user, FREE_MAIL);
	deliver_text(f, user, KEPT_MAIL);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	since = fixture_log_size(f);
	start = g_get_monotonic_time();
	if (pipelined != NULL) {
		for (gsize i = 0; i < G_N_ELEMENTS(exchanges); i++)
			send_exchange(pop3, &exchanges[i]);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(exchanges); i++) {
		if (pipelined == NULL)
			send_exchange(pop3, &exchanges[i]);
		received[i] = read_reply(pop3, &exchanges[i]);
	}
	pop3_expect_eof(pop3);
	elapsed = g_get_monotonic_time() - start;
	pop3_close(pop3);

	all = read_logged(f, since);
	g_assert_cmpuint(all->len, ==, G_N_ELEMENTS(exchanges));
	for (gsize i = 0; i < all->len; i++) {
		const struct logged *logged = g_ptr_array_index(all, i);

		g_assert_cmpstr(logged->name, ==, exchanges[i].name);
		g_assert_cmpstr(logged->outcome, ==, exchanges[i].outcome);
		g_assert_cmpuint(logged->bytes_in, ==, exchanges[i].line_size);
		g_assert_cmpuint(logged->bytes_out, ==, received[i]);
		elapsed -= (gint64)logged->usecs;
	}
	/* all commands together took no longer than we waited */
	g_assert_cmpint(elapsed, >=, 0);
}

/* --- A long reply to a slow reader --- */

#define LONG_LINES 500000
#define LONG_MIN_BYTES (10 * 1000 * 1000)

static GString *count_reply(unsigned int lines)
{
	GString *reply = g_string_sized_new(lines * 24);

	g_string_append_printf(reply, "+OK %u lines\r\n", lines);
	for (unsigned int i = 1; i <= lines; i++) {
		g_string_append_printf(reply, "line %u of %u\r\n", i, lines);
	}
	g_string_append(reply, ".\r\n");
	return reply;
}

/* How much memory the process has had at most. */
static guint64 peak_kbytes(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *status = NULL;
	const char *value;

	g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
	value = strstr(status, "VmHWM:");
	g_assert_nonnull(value);
	return g_ascii_strtoull(value + strlen("VmHWM:"), NULL, 10);
}

static void test_slow_reader(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	g_autoptr(GString) want = count_reply(LONG_LINES);
	g_autoptr(GPtrArray) all = NULL;
	const struct logged *logged;
	gsize since = fixture_log_size(f);
	int buffer_size = 64 * 1024;
	guint64 kbytes;
	gint64 start;
	pid_t pid;
	struct pop3 *pop3;

	g_assert_cmpuint(want->len, >=, LONG_MIN_BYTES);
	pop3 = pop3_connect(f, POP3_CLEAR);
	setsockopt(pop3->fd, SOL_SOCKET, SO_RCVBUF, &buffer_size,
		   sizeof(buffer_size));
	pop3_login(pop3, user);
	pid = fixture_session_pid(f, since, user);
	pop3_check(pop3, "XECHO ready", "+OK ready");
	kbytes = peak_kbytes(pid);

	start = g_get_monotonic_time();
	/* the second command waits for the first */
	pop3_send(pop3, "XCOUNT %u\r\nXECHO done", LONG_LINES);
	g_usleep(500 * 1000);
	while (pop3->input->len < want->len) {
		g_assert_true(pop3_receive(pop3, NULL));
		g_assert_false(pop3->eof);
		g_usleep(200);
	}
	pop3_expect_bytes(pop3, want->str, want->len);
	pop3_expect(pop3, "+OK done\r\n");
	start = g_get_monotonic_time() - start;
	/* what is not read is not made either */
	g_assert_cmpuint(peak_kbytes(pid), <, kbytes + 1024);
	pop3_quit(pop3, "Logging out.");

	all = read_logged(f, since);
	g_assert_cmpuint(all->len, ==, 4);
	logged = g_ptr_array_index(all, 1);
	g_assert_cmpstr(logged->name, ==, "XCOUNT");
	g_assert_cmpstr(logged->outcome, ==, "ok");
	g_assert_cmpuint(logged->bytes_out, ==, want->len);
	g_assert_cmpuint(logged->usecs, >=, 500 * 1000);
	g_assert_cmpint((gint64)logged->usecs, <=, start);
}

/* A client that goes away in the middle of the reply. */
static void test_lost_reader(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	g_autoptr(GPtrArray) all = NULL;
	const struct logged *logged;
	gsize since;
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	since = fixture_log_size(f);
	pop3_send(pop3, "XCOUNT %u", LONG_LINES);
	pop3_expect(pop3, "+OK 500000 lines\r\nline 1 of 500000\r\n");
	pop3_close(pop3);

	all = read_logged(f, since);
	g_assert_cmpuint(all->len, ==, 1);
	logged = g_ptr_array_index(all, 0);
	g_assert_cmpstr(logged->name, ==, "XCOUNT");
	g_assert_cmpstr(logged->outcome, ==, "cut");
	g_assert_cmpuint(logged->bytes_out, <, LONG_MIN_BYTES);
}

/* --- The UIDL policy --- */

#define ID_70 "0123456789012345678901234567890123456789012345678901234567" \
	"@example.com"

struct uidl_case {
	const char *header;
	/* NULL: one that Popinjay makes */
	const char *uidl;
};

static const struct uidl_case uidl_cases[] = {
	{ "Message-ID: <one@example.com>\r\n", "one@example.com" },
	{ "Subject: none\r\n", NULL },
	{ "Message-ID: bare@example.com\r\n", "bare@example.com" },
	{ "Message-ID: <twice@example.com>\r\n", NULL },
	{ "Message-ID: <twice@example.com>\r\n", NULL },
	{ "Message-ID: <with space@example.com>\r\n", NULL },
	{ "Message-ID: <h\xc3\xa9@example.com>\r\n", NULL },
	{ "Message-ID: <" ID_70 ">\r\n", ID_70 },
	{ "Message-ID: <x" ID_70 ">\r\n", NULL },
	{ "Message-ID:\r\n", NULL },
	{ "Message-ID: <>\r\n", "<>" }
};

/* What the UIDL command shows, a line each. */
static char **ask_uidls(struct fixture *f, const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GString) reply = NULL;
	char **lines;

	pop3_send(pop3, "UIDL");
	reply = pop3_multiline(pop3);
	pop3_quit(pop3, "Logging out.");
	lines = g_strsplit(reply->str, "\r\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==,
			 G_N_ELEMENTS(uidl_cases) + 3);
	return lines;
}

static void test_uidl_policy(gconstpointer storage)
{
	static const char *const settings[] = {
		"popinjay_uidl_policy", "example", NULL
	};
	static const struct fixture_options options = {
		.plugins = "popinjay_example", .modules = modules,
		.settings = settings
	};
	struct fixture *f;
	g_autofree char *user = NULL;
	g_auto(GStrv) lines = NULL;
	g_auto(GStrv) again = NULL;
	g_autoptr(GString) fetched = g_string_new(NULL);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	GString *out;

	if (policy_fixture == NULL)
		policy_fixture = fixture_new(&options);
	f = policy_fixture;
	user = fixture_user(f, storage);
	for (gsize i = 0; i < G_N_ELEMENTS(uidl_cases); i++) {
		g_autofree char *mail = g_strdup_printf(
			"From: a@example.com\r\n%s\r\nMail %u\r\n",
			uidl_cases[i].header, (unsigned int)i);

		deliver_text(f, user, mail);
	}
	lines = ask_uidls(f, user);
	again = ask_uidls(f, user);
	for (gsize i = 0; i < G_N_ELEMENTS(uidl_cases); i++) {
		const char *uidl = strchr(lines[i + 1], ' ');

		g_assert_nonnull(uidl);
		uidl++;
		g_assert_cmpuint(strtoul(lines[i + 1], NULL, 10), ==, i + 1);
		if (uidl_cases[i].uidl != NULL)
			g_assert_cmpstr(uidl, ==, uidl_cases[i].uidl);
		else {
			g_assert_true(g_regex_match_simple(
				"^pj-[0-9a-f]{32}$", uidl, 0, 0));
		}
		g_assert_true(g_hash_table_add(seen, (char *)uidl));
		g_assert_cmpstr(again[i + 1], ==, lines[i + 1]);
		g_string_append_printf(fetched, "pop3.uidl: %s\n", uidl);
	}

	/* doveadm sees the same */
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "fetch", "-u",
		user, "pop3.uidl", "mailbox", "INBOX", NULL), ==, 0);
	g_string_replace(out, "\f\n", "", 0);
	g_assert_cmpstr(out->str, ==, fetched->str);
	g_string_free(out, TRUE);
}

/* --- All --- */

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
	g_clear_pointer(&policy_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api/command", test_command);
	g_test_add_func("/api/arguments", test_arguments);
	g_test_add_func("/api/bad-commands", test_bad_commands);
	g_test_add_func("/api/capability", test_capability);
	fixture_add_storage_tests("/api/hook-refuses", test_hook_refuses);
	g_test_add_data_func("/api/hook-after/one-by-one", NULL,
			     test_hook_after);
	g_test_add_data_func("/api/hook-after/pipelined", "",
			     test_hook_after);
	g_test_add_func("/api/slow-reader", test_slow_reader);
	g_test_add_func("/api/lost-reader", test_lost_reader);
	fixture_add_storage_tests("/api/uidl-policy", test_uidl_policy);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/api", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
