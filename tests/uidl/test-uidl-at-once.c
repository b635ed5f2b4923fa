/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Several that save UIDLs at the same time: all show the same ones. */

#include "numbered.h"
#include "uidl-list.h"

#define MAIL_BYTES 300

/* Two sessions that would show other UIDLs: what the first one shows, the
   second one shows too, although it began with another format. */
static void test_two_formats(gconstpointer storage)
{
	g_autofree char *first = uidl_settings("popinjay_uidl_save", "yes",
		"popinjay_uidl_format", "first.%{uid}", NULL);
	g_autofree char *second = uidl_settings("popinjay_uidl_save", "yes",
		"popinjay_uidl_format", "second.%{uid}", NULL);
	const struct fixture_options options = { .config = first };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, storage);
	g_auto(GStrv) a = NULL, b = NULL, c = NULL;
	struct pop3 *pop3_a, *pop3_b;

	numbered_deliver(f, user, 1, 4, MAIL_BYTES);
	pop3_a = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3_a, "NOOP", "+OK");
	fixture_reload(f, second);
	pop3_b = pop3_session(f, POP3_CLEAR, user);
	b = uidl_list_in(pop3_b);
	g_assert_cmpstr(b[0], ==, "second.1");
	a = uidl_list_in(pop3_a);
	uidl_assert_same(a, b);
	pop3_quit(pop3_a, "Logging out.");
	pop3_quit(pop3_b, "Logging out.");
	c = uidl_fetch(f, user, "pop3.uidl");
	uidl_assert_same(c, b);
	fixture_free(f);
}

#define SESSIONS 6
#define MANY 300

/* Many sessions and doveadm ask at the same moment for UIDLs that nobody has
   saved yet. */
static void test_at_once(gconstpointer storage)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
						NULL);
	const struct fixture_options options = { .config = config };
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, storage);
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *path = g_str_equal(storage, "maildir") ?
		g_build_filename(dir, "popinjay-uidl", NULL) :
		g_build_filename(dir, "mailboxes", "INBOX", "dbox-Mails",
				 "popinjay-uidl", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) fetched = NULL, lines = NULL;
	struct pop3 *pop3[SESSIONS];

	numbered_deliver(f, user, 1, MANY, MAIL_BYTES);
	for (unsigned int i = 0; i < SESSIONS; i++)
		pop3[i] = pop3_session(f, POP3_CLEAR, user);
	for (unsigned int i = 0; i < SESSIONS; i++)
		pop3_send(pop3[i], "UIDL");
	fetched = uidl_fetch(f, user, "pop3.uidl");
	g_assert_cmpuint(g_strv_length(fetched), ==, MANY);
	for (unsigned int i = 0; i < SESSIONS; i++) {
		g_autoptr(GString) reply = pop3_multiline(pop3[i]);
		g_auto(GStrv) uidls = uidl_list_in(pop3[i]);

		uidl_assert_same(uidls, fetched);
		pop3_quit(pop3[i], "Logging out.");
	}
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	/* the first line, each message once, and what is behind the last LF */
	g_assert_cmpstr(lines[0], ==, "popinjay-uidl 1 300");
	g_assert_cmpuint(g_strv_length(lines), ==, MANY + 2);
	fixture_free(f);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/uidl-at-once/two-formats/maildir", "maildir",
			     test_two_formats);
	g_test_add_data_func("/uidl-at-once/two-formats/mdbox", "mdbox",
			     test_two_formats);
	g_test_add_data_func("/uidl-at-once/many/maildir", "maildir",
			     test_at_once);
	g_test_add_data_func("/uidl-at-once/many/sdbox", "sdbox",
			     test_at_once);
	return g_test_run();
}
