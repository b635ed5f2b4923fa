/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The drift guard (popinjay_uidl_drift_limit), and the chain of sources
   (popinjay_uidl_sources, popinjay_uidl_old_format). */

#include "access-record.h"
#include "numbered.h"
#include "uidl-list.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#define MAIL_COUNT 5
#define MAIL_BYTES 300
#define REFUSED "-ERR [SYS/TEMP] The UIDLs can't be listed now."

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	if (the_fixture == NULL)
		the_fixture = fixture_new(NULL);
	return the_fixture;
}

static void reload(char *config)
{
	fixture_reload(get_fixture(), config);
	g_free(config);
}

static void guard(const char *format, const char *limit)
{
	reload(uidl_settings("popinjay_uidl_format", format,
			     "popinjay_uidl_drift_limit", limit, NULL));
}

static char *user_with_mails(const char *storage)
{
	char *user = fixture_user(get_fixture(), storage);

	numbered_deliver(get_fixture(), user, 1, MAIL_COUNT, MAIL_BYTES);
	return user;
}

static void session_refused(struct fixture *f, const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_check(pop3, "UIDL", REFUSED);
	pop3_check(pop3, "UIDL 1", REFUSED);
	pop3_check(pop3, "NOOP", "+OK");
	pop3_quit(pop3, "Logging out.");
}

static void expect_refused(const char *user, const char *how_many)
{
	gsize since = fixture_log_size(get_fixture());
	g_autofree char *line = NULL;

	session_refused(get_fixture(), user);
	line = fixture_log_wait(get_fixture(), since,
				"popinjay: UIDL refused: ");
	g_assert_nonnull(strstr(line, how_many));
	g_assert_nonnull(strstr(line, user));
}

static void expect_uidls(const char *user, const char *format,
			 unsigned int count)
{
	g_auto(GStrv) uidls = uidl_list(get_fixture(), user);

	g_assert_cmpuint(g_strv_length(uidls), ==, count);
	for (unsigned int i = 0; i < count; i++)
		g_assert_true(g_str_has_prefix(uidls[i], format));
}

static char *shown_path(const char *user)
{
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);
	const char *storage = fixture_user_storage(user);

	if (g_str_equal(storage, "maildir"))
		return g_build_filename(dir, "popinjay-uidl-shown", NULL);
	if (g_str_equal(storage, "mbox"))
		return g_build_filename(dir, ".imap", "INBOX",
					"popinjay-uidl-shown", NULL);
	return g_build_filename(dir, "mailboxes", "INBOX", "dbox-Mails",
				"popinjay-uidl-shown", NULL);
}

static void test_guard(gconstpointer storage)
{
	g_autofree char *user = NULL, *path = NULL, *away = NULL;
	struct fixture *f;

	/* a first session shows whatever it has */
	guard("first.%{uid}", "20");
	f = get_fixture();
	fixture_log_allow(f, "popinjay: UIDL refused: ");
	user = user_with_mails(storage);
	expect_uidls(user, "first.", MAIL_COUNT);

	guard("second.%{uid}", "20");
	expect_refused(user, "5 of 5 messages");
	/* new ones change nothing of it */
	numbered_deliver(f, user, 6, 9, MAIL_BYTES);
	expect_refused(user, "5 of 5 messages");
	/* nor do deleted ones */
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "expunge", "-u",
		user, "mailbox", "INBOX", "uid", "1:2", NULL), ==, 0);
	expect_refused(user, "3 of 3 messages");
	/* dsync goes on, and doveadm sees what would be shown */
	g_strfreev(uidl_fetch(f, user, "pop3.uidl"));
	expect_refused(user, "3 of 3 messages");

	/* back to what it was: the session shows it, and the new ones */
	guard("first.%{uid}", "20");
	expect_uidls(user, "first.", 7);
	guard("second.%{uid}", "20");
	expect_refused(user, "7 of 7 messages");
	guard("second.%{uid}", "100");
	expect_uidls(user, "second.", 7);
	guard("second.%{uid}", "20");
	expect_uidls(user, "second.", 7);

	/* UIDs of another UIDVALIDITY; what tells it is lost */
	guard("%{uidvalidity}.%{uid}", "100");
	g_strfreev(uidl_list(f, user));
	guard("%{uidvalidity}.%{uid}", "20");
	g_strfreev(uidl_list(f, user));
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "mailbox",
		"update", "-u", user, "--uid-validity", "1234567890", "INBOX",
		NULL), ==, 0);
	expect_refused(user, "7 of 7 messages");
	path = shown_path(user);
	away = g_strconcat(path, ".away", NULL);
	g_assert_cmpint(rename(path, away), ==, 0);
	g_strfreev(uidl_list(f, user));
}

static void test_guard_empty(void)
{
	g_autofree char *user = NULL;

	guard("first.%{uid}", "1");
	user = user_with_mails("maildir");
	expect_uidls(user, "first.", MAIL_COUNT);
	g_assert_cmpint(fixture_doveadm(get_fixture(), NULL, NULL, NULL,
		"expunge", "-u", user, "mailbox", "INBOX", "all", NULL), ==, 0);
	guard("second.%{uid}", "1");
	expect_uidls(user, "", 0);
	numbered_deliver(get_fixture(), user, 6, 9, MAIL_BYTES);
	expect_uidls(user, "second.", 4);
}

/* What is saved does not drift; what would drift is not saved. */
static void test_guard_saved(void)
{
	g_autofree char *user = NULL, *saved = NULL;

	guard("first.%{uid}", "20");
	fixture_log_allow(get_fixture(), "popinjay: UIDL refused: ");
	user = user_with_mails("maildir");
	expect_uidls(user, "first.", MAIL_COUNT);
	reload(uidl_settings("popinjay_uidl_format", "second.%{uid}",
			     "popinjay_uidl_save", "yes",
			     "popinjay_uidl_drift_limit", "20", NULL));
	expect_refused(user, "5 of 5 messages");
	{
		g_autofree char *dir = fixture_mail_dir(get_fixture(), user);

		saved = g_build_filename(dir, "popinjay-uidl", NULL);
	}
	g_assert_cmpint(access(saved, F_OK), ==, -1);
	reload(uidl_settings("popinjay_uidl_format", "first.%{uid}",
			     "popinjay_uidl_save", "yes",
			     "popinjay_uidl_drift_limit", "20", NULL));
	expect_uidls(user, "first.", MAIL_COUNT);
	reload(uidl_settings("popinjay_uidl_format", "second.%{uid}",
			     "popinjay_uidl_save", "yes",
			     "popinjay_uidl_drift_limit", "20", NULL));
	expect_uidls(user, "first.", MAIL_COUNT);
}

/* A damaged fingerprint guards nothing, once, and says so. */
static void test_guard_damaged(void)
{
	g_autofree char *user = NULL, *path = NULL;
	gsize since;

	guard("first.%{uid}", "20");
	user = user_with_mails("maildir");
	expect_uidls(user, "first.", MAIL_COUNT);
	path = shown_path(user);
	g_assert_true(g_file_set_contents(path, "?\n", -1, NULL));
	fixture_give(get_fixture(), user, path);
	guard("second.%{uid}", "20");
	since = fixture_log_size(get_fixture());
	fixture_log_allow(get_fixture(), "can't be compared with those");
	fixture_log_allow(get_fixture(), "popinjay: UIDL refused: ");
	expect_uidls(user, "second.", MAIL_COUNT);
	g_free(fixture_log_wait(get_fixture(), since,
		"popinjay: The UIDLs can't be compared with those that "
		"were shown before: .*popinjay-uidl-shown is damaged"));
	guard("third.%{uid}", "20");
	expect_refused(user, "5 of 5 messages");
}

/* A fingerprint that cannot be read may say that all has changed: nothing is
   shown, and it stays as it is. */
static void test_guard_unreadable(void)
{
	g_autofree char *user = NULL, *path = NULL, *before = NULL;
	g_autofree char *after = NULL;

	guard("first.%{uid}", "20");
	user = user_with_mails("maildir");
	expect_uidls(user, "first.", MAIL_COUNT);
	path = shown_path(user);
	g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
	g_assert_cmpint(chmod(path, 0), ==, 0);
	guard("second.%{uid}", "20");
	fixture_log_allow(get_fixture(), "popinjay: UIDL refused: ");
	expect_refused(user, "Permission denied");
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
	g_assert_cmpstr(after, ==, before);
	expect_refused(user, "5 of 5 messages");
}

/* A message that cannot be read shows another UIDL for now: that is no change
   of its UIDL, neither now nor when it can be read again. */
static void test_guard_message_unreadable(void)
{
	g_autofree char *user = NULL, *path = NULL, *mail = NULL;
	g_autofree char *before = NULL, *after = NULL;
	g_auto(GStrv) uidls = NULL;
	gsize since;

	guard("%{uid}", "10");
	user = user_with_mails("maildir");
	g_strfreev(uidl_list(get_fixture(), user));
	path = shown_path(user);
	g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
	/* a header that is not in the cache yet */
	reload(uidl_settings("popinjay_uidl_format", "%{uid}",
			     "popinjay_reuse_xuidl", "yes",
			     "popinjay_uidl_drift_limit", "10", NULL));
	mail = numbered_find_file(get_fixture(), user, 3);
	g_assert_cmpint(chmod(mail, 0), ==, 0);
	since = fixture_log_size(get_fixture());
	fixture_log_allow(get_fixture(), "popinjay: UIDL of UID 3: |"
			  "open\\(.*Permission denied");
	uidls = uidl_list(get_fixture(), user);
	g_assert_cmpstr(uidls[1], ==, "2");
	g_assert_true(g_str_has_prefix(uidls[2], "pj-"));
	g_free(fixture_log_wait(get_fixture(), since,
				"popinjay: UIDL of UID 3: "));
	g_assert_cmpint(chmod(mail, 0600), ==, 0);
	g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
	g_assert_cmpstr(after, ==, before);
	g_strfreev(g_steal_pointer(&uidls));
	uidls = uidl_list(get_fixture(), user);
	g_assert_cmpstr(uidls[2], ==, "3");
}

/* Whoever looks at events hears of it too. */
static void test_guard_event(void)
{
	g_autofree char *exporter =
		fixture_exporter_config("popinjay_uidl_refused");
	g_autofree char *settings = uidl_settings("popinjay_uidl_format",
		"%{uidvalidity}.%{uid}", "popinjay_uidl_drift_limit", "20",
		NULL);
	g_autofree char *config = g_strconcat(settings, exporter, NULL);
	const struct fixture_options options = { .config = config };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, "maildir");
	JsonObject *event, *fields;

	fixture_log_allow(f, "popinjay: UIDL refused: ");
	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	g_strfreev(uidl_list(f, user));
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "mailbox",
		"update", "-u", user, "--uid-validity", "1234567890", "INBOX",
		NULL), ==, 0);
	session_refused(f, user);
	event = fixture_exported(f, "popinjay_uidl_refused");
	record_expect_str(event, "event", "popinjay_uidl_refused");
	fields = json_object_get_object_member(event, "fields");
	record_expect(fields, { "compared", MAIL_COUNT },
		      { "changed", MAIL_COUNT }, { "limit", 20 });
	record_expect_str(fields, "user", user);
	json_object_unref(event);
	fixture_free(f);
}

/* --- Sources --- */

static void test_old_uid(gconstpointer storage)
{
	g_autofree char *user = NULL;
	g_auto(GStrv) uidls = NULL;

	reload(uidl_settings("popinjay_uidl_format", "new.%{uid}",
			     "popinjay_uidl_old_format", "old.%{uid}",
			     "popinjay_uidl_old_until", "3", NULL));
	user = user_with_mails(storage);
	uidls = uidl_list(get_fixture(), user);
	g_assert_cmpstr(uidls[2], ==, "old.3");
	g_assert_cmpstr(uidls[3], ==, "new.4");
}

/* Let a mail of a Maildir have been received at this time. */
static void set_received(const char *user, unsigned int number, time_t when)
{
	g_autofree char *path = numbered_find_file(get_fixture(), user, number);
	const struct utimbuf times = { when, when };

	g_assert_cmpint(utime(path, &times), ==, 0);
}

static void test_old_date(gconstpointer until)
{
	g_autofree char *user = NULL;
	g_auto(GStrv) uidls = NULL;

	reload(uidl_settings("popinjay_uidl_format", "new.%{uid}",
			     "popinjay_uidl_old_format", "old.%{uid}",
			     "popinjay_uidl_old_until", until, NULL));
	user = fixture_user(get_fixture(), "maildir");
	numbered_deliver(get_fixture(), user, 1, 2, MAIL_BYTES);
	/* the noons of the days before and after */
	set_received(user, 1, 1767268800);
	set_received(user, 2, 1767441600);
	uidls = uidl_list(get_fixture(), user);
	g_assert_cmpstr(uidls[0], ==, "old.1");
	g_assert_cmpstr(uidls[1], ==, "new.2");
}

struct chain {
	const char *sources;
	/* of a message with "X-UIDL: header" that was saved as "saved" */
	const char *expected;
};

static void test_chain(void)
{
	static const struct chain chains[] = {
		{ "saved xuidl format", "saved.1" },
		{ "xuidl saved format", "header" },
		{ "format saved", "new.1" },
		{ "xuidl", "header" },
		{ "saved, format", "saved.1" }
	};
	static const char mail[] = "X-UIDL: header\n\nText.\n";
	g_autofree char *user = fixture_user(get_fixture(), "sdbox");

	reload(uidl_settings("popinjay_uidl_format", "saved.%{uid}",
			     "popinjay_uidl_save", "yes", NULL));
	fixture_deliver(get_fixture(), user, mail, strlen(mail));
	expect_uidls(user, "saved.1", 1);
	for (unsigned int i = 0; i < G_N_ELEMENTS(chains); i++) {
		g_auto(GStrv) uidls = NULL;

		reload(uidl_settings("popinjay_uidl_format", "new.%{uid}",
				     "popinjay_uidl_sources",
				     chains[i].sources, NULL));
		uidls = uidl_list(get_fixture(), user);
		g_assert_cmpstr(uidls[0], ==, chains[i].expected);
	}
	/* nothing of this was forgotten */
	reload(uidl_settings("popinjay_uidl_format", "new.%{uid}", NULL));
	expect_uidls(user, "saved.1", 1);
	/* a message that no source knows */
	fixture_deliver(get_fixture(), user, "Subject: x\n\nText.\n", 18);
	reload(uidl_settings("popinjay_uidl_sources", "saved xuidl", NULL));
	{
		g_auto(GStrv) uidls = uidl_list(get_fixture(), user);

		g_assert_cmpstr(uidls[0], ==, "saved.1");
		g_assert_true(g_str_has_prefix(uidls[1], "pj-"));
	}
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/uidl-guard/guard", test_guard);
	fixture_add_storage_tests("/uidl-guard/old-uid", test_old_uid);
	g_test_add_func("/uidl-guard/guard/empty", test_guard_empty);
	g_test_add_func("/uidl-guard/guard/saved", test_guard_saved);
	g_test_add_func("/uidl-guard/guard/damaged", test_guard_damaged);
	g_test_add_func("/uidl-guard/guard/unreadable", test_guard_unreadable);
	g_test_add_func("/uidl-guard/guard/message-unreadable",
			test_guard_message_unreadable);
	g_test_add_data_func("/uidl-guard/old-date/date", "2026-01-02",
			     test_old_date);
	g_test_add_data_func("/uidl-guard/old-date/time",
			     "2026-01-02T00:00:00+01:00", test_old_date);
	g_test_add_func("/uidl-guard/guard/event", test_guard_event);
	g_test_add_func("/uidl-guard/chain", test_chain);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-guard", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
