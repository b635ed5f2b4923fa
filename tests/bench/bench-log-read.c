/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long doveadm popinjay log takes over a long log, and how much memory:
   tests/bench/run-log-read. */

#include "fixture.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define USERS 20000

static char *dir;

/* Sessions of 20,000 users with 0 to 5 messages each, in which everything is
   downloaded and deleted: JSON in Dovecot's own log. */
static void write_log(const char *path, unsigned int lines)
{
	static const char *const actions[] = { "dele", "retr", "expunge" };
	FILE *file = fopen(path, "w");
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	unsigned int line = 0;

	g_assert_nonnull(file);
	while (line < lines) {
		unsigned int user = g_rand_int_range(rand, 0, USERS);
		unsigned int messages = g_rand_int_range(rand, 0, 6);
		unsigned int session = line, record = 0;
		/* a week in a million lines */
		guint64 secs = 1709208000 + (guint64)line * 604800 / lines;
		g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(secs);
		g_autofree char *iso = g_date_time_format(time, "%FT%T");
		g_autofree char *day = g_date_time_format(time, "%b %d %T");

		for (unsigned int i = 0; i < messages * 3; i++, line++) {
			unsigned int uid = session + i % messages;

			fprintf(file, "%s pop3(user%u@example.org)<%u>"
				"<S%08x+RgtOF/AAAB>: Info: {\"event\":"
				"\"popinjay_message_finished\",\"time\":"
				"\"%s.%06uZ\",\"session\":\"S%08x+RgtOF/AAAB\""
				",\"record\":%u,\"user\":\"user%u@example.org"
				"\",\"remote_ip\":\"198.51.%u.%u\","
				"\"mechanism\":\"%s\",\"action\":\"%s\",%s"
				"\"msn\":%u,\"uid\":%u,\"guid\":\"1700000123."
				"M%uP2.host\",\"uidl\":\"%08x6553f17b\","
				"\"size\":8500,%s\"message_id\":"
				"\"<a%u@example.org>\"}\n", day, user, line,
				session, iso, i, session, ++record, user,
				user % 100, user % 250,
				user % 3 == 0 ? "APOP" : "PLAIN",
				actions[(i / messages + 1) % 3],
				i / messages == 0 ? "\"complete\":true," : "",
				i % messages + 1, uid, uid, uid,
				i / messages == 0 ? "\"bytes\":8690,"
				"\"duration_usecs\":1520," : "", uid);
		}
		fprintf(file, "%s pop3(user%u@example.org)<%u>"
			"<S%08x+RgtOF/AAAB>: Info: {\"event\":"
			"\"popinjay_session_finished\",\"time\":\"%s.999999Z\""
			",\"session\":\"S%08x+RgtOF/AAAB\",\"record\":%u,"
			"\"user\":\"user%u@example.org\",\"remote_ip\":"
			"\"198.51.%u.%u\",\"remote_port\":57780,\"local_ip\":"
			"\"203.0.113.1\",\"local_port\":995,\"tls\":%s,"
			"\"mechanism\":\"%s\",\"messages\":%u,"
			"\"message_bytes\":1699,\"retr_count\":%u,"
			"\"retr_bytes\":1738,\"top_count\":0,\"top_bytes\":0,"
			"\"list_count\":1,\"list_bytes\":40,\"uidl_count\":1,"
			"\"uidl_bytes\":60,\"dele_count\":%u,\"dele_bytes\":"
			"850,\"expunged_count\":%u,\"expunged_bytes\":850,"
			"\"refetch_count\":%u,\"refetch_bytes\":869,"
			"\"uidl_fingerprint\":\"8c1f0a3b5d7e9012\","
			"\"uidl_fingerprint_left\":\"1b2c3d4e5f607182\","
			"\"bytes_in\":61,\"bytes_out\":1912,\"commands\":7,"
			"\"errors\":0,\"duration_usecs\":812345,\"end\":"
			"\"quit\"}\n", day, user, line, session, iso, session,
			++record, user, user % 100, user % 250,
			user % 7 == 0 ? "false" : "true",
			user % 3 == 0 ? "APOP" : "PLAIN", messages, messages,
			messages, messages, user % 50 == 0 ? 1 : 0);
		line++;
	}
	g_assert_cmpint(fclose(file), ==, 0);
}

static void measure(struct fixture *f, const char *what,
		    const char *const *args)
{
	const char *argv[16] = {
		"time", "-f", "%e s, %M kB", "doveadm", "-c", f->config_file,
		"popinjay", "log"
	};
	g_autoptr(GString) err = NULL;
	unsigned int n = 8;

	while (*args != NULL)
		argv[n++] = *args++;
	if (fixture_run(f, argv, NULL, NULL, &err) != 0)
		g_error("%s: %s", what, err->str);
	printf("%-28s %s", what, err->str);
	fflush(stdout);
}

int main(int argc, char *argv[])
{
	unsigned int lines = argc > 1 ? atoi(argv[1]) : 1000000;
	g_autofree char *log = NULL, *gz = NULL, *page = NULL, *command = NULL;
	const char *const report[] = { "report", NULL, NULL };
	const char *args[6] = { NULL };
	struct fixture *f;
	GStatBuf st;
	int status;

	g_assert_cmpuint(lines, >, 0);
	dir = g_dir_make_tmp("popinjay-bench-XXXXXX", NULL);
	log = g_build_filename(dir, "mail.log", NULL);
	gz = g_strconcat(log, ".gz", NULL);
	page = g_build_filename(dir, "page.html", NULL);
	write_log(log, lines);
	command = g_strdup_printf("gzip -k -1 %s", log);
	g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status,
						NULL));
	g_assert_cmpint(g_stat(log, &st), ==, 0);
	printf("%u lines, %u MB\n", lines,
	       (unsigned int)(st.st_size / 1000000));

	f = fixture_new(NULL);
	memcpy(args, report, sizeof(report));
	args[1] = log;
	measure(f, "report", args);
	args[1] = gz;
	measure(f, "report of a .gz", args);
	args[1] = "--html"; args[2] = page; args[3] = log;
	measure(f, "report --html", args);
	args[0] = "explain"; args[1] = "-u"; args[2] = "user17@example.org";
	args[3] = log;
	measure(f, "explain -u", args);
	fixture_free(f);
	g_unlink(log);
	g_unlink(gz);
	g_unlink(page);
	g_rmdir(dir);
	return 0;
}
