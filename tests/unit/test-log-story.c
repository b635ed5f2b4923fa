/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -story: records in, plain words out. The story of a message, and what
   is common to both. */

#include "cases.h"
#include "log-story-cases.h"

#define NOT_DELETED "No POP3 client deleted it. If it is gone, something " \
	"else removed it: look at IMAP, webmail, filters and expiry."

#define UNDECIDED(name) "The log does not say whether a POP3 client deleted " \
	name
#define NOT_NAMED ": it does not name every message that was marked for " \
	"deletion."

#define NAMELESS(name, option) ": it has deleted messages without their " \
	name ". Leave out " option " to see these, too."

static const struct story_case cases[] = {
	{ "message", "u1", NULL,
	  { R("13:59:00", "message", "a", 1, RETR(PRINTER, NAMED(1))),
	    R("13:59:01", "message", "a", 2, RETR(PRINTER, NAMED(2))),
	    R("13:59:02", "session", "a", 3, END(PRINTER, "quit")),
	    R("14:02:00", "message", "b", 1, DELE(PRINTER, NAMED(1))),
	    R("14:02:01", "message", "b", 2, EXPUNGE(PRINTER, NAMED(1))),
	    R("14:02:01", "session", "b", 3, END(PRINTER, "quit")) },
	  { "14:02 deleted by 'office printer' (APOP, 198.51.100.7), 3 min "
	    "after it was downloaded",
	    "13:59 downloaded by 'office printer' (APOP, 198.51.100.7), "
	    "850 bytes" } },
	{ "message-id", NULL, "<m1@example.org>",
	  { R("13:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))) },
	  { "13:59 downloaded by 198.51.100.7 (PLAIN), 850 bytes", "--",
	    NOT_DELETED } },
	/* a client that asked for no UIDL, and DELE alone */
	{ "names-unknown-later", "u1", NULL,
	  { R("13:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("14:59:00", "message", "b", 1, DELE(PHONE, MESSAGE(1))),
	    R("14:59:01", "message", "b", 2, EXPUNGE(PHONE, MESSAGE(1))) },
	  { "14:59 deleted by 198.51.100.7 (PLAIN), 60 min after it was "
	    "downloaded",
	    "13:59 downloaded by 198.51.100.7 (PLAIN), 850 bytes" } },
	{ "again", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("12:00:00", "message", "b", 1, RETR(PRINTER, NAMED(1))) },
	  { "12:00 downloaded again by 'office printer' (APOP, "
	    "198.51.100.7), 2 hours after the first time",
	    "10:00 downloaded by 198.51.100.7 (PLAIN), 850 bytes", "--",
	    NOT_DELETED } },
	{ "never-downloaded", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, TOP(PHONE, 0, NAMED(1))),
	    R("10:00:01", "message", "a", 2, TOP(PHONE, 1, NAMED(1))),
	    R("10:01:00", "message", "a", 3, DELE(PHONE, NAMED(1))),
	    R("10:02:00", "message", "a", 4, EXPUNGE(PHONE, NAMED(1))) },
	  { "10:02 deleted by 198.51.100.7 (PLAIN); the log shows no complete "
	    "download of it before that",
	    "10:00 its header and up to 1 line viewed by 198.51.100.7 (PLAIN)",
	    "10:00 its header viewed by 198.51.100.7 (PLAIN)" } },
	{ "cut", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, CUT(PHONE, "client", NAMED(1))),
	    R("10:01:00", "message", "b", 1,
	      CUT(PHONE, "storage", NAMED(1))) },
	  { "10:01 could not be read completely by the server for 198.51.100.7 "
	    "(PLAIN): 400 bytes of 850 bytes were sent",
	    "10:00 downloaded only in part by 198.51.100.7 (PLAIN): the "
	    "connection ended after 400 bytes of 850 bytes", "--",
	    NOT_DELETED } },
	{ "not-read", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, CUT(PHONE, "server", NAMED(1))),
	    R("10:01:00", "message", "b", 1, UNREAD(PHONE, NAMED(1))) },
	  { "10:01 could not be read by the server for 198.51.100.7 (PLAIN)",
	    "10:00 downloaded only in part by 198.51.100.7 (PLAIN): the "
	    "server ended the session after 400 bytes of 850 bytes", "--",
	    NOT_DELETED } },
	{ "kept-connection-lost", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "lost")) },
	  { "10:00 marked for deletion by 198.51.100.7 (PLAIN), but kept, "
	    "because the connection was lost before "
	    "QUIT", "--", NOT_DELETED } },
	{ "kept-timeout", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "timeout")) },
	  { "10:00 marked for deletion by 198.51.100.7 (PLAIN), but kept, "
	    "because the client timed out before QUIT", "--", NOT_DELETED } },
	/* nothing is concluded from what the log does not have */
	{ "marked-quit", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:00:01", "message", "a", 2, DELE(PHONE, NAMED(2))),
	    R("10:01:00", "message", "a", 3, EXPUNGE(PHONE, NAMED(2))),
	    R("10:01:00", "session", "a", 4, END(PHONE, "quit")
	      ",\"dele_count\":2,\"expunged_count\":1") },
	  { "10:00 marked for deletion by 198.51.100.7 (PLAIN), and the log "
	    "does not say what happened then", "--", UNDECIDED("it") "." } },
	{ "marked-error", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "error")
	      ",\"dele_count\":1,\"expunged_count\":0") },
	  { "10:00 marked for deletion by 198.51.100.7 (PLAIN), and the log "
	    "does not say what happened then: the session ended with an "
	    "error", "--", UNDECIDED("it") "." } },
	{ "marked-and-seen-again", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":1,\"expunged_count\":0"),
	    R("11:00:00", "message", "b", 1, TOP(PHONE, 0, NAMED(1))) },
	  { "11:00 its header viewed by 198.51.100.7 (PLAIN)",
	    "10:00 marked for deletion by 198.51.100.7 (PLAIN), and the log "
	    "does not say what happened then", "--", NOT_DELETED } },
	{ "marked-again-and-again", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:00:01", "message", "a", 2, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "message", "a", 3, DELE(PHONE, NAMED(1))),
	    R("10:02:00", "session", "a", 4, END(PHONE, "lost")
	      ",\"dele_count\":3") },
	  { "10:01 marked for deletion by 198.51.100.7 (PLAIN), but kept, "
	    "because the connection was lost before "
	    "QUIT", "--", NOT_DELETED } },
	/* a log of sessions and downloads */
	{ "deletions-not-named", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":2,\"expunged_count\":0") },
	  { "10:00 downloaded by 198.51.100.7 (PLAIN), 850 bytes", "--",
	    UNDECIDED("it") NOT_NAMED } },
	{ "deletions-not-named-before", "u1", NULL,
	  { R("09:01:00", "session", "a", 1, END(PHONE, "quit")
	      ",\"dele_count\":2,\"expunged_count\":0"),
	    R("10:00:00", "message", "b", 1, RETR(PHONE, NAMED(1))) },
	  { "10:00 downloaded by 198.51.100.7 (PLAIN), 850 bytes", "--",
	    NOT_DELETED } },
	{ "unknown-message-undecided", "nosuch", NULL,
	  { R("10:00:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":8,\"expunged_count\":0") },
	  { "--", UNDECIDED("this message") NOT_NAMED } },
	/* each mark is named, so none can be the message's */
	{ "unknown-message-marks-named", "nosuch", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":1,\"expunged_count\":0") },
	  { "--", "No POP3 client downloaded or deleted this message while "
	    "this log was written. If it is gone, something else removed it: "
	    "look at IMAP, webmail, filters and expiry." } },
	{ "two-of-a-name", NULL, "<same@example.org>",
	  { R("10:00:00", "message", "a", 1, RETR(PHONE, MESSAGE(1)
	      ",\"message_id\":\"<same@example.org>\"")),
	    R("10:00:01", "message", "a", 2, RETR(PHONE, MESSAGE(2)
	      ",\"message_id\":\"<same@example.org>\"")),
	    R("10:01:00", "message", "a", 3, EXPUNGE(PHONE, MESSAGE(2))) },
	  { "10:01 message 2 deleted by 198.51.100.7 (PLAIN), 59 s after it "
	    "was downloaded",
	    "10:00 message 2 downloaded by 198.51.100.7 (PLAIN), 850 bytes",
	    "10:00 message 1 downloaded by 198.51.100.7 (PLAIN), 850 bytes",
	    "--", "2 messages match; each is named by its number (uid).",
	    "No POP3 client deleted message 1. If message 1 is gone, something "
	    "else removed it: look at IMAP, webmail, filters and expiry." } },
	{ "unknown-message", "nosuch", NULL,
	  { R("10:00:00", "message", "a", 1, RETR(PHONE, NAMED(1))) },
	  { "--", "No POP3 client downloaded or deleted this message while "
	    "this log was written. If it is gone, something else removed it: "
	    "look at IMAP, webmail, filters and expiry." } },
	/* a client can make a session log no more, and then download */
	{ "unknown-message-left-out", "nosuch", NULL,
	  { R("10:00:00", "message", "a", 1, TOP(PHONE, 0, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "quit")
	      ",\"retr_count\":1,\"skipped_records\":1") },
	  { "--", "No POP3 client deleted this message while this log was "
	    "written. If it is gone, something else removed it: look at IMAP, "
	    "webmail, filters and expiry. The log does not say whether one "
	    "downloaded it: some downloads may have no record.",
	    "Some records are missing for 1 session: the client did more than "
	    "is logged for one session." } },
	{ "deleted-fetched", "u1", NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":true," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN), after it was "
	    "downloaded" } },
	{ "deleted-unfetched", "u1", NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":false," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN); no POP3 client had "
	    "completely downloaded it" } },
	{ "deleted-fetched-null", "u1", NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":null," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN); the log shows no complete "
	    "download of it before that" } },
	{ "deleted-uncertain", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":false," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN), or by another program at "
	    "that moment, after it was downloaded" } },
	{ "mailbox-uncertain", NULL, NULL,
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":false," NAMED(1))),
	    R("10:01:00", "message", "b", 1, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":false," NAMED(2))),
	    R("10:01:00", "message", "b", 2, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":true," NAMED(3))) },
	  { "10:01 2 messages deleted by 198.51.100.7 (PLAIN) (1 of them "
	    "perhaps by another program at that moment), after they were "
	    "downloaded",
	    "- <m2@example.org>, 850 bytes", "- <m3@example.org>, 850 bytes",
	    "10:00 1 message deleted by 198.51.100.7 (PLAIN), or by another "
	    "program at that moment, after it was downloaded",
	    "- <m1@example.org>, 850 bytes" } },
	{ "no-downloads-logged", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE, NAMED(2))) },
	  { "--", "No POP3 client deleted this message while this log was "
	    "written. If it is gone, something else removed it: look at IMAP, "
	    "webmail, filters and expiry. The log does not record downloads "
	    "(popinjay_access_log_events)." } },
	/* as in an mbox, of a message that was not sent in that session */
	{ "message-id-not-logged", NULL, "<m1@example.org>",
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE, MESSAGE(1))) },
	  { "--", UNDECIDED("this message")
	    NAMELESS("Message-ID", "--message-id") } },
	{ "uidl-not-logged", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, RETR(PHONE, NAMED(2))),
	    R("10:00:00", "message", "b", 1, EXPUNGE(PHONE, MESSAGE(1))) },
	  { "--", UNDECIDED("this message") NAMELESS("UIDL", "--uidl") } },
	{ "message-id-of-mark-not-logged", NULL, "<m1@example.org>",
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, MESSAGE(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":1,\"expunged_count\":0") },
	  { "--", UNDECIDED("this message")
	    NAMELESS("Message-ID", "--message-id") } },
	/* another record tells that it was another message */
	{ "message-id-not-logged-elsewhere", NULL, "<m1@example.org>",
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE, MESSAGE(2))),
	    R("09:00:00", "message", "b", 1, RETR(PHONE, NAMED(2))) },
	  { "--", "No POP3 client downloaded or deleted this message while "
	    "this log was written. If it is gone, something else removed it: "
	    "look at IMAP, webmail, filters and expiry." } },
	{ "no-messages-logged", "u1", NULL,
	  { R("10:01:00", "session", "a", 1, END(PHONE, "quit")
	      ",\"expunged_count\":1") },
	  { "--", "The log has no records of individual messages "
	    "(popinjay_access_log_events)." } },
	{ "hostile", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, "\"mechanism\":\"PLAIN\","
	      "\"secret_label\":\"x\\n\\u001b[2J\\u202e\",\"action\":\"retr\","
	      "\"complete\":true," NAMED(1)) },
	  { "10:00 downloaded by 'x\xef\xbf\xbd\xef\xbf\xbd[2J\xef\xbf\xbd' "
	    "(PLAIN, 198.51.100.7), 850 bytes", "--", NOT_DELETED } },
};

/* Whose records, and from when on. */
static void test_choice(void)
{
	static const char *const records[] = {
		R("10:00:00", "session", "a", 1, END(PHONE, "quit")),
		R("11:00:00", "session", "b", 1, END(PHONE, "quit")),
		"{\"event\":\"popinjay_session_finished\",\"time\":"
		"\"2024-02-29T12:00:00Z\",\"user\":\"bob\",\"remote_ip\":"
		"\"192.0.2.1\"}",
		"{\"event\":\"popinjay_session_finished\",\"time\":"
		"\"2024-02-29T13:00:00Z\",\"user\":\"hmac:0123\","
		"\"remote_ip\":\"192.0.2.2\"}",
		"{\"event\":\"popinjay_session_finished\",\"time\":"
		"\"2024-02-29T14:00:00Z\",\"user\":\"@example.org\"}",
		"{\"event\":\"popinjay_session_finished\",\"time\":"
		"\"2024-02-29T14:00:00Z\",\"user\":null}",
		NULL
	};
	static const struct {
		struct popinjay_log_story_settings set;
		const char *told[3];
	} choices[] = {
		{ { .user = "bob" }, { "12:00 mail checked by 192.0.2.1" } },
		{ { .user = "carol", .user_hash = "hmac:0123" },
		  { "13:00 mail checked by 192.0.2.2" } },
		{ { .user = "alice",
		    .since_usecs = G_GUINT64_CONSTANT(1709203000000000) },
		  { "11:00 mail checked by 198.51.100.7 (PLAIN)" } },
		{ { .user = "alice",
		    .until_usecs = G_GUINT64_CONSTANT(1709203000000000) },
		  { "10:00 mail checked by 198.51.100.7 (PLAIN)" } },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(choices); i++)
		tell(&choices[i].set, records, choices[i].told);
}

static void test_anonymized(void)
{
	static const struct popinjay_log_story_settings set = {
		.user = "alice"
	};
	static const char *const hashed[] = {
		"{\"event\":\"popinjay_session_finished\",\"time\":"
		"\"2024-02-29T13:00:00Z\",\"user\":\"hmac:0123\"}", NULL
	};
	static const char *const cut[] = {
		"{\"event\":\"popinjay_session_finished\",\"time\":"
		"\"2024-02-29T14:00:00Z\",\"user\":\"@example.org\"}", NULL
	};
	static const char *const told_hashed[] = {
		"--", "The log has no records of this user.",
		"This log names users by keyed hashes, and the key file "
		"(popinjay_access_log_key_file) is not known here.", NULL
	};
	static const char *const told_cut[] = {
		"--", "The log has no records of this user.",
		"This log names only the domains of users "
		"(popinjay_access_log_anonymize), so it cannot tell what "
		"happened to whom.", NULL
	};

	tell(&set, hashed, told_hashed);
	tell(&set, cut, told_cut);
}

/* More than is kept: the newest are. */
static void test_many(void)
{
	static const struct popinjay_log_story_settings set = {
		.user = "alice"
	};
	struct popinjay_log_story *story = popinjay_log_story_init(&set);
	pool_t pool = pool_alloconly_create("test", 4096);
	const struct popinjay_log_story_line *line;
	struct popinjay_log_story_result *result;
	const char *note;

	for (unsigned int i = 0; i <= POPINJAY_LOG_STORY_RECORDS_MAX; i++) {
		g_autofree char *text = g_strdup_printf(
			R("%02u:%02u:%02u.%03u", "session", "s%u", 1,
			  END(PHONE, "quit")), i / 10 / 3600, i / 10 / 60 % 60,
			i / 10 % 60, i % 10, i);

		add(story, text);
	}
	result = popinjay_log_story_tell(story, pool);
	g_assert_cmpuint(array_count(&result->lines), ==, 1);
	line = array_idx(&result->lines, 0);
	g_assert_cmpuint(line->count, ==,
			 POPINJAY_LOG_STORY_RECORDS_MAX / 2 + 1);
	note = array_idx_elem(&result->notes, 0);
	g_assert_nonnull(strstr(note, "the oldest 50000 records"));
	popinjay_log_story_deinit(&story);
	pool_unref(&pool);
}

/* A client may mark as fast as it can: that takes time in proportion. */
static void test_many_marks(const void *data)
{
	static const struct popinjay_log_story_settings set = {
		.user = "alice", .message_id = "<a@example.org>"
	};
	const unsigned int count = POPINJAY_LOG_STORY_RECORDS_MAX - 1;
	gboolean one = data != NULL;
	struct popinjay_log_story *story = popinjay_log_story_init(&set);
	pool_t pool = pool_alloconly_create("test", 4096);
	struct popinjay_log_story_result *result;
	clock_t begin;

	for (unsigned int i = 1; i <= count; i++) {
		g_autofree char *text = g_strdup_printf(
			R("10:00:00", "message", "a", %u, PHONE
			  ",\"action\":\"dele\",\"uid\":%u,\"size\":850,"
			  "\"message_id\":\"<a@example.org>\""),
			i, one ? 1 : i);

		add(story, text);
	}
	begin = clock();
	result = popinjay_log_story_tell(story, pool);
	g_test_message("%.2f s", (double)(clock() - begin) / CLOCKS_PER_SEC);
	g_assert_cmpint((clock() - begin) / CLOCKS_PER_SEC, <, 5);
	g_assert_cmpuint(array_count(&result->lines), ==, one ? 1 : count);
	popinjay_log_story_deinit(&story);
	pool_unref(&pool);
}

static void test_time(void)
{
	/* Thursday, 2024-02-29 14:02 UTC */
	const uint64_t usecs = G_GUINT64_CONSTANT(1709215331000000);
	const time_t now = 1709215331;

	g_assert_cmpstr(popinjay_log_story_time(usecs, now), ==, "Thu 14:02");
	g_assert_cmpstr(popinjay_log_story_time(usecs, now + 5 * 86400), ==,
			"Thu 14:02");
	g_assert_cmpstr(popinjay_log_story_time(usecs, now + 6 * 86400), ==,
			"Thu 29 Feb 14:02");
	g_assert_cmpstr(popinjay_log_story_time(usecs, now + 366 * 86400), ==,
			"29 Feb 2024 14:02");
	g_assert_cmpstr(popinjay_log_story_time(usecs, now - 60), ==,
			"Thu 14:02");
}

int main(int argc, char *argv[])
{
	int ret;

	g_setenv("TZ", "UTC0", TRUE);
	tzset();
	lib_init();
	g_test_init(&argc, &argv, NULL);
	ADD_CASES("/log-story/", cases, test_story);
	g_test_add_func("/log-story/choice", test_choice);
	g_test_add_func("/log-story/anonymized", test_anonymized);
	g_test_add_func("/log-story/many", test_many);
	g_test_add_data_func("/log-story/many-marks/one-message", "one",
			     test_many_marks);
	g_test_add_data_func("/log-story/many-marks/each-another", NULL,
			     test_many_marks);
	g_test_add_func("/log-story/time", test_time);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
