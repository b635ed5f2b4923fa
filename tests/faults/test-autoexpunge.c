/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Dovecot expunges old mail of the INBOX after a session, when the session's
   own mailbox is closed. */

#include "pop3.h"

static const char mail[] =
	"From: alice@example.org\n"
	"Subject: Old\n"
	"\n"
	"Old.\n";

static struct fixture *new_fixture(void)
{
	struct fixture_options options = { .stock = FALSE };
	struct fixture *f = fixture_new(NULL);
	unsigned int version = f->version;

	/* the section has a name in 2.3 and a name of its own in 2.4 */
	fixture_free(f);
	options.config = version < 20400 ?
		"namespace inbox {\n  inbox = yes\n"
		"  mailbox INBOX {\n    autoexpunge = 1s\n  }\n}\n" :
		"namespace inbox {\n  inbox = yes\n"
		"  mailbox INBOX {\n    mailbox_autoexpunge = 1s\n  }\n}\n";
	return fixture_new(&options);
}

static void test_autoexpunge(void)
{
	struct fixture *f = new_fixture();
	char *user = fixture_user(f, "maildir");
	struct pop3 *pop3;
	unsigned int i;
	gsize mark;

	fixture_deliver(f, user, mail, strlen(mail));
	fixture_deliver(f, user, mail, strlen(mail));
	/* they get old from when Dovecot sees them first */
	pop3_quit(pop3_session(f, POP3_CLEAR, user), "Logging out.");
	g_usleep(2100 * 1000);

	mark = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "DELE 1");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
	/* one by the client; the other one by Dovecot, which is not counted */
	g_free(fixture_log_wait(f, mark, "\"expunged_count\":1,"));

	/* it expunges when the client is gone, at leisure */
	for (i = 0; i < 50; i++) {
		g_autofree char *reply = NULL;

		g_usleep(100 * 1000);
		pop3 = pop3_session(f, POP3_CLEAR, user);
		reply = pop3_ask(pop3, "STAT");
		pop3_quit(pop3, "Logging out.");
		if (strcmp(reply, "+OK 0 0") == 0)
			break;
	}
	g_assert_cmpuint(i, <, 50);
	g_free(user);
	/* fails if a process died */
	fixture_free(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	g_test_add_func("/autoexpunge", test_autoexpunge);
	return g_test_run();
}
