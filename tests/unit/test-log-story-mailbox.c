/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -story: the story of a mailbox. */

#include "cases.h"
#include "log-story-cases.h"

static const struct story_case cases[] = {
	{ "mailbox-no-downloads-logged", NULL, NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":true," NAMED(1))),
	    R("10:00:00", "message", "a", 2,
	      EXPUNGE(PHONE, "\"fetched\":false," NAMED(2))),
	    R("10:00:01", "session", "a", 3, END(PHONE, "quit")
	      ",\"retr_count\":2,\"refetch_count\":1,"
	      "\"expunged_count\":2") },
	  { "10:00 2 messages deleted by 198.51.100.7 (PLAIN); no POP3 client "
	    "had completely downloaded 1 of them",
	    "- <m1@example.org>, 850 bytes", "- <m2@example.org>, 850 bytes",
	    "10:00 2 messages downloaded by 198.51.100.7 (PLAIN), 1 of them "
	    "again" } },
	{ "mailbox", NULL, NULL,
	  { R("09:00:00", "session", "p", 1, END(PHONE, "quit")),
	    R("09:10:00", "session", "q", 1, END(PHONE, "quit")),
	    R("09:20:00", "session", "r", 1, END(PHONE, "quit")),
	    R("13:59:00", "message", "a", 1, RETR(PRINTER, NAMED(1))),
	    R("13:59:01", "message", "a", 2, RETR(PRINTER, NAMED(2))),
	    R("13:59:02", "session", "a", 3, END(PRINTER, "quit")),
	    R("14:02:00", "message", "b", 1, DELE(PRINTER, NAMED(1))),
	    R("14:02:00", "message", "b", 2, DELE(PRINTER, NAMED(2))),
	    R("14:02:01", "message", "b", 3, EXPUNGE(PRINTER, NAMED(1))),
	    R("14:02:01", "message", "b", 4, EXPUNGE(PRINTER, NAMED(2))),
	    R("14:02:01", "session", "b", 5, END(PRINTER, "quit")) },
	  { "14:02 2 messages deleted by 'office printer' (APOP, "
	    "198.51.100.7), 3 min after they were downloaded",
	    "- <m1@example.org>, 850 bytes", "- <m2@example.org>, 850 bytes",
	    "13:59 2 messages downloaded by 'office printer' (APOP, "
	    "198.51.100.7)",
	    "09:20 mail checked 3 times within 20 min by 198.51.100.7 "
	    "(PLAIN)" } },
	{ "mailbox-some-not-downloaded", NULL, NULL,
	  { R("13:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("14:02:01", "message", "a", 2, EXPUNGE(PHONE, NAMED(1))),
	    R("14:02:01", "message", "a", 3, EXPUNGE(PHONE, MESSAGE(2))),
	    R("14:02:01", "session", "a", 4, END(PHONE, "quit")) },
	  { "14:02 2 messages deleted by 198.51.100.7 (PLAIN), 3 min after "
	    "they were downloaded; the log shows no complete download of 1 of "
	    "them",
	    "- <m1@example.org>, 850 bytes", "- message 2, 850 bytes",
	    "13:59 1 message downloaded by 198.51.100.7 (PLAIN)" } },
	/* DELE in a session of its own reads no header */
	{ "mailbox-named-by-download", NULL, NULL,
	  { R("13:59:00", "message", "a", 1,
	      RETR(PHONE, NAMED(1) ",\"subject\":\"Hello\"")),
	    R("13:59:00", "session", "a", 2, END(PHONE, "quit")),
	    R("14:02:01", "message", "b", 1, EXPUNGE(PHONE, MESSAGE(1))),
	    R("14:02:01", "session", "b", 2, END(PHONE, "quit")) },
	  { "14:02 1 message deleted by 198.51.100.7 (PLAIN), 3 min after "
	    "it was downloaded",
	    "- <m1@example.org> \"Hello\", 850 bytes",
	    "13:59 1 message downloaded by 198.51.100.7 (PLAIN)" } },
	{ "mailbox-once-more", NULL, NULL,
	  { R("13:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("13:59:01", "session", "a", 2,
	      END(PHONE, "quit") ",\"refetch_count\":1") },
	  { "13:59 1 message downloaded by 198.51.100.7 (PLAIN), again" } },
	{ "mailbox-marked", NULL, NULL,
	  { R("13:59:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("13:59:01", "session", "a", 2, END(PHONE, "lost")) },
	  { "13:59 1 message marked for deletion by 198.51.100.7 (PLAIN), but "
	    "kept, because the connection was lost before QUIT" } },
	{ "mailbox-sessions-only", NULL, NULL,
	  { R("13:59:01", "session", "a", 1, END(PHONE, "quit")
	      ",\"retr_count\":5,\"expunged_count\":3,\"refetch_count\":2") },
	  { "13:59 3 messages deleted by 198.51.100.7 (PLAIN)",
	    "13:59 5 messages downloaded by 198.51.100.7 (PLAIN), 2 of them "
	    "again" } },
	{ "mailbox-sessions-only-marked", NULL, NULL,
	  { R("11:59:01", "session", "a", 1, END(PHONE, "quit")
	      ",\"dele_count\":8,\"expunged_count\":0"),
	    R("12:59:01", "session", "b", 1, END(PHONE, "quit")
	      ",\"dele_count\":8,\"expunged_count\":7"),
	    R("13:59:01", "session", "c", 1, END(PHONE, "timeout")
	      ",\"dele_count\":1,\"expunged_count\":0") },
	  { "13:59 1 message marked for deletion by 198.51.100.7 (PLAIN), but "
	    "kept, because the client timed out before QUIT",
	    "12:59 1 message marked for deletion by 198.51.100.7 (PLAIN), and "
	    "the log does not say what happened then",
	    "12:59 7 messages deleted by 198.51.100.7 (PLAIN)",
	    "11:59 8 messages marked for deletion by 198.51.100.7 (PLAIN), and "
	    "the log does not say what happened then" } },
	{ "mailbox-deleted-and-marked", NULL, NULL,
	  { R("12:59:01", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":true," NAMED(1))),
	    R("12:59:01", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":2,\"expunged_count\":1") },
	  { "12:59 1 message marked for deletion by 198.51.100.7 (PLAIN), and "
	    "the log does not say what happened then",
	    "12:59 1 message deleted by 198.51.100.7 (PLAIN), after it was "
	    "downloaded", "- <m1@example.org>, 850 bytes" } },
	{ "mailbox-unreadable", NULL, NULL,
	  { R("11:59:01", "session", "a", 1, END(PHONE, "quit")
	      ",\"unreadable_count\":1"),
	    R("12:59:01", "session", "b", 1, END(PHONE, "quit")
	      ",\"retr_count\":4,\"unreadable_count\":2"),
	    R("13:59:00", "message", "c", 1, UNREAD(PHONE, NAMED(1))),
	    R("13:59:01", "session", "c", 2, END(PHONE, "quit")
	      ",\"unreadable_count\":1") },
	  { "13:59 1 message not downloaded by 198.51.100.7 (PLAIN): the "
	    "server could not read it",
	    "12:59 the server could not read 2 messages for 198.51.100.7 "
	    "(PLAIN)",
	    "12:59 4 messages downloaded by 198.51.100.7 (PLAIN)",
	    "11:59 the server could not read 1 message for 198.51.100.7 "
	    "(PLAIN)" } },
	{ "mailbox-refused-logins", NULL, NULL,
	  { R("13:59:01", "login", "a", 1, REFUSED("authentication_failed")),
	    R("13:59:31", "login", "b", 1, REFUSED("authentication_failed")),
	    R("14:59:31", "login", "c", 1, REFUSED("tls_required")) },
	  { "14:59 login refused from 198.51.100.7 (PLAIN): tls required",
	    "13:59 login refused 2 times within 30 s from 198.51.100.7 "
	    "(PLAIN): authentication failed" } },
	{ "mailbox-not-ended", NULL, NULL,
	  { R("13:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))) },
	  { "13:59 1 message downloaded by 198.51.100.7 (PLAIN)" } },
	{ "mailbox-messages-lost", NULL, NULL,
	  { R("12:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("13:59:00", "session", "b", 9, END(PHONE, "quit")) },
	  { "13:59 mail checked by 198.51.100.7 (PLAIN)",
	    "12:59 1 message downloaded by 198.51.100.7 (PLAIN)", "--",
	    "The records of messages are missing for 1 session." } },
	/* what it did first may be in the file before this one */
	{ "mailbox-began-before", NULL, NULL,
	  { R("12:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("13:59:00", "session", "b", 9, END(PHONE, "quit")
	      ",\"duration_usecs\":3600000001") },
	  { "13:59 mail checked by 198.51.100.7 (PLAIN)",
	    "12:59 1 message downloaded by 198.51.100.7 (PLAIN)" } },
	{ "mailbox-commands-logged", NULL, NULL,
	  { R("12:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("13:59:00", "command", "b", 1, PHONE ",\"name\":\"STAT\""),
	    R("13:59:00", "command", "b", 2, PHONE ",\"name\":\"QUIT\""),
	    R("13:59:00", "session", "b", 3, END(PHONE, "quit")) },
	  { "13:59 mail checked by 198.51.100.7 (PLAIN)",
	    "12:59 1 message downloaded by 198.51.100.7 (PLAIN)" } },
	{ "mailbox-marked-twice", NULL, NULL,
	  { R("13:59:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("13:59:00", "message", "a", 2, DELE(PHONE, NAMED(1))),
	    R("13:59:01", "message", "a", 3, EXPUNGE(PHONE, NAMED(1))),
	    R("13:59:01", "session", "a", 4, END(PHONE, "quit")) },
	  { "13:59 1 message deleted by 198.51.100.7 (PLAIN); the log shows no "
	    "complete download before that",
	    "- <m1@example.org>, 850 bytes" } },
	{ "mailbox-not-read", NULL, NULL,
	  { R("12:59:00", "message", "a", 1, CUT(PHONE, "server", NAMED(1))),
	    R("13:59:00", "message", "b", 1, UNREAD(PHONE, NAMED(1))),
	    R("13:59:00", "message", "b", 2, UNREAD(PHONE, NAMED(2))),
	    R("13:59:00", "session", "b", 3, END(PHONE, "quit")
	      ",\"skipped_records\":5") },
	  { "13:59 2 messages not downloaded by 198.51.100.7 (PLAIN): the "
	    "server could not read them",
	    "12:59 1 message downloaded only in part by 198.51.100.7 "
	    "(PLAIN): the server ended the session", "--",
	    "Some records are missing for 1 session: the client did more than "
	    "is logged for one session." } },
	/* what a session did behind its last record is not nothing */
	{ "mailbox-left-out", NULL, NULL,
	  { R("12:59:00", "message", "a", 1, RETR(PHONE, NAMED(1))),
	    R("12:59:01", "message", "a", 2, DELE(PHONE, NAMED(1))),
	    R("13:59:00", "session", "a", 3, END(PHONE, "lost")
	      ",\"retr_count\":8,\"dele_count\":1,\"skipped_records\":7") },
	  { "13:59 7 messages downloaded by 198.51.100.7 (PLAIN), without a "
	    "record of each",
	    "12:59 1 message marked for deletion by 198.51.100.7 (PLAIN), but "
	    "kept, because the connection was lost before QUIT",
	    "12:59 1 message downloaded by 198.51.100.7 (PLAIN)", "--",
	    "Some records are missing for 1 session: the client did more than "
	    "is logged for one session." } },
	{ "mailbox-nothing", NULL, NULL, { NULL },
	  { "--", "The log has no records of this user." } },
};

int main(int argc, char *argv[])
{
	int ret;

	g_setenv("TZ", "UTC0", TRUE);
	tzset();
	lib_init();
	g_test_init(&argc, &argv, NULL);
	ADD_CASES("/log-story/", cases, test_story);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
