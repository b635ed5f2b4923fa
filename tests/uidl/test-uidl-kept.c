/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UIDLs that outlive a change: a move to another storage, another template,
   other sessions, and Dovecot's own settings about deleting and ordering. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <stdio.h>
#include <unistd.h>

#define MAIL_COUNT 5
#define MAIL_BYTES 400
#define KEY "a key of 22 characters"

static struct fixture *ours, *stock;

static struct fixture *get_ours(void)
{
	if (ours == NULL)
		ours = fixture_new(NULL);
	return ours;
}

static struct fixture *get_stock(void)
{
	const struct fixture_options options = { .stock = TRUE };

	if (stock == NULL)
		stock = fixture_new(&options);
	return stock;
}

static void reload(const char *format, const char *more)
{
	struct fixture *f = get_ours();
	g_autofree char *key_file = g_build_filename(f->dir, "key", NULL);
	g_autofree char *config = uidl_config(format, key_file, NULL);
	g_autofree char *all = g_strconcat(config, more, NULL);

	g_assert_true(g_file_set_contents(key_file, KEY, -1, NULL));
	fixture_reload(f, all);
}

static char *user_with_mails(const char *storage)
{
	char *user = fixture_user(get_ours(), storage);

	numbered_deliver(get_ours(), user, 1, MAIL_COUNT, MAIL_BYTES);
	return user;
}

static void ask(struct pop3 *pop3, const char *line, const char *reply)
{
	g_autofree char *want = g_strconcat(reply, "\r\n", NULL);

	pop3_send(pop3, "%s", line);
	pop3_expect_at(line, pop3, want, strlen(want));
}

static void delete(const char *user, unsigned int msn)
{
	struct pop3 *pop3 = pop3_session(get_ours(), POP3_CLEAR, user);

	pop3_send(pop3, "DELE %u", msn);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* The mail at msn is the one of this number. */
static void expect_mail(struct pop3 *pop3, unsigned int msn,
			unsigned int number)
{
	g_autoptr(GString) reply = NULL;
	g_autofree char *error = NULL;
	unsigned int got;

	pop3_send(pop3, "RETR %u", msn);
	reply = pop3_multiline(pop3);
	got = numbered_check(reply, MAIL_BYTES, &error);
	g_assert_cmpstr(error, ==, NULL);
	g_assert_cmpuint(got, ==, number);
}

/* --- To another storage --- */

struct move {
	const char *from, *to;
};

/* Returns whether it went well; *err_r is what it said. */
static gboolean try_backup(const char *from, const char *to, char **err_r)
{
	struct fixture *f = get_ours();
	GString *err = NULL;
	int status;

	status = fixture_doveadm(f, NULL, NULL, &err, "backup", "-u", from,
				 "doveadm", "-c", f->config_file,
				 "dsync-server", "-u", to, NULL);
	*err_r = g_string_free(err, FALSE);
	return status == 0;
}

static void backup(const char *from, const char *to)
{
	g_autofree char *err = NULL;

	if (!try_backup(from, to, &err))
		g_error("doveadm backup: %s", err);
}

/* The mailbox has the same UIDLs afterwards, whatever the template says. */
static void test_move(gconstpointer data)
{
	const struct move *move = data;
	g_autofree char *from = NULL, *to = NULL;
	g_auto(GStrv) before = NULL, moved = NULL, later = NULL, other = NULL;

	reload("%{hmac}.%{uid}", NULL);
	from = user_with_mails(move->from);
	to = fixture_user(get_ours(), move->to);
	delete(from, 2);
	before = uidl_list(get_ours(), from);
	g_assert_cmpuint(g_strv_length(before), ==, MAIL_COUNT - 1);
	backup(from, to);
	moved = uidl_list(get_ours(), to);
	uidl_assert_same(moved, before);

	/* they are stored there; the old mailbox has no such thing */
	reload("other.%{uid}", NULL);
	later = uidl_list(get_ours(), to);
	uidl_assert_same(later, before);
	other = uidl_list(get_ours(), from);
	for (unsigned int i = 0; before[i] != NULL; i++)
		g_assert_cmpstr(other[i], !=, before[i]);
}

/* doveadm copy or move */
static void
transfer(const char *how, const char *user, const char *uids,
	 const char *from, const char *to)
{
	g_assert_cmpint(fixture_doveadm(get_ours(), NULL, NULL, NULL, how,
		"-u", user, to, "mailbox", from, "uid", uids, NULL), ==, 0);
}

/* Mail that came twice has its UIDLs twice: none is shown twice. */
static void test_move_twice(void)
{
	g_autofree char *from = NULL, *to = NULL;
	g_auto(GStrv) uidls = NULL;

	reload("%{hmac}", NULL);
	from = user_with_mails("maildir");
	to = fixture_user(get_ours(), "mdbox");
	backup(from, to);
	transfer("copy", to, "1:3", "INBOX", "INBOX");
	uidls = uidl_list(get_ours(), to);
	g_assert_cmpuint(g_strv_length(uidls), ==, MAIL_COUNT + 3);
}

/* Copies share a GUID, and doveadm backup has one UIDL for all of them: the
   first one keeps it, and an import brings those of the others. (An mbox has
   no GUIDs.) */
static void test_move_copies(gconstpointer to_storage)
{
	static const unsigned int firsts[] = { 0, 1, 2, 3, 4, 7 };
	g_autofree char *from = NULL, *to = NULL, *list = NULL;
	g_auto(GStrv) before = NULL, after = NULL, imported = NULL;

	reload("moved.%{uid}", NULL);
	from = user_with_mails("maildir");
	transfer("copy", from, "1,3", "INBOX", "INBOX");
	numbered_deliver(get_ours(), from, 6, 6, MAIL_BYTES);
	g_strfreev(uidl_list(get_ours(), from));
	transfer("copy", from, "1,4", "INBOX", "INBOX");
	to = fixture_user(get_ours(), to_storage);
	backup(from, to);
	before = uidl_list(get_ours(), from);
	g_assert_cmpuint(g_strv_length(before), ==, 10);
	reload("other.%{uid}", NULL);
	after = uidl_list(get_ours(), to);
	g_assert_cmpuint(g_strv_length(after), ==, 10);
	for (unsigned int i = 0; i < G_N_ELEMENTS(firsts); i++)
		g_assert_cmpstr(after[firsts[i]], ==, before[firsts[i]]);

	reload("moved.%{uid}", NULL);
	list = uidl_tool(get_ours(), NULL, 0, "export", "-u", from, NULL);
	reload("other.%{uid}", NULL);
	g_free(uidl_tool(get_ours(), list, 0, "import", "-r", "-u", to, NULL));
	imported = uidl_list(get_ours(), to);
	uidl_assert_same(imported, before);
}

/* What diff --location says with another format; option may be NULL. */
static void
expect_diff(const char *user, const char *changed, const char *format,
	    const char *option)
{
	g_autofree char *output = uidl_tool(get_ours(), NULL, 0, "diff", "-u",
		user, "--location", "sdbox:~/other", "--format", format,
		option, NULL);
	g_auto(GStrv) values = uidl_tool_column(output, "changed");
	g_auto(GStrv) messages = uidl_tool_column(output, "messages");

	g_assert_cmpstr(values[0], ==, changed);
	g_assert_cmpstr(messages[0], ==, "5");
}

static void expect_no_location(const char *user)
{
	g_autofree char *home = fixture_home(get_ours(), user);
	g_autofree char *dir = g_build_filename(home, "other", NULL);
	g_autofree char *err = NULL;

	g_free(uidl_tool_err(get_ours(), NULL, 66, &err, "diff", "-u", user,
			     "-l", "sdbox:~/other", NULL));
	g_assert_nonnull(strstr(err, "There is no mail at sdbox:~/other"));
	g_assert_cmpint(access(dir, F_OK), ==, -1);
}

/* doveadm backup from one location of a user to another, which diff looks at
   before it is taken. */
static void test_move_location(void)
{
	static const char separator[] =
		"namespace inbox {\n  inbox = yes\n  separator = /\n}\n";
	const char *location = get_ours()->version < 20400 ?
		"mail_location = sdbox:~/other\n" :
		"mail_driver = sdbox\nmail_path = ~/other\n";
	g_autofree char *user = NULL, *other = NULL;
	g_auto(GStrv) before = NULL, after = NULL;

	reload("moved.%{uid}", separator);
	user = user_with_mails("sdbox");
	before = uidl_list(get_ours(), user);
	expect_no_location(user);
	if (fixture_doveadm(get_ours(), NULL, NULL, NULL, "backup", "-u", user,
			    "sdbox:~/other", NULL) != 0)
		g_error("doveadm backup failed");
	expect_diff(user, "0", "other.%{uid}", NULL);
	expect_diff(user, "5", "other.%{uid}", "-W");
	other = g_strconcat(separator, location, NULL);
	reload("other.%{uid}", other);
	after = uidl_list(get_ours(), user);
	uidl_assert_same(after, before);
}

/* Where UIDLs cannot be saved, messages that bring some are not saved either:
   the next run brings both. */
static void test_move_unsaved(void)
{
	g_autofree char *from = NULL, *to = NULL, *dir = NULL, *control = NULL;
	g_autofree char *path = NULL, *err = NULL;
	g_auto(GStrv) uids = NULL, before = NULL, after = NULL;

	reload("moved.%{uid}", NULL);
	from = user_with_mails("maildir");
	to = fixture_user(get_ours(), "mbox");
	dir = fixture_mail_dir(get_ours(), to);
	control = g_build_filename(dir, ".imap", "INBOX", NULL);
	path = g_build_filename(control, "popinjay-uidl", NULL);
	g_assert_cmpint(g_mkdir_with_parents(control, 0700), ==, 0);
	g_assert_true(g_file_set_contents(path, "damaged\n", -1, NULL));
	fixture_give(get_ours(), to, dir);

	fixture_log_allow(get_ours(), "popinjay: New messages aren't saved");
	g_assert_false(try_backup(from, to, &err));
	g_assert_nonnull(strstr(err, "popinjay: New messages aren't saved, "
				"since their UIDLs can't be: "));
	uids = uidl_fetch(get_ours(), to, "uid");
	g_assert_cmpuint(g_strv_length(uids), ==, 0);

	g_assert_cmpint(unlink(path), ==, 0);
	backup(from, to);
	before = uidl_list(get_ours(), from);
	g_assert_cmpuint(g_strv_length(before), ==, MAIL_COUNT);
	reload("other.%{uid}", NULL);
	after = uidl_list(get_ours(), to);
	uidl_assert_same(after, before);
}

/* A second doveadm backup brings the UIDLs of new messages, and of one that
   left its mailbox and came back: it has another uid since. */
static void test_move_again(gconstpointer to_storage)
{
	g_autofree char *from = NULL, *to = NULL;
	g_auto(GStrv) before = NULL, after = NULL;

	reload("moved.%{uid}", NULL);
	from = user_with_mails("maildir");
	g_free(uidl_tool(get_ours(), NULL, 0, "freeze", "-u", from, NULL));
	to = fixture_user(get_ours(), to_storage);
	backup(from, to);
	g_assert_cmpint(fixture_doveadm(get_ours(), NULL, NULL, NULL,
		"mailbox", "create", "-u", from, "Trash", NULL), ==, 0);
	transfer("move", from, "5", "INBOX", "Trash");
	transfer("move", from, "1", "Trash", "INBOX");
	numbered_deliver(get_ours(), from, 6, 7, MAIL_BYTES);
	before = uidl_list(get_ours(), from);
	g_assert_cmpuint(g_strv_length(before), ==, 7);
	g_assert_cmpstr(before[4], ==, "moved.5");
	g_assert_cmpstr(before[6], ==, "moved.8");
	backup(from, to);
	reload("other.%{uid}", NULL);
	after = uidl_list(get_ours(), to);
	uidl_assert_same(after, before);
}

/* A sender cannot take a stored UIDL away by writing it into a header. */
static void test_move_forged(void)
{
	g_autofree char *from = NULL, *to = NULL, *mail = NULL, *config = NULL;
	g_auto(GStrv) before = NULL, after = NULL;

	reload("moved.%{uid}", NULL);
	from = user_with_mails("maildir");
	to = fixture_user(get_ours(), "mdbox");
	backup(from, to);
	before = uidl_list(get_ours(), to);
	g_assert_cmpstr(before[1], ==, "moved.2");

	mail = g_strdup("X-UIDL: moved.2\n\nForged.\n");
	fixture_deliver(get_ours(), to, mail, strlen(mail));
	config = uidl_config("other.%{uid}", NULL, "yes");
	fixture_reload(get_ours(), config);
	after = uidl_list(get_ours(), to);
	g_assert_cmpuint(g_strv_length(after), ==, MAIL_COUNT + 1);
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		g_assert_cmpstr(after[i], ==, before[i]);
	g_assert_true(g_str_has_prefix(after[MAIL_COUNT], "pj-"));
}

/* --- Dovecot's settings --- */

/* pop3_save_uidl keeps what was shown on Maildir. */
static void test_save(void)
{
	static const char save[] = "pop3_save_uidl = yes\n";
	g_autofree char *user = NULL, *one = NULL;
	g_auto(GStrv) after = NULL;
	struct pop3 *pop3;

	reload("first.%{uid}", save);
	user = user_with_mails("maildir");
	pop3 = pop3_session(get_ours(), POP3_CLEAR, user);
	pop3_send(pop3, "UIDL");
	pop3_expect(pop3, "+OK\r\n1 first.1\r\n2 first.2\r\n3 first.3\r\n"
		    "4 first.4\r\n5 first.5\r\n.\r\n");
	pop3_quit(pop3, "Logging out.");
	/* one that is asked for alone is saved too */
	numbered_deliver(get_ours(), user, 6, 6, MAIL_BYTES);
	pop3 = pop3_session(get_ours(), POP3_CLEAR, user);
	one = pop3_ask(pop3, "UIDL 6");
	pop3_quit(pop3, "Logging out.");
	g_assert_cmpstr(one, ==, "+OK 6 first.6");

	reload("second.%{uid}", NULL);
	numbered_deliver(get_ours(), user, 7, 7, MAIL_BYTES);
	after = uidl_list(get_ours(), user);
	g_assert_cmpuint(g_strv_length(after), ==, 7);
	for (unsigned int i = 0; i < 6; i++) {
		g_autofree char *want = g_strdup_printf("first.%u", i + 1);

		g_assert_cmpstr(after[i], ==, want);
	}
	g_assert_cmpstr(after[6], ==, "second.7");
}

/* Messages that are flagged instead of removed are no more seen, and the
   others keep their UIDLs. */
static void test_deleted_flag(gconstpointer storage)
{
	g_autofree char *user = NULL;
	g_auto(GStrv) before = NULL, after = NULL, all = NULL;
	struct pop3 *pop3;

	reload(NULL, "pop3_deleted_flag = \"$POP3Deleted\"\n"
	       "pop3_delete_type = flag\n");
	user = user_with_mails(storage);
	before = uidl_list(get_ours(), user);
	delete(user, 2);
	delete(user, 1);
	after = uidl_list(get_ours(), user);
	g_assert_cmpuint(g_strv_length(after), ==, MAIL_COUNT - 2);
	uidl_assert_same(after, before + 2);
	pop3 = pop3_session(get_ours(), POP3_CLEAR, user);
	expect_mail(pop3, 1, 3);
	ask(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	all = uidl_fetch(get_ours(), user, "pop3.uidl");
	uidl_assert_same(all, before);
}

/* Give the first messages of a Maildir another order of POP3: doveadm sync
   writes this when mail comes from another POP3 server. */
static void set_order(struct fixture *f, const char *user)
{
	static const unsigned int order[MAIL_COUNT + 1] = { 0, 30, 10, 20 };
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *path = g_build_filename(dir, "dovecot-uidlist", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	g_autoptr(GString) result = g_string_new(NULL);

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(g_strchomp(text), "\n", -1);
	g_string_printf(result, "%s\n", lines[0]);
	for (unsigned int i = 1; lines[i] != NULL; i++) {
		const char *colon = strstr(lines[i], " :");

		g_assert_nonnull(colon);
		g_string_append_printf(result, "%u", i);
		if (order[i] > 0)
			g_string_append_printf(result, " O%u", order[i]);
		g_string_append_printf(result, "%s\n", colon);
	}
	g_assert_true(g_file_set_contents(path, result->str, -1, NULL));
	fixture_give(f, user, path);
}

static void test_order(void)
{
	static const unsigned int expected[MAIL_COUNT] = { 2, 3, 1, 4, 5 };
	g_autofree char *user = NULL, *stock_user = NULL;
	g_auto(GStrv) before = NULL, after = NULL, stock_uidls = NULL;
	g_auto(GStrv) rest = NULL;
	struct pop3 *pop3;

	reload(NULL, NULL);
	user = user_with_mails("maildir");
	before = uidl_list(get_ours(), user);
	set_order(get_ours(), user);
	after = uidl_list(get_ours(), user);
	g_assert_cmpuint(g_strv_length(after), ==, MAIL_COUNT);
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		g_assert_cmpstr(after[i], ==, before[expected[i] - 1]);

	stock_user = fixture_user(get_stock(), "maildir");
	fixture_user_copy(get_ours(), user, get_stock(), stock_user);
	stock_uidls = uidl_list(get_stock(), stock_user);
	uidl_assert_same(after, stock_uidls);

	pop3 = pop3_session(get_ours(), POP3_CLEAR, user);
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		expect_mail(pop3, i + 1, expected[i]);
	ask(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	rest = uidl_list(get_ours(), user);
	uidl_assert_same(rest, after + 1);
	pop3 = pop3_session(get_ours(), POP3_CLEAR, user);
	expect_mail(pop3, 1, 3);
	pop3_quit(pop3, "Logging out.");
}

/* Dovecot's log line of a session in which message 2 was deleted. */
static char *logout_line(struct fixture *f, const char *user)
{
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autofree char *line = NULL;

	g_strfreev(uidl_list_in(pop3));
	ask(pop3, "DELE 2", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	line = fixture_log_wait(f, since, "Disconnected: Logged out uidl=");
	return g_strdup(strstr(line, "uidl="));
}

/* %{uidl_change} of pop3_logout_format is Dovecot's own hash of what it takes
   for the UIDLs. */
static void test_uidl_change(void)
{
	static const char config[] =
		"pop3_logout_format = uidl=%{uidl_change} "
		"del=%{deleted_count}\n";
	g_autofree char *user = NULL, *stock_user = NULL;
	g_autofree char *line = NULL, *stock_line = NULL;
	g_auto(GStrv) uidls = NULL;

	reload(NULL, config);
	fixture_reload(get_stock(), config);
	user = user_with_mails("maildir");
	/* gives the mailbox its UIDVALIDITY */
	uidls = uidl_list(get_ours(), user);
	stock_user = fixture_user(get_stock(), "maildir");
	fixture_user_copy(get_ours(), user, get_stock(), stock_user);
	line = logout_line(get_ours(), user);
	stock_line = logout_line(get_stock(), stock_user);
	g_assert_true(g_regex_match_simple(
		"^uidl=5/[0-9a-f]{8} -> 4/[0-9a-f]{8} del=1$", line, 0, 0));
	g_assert_cmpstr(line, ==, stock_line);
}

/* --- Two sessions --- */

static void test_two_sessions(gconstpointer storage)
{
	g_autofree char *user = NULL;
	g_auto(GStrv) before = NULL, again = NULL, late = NULL, after = NULL;
	struct pop3 *first, *second, *third;

	reload("%{hmac}", NULL);
	user = user_with_mails(storage);
	first = pop3_session(get_ours(), POP3_CLEAR, user);
	before = uidl_list_in(first);
	/* one that opens the mailbox now and asks later */
	second = pop3_session(get_ours(), POP3_CLEAR, user);
	ask(second, "NOOP", "+OK");

	third = pop3_session(get_ours(), POP3_CLEAR, user);
	ask(third, "DELE 2", "+OK Marked to be deleted.");
	ask(third, "DELE 5", "+OK Marked to be deleted.");
	pop3_quit(third, "Logging out, messages deleted.");
	numbered_deliver(get_ours(), user, 6, 6, MAIL_BYTES);

	again = uidl_list_in(first);
	uidl_assert_same(again, before);
	late = uidl_list_in(second);
	g_assert_cmpuint(g_strv_length(late), ==, MAIL_COUNT);
	for (unsigned int i = 0; i < MAIL_COUNT; i++) {
		/* a message that is no more may have no GUID any more */
		if ((i != 1 && i != 4) || !g_str_has_prefix(late[i], "pj-"))
			g_assert_cmpstr(late[i], ==, before[i]);
	}
	expect_mail(first, 3, 3);
	/* both delete the same one, and one that is gone */
	ask(first, "DELE 3", "+OK Marked to be deleted.");
	ask(second, "DELE 3", "+OK Marked to be deleted.");
	ask(second, "DELE 2", "+OK Marked to be deleted.");
	pop3_quit(first, "Logging out, messages deleted.");
	pop3_quit(second, "Logging out, messages deleted.");

	after = uidl_list(get_ours(), user);
	g_assert_cmpuint(g_strv_length(after), ==, 3);
	g_assert_cmpstr(after[0], ==, before[0]);
	g_assert_cmpstr(after[1], ==, before[3]);
	third = pop3_session(get_ours(), POP3_CLEAR, user);
	expect_mail(third, 1, 1);
	expect_mail(third, 2, 4);
	expect_mail(third, 3, 6);
	pop3_quit(third, "Logging out.");
}

static void test_stop(void)
{
	g_clear_pointer(&ours, fixture_free);
	g_clear_pointer(&stock, fixture_free);
}

static void
add_move(const char *name, const char *to_storage, GTestDataFunc func)
{
	g_autofree char *path = g_strdup_printf("/uidl-kept/move/%s-to-%s",
						name, to_storage);

	g_test_add_data_func(path, to_storage, func);
}

int main(int argc, char *argv[])
{
	static const char *const with_guids[] = {
		"maildir", "sdbox", "mdbox"
	};
	static const struct move moves[] = {
		{ "maildir", "mdbox" }, { "maildir", "sdbox" },
		{ "maildir", "maildir" }, { "mbox", "sdbox" },
		{ "mdbox", "maildir" }, { "sdbox", "mdbox" }
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(moves); i++) {
		g_autofree char *path = g_strdup_printf(
			"/uidl-kept/move/%s-to-%s", moves[i].from,
			moves[i].to);

		g_test_add_data_func(path, &moves[i], test_move);
	}
	g_test_add_func("/uidl-kept/move/twice", test_move_twice);
	g_test_add_func("/uidl-kept/move/forged", test_move_forged);
	g_test_add_func("/uidl-kept/move/unsaved", test_move_unsaved);
	for (unsigned int i = 0; i < G_N_ELEMENTS(with_guids); i++) {
		add_move("again", with_guids[i], test_move_again);
		add_move("copies", with_guids[i], test_move_copies);
	}
	g_test_add_func("/uidl-kept/move/location", test_move_location);
	g_test_add_func("/uidl-kept/save", test_save);
	g_test_add_func("/uidl-kept/order", test_order);
	g_test_add_func("/uidl-kept/uidl-change", test_uidl_change);
	fixture_add_storage_tests("/uidl-kept/deleted-flag", test_deleted_flag);
	fixture_add_storage_tests("/uidl-kept/two-sessions", test_two_sessions);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-kept", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
