/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The access log's records of logins, made by the login process. */

#include "pop3.h"
#include "records.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct fixture *f;
static char *log_path;

/* What the collector needs, and what the login process does. The login process
   is in a directory of its own, as root chrooted to it. */
static char *login_config(void)
{
	gboolean is_2_3 = fixture_is_2_3();
	g_autofree char *collector = collector_config(f, log_path);

	return g_strdup_printf("%s"
		"service popinjay-log {\n"
		"  unix_listener login/popinjay-log {\n"
		"    mode = 0666\n"
		"  }\n"
		"}\n%s", collector, is_2_3 ?
		"protocol pop3 {\n  login_plugins = popinjay_login\n}\n"
		"import_environment = $import_environment "
		"POPINJAY_ACCESS_LOG=log,service\n"
		"plugin {\n  popinjay_access_log = log service\n}\n" :
		"protocol pop3 {\n  login_plugins {\n"
		"    popinjay_login = yes\n  }\n}\n"
		"popinjay_access_log = log service\n");
}

static void begin(void)
{
	g_autofree char *config = NULL;

	if (f != NULL)
		return;
	f = fixture_new(NULL);
	log_path = g_build_filename(f->dir, "access.log", NULL);
	config = login_config();
	fixture_reload(f, config);
	/* 2.3 looks at import_environment when it starts */
	fixture_stop(f);
	fixture_start(f);
}

/* The next record of a login after the mark, and the mark behind it. The file
   of the collector must get the same line. */
static JsonObject *next_login(gsize *since)
{
	g_autofree char *line = fixture_log_wait(f, *since,
		"pop3-login: Info: \\{\"event\":\"popinjay_login_finished\"");
	g_autofree char *log = fixture_log(f, *since);
	const char *json = strchr(line, '{');
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;

	*since += strstr(log, line) - log + strlen(line);
	for (;;) {
		g_autofree char *text = NULL;

		if (g_file_get_contents(log_path, &text, NULL, NULL) &&
		    strstr(text, json) != NULL)
			break;
		if (g_get_monotonic_time() > end)
			g_error("not in the collector's file: %s", json);
		g_usleep(20 * 1000);
	}
	g_ptr_array_unref(records_parse(json, NULL));
	return fixture_record_parse(json);
}

static void test_accepted(gconstpointer data)
{
	enum pop3_security security = GPOINTER_TO_INT(data);
	g_autofree char *user = NULL;
	JsonObject *login, *session;
	struct pop3 *pop3;
	gsize since, mark;

	begin();
	user = fixture_user(f, "maildir");
	since = mark = fixture_log_size(f);
	pop3 = pop3_session(f, security, user);
	login = next_login(&mark);
	record_expect_str(login, "user", user);
	record_expect_str(login, "result", "accepted");
	record_expect_str(login, "mechanism", "PLAIN");
	record_expect_str(login, "remote_ip", "127.0.0.1");
	record_expect(login, { "attempt", 1 }, { "remote_port", pop3->port },
		      { "local_port", security == POP3_TLS ? f->pop3s_port :
			      f->pop3_port });
	g_assert_false(json_object_has_member(login, "reason"));
	g_assert_cmpint(json_object_get_boolean_member(login, "tls"), ==,
			security != POP3_CLEAR);
	if (security == POP3_CLEAR) {
		g_assert_true(json_object_get_null_member(login, "tls_cipher"));
	} else {
		const char *version = json_object_get_string_member(
			login, "tls_version");
		const char *cipher = json_object_get_string_member(
			login, "tls_cipher");

		g_assert_true(g_str_has_prefix(version, "TLSv1."));
		g_assert_true(g_str_has_prefix(cipher, "TLS_"));
		g_assert_cmpint(json_object_get_int_member(
			login, "tls_cipher_bits"), >=, 128);
	}
	pop3_quit(pop3, "Logging out.");
	/* by its id the session's record belongs to it */
	g_free(fixture_log_wait(f, since, "popinjay_session_finished"));
	{
		g_autoptr(GPtrArray) records = NULL;
		g_autofree char *log = fixture_log(f, since);

		records = records_parse(log, user);
		session = g_ptr_array_index(records, records->len - 1);
		record_expect_str(session, "session",
			json_object_get_string_member(login, "session"));
	}
	json_object_unref(login);
}

static void
check_refused(JsonObject *login, gint64 attempt, const char *reason)
{
	record_expect_str(login, "result", "refused");
	record_expect_str(login, "reason", reason);
	record_expect(login, { "attempt", attempt });
	json_object_unref(login);
}

static void ask_refused(struct pop3 *pop3, const char *line)
{
	g_autofree char *reply = pop3_ask(pop3, "%s", line);

	g_assert_true(g_str_has_prefix(reply, "-ERR"));
}

/* Refused, refused, accepted: in one connection. */
static void test_refused(void)
{
	g_autofree char *user = NULL;
	struct pop3 *pop3;
	JsonObject *login;
	gsize since;

	begin();
	user = fixture_user(f, "maildir");
	since = fixture_log_size(f);
	pop3 = pop3_connect(f, POP3_CLEAR);
	ask_refused(pop3, "AUTH NOSUCH");
	login = next_login(&since);
	g_assert_true(json_object_get_null_member(login, "user"));
	check_refused(login, 1, "mechanism_invalid");

	g_free(pop3_ask(pop3, "USER %s", user));
	ask_refused(pop3, "PASS wrong");
	login = next_login(&since);
	record_expect_str(login, "user", user);
	check_refused(login, 2, "authentication_failed");

	pop3_check(pop3, "AUTH PLAIN", "+ ");
	ask_refused(pop3, "*");
	check_refused(next_login(&since), 3, "aborted");

	pop3_login(pop3, user);
	login = next_login(&since);
	record_expect_str(login, "result", "accepted");
	record_expect(login, { "attempt", 4 });
	json_object_unref(login);
	pop3_quit(pop3, "Logging out.");
}

/* Without TLS no password is taken, and nobody is asked whose it is. */
static void test_tls_required(void)
{
	g_autofree char *common = NULL, *config = NULL, *user = NULL;
	struct pop3 *pop3;
	gsize since;

	begin();
	user = fixture_user(f, "maildir");
	common = login_config();
	config = g_strconcat(common, "ssl = required\n", fixture_is_2_3() ?
			     "disable_plaintext_auth = yes\n" :
			     "auth_allow_cleartext = no\n", NULL);
	fixture_reload(f, config);
	since = fixture_log_size(f);
	/* an address that is not the server's own is not secure by itself */
	pop3_set_source("127.0.0.2");
	pop3 = pop3_connect(f, POP3_CLEAR);
	pop3_set_source(NULL);
	g_free(pop3_ask(pop3, "AUTH PLAIN AGEAYg=="));
	check_refused(next_login(&since), 1, "tls_required");
	pop3_close(pop3);
}

/* Somebody who may write his own user name. */
static void test_hostile(void)
{
	struct pop3 *pop3;
	JsonObject *login;
	gsize since;

	begin();
	{
		g_autofree char *common = login_config();
		g_autofree char *config = g_strconcat(common,
			"auth_username_chars =\n", NULL);

		fixture_reload(f, config);
	}
	since = fixture_log_size(f);
	pop3 = pop3_connect(f, POP3_CLEAR);
	/* NUL a"},{\ NUL x */
	g_free(pop3_ask(pop3, "AUTH PLAIN AGEifSx7XAB4"));
	login = next_login(&since);
	record_expect_str(login, "user", "a\"},{\\");
	check_refused(login, 1, "authentication_failed");
	pop3_close(pop3);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/login/clear", GINT_TO_POINTER(POP3_CLEAR),
			     test_accepted);
	g_test_add_data_func("/login/stls", GINT_TO_POINTER(POP3_STLS),
			     test_accepted);
	g_test_add_data_func("/login/tls", GINT_TO_POINTER(POP3_TLS),
			     test_accepted);
	g_test_add_func("/login/refused", test_refused);
	g_test_add_func("/login/tls-required", test_tls_required);
	g_test_add_func("/login/hostile", test_hostile);
	ret = g_test_run();
	g_clear_pointer(&f, fixture_free);
	g_free(log_path);
	return ret;
}
