/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay log: explain and report, of real sessions and of logs made
   up. */

#include "access-record.h"
#include "pop3.h"
#include "records.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define MAIL "Message-ID: <%s@example.org>\r\nSubject: mail\r\n\r\nRead it.\r\n"


/* of 2024-02-29, alice's */
#define MESSAGE(time, number, action, rest) \
	"{\"event\":\"popinjay_message_finished\"," \
	"\"time\":\"2024-02-29T" time "Z\",\"session\":\"s\"," \
	"\"record\":" #number ",\"user\":\"alice\"," \
	"\"remote_ip\":\"198.51.100.7\",\"mechanism\":\"APOP\"," \
	"\"secret_id\":\"k3f9\",\"secret_label\":\"office printer\"," \
	"\"action\":\"" action "\"," rest "\"uid\":1,\"guid\":\"g1\"," \
	"\"uidl\":\"u1\",\"size\":850,\"message_id\":\"<a@example.org>\"}\n"
#define RETR MESSAGE("13:59:00", 1, "retr", "\"complete\":true,\"bytes\":9,")
#define EXPUNGE MESSAGE("14:02:00", 2, "expunge", "")
#define SESSION(time, user, rest) \
	"{\"event\":\"popinjay_session_finished\"," \
	"\"time\":\"" time "Z\",\"user\":\"" user "\"," \
	"\"remote_ip\":\"198.51.100.7\",\"tls\":false," \
	"\"mechanism\":\"PLAIN\",\"messages\":3,\"retr_count\":2," \
	"\"bytes_out\":5000" rest ",\"end\":\"quit\"}\n"

/* for the cases that only read files */
static struct fixture *reader;
static char *dir;

static char *dir_file(const char *name)
{
	return g_build_filename(dir, name, NULL);
}

static char *dir_write(const char *name, const char *text)
{
	char *path = dir_file(name);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	return path;
}

/* A user whose mails 1 and 2 are downloaded in one session, and 1 is deleted in
   the next. */
static char *run_sessions(struct fixture *f)
{
	char *user = fixture_user(f, "maildir");
	g_autofree char *first = g_strdup_printf(MAIL, "first");
	g_autofree char *second = g_strdup_printf(MAIL, "second");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3;

	fixture_deliver(f, user, first, strlen(first));
	fixture_deliver(f, user, second, strlen(second));
	pop3 = pop3_session(f, POP3_CLEAR, user);
	g_free(pop3_ask(pop3, "RETR 1"));
	pop3_close(pop3);
	/* the order of the records is that of the sessions */
	json_object_unref(fixture_record(f, since, user));
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	json_object_unref(fixture_record(f, since, user));
	return user;
}

static void assert_has(const char *text, const char *regex)
{
	if (!g_regex_match_simple(regex, text, G_REGEX_MULTILINE, 0))
		g_error("no %s in: %s", regex, text);
}

static void assert_has_not(const char *text, const char *regex)
{
	if (g_regex_match_simple(regex, text, G_REGEX_MULTILINE, 0))
		g_error("%s in: %s", regex, text);
}

/* The log is found in the settings: Dovecot's own. */
static void test_real_sessions(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *user = run_sessions(f);
	g_autoptr(GString) out = NULL, report = NULL;

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"log", "explain", "-u", user, "-s",
					"1h", NULL), ==, 0);
	/* only with records of single messages it could tell when */
	assert_has(out->str, "^\\w{3} \\d\\d:\\d\\d 1 message deleted by "
		   "127\\.0\\.0\\.1 \\(PLAIN\\), after it was downloaded\n"
		   " +- <first@example\\.org>, \\d+ bytes$");
	assert_has(out->str, "^\\w{3} \\d\\d:\\d\\d 1 message downloaded by "
		   "127\\.0\\.0\\.1");
	g_assert_true(strstr(out->str, "deleted") <
		      strstr(out->str, "downloaded by"));
	assert_has(out->str, "^The log begins on ");

	g_assert_cmpint(fixture_doveadm(f, NULL, &report, NULL, "popinjay",
					"log", "report", "--since", "today",
					NULL), ==, 0);
	assert_has(report->str, "^sessions +2$");
	assert_has(report->str, "^messages downloaded +1$");
	assert_has(report->str, "^messages deleted +1$");
	assert_has(report->str, "^sessions not ended by QUIT +1$");
	assert_has(report->str, user);
	fixture_free(f);
}

/* The service's file, with settings that only pop3 has. */
static void test_file_of_service(void)
{
	g_autofree char *path = dir_file("service.log");
	struct fixture *f = fixture_new(NULL);
	gboolean is_2_3 = fixture_is_2_3();
	g_autofree char *service = collector_config(f, path);
	g_autofree char *config = g_strdup_printf("%s%s"
		"popinjay_access_log = none\n"
		"%sprotocol pop3 {\n%spopinjay_access_log = service\n%s}\n",
		service, is_2_3 ? "plugin {\n" : "", is_2_3 ? "}\n" : "",
		is_2_3 ? "plugin {\n" : "", is_2_3 ? "}\n" : "");
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *no_service = NULL;
	g_autoptr(GString) out = NULL, err = NULL;
	struct pop3 *pop3;

	fixture_deliver(f, user, "\n\nText\n", 7);
	fixture_reload(f, config);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	g_ptr_array_unref(records_in_file(path, 3));
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"log", "explain", "-u", user, NULL),
			==, 0);
	assert_has(out->str, " 1 message deleted by 127\\.0\\.0\\.1 "
		   "\\(PLAIN\\); no POP3 client had completely downloaded it$");

	no_service = g_strdup_printf("%spopinjay_access_log = service\n%s",
				     is_2_3 ? "plugin {\n" : "",
				     is_2_3 ? "}\n" : "");
	fixture_reload(f, no_service);
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, &err, "popinjay",
					"log", "explain", "-u", user, NULL),
			==, EX_NOINPUT);
	assert_has(err->str, "popinjay_access_log=service names no file to "
		   "read; the service popinjay-log has none either .*: name "
		   "the log files$");
	fixture_free(f);
}

/* The file that the setting names, and what logrotate made of it. */
static void test_file_of_settings(void)
{
	g_autofree char *sink = g_strdup_printf("file:%s/access.log", dir);
	const char *const settings[] = { "popinjay_access_log", sink, NULL };
	const struct fixture_options options = { .settings = settings };
	struct fixture *f = fixture_new(&options);
	g_autofree char *path = dir_write("access.log.1", RETR);
	g_autofree char *log = dir_write("access.log", EXPUNGE);
	g_autofree char *gzip = g_strdup_printf("gzip %s", path);
	g_autoptr(GString) out = NULL;
	int status;

	g_assert_true(g_spawn_command_line_sync(gzip, NULL, NULL, &status,
						NULL));
	g_assert_cmpint(status, ==, 0);
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"log", "explain", "-u", "alice",
					"--uidl", "u1", NULL), ==, 0);
	g_assert_cmpstr(out->str, ==,
		"29 Feb 2024 14:02 deleted by 'office printer' (APOP, "
		"198.51.100.7), 3 min after it was downloaded\n"
		"29 Feb 2024 13:59 downloaded by 'office printer' (APOP, "
		"198.51.100.7), 850 bytes\n"
		"\n"
		"The log begins on Thu 29 Feb 2024 at 13:59.\n");
	fixture_free(f);
}

/* The name is hashed as the log's are. */
static void test_anonymized(void)
{
	g_autofree char *key = dir_write("log.key", "0123456789abcdef0123");
	const char *const settings[] = {
		"popinjay_access_log_anonymize", "user=hash",
		"popinjay_access_log_key_file", key, NULL
	};
	const struct fixture_options options = { .settings = settings };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *mail = g_strdup_printf(MAIL, "first");
	g_autoptr(GString) out = NULL;
	struct pop3 *pop3;

	/* the mail user's process reads it, too */
	g_assert_cmpint(g_chmod(key, 0644), ==, 0);
	fixture_deliver(f, user, mail, strlen(mail));
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	g_free(fixture_log_wait(f, 0, "\"user\":\"hmac:.*\"end\":\"quit\""));
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"log", "explain", "-u", user, NULL),
			==, 0);
	assert_has(out->str, "^\\w{3} \\d\\d:\\d\\d 1 message deleted by "
		   "127\\.0\\.0\\.1");
	fixture_free(f);
}

/* doveadm popinjay log ... of the file that text is written to. */
#define read_log(text, out, ...) \
	G_STMT_START { \
		g_autofree char *read_path = dir_write("read.log", text); \
		g_assert_cmpint(fixture_doveadm(reader, NULL, out, NULL, \
			__VA_ARGS__, read_path, NULL), ==, 0); \
	} G_STMT_END

static void test_message_id(void)
{
	g_autoptr(GString) out = NULL, other = NULL;

	read_log(RETR EXPUNGE, &out, "popinjay", "log", "explain", "-u",
		 "alice", "--message-id", "<a@example.org>");
	assert_has(out->str, "^29 Feb 2024 14:02 deleted by 'office printer'");
	/* as people copy it */
	read_log(RETR EXPUNGE, &other, "popinjay", "log", "explain", "-u",
		 "alice", "--message-id", "a@example.org");
	g_assert_cmpstr(other->str, ==, out->str);
}

static void test_formatters(void)
{
	g_autoptr(GString) out = NULL;
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonArray *rows;
	JsonObject *row;

	read_log(RETR EXPUNGE, &out, "-f", "json", "popinjay", "log",
		 "explain", "-u", "alice");
	g_assert_true(json_parser_load_from_data(parser, out->str, -1, NULL));
	rows = json_node_get_array(json_parser_get_root(parser));
	g_assert_cmpuint(json_array_get_length(rows), ==, 2);
	row = json_array_get_object_element(rows, 0);
	record_expect_str(row, "time", "2024-02-29T14:02:00.000000Z");
	record_expect_str(row, "action", "deleted");
	record_expect_str(row, "uid", "1");
	record_expect_str(row, "uidl", "u1");
	record_expect_str(row, "message-id", "<a@example.org>");
	record_expect_str(row, "label", "office printer");
	record_expect_str(row, "mechanism", "APOP");
	record_expect_str(row, "address", "198.51.100.7");
	record_expect_str(row, "session", "s");
}

static void test_report_json(void)
{
	g_autoptr(GString) out = NULL;
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonArray *rows;
	gboolean seen = FALSE;

	read_log(SESSION("2024-02-29T14:02:00", "bob", "")
		 SESSION("2024-02-29T14:03:00", "bob", ""), &out, "-f",
		 "json", "popinjay", "log", "report");
	g_assert_true(json_parser_load_from_data(parser, out->str, -1, NULL));
	rows = json_node_get_array(json_parser_get_root(parser));
	for (guint i = 0; i < json_array_get_length(rows); i++) {
		JsonObject *row = json_array_get_object_element(rows, i);

		if (strcmp(json_object_get_string_member(row, "section"),
			   "no-tls") != 0)
			continue;
		seen = TRUE;
		record_expect_str(row, "name", "bob");
		record_expect_str(row, "address", "198.51.100.7");
		record_expect_str(row, "detail", "PLAIN");
		/* numbers, not strings */
		record_expect(row, { "sessions", 2 }, { "count", 2 },
			      { "bytes", 0 });
	}
	g_assert_true(seen);
}

static void test_times(void)
{
	static const char log[] =
		SESSION("2024-02-28T14:02:00", "bob", "")
		SESSION("2024-02-29T14:02:00", "carol", "")
		SESSION("2024-03-01T00:00:00", "dave", "");
	g_autoptr(GString) out = NULL, told = NULL;

	read_log(log, &out, "popinjay", "log", "report", "--since",
		 "2024-02-29T00:00:00Z", "--until", "2024-03-01T00:00:00Z");
	assert_has(out->str, "^POP3 on .* since .* until .*$");
	assert_has(out->str, "^sessions +1$");
	assert_has(out->str, "^carol ");
	assert_has_not(out->str, "^(bob|dave) ");
	read_log(RETR EXPUNGE, &told, "popinjay", "log", "explain", "-u",
		 "alice", "--until", "2024-02-29T14:00:00Z");
	assert_has(told->str, " downloaded by ");
	assert_has_not(told->str, " deleted by ");
}

static void test_stdin(void)
{
	g_autoptr(GBytes) input = g_bytes_new_static(RETR EXPUNGE,
						     strlen(RETR EXPUNGE));
	g_autoptr(GString) out = NULL;

	g_assert_cmpint(fixture_doveadm(reader, input, &out, NULL, "popinjay",
					"log", "explain", "-u", "alice", "-",
					NULL), ==, 0);
	assert_has(out->str, "^29 Feb 2024 14:02 1 message deleted by "
		   "'office printer' \\(APOP, 198\\.51\\.100\\.7\\), 3 min "
		   "after it was downloaded$");
}

static char *make_fifo(const char *name)
{
	char *path = dir_file(name);

	g_assert_cmpint(mkfifo(path, 0600), ==, 0);
	return path;
}

/* Named pipes, as a shell's <(xz -dc ...) is one: they are opened and written
   to when it pleases their writers, first the second, in small pieces, and
   what comes is perhaps compressed. */
static void test_fifos(void)
{
	g_autofree char *log_1 = dir_write("fifo-1.log", RETR);
	g_autofree char *log_2 = dir_write("fifo-2.log", EXPUNGE);
	g_autofree char *fifo_1 = make_fifo("fifo-1");
	g_autofree char *fifo_2 = make_fifo("fifo-2");
	g_autofree char *command = g_strdup_printf(
		"{ { gzip -c '%s' | { head -c 1; sleep 0.1; cat; }; } >'%s'\n"
		"  { cut -c 1 '%s' | tr -d '\\n'; sleep 0.1\n"
		"    cut -c 2- '%s'; } >'%s'; } &\n"
		"exec doveadm -c '%s' popinjay log explain -u alice '%s' '%s'",
		log_2, fifo_2, log_1, log_1, fifo_1, reader->config_file,
		fifo_1, fifo_2);
	const char *const argv[] = { "sh", "-c", command, NULL };
	g_autoptr(GString) out = NULL, err = NULL;

	if (fixture_run(reader, argv, NULL, &out, &err) != 0)
		g_error("%s", err->str);
	assert_has(out->str, "^29 Feb 2024 14:02 1 message deleted by "
		   "'office printer' \\(APOP, 198\\.51\\.100\\.7\\), 3 min "
		   "after it was downloaded$");
}

/* On a terminal it says how far it has come. The pipe is there to make it take
   its time: it comes between the two records of the file. */
static void test_progress(void)
{
	enum { RECORDS = 2000, TIMES = 4 };
	g_autofree char *log = dir_write("progress.log",
		SESSION("2024-02-29T14:02:00", "bob", "")
		SESSION("2024-02-29T16:02:00", "bob", ""));
	g_autofree char *fifo = make_fifo("progress");
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *many = NULL, *command = NULL, *shown = NULL;

	for (unsigned int i = 0; i < RECORDS; i++) {
		g_string_append(text, SESSION("2024-02-29T15:02:00", "bob",
					      ""));
	}
	many = dir_write("many.log", text->str);
	/* more than a pipe takes at once, so the times are doveadm's, too */
	command = g_strdup_printf(
		"for i in $(seq %u); do cat '%s'; sleep 0.15; done >'%s' &\n"
		"exec doveadm -c '%s' popinjay log report '%s' '%s'", TIMES,
		many, fifo, reader->config_file, log, fifo);
	shown = fixture_run_on_terminal(reader, command);
	assert_has(shown, "\r\\[#{20} {20}\\]  50% of \\d+ bytes\033\\[K");
	assert_has(shown, "\r\033\\[KPOP3 on ");
	assert_has(shown, "^sessions +8002\r?$");
}

/* What is wrong is said, and the exit status is sysexits'. */
static void test_errors(void)
{
	g_autofree char *empty = dir_write("empty.log", "");
	g_autofree char *missing = dir_file("missing.log");
	const struct {
		const char *args[4];
		int status;
		const char *error;
	} errors[] = {
		{ { "explain", empty }, EX_USAGE, "-u <user>" },
		{ { "explain", "-u", "alice", missing }, EX_NOINPUT,
		  "missing.log" },
		{ { "explain", "-u", "alice", empty }, EX_NOHOST, NULL },
		{ { "report", "-s", "soon", empty }, EX_USAGE,
		  "'soon' is not a valid time: use a time such as 7d" },
		{ { "report", "-e", "soon", empty }, EX_USAGE,
		  "--until: 'soon' is not a valid time" },
		{ { "report", "-s", "2099-01-01", empty }, EX_USAGE,
		  "is in the future" },
		{ { "report", "--top", "0", empty }, EX_USAGE, "--top" },
		{ { "report", "--html", "/nosuch/page.html", empty },
		  EX_CANTCREAT, "/nosuch/page.html" },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(errors); i++) {
		g_autoptr(GString) out = NULL, err = NULL;
		const char *const *args = errors[i].args;

		g_assert_cmpint(fixture_doveadm(reader, NULL, &out, &err,
			"popinjay", "log", args[0], args[1], args[2],
			args[2] == NULL ? NULL : args[3], NULL), ==,
			errors[i].status);
		if (errors[i].error != NULL)
			g_assert_nonnull(strstr(err->str, errors[i].error));
	}
}

/* A file for each user: that of the one who was asked for is read. */
static void test_user_files(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *sinks = g_build_filename(f->dir, "logs", NULL);
	g_autofree char *lines = g_strdup_printf(fixture_is_2_3() ?
		"plugin {\n  popinjay_access_log = file:%s/%%u.log\n}\n" :
		"popinjay_access_log = file:%s/%%{user}.log\n", sinks);
	g_autoptr(GString) out = NULL, none = NULL, mask = NULL;

	g_assert_cmpint(g_mkdir(sinks, 0700), ==, 0);
	fixture_give(f, user, sinks);
	fixture_reload(f, lines);
	pop3_quit(pop3_session(f, POP3_CLEAR, user), "Logging out.");
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay", "log",
					"explain", "-u", user, NULL), ==, 0);
	assert_has(out->str, "mail checked by 127.0.0.1");
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, &none, "popinjay",
					"log", "report", NULL), ==,
			EX_NOINPUT);
	assert_has(none->str, "%\\S+ has a file for each user: name the log "
		   "files");
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, &mask, "popinjay", "log",
					"explain", "-u", "*", NULL), ==,
			EX_NOINPUT);
	assert_has(mask->str, "cannot find out the file of user \\* \\(");
	fixture_free(f);
}

/* A log that ends in the middle of a compressed file: what there is, and an
   error. */
static void test_damaged(void)
{
	g_autofree char *path = dir_file("damaged.log.gz");
	g_autofree char *log = dir_write("whole.log", RETR);
	g_autoptr(GString) out = NULL, err = NULL;

	g_assert_true(g_file_set_contents(path, "\x1f\x8b\x08\0\0\0\0\0\0\3x",
					  11, NULL));
	g_assert_cmpint(fixture_doveadm(reader, NULL, &out, &err, "popinjay",
					"log", "explain", "-u", "alice", log,
					path, NULL), ==, EX_IOERR);
	assert_has(out->str, "1 message downloaded");
	g_assert_nonnull(strstr(err->str, path));
}

static void test_page(void)
{
	g_autofree char *path = dir_file("page.html");
	g_autofree char *page = NULL;
	g_autoptr(GString) out = NULL;
	const char *data;
	struct stat st;

	read_log(SESSION("2024-02-29T14:02:00",
			 "</script><img src=x onerror=alert(1)>&\\\"'", ""),
		 &out, "popinjay", "log", "report", "--html", path);
	g_assert_cmpstr(out->str, ==, "");
	g_assert_cmpint(g_stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
	g_assert_true(g_str_has_prefix(page, "<!DOCTYPE html>\n"));
	g_assert_true(g_str_has_suffix(page, "</html>\n"));
	g_assert_null(strstr(page, "<img"));
	g_assert_nonnull(strstr(page, "\">&lt;/script&gt;&lt;img src=x "
		"onerror=alert(1)&gt;&amp;&quot;&#39;</td>"));
	data = strstr(page, "id=\"data\">");
	g_assert_nonnull(data);
	g_assert_nonnull(strstr(data, "\"\\u003c/script\\u003e\\u003cimg "
		"src=x onerror=alert(1)\\u003e\\u0026\\u0022\\u0027\""));
	/* nothing is asked for from anywhere */
	g_assert_nonnull(strstr(page, "default-src 'none'"));
	assert_has_not(page, "(src|href) *= *[\"']?(https?:|//)");
	g_assert_null(strstr(page, "sourceMappingURL"));
}

/* A link, or a device, is written to and not replaced. */
static void test_page_link(void)
{
	g_autofree char *path = dir_write("page-target.html", "old");
	g_autofree char *link = dir_file("page-link.html");
	g_autofree char *page = NULL;

	g_assert_cmpint(symlink(path, link), ==, 0);
	read_log(SESSION("2024-02-29T14:02:00", "bob", ""), NULL, "popinjay",
		 "log", "report", "--html", link);
	g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
	g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
	g_assert_true(g_str_has_prefix(page, "<!DOCTYPE html>\n"));
	g_assert_true(g_str_has_suffix(page, "</html>\n"));
}

/* A standard output that does not wait is waited for; the page is larger than
   a pipe. */
static void test_page_nonblocking(void)
{
	static const char program[] =
		"import fcntl, os, struct, subprocess, sys, termios, time\n"
		"r, w = os.pipe()\n"
		"os.set_blocking(w, False)\n"
		"p = subprocess.Popen(sys.argv[1:], stdout=w)\n"
		"os.close(w)\n"
		"F_GETPIPE_SZ = 1032\n"
		"def is_full():\n"
		"    count = fcntl.ioctl(r, termios.FIONREAD, bytes(4))\n"
		"    return struct.unpack('i', count)[0] == \\\n"
		"        fcntl.fcntl(r, F_GETPIPE_SZ)\n"
		"while p.poll() is None and not is_full():\n"
		"    time.sleep(0.01)\n"
		"sys.stdout.buffer.write(open(r, 'rb').read())\n"
		"sys.exit(p.wait())\n";
	g_autofree char *log = dir_write("page.log",
		SESSION("2024-02-29T14:02:00", "bob", ""));
	const char *const argv[] = {
		"python3", "-c", program, "doveadm", "-c", reader->config_file,
		"popinjay", "log", "report", "--html", "-", log, NULL
	};
	g_autoptr(GString) out = NULL, err = NULL;

	if (fixture_run(reader, argv, NULL, &out, &err) != 0)
		g_error("%s", err->str);
	g_assert_true(g_str_has_prefix(out->str, "<!DOCTYPE html>\n"));
	g_assert_true(g_str_has_suffix(out->str, "</html>\n"));
}

int main(int argc, char *argv[])
{
	g_autofree char *rm = NULL;
	int ret, status;

	/* what people read is in local time */
	g_setenv("TZ", "UTC0", TRUE);
	g_test_init(&argc, &argv, NULL);
	dir = g_dir_make_tmp("popinjay-log-XXXXXX", NULL);
	g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
	reader = fixture_new(NULL);
#define ADD(name, func) g_test_add_func("/log-commands/" name, func)
	ADD("real-sessions", test_real_sessions);
	ADD("file-of-settings", test_file_of_settings);
	ADD("file-of-service", test_file_of_service);
	ADD("user-files", test_user_files);
	ADD("anonymized", test_anonymized);
	ADD("message-id", test_message_id);
	ADD("formatters", test_formatters);
	ADD("report-json", test_report_json);
	ADD("since", test_times);
	ADD("stdin", test_stdin);
	ADD("fifos", test_fifos);
	ADD("progress", test_progress);
	ADD("errors", test_errors);
	ADD("damaged", test_damaged);
	ADD("page", test_page);
	ADD("page-link", test_page_link);
	ADD("page-nonblocking", test_page_nonblocking);
	ret = g_test_run();
	fixture_free(reader);
	rm = g_strdup_printf("rm -r %s", dir);
	g_assert_true(g_spawn_command_line_sync(rm, NULL, NULL, &status,
						NULL));
	g_assert_cmpint(status, ==, 0);
	return ret;
}
