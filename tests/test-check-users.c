/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay check: what the userdb says of users, and who they are. */

#include "pop3.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static gboolean has(const GString *text, const char *regex)
{
	return g_regex_match_simple(regex, text->str, G_REGEX_MULTILINE, 0);
}

/* With -A only the system's users who may have mail are looked at. */
static void test_nobody(void)
{
	const struct fixture_options options = {
		.config_head = fixture_is_2_3() ?
			"userdb {\n  driver = passwd\n}\n" :
			"userdb passwd {\n}\n",
		.config = fixture_is_2_3() ?
			"plugin {\n  popinjay_access_log = printer\n}\n" :
			"popinjay_access_log = printer\n"
	};
	struct fixture *f;
	g_autoptr(GString) all = NULL, one = NULL;

	if (geteuid() != 0) {
		g_test_skip("users of their own need root");
		return;
	}
	f = fixture_new(&options);
	g_assert_cmpint(fixture_doveadm(f, NULL, &all, NULL, "popinjay",
					"check", "-A", NULL), ==, EX_CONFIG);
	g_test_message("%s", all->str);
	g_assert_true(has(all, "^error +user \\S+: popinjay_access_log="));
	g_assert_false(has(all, "^\\w+ +user nobody: "));
	/* who asks for nobody is told */
	g_assert_cmpint(fixture_doveadm(f, NULL, &one, NULL, "popinjay",
					"check", "-u", "nobody", NULL), ==,
			EX_CONFIG);
	g_assert_true(has(one, "^error +user nobody: popinjay_access_log="));
	fixture_free(f);
}

/* Let the userdb say that of bob's plugins. */
static void set_plugins(struct fixture *f, const char *field)
{
	g_autofree char *edit = g_strdup_printf(
		"sed -i 's| userdb_mail_plugins.*||; "
		"/^bob:/s|$| userdb_mail_plugins%s|' '%s/users'", field,
		f->dir);

	g_assert_true(g_spawn_command_line_sync(edit, NULL, NULL, NULL, NULL));
	/* Dovecot looks at it once a second */
	g_usleep(1100 * 1000);
}

/* Returns TRUE if bob's session has the plugin. check has to say so. */
static gboolean check_bob(struct fixture *f)
{
	gsize since = fixture_log_size(f);
	g_autoptr(GString) out = NULL;
	gboolean loaded;
	int status;

	pop3_quit(pop3_session(f, POP3_CLEAR, "bob"), "Logging out.");
	g_free(fixture_log_wait(f, since, "pop3\\(bob\\)<.*: Disconnected: "
				"Logged out"));
	/* the session's record is the last that its process writes */
	fixture_stop(f);
	loaded = fixture_log_count(f, since, "popinjay_session_finished") > 0;
	fixture_start(f);
	status = fixture_doveadm(f, NULL, &out, NULL, "popinjay", "check",
				 "-u", "bob", NULL);
	g_test_message("loaded: %d; %s", loaded, out->str);
	g_assert_cmpint(status, ==, loaded ? 0 : EX_CONFIG);
	g_assert_cmpint(has(out, "^ok +user bob: "), ==, loaded);
	g_assert_cmpint(has(out, "^error +user bob: The plugin popinjay is not "
			    "loaded"), ==, !loaded);
	return loaded;
}

/* Where the plugin is loaded by the userdb alone, check says what a session
   does. */
static void test_plugin_of_userdb(void)
{
	struct fixture *f = fixture_new(NULL);

	fixture_user_add(f, "bob");
	fixture_reload(f, fixture_is_2_3() ?
		"protocol pop3 {\n  mail_plugins =\n}\n" :
		"protocol pop3 {\n  mail_plugins {\n    popinjay = no\n  }\n"
		"}\n");
	set_plugins(f, fixture_is_2_3() ? "=popinjay" : "/popinjay=yes");
	/* 2.4.1 knows no fields that add to a list */
	g_assert_cmpint(check_bob(f), ==, fixture_is_2_3() ||
			f->version >= 20402);
	fixture_free(f);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	g_test_add_func("/check/nobody", test_nobody);
	g_test_add_func("/check/plugin-of-userdb", test_plugin_of_userdb);
	return g_test_run();
}
