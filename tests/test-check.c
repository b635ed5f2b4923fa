/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay check: what would make POP3 logins fail is told before, and
   what it tells is what a login does. */

#include "pop3.h"
#include "records.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <utime.h>

#define REFUSAL "-ERR [SYS/PERM] "

static void assert_has(const char *text, const char *regex)
{
	if (!g_regex_match_simple(regex, text, G_REGEX_MULTILINE, 0))
		g_error("no %s in: %s", regex, text);
}

static void assert_has_not(const char *text, const char *regex)
{
	if (g_regex_match_simple(regex, text, G_REGEX_MULTILINE, 0))
		g_error("%s in: %s", regex, text);
}

/* Settings of ours as this Dovecot wants them. */
static char *our_settings(const char *lines)
{
	return fixture_is_2_3() ? g_strdup_printf("plugin {\n%s}\n", lines) :
		g_strdup(lines);
}

/* Returns what it prints; its status must be the one given. */
static char *check_user(struct fixture *f, const char *user, int status)
{
	g_autoptr(GString) out = NULL, err = NULL;
	int got = fixture_doveadm(f, NULL, &out, &err, "popinjay", "check",
				  "-u", user, NULL);

	if (got != status) {
		g_error("status %d, not %d: %s%s", got, status, out->str,
			err->str);
	}
	g_assert_cmpstr(err->str, ==, "");
	return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Nothing is wrong, and nothing is changed by asking. */
static void test_good(void)
{
	g_autofree char *sink_dir = g_dir_make_tmp("popinjay-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(sink_dir, "access.log", NULL);
	g_autofree char *sink = g_strdup_printf("file:%s", path);
	const char *const settings[] = { "popinjay_access_log", sink, NULL };
	const struct fixture_options options = { .settings = settings };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *mail_dir = fixture_mail_dir(f, user);
	g_autoptr(GString) out = NULL;
	g_autofree char *text = NULL;
	gsize since = fixture_log_size(f);

	fixture_give(f, user, sink_dir);
	text = check_user(f, user, 0);
	assert_has(text, "^ok +\\S+/lib20_popinjay_plugin\\.so: Popinjay "
		   "[0-9.]+ for Dovecot \\S+, loaded by pop3, ");
	assert_has(text, "^ok +\\S+/lib20_popinjay_login_plugin\\.so: .*, not "
		   "loaded$");
	assert_has(text, "^ok +\\S+/libauthdb_popinjay\\.so: .*, not loaded$");
	assert_has(text, "^ok +\\S+/lib20_doveadm_popinjay_plugin\\.so: .*, "
		   "loaded by doveadm$");
	assert_has(text, "^ok +user \\S+: settings, key files and sinks are "
		   "good$");
	assert_has_not(text, "^(warning|error)");
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	g_assert_false(g_file_test(mail_dir, G_FILE_TEST_EXISTS));
	g_assert_cmpuint(fixture_log_count(f, since, "popinjay_session"), ==,
			 0);

	/* without a user */
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, 0);
	assert_has(out->str, "^No user was checked: -u USER checks one, "
		   "-A all\\.$");
	assert_has(out->str, "^ok +\\S+/lib20_popinjay_plugin\\.so: ");
	fixture_free(f);
	g_assert_cmpint(rmdir(sink_dir), ==, 0);
}

/* Nobody has logged in: no other plugin is to note it. */
static void test_no_login(void)
{
	const struct fixture_options options = { .plugins = "last_login" };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *home = fixture_home(f, user);
	g_autofree char *path = g_build_filename(home, "last-login", NULL);
	g_autofree char *config = g_strdup_printf(fixture_is_2_3() ?
		"plugin {\n  last_login_dict = file:%s\n}\n" :
		"last_login {\n  dict file {\n    path = %s\n  }\n}\n", path);

	fixture_reload(f, config);
	g_free(check_user(f, user, 0));
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	pop3_quit(pop3_session(f, POP3_CLEAR, user), "Logging out.");
	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	fixture_free(f);
}

static const struct {
	const char *name;
	/* "@DIR@" is the directory of the private Dovecot */
	const char *settings;
	/* what check says of the user, and whether logins are refused */
	const char *regex;
	gboolean refused;
} bad_settings[] = {
	{ "template", "popinjay_uidl_format = mail\n",
	  "popinjay_uidl_format=mail: Invalid template: ", TRUE },
	{ "sink", "popinjay_access_log = printer\n",
	  "popinjay_access_log=printer: Invalid value: 'printer' is not a "
	  "sink; use log,", TRUE },
	{ "events", "popinjay_access_log_events = login\n",
	  "popinjay_access_log_events=login: Invalid value: use one or more "
	  "of ", TRUE },
	{ "policy", "popinjay_uidl_policy = nobodys\n",
	  "popinjay_uidl_policy=nobodys: There is no such policy", TRUE },
	{ "log-key", "popinjay_access_log_anonymize = ip=hash\n"
	  "popinjay_access_log_key_file = @DIR@/none\n",
	  "popinjay_access_log_key_file=@DIR@/none: open\\(\\) failed: No such "
	  "file or directory; make it a file that uid [0-9]+ can read", TRUE },
	{ "file", "popinjay_access_log = file:@DIR@/none/log\n",
	  "popinjay_access_log=file:@DIR@/none/log: access\\(@DIR@/none/\\) "
	  "failed for uid [0-9]+: No such file or directory; its records go to "
	  "Dovecot's log until that works$", FALSE },
	{ "syslog", "popinjay_access_log = syslog:@DIR@/none\n",
	  "popinjay_access_log=syslog:@DIR@/none: connect\\(\\) failed for uid "
	  "[0-9]+: No such file or directory; ", FALSE },
	{ "service", "popinjay_access_log = service\n",
	  "popinjay_access_log=service: connect\\(\\S+/popinjay-log\\) failed "
	  "for uid [0-9]+: No such file or directory; ", FALSE },
};

static char *with_dir(struct fixture *f, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "@DIR@", -1);

	return g_strjoinv(f->dir, parts);
}

/* The same configuration, asked and then tried. */
static void test_bad_settings(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *user = fixture_user(f, "maildir");

	fixture_log_allow(f, "popinjay_");
	for (unsigned int i = 0; i < G_N_ELEMENTS(bad_settings); i++) {
		g_autofree char *lines =
			with_dir(f, bad_settings[i].settings);
		g_autofree char *config = our_settings(lines);
		g_autofree char *regex = with_dir(f, bad_settings[i].regex);
		g_autofree char *line =
			g_strdup_printf("^error +user \\S+: %s", regex);
		g_autofree char *text = NULL, *reply = NULL;
		struct pop3 *pop3;

		g_test_message("%s", bad_settings[i].name);
		fixture_reload(f, config);
		text = check_user(f, user, EX_CONFIG);
		assert_has(text, line);
		assert_has_not(text, "^ok +user ");
		assert_has_not(text, "POP3 logins fail");

		pop3 = pop3_connect(f, POP3_CLEAR);
		pop3_send(pop3, "USER %s", user);
		pop3_expect(pop3, "+OK\r\n");
		reply = pop3_ask(pop3, "PASS " FIXTURE_PASSWORD);
		g_assert_cmpint(g_str_has_prefix(reply, REFUSAL), ==,
				bad_settings[i].refused);
		pop3_close(pop3);
	}
	fixture_free(f);
}

/* A key file that root can read and one of two users cannot. */
static void test_key_file_of_user(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *key = g_build_filename(f->dir, "uidl.key", NULL);
	g_autofree char *lines = g_strdup_printf(
		"popinjay_uidl_format = {hmac}\n"
		"popinjay_uidl_key_file = %s\n", key);
	g_autofree char *config = our_settings(lines);
	g_autofree char *text = NULL;
	gid_t gid;

	if (geteuid() != 0) {
		g_test_skip("users of their own need root");
		fixture_free(f);
		return;
	}
	fixture_user_add(f, "alice");
	fixture_user_add(f, "bob");
	g_assert_true(g_file_set_contents(key, "0123456789abcdef", -1, NULL));
	g_assert_cmpint(chmod(key, 0400), ==, 0);
	g_assert_cmpint(chown(key, fixture_user_uid(f, "alice", &gid), -1),
			==, 0);
	fixture_reload(f, config);
	g_free(check_user(f, "alice", 0));
	text = check_user(f, "bob", EX_CONFIG);
	assert_has(text, "^error +user bob: popinjay_uidl_key_file=\\S+: "
		   "open\\(\\) failed: Permission denied; make it a file "
		   "that the mail user \\(uid 5002\\) can read");
	fixture_free(f);
}

/* The recipe for users who have uids of their own. */
static void test_key_file_of_group(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *key = g_build_filename(f->dir, "uidl.key", NULL);
	g_autofree char *lines = g_strdup_printf(
		"popinjay_uidl_format = {hmac}\n"
		"popinjay_uidl_key_file = %s\n", key);
	g_autofree char *ours = our_settings(lines);
	g_autofree char *config = g_strconcat(ours,
		"mail_access_groups = mail\n", NULL);
	struct group *group = getgrnam("mail");

	if (geteuid() != 0 || group == NULL) {
		g_test_skip("users of their own need root");
		fixture_free(f);
		return;
	}
	g_assert_true(g_file_set_contents(key, "0123456789abcdef", -1, NULL));
	g_assert_cmpint(chown(key, 0, group->gr_gid), ==, 0);
	g_assert_cmpint(chmod(key, 0640), ==, 0);
	fixture_user_add(f, "alice");
	fixture_user_add(f, "bob");
	fixture_reload(f, ours);
	g_free(check_user(f, "alice", EX_CONFIG));
	fixture_reload(f, config);
	g_free(check_user(f, "alice", 0));
	g_free(check_user(f, "bob", 0));
	pop3_quit(pop3_session(f, POP3_CLEAR, "alice"), "Logging out.");
	pop3_quit(pop3_session(f, POP3_CLEAR, "bob"), "Logging out.");
	fixture_free(f);
}

/* A key file that is there, but not where the mail process is. */
static void test_chroot(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *key = g_build_filename(f->dir, "uidl.key", NULL);
	g_autofree char *root = g_build_filename(f->dir, "root", NULL);
	g_autofree char *lines = g_strdup_printf(
		"popinjay_uidl_format = {hmac}\n"
		"popinjay_uidl_key_file = %s\n", key);
	g_autofree char *ours = our_settings(lines);
	g_autofree char *config = g_strdup_printf("%smail_chroot = %s\n"
		"mail_home = /\n", ours, root);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *text = NULL;

	if (geteuid() != 0) {
		g_test_skip("chroot() needs root");
		fixture_free(f);
		return;
	}
	g_assert_cmpint(mkdir(root, 0755), ==, 0);
	g_assert_true(g_file_set_contents(key, "0123456789abcdef", -1, NULL));
	g_assert_cmpint(chmod(key, 0644), ==, 0);
	fixture_reload(f, config);
	text = check_user(f, user, EX_CONFIG);
	assert_has(text, "^error +user \\S+: popinjay_uidl_key_file=\\S+: "
		   "open\\(\\) failed: No such file or directory; .* \\(all "
		   "paths are inside of mail_chroot=\\S+/root\\)$");
	fixture_free(f);
}

/* 2.3: $auth_mechanisms is what it was where it is written. */
static void test_copied_settings(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autoptr(GString) out = NULL, good = NULL;

	fixture_reload(f, "auth_mechanisms = plain login cram-md5\n");
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, 0);
	if (!fixture_is_2_3()) {
		assert_has_not(out->str, "^warning");
		fixture_free(f);
		return;
	}
	assert_has(out->str, "^warning +plugin/popinjay_sasl_mechanisms: It is "
		   "\"plain login\", but auth_mechanisms is \"plain login "
		   "cram-md5\": CAPA after login will differ from CAPA "
		   "before it\\. ");
	fixture_reload(f, "auth_mechanisms = plain login cram-md5\nplugin {\n"
		       "  popinjay_sasl_mechanisms = $auth_mechanisms\n}\n");
	g_assert_cmpint(fixture_doveadm(f, NULL, &good, NULL, "popinjay",
					"check", NULL), ==, 0);
	assert_has_not(good->str, "^warning");
	fixture_free(f);
}

/* 2.4 takes any setting in any block, and nobody would read it. */
static void test_misplaced_settings(void)
{
	struct fixture *f;
	g_autoptr(GString) out = NULL, good = NULL;

	if (fixture_is_2_3()) {
		g_test_skip("2.3 refuses such a configuration");
		return;
	}
	f = fixture_new(NULL);
	fixture_reload(f,
		"namespace inbox {\n"
		"  popinjay_uidl_save = yes\n"
		"  mailbox Trash {\n"
		"    popinjay_uidl_format = {hmac}\n"
		"  }\n"
		"}\n");
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, EX_CONFIG);
	assert_has(out->str, "^error +popinjay_uidl_save: It has no effect in "
		   "namespace/inbox: ");
	assert_has(out->str, "^error +popinjay_uidl_format: It has no effect "
		   "in namespace/inbox/mailbox/Trash: ");
	fixture_reload(f, "protocol pop3 {\n  popinjay_uidl_save = yes\n}\n");
	g_assert_cmpint(fixture_doveadm(f, NULL, &good, NULL, "popinjay",
					"check", NULL), ==, 0);
	assert_has_not(good->str, "^error");
	fixture_free(f);
}

/* A user's own settings, one of whom has none. */
static void test_many_users(void)
{
	static const char list[] = "alice\nbob\ncarol\n";
	struct fixture *f = fixture_new(NULL);
	g_autofree char *config = our_settings(fixture_is_2_3() ?
		"popinjay_access_log_events = %u\n" :
		"popinjay_access_log_events = %{user}\n");
	g_autofree char *path = g_build_filename(f->dir, "list", NULL);
	g_autoptr(GString) out = NULL, err = NULL, json = NULL;

	fixture_user_add(f, "alice");
	fixture_user_add(f, "bob");
	fixture_user_add(f, "carol");
	g_assert_true(g_file_set_contents(path, list, -1, NULL));
	fixture_reload(f, config);
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, &err, "popinjay",
					"check", "-F", path, NULL), ==,
			EX_CONFIG);
	g_assert_cmpstr(err->str, ==, "");
	assert_has(out->str, "^error +user alice: "
		   "popinjay_access_log_events=alice: Invalid value: ");
	assert_has(out->str, "^error +user carol: ");
	assert_has(out->str, "^3 of 3 users have errors\\.$");
	g_assert_cmpint(fixture_doveadm(f, NULL, &json, NULL, "-f", "tab",
					"popinjay", "check", "-F", path, NULL),
			==, EX_CONFIG);
	assert_has(json->str, "^Username\tresult\twhat\ttext$");
	assert_has(json->str, "^\tok\t\\S+/lib20_popinjay_plugin\\.so\t");
	assert_has(json->str, "^bob\terror\tuser bob\t"
		   "popinjay_access_log_events=bob: ");
	fixture_free(f);
}

/* The example for large sites where users have uids of their own. */
static void test_large_site(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *example = fixture_read_source(fixture_is_2_3() ?
		"doc/large-site-2.3.conf.ext" : "doc/large-site-2.4.conf.ext");
	g_autofree char *path = g_build_filename(f->dir, "list", NULL);
	g_autoptr(GString) out = NULL, same = NULL;

	if (geteuid() != 0) {
		g_test_skip("users of their own need root");
		fixture_free(f);
		return;
	}
	fixture_user_add(f, "alice");
	fixture_user_add(f, "bob");
	g_assert_true(g_file_set_contents(path, "alice\nbob\n", -1, NULL));
	g_assert_cmpint(fixture_doveadm(f, NULL, &same, NULL, "popinjay",
					"check", "-F", path, NULL), ==, 0);
	fixture_reload(f, example);
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"check", "-F", path, NULL), ==,
			EX_CONFIG);
	assert_has(out->str, "^error +service pop3: A process serves more than "
		   "one session \\(\\w+_count=1000\\), but users have "
		   "different uids \\(alice 5001, bob 5002\\), ");
	fixture_free(f);
}

/* Dovecot 2.4 that was started before the modules were installed knows no
   setting of ours, and says so in its log only. */
static void test_restart(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *pid_file = g_build_filename(f->dir, "run",
						     "master.pid", NULL);
	struct utimbuf long_ago = { .actime = 1, .modtime = 1 };
	g_autoptr(GString) before = NULL, after = NULL;

	g_assert_cmpint(fixture_doveadm(f, NULL, &before, NULL, "popinjay",
					"check", NULL), ==, 0);
	g_assert_cmpint(g_utime(pid_file, &long_ago), ==, 0);
	g_assert_cmpint(fixture_doveadm(f, NULL, &after, NULL, "popinjay",
					"check", NULL), ==,
			fixture_is_2_3() ? 0 : EX_CONFIG);
	if (!fixture_is_2_3()) {
		assert_has(after->str, "^error +\\S+/libpopinjay_settings\\.so"
			   ": It was installed after Dovecot was started, .*: "
			   "restart Dovecot$");
	}
	fixture_free(f);
}

/* POP3 without the plugin is no error, for the package may be installed and not
   used. A user who was asked for does not have it, though. */
static void test_not_loaded(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *mail_dir = fixture_mail_dir(f, user);
	g_autofree char *text = NULL;

	fixture_reload(f, fixture_is_2_3() ?
		"protocol pop3 {\n  mail_plugins =\n"
		"  login_plugins = popinjay_login\n}\n"
		"protocol imap {\n  login_plugins = popinjay_login\n}\n" :
		"protocol pop3 {\n  mail_plugins {\n    popinjay = no\n  }\n"
		"  login_plugins {\n    popinjay_login = yes\n  }\n}\n"
		"protocol imap {\n"
		"  login_plugins {\n    popinjay_login = yes\n  }\n}\n");
	text = check_user(f, user, EX_CONFIG);
	assert_has(text, "^warning +mail_plugins: popinjay is not in "
		   "mail_plugins of \"protocol pop3 \\{\\}\"");
	assert_has(text, "^error +user \\S+: The plugin popinjay is not loaded "
		   "for this user: ");
	/* nor was the mailbox opened */
	g_assert_false(g_file_test(mail_dir, G_FILE_TEST_EXISTS));
	assert_has(text, "^ok +\\S+/lib20_popinjay_login_plugin\\.so: .*, "
		   "loaded by pop3, imap$");
	assert_has(text, "^warning +login_plugins: popinjay_login is also "
		   "loaded for IMAP");
	fixture_free(f);
}

/* A module of another Dovecot's, and one that is not there. */
static void test_modules(void)
{
	const struct fixture_options options = {
		/* or doveadm would not start */
		.config = fixture_is_2_3() ? "mail_plugins =\n"
			"protocol pop3 {\n  mail_plugins = popinjay\n}\n" :
			"mail_plugins {\n  popinjay = no\n}\n"
			"protocol pop3 {\n  mail_plugins {\n"
			"    popinjay = yes\n  }\n}\n"
	};
	g_autofree char *dir = g_dir_make_tmp("popinjay-XXXXXX", NULL);
	g_autofree char *change = g_strdup_printf(
		"cp -R " POPINJAY_MODULEDIR "/. %s && chmod 755 %s && "
		"rm %s/lib20_popinjay_plugin.so && "
		"sed -i s/ABIv/ABIx/ %s/login/lib20_popinjay_login_plugin.so",
		dir, dir, dir, dir);
	g_autofree char *remove = g_strdup_printf("rm -r -- %s", dir);
	g_autoptr(GString) out = NULL;
	const char *const shell[] = { "sh", "-c", change, NULL };
	struct fixture *f;
	int status;

	g_assert_true(g_spawn_sync(NULL, (char **)shell, NULL,
				   G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
				   &status, NULL));
	g_assert_cmpint(status, ==, 0);
	g_setenv("POPINJAY_MODULES", dir, TRUE);
	f = fixture_new(&options);
	g_unsetenv("POPINJAY_MODULES");
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, EX_CONFIG);
	assert_has(out->str, "^error +\\S+/lib20_popinjay_login_plugin\\.so: "
		   "It is Popinjay [0-9.]+ made for Dovecot \\S*ABIx\\S+, and "
		   "this is Dovecot \\S*ABIv\\S+: logins fail; build and "
		   "install Popinjay again$");
	assert_has(out->str, "^error +\\S+/lib20_popinjay_plugin\\.so: It "
		   "does not exist, but the configuration loads it for pop3: "
		   "POP3 "
		   "logins get \\[SYS/TEMP\\]; run make install, ");
	fixture_free(f);
	g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL,
						NULL));
}

/* The service, whose file nobody can write to, and as it should be. */
static void test_log_service(void)
{
	struct fixture *f = fixture_new(NULL);
	g_autofree char *good = g_build_filename(f->dir, "access.log", NULL);
	g_autofree char *bad = g_build_filename(f->dir, "none", "log", NULL);
	g_autofree char *config = collector_config(f, bad);
	g_autofree char *good_config = collector_config(f, good);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *text = NULL, *good_text = NULL;

	fixture_log_allow(f, "none/log");
	fixture_reload(f, config);
	text = check_user(f, user, EX_CONFIG);
	assert_has(text, "^ok +\\S+/popinjay-log: Popinjay [0-9.]+ for Dovecot "
		   "\\S+, loaded by service popinjay-log$");
	assert_has(text, "^error +service popinjay-log: \\S+/none/log cannot "
		   "be written by its user root: No such file or directory$");
	fixture_reload(f, good_config);
	good_text = check_user(f, user, 0);
	assert_has(good_text, "^ok +service popinjay-log: it listens on "
		   "\\S+/popinjay-log$");
	fixture_free(f);
}

/* The service has the groups that its configuration says, and no others. */
static void test_log_service_groups(void)
{
	static const char *const groups[] = {
		"", "  extra_groups = mail\n", "  group = mail\n"
	};
	struct fixture *f = fixture_new(NULL);
	g_autofree char *dir = g_build_filename(f->dir, "logs", NULL);
	g_autofree char *path = g_build_filename(dir, "access.log", NULL);
	g_autofree char *config = collector_config(f, path);
	struct group *group = getgrnam("mail");

	if (geteuid() != 0 || group == NULL) {
		g_test_skip("users of their own need root");
		fixture_free(f);
		return;
	}
	fixture_log_allow(f, "Permission denied");
	g_assert_cmpint(mkdir(dir, 0700), ==, 0);
	g_assert_cmpint(chmod(dir, 0770), ==, 0);
	g_assert_cmpint(chown(dir, 0, group->gr_gid), ==, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(groups); i++) {
		g_autofree char *more = g_strdup_printf("%sservice "
			"popinjay-log {\n  user = nobody\n%s}\n", config,
			groups[i]);
		g_autoptr(GString) out = NULL;

		fixture_reload(f, more);
		g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL,
						"popinjay", "check", NULL), ==,
				i == 0 ? EX_CONFIG : 0);
		assert_has(out->str, i == 0 ? "^error +service popinjay-log: "
			   "\\S+ cannot be written by its user nobody: "
			   "Permission denied$" :
			   "^ok +service popinjay-log: ");
	}
	fixture_free(f);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	g_test_add_func("/check/good", test_good);
	g_test_add_func("/check/no-login", test_no_login);
	g_test_add_func("/check/bad-settings", test_bad_settings);
	g_test_add_func("/check/key-file-of-user", test_key_file_of_user);
	g_test_add_func("/check/key-file-of-group", test_key_file_of_group);
	g_test_add_func("/check/chroot", test_chroot);
	g_test_add_func("/check/copied-settings", test_copied_settings);
	g_test_add_func("/check/misplaced-settings", test_misplaced_settings);
	g_test_add_func("/check/many-users", test_many_users);
	g_test_add_func("/check/large-site", test_large_site);
	g_test_add_func("/check/restart", test_restart);
	g_test_add_func("/check/not-loaded", test_not_loaded);
	g_test_add_func("/check/modules", test_modules);
	g_test_add_func("/check/log-service", test_log_service);
	g_test_add_func("/check/log-service-groups", test_log_service_groups);
	return g_test_run();
}
