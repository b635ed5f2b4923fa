/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The public API used badly, by the probe plugin; Popinjay and its plugins in
   processes that know no POP3. */

#include "pop3.h"
#include "uidl-tool.h"

#include <signal.h>
#include <stdio.h>

#define PLUGIN_DIR POPINJAY_BUILDDIR "/tests/plugin"
#define MAIL "Subject: mail\r\n\r\nRead it.\r\n"

static const char *const modules[] = {
	PLUGIN_DIR "/lib30_popinjay_example_plugin.so",
	PLUGIN_DIR "/lib30_popinjay_probe_plugin.so",
	PLUGIN_DIR "/lib30_popinjay_whoami_plugin.so",
	NULL
};
static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	static const struct fixture_options options = {
		.plugins = "popinjay_example popinjay_probe",
		.modules = modules
	};

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

static char *user_with_mails(struct fixture *f, unsigned int count)
{
	char *user = fixture_user(f, "maildir");

	for (unsigned int i = 0; i < count; i++)
		fixture_deliver(f, user, MAIL, strlen(MAIL));
	return user;
}

/* QUIT, and wait until all is in the log. */
static void end_session(struct fixture *f, gsize since, struct pop3 *pop3)
{
	pop3_quit(pop3, "Logging out.");
	g_free(fixture_log_wait(f, since, "popinjay_session_finished"));
}

/* --- What registration refuses --- */

static const struct {
	const char *what, *message;
} reports[] = {
	{ "native", "The command STAT is Dovecot's or the protocol's own" },
	{ "own", "The command RETR is Dovecot's or the protocol's own" },
	{ "before-login",
	  "The command STLS is Dovecot's or the protocol's own" },
	{ "taken", "The command XECHO is another plugin's" },
	{ "taken-by-name", "The command X-1 is another plugin's" },
	{ "command-twice", "The command X-1 is registered already" },
	{ "lower-case", "'xlow' is no command name: use 3 to 16 characters of "
	  "A-Z, 0-9 and \"-\"" },
	{ "short", "'X1' is no command name: use 3 to 16 characters of "
	  "A-Z, 0-9 and \"-\"" },
	{ "long", "'XABCDEFGHIJKLMNOP' is no command name: use 3 to 16 "
	  "characters of A-Z, 0-9 and \"-\"" },
	{ "empty", "The command has no name" },
	{ "space", "'X A' is no command name: use 3 to 16 characters of "
	  "A-Z, 0-9 and \"-\"" },
	{ "colon", "'X:A' is no command name: use 3 to 16 characters of "
	  "A-Z, 0-9 and \"-\"" },
	{ "8-bit", "'X\xc3\xa9' is no command name: use 3 to 16 characters of "
	  "A-Z, 0-9 and \"-\"" },
	{ "no-name", "The command has no name" },
	{ "no-handler", "The command XNOHANDLER has no handler" },
	{ "arguments", "The command XARGS has a minimum of arguments above "
	  "its maximum" },
	{ "policy-built-in", "The UIDL policy format is Popinjay's own" },
	{ "policy-taken", "The UIDL policy example is another plugin's" },
	{ "policy-twice",
	  "The UIDL policy probe-failing is registered already" },
	{ "policy-empty", "The UIDL policy has no name" },
	{ "policy-no-name", "The UIDL policy has no name" },
	{ "policy-no-get", "The UIDL policy probe-empty has no get function" },
	{ "hook-no-name", "The hook has no name" },
	{ "provider-no-function",
	  "The capability provider probe-empty has no provide function" },
	{ "hook-twice", "The hook probe-before is registered already" },
	{ "provider-twice",
	  "The capability provider probe is registered already" },
	{ "gone", "registered" },
	{ "gone-again", "registered" }
};

static void test_registration(void)
{
	struct fixture *f = get_fixture();
	gsize since = fixture_log_size(f);
	g_autofree char *user = user_with_mails(f, 0);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	unsigned int count = G_N_ELEMENTS(reports);

	pop3_check(pop3, "XNOHANDLER", "-ERR Unknown command: XNOHANDLER");
	pop3_check(pop3, "XGONE", "-ERR Unknown command: XGONE");
	end_session(f, since, pop3);

	for (gsize i = 0; i < G_N_ELEMENTS(reports); i++) {
		g_autofree char *message =
			g_regex_escape_string(reports[i].message, -1);
		g_autofree char *pattern = g_strdup_printf(
			": Info: popinjay_probe: %s: %s$", reports[i].what,
			message);

		if (fixture_log_count(f, since, pattern) != 1)
			g_error("not once in the log: %s: %s",
				reports[i].what, reports[i].message);
	}
	for (unsigned int version = 0; version <= 2; version += 2) {
		static const char *const kinds[] = {
			"command", "hook", "provider", "policy"
		};

		for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
			g_autofree char *pattern = g_strdup_printf(
				": version-%s: The plugin was compiled for "
				"version %u of Popinjay's API, this is "
				"version 1$", kinds[i], version);

			g_assert_cmpuint(
				fixture_log_count(f, since, pattern), ==, 1);
			count++;
		}
	}
	/* nothing else was tried */
	g_assert_cmpuint(fixture_log_count(f, since, "popinjay_probe: "), ==,
			 count);
}

/* --- What the registered commands do --- */

static void test_capability(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 0);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GString) reply = NULL;
	const char *added;

	pop3_send(pop3, "CAPA");
	reply = pop3_multiline(pop3);
	/* a line that is there twice is not repeated, one that would be two,
	   or has no bytes of ASCII, is left out */
	added = strstr(reply->str, "XECHO\r\n");
	g_assert_cmpstr(added, ==, "XECHO\r\nXCOUNT\r\nX-1\r\n"
			"XMESSAGES 0\r\nXPROVIDED\r\n.\r\n");
	pop3_quit(pop3, "Logging out.");
}

static void test_replies(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 0);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autofree char *text = g_strnfill(506, 'x');
	g_autofree char *line = g_strconcat("+OK ", text, NULL);

	pop3_check(pop3, "X-1", "+OK X-1");
	pop3_check(pop3, "XABCDEFGHIJ-0123 1 2 3 4 5", "+OK XABCDEFGHIJ-0123");
	pop3_check(pop3, "XERR used", "-ERR [IN-USE] used");
	pop3_check(pop3, "XERR", "-ERR [IN-USE]");
	pop3_check(pop3, "XBAD", "-ERR no good");
	pop3_check(pop3, "XCRLF", "+OK one  +OK two  .");
	/* RFC 2449: 512 bytes with CRLF */
	pop3_check(pop3, "XLONG", line);
	pop3_quit(pop3, "Logging out.");
}

static void test_session(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 3);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	const struct {
		const char *line, *found;
	} tests[] = {
		{ "XSESSION 1", "none 0" },
		{ "XSESSION 2", "found 2" },
		{ "XSESSION 3", "found 3" },
		{ "XSESSION 4", "none 0" },
		{ "XSESSION 0", "none 0" },
		{ "XSESSION 4294967295", "none 0" }
	};

	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *reply = g_strdup_printf("+OK %s INBOX 3 %s",
			user, tests[i].found);

		pop3_check(pop3, tests[i].line, reply);
	}
	pop3_quit(pop3, "Logging out, messages deleted.");
}

static void test_lines(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 0);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	gsize since = fixture_log_size(f);

	pop3_send(pop3, "XLINES");
	pop3_expect(pop3, "+OK\r\n..\r\n...\r\n..x\r\n\r\na  .  b\r\n"
		    "h\xc3\xa9\x7f\r\n.\r\n");
	end_session(f, since, pop3);
	g_assert_cmpuint(fixture_log_count(f, since, "popinjay_probe: freed"),
			 ==, 1);
}

/* --- Replies that do not come to their end --- */

static void expect_freed(struct fixture *f, gsize since, const char *end)
{
	g_autofree char *line =
		fixture_log_wait(f, since, "popinjay_session_finished");
	g_autofree char *field = g_strdup_printf("\"end\":\"%s\"}", end);

	g_assert_true(g_str_has_suffix(line, field));
	g_assert_cmpuint(fixture_log_count(f, since, "popinjay_probe: freed"),
			 ==, 1);
}

static void test_cut(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 0);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	gsize since = fixture_log_size(f);

	pop3_send(pop3, "XCUT\r\nNOOP");
	pop3_expect(pop3, "+OK not all of it will come\r\n"
		    "part of the reply\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	expect_freed(f, since, "error");
	g_free(fixture_log_wait(f, since, "Info: Disconnected: "
				"A reply could not be completed"));
}

static void test_endless_lost(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 0);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	gsize since = fixture_log_size(f);

	pop3_send(pop3, "XENDLESS");
	pop3_expect(pop3, "+OK\r\nand so on\r\n");
	pop3_close(pop3);
	expect_freed(f, since, "lost");
}

static void test_endless_shutdown(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 0);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	pid_t pid = fixture_session_pid(f, since, user);

	pop3_send(pop3, "XENDLESS");
	pop3_expect(pop3, "+OK\r\nand so on\r\n");
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	expect_freed(f, since, "shutdown");
	pop3_close(pop3);
}

/* --- Hooks --- */

static void test_hooks(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, 1);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	gsize since = fixture_log_size(f);
	static const char *const names[] = {
		"NOOP", "XECHO", "STAT", "RETR", "NOSUCH", "QUIT"
	};

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *coded = g_strconcat(
			names[i], " refuse-with-code", NULL);
		g_autofree char *silent = g_strconcat(
			names[i], " refuse-in-silence", NULL);

		pop3_check(pop3, coded, "-ERR [IN-USE] By the probe.");
		pop3_check(pop3, silent,
			   "-ERR The server refused the command.");
		pop3_check(pop3, "STAT", "+OK 1 27");
	}
	pop3_check(pop3, "XECHO refused", "+OK refused");
	end_session(f, since, pop3);

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *pattern = g_strdup_printf(
			"popinjay_probe: told of a refused %s$", names[i]);

		g_assert_cmpuint(fixture_log_count(f, since, pattern), ==, 2);
	}
	/* a hook behind the one that refuses is not asked: this is the last
	   XECHO */
	g_assert_cmpuint(fixture_log_count(f, since, "asked after"), ==, 1);
}

/* --- A UIDL policy that fails --- */

static void check_no_uidls(struct fixture *f, const char *user,
			   const char *stat, const char *failure)
{
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_check(pop3, "UIDL",
		   "-ERR [SYS/TEMP] The UIDLs can't be listed now.");
	pop3_check(pop3, "UIDL 1",
		   "-ERR [SYS/TEMP] The UIDLs can't be listed now.");
	pop3_check(pop3, "STAT", stat);
	end_session(f, since, pop3);
	g_assert_cmpuint(fixture_log_count(f, since, failure), ==, 2);
}

static void test_failing_policy(void)
{
	static const char *const settings[] = {
		"popinjay_uidl_policy", "probe-failing", NULL
	};
	static const struct fixture_options options = {
		.plugins = "popinjay_example popinjay_probe",
		.modules = modules, .settings = settings
	};
	static const char error[] =
		"popinjay: UIDL of UID 2: The probe has no UIDLs$";
	static const char failure[] = "popinjay: Looking up the UIDLs failed: "
		"The UIDLs of [19] messages couldn't be read$";
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = user_with_mails(f, 9);
	g_autofree char *many_user = user_with_mails(f, 10);
	g_autofree char *all_user = user_with_mails(f, 2);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GString) reply = NULL;
	gsize since;

	/* a few messages are shown all the same, with one line in the log */
	fixture_log_allow(f, error);
	pop3_send(pop3, "UIDL");
	reply = pop3_multiline(pop3);
	g_assert_true(g_regex_match_simple("^\\+OK\\r\\n1 probe-first\\r\\n"
		"(\\d pj-[0-9a-f]{32}\\r\\n){8}\\.\\r\\n$", reply->str,
		G_REGEX_RAW, 0));
	end_session(f, 0, pop3);
	g_assert_cmpuint(fixture_log_count(f, 0, error), ==, 1);

	/* if it is many, something else is wrong, and a client must not take
	   all its mail for new */
	fixture_log_allow(f, failure);
	check_no_uidls(f, many_user, "+OK 10 270", failure);

	/* and so it is with all, be they ever so few */
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, all_user);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	g_free(fixture_log_wait(f, since, "popinjay_session_finished"));
	check_no_uidls(f, all_user, "+OK 1 27", failure);
	fixture_free(f);
}

/* --- The man page --- */

/* Its example is compiled and does what it says. */
static void test_man_example(void)
{
	static const struct fixture_options options = {
		.plugins = "popinjay_whoami", .modules = modules
	};
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = user_with_mails(f, 0);
	g_autofree char *reply = g_strconcat("+OK ", user, NULL);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GString) capabilities = NULL;

	pop3_check(pop3, "XWHOAMI", reply);
	pop3_check(pop3, "XWHOAMI 1", "-ERR Too many arguments.");
	pop3_send(pop3, "CAPA");
	capabilities = pop3_multiline(pop3);
	g_assert_nonnull(strstr(capabilities->str, "\r\nXWHOAMI\r\n"));
	pop3_quit(pop3, "Logging out.");
	fixture_free(f);
}

/* It has every function, struct and outcome of the header. */
static void test_man_names(void)
{
	g_autofree char *header = NULL, *page = NULL;
	g_autoptr(GRegex) regex = g_regex_new(
		"\\b(popinjay_\\w+(?=\\()|struct popinjay_\\w+(?= \\{)|"
		"POPINJAY_OUTCOME_\\w+|POPINJAY_API_\\w+)", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	unsigned int count = 0;

	g_assert_true(g_file_get_contents(
		POPINJAY_SRCDIR "/include/popinjay.h", &header, NULL, NULL));
	g_assert_true(g_file_get_contents(
		POPINJAY_SRCDIR "/doc/popinjay-api.3", &page, NULL, NULL));
	for (g_regex_match(regex, header, 0, &match);
	     g_match_info_matches(match); g_match_info_next(match, NULL)) {
		g_autofree char *name = g_match_info_fetch(match, 1);

		if (strstr(page, name) == NULL)
			g_error("doc/popinjay-api.3 has no %s", name);
		count++;
	}
	g_assert_cmpuint(count, >, 30);
}

/* --- Processes that know no POP3 --- */

static void check_run(struct fixture *f, const char *const *argv,
		      const char *input, const char *out)
{
	g_autoptr(GBytes) bytes = g_bytes_new_static(input, strlen(input));
	GString *got, *err;
	int status = fixture_run(f, argv, bytes, &got, &err);

	if (status != 0 ||
	    g_regex_match_simple(": (Warning|Error|Fatal|Panic): ", err->str,
				 G_REGEX_RAW, 0))
		g_error("%s: status %d, %s", argv[0], status, err->str);
	if (strstr(got->str, out) == NULL)
		g_error("%s: \"%s\", not \"%s\"", argv[0], got->str, out);
	g_string_free(got, TRUE);
	g_string_free(err, TRUE);
}

static void test_other_processes(void)
{
	static const struct fixture_options options = {
		.plugins = "popinjay_example", .modules = modules
	};
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = user_with_mails(f, 1);
	const char *const conf = f->config_file;
	const char *const lda[] = {
		"dovecot-lda", "-c", conf, "-d", user, "-f", "a@example.com",
		NULL
	};
	const char *const status[] = {
		"doveadm", "-c", conf, "mailbox", "status", "-u", user,
		"messages", "INBOX", NULL
	};
	const char *const fetch[] = {
		"doveadm", "-c", conf, "-f", "flow", "fetch", "-u", user,
		"uid pop3.uidl", "mailbox", "INBOX", NULL
	};
	/* the imap process wants a pipe */
	const char *const imap[] = {
		"sh", "-c", "printf '%s\\r\\n' 'a SELECT INBOX' "
		"'b FETCH 2 BODY[TEXT]' 'c LOGOUT' | "
		"doveadm -c \"$0\" exec imap -u \"$1\"", conf, user, NULL
	};
	const char *const expunge[] = {
		"doveadm", "-c", conf, "expunge", "-u", user, "mailbox",
		"INBOX", "uid", "1", NULL
	};
	struct pop3 *pop3;

	check_run(f, status, "", "INBOX messages=1");
	check_run(f, lda, "Subject: by lda\n\nDelivered.\n", "");
	check_run(f, status, "", "INBOX messages=2");
	check_run(f, fetch, "", "uid=1 pop3.uidl=00000001");
	check_run(f, fetch, "", "uid=2 pop3.uidl=00000002");
	check_run(f, imap, "", "Delivered.\r\n)\r\nb OK Fetch completed");
	check_run(f, expunge, "", "");
	check_run(f, status, "", "INBOX messages=1");

	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1");
	g_string_free(pop3_multiline(pop3), TRUE);
	pop3_quit(pop3, "Logging out.");
	fixture_free(f);
}

/* Another process saves UIDLs between the two looks of doveadm at them: what it
   saw first stays as it was. */
static void test_saved_meanwhile(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *config = uidl_tool_setting(f, "popinjay_uidl_policy",
						    "probe-saving");
	g_autofree char *user = NULL, *output = NULL;
	g_auto(GStrv) changed = NULL;

	fixture_reload(f, config);
	user = user_with_mails(f, 3);
	/* memory that is freed must not look as if it were not */
	g_setenv("MALLOC_PERTURB_", "165", TRUE);
	output = uidl_tool(f, NULL, 0, "diff", "-u", user, "-p", "format",
			   "-f", "other.%{uid}", NULL);
	g_unsetenv("MALLOC_PERTURB_");
	changed = uidl_tool_column(output, "changed");
	g_assert_cmpstr(changed[0], ==, "3");
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
	g_test_add_func("/plugins/registration", test_registration);
	g_test_add_func("/plugins/capability", test_capability);
	g_test_add_func("/plugins/replies", test_replies);
	g_test_add_func("/plugins/session", test_session);
	g_test_add_func("/plugins/lines", test_lines);
	g_test_add_func("/plugins/cut", test_cut);
	g_test_add_func("/plugins/endless/lost", test_endless_lost);
	g_test_add_func("/plugins/endless/shutdown", test_endless_shutdown);
	g_test_add_func("/plugins/hooks", test_hooks);
	g_test_add_func("/plugins/failing-policy", test_failing_policy);
	g_test_add_func("/plugins/saved-meanwhile", test_saved_meanwhile);
	g_test_add_func("/plugins/man-page/example", test_man_example);
	g_test_add_func("/plugins/man-page/names", test_man_names);
	g_test_add_func("/plugins/other-processes", test_other_processes);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/plugins", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
