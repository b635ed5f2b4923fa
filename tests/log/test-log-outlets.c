/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where records go beside files: Dovecot's metrics, and the system's logger,
   which is a real rsyslogd with the configuration of doc/. */

#include "pop3.h"
#include "record-schema.h"
#include "records.h"

#include <gio/gio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAIL "Message-ID: <m@example.com>\r\n\r\nText.\r\n"
#define MARKED "+OK Marked to be deleted."

static struct fixture *f;

static char *replace(const char *text, const char *from, const char *to)
{
	g_auto(GStrv) parts = g_strsplit(text, from, -1);

	g_assert_cmpuint(g_strv_length(parts), >, 1);
	return g_strjoinv(to, parts);
}

/* Fetches one message and deletes it. */
static void run_session(const char *user)
{
	struct pop3 *pop3;

	fixture_deliver(f, user, MAIL, strlen(MAIL));
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1");
	g_string_free(pop3_multiline(pop3), TRUE);
	pop3_check(pop3, "DELE 1", MARKED);
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* --- metrics --- */

static guint16 free_port(void)
{
	g_autoptr(GSocketListener) listener = g_socket_listener_new();
	guint16 port = g_socket_listener_add_any_inet_port(listener, NULL,
							   NULL);

	g_socket_listener_close(listener);
	return port;
}

static char *get_metrics(guint16 port)
{
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/metrics",
					       port);
	const char *const argv[] = { "curl", "-sS", url, NULL };
	GString *out, *err;

	if (fixture_run(f, argv, NULL, &out, &err) != 0)
		g_error("%s", err->str);
	g_string_free(err, TRUE);
	return g_string_free(out, FALSE);
}

/* Wait until the metric has the value. */
static void
expect_metric(guint16 port, const char *name, const char *value)
{
	g_autofree char *line = g_strdup_printf("\n%s %s\n", name, value);
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;

	for (;;) {
		g_autofree char *text = get_metrics(port);

		if (strstr(text, line) != NULL)
			return;
		if (g_get_monotonic_time() > end)
			g_error("no %s %s in: %s", name, value, text);
		g_usleep(100 * 1000);
	}
}

/* Each query of the dashboard is about a metric that there is. */
static void check_dashboard(const char *metrics)
{
	g_autofree char *text =
		fixture_read_source("doc/grafana-dashboard.json");
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonArray *panels;

	g_assert_true(json_parser_load_from_data(parser, text, -1, NULL));
	panels = json_object_get_array_member(json_node_get_object(
		json_parser_get_root(parser)), "panels");
	g_assert_cmpuint(json_array_get_length(panels), >, 3);
	for (guint i = 0; i < json_array_get_length(panels); i++) {
		JsonObject *target = json_array_get_object_element(
			json_object_get_array_member(
				json_array_get_object_element(panels, i),
				"targets"), 0);
		const char *query = json_object_get_string_member(target,
								  "expr");
		g_autoptr(GRegex) regex = g_regex_new(
			"(dovecot_\\w+)_total(?:\\{(\\w+))?", 0, 0, NULL);
		g_autoptr(GMatchInfo) match = NULL;

		g_assert_true(g_regex_match(regex, query, 0, &match));
		do {
			g_autofree char *name = g_match_info_fetch(match, 1);
			g_autofree char *label = g_match_info_fetch(match, 2);
			g_autofree char *pattern = g_strdup_printf(
				"^%s_(total|count)", name);
			g_autofree char *labelled = g_strdup_printf(
				"^%s_total\\{.*\\b%s=\"", name, label);

			g_test_message("%s %s", name, label);
			g_assert_true(g_regex_match_simple(pattern, metrics,
				G_REGEX_MULTILINE, 0));
			if (label != NULL && *label != '\0' &&
			    strstr(name, "_cut") == NULL)
				g_assert_true(g_regex_match_simple(labelled,
					metrics, G_REGEX_MULTILINE, 0));
		} while (g_match_info_next(match, NULL));
	}
}

static void test_metrics(void)
{
	g_autofree char *example = fixture_read_source(fixture_is_2_3() ?
		"doc/metrics-2.3.conf.ext" : "doc/metrics-2.4.conf.ext");
	guint16 port = free_port();
	g_autofree char *port_line = g_strdup_printf("port = %u", port);
	g_autofree char *metrics = replace(example, "port = 9900", port_line);
	g_autofree char *config = g_strconcat(metrics, fixture_is_2_3() ?
		"protocol pop3 {\n  login_plugins = popinjay_login\n}\n" :
		"protocol pop3 {\n  login_plugins {\n"
		"    popinjay_login = yes\n  }\n}\n", NULL);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *text = NULL;
	g_autoptr(GString) dump = NULL, err = NULL;
	struct pop3 *pop3;

	fixture_reload(f, config);
	run_session(user);
	run_session(user);
	/* and one that is lost after it has fetched again */
	fixture_deliver(f, user, MAIL, strlen(MAIL));
	pop3 = pop3_session(f, POP3_TLS, user);
	for (unsigned int i = 0; i < 2; i++) {
		pop3_send(pop3, "RETR 1");
		g_string_free(pop3_multiline(pop3), TRUE);
	}
	pop3_close(pop3);

	expect_metric(port, "dovecot_popinjay_sessions_total"
		      "{end=\"quit\",tls=\"0\"}", "2");
	expect_metric(port, "dovecot_popinjay_sessions_total"
		      "{end=\"lost\",tls=\"1\"}", "1");
	expect_metric(port, "dovecot_popinjay_messages_total"
		      "{action=\"retr\"}", "4");
	expect_metric(port, "dovecot_popinjay_messages_total"
		      "{action=\"expunge\"}", "2");
	expect_metric(port, "dovecot_popinjay_refetching_total", "1");
	expect_metric(port, "dovecot_popinjay_logins_total"
		      "{result=\"accepted\",tls=\"1\",mechanism=\"PLAIN\"}",
		      "1");
	text = get_metrics(port);
	check_dashboard(text);

	if (fixture_doveadm(f, NULL, &dump, &err, "-f", "tab", "stats", "dump",
			    "-f", "count sum", NULL) != 0)
		g_error("%s", err->str);
	if (strstr(dump->str, "\npopinjay_refetching\trefetch_count\t1\t1\n")
	    == NULL)
		g_error("not refetched once in: %s", dump->str);
}

/* --- rsyslog --- */

static void test_rsyslog(void)
{
	g_autofree char *example = fixture_read_source("doc/rsyslog.conf.ext");
	g_autofree char *log_path = g_build_filename(f->dir, "syslog.log",
						     NULL);
	g_autofree char *socket_path = g_build_filename(f->dir, "dev-log",
							NULL);
	g_autofree char *conf_path = g_build_filename(f->dir, "rsyslog.conf",
						      NULL);
	g_autofree char *rules = replace(example, "/var/log/popinjay.log",
					 log_path);
	g_autofree char *conf = g_strdup_printf(
		"global(workDirectory=\"%s\" maxMessageSize=\"16k\")\n"
		"module(load=\"imuxsock\" SysSock.Use=\"off\")\n"
		"input(type=\"imuxsock\" Socket=\"%s\" "
		"RateLimit.Interval=\"0\")\n%s", f->dir, socket_path, rules);
	g_autofree char *config = g_strdup_printf(
		"%spopinjay_access_log = syslog:%s\n"
		"popinjay_access_log_events = session message\n%s",
		fixture_is_2_3() ? "plugin {\n" : "", socket_path,
		fixture_is_2_3() ? "}\n" : "");
	const char *argv[] = {
		"/usr/sbin/rsyslogd", "-n", "-i", "NONE", "-f", conf_path, NULL
	};
	g_autofree char *user = fixture_user(f, "maildir");
	g_autoptr(GPtrArray) records = NULL, logged = NULL;
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;
	GPid pid;
	gsize since;

	g_assert_true(g_file_set_contents(conf_path, conf, -1, NULL));
	g_assert_true(g_spawn_async(NULL, (char **)argv, NULL,
		G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
		NULL, &pid, NULL));
	while (!g_file_test(socket_path, G_FILE_TEST_EXISTS)) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		g_usleep(50 * 1000);
	}
	g_assert_cmpint(chmod(socket_path, 0666), ==, 0);
	fixture_reload(f, config);
	run_session(user);
	records = records_in_file(log_path, 4);
	g_assert_cmpuint(records_check_sessions(records), ==, 1);
	record_expect_str(record_at(records, 0, "message"), "action", "retr");

	/* when it is gone, Dovecot's log has the records */
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
	fixture_log_allow(f, "Error: popinjay_access_log=syslog:.* failed: .* -"
			  " its records go to this log$");
	since = fixture_log_size(f);
	run_session(user);
	logged = records_of_session(f, since, user);
	g_assert_cmpuint(logged->len, ==, 4);
}

/* --- the schema --- */

/* Those who wrote the validator that others use say the same of the schema and
   of records as our checker does. */
static void test_schema(void)
{
	static const char *const bad[] = {
		"{\"event\":\"popinjay_login_finished\"}",
		"{\"event\":\"popinjay_nothing_finished\"}"
	};
	static const char program[] =
		"import json, sys, jsonschema\n"
		"schema = json.load(open(sys.argv[1]))\n"
		"kind = jsonschema.Draft7Validator\n"
		"kind.check_schema(schema)\n"
		"check = kind(schema)\n"
		"for line in sys.stdin:\n"
		"    print(int(check.is_valid(json.loads(line))))\n";
	g_autofree char *log = fixture_log(f, 0);
	g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
	g_autoptr(GString) input = g_string_new(NULL);
	g_autoptr(GString) expected = g_string_new(NULL);
	g_autoptr(GBytes) bytes = NULL;
	const char *const argv[] = {
		"python3", "-c", program,
		POPINJAY_SRCDIR "/doc/popinjay-log.schema.json", NULL
	};
	GString *out, *err;

	for (char **p = lines; *p != NULL; p++) {
		const char *json = strstr(*p, ": Info: {\"event\":\"popinjay_");
		g_autofree char *broken = NULL;

		if (json == NULL || strstr(*p, "stats: ") != NULL)
			continue;
		json = strchr(json, '{');
		g_string_append_printf(input, "%s\n", json);
		g_string_append(expected, "1\n");
		/* a field too much */
		broken = g_strdup(json);
		broken[strlen(broken) - 1] = '\0';
		g_string_append_printf(input, "%s,\"x\":1}\n", broken);
		g_string_append(expected, "0\n");
	}
	g_assert_cmpuint(expected->len, >, 40);
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *wrong = record_schema_check(bad[i]);

		g_assert_nonnull(wrong);
		g_string_append_printf(input, "%s\n", bad[i]);
		g_string_append(expected, "0\n");
	}
	bytes = g_bytes_new(input->str, input->len);
	if (fixture_run(f, argv, bytes, &out, &err) != 0)
		g_error("%s", err->str);
	g_assert_cmpstr(out->str, ==, expected->str);
	g_string_free(out, TRUE);
	g_string_free(err, TRUE);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/outlets/metrics", test_metrics);
	g_test_add_func("/outlets/rsyslog", test_rsyslog);
	g_test_add_func("/schema/other-validator", test_schema);
	f = fixture_new(NULL);
	ret = g_test_run();
	g_clear_pointer(&f, fixture_free);
	return ret;
}
