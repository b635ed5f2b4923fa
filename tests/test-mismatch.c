/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What Dovecot still does with modules that were made for another one, as after
   an upgrade, or that are not there: whatever does not load them. */

#define _GNU_SOURCE
#include "pop3.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#define ABI_ERROR "Module is for different ABI version "
/* In a module's version, what makes it another one. */
#define ABI "ABIv"
#define OTHER_ABI "ABIx"
/* Dovecot's FATAL_CONFIG */
#define STATUS_CONFIG 89

/* As the documentation has it: nothing but POP3 loads the plugin. */
#define PLUGIN_2_3 "mail_plugins =\n" \
	"protocol pop3 {\n  mail_plugins = popinjay\n}\n"
#define PLUGIN_2_4 "mail_plugins {\n  popinjay = no\n}\n" \
	"protocol pop3 {\n  mail_plugins {\n    popinjay = yes\n  }\n}\n"
#define LOGIN_2_3 "protocol pop3 {\n  login_plugins = popinjay_login\n}\n"
#define LOGIN_2_4 "protocol pop3 {\n  login_plugins {\n" \
	"    popinjay_login = yes\n  }\n}\n"

/* --- The modules --- */

static void run(const char *const *argv)
{
	g_autoptr(GError) error = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
			  NULL, NULL, NULL, &status, &error) ||
	    !g_spawn_check_wait_status(status, &error))
		g_error("%s: %s", argv[0], error->message);
}

/* Give the module the version of another Dovecot. */
static void change_abi(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *data = NULL;
	char *found, *end;
	gsize size;

	if (!g_file_get_contents(path, &data, &size, &error))
		g_error("%s", error->message);
	found = memmem(data, size, ABI, strlen(ABI));
	g_assert_nonnull(found);
	memcpy(found, OTHER_ABI, strlen(ABI));
	end = found + strlen(found);
	g_assert_null(memmem(end, size - (gsize)(end - data), ABI,
			     strlen(ABI)));
	if (!g_file_set_contents(path, data, (gssize)size, &error))
		g_error("%s", error->message);
	g_assert_cmpint(chmod(path, 0755), ==, 0);
}

static void change_all(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	g_assert_nonnull(dir);
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		if (g_str_has_suffix(name, ".so"))
			change_abi(file);
		else
			change_all(file);
	}
}

/* A private Dovecot with modules of another one, and the directory of those.
   There is no directory without in it, which may be NULL. */
static struct fixture *
new_mismatched(const struct fixture_options *options, const char *without,
	       char **dir_r)
{
	char *dir = g_dir_make_tmp("popinjay-abi-XXXXXX", NULL);
	const char *const copy[] = {
		"cp", "-R", POPINJAY_MODULEDIR "/.", dir, NULL
	};
	struct fixture *f;

	g_assert_nonnull(dir);
	run(copy);
	g_assert_cmpint(chmod(dir, 0755), ==, 0);
	change_all(dir);
	if (without != NULL) {
		g_autofree char *path = g_build_filename(dir, without, NULL);
		const char *const remove[] = { "rm", "-r", "--", path, NULL };

		run(remove);
	}
	g_setenv("POPINJAY_MODULES", dir, TRUE);
	f = fixture_new(options);
	g_unsetenv("POPINJAY_MODULES");
	fixture_log_allow(f, ABI_ERROR);
	*dir_r = dir;
	return f;
}

static void free_mismatched(struct fixture *f, char *dir)
{
	const char *const remove[] = { "rm", "-r", "--", dir, NULL };

	fixture_free(f);
	run(remove);
	g_free(dir);
}

/* --- What still works --- */

static guint16 imap_port;

/* Configuration that adds IMAP, and says what loads Popinjay. */
static char *with_imap(const char *config)
{
	imap_port = fixture_free_port();
	return g_strdup_printf(
		"%s"
		"service imap-login {\n"
		"  inet_listener imap {\n    port = %u\n  }\n"
		"  inet_listener imaps {\n    port = 0\n  }\n"
		"%s"
		"}\n%s",
		fixture_is_2_3() ? "protocols = pop3 imap\n" :
		"protocols {\n  imap = yes\n}\n", imap_port,
		geteuid() == 0 ? "" : "  chroot =\n", config);
}

static GSocketConnection *connect_to(guint16 port)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GError) error = NULL;
	GSocketConnection *connection;

	g_socket_client_set_timeout(client, fixture_timeout_secs());
	connection = g_socket_client_connect_to_host(client, "127.0.0.1", port,
						     NULL, &error);
	if (connection == NULL)
		g_error("%s", error->message);
	return connection;
}

/* Returns the first line that a server says, or NULL if it ends before. */
static char *first_line(guint16 port)
{
	g_autoptr(GSocketConnection) connection = connect_to(port);
	g_autoptr(GDataInputStream) input = g_data_input_stream_new(
		g_io_stream_get_input_stream(G_IO_STREAM(connection)));

	return g_data_input_stream_read_line(input, NULL, NULL, NULL);
}

/* Returns what IMAP answers to a login, or NULL if it ends before. */
static char *imap_login(const char *user)
{
	g_autoptr(GSocketConnection) connection = connect_to(imap_port);
	g_autoptr(GDataInputStream) input = NULL;
	g_autofree char *command =
		g_strdup_printf("a LOGIN %s %s\r\nb LOGOUT\r\n", user,
				FIXTURE_PASSWORD);
	char *line;

	g_assert_true(g_output_stream_write_all(
		g_io_stream_get_output_stream(G_IO_STREAM(connection)),
		command, strlen(command), NULL, NULL, NULL));
	input = g_data_input_stream_new(
		g_io_stream_get_input_stream(G_IO_STREAM(connection)));
	while ((line = g_data_input_stream_read_line(input, NULL, NULL,
						     NULL)) != NULL) {
		if (g_str_has_prefix(line, "a "))
			break;
		g_free(line);
	}
	return line;
}

static void expect_imap(const char *user)
{
	g_autofree char *reply = imap_login(user);

	g_assert_nonnull(reply);
	g_assert_true(g_str_has_prefix(reply, "a OK "));
}

/* Returns the status of dovecot-lda, which reads the configuration from config:
   the file, or the socket that a running Dovecot answers on. */
static int deliver(struct fixture *f, const char *user, const char *config)
{
	static const char mail[] = "Subject: hello\n\nworld\n";
	g_autoptr(GBytes) input = g_bytes_new_static(mail, sizeof(mail) - 1);
	const char *const argv[] = {
		"dovecot-lda", "-c", config, "-d", user, NULL
	};

	return fixture_run(f, argv, input, NULL, NULL);
}

/* IMAP, delivery, and doveadm with the user's mail; config as above. */
static void expect_works_with(struct fixture *f, const char *user,
			      const char *config)
{
	const char *const fetch[] = {
		"doveadm", "-c", config, "fetch", "-u", user, "hdr.subject",
		"mailbox", "INBOX", NULL
	};
	g_autoptr(GString) out = NULL, err = NULL;

	expect_imap(user);
	g_assert_cmpint(deliver(f, user, config), ==, 0);
	if (fixture_run(f, fetch, NULL, &out, &err) != 0)
		g_error("%s", err->str);
	g_assert_nonnull(strstr(out->str, "hello"));
}

static void expect_rest_works(struct fixture *f, const char *user)
{
	expect_works_with(f, user, f->config_file);
}

/* Returns what POP3 answers up to its end, "" if there is nothing. */
static char *pop3_answers(struct fixture *f, const char *user)
{
	g_autoptr(GString) reply = NULL;
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);

	pop3_send(pop3, "USER %s\r\nPASS %s\r\nSTAT\r\nQUIT", user,
		  FIXTURE_PASSWORD);
	reply = pop3_read_to_eof(pop3, NULL);
	pop3_close(pop3);
	return g_strdup(reply == NULL ? "" : reply->str);
}

/* --- Tests --- */

/* The plugin where README has it, and a setting, which 2.3 has no rules for. */
static void test_plugin(void)
{
	g_autofree char *config = with_imap(fixture_is_2_3() ? PLUGIN_2_3
		"plugin {\n  popinjay_idle_timeout = 5 mins\n}\n" :
		PLUGIN_2_4);
	const struct fixture_options options = { .config = config };
	g_autofree char *user = NULL, *reply = NULL;
	char *dir;
	struct fixture *f = new_mismatched(&options, NULL, &dir);

	user = fixture_user(f, "maildir");
	reply = pop3_answers(f, user);
	g_assert_true(g_str_has_prefix(reply,
		"+OK\r\n-ERR [SYS/TEMP] Internal error occurred. "));
	g_assert_null(strstr(reply, "\r\n+OK"));
	g_free(fixture_log_wait(f, 0, "Couldn't load required plugin "
		".*/lib20_popinjay_plugin.so: " ABI_ERROR ".*" OTHER_ABI));
	expect_rest_works(f, user);
	free_mismatched(f, dir);
}

/* The module of the login process where popinjay-log(7) has it, made for
   another Dovecot or not there at all. */
static void check_login_plugin(const char *without)
{
	g_autofree char *config = with_imap(fixture_is_2_3() ? PLUGIN_2_3 :
					    PLUGIN_2_4);
	g_autofree char *with_login = g_strconcat(config, fixture_is_2_3() ?
						  LOGIN_2_3 : LOGIN_2_4, NULL);
	const struct fixture_options options = { .config = config };
	g_autofree char *user = NULL;
	char *dir;
	struct fixture *f = new_mismatched(&options, without, &dir);

	fixture_log_allow(f, "login_plugin|lib20_popinjay_login_plugin|"
			  "Couldn't load required plugin|master: Error: "
			  "service\\(pop3-login\\)|opendir\\(");
	user = fixture_user(f, "maildir");
	fixture_reload_begin(f, with_login);
	g_assert_null(first_line(f->pop3_port));
	g_free(fixture_log_wait(f, 0, "pop3-login: (Error|Fatal): "));
	expect_rest_works(f, user);
	free_mismatched(f, dir);
}

static void test_login_plugin(void)
{
	check_login_plugin(NULL);
}

static void test_login_plugin_none(void)
{
	check_login_plugin("login");
}

/* Dovecot 2.4 takes a setting that no module explains for a mistake in the
   whole configuration. README and popinjay(7) warn of it. */
static void test_setting_2_4(void)
{
	g_autofree char *config = with_imap(PLUGIN_2_4);
	g_autofree char *bad = NULL, *user = NULL, *text = NULL, *more = NULL;
	const struct fixture_options options = { .config = config };
	g_autoptr(GString) err = NULL;
	char *dir;
	struct fixture *f;
	const char *argv[] = { "doveconf", "-c", NULL, NULL };

	if (fixture_is_2_3()) {
		g_test_skip("2.3 has the settings of plugins in plugin {}");
		return;
	}
	f = new_mismatched(&options, NULL, &dir);
	bad = g_build_filename(f->dir, "bad.conf", NULL);
	g_assert_true(g_file_get_contents(f->config_file, &text, NULL, NULL));
	more = g_strconcat(text, "popinjay_idle_timeout = 5 mins\n", NULL);
	g_assert_true(g_file_set_contents(bad, more, -1, NULL));
	argv[2] = bad;
	g_assert_cmpint(fixture_run(f, argv, NULL, NULL, &err), ==,
			STATUS_CONFIG);
	g_assert_nonnull(strstr(err->str,
				"Unknown setting: popinjay_idle_timeout"));
	g_assert_nonnull(strstr(err->str,
				"libpopinjay_settings.so: " ABI_ERROR));
	user = fixture_user(f, "maildir");
	expect_rest_works(f, user);
	free_mismatched(f, dir);
}

/* What runs goes on as it was when it is told to read such a setting, and says
   so in its log only. What asks it for the configuration works; what reads the
   files does not. dovecot-lda says "try again later" only from 2.4.3 on, unless
   its environment asks for it. */
static void test_reload_2_4(void)
{
	g_autofree char *config = with_imap(PLUGIN_2_4);
	g_autofree char *user = NULL, *reply = NULL, *more = NULL;
	g_autofree char *socket = NULL, *text = NULL;
	const struct fixture_options options = { .config = config };
	const char *reload[] = { "doveadm", "-c", NULL, "reload", NULL };
	struct fixture *f;

	if (fixture_is_2_3()) {
		g_test_skip("2.3 has the settings of plugins in plugin {}");
		return;
	}
	f = fixture_new(&options);
	fixture_log_allow(f, "Unknown setting: popinjay_unknown");
	user = fixture_user(f, "maildir");
	socket = g_build_filename(f->dir, "run", "config", NULL);
	g_assert_true(g_file_get_contents(f->config_file, &text, NULL, NULL));
	more = g_strconcat(text, "popinjay_unknown = yes\n", NULL);
	g_assert_true(g_file_set_contents(f->config_file, more, -1, NULL));

	/* as root does without -c */
	reload[2] = socket;
	g_assert_cmpint(fixture_run(f, reload, NULL, NULL, NULL), ==, 0);
	g_free(fixture_log_wait(f, 0, "master: Error: .*dovecot.conf.*: "
				"Unknown setting: popinjay_unknown"));
	reply = pop3_answers(f, user);
	g_assert_true(g_str_has_prefix(reply,
				       "+OK\r\n+OK Logged in.\r\n+OK 0 0\r\n"));
	expect_works_with(f, user, socket);

	reload[2] = f->config_file;
	g_assert_cmpint(fixture_run(f, reload, NULL, NULL, NULL), ==,
			STATUS_CONFIG);
	g_assert_cmpint(deliver(f, user, f->config_file), ==,
			f->version < 20403 ? STATUS_CONFIG : EX_TEMPFAIL);
	g_setenv("USE_SYSEXITS", "1", TRUE);
	g_assert_cmpint(deliver(f, user, f->config_file), ==, EX_TEMPFAIL);
	g_unsetenv("USE_SYSEXITS");

	fixture_reload(f, config);
	expect_rest_works(f, user);
	fixture_free(f);
}

/* The service that keeps the access log is not there: popinjay-log(7) has it
   start through env. */
static void test_collector(void)
{
	g_autofree char *service = g_strdup_printf(
		"%s"
		"service popinjay-log {\n"
		"  executable = /usr/bin/env /nowhere/popinjay-log /tmp/none\n"
		"  process_limit = 1\n"
		"  unix_listener popinjay-log {\n    mode = 0666\n  }\n"
		"}\n"
		"%spopinjay_access_log = service\n%s",
		fixture_is_2_3() ? PLUGIN_2_3 : PLUGIN_2_4,
		fixture_is_2_3() ? "plugin {\n" : "",
		fixture_is_2_3() ? "}\n" : "");
	g_autofree char *config = with_imap(service);
	const struct fixture_options options = { .config = config };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *reply = NULL;

	fixture_log_allow(f, "popinjay-log|popinjay_access_log=service: ");
	reply = pop3_answers(f, user);
	g_assert_true(g_str_has_prefix(reply,
				       "+OK\r\n+OK Logged in.\r\n+OK 0 0\r\n"));
	g_free(fixture_log_wait(f, 0,
				"\"event\":\"popinjay_session_finished\""));
	expect_rest_works(f, user);
	fixture_free(f);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	g_test_add_func("/mismatch/plugin", test_plugin);
	g_test_add_func("/mismatch/login-plugin", test_login_plugin);
	g_test_add_func("/mismatch/login-plugin/none", test_login_plugin_none);
	g_test_add_func("/mismatch/setting", test_setting_2_4);
	g_test_add_func("/mismatch/reload", test_reload_2_4);
	g_test_add_func("/mismatch/collector", test_collector);
	return g_test_run();
}
