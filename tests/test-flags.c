/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What sessions do to the flags of messages, and what they see of them: RETR
   makes a message \Seen and nothing else does; LAST is the last such one, also
   where the flag is the user's own in a mailbox of several. */

#include "numbered.h"

#define MAIL_COUNT 6
#define MAIL_BYTES 400

static struct fixture *f;

static void reload(const char *config)
{
	const struct fixture_options options = {
		.fast_logins = TRUE, .config = config
	};

	if (f == NULL)
		f = fixture_new(&options);
	else
		fixture_reload(f, config);
}

static char *make_user(const char *storage)
{
	char *user = fixture_user(f, storage);

	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	return user;
}

static void ask_all(struct pop3 *pop3, const char *line)
{
	pop3_send(pop3, "%s", line);
	g_string_free(pop3_multiline(pop3), TRUE);
}

/* The uids of the messages that are \Seen are these, separated by spaces. */
static void assert_seen(const char *user, const char *expected)
{
	GString *out = NULL;
	g_autofree char *uids = NULL;

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "-f", "flow",
					"fetch", "-u", user, "uid", "mailbox",
					"INBOX", "SEEN", NULL), ==, 0);
	g_string_replace(out, "uid=", "", 0);
	g_string_replace(out, "\n", " ", 0);
	uids = g_strchomp(g_string_free(out, FALSE));
	g_assert_cmpstr(uids, ==, expected);
}

/* Message 1 is fetched; of the others all is asked that there is to ask. */
static void use_all(const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	/* RSET takes it back, too */
	ask_all(pop3, "RETR 6");
	pop3_check(pop3, "DELE 6", "+OK Marked to be deleted.");
	pop3_check(pop3, "RSET", "+OK");
	ask_all(pop3, "RETR 1");
	ask_all(pop3, "TOP 2 0");
	ask_all(pop3, "TOP 3 1000000");
	ask_all(pop3, "LIST");
	ask_all(pop3, "UIDL");
	g_free(pop3_ask(pop3, "LIST 4"));
	g_free(pop3_ask(pop3, "UIDL 5"));
	pop3_quit(pop3, "Logging out.");
}

static void test_seen(gconstpointer storage)
{
	g_autofree char *user = NULL;

	reload(NULL);
	user = make_user(storage);
	use_all(user);
	assert_seen(user, "1");
}

static void test_no_updates(gconstpointer storage)
{
	g_autofree char *user = NULL;

	reload("protocol pop3 {\n  pop3_no_flag_updates = yes\n}\n");
	user = make_user(storage);
	use_all(user);
	assert_seen(user, "");
}

/* The flag is in an index of the user's own: what other users of the mailbox
   have read is nothing to this one. */
static void test_private(gconstpointer storage)
{
	g_autofree char *user = NULL;
	struct pop3 *pop3;

	reload(fixture_is_2_3() ?
	       "mail_location = %{if;%d;eq;;maildir;%d}:~/Mail"
	       ":INDEXPVT=~/private\n"
	       "protocol pop3 {\n  pop3_enable_last = yes\n}\n" :
	       "mail_index_private_path = ~/private\n"
	       "protocol pop3 {\n  pop3_enable_last = yes\n}\n");
	user = make_user(storage);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "LAST", "+OK 0");
	ask_all(pop3, "RETR 3");
	ask_all(pop3, "TOP 5 1");
	pop3_quit(pop3, "Logging out.");
	assert_seen(user, "3");

	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "LAST", "+OK 3");
	pop3_quit(pop3, "Logging out.");
	assert_seen(user, "3");
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/flags/seen", test_seen);
	fixture_add_storage_tests("/flags/no-updates", test_no_updates);
	fixture_add_storage_tests("/flags/private", test_private);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/flags", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
