/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The access log's records of messages: what they tell is true, on every
   storage, and however a message's way ends. */

#include "pop3.h"
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIG_MAIL_BYTES (24 * 1000 * 1000)
#define MAIL_1 "Message-ID: <one@example.com>\r\nSubject: one\r\n\r\n1st\r\n"
#define MAIL_2 "subject: two\r\nmessage-id:\r\n <two@example.com>\r\n" \
	"\r\n2nd\r\n"
#define MAIL_3 "From: a@b\r\n\r\nIt has no Message-ID.\r\n"
#define MARKED "+OK Marked to be deleted."

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	static const char *const settings[] = {
		"popinjay_access_log_events", "session message", NULL
	};
	static const struct fixture_options options = { .settings = settings };

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

static char *user_with_mails(struct fixture *f, const char *storage)
{
	static const char *const mails[] = { MAIL_1, MAIL_2, MAIL_3 };
	char *user = fixture_user(f, storage);

	for (gsize i = 0; i < G_N_ELEMENTS(mails); i++)
		fixture_deliver(f, user, mails[i], strlen(mails[i]));
	return user;
}

static const char *str(JsonObject *record, const char *name)
{
	return json_object_get_null_member(record, name) ? NULL :
		json_object_get_string_member(record, name);
}

/* The UIDL of the first message, as the client sees it. */
static char *ask_uidl(struct pop3 *pop3)
{
	g_autofree char *line = pop3_ask(pop3, "UIDL 1");

	g_assert_true(g_str_has_prefix(line, "+OK 1 "));
	return g_strdup(line + strlen("+OK 1 "));
}

static gint64 retrieve(struct pop3 *pop3, const char *command)
{
	GString *reply;
	gint64 size;

	pop3_send(pop3, "%s", command);
	reply = pop3_multiline(pop3);
	size = reply->len;
	g_assert_true(g_str_has_prefix(reply->str, "+OK"));
	g_string_free(reply, TRUE);
	return size;
}

/* A message's GUID, as Dovecot has it. */
static char *fetch_guid(struct fixture *f, const char *user, const char *uid)
{
	GString *out;
	char *guid;

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "fetch", "-u",
		user, "guid", "mailbox", "INBOX", "uid", uid, NULL), ==, 0);
	g_assert_true(g_str_has_prefix(out->str, "guid: "));
	guid = g_strchomp(g_strdup(out->str + strlen("guid: ")));
	g_string_free(out, TRUE);
	return guid;
}

static void
check_action(JsonObject *record, const char *action, gint64 msn,
	     const char *uidl, const char *guid, const char *message_id)
{
	record_expect_str(record, "action", action);
	record_expect(record, { "msn", msn }, { "uid", msn });
	if (uidl != NULL)
		record_expect_str(record, "uidl", uidl);
	if (guid != NULL)
		record_expect_str(record, "guid", guid);
	g_assert_cmpstr(str(record, "message_id"), ==, message_id);
	g_assert_false(json_object_has_member(record, "subject"));
	record_expect_str(record, "mechanism", "PLAIN");
	record_expect_str(record, "remote_ip", "127.0.0.1");
}

static void test_story(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);
	g_autofree char *guid_1 = fetch_guid(f, user, "1");
	g_autofree char *guid_3 = fetch_guid(f, user, "3");
	g_autofree char *uidl = NULL;
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GPtrArray) records = NULL;
	gint64 bytes_1, bytes_top;
	JsonObject *record;

	uidl = ask_uidl(pop3);
	bytes_1 = retrieve(pop3, "RETR 1");
	bytes_top = retrieve(pop3, "TOP 2 0");
	pop3_check(pop3, "DELE 1", MARKED);
	/* this one has not been looked at before */
	pop3_check(pop3, "DELE 3", MARKED);
	pop3_quit(pop3, "Logging out, messages deleted.");

	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 7);
	record = record_at(records, 0, "message");
	check_action(record, "retr", 1, uidl, guid_1, "<one@example.com>");
	g_assert_true(json_object_get_boolean_member(record, "complete"));
	record_expect(record, { "bytes", bytes_1 },
		      { "size", strlen(MAIL_1) });
	record = record_at(records, 1, "message");
	check_action(record, "top", 2, NULL, NULL, "<two@example.com>");
	record_expect(record, { "bytes", bytes_top }, { "lines", 0 },
		      { "size", strlen(MAIL_2) });
	check_action(record_at(records, 2, "message"), "dele", 1, uidl, guid_1,
		     "<one@example.com>");
	check_action(record_at(records, 3, "message"), "dele", 3, NULL, guid_3,
		     NULL);
	check_action(record_at(records, 4, "message"), "expunge", 1, uidl,
		     guid_1, "<one@example.com>");
	check_action(record_at(records, 5, "message"), "expunge", 3, NULL,
		     guid_3, NULL);
	record = record_at(records, 6, "session");
	record_expect(record, { "expunged_count", 2 }, { "retr_count", 1 },
		      { "refetch_count", 0 });
}

/* Marked, and then not removed. */
static void test_not_deleted(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GPtrArray) records = NULL, next = NULL;

	pop3_check(pop3, "DELE 1", MARKED);
	pop3_check(pop3, "RSET", "+OK");
	pop3_check(pop3, "DELE 2", MARKED);
	pop3_close(pop3);
	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 3);
	check_action(record_at(records, 0, "message"), "dele", 1, NULL, NULL,
		     "<one@example.com>");
	check_action(record_at(records, 1, "message"), "dele", 2, NULL, NULL,
		     "<two@example.com>");

	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 1", MARKED);
	pop3_check(pop3, "RSET", "+OK");
	pop3_quit(pop3, "Logging out.");
	next = records_of_session(f, since, user);
	g_assert_cmpuint(next->len, ==, 2);
}

/* A file that cannot be unlinked is not gone, whatever QUIT wanted. */
static void test_not_removed(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, "maildir");
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *cur = g_build_filename(dir, "cur", NULL);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GPtrArray) records = NULL;

	pop3_check(pop3, "DELE 1", MARKED);
	fixture_log_allow(f, "unlink\\(.*\\) failed: Permission denied");
	g_assert_cmpint(chmod(cur, 0500), ==, 0);
	/* Dovecot says +OK all the same */
	g_free(pop3_ask(pop3, "QUIT"));
	pop3_close(pop3);
	records = records_of_session(f, since, user);
	g_assert_cmpint(chmod(cur, 0700), ==, 0);
	g_assert_cmpuint(records->len, ==, 2);
	record_expect_str(record_at(records, 0, "message"), "action", "dele");
	record_expect(record_at(records, 1, "session"),
		      { "expunged_count", 0 }, { "expunged_bytes", 0 });
}

/* --- cut messages --- */

/* A user whose one mail is larger than sockets hold. */
static char *user_with_big_mail(struct fixture *f)
{
	char *user = fixture_user(f, "maildir");
	g_autofree char *mail = g_strnfill(BIG_MAIL_BYTES, 'x');

	memcpy(mail, "Message-ID: <big>\r\n\r\n", 21);
	for (gsize i = 70; i < BIG_MAIL_BYTES; i += 70)
		mail[i] = '\n';
	fixture_deliver(f, user, mail, BIG_MAIL_BYTES);
	return user;
}

static void test_cut_by_client(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_big_mail(f);
	g_autoptr(GPtrArray) records = NULL;
	struct pop3 *pop3;
	JsonObject *record;
	gsize since;

	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	pop3_close(pop3);
	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 2);
	record = record_at(records, 0, "message");
	g_assert_false(json_object_get_boolean_member(record, "complete"));
	record_expect_str(record, "cut_by", "client");
	record_expect_str(record, "message_id", "<big>");
	record_expect(record_at(records, 1, "session"), { "refetch_count", 0 });
}

/* The mail file of a Maildir with one mail. */
static char *mail_file(struct fixture *f, const char *user)
{
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *cur = g_build_filename(dir, "cur", NULL);
	g_autoptr(GDir) files = g_dir_open(cur, 0, NULL);

	return g_build_filename(cur, g_dir_read_name(files), NULL);
}

static void test_cut_by_storage(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_big_mail(f);
	g_autofree char *path = NULL;
	gsize since;
	struct pop3 *pop3;
	g_autoptr(GPtrArray) records = NULL;
	JsonObject *record;

	fixture_log_allow(f, "RETR of message UID 1 .* when it was opened");
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	/* the mailbox is open: it is in cur/ */
	path = mail_file(f, user);
	g_assert_cmpint(truncate(path, BIG_MAIL_BYTES - 1000), ==, 0);
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);
	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 2);
	record = record_at(records, 0, "message");
	g_assert_false(json_object_get_boolean_member(record, "complete"));
	record_expect_str(record, "cut_by", "storage");
	record_expect_str(record_at(records, 1, "session"), "end", "error");
}

/* A message that cannot be opened. */
static void test_not_opened(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	g_autoptr(GPtrArray) records = NULL;
	g_autoptr(GString) report = NULL;
	g_autofree char *path = NULL, *guid = NULL;
	gsize since;
	struct pop3 *pop3;

	fixture_deliver(f, user, MAIL_1, strlen(MAIL_1));
	guid = fetch_guid(f, user, "1");
	fixture_log_allow(f, "Permission denied|Opening message UID 1 ");
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	g_free(pop3_ask(pop3, "STAT"));
	path = mail_file(f, user);
	g_assert_cmpint(chmod(path, 0), ==, 0);
	pop3_check(pop3, "RETR 1",
		   "-ERR [SYS/TEMP] Message 1 can't be read now.");
	pop3_check(pop3, "TOP 1 7",
		   "-ERR [SYS/TEMP] Message 1 can't be read now.");
	pop3_quit(pop3, "Logging out.");
	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 3);
	for (unsigned int i = 0; i < 2; i++) {
		JsonObject *record = record_at(records, i, "message");

		check_action(record, i == 0 ? "retr" : "top", 1, NULL, guid,
			     NULL);
		g_assert_false(json_object_get_boolean_member(record,
							      "complete"));
		record_expect_str(record, "cut_by", "storage");
		record_expect(record, { "bytes", 0 });
	}
	record_expect(record_at(records, 1, "message"), { "lines", 7 });
	record_expect(record_at(records, 2, "session"),
		      { "unreadable_count", 1 }, { "retr_count", 0 });

	g_assert_cmpint(fixture_doveadm(f, NULL, &report, NULL, "popinjay",
					"log", "report", NULL), ==, 0);
	g_assert_true(g_regex_match_simple(
		"^sessions with unreadable messages +[1-9]\\d*\n"
		"messages not readable +[1-9]", report->str, G_REGEX_MULTILINE,
		0));
}

/* The server is stopped in the middle of a message. */
static void test_cut_by_server(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	const gsize size = 32 * 1024 * 1024;
	g_autofree char *mail = g_strnfill(size, '\n');
	g_autoptr(GPtrArray) records = NULL;
	struct pop3 *pop3;
	gsize since;

	fixture_deliver(f, user, mail, size);
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1");
	g_string_free(pop3_read_line(pop3, NULL), TRUE);
	/* more is on its way than fits, and it is not read */
	g_assert_cmpint(kill(fixture_session_pid(f, since, user), SIGTERM),
			==, 0);
	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 2);
	record_expect_str(record_at(records, 0, "message"), "cut_by",
			  "server");
	record_expect_str(record_at(records, 1, "session"), "end",
			  "shutdown");
	pop3_close(pop3);
}

/* A client cannot fill the disk. */
static void test_bound(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	const unsigned int bound = 10000 + 10, count = bound + 7;
	g_autoptr(GString) commands = g_string_new(NULL);
	g_autoptr(GPtrArray) records = NULL;
	struct pop3 *pop3;
	gsize since;

	fixture_deliver(f, user, MAIL_1, strlen(MAIL_1));
	for (unsigned int i = 0; i < count; i++)
		g_string_append(commands, "DELE 1\r\nRSET\r\n");
	g_string_append(commands, "DELE 1\r\nQUIT\r\n");
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	g_assert_true(pop3_send_bytes(pop3, commands->str, commands->len,
				      NULL));
	g_string_free(pop3_read_to_eof(pop3, NULL), TRUE);
	pop3_close(pop3);

	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, bound + 2);
	record_expect_str(record_at(records, bound - 1, "message"), "action",
			  "dele");
	record_expect_str(record_at(records, bound, "message"), "action",
			  "expunge");
	record_expect(record_at(records, bound + 1, "session"),
		      { "dele_count", count + 1 }, { "expunged_count", 1 },
		      { "skipped_records", count + 1 - bound });
	g_free(fixture_log_wait(f, since, "Warning: popinjay: The client has "
		"made this session log 10010 records of messages and "
		"commands - no more of them are logged"));
}

/* --- again and again --- */

static JsonObject *poll_session(struct fixture *f, const char *user,
				const char *const *commands, const char *reply)
{
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GPtrArray) records = NULL;

	for (; *commands != NULL; commands++) {
		if (g_str_has_prefix(*commands, "DELE"))
			pop3_check(pop3, *commands, MARKED);
		else
			retrieve(pop3, *commands);
	}
	pop3_quit(pop3, reply);
	records = records_of_session(f, since, user);
	return json_object_ref(record_at(records, records->len - 1, "session"));
}

static void test_refetch(gconstpointer storage)
{
	static const char *const first[] = {
		"UIDL", "RETR 1", "TOP 2 0", NULL
	};
	static const char *const second[] = {
		"UIDL", "RETR 1", "RETR 2", "RETR 2", "DELE 2", NULL
	};
	static const char *const third[] = { "UIDL", "RETR 1", "RETR 2", NULL };
	struct fixture *f = get_fixture();
	g_autofree char *user = user_with_mails(f, storage);
	JsonObject *a, *b, *c;

	a = poll_session(f, user, first, "Logging out.");
	record_expect(a, { "refetch_count", 0 }, { "refetch_bytes", 0 });
	/* the first again, and the second twice */
	b = poll_session(f, user, second, "Logging out, messages deleted.");
	record_expect(b, { "refetch_count", 2 },
		      { "refetch_bytes", strlen(MAIL_1) + strlen(MAIL_2) });
	/* what was the third message is new */
	c = poll_session(f, user, third, "Logging out.");
	record_expect(c, { "refetch_count", 1 },
		      { "refetch_bytes", strlen(MAIL_1) });

	g_assert_cmpstr(str(a, "uidl_fingerprint"), ==,
			str(a, "uidl_fingerprint_left"));
	g_assert_cmpstr(str(a, "uidl_fingerprint"), ==,
			str(b, "uidl_fingerprint"));
	g_assert_cmpstr(str(b, "uidl_fingerprint"), !=,
			str(b, "uidl_fingerprint_left"));
	g_assert_cmpstr(str(b, "uidl_fingerprint_left"), ==,
			str(c, "uidl_fingerprint"));
	json_object_unref(a);
	json_object_unref(b);
	json_object_unref(c);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/messages/story", test_story);
	fixture_add_storage_tests("/messages/refetch", test_refetch);
	g_test_add_func("/messages/not-deleted", test_not_deleted);
	g_test_add_func("/messages/not-removed", test_not_removed);
	g_test_add_func("/messages/cut-by-client", test_cut_by_client);
	g_test_add_func("/messages/cut-by-storage", test_cut_by_storage);
	g_test_add_func("/messages/not-opened", test_not_opened);
	g_test_add_func("/messages/cut-by-server", test_cut_by_server);
	g_test_add_func("/messages/bound", test_bound);
	ret = g_test_run();
	g_clear_pointer(&the_fixture, fixture_free);
	return ret;
}
