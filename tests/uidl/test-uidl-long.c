/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UIDLs that are longer than RFC 1939 allows: those that Dovecot shows without
   Popinjay are shown on, unless the administrator is strict, and diff and check
   tell beforehand what is not. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <stdio.h>

#define MAIL_COUNT 3
#define MAIL_BYTES 300
#define HOST "mail-server-1.of-the-second-data-centre.mail.example.com"

static struct fixture *ours, *stock;

/* Both servers make UIDLs of file names; more are settings of ours. */
static void reload(const char *common, const char *more)
{
	g_autofree char *stock_config = g_strdup_printf(
		"pop3_uidl_format = %s\n%s",
		fixture_is_2_3() ? "%f" : "%{filename}",
		common == NULL ? "" : common);
	g_autofree char *config = g_strconcat(stock_config, more, NULL);

	fixture_reload(stock, stock_config);
	fixture_reload(ours, config);
}

static void make_names_long(const char *user)
{
	for (unsigned int i = 1; i <= MAIL_COUNT; i++) {
		g_autofree char *path = numbered_find_file(stock, user, i);
		g_autofree char *dir = g_path_get_dirname(path);
		g_autofree char *longer = g_strdup_printf(
			"%s/170000012%u.M123456P12345." HOST, dir, i);

		g_assert_cmpint(rename(path, longer), ==, 0);
	}
}

/* A mailbox that clients have known without Popinjay, and a copy of it where
   that is now. Returns the UIDLs they know. */
static char **known_mailbox(const char *user, char **our_user_r)
{
	char **uidls = uidl_list(stock, user);

	*our_user_r = fixture_user(ours, fixture_user_storage(user));
	fixture_user_copy(stock, user, ours, *our_user_r);
	return uidls;
}

static char **long_names(char **our_user_r)
{
	g_autofree char *user = fixture_user(stock, "maildir");
	char **uidls;

	numbered_deliver(stock, user, 1, MAIL_COUNT, MAIL_BYTES);
	make_names_long(user);
	uidls = known_mailbox(user, our_user_r);
	g_assert_cmpuint(g_strv_length(uidls), ==, MAIL_COUNT);
	g_assert_cmpuint(strlen(uidls[0]), >, 70);
	return uidls;
}

static void expect_diff(const char *user, const char *changed,
			const char *option, const char *value)
{
	g_autofree char *out = uidl_tool(ours, NULL, 0, "diff", "-u", user,
					 option, value, NULL);

	uidl_assert_row(out, "changed", changed, NULL);
}

static void test_shown(void)
{
	g_autofree char *user = NULL, *out = NULL;
	g_auto(GStrv) known = NULL, uidls = NULL, fetched = NULL;

	reload(NULL, NULL);
	known = long_names(&user);
	expect_diff(user, "0", "--stock", NULL);
	g_free(uidl_tool(ours, NULL, 0, "check", "--stock", "-u", user, NULL));
	uidls = uidl_list(ours, user);
	uidl_assert_same(uidls, known);
	fetched = uidl_fetch(ours, user, "pop3.uidl");
	uidl_assert_same(fetched, known);
	/* what it would cost to be strict */
	expect_diff(user, "3", "--strict", "yes");
	expect_diff(user, "0", "--strict", "no");
	g_free(uidl_tool_err(ours, NULL, 64, &out, "diff", "-u", user, "-y",
			     "perhaps", NULL));
	g_assert_nonnull(strstr(out, "strict=perhaps: Use yes or no"));
}

static void test_strict(void)
{
	g_autofree char *user = NULL, *strict = NULL, *check = NULL;
	g_autofree char *first = NULL;
	g_auto(GStrv) known = NULL, uidls = NULL, kept = NULL, problems = NULL;

	strict = uidl_tool_setting(ours, "popinjay_uidl_strict", "yes");
	reload(NULL, strict);
	known = long_names(&user);
	expect_diff(user, "3", "-k", NULL);
	check = uidl_tool(ours, NULL, 65, "check", "-k", "-u", user, NULL);
	problems = uidl_tool_column(check, "problem");
	g_assert_cmpuint(g_strv_length(problems), ==, 2 * MAIL_COUNT + 1);
	first = g_strdup_printf("without Popinjay it is \"%s\"", known[0]);
	g_assert_cmpstr(problems[MAIL_COUNT], ==, first);
	g_assert_cmpstr(problems[2 * MAIL_COUNT], ==, "3 of 3 messages have "
			"another UIDL than without Popinjay");
	uidls = uidl_list(ours, user);
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		g_assert_true(g_str_has_prefix(uidls[i], "pj-"));

	/* what is saved stays */
	reload(NULL, NULL);
	g_free(uidl_tool(ours, NULL, 0, "freeze", "-u", user, NULL));
	reload(NULL, strict);
	expect_diff(user, "0", "-k", NULL);
	kept = uidl_list(ours, user);
	uidl_assert_same(kept, known);
}

/* They can be moved to a storage without file names. */
static void test_moved(void)
{
	g_autofree char *user = NULL, *other = NULL, *list = NULL, *out = NULL;
	g_autofree char *check = NULL;
	g_auto(GStrv) known = NULL, uidls = NULL;

	reload(NULL, NULL);
	known = long_names(&user);
	list = uidl_tool(ours, NULL, 0, "export", "-u", user, NULL);
	fixture_reload(ours, NULL);
	other = fixture_user(ours, "mdbox");
	numbered_deliver(ours, other, 1, MAIL_COUNT, MAIL_BYTES);
	out = uidl_tool(ours, list, 0, "import", "-u", other, NULL);
	uidl_assert_row(out, "matched", "3", "saved", "3", "invalid", "0",
			NULL);
	check = uidl_tool(ours, NULL, 0, "check", "-u", other, NULL);
	uidls = uidl_list(ours, other);
	uidl_assert_same(uidls, known);
}

static void deliver_xuidl(const char *user, unsigned int number,
			  const char *uidl)
{
	g_autofree char *mail = g_strdup_printf(
		"From: <a@example.com>\nX-UIDL: %s\nSubject: %u\n\nBody %u\n",
		uidl, number, number);

	fixture_deliver(stock, user, mail, strlen(mail));
}

/* A session of Dovecot alone, whose UIDLs may be anything. */
static char **stock_uidls(const char *user)
{
	struct pop3 *pop3 = pop3_session(stock, POP3_CLEAR, user);
	GPtrArray *uidls = g_ptr_array_new();
	g_autoptr(GString) reply = NULL;
	g_auto(GStrv) lines = NULL;

	pop3_send(pop3, "UIDL");
	reply = pop3_multiline(pop3);
	pop3_quit(pop3, "Logging out.");
	lines = g_strsplit(reply->str, "\r\n", -1);
	for (unsigned int i = 1; strcmp(lines[i], ".") != 0; i++)
		g_ptr_array_add(uidls, g_strdup(strchr(lines[i], ' ') + 1));
	g_ptr_array_add(uidls, NULL);
	return (char **)g_ptr_array_free(uidls, FALSE);
}

/* What senders wrote: of six UIDLs, two can stay what Dovecot makes of them. */
static void test_xuidl(void)
{
	g_autofree char *from = NULL, *user = NULL, *xuidl = NULL, *out = NULL;
	g_autofree char *longest = g_strnfill(495, 'y');
	g_autofree char *too_long = g_strnfill(496, 'z');
	const char *const written[] = {
		"good", longest, too_long, "double", "double", "not one"
	};
	g_auto(GStrv) before = NULL, after = NULL, uids = NULL, problems = NULL;

	xuidl = fixture_is_2_3() ?
		uidl_tool_setting(ours, "popinjay_reuse_xuidl", "yes") :
		g_strdup("");
	reload("pop3_reuse_xuidl = yes\n", xuidl);
	from = fixture_user(stock, "maildir");
	for (unsigned int i = 0; i < G_N_ELEMENTS(written); i++)
		deliver_xuidl(from, i + 1, written[i]);
	before = stock_uidls(from);
	g_assert_cmpuint(g_strv_length(before), ==, G_N_ELEMENTS(written));
	for (unsigned int i = 0; i < G_N_ELEMENTS(written); i++)
		g_assert_cmpstr(before[i], ==, written[i]);
	user = fixture_user(ours, "maildir");
	fixture_user_copy(stock, from, ours, user);

	expect_diff(user, "4", "-k", NULL);
	out = uidl_tool(ours, NULL, 65, "check", "-k", "-u", user, NULL);
	uids = uidl_tool_column(out, "uid");
	problems = uidl_tool_column(out, "problem");
	/* two that are replaced; four that are others; and their sum */
	g_assert_cmpuint(g_strv_length(uids), ==, 7);
	g_assert_cmpstr(uids[2], ==, "3");
	g_assert_cmpstr(problems[3], ==, "without Popinjay it is \"double\"");
	g_assert_cmpstr(problems[5], ==, "without Popinjay it is \"not one\"");
	g_assert_cmpstr(problems[6], ==, "4 of 6 messages have another UIDL "
			"than without Popinjay");
	after = uidl_list(ours, user);
	for (unsigned int i = 0; i < G_N_ELEMENTS(written); i++) {
		g_assert_cmpint(strcmp(after[i], before[i]) == 0, ==,
				i < 2 ? TRUE : FALSE);
	}
}

static void test_stop(void)
{
	g_clear_pointer(&ours, fixture_free);
	g_clear_pointer(&stock, fixture_free);
}

int main(int argc, char *argv[])
{
	const struct fixture_options stock_options = { .stock = TRUE };
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl-long/shown", test_shown);
	g_test_add_func("/uidl-long/strict", test_strict);
	g_test_add_func("/uidl-long/moved", test_moved);
	g_test_add_func("/uidl-long/xuidl", test_xuidl);
	g_test_add_func("/stop/uidl-long", test_stop);
	ours = fixture_new(NULL);
	stock = fixture_new(&stock_options);
	ret = g_test_run();
	test_stop();
	return ret;
}
