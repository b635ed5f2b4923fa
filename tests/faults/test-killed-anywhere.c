/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process is killed before each system call by which QUIT changes
   something: what the client did not delete is there, whole, and what it did
   delete is there whole or gone, but gone once the client was told so.

   A first session runs under strace to find the calls. Then one more session
   for each call is killed when strace sees it. */

#include "numbered.h"
#include "traced.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_BYTES 3000
#define MAIL_COUNT 8
#define DELETED(number) ((number) % 3 != 0)

#define CALLS "read,write,writev,pwrite64,pwritev,ftruncate,fsync,fdatasync," \
	"rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink," \
	"symlinkat,mkdir,mkdirat,rmdir,openat"

struct setup {
	struct traced *traced;
	struct fixture *f;
	/* a session of this storage has met a lock file of a dead process */
	gboolean waited_for_lock;
};

static struct setup *the_setup;

static struct setup *get_setup(void)
{
	struct setup *setup;

	if (the_setup != NULL)
		return the_setup;
	the_setup = setup = g_new0(struct setup, 1);
	setup->traced = traced_new("pop3", NULL);
	setup->f = setup->traced->f;
	/* an mdbox is rebuilt; 2.4 says more about it */
	fixture_log_allow(setup->f, "killed with signal 9|"
			  "Deleting corrupted cache: reset_id mismatch|"
			  "map.index corrupted: map_uid=\\d+ refcount too low|"
			  "mdbox\\(.*\\): Inconsistency in map index \\(");
	return setup;
}

/* Delete by POP3. Returns what came after QUIT was sent, when the process is
   gone. */
static GString *delete_and_quit(struct setup *setup, const char *user)
{
	gsize since = fixture_log_size(setup->f);
	struct pop3 *pop3 = pop3_session(setup->f, POP3_CLEAR, user);
	GString *reply;

	for (unsigned int number = 1; number <= MAIL_COUNT; number++) {
		if (!DELETED(number))
			continue;
		pop3_send(pop3, "DELE %u", number);
		pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	}
	pop3_send(pop3, "QUIT");
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	pop3_close(pop3);
	traced_wait_end(setup->traced, since, user);
	return reply;
}

/* Does the call, a line of strace, change nothing, or can nothing be done about
   it? Dovecot removes messages from an mbox by moving the others in place: a
   process that dies there leaves it half moved, with and without us. */
static gboolean is_harmless(const char *line)
{
	if (g_str_has_prefix(line, "read("))
		return TRUE;
	if (g_str_has_prefix(line, "openat(") &&
	    strstr(line, "O_CREAT") == NULL)
		return TRUE;
	return (g_str_has_prefix(line, "pwrite64(") ||
		g_str_has_prefix(line, "ftruncate(")) &&
		strstr(line, "/Mail/inbox>") != NULL;
}

static gboolean is_wanted(const char *line)
{
	return !is_harmless(line);
}

/* What is in the INBOX now: all that was not deleted, and of the deleted ones
   as many as may be. Returns how many deleted ones are still there. */
static unsigned int check_inbox(struct setup *setup, const char *user)
{
	g_autoptr(GArray) numbers = numbered_read(setup->f, user, MAIL_BYTES);
	unsigned int kept = 0, left = 0;

	for (unsigned int number = 1; number <= MAIL_COUNT; number++) {
		if (DELETED(number))
			left += numbered_has(numbers, number) ? 1 : 0;
		else {
			g_assert_true(numbered_has(numbers, number));
			kept++;
		}
	}
	/* none is there twice */
	g_assert_cmpuint(numbers->len, ==, kept + left);
	return left;
}

/* The mailbox has to be usable in every way. */
static void use_inbox(struct setup *setup, const char *user, unsigned int left)
{
	struct pop3 *pop3;
	g_autoptr(GString) list = NULL, uidl = NULL;
	g_auto(GStrv) list_lines = NULL, uidl_lines = NULL;
	unsigned int kept = 0;

	for (unsigned int number = 1; number <= MAIL_COUNT; number++)
		kept += DELETED(number) ? 0 : 1;
	pop3 = pop3_session(setup->f, POP3_CLEAR, user);
	pop3_send(pop3, "LIST\r\nUIDL\r\nDELE 1\r\nQUIT");
	list = pop3_multiline(pop3);
	uidl = pop3_multiline(pop3);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n"
		    "+OK Logging out, messages deleted.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	/* "+OK", the messages, ".", and what is behind the last CRLF */
	list_lines = g_strsplit(list->str, "\r\n", -1);
	g_assert_cmpuint(g_strv_length(list_lines), ==, kept + left + 3);
	uidl_lines = g_strsplit(uidl->str, "\r\n", -1);
	g_assert_cmpuint(g_strv_length(uidl_lines), ==, kept + left + 3);
}

/* Dovecot takes seconds to find that the owner of a lock file is dead, and two
   minutes if the file is empty. It may show once that it does the first. */
static void remove_locks(struct setup *setup, const char *user)
{
	static const char *const names[] = {
		"dovecot-uidlist.lock", "inbox.lock"
	};
	g_autofree char *dir = fixture_mail_dir(setup->f, user);

	for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL);
		struct stat st;

		if (stat(path, &st) < 0)
			continue;
		if (st.st_size == 0 || setup->waited_for_lock)
			g_assert_cmpint(unlink(path), ==, 0);
		else
			setup->waited_for_lock = TRUE;
	}
}

/* In mdbox a message has two marks of its deletion: one in the mailbox, one in
   the map of the files. With only the second, doveadm purge removes it, and
   Dovecot then has to see that the mailbox has one that is no more. */
static unsigned int
purge(struct setup *setup, const char *user, unsigned int left)
{
	unsigned int now_left;

	/* fails if it sees that first; see, after force-resync it works */
	(void)fixture_doveadm(setup->f, NULL, NULL, NULL, "purge", "-u", user,
			      NULL);
	g_assert_cmpint(fixture_doveadm(setup->f, NULL, NULL, NULL,
					"force-resync", "-u", user, "INBOX",
					NULL), ==, 0);
	g_assert_cmpint(fixture_doveadm(setup->f, NULL, NULL, NULL, "purge",
					"-u", user, NULL), ==, 0);
	now_left = check_inbox(setup, user);
	g_assert_cmpuint(now_left, <=, left);
	return now_left;
}

/* Returns FALSE if this session made fewer calls of that name than the one in
   which call was seen, and came to its end. */
static gboolean
test_call(struct setup *setup, const char *template,
	  const struct traced_call *call)
{
	g_autofree char *user = fixture_user(setup->f,
					     fixture_user_storage(template));
	g_autofree char *args = g_strdup_printf(
		"-e trace=%s -e inject=%s:signal=KILL:when=%u", CALLS,
		call->name, call->when);
	gsize since = fixture_log_size(setup->f);
	g_autoptr(GString) reply = NULL;
	gboolean reached;
	unsigned int left;

	g_test_message("killed before: %s", call->line);
	fixture_user_copy(setup->f, template, setup->f, user);
	traced_set(setup->traced, args);
	reply = delete_and_quit(setup, user);
	reached = traced_was_reached(setup->traced->trace_file, call);
	if (reached)
		g_free(fixture_log_wait(setup->f, since,
					"killed with signal 9"));
	else
		g_assert_cmpuint(reply->len, >, 0);

	remove_locks(setup, user);
	traced_set(setup->traced, "");
	left = check_inbox(setup, user);
	if (reply->len > 0) {
		g_assert_cmpstr(reply->str, ==,
				"+OK Logging out, messages deleted.\r\n");
		g_assert_cmpuint(left, ==, 0);
	}
	if (g_str_has_suffix(user, "@mdbox"))
		left = purge(setup, user, left);
	use_inbox(setup, user, left);
	return reached;
}

static void test_storage(gconstpointer storage)
{
	struct setup *setup = get_setup();
	g_autofree char *template = fixture_user(setup->f, storage);
	g_autofree char *user = fixture_user(setup->f, storage);
	g_autoptr(GPtrArray) calls = NULL;
	g_autoptr(GString) reply = NULL;
	unsigned int reached = 0;

	setup->waited_for_lock = FALSE;
	numbered_deliver(setup->f, template, 1, MAIL_COUNT, MAIL_BYTES);
	g_assert_cmpuint(check_inbox(setup, template), >, 0);

	fixture_user_copy(setup->f, template, setup->f, user);
	traced_set(setup->traced, "-e trace=" CALLS);
	reply = delete_and_quit(setup, user);
	g_assert_cmpstr(reply->str, ==,
			"+OK Logging out, messages deleted.\r\n");
	traced_set(setup->traced, "");
	g_assert_cmpuint(check_inbox(setup, user), ==, 0);

	calls = traced_calls(setup->traced, "QUIT", is_wanted);
	g_test_message("%u calls", calls->len);
	g_assert_cmpuint(calls->len, >, 10);
	for (unsigned int i = 0; i < calls->len; i++)
		reached += test_call(setup, template,
				     g_ptr_array_index(calls, i));
	g_assert_cmpuint(reached, >, calls->len / 2);
}

static void test_stop(void)
{
	struct setup *setup = g_steal_pointer(&the_setup);

	if (setup == NULL)
		return;
	traced_free(setup->traced);
	g_free(setup);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/killed-anywhere", test_storage);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/killed-anywhere", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
