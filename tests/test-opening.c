/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a session shows of its mailbox when it begins, sizes, order and UIDLs,
   is what stock Dovecot shows of a copy of the mailbox, whatever stands in the
   files that sizes and UIDLs are looked up in. */

#include "numbered.h"
#include "uidl-list.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAIL_COUNT 12
#define MAIL_BYTES 400

static struct fixture *stock, *ours;

struct opening_case {
	const char *name;
	/* for Maildir: change dovecot-uidlist, line by line; line 0 is the
	   header. NULL: as it is. */
	void (*change)(GString *line, unsigned int number);
	/* what Dovecot may say of it */
	const char *log;
};

/* --- ways to change a dovecot-uidlist --- */

/* Put a field behind the uid. */
static void add_field(GString *line, const char *field)
{
	gsize pos = strcspn(line->str, " ");

	g_string_insert(line, pos, field);
	g_string_insert_c(line, pos, ' ');
}

static void change_to_own_uidl(GString *line, unsigned int number)
{
	if (number % 3 == 1) {
		g_autofree char *field = g_strdup_printf("Pown-%u", number);

		add_field(line, field);
	}
}

static void change_to_file_name_uidl(GString *line, unsigned int number)
{
	if (number == 2)
		add_field(line, "P");
}

static void change_to_other_order(GString *line, unsigned int number)
{
	if (number > 0) {
		g_autofree char *field = g_strdup_printf("O%u", 100 - number);

		add_field(line, field);
	}
}

static void change_to_some_order(GString *line, unsigned int number)
{
	if (number == 7)
		add_field(line, "O1");
}

static void remove_sizes(GString *line, unsigned int number)
{
	char *size = strstr(line->str, " W");

	if (number % 2 == 1 && size != NULL) {
		g_string_erase(line, size - line->str,
			       1 + strcspn(size + 1, " "));
	}
}

static void change_sizes(GString *line, unsigned int number)
{
	char *size = strstr(line->str, " W");

	if (number > 0 && size != NULL)
		size[2] = '9';
}

static void remove_lines(GString *line, unsigned int number)
{
	if (number % 4 == 2)
		g_string_truncate(line, 0);
}

static void break_line(GString *line, unsigned int number)
{
	if (number == 5)
		g_string_prepend(line, "x");
}

static void change_uidvalidity(GString *line, unsigned int number)
{
	char *uidvalidity = strstr(line->str, " V");

	if (number == 0)
		uidvalidity[2]++;
}

static const struct opening_case cases[] = {
	{ "own-uidl", change_to_own_uidl, NULL },
	{ "file-name-uidl", change_to_file_name_uidl, NULL },
	{ "other-order", change_to_other_order, NULL },
	{ "some-order", change_to_some_order, NULL },
	{ "sizes-missing", remove_sizes, NULL },
	{ "sizes-changed", change_sizes, NULL },
	{ "lines-missing", remove_lines, NULL },
	{ "line-broken", break_line, "Broken file .*dovecot-uidlist" },
	{ "other-uidvalidity", change_uidvalidity, NULL },
};

static void change_uidlist(const char *user, const struct opening_case *c)
{
	g_autofree char *dir = fixture_mail_dir(ours, user);
	g_autofree char *path = g_build_filename(dir, "dovecot-uidlist", NULL);
	g_autofree char *text = NULL;
	g_autoptr(GString) changed = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) lines = NULL;
	unsigned int i;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	for (i = 0; lines[i + 1] != NULL; i++) {
		g_autoptr(GString) line = g_string_new(lines[i]);

		c->change(line, i);
		if (line->len > 0)
			g_string_append_printf(changed, "%s\n", line->str);
	}
	g_assert_cmpuint(i, ==, MAIL_COUNT + 1);
	g_assert_cmpstr(changed->str, !=, text);
	if (!g_file_set_contents(path, changed->str, changed->len, &error))
		g_error("%s", error->message);
	fixture_give(ours, user, path);
}

/* --- what is compared --- */

static char *ask_all(struct fixture *f, const char *user)
{
	static const char *const commands[] = { "LIST", "UIDL", "LIST 3" };
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	GString *all = g_string_new(NULL);
	unsigned int i;
	char *line;

	line = pop3_ask(pop3, "STAT");
	g_string_append_printf(all, "%s\n", line);
	g_free(line);
	for (i = 0; i < 2; i++) {
		GString *reply;

		pop3_send(pop3, "%s", commands[i]);
		reply = pop3_multiline(pop3);
		g_string_append_len(all, reply->str, reply->len);
		g_string_free(reply, TRUE);
	}
	line = pop3_ask(pop3, "LAST");
	/* no words of ours: only whether it can be */
	g_string_append_len(all, line, 3);
	g_free(line);
	pop3_quit(pop3, "Logging out.");
	return g_string_free(all, FALSE);
}

/* Let both look at the same mailbox, twice. */
static void check_same(const char *user)
{
	g_autofree char *home = fixture_home(stock, user);
	const char *const argv[] = { "rm", "-rf", home, NULL };
	unsigned int i;

	g_assert_cmpint(fixture_run(stock, argv, NULL, NULL, NULL), ==, 0);
	fixture_user_add(stock, user);
	fixture_user_copy(ours, user, stock, user);
	for (i = 0; i < 2; i++) {
		g_autofree char *expected = ask_all(stock, user);
		g_autofree char *got = ask_all(ours, user);

		g_assert_cmpstr(got, ==, expected);
	}
}

static char *make_mailbox(const char *storage)
{
	char *user = fixture_user(ours, storage);
	unsigned int i;

	for (i = 1; i <= MAIL_COUNT; i++)
		numbered_deliver(ours, user, i, i, MAIL_BYTES + i * i * 10);
	return user;
}

static void test_storage(const void *data)
{
	const char *storage = data;
	g_autofree char *user = make_mailbox(storage);
	g_auto(GStrv) uidls = NULL, fetched = NULL;
	struct pop3 *pop3;

	/* else each of the two would choose a UIDVALIDITY, by the clock */
	g_free(ask_all(ours, user));
	check_same(user);

	/* new mail */
	numbered_deliver(ours, user, MAIL_COUNT + 1, MAIL_COUNT + 3,
			 MAIL_BYTES);
	check_same(user);

	/* deleted and seen mail, in both of what was found before */
	pop3 = pop3_session(ours, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 2", "+OK Marked to be deleted.");
	pop3_send(pop3, "RETR 4");
	g_string_free(pop3_multiline(pop3), TRUE);
	pop3_quit(pop3, "Logging out, messages deleted.");
	check_same(user);

	uidls = uidl_list(ours, user);
	fetched = uidl_fetch(ours, user, "pop3.uidl");
	uidl_assert_same(uidls, fetched);
}

static void test_change(const void *data)
{
	const struct opening_case *c = data;
	g_autofree char *user = make_mailbox("maildir");
	gsize mark = fixture_log_size(ours), stock_mark;

	/* with sizes in the list */
	g_free(ask_all(ours, user));
	g_free(ask_all(ours, user));
	change_uidlist(user, c);
	stock_mark = fixture_log_size(stock);
	check_same(user);
	if (c->log == NULL) {
		g_assert_null(fixture_log_error(ours, mark));
		g_assert_null(fixture_log_error(stock, stock_mark));
	}
}

/* A name tells the size: it goes before all else. */
static void test_size_in_name(void)
{
	g_autofree char *user = make_mailbox("maildir");
	g_autofree char *dir = fixture_mail_dir(ours, user);
	g_autofree char *new = g_build_filename(dir, "new", NULL);
	g_autoptr(GDir) files = g_dir_open(new, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(files)) != NULL) {
		g_autofree char *from = g_build_filename(new, name, NULL);
		g_autofree char *to = g_strdup_printf("%s,W=%u", from,
						      g_str_hash(name) % 9999);

		if (strstr(name, ",W=") == NULL)
			g_assert_cmpint(rename(from, to), ==, 0);
	}
	/* this one chooses the UIDVALIDITY */
	g_free(ask_all(ours, user));
	check_same(user);
}

static void assert_sizes(char *const *sizes, char *const *expected)
{
	g_autofree char *a = g_strjoinv(" ", (char **)sizes);
	g_autofree char *b = g_strjoinv(" ", (char **)expected);

	g_assert_cmpstr(a, ==, b);
}

/* What is learned of a message whose size is not known must not be kept for
   one whose size is: who asks next, here doveadm, would believe it. */
static void test_sizes_not_mixed(void)
{
	static const struct opening_case missing = {
		"sizes-missing", remove_sizes, NULL
	};
	g_autofree char *user = make_mailbox("maildir");
	g_auto(GStrv) before = NULL, after = NULL;

	g_free(ask_all(ours, user));
	/* from now on Dovecot keeps sizes in the index too */
	g_assert_cmpint(fixture_doveadm(ours, NULL, NULL, NULL, "mailbox",
					"status", "-u", user, "vsize", "INBOX",
					NULL), ==, 0);
	before = uidl_fetch(ours, user, "size.virtual");
	change_uidlist(user, &missing);
	g_free(ask_all(ours, user));
	after = uidl_fetch(ours, user, "size.virtual");
	assert_sizes(after, before);
	check_same(user);
}

int main(int argc, char *argv[])
{
	static const struct fixture_options stock_options = { .stock = TRUE };
	unsigned int i;
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (i = 0; fixture_storages[i] != NULL; i++) {
		g_autofree char *path = g_strdup_printf("/opening/storage/%s",
							fixture_storages[i]);
		g_test_add_data_func(path, fixture_storages[i], test_storage);
	}
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/opening/%s",
							cases[i].name);
		g_test_add_data_func(path, &cases[i], test_change);
	}
	g_test_add_func("/opening/size-in-name", test_size_in_name);
	g_test_add_func("/opening/sizes-not-mixed", test_sizes_not_mixed);

	stock = fixture_new(&stock_options);
	ours = fixture_new(NULL);
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		if (cases[i].log != NULL) {
			fixture_log_allow(stock, cases[i].log);
			fixture_log_allow(ours, cases[i].log);
		}
	}
	ret = g_test_run();
	fixture_stop_begin(stock);
	fixture_free(ours);
	fixture_free(stock);
	return ret;
}
