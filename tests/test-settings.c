/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The settings of Popinjay in a real Dovecot: the same names and meanings in
   plugin {} of 2.3 and as settings of 2.4, for all, for one protocol and for
   one user; and nobody gets in under one that makes no sense. */

#include "pop3.h"

#include <stdio.h>

#define REFUSAL "-ERR [SYS/PERM] The server's configuration for this " \
	"mailbox is wrong.\r\n"
#define MAIL "Subject: settings\r\n\r\nText.\r\n"

struct user_case {
	/* the user's */
	const char *name;
	/* the user's userdb fields */
	const char *fields;
	/* regular expression for the error that Dovecot logs: what 2.3 says
	   of it and what 2.4 says; NULL if the user gets in */
	const char *error_2_3, *error_2_4;
};

static const struct user_case bad_cases[] = {
	{ "bool", "userdb_popinjay_capability_implementation=maybe",
	  "popinjay_capability_implementation=maybe .*: use yes or no",
	  "popinjay_capability_implementation=maybe: .*: use yes or no" },
	{ "time", "userdb_popinjay_idle_timeout=soon",
	  "popinjay_idle_timeout=soon .*: use a time above 0",
	  "popinjay_idle_timeout=soon: Invalid time interval" },
	{ "time-zero", "userdb_popinjay_idle_timeout=0",
	  "popinjay_idle_timeout=0 .*: use a time above 0",
	  "popinjay_idle_timeout=0 .*: use a time above 0" },
	{ "time-long", "userdb_popinjay_idle_timeout=25h",
	  "popinjay_idle_timeout=25h .*: use a time .* up to 24 hours",
	  "popinjay_idle_timeout=.*: use a time .* up to 24 hours" },
	{ "cleartext", "userdb_popinjay_disable_plaintext_auth=perhaps",
	  "popinjay_disable_plaintext_auth=perhaps .*: use yes or no",
	  "popinjay_disable_plaintext_auth=perhaps: .*: use yes or no" },
	{ "sink", "userdb_popinjay_access_log=printer",
	  "popinjay_access_log=printer: Invalid value",
	  "popinjay_access_log=printer: Invalid value" },
	{ "policy", "userdb_popinjay_uidl_policy=nobodys",
	  "popinjay_uidl_policy=nobodys: There is no such policy; .*format",
	  "popinjay_uidl_policy=nobodys: There is no such policy; .*format" },
	{ "template", "userdb_popinjay_uidl_format=%{nosuch}",
	  "popinjay_uidl_format=%\\{nosuch\\}: Invalid template: .*uid, ",
	  "popinjay_uidl_format=%\\{nosuch\\}: Invalid template: .*uid, " },
	{ "template-alike", "userdb_popinjay_uidl_format=mail",
	  "popinjay_uidl_format=mail: Invalid template: .*tell messages",
	  "popinjay_uidl_format=mail: Invalid template: .*tell messages" },
	{ "no-key", "userdb_popinjay_uidl_format=%{hmac}",
	  "popinjay_uidl_format=%\\{hmac\\}: hmac needs popinjay_uidl_key_file",
	  "popinjay_uidl_format=%\\{hmac\\}: hmac needs popinjay_uidl_key_file"
	},
	{ "key-file", "userdb_popinjay_uidl_format=%{hmac} "
		"userdb_popinjay_uidl_key_file=/nonexistent/key",
	  "popinjay_uidl_key_file=/nonexistent/key: open\\(\\) failed: "
		"No such file",
	  "popinjay_uidl_key_file=/nonexistent/key: open\\(\\) failed: "
		"No such file" },
	{ "typo", "userdb_popinjay_acess_log=none",
	  "popinjay_acess_log=none .*There is no such setting",
	  "popinjay_acess_log=none: There is no such setting" }
};

static const struct user_case good_cases[] = {
	{ "plain", "", NULL, NULL },
	{ "implementation", "userdb_popinjay_capability_implementation=yes",
	  NULL, NULL },
	{ "logged", "", NULL, NULL },
	{ "silent", "userdb_popinjay_access_log=none", NULL, NULL },
	{ "guid", "userdb_popinjay_uidl_format=%{guid}", NULL, NULL },
	{ "braces", "userdb_popinjay_uidl_format={guid}", NULL, NULL }
};

/* A boolean as databases write it. */
static const struct {
	struct user_case user;
	gboolean yes;
} bool_cases[] = {
#define BOOL_CASE(name, value, yes) \
	{ { name, "userdb_popinjay_capability_implementation=" value \
	    " userdb_popinjay_uidl_save=" value \
	    " userdb_popinjay_reuse_xuidl=" value \
	    " userdb_popinjay_disable_plaintext_auth=" value, NULL, NULL }, \
	  yes }
	BOOL_CASE("bool-1", "1", TRUE), BOOL_CASE("bool-0", "0", FALSE),
	BOOL_CASE("bool-y", "Y", TRUE), BOOL_CASE("bool-n", "N", FALSE),
	BOOL_CASE("bool-t", "t", TRUE), BOOL_CASE("bool-f", "f", FALSE),
	BOOL_CASE("bool-true", "TRUE", TRUE),
	BOOL_CASE("bool-false", "false", FALSE)
};

static const char *const list_defaults[][2] = {
#define STR(name, default_value) { #name, default_value },
#define TEMPLATE STR
#define ENUM(name, default_value, others) { #name, default_value },
#define BOOL(name, default_value) { #name, default_value ? "yes" : "no" },
#define MAYBE_BOOL(name) { #name, "" },
#define UINT(name, default_value, max, unit) { #name, #default_value },
#include "settings-table.h"
	{ "popinjay_idle_timeout", "10 mins" }
};

static struct fixture *the_fixture;

static gboolean has_settings(void)
{
	return fixture_dovecot_version() >= 20400;
}

static void append_users(struct fixture *f, GString *s,
			 const struct user_case *cases, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		gid_t gid;
		uid_t uid = fixture_user_uid(f, cases[i].name, &gid);

		g_autoptr(GString) fields = g_string_new(cases[i].fields);

		/* userdb wants a % doubled, and so does plugin {} */
		g_string_replace(fields, "%", has_settings() ? "%%" : "%%%%",
				 0);
		fixture_user_add(f, cases[i].name);
		g_string_append_printf(s, "%s::%u:%u::::%s\n", cases[i].name,
				       uid, gid, fields->str);
	}
}

static struct fixture *get_fixture(void)
{
	g_autofree char *path = NULL, *users = NULL;
	g_autoptr(GString) s = NULL;
	g_autoptr(GError) error = NULL;

	if (the_fixture != NULL)
		return the_fixture;
	the_fixture = fixture_new(NULL);

	/* nobody has logged in yet, so Dovecot has not read its userdb file */
	path = g_build_filename(the_fixture->dir, "users", NULL);
	if (!g_file_get_contents(path, &users, NULL, &error))
		g_error("%s", error->message);
	s = g_string_new(users);
	append_users(the_fixture, s, bad_cases, G_N_ELEMENTS(bad_cases));
	append_users(the_fixture, s, good_cases, G_N_ELEMENTS(good_cases));
	for (unsigned int i = 0; i < G_N_ELEMENTS(bool_cases); i++)
		append_users(the_fixture, s, &bool_cases[i].user, 1);
	if (!g_file_set_contents(path, s->str, s->len, &error))
		g_error("%s", error->message);
	return the_fixture;
}

/* --- One user --- */

static void test_bad(gconstpointer data)
{
	const struct user_case *c = data;
	struct fixture *f = get_fixture();
	gsize mark = fixture_log_size(f);
	g_autofree char *regex = g_strdup_printf(
		"pop3\\(%s\\)<.*: Error: popinjay: .*%s", c->name,
		has_settings() ? c->error_2_4 : c->error_2_3);
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);

	fixture_log_allow(f, regex);
	pop3_send(pop3, "USER %s", c->name);
	pop3_expect(pop3, "+OK\r\n");
	pop3_send(pop3, "PASS %s\r\nSTAT", FIXTURE_PASSWORD);
	pop3_expect(pop3, REFUSAL);
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	g_free(fixture_log_wait(f, mark, regex));
}

static gboolean says_implementation(struct fixture *f, const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	GString *reply;
	gboolean found;

	pop3_send(pop3, "CAPA");
	reply = pop3_multiline(pop3);
	found = strstr(reply->str, "\r\nIMPLEMENTATION Popinjay-") != NULL;
	g_string_free(reply, TRUE);
	pop3_quit(pop3, "Logging out.");
	return found;
}

static void test_implementation(void)
{
	struct fixture *f = get_fixture();

	g_assert_true(says_implementation(f, "implementation"));
	g_assert_false(says_implementation(f, "plain"));
}

static void test_bools(void)
{
	struct fixture *f = get_fixture();

	for (unsigned int i = 0; i < G_N_ELEMENTS(bool_cases); i++) {
		g_test_message("%s", bool_cases[i].user.name);
		g_assert_cmpint(says_implementation(f,
			bool_cases[i].user.name), ==, bool_cases[i].yes);
	}
}

static void test_access_log(void)
{
	struct fixture *f = get_fixture();
	gsize mark = fixture_log_size(f);

	pop3_quit(pop3_session(f, POP3_CLEAR, "silent"), "Logging out.");
	pop3_quit(pop3_session(f, POP3_CLEAR, "logged"), "Logging out.");
	/* a record follows Dovecot's own line at once; the log process may put
	   only "pop3: " before the last line of a process */
	while (fixture_log_count(f, mark, "Disconnected: Logged out") < 2)
		g_usleep(10 * 1000);
	g_free(fixture_log_wait(f, mark,
		"_session_finished.*\"user\":\"logged\""));
	g_assert_cmpuint(fixture_log_count(f, mark,
		"_session_finished.*\"user\":\"logged\""), ==, 1);
	g_assert_cmpuint(fixture_log_count(f, mark,
		"_session_finished.*\"user\":\"silent\""), ==, 0);
}

/* A message's variables must reach us as they are: no Dovecot may put the
   user's in their place. */
static void test_uidl_format(gconstpointer data)
{
	const char *user = data;
	struct fixture *f = get_fixture();
	g_autofree char *reply = NULL, *want = NULL;
	GString *guid;
	struct pop3 *pop3;

	fixture_deliver(f, user, MAIL, strlen(MAIL));
	g_assert_cmpint(fixture_doveadm(f, NULL, &guid, NULL, "fetch", "-u",
		user, "guid", "mailbox", "INBOX", NULL), ==, 0);
	g_string_replace(guid, "\f", "", 0);
	g_strchomp(guid->str);
	g_assert_true(g_str_has_prefix(guid->str, "guid: "));
	want = g_strdup_printf("+OK 1 %s", guid->str + strlen("guid: "));
	g_string_free(guid, TRUE);

	pop3 = pop3_session(f, POP3_CLEAR, user);
	reply = pop3_ask(pop3, "UIDL 1");
	g_assert_cmpstr(reply, ==, want);
	pop3_quit(pop3, "Logging out.");
}

/* --- Sections of the configuration --- */

static void test_sections(void)
{
	static const struct {
		/* whose section, and whether that is this session */
		const char *section;
		gboolean matches;
	} cases[] = {
		{ "protocol pop3", TRUE },
		{ "protocol imap", FALSE },
		{ "remote 127.0.0.0/8", TRUE },
		{ "remote 192.0.2.0/24", FALSE },
		{ "local 127.0.0.1", TRUE },
		{ "local 192.0.2.1", FALSE }
	};
	struct fixture *f = get_fixture();

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *user = fixture_user(f, "maildir");
		g_autofree char *config = g_strdup_printf("%s {\n%s"
			"popinjay_capability_implementation = yes\n%s}\n",
			cases[i].section, has_settings() ? "" : "plugin {\n",
			has_settings() ? "" : "}\n");

		g_test_message("%s", cases[i].section);
		fixture_reload(f, config);
		g_assert_cmpint(says_implementation(f, user), ==,
				cases[i].matches);
	}
	fixture_reload(f, NULL);
}

/* --- What doveconf says --- */

/* Run doveconf on the configuration with text appended. Returns its exit
   status. */
static int doveconf(struct fixture *f, const char *text, const char *option,
		    const char *name, GString **out_r, GString **err_r)
{
	g_autofree char *path = g_build_filename(f->dir, "doveconf.conf", NULL);
	g_autofree char *config = g_strdup_printf("!include %s\n%s\n",
						  f->config_file, text);
	const char *const argv[] = {
		"doveconf", "-c", path, option, name, NULL
	};
	g_autoptr(GError) error = NULL;

	if (has_settings()) {
		/* the version of the language must come first, not from a
		   file */
		g_autofree char *old = config;

		config = g_strconcat("dovecot_config_version = 2.4.0\n"
				     "dovecot_storage_version = 2.4.0\n", old,
				     NULL);
	}
	if (!g_file_set_contents(path, config, -1, &error))
		g_error("%s", error->message);
	return fixture_run(f, argv, NULL, out_r, err_r);
}

static void test_defaults(void)
{
	struct fixture *f = get_fixture();

	if (!has_settings()) {
		g_test_skip("in 2.3 the settings of plugins have no defaults "
			    "that Dovecot knows");
		return;
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(list_defaults); i++) {
		const char *name = list_defaults[i][0];
		g_autofree char *want = g_strdup_printf(
			"%s = %s\n", name, list_defaults[i][1]);
		GString *out;

		g_assert_cmpint(doveconf(f, "", "-d", name, &out, NULL), ==, 0);
		g_assert_cmpstr(out->str, ==, want);
		g_string_free(out, TRUE);
	}
}

static void test_start(void)
{
	static const struct {
		const char *config, *error;
	} cases[] = {
		{ "popinjay_acess_log = none",
		  "Unknown setting: popinjay_acess_log" },
		{ "protocol pop3 {\n  popinjay_uidl_fromat = x\n}",
		  "Unknown setting: popinjay_uidl_fromat" },
		{ "popinjay_capability_implementation = maybe",
		  "popinjay_capability_implementation=maybe: Invalid value: "
			"use yes or no" },
		{ "popinjay_idle_timeout = soon",
		  "popinjay_idle_timeout: Invalid time interval: soon" },
		{ "popinjay_idle_timeout = 0",
		  "popinjay_idle_timeout=0 secs: Invalid value: use a time "
			"above 0 and up to 24 hours with its unit, such as "
			"10 mins" },
		{ "remote 192.0.2.1 {\n  popinjay_idle_timeout = 0\n}",
		  "popinjay_idle_timeout=0 secs: Invalid value: use a time "
			"above 0 and up to 24 hours with its unit, such as "
			"10 mins" },
		{ "popinjay_disable_plaintext_auth = perhaps",
		  "popinjay_disable_plaintext_auth=perhaps: Invalid value: use "
			"yes or no" }
	};
	struct fixture *f = get_fixture();

	if (!has_settings()) {
		g_test_skip("in 2.3 Dovecot does not know what may stand in "
			    "plugin {}");
		return;
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		GString *err;

		g_assert_cmpint(doveconf(f, cases[i].config, "-n", NULL, NULL,
					 &err), !=, 0);
		g_test_message("%s", err->str);
		g_assert_nonnull(strstr(err->str, cases[i].error));
		g_string_free(err, TRUE);
	}
}

/* --- All --- */

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
		g_autofree char *path = g_strdup_printf(
			"/settings/bad/%s", bad_cases[i].name);

		g_test_add_data_func(path, &bad_cases[i], test_bad);
	}
	g_test_add_func("/settings/implementation", test_implementation);
	g_test_add_func("/settings/bools", test_bools);
	g_test_add_func("/settings/access-log", test_access_log);
	g_test_add_data_func("/settings/uidl-format", "guid",
			     test_uidl_format);
	g_test_add_data_func("/settings/uidl-format-braces", "braces",
			     test_uidl_format);
	g_test_add_func("/settings/defaults", test_defaults);
	g_test_add_func("/settings/start", test_start);
	/* suites of their own to be last: a reload forgets the users, and an
	   error may come late */
	g_test_add_func("/sections/settings", test_sections);
	g_test_add_func("/stop/settings", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
