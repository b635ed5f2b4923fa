/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The public API, used by the example plugin in a real Dovecot: commands,
   hooks, capabilities, UIDL policies. */

#include "pop3.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define EXAMPLE_PLUGIN POPINJAY_BUILDDIR \
	"/tests/plugin/lib30_popinjay_example_plugin.so"

static const char *const modules[] = { EXAMPLE_PLUGIN, NULL };

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	static const struct fixture_options options = {
		.plugins = "popinjay_example", .modules = modules
	};

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

static void deliver_text(struct fixture *f, const char *user, const char *mail)
{
	fixture_deliver(f, user, mail, strlen(mail));
}

/* Ask for a line that has to be answered with just this one. */
static void ask(struct pop3 *pop3, const char *line, const char *reply)
{
	g_autofree char *got = pop3_ask(pop3, "%s", line);

	if (strcmp(got, reply) != 0)
		g_test_fail_printf("%s: \"%s\", not \"%s\"", line, got, reply);
}

/* --- Commands --- */

static void test_command(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	ask(pop3, "XECHO hello world", "+OK hello world");
	ask(pop3, "xecho a  b", "+OK a  b");
	ask(pop3, "XECHO %s %n", "+OK %s %n");
	ask(pop3, "XECHO h\xc3\xa9", "+OK h\xc3\xa9");
	pop3_send(pop3, "XCOUNT 3\r\nXECHO behind it");
	pop3_expect(pop3, "+OK 3 lines\r\nline 1 of 3\r\nline 2 of 3\r\n"
		    "line 3 of 3\r\n.\r\n+OK behind it\r\n");
	pop3_quit(pop3, "Logging out.");
}

/* --- The hook that refuses --- */

#define FREE_MAIL "Subject: free\r\n\r\nTake it.\r\n"
#define KEPT_MAIL "Subject: kept\r\nX-Keep: yes\r\n\r\nLeave it.\r\n"

static void test_hook_refuses(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, storage);
	struct pop3 *pop3;

	deliver_text(f, user, FREE_MAIL);
	deliver_text(f, user, KEPT_MAIL);
	deliver_text(f, user, FREE_MAIL);

	pop3 = pop3_session(f, POP3_CLEAR, user);
	ask(pop3, "DELE 1", "+OK Marked to be deleted.");
	ask(pop3, "DELE 2", "-ERR [SYS/PERM] Message 2 has to be kept.");
	ask(pop3, "dele  2", "-ERR [SYS/PERM] Message 2 has to be kept.");
	/* what the hook leaves to the command */
	ask(pop3, "DELE 1", "-ERR Message is deleted.");
	ask(pop3, "DELE 4", "-ERR There's no message 4.");
	ask(pop3, "DELE 2x", "-ERR Noise after message number: x");
	pop3_quit(pop3, "Logging out, messages deleted.");

	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1");
	pop3_expect(pop3, "+OK 41 octets\r\n" KEPT_MAIL ".\r\n");
	pop3_send(pop3, "RETR 2");
	pop3_expect(pop3, "+OK 27 octets\r\n" FREE_MAIL ".\r\n");
	ask(pop3, "RETR 3", "-ERR There's no message 3.");
	pop3_quit(pop3, "Logging out.");
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	g_test_add_func("/api/command", test_command);
	for (const char *const *p = fixture_storages; *p != NULL; p++) {
		g_autofree char *path =
			g_strdup_printf("/api/hook-refuses/%s", *p);

		g_test_add_data_func(path, *p, test_hook_refuses);
	}
	ret = g_test_run();
	if (the_fixture != NULL)
		fixture_free(the_fixture);
	return ret;
}
