/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* App secrets and those who should not get in: each case is a way around a
   limit that somebody might try, or a mistake of an administrator's that must
   not open a door. */

#include "secrets/secrets.h"

#include <glib/gstdio.h>
#include <stdio.h>

#define REFUSED "-ERR [AUTH] Authentication failed."
#define ALL_MECHS "plain,apop,cram-md5,scram-sha-1,scram-sha-256"
#define MAIL "Subject: x\r\n\r\ntext\r\n"

static const char *const mechs[] = {
	"PLAIN", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"
};

static struct secrets *s;

#define assert_reply(mech, user, text, expected) G_STMT_START { \
	g_autofree char *login_reply = \
		secrets_login(s, POP3_TLS, mech, user, text, NULL); \
	g_assert_cmpstr(login_reply, ==, expected); \
} G_STMT_END
#define assert_accepted(mech, user, text) \
	assert_reply(mech, user, text, "+OK Logged in.")
#define assert_refused(mech, user, text) \
	assert_reply(mech, user, text, REFUSED)

/* --- labels in the login name --- */

static void test_label_case(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "iPhone",
					    "-m", ALL_MECHS, NULL);
	g_autofree char *same = g_strconcat(user, "+iPhone", NULL);
	g_autofree char *lower = g_strconcat(user, "+iphone", NULL);

	/* auth_username_format makes them one */
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		assert_accepted(mechs[i], same, text);
		assert_accepted(mechs[i], lower, text);
	}
	g_assert_cmpint(secrets_doveadm(s, "add", user, NULL, NULL, "-l",
					"IPHONE", NULL), ==, 65);
	g_assert_cmpint(secrets_doveadm(s, "revoke", user, NULL, NULL,
					"iphone", NULL), ==, 0);
	assert_refused("PLAIN", same, text);
}

/* Restart with something before our passdb. */
static struct secrets *
secrets_before(const char *before_2_3, const char *before_2_4)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.before = fixture_is_2_3() ? before_2_3 : before_2_4
	};

	return secrets_new_with(&options);
}

static void assert_label_refused(const char *user, const char *text)
{
	g_autofree char *named = g_strconcat(user, "+phone", NULL);
	gsize mark = fixture_log_size(s->f);

	assert_refused("PLAIN", named, text);
	g_free(fixture_log_wait(s->f, mark, "refused: .*before this one does "
				"more than accept users"));
	/* and so with the mechanisms that look secrets up */
	assert_refused("APOP", named, text);
	assert_refused("SCRAM-SHA-256", named, text);
}

static void test_label_deny(void)
{
	struct secrets *shared = s;
	g_autofree char *dir = g_dir_make_tmp("popinjay-deny-XXXXXX", NULL);
	g_autofree char *deny = g_build_filename(dir, "deny", NULL);
	g_autofree char *text = NULL, *other = NULL;
	g_autofree char *before_2_3 = g_strdup_printf(
		"passdb {\n  driver = passwd-file\n  args = %s\n"
		"  deny = yes\n}\n", deny);
	g_autofree char *before_2_4 = g_strdup_printf(
		"passdb denied {\n  driver = passwd-file\n"
		"  passwd_file_path = %s\n  deny = yes\n}\n", deny);

	g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
	secrets_write_file(deny, "alice@maildir:{PLAIN}x\n", 0644);
	s = secrets_before(before_2_3, before_2_4);
	fixture_user_add(s->f, "alice@maildir");
	fixture_user_add(s->f, "bob@maildir");
	text = secrets_add(s, "alice@maildir", NULL, "-l", "phone", "-m",
			   ALL_MECHS, NULL);
	other = secrets_add(s, "bob@maildir", NULL, "-l", "phone", "-m",
			    ALL_MECHS, NULL);
	assert_refused("PLAIN", "alice@maildir", text);
	assert_label_refused("alice@maildir", text);
	assert_accepted("PLAIN", "bob@maildir", other);
	assert_accepted("SCRAM-SHA-256", "bob@maildir", other);
	/* as nobody can tell who is meant before the label is cut off */
	assert_label_refused("bob@maildir", other);
	secrets_free(s);
	secrets_remove(dir);
	s = shared;
}

static void test_label_filter(void)
{
	struct secrets *shared = s;
	g_autofree char *text = NULL;

	/* alice gets no further */
	s = secrets_before(
		"passdb {\n  driver = static\n  args = nopassword=y\n"
		"  username_filter = alice*\n"
		"  result_success = return-fail\n}\n",
		"passdb gate {\n  driver = static\n"
		"  fields {\n    nopassword = yes\n  }\n"
		"  username_filter = alice*\n"
		"  result_success = return-fail\n}\n");
	fixture_user_add(s->f, "bob@maildir");
	text = secrets_add(s, "bob@maildir", NULL, "-l", "phone", "-m",
			   ALL_MECHS, NULL);
	assert_accepted("PLAIN", "bob@maildir", text);
	assert_label_refused("bob@maildir", text);
	secrets_free(s);
	s = shared;
}

/* --- names --- */

static void test_names(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = "auth_mechanisms = plain apop\n"
			"auth_username_chars =\n"
	};
	g_autofree char *longest = g_strnfill(255, 'a');
	g_autofree char *too_long = g_strnfill(256, 'a');
	g_autofree char *slashes = g_strnfill(150, '/');
	const char *const names[] = {
		longest, too_long, slashes, "\xff\xfe", "a\x01" "b", ".", "..",
		"../../etc/passwd", "x/../y"
	};

	/* Dovecot is told to take any name: an unknown one is no trouble for
	   the store, which fixture_free() would find in the log. */
	s = secrets_new_with(&options);
	for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++) {
		g_test_message("%u", i);
		assert_refused("PLAIN", names[i], "x");
		assert_refused("APOP", names[i], "x");
	}
	/* EX_DATAERR */
	g_assert_cmpint(secrets_doveadm(s, "add", too_long, NULL, NULL, "-l",
					"x", NULL), ==, 65);
	secrets_free(s);
	s = shared;
}

/* --- read-only, and a server that does not load the plugin for POP3 --- */

static void assert_read_only(const char *user, const char *text)
{
	g_autofree char *reply = NULL;
	struct pop3 *pop3;

	reply = secrets_login(s, POP3_TLS, "SCRAM-SHA-256", user, text, &pop3);
	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	pop3_send(pop3, "DELE 1");
	pop3_expect(pop3, "-ERR [SYS/PERM] This secret may read mail but not "
		    "delete it\r\n");
	pop3_send(pop3, "QUIT");
	pop3_expect(pop3, "+OK Logging out.\r\n");
	pop3_close(pop3);
}

#define NO_PLUGINS_2_3 \
	"auth_mechanisms = plain scram-sha-256\n" \
	"mail_plugins =\n"
#define NO_PLUGINS_2_4 \
	"auth_mechanisms = plain scram-sha-256\n" \
	"mail_plugins {\n" \
	"  popinjay = no\n" \
	"}\n"

static void test_read_only_no_plugin(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = fixture_is_2_3() ? NO_PLUGINS_2_3 : NO_PLUGINS_2_4
	};
	g_autofree char *user = NULL, *text = NULL, *full = NULL;
	g_autofree char *reply = NULL;
	struct pop3 *pop3;

	s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	fixture_deliver(s->f, user, MAIL, strlen(MAIL));
	text = secrets_add(s, user, NULL, "-l", "archive", "-r", "yes", NULL);
	assert_read_only(user, text);

	/* other sessions have no plugin, as configured */
	g_assert_cmpint(secrets_doveadm(s, "revoke", user, NULL, NULL,
					"archive", NULL), ==, 0);
	full = secrets_add(s, user, NULL, "-l", "phone", NULL);
	reply = secrets_login(s, POP3_TLS, "PLAIN", user, full, &pop3);
	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	pop3_send(pop3, "DELE 1");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_close(pop3);
	g_assert_cmpuint(fixture_log_count(s->f, 0,
		"popinjay_session_finished.*\"secret_label\":\"phone\""), ==,
		0);
	secrets_free(s);
	s = shared;
}

/* The mail server of a site may not have the plugin at all. */
static void test_read_only_not_installed(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = fixture_is_2_3() ? NO_PLUGINS_2_3 : NO_PLUGINS_2_4
	};
	g_autofree char *dir = g_dir_make_tmp("popinjay-modules-XXXXXX", NULL);
	g_autofree char *copy = g_build_filename(dir, "modules", NULL);
	g_autofree char *plugin = g_build_filename(copy,
		"lib20_popinjay_plugin.so", NULL);
	const char *const cp[] = {
		"cp", "-r", g_getenv("POPINJAY_MODULES") != NULL ?
		g_getenv("POPINJAY_MODULES") : POPINJAY_MODULEDIR, copy, NULL
	};
	g_autofree char *before = g_strdup(g_getenv("POPINJAY_MODULES"));
	g_autofree char *user = NULL, *text = NULL, *full = NULL;
	g_autofree char *reply = NULL;

	g_assert_true(g_spawn_sync(NULL, (char **)cp, NULL,
				   G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
				   NULL, NULL));
	g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
	g_assert_cmpint(g_remove(plugin), ==, 0);
	g_setenv("POPINJAY_MODULES", copy, TRUE);
	s = secrets_new_with(&options);
	if (before != NULL)
		g_setenv("POPINJAY_MODULES", before, TRUE);
	else
		g_unsetenv("POPINJAY_MODULES");

	user = fixture_user(s->f, "maildir");
	fixture_log_allow(s->f, "Plugin 'popinjay' not found");
	fixture_log_allow(s->f, "Couldn't load required plugin");
	full = secrets_add(s, user, NULL, "-l", "phone", NULL);
	assert_accepted("PLAIN", user, full);
	g_assert_cmpint(secrets_doveadm(s, "revoke", user, NULL, NULL,
					"phone", NULL), ==, 0);
	text = secrets_add(s, user, NULL, "-l", "archive", "-r", "yes", NULL);
	reply = secrets_login(s, POP3_TLS, "PLAIN", user, text, NULL);
	g_assert_true(g_str_has_prefix(reply, "-ERR "));
	g_assert_null(strstr(reply, "[AUTH]"));
	secrets_free(s);
	secrets_remove(dir);
	s = shared;
}

/* --- what the passdb's own configuration refuses --- */

static void test_override_fields(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.fields = "allow_nets = 192.0.2.0/24"
	};
	g_autofree char *user = NULL, *text = NULL, *out = NULL;

	s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	text = secrets_add(s, user, NULL, "-l", "phone", "-m", ALL_MECHS,
			   NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++)
		assert_refused(mechs[i], user, text);
	/* the next passdb lets the user in, by another password */
	assert_accepted("PLAIN", user, FIXTURE_PASSWORD);
	g_assert_cmpuint(fixture_log_count(s->f, 0, "popinjay: accepted"), ==,
			 0);
	g_assert_cmpint(secrets_doveadm(s, "show", user, NULL, &out, "phone",
					NULL), ==, 0);
	g_assert_true(g_str_has_suffix(out, "\tk1\t\t\t\tyes\n"));
	secrets_free(s);
	s = shared;
}

static void test_nologin(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.fields = "nologin = yes"
	};
	g_autofree char *user = NULL, *text = NULL, *reply = NULL;
	g_autofree char *regex = NULL;

	s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	text = secrets_add(s, user, NULL, "-l", "phone", NULL);
	reply = secrets_login(s, POP3_TLS, "PLAIN", user, text, NULL);
	g_assert_true(g_str_has_prefix(reply, "-ERR "));
	regex = g_strdup_printf("pop3-login: .*user=<%s>", user);
	g_free(fixture_log_wait(s->f, 0, regex));
	g_assert_cmpuint(fixture_log_count(s->f, 0, "popinjay: accepted"), ==,
			 0);
	secrets_free(s);
	s = shared;
}

/* A configuration that cannot work is no wrong password. */
static void test_broken_configuration(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE, .broken = TRUE,
		.config = "auth_mechanisms = plain apop cram-md5 scram-sha-1 "
			"scram-sha-256\n"
	};

	s = secrets_new_with(&options);
	fixture_log_allow(s->f, "popinjay");
	fixture_user_add(s->f, "alice");
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		g_autofree char *reply = secrets_login(s, POP3_TLS, mechs[i],
						       "alice", "x", NULL);

		g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
	}
	assert_accepted("PLAIN", "alice", FIXTURE_PASSWORD);
	secrets_free(s);
	s = shared;
}

/* --- secrets that persons typed --- */

static void test_imported(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *file = g_strdup_printf("%s:{PLAIN}Typed-1\n", user);
	const char *const labels[] = { "one", "two", "three" };
	gsize mark;

	for (unsigned int i = 0; i < G_N_ELEMENTS(labels); i++) {
		g_assert_cmpint(secrets_doveadm(s, "import", user, file, NULL,
						"-l", labels[i], NULL), ==, 0);
	}
	/* to compare with each takes a slow hash */
	g_assert_cmpint(secrets_doveadm(s, "import", user, file, NULL, "-l",
					"four", NULL), ==, 65);
	assert_accepted("PLAIN", user, "Typed-1");
	/* and that is not spent on what is refused whatever the client knows:
	   nobody finds out whether this was right */
	for (unsigned int i = 0; i < G_N_ELEMENTS(labels); i++) {
		g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL,
						"-n", "192.0.2.0/24",
						labels[i], NULL), ==, 0);
	}
	mark = fixture_log_size(s->f);
	assert_refused("PLAIN", user, "Typed-1");
	g_free(fixture_log_wait(s->f, mark, "no secret matches; not tried: "
				"secret .*: it does not allow the client's "
				"address"));
}

/* --- many guesses --- */

/* Dovecot answers an address later after each wrong guess, the passdb does not
   matter. */
static void test_penalty(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = "auth_mechanisms = plain scram-sha-256\n"
			/* without one 2.4 has no penalty */
			"auth_failure_delay = 1 secs\n"
			"service anvil {\n"
			"  unix_listener anvil-auth-penalty {\n"
			"    mode = 0600\n"
			"  }\n"
			"}\n"
	};
	g_autofree char *user = NULL, *text = NULL;
	gint64 start;

	s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	text = secrets_add(s, user, NULL, "-l", "phone", NULL);
	assert_refused("SCRAM-SHA-256", user, "wrong");
	start = g_get_monotonic_time();
	assert_accepted("PLAIN", user, text);
	/* 2 s after one guess */
	g_assert_cmpint(g_get_monotonic_time() - start, >=,
			G_USEC_PER_SEC * 19 / 10);
	secrets_free(s);
	s = shared;
}

/* --- the end of the auth process --- */

static void test_unfinished_at_end(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = { .store = SECRETS_FS };
	g_autofree char *user = NULL, *text = NULL, *line = NULL;
	g_autofree char *bare = NULL, *first = NULL;
	struct pop3 *pop3;

	/* a login that a secret is about to serve when Dovecot ends */
	s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	text = secrets_add(s, user, NULL, "-l", "phone", NULL);
	pop3 = pop3_connect(s->f, POP3_TLS);
	bare = g_strdup_printf("n,,n=%s,r=clientnonce", user);
	first = g_base64_encode((const guchar *)bare, strlen(bare));
	/* the login process ends after those that it talks to */
	fixture_log_allow(s->f, "\\(anvil\\).* failed|"
			  "Error sending (cancel )?request to auth server");
	line = pop3_ask(pop3, "AUTH SCRAM-SHA-256 %s", first);
	g_assert_true(g_str_has_prefix(line, "+ "));
	fixture_stop(s->f);
	pop3_close(pop3);
	g_assert_cmpuint(fixture_log_count(s->f, 0, "killed with signal|"
					   "Panic|Raw backtrace"), ==, 0);
	secrets_free(s);
	s = shared;
}

int main(int argc, char *argv[])
{
	const struct secrets_options options = {
		.store = SECRETS_SQLITE, .fast_logins = TRUE
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	s = secrets_new_with(&options);
	g_test_add_func("/label/case", test_label_case);
	g_test_add_func("/label/deny", test_label_deny);
	g_test_add_func("/label/filter", test_label_filter);
	g_test_add_func("/name/invalid", test_names);
	g_test_add_func("/read-only/no-plugin", test_read_only_no_plugin);
	g_test_add_func("/read-only/not-installed",
			test_read_only_not_installed);
	g_test_add_func("/passdb/override-fields", test_override_fields);
	g_test_add_func("/passdb/nologin", test_nologin);
	g_test_add_func("/passdb/broken", test_broken_configuration);
	g_test_add_func("/imported/slow", test_imported);
	g_test_add_func("/guesses/penalty", test_penalty);
	g_test_add_func("/end/unfinished", test_unfinished_at_end);
	ret = g_test_run();
	secrets_free(s);
	return ret;
}
