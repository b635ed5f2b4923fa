/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands that a doveadm server runs, for another doveadm or for its HTTP API:
   they find the settings, and what is wrong in one ends that command and not
   the server. */

#include "pop3.h"
#include "uidl-tool.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static struct fixture *f;
static char *url;

static void begin(void)
{
	g_autofree char *config = NULL, *log_path = NULL;
	guint16 port;

	if (f != NULL)
		return;
	f = fixture_new(NULL);
	port = fixture_free_port();
	url = g_strdup_printf("http://127.0.0.1:%u/doveadm/v1", port);
	log_path = g_build_filename(f->dir, "access.log", NULL);
	config = g_strdup_printf(
		"doveadm_password = secret\n"
		"service doveadm {\n"
		"  inet_listener http {\n"
		"    address = 127.0.0.1\n    port = %u\n    ssl = no\n"
		"  }\n"
		"}\n"
		"service popinjay-log {\n"
		"  executable = %s/popinjay-log %s\n"
		"  unix_listener popinjay-log {\n    mode = 0666\n  }\n"
		"}\n"
		"%spopinjay_access_log = service\n%s", port,
		POPINJAY_PROGRAMDIR, log_path,
		fixture_is_2_3() ? "plugin {\n" : "",
		fixture_is_2_3() ? "}\n" : "");
	if (!fixture_is_2_3()) {
		g_autofree char *old = g_steal_pointer(&config);
		g_auto(GStrv) parts = g_strsplit(old, "    address =", 2);

		config = g_strjoinv("    listen =", parts);
	}
	fixture_reload(f, config);
}

/* Call a command of the HTTP API; parameters as JSON. Returns the answer. */
static char *http(const char *command, const char *parameters)
{
	g_autofree char *body = g_strdup_printf("[[\"%s\",{%s},\"tag\"]]",
						command, parameters);
	const char *const argv[] = {
		"curl", "-sS", "-u", "doveadm:secret", "-H",
		"Content-Type: application/json", "-d", body, url, NULL
	};
	GString *out = NULL, *err = NULL;

	if (fixture_run(f, argv, NULL, &out, &err) != 0)
		g_error("curl: %s", err->str);
	g_string_free(err, TRUE);
	g_test_message("%s: %s", command, out->str);
	return g_string_free(out, FALSE);
}

static void test_log(void)
{
	g_autofree char *user = NULL, *report = NULL, *explain = NULL;
	g_autofree char *parameters = NULL, *log_path = NULL;
	gint64 end;

	begin();
	user = fixture_user(f, "maildir");
	pop3_quit(pop3_session(f, POP3_CLEAR, user), "Logging out.");
	log_path = g_build_filename(f->dir, "access.log", NULL);
	end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;
	while (!g_file_test(log_path, G_FILE_TEST_EXISTS)) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		g_usleep(20 * 1000);
	}
	report = http("popinjayLogReport", "");
	g_assert_true(g_str_has_prefix(report, "[[\"doveadmResponse\","));
	g_assert_nonnull(strstr(report, user));
	parameters = g_strdup_printf("\"user\":\"%s\"", user);
	explain = http("popinjayLogExplain", parameters);
	g_assert_true(g_str_has_prefix(explain, "[[\"doveadmResponse\","));
}

/* The server says why in Dovecot's log, and lives on. */
static void test_usage(void)
{
	static const char *const cases[][2] = {
		{ "", "What would be different" },
		{ ",\"strict\":\"perhaps\"", "Use yes or no" }
	};
	g_autofree char *user = NULL;

	begin();
	user = fixture_user(f, "maildir");
	fixture_log_allow(f, "What would be different|Use yes or no");
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *parameters = g_strdup_printf(
			"\"user\":\"%s\"%s", user, cases[i][0]);
		gsize since = fixture_log_size(f);
		g_autofree char *reply = http("popinjayUidlDiff", parameters);

		g_assert_nonnull(strstr(reply, "\"exitCode\":64"));
		g_free(fixture_log_wait(f, since, cases[i][1]));
	}
	/* nothing has died: fixture_free() would see it */
}

/* A list on standard input is for one user when a server gets it: Dovecot sends
   it once. */
static void test_input(gconstpointer data)
{
	const char *what = data;
	gboolean secret = g_str_equal(what, "secret");
	g_autofree char *socket = NULL, *user = NULL;
	GString *err = NULL;
	g_autoptr(GBytes) input = g_bytes_new_static("a\n", 2);
	int status;

	begin();
	socket = g_build_filename(f->dir, "run", "doveadm-server", NULL);
	user = fixture_user(f, "maildir");
	status = fixture_doveadm(f, input, NULL, &err, "popinjay", what,
				 "import", "-S", socket, "-u", "u*", secret ?
				 "-l" : NULL, "phone", NULL);
	g_assert_cmpint(status, ==, EX_USAGE);
	g_assert_nonnull(strstr(err->str, "for one user only"));
	g_string_free(err, TRUE);
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
	g_clear_pointer(&url, g_free);
}

/* Nobody has to choose a form of the output. */
static void test_check(void)
{
	g_autofree char *user = NULL, *socket = NULL;
	g_autoptr(GString) out = NULL;

	begin();
	user = fixture_user(f, "maildir");
	socket = g_build_filename(f->dir, "run", "doveadm-server", NULL);
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
		"check", "-S", socket, "-u", user, NULL), ==, 0);
	g_assert_nonnull(strstr(out->str, "settings, key files and sinks are "
				"good"));
}

/* Where workers do all the work, that is no other than with -S. */
static void test_check_workers(void)
{
	struct fixture *own = fixture_new(NULL);
	g_autofree char *user = fixture_user(own, "maildir");
	g_autoptr(GString) out = NULL;

	fixture_reload(own, "doveadm_worker_count = 2\n");
	g_assert_cmpint(fixture_doveadm(own, NULL, &out, NULL, "popinjay",
					"check", "-u", user, NULL), ==, 0);
	g_assert_nonnull(strstr(out->str, "settings, key files and sinks are "
				"good"));
	fixture_free(own);
}

/* A server of 2.4 goes on with what it has where what is on disk is wrong, and
   check says nothing of users then. */
static void test_check_broken(void)
{
	struct fixture *own = fixture_new(NULL);
	g_autofree char *user = fixture_user(own, "maildir"), *text = NULL;
	g_autofree char *socket = g_build_filename(own->dir, "run",
						   "doveadm-server", NULL);
	g_autofree char *good = g_build_filename(own->dir, "good.conf", NULL);
	g_autofree char *wrong = NULL;
	char *config_file = own->config_file;
	g_autoptr(GString) out = NULL;

	g_assert_true(g_file_get_contents(config_file, &text, NULL, NULL));
	wrong = g_strconcat(text, "popinjay_uidl_formatt = {hmac}\n", NULL);
	g_assert_true(g_file_set_contents(good, text, -1, NULL));
	g_assert_true(g_file_set_contents(config_file, wrong, -1, NULL));
	own->config_file = good;
	g_assert_cmpint(fixture_doveadm(own, NULL, &out, NULL, "popinjay",
		"check", "-S", socket, "-u", user, NULL), !=, 0);
	own->config_file = config_file;
	g_assert_true(g_regex_match_simple("error +configuration +doveconf "
		"failed: .*line [0-9]+: .*popinjay_uidl_formatt", out->str, 0,
		0));
	g_assert_null(strstr(out->str, "logins fail"));
	fixture_free(own);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/doveadm-server/log", test_log);
	g_test_add_func("/doveadm-server/usage", test_usage);
	g_test_add_data_func("/doveadm-server/input/secret", "secret",
			     test_input);
	g_test_add_data_func("/doveadm-server/input/uidl", "uidl", test_input);
	g_test_add_func("/doveadm-server/check", test_check);
	g_test_add_func("/doveadm-server/check-workers", test_check_workers);
	if (!fixture_is_2_3()) {
		g_test_add_func("/doveadm-server/check-broken",
				test_check_broken);
	}
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/doveadm-server", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
