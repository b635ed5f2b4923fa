/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One pop3 process serves many sessions of every kind under a tool that sees
   wrong use of memory: valgrind, or, in a build with --enable-sanitizers, ASan
   and UBSan. Nothing may be reported, and nothing left behind at the end. */

#include "numbered.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXAMPLE_PLUGIN POPINJAY_BUILDDIR \
	"/tests/plugin/lib30_popinjay_example_plugin.so"
#define SUPPRESSIONS POPINJAY_SRCDIR "/tests/memory/valgrind.supp"

#define MAIL_COUNT 6
#define MAIL_BYTES 3000
#define BIG_MAIL_BYTES (8 * 1000 * 1000)

static struct fixture *f;
/* where the tool writes what it finds */
static char *report_dir;
/* a session has been asked for: there must be a report */
static gboolean has_sessions;

/* --- The tool --- */

#ifdef __SANITIZE_ADDRESS__

#define TOOL "sanitizers"

/* This program is built with ASan too, but it is not what is tested. */
const char *__asan_default_options(void)
	__attribute__((visibility("default"), used));

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* The path of a library that this program has. */
static char *library_path(const char *name)
{
	g_autofree char *maps = NULL;
	g_autofree char *pattern = g_strdup_printf("/\\S*/%s\\.so\\S*", name);
	g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;

	g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL,
					  NULL));
	if (!g_regex_match(regex, maps, 0, &match))
		g_error("%s is not in this process", name);
	return g_match_info_fetch(match, 0);
}

/* What the pop3 process needs first. */
static char *sanitizer_libraries(void)
{
	g_autofree char *asan = library_path("libasan");
	g_autofree char *ubsan = library_path("libubsan");

	return g_strconcat(asan, ":", ubsan, NULL);
}

static char *tool_command(void)
{
	g_autofree char *libraries = sanitizer_libraries();

	return g_strdup_printf("/usr/bin/env LD_PRELOAD=%s "
		"ASAN_OPTIONS=log_path=%s/asan:detect_leaks=0:"
		"detect_stack_use_after_return=1:strict_string_checks=1 "
		"UBSAN_OPTIONS=log_path=%s/ubsan:print_stacktrace=1",
		libraries, report_dir, report_dir);
}

/* Only the mail plugin, and what 2.4 needs with it: a program without these
   libraries cannot load modules that are built for them. */
static void tool_choose_modules(void)
{
	static const char script[] = "mkdir \"$1\" && cd \"$0\" && "
		"cp -R lib20_popinjay_plugin.so \"$1\" && "
		"{ [ ! -d settings ] || cp -R settings \"$1\"; }";
	g_autofree char *dir = g_build_filename(report_dir, "modules", NULL);
	const char *const argv[] = {
		"sh", "-c", script, POPINJAY_MODULEDIR, dir, NULL
	};
	int status;

	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
				   G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
				   &status, NULL));
	g_assert_cmpint(status, ==, 0);
	g_setenv("POPINJAY_MODULES", dir, TRUE);
}

static gboolean is_clean(const char *text)
{
	return *text == '\0';
}

#define REPORT_COUNT_MIN 0
/* longer than anything takes that is not idle */
#define IDLE_SECS 5

#else

#define TOOL "valgrind"

static char *tool_command(void)
{
	g_autofree char *valgrind = g_find_program_in_path("valgrind");

	if (valgrind == NULL)
		g_error("valgrind is not installed");
	return g_strdup_printf("%s --log-file=%s/%%p "
		"--suppressions=%s --leak-check=full "
		"--show-leak-kinds=definite,indirect,possible "
		"--errors-for-leak-kinds=definite,indirect,possible "
		"--num-callers=40 --keep-debuginfo=yes --vgdb=no", valgrind,
		report_dir, SUPPRESSIONS);
}

static void tool_choose_modules(void)
{
}

static gboolean is_clean(const char *text)
{
	return strstr(text, "ERROR SUMMARY: 0 errors") != NULL;
}

/* one for the process */
#define REPORT_COUNT_MIN 1
#define IDLE_SECS 12

#endif

static void assert_no_report(void)
{
	g_autoptr(GDir) dir = g_dir_open(report_dir, 0, NULL);
	unsigned int count = 0;
	const char *name;

	g_assert_nonnull(dir);
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(report_dir, name,
							 NULL);
		g_autofree char *text = NULL;

		if (g_file_test(path, G_FILE_TEST_IS_DIR))
			continue;
		g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
		count++;
		if (!is_clean(text)) {
			g_test_message("%s says:\n%s", TOOL, text);
			g_test_fail();
		}
	}
	if (has_sessions)
		g_assert_cmpuint(count, >=, REPORT_COUNT_MIN);
}

/* --- The Dovecot --- */

static char *pop3_program(void)
{
	const char *const argv[] = {
		"doveconf", "-d", "-h", "libexec_dir", NULL
	};
	g_autofree char *out = NULL;

	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
				   G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL,
				   NULL, NULL));
	return g_build_filename(g_strstrip(out), "pop3", NULL);
}

/* An mbox cannot be opened in a process that has several clients. */
static char *make_config(unsigned int client_limit)
{
	gboolean is_2_3 = fixture_is_2_3();
	g_autofree char *program = pop3_program();
	g_autofree char *tool = tool_command();

	return g_strdup_printf(
		/* the tools need much address space */
		"default_vsz_limit = 100T\n"
		"service pop3 {\n"
		"  executable = %s %s\n"
		"  %s\n"
		"  process_limit = 1\n"
		"  client_limit = %u\n"
		"}\n"
		"service popinjay-log {\n"
		"  executable = %s/popinjay-log %s/log/access.log\n"
		"  process_limit = 1\n"
		"  unix_listener popinjay-log {\n"
		"    mode = 0666\n"
		"  }\n"
		"}\n"
		/* modules of a build with sanitizers cannot be loaded there */
		"protocol doveadm {\n"
		"  %s\n"
		"}\n", tool, program, is_2_3 ? "service_count = 0" :
		"restart_request_count = unlimited", client_limit,
		POPINJAY_PROGRAMDIR, report_dir,
		is_2_3 ? "mail_plugins =" : "mail_plugins {\n"
		"    popinjay = no\n    popinjay_example = no\n  }");
}

static void start(void)
{
	static const char *const modules[] = { EXAMPLE_PLUGIN, NULL };
	gboolean is_2_3 = fixture_is_2_3();
	const char *home = is_2_3 ? "%h" : "%{home}";
	g_autofree char *key_file = g_strconcat(home, "/key", NULL);
	g_autofree char *log = g_strdup_printf("log service "
					       "file:%s/access-log", home);
	const char *const settings[] = {
		"popinjay_uidl_format", is_2_3 ? "%%{hmac}" : "%{hmac}",
		"popinjay_uidl_key_file", key_file,
		"popinjay_access_log", log,
		"popinjay_access_log_events", "session message command",
		"popinjay_access_log_headers", "message-id subject",
		"popinjay_reuse_xuidl", "yes",
		"popinjay_idle_timeout", G_STRINGIFY(IDLE_SECS) " secs",
		NULL
	};
	g_autofree char *config = NULL, *log_dir = NULL;
	struct fixture_options options = {
		.plugins = "popinjay_example", .modules = modules,
		.settings = settings
	};

	report_dir = g_dir_make_tmp("popinjay-memory-XXXXXX", NULL);
	g_assert_nonnull(report_dir);
	/* the mail user writes there */
	g_assert_cmpint(chmod(report_dir, 01777), ==, 0);
	log_dir = g_build_filename(report_dir, "log", NULL);
	g_assert_cmpint(mkdir(log_dir, 0700), ==, 0);
	tool_choose_modules();
	config = make_config(10);
	options.config = config;
	f = fixture_new(&options);
	fixture_log_allow(f, "popinjay_uidl_key_file=|Permission denied|"
			  "Cached message size |corrupted|wrong [SW] value|"
			  "popinjay: (RETR|TOP|UIDL of|Looking up the UIDLs)|"
			  "Unexpectedly lost |stats-writer\\) failed|"
			  /* a session that the stop of Dovecot ends */
			  "popinjay_access_log=service: |Unexpected EOF");
}

static char *new_user(const char *storage)
{
	char *user = fixture_user(f, storage);
	g_autofree char *home = fixture_home(f, user);
	g_autofree char *path = g_build_filename(home, "key", NULL);

	has_sessions = TRUE;
	g_assert_true(g_file_set_contents(path, "a key of 22 characters", -1,
					  NULL));
	fixture_give(f, user, path);
	return user;
}

/* --- Sessions --- */

/* Everything a client may say, with several lines in the reply or one. */
static const struct {
	const char *line;
	gboolean multiline;
} commands[] = {
	{ "CAPA", TRUE }, { "STAT", FALSE }, { "LIST", TRUE },
	{ "LIST 1", FALSE }, { "LIST 99", FALSE }, { "UIDL", TRUE },
	{ "UIDL 2", FALSE }, { "UIDL x", FALSE }, { "RETR 1", TRUE },
	{ "RETR 2", TRUE }, { "RETR 0", FALSE }, { "RETR", FALSE },
	{ "TOP 1 0", TRUE }, { "TOP 1 5", TRUE }, { "TOP 2 100000", TRUE },
	{ "TOP 1", FALSE }, { "TOP 1 x", FALSE },
	{ "TOP 1 99999999999999999999", FALSE }, { "DELE 3", FALSE },
	{ "DELE 3", FALSE }, { "RETR 3", FALSE }, { "UIDL 3", FALSE },
	{ "RSET", FALSE }, { "NOOP", FALSE }, { "LAST", FALSE },
	{ "noop", FALSE }, { "FOO:BAR", FALSE }, { "FOO", FALSE },
	{ "", FALSE }, { " ", FALSE }, { "NO\tOP", FALSE },
	{ "RETR 18446744073709551616", FALSE }, { "LIST -1", FALSE },
	{ "XECHO a b", FALSE }, { "XECHO", FALSE }, { "XCOUNT 3", TRUE },
	{ "XCOUNT 20000", TRUE }, { "XCOUNT 0", FALSE }, { "DELE 1", FALSE },
	{ "LIST", TRUE }, { "UIDL", TRUE }
};

static void run_commands(struct pop3 *pop3, gboolean pipelined)
{
	for (unsigned int i = 0; pipelined && i < G_N_ELEMENTS(commands); i++)
		pop3_send(pop3, "%s", commands[i].line);
	for (unsigned int i = 0; i < G_N_ELEMENTS(commands); i++) {
		g_autoptr(GString) reply = NULL;

		if (!pipelined)
			pop3_send(pop3, "%s", commands[i].line);
		reply = commands[i].multiline ? pop3_multiline(pop3) :
			pop3_read_line(pop3, NULL);
		g_assert_nonnull(reply);
		g_assert_true(reply->str[0] ==
			      (commands[i].multiline ? '+' : reply->str[0]));
	}
}

static void deliver_odd_mails(const char *user)
{
	static const char *const mails[] = {
		"X-UIDL: double\n\nOne.\n", "X-UIDL: double\n\nTwo.\n",
		"X-UIDL: with space\n\n.\n..\n\n.x\r\n\r\r\n", "\n", "x",
		"Subject: no body", "X-UIDL: h\xc3\xa9\nX-UIDL: second\n\n\n"
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(mails); i++)
		fixture_deliver(f, user, mails[i], strlen(mails[i]));
}

static void test_commands(gconstpointer storage)
{
	g_autofree char *user = new_user(storage);
	enum pop3_security security = POP3_CLEAR;

	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	deliver_odd_mails(user);
	for (unsigned int i = 0; i < 4; i++) {
		struct pop3 *pop3 = pop3_session(f, security, user);

		run_commands(pop3, i >= 2);
		pop3_quit(pop3, "Logging out, messages deleted.");
		security = i == 0 ? POP3_TLS : POP3_CLEAR;
	}
}

static void test_mbox(void)
{
	g_autofree char *config = make_config(1);

	fixture_reload(f, config);
	test_commands("mbox");
}

static void test_bad_lines(void)
{
	g_autofree char *user = new_user("maildir");
	g_autofree char *too_long = g_strnfill(100000, 'x');
	static const char nul[] = "NO\0OP\r\nSTAT\r\n";
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	g_assert_true(pop3_send_bytes(pop3, nul, sizeof(nul) - 1, NULL));
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	pop3_expect(pop3, "+OK 0 0\r\n");
	(void)pop3_send_bytes(pop3, too_long, strlen(too_long), NULL);
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);

	pop3 = pop3_session(f, POP3_CLEAR, user);
	for (unsigned int i = 0; i < 25; i++)
		pop3_send(pop3, "BAD");
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
}

/* Messages that do not fit into any buffer, to clients that read them late,
   not at all, or have nothing more to say. */
static void test_big(void)
{
	g_autofree char *user = new_user("maildir");
	struct pop3 *pop3[5];
	int buffer_size = 64 * 1024;
	gsize since = fixture_log_size(f);
	g_autoptr(GString) reply = NULL;

	numbered_deliver(f, user, 1, 1, BIG_MAIL_BYTES);
	for (unsigned int i = 0; i < G_N_ELEMENTS(pop3); i++) {
		pop3[i] = pop3_connect(f, POP3_CLEAR);
		(void)setsockopt(pop3[i]->fd, SOL_SOCKET, SO_RCVBUF,
				 &buffer_size, sizeof(buffer_size));
		pop3_login(pop3[i], user);
		pop3_send(pop3[i], i % 2 == 0 ? "UIDL\r\nRETR 1\r\nQUIT" :
			  "TOP 1 1000000\r\nXCOUNT 10\r\nDELE 1\r\nQUIT");
		while (pop3[i]->input->len < 1000)
			g_assert_true(pop3_receive(pop3[i], NULL));
	}
	pop3_half_close(pop3[1]);
	pop3_close(pop3[2]);
	/* the last one, which waited least: the others never read */
	reply = pop3_read_to_eof(pop3[4], NULL);
	g_assert_true(g_str_has_suffix(reply->str,
				       "\r\n.\r\n+OK Logging out.\r\n"));
	g_free(fixture_log_wait(f, since, "\"end\":\"lost\""));
	while (fixture_log_count(f, since, "\"end\":\"timeout\"") < 3)
		g_usleep(50 * 1000);
	for (unsigned int i = 0; i < G_N_ELEMENTS(pop3); i++) {
		if (i != 2)
			pop3_close(pop3[i]);
	}
}

static void test_silent(void)
{
	g_autofree char *user = new_user("maildir");
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_expect(pop3, "-ERR Disconnected for inactivity.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
}

static void test_refused(void)
{
	/* it has no key */
	g_autofree char *user = fixture_user(f, "maildir");

	for (unsigned int i = 0; i < 3; i++) {
		struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);
		g_autoptr(GString) reply = NULL;

		pop3_send(pop3, "USER %s\r\nPASS %s\r\nSTAT\r\nQUIT", user,
			  FIXTURE_PASSWORD);
		reply = pop3_read_to_eof(pop3, NULL);
		g_assert_nonnull(reply);
		g_assert_true(g_str_has_prefix(reply->str,
					       "+OK\r\n-ERR [SYS/PERM] "));
		pop3_close(pop3);
	}
}

static void test_damaged(gconstpointer storage)
{
	g_autofree char *user = new_user(storage);
	g_autofree char *path = NULL;
	struct pop3 *pop3;
	struct stat st;

	numbered_deliver(f, user, 1, 3, MAIL_BYTES);
	g_array_unref(numbered_read(f, user, MAIL_BYTES));
	path = numbered_find_file(f, user, 3);
	g_assert_cmpint(stat(path, &st), ==, 0);

	/* unreadable, then gone for the session that runs */
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "NOOP");
	pop3_expect(pop3, "+OK\r\n");
	g_assert_cmpint(chmod(path, 0), ==, 0);
	pop3_send(pop3, "RETR 3\r\nTOP 3 1\r\nDELE 3\r\nUIDL\r\nQUIT");
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
	g_assert_cmpint(chmod(path, 0600), ==, 0);

	g_assert_cmpint(truncate(path, st.st_size - MAIL_BYTES / 2), ==, 0);
	for (unsigned int i = 0; i < 2; i++) {
		pop3 = pop3_session(f, POP3_CLEAR, user);
		pop3_send(pop3, "%s 3 1000\r\nRETR 3\r\nDELE 3\r\nQUIT",
			  i == 0 ? "TOP" : "RETR");
		g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
		pop3_close(pop3);
	}

	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "NOOP");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	(void)unlink(path);
	pop3_send(pop3, "RETR 3\r\nRETR 3\r\nUIDL\r\nDELE 1\r\nQUIT");
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
}

/* The process ends in the middle of things. */
static void test_end(void)
{
	g_autofree char *user = new_user("maildir");
	g_autofree char *config = make_config(10);
	struct pop3 *retr, *idle;

	fixture_reload(f, config);
	numbered_deliver(f, user, 1, 1, BIG_MAIL_BYTES);
	idle = pop3_session(f, POP3_CLEAR, user);
	pop3_send(idle, "UIDL\r\nDELE 1");
	g_string_free(pop3_multiline(idle), TRUE);
	retr = pop3_session(f, POP3_CLEAR, user);
	pop3_send(retr, "RETR 1");
	g_assert_true(pop3_receive(retr, NULL));
	fixture_stop(f);
	pop3_close(retr);
	pop3_close(idle);
	assert_no_report();
}

static void test_stop(void)
{
	const char *const argv[] = { "rm", "-rf", "--", report_dir, NULL };

	if (f == NULL)
		return;
	g_clear_pointer(&f, fixture_free);
	assert_no_report();
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
				   G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
				   NULL, NULL));
}

static void add_storage_test(const char *name, const char *storage,
			     GTestDataFunc func)
{
	g_autofree char *path = g_strdup_printf("/" TOOL "/%s/%s", name,
						storage);

	g_test_add_data_func(path, storage, func);
}

int main(int argc, char *argv[])
{
	static const char *const storages[] = { "maildir", "sdbox", "mdbox" };
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(storages); i++) {
		add_storage_test("commands", storages[i], test_commands);
		add_storage_test("damaged", storages[i], test_damaged);
	}
	g_test_add_func("/" TOOL "/refused", test_refused);
	g_test_add_func("/" TOOL "/bad-lines", test_bad_lines);
	g_test_add_func("/" TOOL "/big", test_big);
	g_test_add_func("/" TOOL "/silent", test_silent);
	/* last, since suites of their own: they stop Dovecot */
	g_test_add_func("/mbox/" TOOL, test_mbox);
	g_test_add_func("/end/" TOOL, test_end);
	g_test_add_func("/stop/" TOOL, test_stop);
	start();
	ret = g_test_run();
	test_stop();
	return ret;
}
