/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lines of the access log stay lines: behind one that was cut, when a
   record is sent a second time, from the login process, and from who is no
   process of Dovecot. */

#include "pop3.h"
#include "records.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUT "{\"event\":\"popinjay_session_fini"

static struct fixture *f;
static char *log_path;

static void begin(const char *config)
{
	const struct fixture_options options = { .reaper = TRUE };

	if (f == NULL) {
		f = fixture_new(&options);
		log_path = g_build_filename(f->dir, "access.log", NULL);
	}
	(void)g_unlink(log_path);
	fixture_reload(f, config);
}

static void begin_with_collector(void)
{
	g_autofree char *config = NULL;

	begin(NULL);
	config = collector_config(f, log_path);
	fixture_reload(f, config);
}

/* A session that has one record. */
static void run_session(const char *user)
{
	pop3_quit(pop3_session(f, POP3_CLEAR, user), "Logging out.");
}

/* Wait until the file has a line of that text, and return the file's text. */
static char *wait_for(const char *wanted)
{
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;
	char *text = NULL;

	while (!g_file_get_contents(log_path, &text, NULL, NULL) ||
	       strstr(text, wanted) == NULL) {
		g_clear_pointer(&text, g_free);
		if (g_get_monotonic_time() > end)
			g_error("no %s in the file", wanted);
		g_usleep(20 * 1000);
	}
	return text;
}

/* Returns how many lines have the text in them. */
static unsigned int count_lines(const char *text, const char *wanted)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	unsigned int count = 0;

	for (char **p = lines; *p != NULL; p++)
		count += strstr(*p, wanted) != NULL;
	return count;
}

/* --- A line that was cut --- */

static void write_cut(const char *user)
{
	g_assert_true(g_file_set_contents(log_path, CUT, -1, NULL));
	if (user != NULL)
		fixture_give(f, user, log_path);
}

static void assert_cut_alone(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", 2);

	g_assert_cmpstr(lines[0], ==, CUT);
	g_assert_true(g_str_has_suffix(text, "}\n"));
	g_ptr_array_unref(records_parse(lines[1], NULL));
}

static void test_cut_collector(void)
{
	g_autofree char *user = NULL, *text = NULL;

	begin_with_collector();
	user = fixture_user(f, "maildir");
	write_cut(NULL);
	run_session(user);
	text = wait_for(user);
	assert_cut_alone(text);
}

static void test_cut_file(void)
{
	g_autofree char *config = NULL, *user = NULL, *text = NULL;

	begin(NULL);
	config = g_strdup_printf("%spopinjay_access_log = file:%s\n%s",
				 fixture_is_2_3() ? "plugin {\n" : "",
				 log_path, fixture_is_2_3() ? "}\n" : "");
	fixture_reload(f, config);
	user = fixture_user(f, "maildir");
	write_cut(user);
	run_session(user);
	run_session(user);
	text = wait_for(user);
	assert_cut_alone(text);
}

/* --- The login process --- */

/* In a login process a file is nobody's: its records go to Dovecot's log. */
static void test_login_file(void)
{
	g_autofree char *config = NULL, *user = NULL, *text = NULL;
	g_autofree char *line = NULL;
	gsize since;

	begin(NULL);
	config = g_strdup_printf(fixture_is_2_3() ?
		"protocol pop3 {\n  login_plugins = popinjay_login\n}\n"
		"import_environment = $import_environment "
		"POPINJAY_ACCESS_LOG=file:%1$s\n"
		"plugin {\n  popinjay_access_log = file:%1$s\n}\n" :
		"protocol pop3 {\n  login_plugins {\n"
		"    popinjay_login = yes\n  }\n}\n"
		"popinjay_access_log = file:%1$s\n", log_path);
	user = fixture_user(f, "maildir");
	g_assert_true(g_file_set_contents(log_path, "", 0, NULL));
	fixture_give(f, user, log_path);
	fixture_reload(f, config);
	/* 2.3 looks at import_environment when it starts */
	fixture_stop(f);
	fixture_start(f);
	since = fixture_log_size(f);
	run_session(user);
	line = fixture_log_wait(f, since, "pop3-login: Info: "
				"\\{\"event\":\"popinjay_login_finished\"");
	g_assert_nonnull(strstr(line, user));
	text = wait_for(user);
	g_assert_cmpuint(count_lines(text, "popinjay_session_finished"), ==,
			 1);
	g_assert_cmpuint(count_lines(text, "popinjay_login_finished"), ==, 0);
}

/* --- Sent again --- */

/* Let the next collector be one that is killed when it has written the first
   record, and is about to say so. */
static void begin_killed_collector(const char *flag)
{
	g_autofree char *script = NULL, *config = NULL, *own = NULL;
	g_autofree char *wrapper = g_build_filename(f->dir, "collector", NULL);
	g_auto(GStrv) parts = NULL;

	/* the first answer claims the record */
	script = g_strdup_printf(
		"#!/bin/sh\n"
		"if rm %s 2>/dev/null; then\n"
		"  set -- strace -D -qq -o /dev/null -e trace=sendto"
		" -e inject=sendto:signal=KILL:when=2 %s/popinjay-log %s\n"
		"else\n"
		"  set -- %s/popinjay-log %s\n"
		"fi\n"
		"exec \"$@\"\n", flag, POPINJAY_PROGRAMDIR, log_path,
		POPINJAY_PROGRAMDIR, log_path);
	g_assert_true(g_file_set_contents(wrapper, script, -1, NULL));
	g_assert_cmpint(g_chmod(wrapper, 0755), ==, 0);
	own = g_strdup_printf("%s/popinjay-log %s", POPINJAY_PROGRAMDIR,
			      log_path);
	config = collector_config(f, log_path);
	parts = g_strsplit(config, own, 2);
	g_free(g_steal_pointer(&config));
	config = g_strjoinv(wrapper, parts);
	fixture_reload(f, config);
}

static void test_resent(void)
{
	g_autofree char *flag = NULL, *user = NULL, *text = NULL, *other = NULL;
	gsize since;

	begin(NULL);
	flag = g_build_filename(f->dir, "kill-me", NULL);
	g_assert_true(g_file_set_contents(flag, "", 0, NULL));
	fixture_log_allow(f, "service\\(popinjay-log\\).*killed with signal 9|"
			  "popinjay");
	begin_killed_collector(flag);
	user = fixture_user(f, "maildir");
	other = fixture_user(f, "maildir");
	since = fixture_log_size(f);
	run_session(user);
	g_free(fixture_log_wait(f, since, "service\\(popinjay-log\\).*"
				"killed with signal 9"));
	/* what was sent again is there before what is sent later */
	run_session(other);
	text = wait_for(other);
	g_assert_cmpuint(count_lines(text, user), ==, 1);
}

/* --- Who is no process of Dovecot --- */

/* Runs beside a mail process: an orphan whose parent is the master, as a
   user's own process may be in a container, in a session of its own. */
static const char forger[] =
	"import os, socket, sys, time\n"
	"path, started, done = sys.argv[1:]\n"
	"if os.fork(): os._exit(0)\n"
	"os.setsid()\n"
	"if os.fork(): os._exit(0)\n"
	"time.sleep(0.2)\n"
	"s = socket.socket(socket.AF_UNIX)\n"
	"with open(started, 'w') as f: f.write(str(os.getppid()))\n"
	"s.connect(path)\n"
	"try:\n"
	"  s.sendall(b'VERSION\\tpopinjay-log\\t1\\t0\\nL\\t1\\t"
	"{\"event\":\"popinjay_session_finished\",\"user\":\"forged\"}\\n')\n"
	"  s.settimeout(10)\n"
	"  s.recv(100)\n"
	"except OSError: pass\n"
	"open(done, 'w').close()\n";

static void test_other_session(void)
{
	g_autofree char *config = NULL, *wrapper = NULL, *script = NULL;
	g_autofree char *program = NULL, *started = NULL, *done = NULL;
	g_autofree char *collector = NULL, *user = NULL, *text = NULL;
	g_autofree char *libexec = NULL, *home = NULL, *parent = NULL;
	gsize since;

	begin(NULL);
	libexec = fixture_libexec_dir(f);
	user = fixture_user(f, "maildir");
	home = fixture_home(f, user);
	program = g_build_filename(f->dir, "forger.py", NULL);
	wrapper = g_build_filename(f->dir, "pop3-wrapper", NULL);
	started = g_build_filename(f->dir, "forger-parent", NULL);
	done = g_build_filename(f->dir, "forger-done", NULL);
	g_assert_true(g_file_set_contents(program, forger, -1, NULL));
	script = g_strdup_printf(
		"#!/bin/sh\n"
		"[ -e %s ] || python3 %s %s/run/popinjay-log %s %s\n"
		"exec %s/pop3 \"$@\"\n", started, program, f->dir, started,
		done, libexec);
	g_assert_true(g_file_set_contents(wrapper, script, -1, NULL));
	g_assert_cmpint(g_chmod(wrapper, 0755), ==, 0);
	collector = collector_config(f, log_path);
	config = g_strdup_printf("service pop3 {\n  executable = %s\n}\n%s",
				 wrapper, collector);
	fixture_reload(f, config);
	/* the master does not know these children */
	fixture_log_allow(f, "unknown (PID|child)|Refused records of process");
	since = fixture_log_size(f);
	run_session(user);
	g_free(fixture_log_wait(f, since, "Refused records of process [0-9]+ "
				"of uid [0-9]+: It is not a process of this "
				"Dovecot"));
	/* it had the master as its parent, or this has shown nothing */
	g_assert_true(g_file_get_contents(started, &parent, NULL, NULL));
	g_assert_cmpint(atoi(parent), ==, f->pid);
	run_session(user);
	text = wait_for(user);
	g_assert_null(strstr(text, "forged"));
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
	g_clear_pointer(&log_path, g_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/lines/cut/collector", test_cut_collector);
	g_test_add_func("/lines/cut/file", test_cut_file);
	g_test_add_func("/lines/login-file", test_login_file);
	g_test_add_func("/lines/resent", test_resent);
	g_test_add_func("/lines/other-session", test_other_session);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/lines", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
