/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A configuration that makes no sense: nobody gets in, the client hears
   [SYS/PERM] and nothing else, the log has one line that names the setting, its
   value and what it accepts. Other processes go on, and say the same. */

#include "access-record.h"
#include "pop3.h"

#include <stdio.h>
#include <sys/stat.h>

#define REFUSAL "-ERR [SYS/PERM] The server's configuration for this " \
	"mailbox is wrong.\r\n"
#define MAIL "Subject: mail\n\nRead it.\n"

#define VARIABLES "\\(variables: uid, uidvalidity, md5, filename, guid, " \
	"hmac, date\\)"
#define ALIKE "Invalid template: It has none of the variables that tell " \
	"messages apart \\(uid, md5, filename, guid, hmac\\)"
#define TIME "use a time above 0 and up to 24 hours with its unit, such as " \
	"10 mins"
#define TIME_ERROR(value) "plugin \\{ popinjay_idle_timeout=" value " \\}: " \
	"Invalid value: " TIME
#define KEY_FILE "; make it a file that the mail user \\(uid @UID@\\) " \
	"can read, such as by mail_access_groups, with a key of 16 to 4096 " \
	"bytes"

/* In all texts "@DIR@" is the directory of the private Dovecot. */
struct bad {
	const char *name;
	/* TRUE: as a setting of Dovecot 2.4 it is an error when the server
	   starts, which test-settings looks at */
	gboolean only_2_3;
	const char *settings[5];
	/* regular expression for all that the error says behind "popinjay: " */
	const char *error;
};

#define SINKS "use log, syslog, syslog:/SOCKET, service, file:/PATH or none"

static const struct bad bad_settings[] = {
	{ "policy", FALSE, { "popinjay_uidl_policy", "nobodys" },
	  "popinjay_uidl_policy=nobodys: There is no such policy; there are: "
	  "format" },
	{ "policy-case", FALSE, { "popinjay_uidl_policy", "FORMAT" },
	  "popinjay_uidl_policy=FORMAT: There is no such policy; there are: "
	  "format" },
	{ "sources-unknown", FALSE,
	  { "popinjay_uidl_sources", "saved nobodys" },
	  "popinjay_uidl_sources=saved nobodys: There is no source nobodys; "
	  "there are: saved, xuidl, old, format" },
	{ "sources-twice", FALSE,
	  { "popinjay_uidl_sources", "format saved format" },
	  "popinjay_uidl_sources=format saved format: format is there twice" },
	{ "sources-save", FALSE,
	  { "popinjay_uidl_sources", "xuidl saved",
	    "popinjay_uidl_save", "yes" },
	  "popinjay_uidl_sources=xuidl saved: With popinjay_uidl_save=yes the "
	  "source saved must be the first" },
	{ "old-without-until", FALSE, { "popinjay_uidl_old_format", "%{uid}" },
	  "The UIDL source old needs popinjay_uidl_old_format and "
	  "popinjay_uidl_old_until" },
	{ "old-until", FALSE,
	  { "popinjay_uidl_old_format", "%{uid}",
	    "popinjay_uidl_old_until", "tomorrow" },
	  "popinjay_uidl_old_until=tomorrow: Invalid value: use a date "
	  "\\(2026-01-02\\), a time \\(2026-01-02T03:04:05Z\\) or a uid" },
	{ "old-template", FALSE,
	  { "popinjay_uidl_old_format", "mail",
	    "popinjay_uidl_old_until", "7" },
	  "popinjay_uidl_old_format=mail: " ALIKE },
	{ "old-not-a-source", FALSE,
	  { "popinjay_uidl_old_format", "%{uid}",
	    "popinjay_uidl_sources", "saved format" },
	  "popinjay_uidl_sources=saved format: popinjay_uidl_old_format needs "
	  "the source old among them" },
	{ "drift-limit", TRUE, { "popinjay_uidl_drift_limit", "101" },
	  "plugin \\{ popinjay_uidl_drift_limit=101 \\}: Invalid value: use a "
	  "number of percent, 0 to 100, where 0 is off" },
	{ "save", TRUE, { "popinjay_uidl_save", "maybe" },
	  "plugin \\{ popinjay_uidl_save=maybe \\}: Invalid value: use yes or "
	  "no" },
	{ "sink-word", FALSE, { "popinjay_access_log", "log printer" },
	  "popinjay_access_log=log printer: Invalid value: 'printer' is not a "
	  "sink; " SINKS },
	{ "sink-relative", FALSE, { "popinjay_access_log", "file:log" },
	  "popinjay_access_log=file:log: Invalid value: 'file:log' is not a "
	  "sink; " SINKS },
	{ "sink-syslog", FALSE, { "popinjay_access_log", "log syslog:mail" },
	  "popinjay_access_log=log syslog:mail: Invalid value: 'syslog:mail' "
	  "is not a sink; " SINKS },
	{ "sink-none", FALSE, { "popinjay_access_log", "none log" },
	  "popinjay_access_log=none log: Invalid value: none excludes all "
	  "others" },
	{ "events", FALSE, { "popinjay_access_log_events", "session login" },
	  "popinjay_access_log_events=session login: Invalid value: use one "
	  "or more of session, message, expunge and command, or none" },
	{ "headers", FALSE, { "popinjay_access_log_headers", "from" },
	  "popinjay_access_log_headers=from: Invalid value: use message-id, "
	  "subject or both, or none" },
	{ "format", TRUE, { "popinjay_access_log_format", "xml" },
	  "plugin \\{ popinjay_access_log_format=xml \\}: Invalid value: use "
	  "json or logfmt" },
	{ "anonymize", FALSE, { "popinjay_access_log_anonymize", "user" },
	  "popinjay_access_log_anonymize=user: Invalid value: use one or both "
	  "of user=hash or user=cut and ip=hash or ip=cut, or none" },
	{ "anonymize-both", FALSE,
	  { "popinjay_access_log_anonymize", "ip=hash user=cut ip=cut" },
	  "popinjay_access_log_anonymize=ip=hash user=cut ip=cut: Invalid "
	  "value: hash and cut exclude each other" },
	{ "anonymize-key", FALSE,
	  { "popinjay_access_log_anonymize", "ip=cut" },
	  "popinjay_access_log_anonymize=ip=cut: Invalid value: It needs "
	  "popinjay_access_log_key_file, the path of a file with a key of 16 "
	  "to 4096 bytes" },
	{ "log-key-missing", FALSE,
	  { "popinjay_access_log_anonymize", "user=hash",
	    "popinjay_access_log_key_file", "@DIR@/none" },
	  "popinjay_access_log_key_file=@DIR@/none: open\\(\\) failed: No such "
	  "file or directory; make it a file that uid [0-9]+ can read, such "
	  "as by mail_access_groups, with a key of 16 to 4096 bytes" },
	{ "template-alike", FALSE, { "popinjay_uidl_format", "mail" },
	  "popinjay_uidl_format=mail: " ALIKE },
	{ "template-uidvalidity", FALSE,
	  { "popinjay_uidl_format", "%{uidvalidity}-%{date}" },
	  "popinjay_uidl_format=%\\{uidvalidity\\}-%\\{date\\}: " ALIKE },
	{ "template-variable", FALSE,
	  { "popinjay_uidl_format", "%{uid}%{nosuch}" },
	  "popinjay_uidl_format=%\\{uid\\}%\\{nosuch\\}: Invalid template: "
	  ".*nosuch.* " VARIABLES },
	/* 2.4's config process dies of it */
	{ "template-unfinished", TRUE, { "popinjay_uidl_format", "%{uid" },
	  "popinjay_uidl_format=%\\{uid: Invalid template: .* " VARIABLES },
	{ "no-key", FALSE, { "popinjay_uidl_format", "x-%{hmac}" },
	  "popinjay_uidl_format=x-%\\{hmac\\}: hmac needs "
	  "popinjay_uidl_key_file, the path of a file with a key of 16 to 4096 "
	  "bytes" },
	{ "key-missing", FALSE, { "popinjay_uidl_format", "%{hmac}",
	  "popinjay_uidl_key_file", "@DIR@/none" },
	  "popinjay_uidl_key_file=@DIR@/none: open\\(\\) failed: No such file "
	  "or directory" KEY_FILE },
	{ "key-unreadable", FALSE, { "popinjay_uidl_format", "%{hmac}",
	  "popinjay_uidl_key_file", "@DIR@/key-unreadable" },
	  "popinjay_uidl_key_file=@DIR@/key-unreadable: open\\(\\) failed: "
	  "Permission denied" KEY_FILE },
	{ "key-directory", FALSE, { "popinjay_uidl_format", "%{hmac}",
	  "popinjay_uidl_key_file", "@DIR@" },
	  "popinjay_uidl_key_file=@DIR@: read\\(\\) failed: Is a directory"
	  KEY_FILE },
	{ "key-empty", FALSE, { "popinjay_uidl_format", "%{hmac}",
	  "popinjay_uidl_key_file", "@DIR@/key-0" },
	  "popinjay_uidl_key_file=@DIR@/key-0: The key has less than 16 bytes"
	  KEY_FILE },
	{ "key-short", FALSE, { "popinjay_uidl_format", "%{hmac}",
	  "popinjay_uidl_key_file", "@DIR@/key-15" },
	  "popinjay_uidl_key_file=@DIR@/key-15: The key has less than 16 bytes"
	  KEY_FILE },
	{ "key-long", FALSE, { "popinjay_uidl_format", "%{hmac}",
	  "popinjay_uidl_key_file", "@DIR@/key-4097" },
	  "popinjay_uidl_key_file=@DIR@/key-4097: The key has more than 4096 "
	  "bytes" KEY_FILE },
	{ "unknown", TRUE, { "popinjay_acess_log", "none" },
	  "plugin \\{ popinjay_acess_log=none \\}: There is no such setting; "
	  "there are: popinjay_access_log, popinjay_access_log_anonymize, .*, "
	  "popinjay_reuse_xuidl, popinjay_sasl_mechanisms, .*, "
	  "popinjay_uidl_sources, popinjay_uidl_strict" },
	{ "bool", TRUE, { "popinjay_capability_implementation", "2" },
	  "plugin \\{ popinjay_capability_implementation=2 \\}: "
	  "Invalid value: use yes or no" },
	{ "maybe-bool", TRUE, { "popinjay_disable_plaintext_auth", "maybe" },
	  "plugin \\{ popinjay_disable_plaintext_auth=maybe \\}: "
	  "Invalid value: use yes or no" },
	{ "xuidl", TRUE, { "popinjay_reuse_xuidl", "2" },
	  "plugin \\{ popinjay_reuse_xuidl=2 \\}: "
	  "Invalid value: use yes or no" },
	{ "time", TRUE, { "popinjay_idle_timeout", "10 parsecs" },
	  TIME_ERROR("10 parsecs") },
	{ "time-zero", TRUE, { "popinjay_idle_timeout", "0 secs" },
	  TIME_ERROR("0 secs") },
	{ "time-long", TRUE, { "popinjay_idle_timeout", "25 hours" },
	  TIME_ERROR("25 hours") },
	{ "time-without-unit", TRUE, { "popinjay_idle_timeout", "600" },
	  TIME_ERROR("600") }
};

struct good {
	struct bad settings;
	/* the size of the key, 0 if none is used */
	gsize key_size;
};

static const struct good good_settings[] = {
	{ { "key-16", FALSE, { "popinjay_uidl_format", "%{hmac}",
	    "popinjay_uidl_key_file", "@DIR@/key-16" }, NULL }, 16 },
	{ { "key-16-lf", FALSE, { "popinjay_uidl_format", "%{hmac}",
	    "popinjay_uidl_key_file", "@DIR@/key-16-lf" }, NULL }, 16 },
	{ { "key-4096-lf", FALSE, { "popinjay_uidl_format", "%{hmac}",
	    "popinjay_uidl_key_file", "@DIR@/key-4096-lf" }, NULL }, 4096 },
	{ { "no-key-needed", FALSE, { "popinjay_uidl_format", "%{uid}",
	    "popinjay_uidl_key_file", "@DIR@/none" }, NULL }, 0 }
};

static struct fixture *f;

/* --- The private Dovecot --- */

static char *expand(const char *text, const char *user)
{
	GString *s = g_string_new(text);
	g_autofree char *uid = NULL;
	gid_t gid;

	g_string_replace(s, "@DIR@", f->dir, 0);
	if (user != NULL) {
		uid = g_strdup_printf("%u", fixture_user_uid(f, user, &gid));
		g_string_replace(s, "@UID@", uid, 0);
	}
	return g_string_free(s, FALSE);
}

static void make_key(const char *name, gsize size, const char *end, int mode)
{
	g_autofree char *path = g_build_filename(f->dir, name, NULL);
	g_autofree char *key = g_strnfill(size, 'k');
	g_autofree char *text = g_strconcat(key, end, NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(chmod(path, mode), ==, 0);
}

static void get_fixture(void)
{
	if (f != NULL)
		return;
	f = fixture_new(NULL);
	make_key("key-0", 0, "", 0644);
	make_key("key-15", 15, "\n", 0644);
	make_key("key-16", 16, "", 0644);
	make_key("key-16-lf", 16, "\n", 0644);
	make_key("key-4096-lf", 4096, "\n", 0644);
	make_key("key-4097", 4097, "", 0644);
	make_key("key-unreadable", 64, "", 0);
}

static void configure(const struct bad *bad, gboolean lock)
{
	g_autoptr(GString) config = g_string_new(NULL);
	g_autofree char *text = NULL;

	g_string_append_printf(config, "pop3_lock_session = %s\n%s",
			       lock ? "yes" : "no",
			       fixture_is_2_3() ? "plugin {\n" : "");
	for (const char *const *p = bad->settings; *p != NULL; p += 2) {
		g_autoptr(GString) value = g_string_new(p[1]);

		/* where Dovecot puts variables of the user in */
		if (fixture_is_2_3())
			g_string_replace(value, "%", "%%", 0);
		g_string_append_printf(config, "%s = %s\n", p[0], value->str);
	}
	if (fixture_is_2_3())
		g_string_append(config, "}\n");
	text = expand(config->str, NULL);
	fixture_reload(f, text);
}

/* --- What everybody gets --- */

static void check_refused(const char *user, const char *error)
{
	g_autofree char *pattern = g_strdup_printf(
		"pop3\\(%s\\)<.*: Error: popinjay: %s$", user, error);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);
	JsonObject *record;

	fixture_log_allow(f, pattern);
	pop3_send(pop3, "USER %s", user);
	pop3_expect(pop3, "+OK\r\n");
	/* nothing of what is already on its way is answered */
	pop3_send(pop3, "PASS " FIXTURE_PASSWORD "\r\nSTAT\r\nDELE 1\r\nQUIT");
	pop3_expect(pop3, REFUSAL);
	pop3_expect_eof(pop3);
	pop3_close(pop3);

	record = fixture_record(f, since, user);
	record_expect_str(record, "end", "refused");
	record_expect(record, { "commands", 0 }, { "expunged_count", 0 });
	json_object_unref(record);
	if (fixture_log_count(f, since, pattern) != 1 ||
	    fixture_log_count(f, since, ": (Error|Fatal|Panic): ") != 1)
		g_error("not the one error: %s", pattern);
}

/* doveadm says the same, but goes on with what is not about UIDLs. */
static void check_doveadm(const char *user, const char *error)
{
	g_autofree char *pattern = g_strdup_printf(
		"Error: .*popinjay: %s$", error);
	GString *out, *err;

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, &err, "fetch", "-u",
		user, "uid", "mailbox", "INBOX", NULL), ==, 0);
	g_assert_cmpstr(out->str, ==, "uid: 1\n");
	g_assert_true(g_regex_match_simple(pattern, err->str,
		G_REGEX_MULTILINE | G_REGEX_RAW, 0));
	g_string_free(out, TRUE);
	g_string_free(err, TRUE);

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, &err, "fetch", "-u",
		user, "pop3.uidl", "mailbox", "INBOX", NULL), !=, 0);
	g_assert_null(strstr(out->str, "pop3.uidl: "));
	g_assert_true(g_regex_match_simple(pattern, err->str,
		G_REGEX_MULTILINE | G_REGEX_RAW, 0));
	g_string_free(out, TRUE);
	g_string_free(err, TRUE);
}

static void test_bad(gconstpointer data)
{
	const struct bad *bad = data;
	g_autofree char *user = NULL, *error = NULL;

	if (bad->only_2_3 && !fixture_is_2_3()) {
		/* test-settings sees that such a server does not start */
		return;
	}
	get_fixture();
	user = fixture_user(f, "maildir");
	error = expand(bad->error, user);
	fixture_deliver(f, user, MAIL, strlen(MAIL));
	configure(bad, FALSE);
	check_refused(user, error);
	check_doveadm(user, error);
}

/* Dovecot locks the mailbox before it says +OK, and without it after. */
static void test_lock(void)
{
	const struct bad *bad = &bad_settings[0];
	g_autofree char *user = NULL, *error = NULL;

	get_fixture();
	user = fixture_user(f, "maildir");
	error = expand(bad->error, user);
	fixture_deliver(f, user, MAIL, strlen(MAIL));
	configure(bad, TRUE);
	check_refused(user, error);
}

/* HMAC-SHA256 of the GUID, of which 128 bits are shown. */
static char *hmac_uidl(const char *user, gsize key_size)
{
	g_autofree char *key = g_strnfill(key_size, 'k');
	char *uidl;
	GString *out;

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "fetch", "-u",
		user, "guid", "mailbox", "INBOX", NULL), ==, 0);
	g_assert_true(g_str_has_prefix(out->str, "guid: "));
	g_strchomp(out->str);
	uidl = g_compute_hmac_for_string(G_CHECKSUM_SHA256, (guchar *)key,
		key_size, out->str + strlen("guid: "), -1);
	uidl[32] = '\0';
	g_string_free(out, TRUE);
	return uidl;
}

static void test_good(gconstpointer data)
{
	const struct good *good = data;
	g_autofree char *user = NULL, *uidl = NULL, *reply = NULL;
	struct pop3 *pop3;

	get_fixture();
	user = fixture_user(f, "maildir");
	fixture_deliver(f, user, MAIL, strlen(MAIL));
	configure(&good->settings, TRUE);
	uidl = good->key_size == 0 ? g_strdup("1") :
		hmac_uidl(user, good->key_size);
	reply = g_strconcat("+OK 1 ", uidl, NULL);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "UIDL 1", reply);
	pop3_quit(pop3, "Logging out.");
}

/* Mail comes in under any setting of POP3. */
static void test_delivery(void)
{
	const char *argv[] = {
		"dovecot-lda", "-c", NULL, "-d", NULL, "-f", "a@example.com",
		NULL
	};
	static const struct bad bad = {
		.settings = { "popinjay_uidl_policy", "nobodys" }
	};
	static const struct bad good = {
		.settings = { "popinjay_uidl_policy", "format" }
	};
	g_autoptr(GBytes) mail = g_bytes_new_static(MAIL, strlen(MAIL));
	g_autofree char *user = NULL;
	struct pop3 *pop3;

	get_fixture();
	user = fixture_user(f, "maildir");
	configure(&bad, FALSE);
	fixture_log_allow(f, "lda.*popinjay_uidl_policy=nobodys: ");
	argv[2] = f->config_file;
	argv[4] = user;
	g_assert_cmpint(fixture_run(f, argv, mail, NULL, NULL), ==, 0);
	configure(&good, FALSE);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "STAT");
	pop3_expect(pop3, "+OK 1 ");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	pop3_quit(pop3, "Logging out.");
}

/* 2.3 has its own idea of a %, which check tells before it is reloaded. */
static void test_percent(void)
{
	struct fixture *own = fixture_new(NULL);
	FILE *file = fopen(own->config_file, "a");
	g_autoptr(GString) out = NULL;

	g_assert_nonnull(file);
	g_assert_cmpint(fputs("plugin {\n  popinjay_uidl_format = %{hmac}\n"
		"  popinjay_uidl_old_format = %%{hmac}-{guid}\n}\n", file), >=,
			0);
	g_assert_cmpint(fclose(file), ==, 0);
	g_assert_cmpint(fixture_doveadm(own, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, 78);
	g_assert_nonnull(strstr(out->str, "error    popinjay_uidl_format: "
		"Dovecot 2.3 takes %{hmac} for a variable of its own, "));
	g_assert_nonnull(strstr(out->str, ": write {hmac}, without the %\n"));
	g_assert_null(strstr(out->str, "popinjay_uidl_old_format"));
	fixture_free(own);
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(bad_settings); i++) {
		g_autofree char *path = g_strdup_printf("/settings/bad/%s",
							bad_settings[i].name);

		g_test_add_data_func(path, &bad_settings[i], test_bad);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(good_settings); i++) {
		g_autofree char *path = g_strdup_printf("/settings/good/%s",
					good_settings[i].settings.name);

		g_test_add_data_func(path, &good_settings[i], test_good);
	}
	g_test_add_func("/settings/lock", test_lock);
	g_test_add_func("/settings/delivery", test_delivery);
	if (fixture_is_2_3())
		g_test_add_func("/settings/percent", test_percent);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/settings-bad", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
