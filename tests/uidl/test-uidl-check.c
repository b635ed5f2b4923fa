/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl check and accept, on every storage, and the commands
   without the plugin. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <stdio.h>

#define MAIL_COUNT 5
#define MAIL_BYTES 300

static struct fixture *f;

static void reload(const char *format, const char *more)
{
	g_autofree char *config = uidl_config(format, NULL, NULL);
	g_autofree char *all = g_strconcat(config, more, NULL);

	fixture_reload(f, all);
}

static char *user_with_mails(const char *storage)
{
	char *user = fixture_user(f, storage);

	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	return user;
}

static void test_check(gconstpointer storage)
{
	g_autofree char *user = NULL, *good = NULL, *path = NULL, *text = NULL;
	g_autofree char *bad = NULL, *repaired = NULL, *again = NULL;
	g_autofree char *more = NULL, *home = NULL;
	g_auto(GStrv) uidls = NULL, after = NULL, problems = NULL;

	reload("a.%{uid}", NULL);
	user = user_with_mails(storage);
	g_free(uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL));
	uidls = uidl_list(f, user);
	good = uidl_tool(f, NULL, 0, "check", "-u", user, NULL);
	problems = uidl_tool_column(good, "problem");
	g_assert_cmpuint(g_strv_length(problems), ==, 0);

	/* somebody wrote into the file */
	path = uidl_tool_saved_file(f, user);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	more = g_strconcat(text, "rubbish\n", NULL);
	g_assert_true(g_file_set_contents(path, more, -1, NULL));
	fixture_give(f, user, path);
	fixture_log_allow(f, "popinjay");
	bad = uidl_tool(f, NULL, 65, "check", "-u", user, NULL);
	g_assert_nonnull(strstr(bad, "is damaged (1): "));
	repaired = uidl_tool(f, NULL, 0, "check", "-r", "-u", user, NULL);
	g_assert_nonnull(strstr(repaired, " was repaired"));
	again = uidl_tool(f, NULL, 0, "check", "-u", user, NULL);
	g_strfreev(g_steal_pointer(&problems));
	problems = uidl_tool_column(again, "problem");
	g_assert_cmpuint(g_strv_length(problems), ==, 0);
	reload("b.%{uid}", NULL);
	after = uidl_list(f, user);
	uidl_assert_same(after, uidls);
}

/* A policy that gives what no client can rely on. */
static void test_check_policy(void)
{
	g_autofree char *user = NULL, *out = NULL, *filler = NULL;
	g_autofree char *format = NULL, *list = NULL;
	g_auto(GStrv) problems = NULL, sources = NULL;

	filler = g_strnfill(495, 'x');
	format = g_strconcat(filler, "%{uid}", NULL);
	reload(format, NULL);
	user = user_with_mails("maildir");
	out = uidl_tool(f, NULL, 65, "check", "-u", user, NULL);
	problems = uidl_tool_column(out, "problem");
	g_assert_cmpuint(g_strv_length(problems), ==, MAIL_COUNT);
	g_assert_cmpstr(problems[0], ==, "its UIDL of format is missing, "
			"invalid, too long or not unique: this one is shown "
			"instead");
	list = uidl_tool(f, NULL, 0, "list", "-u", user, NULL);
	sources = uidl_tool_column(list, "source");
	g_assert_cmpstr(sources[0], ==, "fallback");
}

/* The drift guard refuses UIDL until somebody says that it may be. */
static void test_accept(gconstpointer storage)
{
	g_autofree char *user = NULL, *check = NULL, *accept = NULL;
	g_autofree char *guard = NULL, *reply = NULL, *clean = NULL;
	g_auto(GStrv) after = NULL;
	struct pop3 *pop3;

	guard = uidl_tool_setting(f, "popinjay_uidl_drift_limit", "10");
	reload("a.%{uid}", guard);
	user = user_with_mails(storage);
	g_strfreev(uidl_list(f, user));
	reload("b.%{uid}", guard);
	fixture_log_allow(f, "popinjay");
	pop3 = pop3_session(f, POP3_CLEAR, user);
	reply = pop3_ask(pop3, "UIDL");
	g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP]"));
	pop3_quit(pop3, "Logging out.");
	check = uidl_tool(f, NULL, 65, "check", "-u", user, NULL);
	g_assert_nonnull(strstr(check, "5 of 5 messages that were shown before "
				"have another UIDL now: UIDL is refused"));
	accept = uidl_tool(f, NULL, 0, "accept", "-u", user, NULL);
	g_assert_nonnull(strstr(accept, "\n5\t5\n"));
	after = uidl_list(f, user);
	g_assert_cmpstr(after[0], ==, "b.1");
	clean = uidl_tool(f, NULL, 0, "check", "-u", user, NULL);
	g_assert_null(strstr(clean, "shown before"));
}

/* --- Where the plugin is not --- */

static void test_without_plugin(void)
{
	g_autofree char *user = NULL, *err = NULL;

	reload(NULL, fixture_is_2_3() ?
	       "protocol doveadm {\n  mail_plugins =\n}\n" :
	       "protocol doveadm {\n  mail_plugins {\n    popinjay = no\n"
	       "  }\n}\n");
	user = user_with_mails("maildir");
	g_free(uidl_tool_err(f, NULL, 78, &err, "list", "-u", user, NULL));
	g_assert_nonnull(strstr(err, "The plugin popinjay is not loaded: add "
				"it to mail_plugins in \"protocol doveadm "
				"{}\", too, and reload Dovecot"));
}

/* Where Dovecot's own settings are for POP3 alone, doveadm would save, compare
   and export UIDLs that no client has seen. */
static void test_other_protocol(void)
{
	static const char *const commands[] = {
		"list", "freeze", "export", "check", "accept"
	};
	static const struct {
		const char *config, *error;
	} cases[] = {
		{ "protocol pop3 {\n  pop3_reuse_xuidl = yes\n}\n",
		  "pop3_reuse_xuidl is \"yes\" for POP3 and \"no\" for doveadm "
		  "and dsync" },
		{ "pop3_uidl_format = a%%u\nprotocol pop3 {\n"
		  "  pop3_uidl_format = b%%u\n}\n",
		  "pop3_uidl_format is \"b%%u\" for POP3 and \"a%%u\" for "
		  "doveadm and dsync, which would take other UIDLs for those "
		  "that clients see: set it outside of \"protocol pop3 {}\"" }
	};
	const char *uid = fixture_is_2_3() ? "%u" : "%{uid}";
	g_autofree char *user = NULL;

	reload(NULL, NULL);
	user = user_with_mails("maildir");
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) config = g_string_new(cases[i].config);
		g_autoptr(GString) error = g_string_new(cases[i].error);

		g_string_replace(config, "%%u", uid, 0);
		g_string_replace(error, "%%u", uid, 0);
		fixture_reload(f, config->str);
		for (unsigned int j = 0; j < G_N_ELEMENTS(commands); j++) {
			g_autofree char *err = NULL;

			g_free(uidl_tool_err(f, NULL, 78, &err, commands[j],
					     "-u", user, NULL));
			if (strstr(err, error->str) == NULL)
				g_error("no \"%s\" in: %s", error->str, err);
		}
	}
	reload(NULL, NULL);
	g_free(uidl_tool(f, NULL, 0, "list", "-u", user, NULL));
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/uidl-check/check", test_check);
	g_test_add_func("/uidl-check/policy", test_check_policy);
	fixture_add_storage_tests("/uidl-check/accept", test_accept);
	g_test_add_func("/uidl-check/without-plugin", test_without_plugin);
	g_test_add_func("/uidl-check/other-protocol", test_other_protocol);
	g_test_add_func("/stop/uidl-check", test_stop);
	f = fixture_new(NULL);
	ret = g_test_run();
	test_stop();
	return ret;
}
