/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* popinjay_uidl_save: what a client has been shown once stays, on every
   storage, whatever happens to the mailbox. */

#include "numbered.h"
#include "uidl-list.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_COUNT 6
#define MAIL_BYTES 400

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	if (the_fixture == NULL)
		the_fixture = fixture_new(NULL);
	return the_fixture;
}

static void reload(const char *format)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
						"popinjay_uidl_format", format,
						NULL);

	fixture_reload(get_fixture(), config);
}

static void doveadm(const char *command, ...) G_GNUC_NULL_TERMINATED;

/* Run doveadm, which must succeed; the arguments end with NULL. */
static void doveadm(const char *command, ...)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	struct fixture *f = get_fixture();
	GString *err = NULL;
	const char *arg;
	va_list args;

	g_ptr_array_add(argv, (char *)"doveadm");
	g_ptr_array_add(argv, (char *)"-c");
	g_ptr_array_add(argv, f->config_file);
	g_ptr_array_add(argv, (char *)command);
	va_start(args, command);
	while ((arg = va_arg(args, const char *)) != NULL)
		g_ptr_array_add(argv, (char *)arg);
	va_end(args);
	g_ptr_array_add(argv, NULL);
	if (fixture_run(f, (const char *const *)argv->pdata, NULL, NULL,
			&err) != 0)
		g_error("doveadm %s: %s", command, err->str);
	g_string_free(err, TRUE);
}

static char *user_with_mails(const char *storage)
{
	char *user = fixture_user(get_fixture(), storage);

	numbered_deliver(get_fixture(), user, 1, MAIL_COUNT, MAIL_BYTES);
	return user;
}

/* A user whose mails were shown as first.1, first.2, ..., and whom the format
   would give other UIDLs now. */
static char *user_shown(const char *storage)
{
	char *user;
	g_auto(GStrv) uidls = NULL;

	reload("first.%{uid}");
	user = user_with_mails(storage);
	uidls = uidl_list(get_fixture(), user);
	g_assert_cmpuint(g_strv_length(uidls), ==, MAIL_COUNT);
	reload("second.%{uid}");
	return user;
}

/* The mailbox shows first.N for each of these numbers, "new" for 0. */
static void expect_first(const char *user, const unsigned int *numbers)
{
	g_auto(GStrv) uidls = uidl_list(get_fixture(), user);

	for (char **p = uidls; *p != NULL; p++, numbers++) {
		g_autofree char *first = g_strdup_printf("first.%u", *numbers);

		if (*numbers != 0)
			g_assert_cmpstr(*p, ==, first);
		else
			g_assert_false(g_str_has_prefix(*p, "first."));
	}
}

static const unsigned int all_numbers[] = { 1, 2, 3, 4, 5, 6, 0, 0 };

/* The directory of the INBOX's control files. */
static char *control_dir(const char *user)
{
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);
	const char *storage = fixture_user_storage(user);

	if (g_str_equal(storage, "maildir"))
		return g_steal_pointer(&dir);
	if (g_str_equal(storage, "mbox"))
		return g_build_filename(dir, ".imap", "INBOX", NULL);
	return g_build_filename(dir, "mailboxes", "INBOX", "dbox-Mails", NULL);
}

static char *saved_text(const char *user)
{
	g_autofree char *dir = control_dir(user);
	g_autofree char *path = g_build_filename(dir, "popinjay-uidl", NULL);
	g_autoptr(GError) error = NULL;
	char *text;

	if (!g_file_get_contents(path, &text, NULL, &error))
		g_error("%s", error->message);
	return text;
}

/* Remove the files whose names begin so, below a directory. */
static void remove_files(const char *path, const char *prefix)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *child = g_build_filename(path, name, NULL);

		if (g_str_has_prefix(name, prefix))
			g_assert_cmpint(unlink(child), ==, 0);
		else if (g_file_test(child, G_FILE_TEST_IS_DIR))
			remove_files(child, prefix);
	}
}

static gboolean is_dbox(const char *user)
{
	return g_str_has_suffix(fixture_user_storage(user), "dbox");
}

/* --- Cases --- */

static void test_format(gconstpointer storage)
{
	g_autofree char *user = user_shown(storage);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL, fetched = NULL;

	numbered_deliver(get_fixture(), user, 7, 7, MAIL_BYTES);
	expect_first(user, all_numbers);
	fetched = uidl_fetch(get_fixture(), user, "pop3.uidl");
	g_assert_cmpstr(fetched[0], ==, "first.1");
	g_assert_cmpstr(fetched[6], ==, "second.7");
	reload("third.%{uid}");
	g_strfreev(g_steal_pointer(&fetched));
	fetched = uidl_list(get_fixture(), user);
	g_assert_cmpstr(fetched[6], ==, "second.7");

	/* a person can read it */
	text = saved_text(user);
	lines = g_strsplit(text, "\n", -1);
	g_assert_true(g_str_has_prefix(lines[0], "popinjay-uidl 1 6 "));
	g_assert_true(g_regex_match_simple("^1 \\S+ first\\.1$", lines[1], 0,
					   0));
	g_assert_true(g_regex_match_simple("^7 \\S+ second\\.7$", lines[7], 0,
					   0));
	g_assert_cmpuint(g_strv_length(lines), ==, 9);
}

/* Only what was shown is saved, one that is asked for alone among it. */
static void test_one(gconstpointer storage)
{
	g_autofree char *user = NULL, *reply = NULL;
	struct pop3 *pop3;

	reload("first.%{uid}");
	user = user_with_mails(storage);
	pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	reply = pop3_ask(pop3, "UIDL 2");
	pop3_quit(pop3, "Logging out.");
	g_assert_cmpstr(reply, ==, "+OK 2 first.2");
	reload("second.%{uid}");
	expect_first(user, all_numbers);
}

static void lose_indexes(const char *user)
{
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);

	remove_files(dir, "dovecot.index");
	remove_files(dir, "dovecot.list.index");
	remove_files(dir, "dovecot.map.index");
	if (is_dbox(user))
		doveadm("force-resync", "-u", user, "INBOX", NULL);
}

static void test_index(gconstpointer storage)
{
	g_autofree char *user = user_shown(storage);

	lose_indexes(user);
	expect_first(user, all_numbers);
}

/* The same for what doveadm backup brought and nobody was shown there yet. */
static void test_index_brought(gconstpointer storage)
{
	g_autofree char *from = user_shown("maildir");
	g_autofree char *user = fixture_user(get_fixture(), storage);

	doveadm("backup", "-u", from, "doveadm", "-c",
		get_fixture()->config_file, "dsync-server", "-u", user, NULL);
	lose_indexes(user);
	expect_first(user, all_numbers);
}

static void test_uidvalidity(gconstpointer storage)
{
	g_autofree char *user = user_shown(storage);
	unsigned int validity = uidl_validity(get_fixture(), user);

	doveadm("mailbox", "update", "-u", user, "--uid-validity",
		"1234567890", "INBOX", NULL);
	g_assert_cmpuint(uidl_validity(get_fixture(), user), !=, validity);
	expect_first(user, all_numbers);
}

/* Maildir: the list of uids is lost, so that all messages get new ones. */
static void test_uidlist(void)
{
	g_autofree char *user = user_shown("maildir");
	g_autofree char *dir = fixture_mail_dir(get_fixture(), user);

	remove_files(dir, "dovecot");
	expect_first(user, all_numbers);
}

static void test_moved(gconstpointer storage)
{
	static const unsigned int without[] = { 1, 3, 5, 6 };
	static const unsigned int back[] = { 1, 3, 5, 6, 2, 4 };
	g_autofree char *user = user_shown(storage);

	doveadm("mailbox", "create", "-u", user, "Away", NULL);
	doveadm("move", "-u", user, "Away", "mailbox", "INBOX", "uid", "2,4",
		NULL);
	expect_first(user, without);
	doveadm("move", "-u", user, "INBOX", "mailbox", "Away", "all", NULL);
	expect_first(user, back);

	/* as clients do that cannot move */
	doveadm("copy", "-u", user, "Away", "mailbox", "INBOX", "uid", "1",
		NULL);
	doveadm("expunge", "-u", user, "mailbox", "INBOX", "uid", "1", NULL);
	expect_first(user, back + 1);
	doveadm("copy", "-u", user, "INBOX", "mailbox", "Away", "all", NULL);
	{
		static const unsigned int last[] = { 3, 5, 6, 2, 4, 1 };

		expect_first(user, last);
	}
}

/* A copy is another message, whatever becomes of the first one. */
static void test_copied(gconstpointer storage)
{
	static const unsigned int with_copy[] = { 1, 2, 3, 4, 5, 6, 0 };
	g_autofree char *user = user_shown(storage);
	g_auto(GStrv) before = NULL, after = NULL;

	doveadm("copy", "-u", user, "INBOX", "mailbox", "INBOX", "uid", "1",
		NULL);
	expect_first(user, with_copy);
	before = uidl_list(get_fixture(), user);
	doveadm("expunge", "-u", user, "mailbox", "INBOX", "uid", "1", NULL);
	after = uidl_list(get_fixture(), user);
	uidl_assert_same(after, before + 1);
}

/* The whole mail directory comes back from a backup that is older than a
   change of the format. */
static void test_backup(gconstpointer storage)
{
	g_autofree char *user = user_shown(storage);
	g_autofree char *restored = fixture_user(get_fixture(), storage);

	fixture_user_copy(get_fixture(), user, get_fixture(), restored);
	expect_first(restored, all_numbers);
}

/* Deleted messages come back from a backup, one by one. */
static void test_undeleted(void)
{
	static const unsigned int kept[] = { 1, 3, 4, 5, 6 };
	static const unsigned int back[] = { 1, 3, 4, 5, 6, 2 };
	g_autofree char *user = user_shown("maildir");
	g_autofree char *path = numbered_find_file(get_fixture(), user, 2);
	g_autofree char *saved = g_build_filename(get_fixture()->dir, "saved",
						  NULL);

	g_assert_cmpint(rename(path, saved), ==, 0);
	expect_first(user, kept);
	g_assert_cmpint(rename(saved, path), ==, 0);
	expect_first(user, back);
}

/* Messages that share a UIDL get others, and keep them when they no longer
   share it; without popinjay_uidl_save too. */
static void test_doubles(gconstpointer storage)
{
	g_autofree char *user = fixture_user(get_fixture(), storage);
	g_autofree char *save_no = uidl_settings("popinjay_uidl_format",
		"u%{uid}", "popinjay_reuse_xuidl", "yes", NULL);
	g_autofree char *save_yes = uidl_settings("popinjay_uidl_format",
		"u%{uid}", "popinjay_reuse_xuidl", "yes",
		"popinjay_uidl_save", "yes", NULL);
	static const char mail[] = "X-UIDL: same\nSubject: %u\n\nText.\n";
	g_auto(GStrv) both = NULL, last = NULL, saved = NULL, later = NULL;

	fixture_reload(get_fixture(), save_no);
	for (unsigned int i = 0; i < 2; i++) {
		g_autofree char *text = g_strdup_printf(mail, i);

		fixture_deliver(get_fixture(), user, text, strlen(text));
	}
	both = uidl_list(get_fixture(), user);
	g_assert_true(g_str_has_prefix(both[0], "pj-"));
	g_assert_true(g_str_has_prefix(both[1], "pj-"));
	doveadm("expunge", "-u", user, "mailbox", "INBOX", "uid", "1", NULL);
	last = uidl_list(get_fixture(), user);
	uidl_assert_same(last, both + 1);

	/* one that was shown alone keeps even the UIDL that others want */
	fixture_reload(get_fixture(), save_yes);
	fixture_deliver(get_fixture(), user, "X-UIDL: own\n\nText.\n", 19);
	saved = uidl_list(get_fixture(), user);
	g_assert_cmpstr(saved[1], ==, "own");
	fixture_deliver(get_fixture(), user, "X-UIDL: own\n\nFake.\n", 19);
	later = uidl_list(get_fixture(), user);
	g_assert_cmpstr(later[1], ==, "own");
	g_assert_true(g_str_has_prefix(later[2], "pj-"));
	/* nor does it go to another one when its message is deleted */
	doveadm("expunge", "-u", user, "mailbox", "INBOX", "uid", "3", NULL);
	fixture_deliver(get_fixture(), user, "X-UIDL: own\n\nAgain.\n", 20);
	g_strfreev(g_steal_pointer(&saved));
	saved = uidl_list(get_fixture(), user);
	g_assert_cmpstr(saved[1], ==, later[2]);
	g_assert_true(g_str_has_prefix(saved[2], "pj-"));
}

/* What Maildir can keep is there for Dovecot without us. */
static void test_native(void)
{
	const struct fixture_options options = { .stock = TRUE };
	struct fixture *stock = fixture_new(&options);
	g_autofree char *user = user_shown("maildir");
	g_autofree char *stock_user = fixture_user(stock, "maildir");
	g_auto(GStrv) uidls = NULL;

	fixture_user_copy(get_fixture(), user, stock, stock_user);
	uidls = uidl_list(stock, stock_user);
	g_assert_cmpuint(g_strv_length(uidls), ==, MAIL_COUNT);
	for (unsigned int i = 0; i < MAIL_COUNT; i++) {
		g_autofree char *first = g_strdup_printf("first.%u", i + 1);

		g_assert_cmpstr(uidls[i], ==, first);
	}
	fixture_free(stock);
}

/* The file stays small as messages come and go. */
static void test_compacted(gconstpointer storage)
{
	g_autofree char *user = NULL, *text = NULL, *gone = NULL;
	g_auto(GStrv) lines = NULL;
	unsigned int marked = 0;
	struct pop3 *pop3;

	reload("first.%{uid}");
	user = fixture_user(get_fixture(), storage);
	numbered_deliver(get_fixture(), user, 1, 80, MAIL_BYTES);
	g_strfreev(uidl_list(get_fixture(), user));
	pop3 = pop3_session(get_fixture(), POP3_CLEAR, user);
	for (unsigned int i = 1; i <= 70; i++) {
		pop3_send(pop3, "DELE %u", i);
		pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	}
	pop3_quit(pop3, "Logging out, messages deleted.");
	g_strfreev(uidl_list(get_fixture(), user));
	text = saved_text(user);
	lines = g_strsplit(text, "\n", -1);
	for (char **p = lines + 1; **p != '\0'; p++)
		marked += g_regex_match_simple(" [0-9]{10}$", *p, 0, 0);
	g_assert_cmpuint(marked, ==, 70);

	/* as it is when they have been gone for a month */
	{
		g_autoptr(GRegex) regex = g_regex_new(
			"(?<=\\.[0-9]|\\.[0-9][0-9]) [0-9]{10}\n", 0, 0,
			NULL);
		g_autofree char *dir = control_dir(user);
		g_autofree char *path = g_build_filename(dir, "popinjay-uidl",
							 NULL);

		gone = g_regex_replace_literal(regex, text, -1, 0,
					       " 1700000000\n", 0, NULL);
		g_assert_true(g_file_set_contents(path, gone, -1, NULL));
		fixture_give(get_fixture(), user, path);
	}
	g_strfreev(uidl_list(get_fixture(), user));
	g_free(text);
	text = saved_text(user);
	g_assert_true(g_str_has_prefix(text, "popinjay-uidl 1 10 "));
	g_strfreev(lines);
	lines = g_strsplit(text, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 12);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		void (*func)(gconstpointer storage);
	} tests[] = {
		{ "format", test_format },
		{ "one", test_one },
		{ "index", test_index },
		{ "index-brought", test_index_brought },
		{ "uidvalidity", test_uidvalidity },
		{ "moved", test_moved },
		{ "copied", test_copied },
		{ "backup", test_backup },
		{ "doubles", test_doubles },
		{ "compacted", test_compacted }
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *prefix = g_strconcat(
			"/uidl-saved/", tests[i].name, NULL);

		fixture_add_storage_tests(prefix, tests[i].func);
	}
	g_test_add_func("/uidl-saved/uidlist", test_uidlist);
	g_test_add_func("/uidl-saved/undeleted", test_undeleted);
	g_test_add_func("/uidl-saved/native", test_native);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-saved", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
