/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who has removed a message when several want it gone at the same moment. A
   test plugin holds sessions where another process may come in between. */

#include "pop3.h"
#include "records.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MARKED "+OK Marked to be deleted."
#define DELETED "+OK Logging out, messages deleted.\r\n"
#define MAILS 3

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	static const char *const modules[] = {
		POPINJAY_BUILDDIR "/tests/plugin/lib30_popinjay_hold_plugin.so",
		NULL
	};
	static const struct fixture_options options = {
		.plugins = "popinjay_hold", .modules = modules,
		.fast_logins = TRUE
	};

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

static char *user_with_mails(struct fixture *f, const char *storage)
{
	char *user = fixture_user(f, storage);

	for (unsigned int i = 1; i <= MAILS; i++) {
		g_autofree char *mail = g_strdup_printf(
			"Message-ID: <%u@example.org>\r\n\r\nText\r\n", i);

		fixture_deliver(f, user, mail, strlen(mail));
	}
	return user;
}

/* A session that has marked so many messages. */
static struct pop3 *
marked_session(struct fixture *f, const char *user, unsigned int messages)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	for (unsigned int i = 1; i <= messages; i++) {
		g_autofree char *dele = g_strdup_printf("DELE %u", i);

		pop3_check(pop3, dele, MARKED);
	}
	return pop3;
}

/* --- holding a session --- */

static char *hold_file(struct fixture *f, const char *user, const char *prefix,
		       const char *where)
{
	g_autofree char *home = fixture_home(f, user);

	return g_strdup_printf("%s/%s-%s", home, prefix, where);
}

/* Send QUIT, and return when the session is held before that. */
static void quit_held(struct fixture *f, struct pop3 *pop3, const char *user,
		      const char *where)
{
	g_autofree char *asked = hold_file(f, user, "hold", where);
	g_autofree char *held = hold_file(f, user, "held", where);
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;

	g_assert_true(g_file_set_contents(asked, "", 0, NULL));
	pop3_send(pop3, "QUIT");
	while (access(held, F_OK) < 0) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		g_usleep(5000);
	}
}

/* Let it go on to its end. */
static void release(struct fixture *f, struct pop3 *pop3, const char *user,
		    const char *where)
{
	g_autofree char *held = hold_file(f, user, "held", where);

	g_assert_cmpint(unlink(held), ==, 0);
	pop3_expect(pop3, DELETED);
	pop3_expect_eof(pop3);
}

/* Another session of the user comes and goes, and so syncs the mailbox. */
static void poll(struct fixture *f, const char *user, const char *stat)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autofree char *reply = pop3_ask(pop3, "STAT");

	g_assert_true(g_str_has_prefix(reply, stat));
	pop3_quit(pop3, "Logging out.");
}

/* Another mail program expunges a message, and syncs. */
static void expunge(struct fixture *f, const char *user, const char *uid)
{
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "expunge", "-u",
		user, "mailbox", "INBOX", "uid", uid, NULL), ==, 0);
}

/* --- what is logged --- */

/* Wait for the end of the session, and check what it says of deletions: the
   uids, as text, of the messages that it has removed; one that may be another's
   has a "?". Closes. */
static void
check_removed(struct fixture *f, struct pop3 *pop3, const char *user,
	      const char *uids)
{
	g_autofree char *end = g_strdup_printf("session_finished.*"
		"\"remote_port\":%u,", pop3->port);
	g_autofree char *line = fixture_log_wait(f, 0, end);
	g_autofree char *text = fixture_log(f, 0);
	g_autoptr(GPtrArray) records = records_parse(text, user);
	g_autoptr(JsonObject) session = fixture_record_parse(
		strstr(line, "{\"event\""));
	GString *removed = g_string_new(NULL);
	unsigned int count = 0;

	for (unsigned int i = 0; i < records->len; i++) {
		JsonObject *record = g_ptr_array_index(records, i);

		if (g_strcmp0(json_object_get_string_member(record, "event"),
			      "popinjay_message_finished") != 0 ||
		    g_strcmp0(json_object_get_string_member(record, "session"),
			      json_object_get_string_member(session,
							    "session")) != 0)
			continue;
		record_expect_str(record, "action", "expunge");
		g_string_append_printf(removed, "%s%d%s",
			removed->len > 0 ? " " : "", (int)
			json_object_get_int_member(record, "uid"),
			json_object_get_boolean_member(record, "certain") ?
			"" : "?");
		count++;
	}
	g_assert_cmpstr(removed->str, ==, uids);
	record_expect(session, { "expunged_count", count });
	g_string_free(removed, TRUE);
	pop3_close(pop3);
}

/* --- tests --- */

/* Another session syncs the mailbox, and so removes what this one's QUIT has
   committed. */
static void test_synced_by_other(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);
	struct pop3 *pop3 = marked_session(f, user, 2);

	quit_held(f, pop3, user, "sync");
	poll(f, user, "+OK 1 ");
	release(f, pop3, user, "sync");
	check_removed(f, pop3, user, "1 2");
}

/* The same with a session that has marked one of them, too. */
static void test_two_sessions(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);
	struct pop3 *first = marked_session(f, user, 1);
	struct pop3 *second = marked_session(f, user, 2);

	quit_held(f, first, user, "sync");
	/* it removes both */
	pop3_send(second, "QUIT");
	pop3_expect(second, DELETED);
	release(f, first, user, "sync");
	check_removed(f, first, user, "1?");
	check_removed(f, second, user, "2");
}

/* And the other way round: the first to commit is not the first to sync. */
static void test_two_sessions_held(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);
	struct pop3 *first = marked_session(f, user, 2);
	struct pop3 *second = marked_session(f, user, 2);

	quit_held(f, first, user, "commit");
	quit_held(f, second, user, "sync");
	release(f, first, user, "commit");
	release(f, second, user, "sync");
	check_removed(f, first, user, "");
	check_removed(f, second, user, "1? 2?");
}

/* Who expunges before the commit is not this session. */
static void test_expunged_before(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);
	struct pop3 *pop3 = marked_session(f, user, 3);

	expunge(f, user, "1");
	quit_held(f, pop3, user, "commit");
	expunge(f, user, "2");
	release(f, pop3, user, "commit");
	check_removed(f, pop3, user, "3");
}

/* A mail file is gone, and nobody has noticed. */
static void test_file_lost(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	g_autofree char *dir = fixture_mail_dir(f, user);
	struct pop3 *pop3 = marked_session(f, user, 3);
	g_autofree char *find_1 = g_strdup_printf(
		"find '%s' -name '*M1P1*' -delete", dir);
	g_autofree char *find_2 = g_strdup_printf(
		"find '%s' -name '*M2P1*' -delete", dir);

	g_assert_true(g_spawn_command_line_sync(find_1, NULL, NULL, NULL,
						NULL));
	quit_held(f, pop3, user, "sync");
	/* the moment that nobody knows of */
	g_assert_true(g_spawn_command_line_sync(find_2, NULL, NULL, NULL,
						NULL));
	release(f, pop3, user, "sync");
	check_removed(f, pop3, user, "2 3");
}

/* A program that is not Dovecot's has changed the mbox, and another process
   syncs: what the program has removed, if anything, nobody knows. */
static void test_mbox_changed(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "mbox");
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *path = g_build_filename(dir, "inbox", NULL);
	g_autoptr(GString) out = NULL;
	struct pop3 *pop3 = marked_session(f, user, 2);
	FILE *file = fopen(path, "a");

	g_assert_nonnull(file);
	fputs("\nFrom a@b Thu Feb 29 14:02:11 2024\nSubject: x\n\nText\n",
	      file);
	g_assert_cmpint(fclose(file), ==, 0);
	quit_held(f, pop3, user, "sync");
	poll(f, user, "+OK 2 ");
	release(f, pop3, user, "sync");
	check_removed(f, pop3, user, "1? 2?");

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay", "log",
					"explain", "-u", user, NULL), ==, 0);
	g_assert_nonnull(strstr(out->str, " 2 messages deleted by 127.0.0.1 "
		"(PLAIN), or by another program at that moment; no POP3 client "
		"had completely downloaded 2 of them\n"));
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/removal/synced-by-other",
				  test_synced_by_other);
	fixture_add_storage_tests("/removal/two-sessions", test_two_sessions);
	fixture_add_storage_tests("/removal/two-sessions-held",
				  test_two_sessions_held);
	fixture_add_storage_tests("/removal/expunged-before",
				  test_expunged_before);
	g_test_add_func("/removal/file-lost", test_file_lost);
	g_test_add_func("/removal/mbox-changed", test_mbox_changed);
	ret = g_test_run();
	g_clear_pointer(&the_fixture, fixture_free);
	return ret;
}
