/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/log-story: records in, plain words out. */

#include "lib.h"
#include "array.h"
#include "log-story.h"

#include <glib.h>
#include <time.h>

#define LINES_MAX 20

/* Of 2024-02-29: the time, the event without "popinjay_" and "_finished", the
   session, its record's number, and the rest. All is alice's. */
#define R(time, event, session, number, rest) \
	"{\"event\":\"popinjay_" event "_finished\"," \
	"\"time\":\"2024-02-29T" time "Z\",\"session\":\"" session "\"," \
	"\"record\":" #number ",\"user\":\"alice\"," \
	"\"remote_ip\":\"198.51.100.7\"," rest "}"
#define PRINTER "\"mechanism\":\"APOP\",\"secret_label\":\"office printer\""
#define PHONE "\"mechanism\":\"PLAIN\""
#define MESSAGE(n) "\"uid\":" #n ",\"guid\":\"g" #n "\",\"size\":850"
#define NAMED(n) MESSAGE(n) ",\"uidl\":\"u" #n "\",\"message_id\":" \
	"\"<m" #n "@example.org>\""
#define RETR(who, message) who ",\"action\":\"retr\",\"complete\":true," \
	"\"bytes\":869," message
#define CUT(who, by, message) who ",\"action\":\"retr\"," \
	"\"complete\":false,\"cut_by\":\"" by "\",\"bytes\":400," message
#define UNREAD(who, message) who ",\"action\":\"retr\"," \
	"\"complete\":false,\"cut_by\":\"storage\",\"bytes\":0," message
#define TOP(who, lines, message) who ",\"action\":\"top\"," \
	"\"complete\":true,\"bytes\":40,\"lines\":" #lines "," message
#define DELE(who, message) who ",\"action\":\"dele\"," message
#define EXPUNGE(who, message) who ",\"action\":\"expunge\"," message
#define END(who, end) who ",\"end\":\"" end "\",\"messages\":3"
#define REFUSED(reason) "\"mechanism\":\"PLAIN\",\"result\":\"refused\"," \
	"\"reason\":\"" reason "\""

struct story_case {
	const char *path;
	/* one of them, or neither */
	const char *uidl, *message_id;
	const char *records[LINES_MAX];
	/* "HH:MM text", the newest first; then, after "--", notes */
	const char *told[LINES_MAX];
};

#define NOT_DELETED "No POP3 client deleted it. If it is gone, it was not by " \
	"POP3: look at IMAP, webmail, filters and expiry."

#define UNDECIDED(name) "Whether a POP3 client deleted " name ", the log " \
	"does not say"
#define NOT_NAMED ": there are sessions of which it does not name each " \
	"message that was marked for deletion."

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
	  { "10:02 deleted by 198.51.100.7 (PLAIN); before that the log "
	    "shows no whole download of it",
	    "10:00 its header and up to 1 line looked at by 198.51.100.7 "
	    "(PLAIN)",
	    "10:00 its header looked at by 198.51.100.7 (PLAIN)" } },
	{ "cut", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, CUT(PHONE, "client", NAMED(1))),
	    R("10:01:00", "message", "b", 1,
	      CUT(PHONE, "storage", NAMED(1))) },
	  { "10:01 could not be read whole by the server for 198.51.100.7 "
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
	    "for the connection was lost before QUIT", "--", NOT_DELETED } },
	{ "kept-timeout", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "timeout")) },
	  { "10:00 marked for deletion by 198.51.100.7 (PLAIN), but kept, "
	    "for the client fell silent before QUIT", "--", NOT_DELETED } },
	/* nothing is concluded from what the log does not have */
	{ "marked-quit", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:00:01", "message", "a", 2, DELE(PHONE, NAMED(2))),
	    R("10:01:00", "message", "a", 3, EXPUNGE(PHONE, NAMED(2))),
	    R("10:01:00", "session", "a", 4, END(PHONE, "quit")
	      ",\"dele_count\":2,\"expunged_count\":1") },
	  { "10:00 marked for deletion by 198.51.100.7 (PLAIN), and the log "
	    "does not say what became of that", "--", UNDECIDED("it") "." } },
	{ "marked-error", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "error")
	      ",\"dele_count\":1,\"expunged_count\":0") },
	  { "10:00 marked for deletion by 198.51.100.7 (PLAIN), and the log "
	    "does not say what became of that: the session ended with an "
	    "error", "--", UNDECIDED("it") "." } },
	{ "marked-and-seen-again", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":1,\"expunged_count\":0"),
	    R("11:00:00", "message", "b", 1, TOP(PHONE, 0, NAMED(1))) },
	  { "11:00 its header looked at by 198.51.100.7 (PLAIN)",
	    "10:00 marked for deletion by 198.51.100.7 (PLAIN), and the log "
	    "does not say what became of that", "--", NOT_DELETED } },
	{ "marked-again-and-again", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("10:00:01", "message", "a", 2, DELE(PHONE, NAMED(1))),
	    R("10:01:00", "message", "a", 3, DELE(PHONE, NAMED(1))),
	    R("10:02:00", "session", "a", 4, END(PHONE, "lost")
	      ",\"dele_count\":3") },
	  { "10:01 marked for deletion by 198.51.100.7 (PLAIN), but kept, "
	    "for the connection was lost before QUIT", "--", NOT_DELETED } },
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
	    "this log was written. If it is gone, it was not by POP3: look "
	    "at IMAP, webmail, filters and expiry." } },
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
	    "--", "2 messages are meant; each has its number (uid).",
	    "No POP3 client deleted message 1. If message 1 is gone, it was "
	    "not by POP3: look at IMAP, webmail, filters and expiry." } },
	{ "unknown-message", "nosuch", NULL,
	  { R("10:00:00", "message", "a", 1, RETR(PHONE, NAMED(1))) },
	  { "--", "No POP3 client downloaded or deleted this message while "
	    "this log was written. If it is gone, it was not by POP3: look "
	    "at IMAP, webmail, filters and expiry." } },
	{ "deleted-fetched", "u1", NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":true," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN), after it was "
	    "downloaded" } },
	{ "deleted-unfetched", "u1", NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":false," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN); no POP3 client had "
	    "downloaded it whole" } },
	{ "deleted-fetched-null", "u1", NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":null," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN); before that the log "
	    "shows no whole download of it" } },
	{ "deleted-uncertain", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":false," NAMED(1))) },
	  { "10:00 deleted by 198.51.100.7 (PLAIN), or by another at that "
	    "moment, after it was downloaded" } },
	{ "mailbox-uncertain", NULL, NULL,
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":false," NAMED(1))),
	    R("10:01:00", "message", "b", 1, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":false," NAMED(2))),
	    R("10:01:00", "message", "b", 2, EXPUNGE(PHONE,
	      "\"fetched\":true,\"certain\":true," NAMED(3))) },
	  { "10:01 2 messages deleted by 198.51.100.7 (PLAIN) (1 of them "
	    "perhaps by another at that moment), after they were downloaded",
	    "- <m2@example.org>, 850 bytes", "- <m3@example.org>, 850 bytes",
	    "10:00 1 message deleted by 198.51.100.7 (PLAIN), or by another "
	    "at that moment, after it was downloaded",
	    "- <m1@example.org>, 850 bytes" } },
	{ "no-downloads-logged", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, EXPUNGE(PHONE, NAMED(2))) },
	  { "--", "No POP3 client deleted this message while this log was "
	    "written. If it is gone, it was not by POP3: look at IMAP, "
	    "webmail, filters and expiry. The log does not tell what was "
	    "downloaded (popinjay_access_log_events)." } },
	{ "no-messages-logged", "u1", NULL,
	  { R("10:01:00", "session", "a", 1, END(PHONE, "quit")
	      ",\"expunged_count\":1") },
	  { "--", "The log has no records of single messages "
	    "(popinjay_access_log_events)." } },
	{ "hostile", "u1", NULL,
	  { R("10:00:00", "message", "a", 1, "\"mechanism\":\"PLAIN\","
	      "\"secret_label\":\"x\\n\\u001b[2J\\u202e\",\"action\":\"retr\","
	      "\"complete\":true," NAMED(1)) },
	  { "10:00 downloaded by 'x\xef\xbf\xbd\xef\xbf\xbd[2J\xef\xbf\xbd' "
	    "(PLAIN, 198.51.100.7), 850 bytes", "--", NOT_DELETED } },

	{ "mailbox-no-downloads-logged", NULL, NULL,
	  { R("10:00:00", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":true," NAMED(1))),
	    R("10:00:00", "message", "a", 2,
	      EXPUNGE(PHONE, "\"fetched\":false," NAMED(2))),
	    R("10:00:01", "session", "a", 3, END(PHONE, "quit")
	      ",\"retr_count\":2,\"refetch_count\":1,"
	      "\"expunged_count\":2") },
	  { "10:00 2 messages deleted by 198.51.100.7 (PLAIN); 1 of them no "
	    "POP3 client had downloaded whole",
	    "- <m1@example.org>, 850 bytes", "- <m2@example.org>, 850 bytes",
	    "10:00 2 messages downloaded by 198.51.100.7 (PLAIN), 1 of them "
	    "once more" } },
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
	    "they were downloaded; of 1 the log shows no whole download",
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
	  { "13:59 1 message downloaded by 198.51.100.7 (PLAIN), all of it "
	    "once more" } },
	{ "mailbox-marked", NULL, NULL,
	  { R("13:59:00", "message", "a", 1, DELE(PHONE, NAMED(1))),
	    R("13:59:01", "session", "a", 2, END(PHONE, "lost")) },
	  { "13:59 1 message marked for deletion by 198.51.100.7 (PLAIN), "
	    "but kept, for the connection was lost before QUIT" } },
	{ "mailbox-sessions-only", NULL, NULL,
	  { R("13:59:01", "session", "a", 1, END(PHONE, "quit")
	      ",\"retr_count\":5,\"expunged_count\":3,\"refetch_count\":2") },
	  { "13:59 3 messages deleted by 198.51.100.7 (PLAIN)",
	    "13:59 5 messages downloaded by 198.51.100.7 (PLAIN), 2 of them "
	    "once more" } },
	{ "mailbox-sessions-only-marked", NULL, NULL,
	  { R("11:59:01", "session", "a", 1, END(PHONE, "quit")
	      ",\"dele_count\":8,\"expunged_count\":0"),
	    R("12:59:01", "session", "b", 1, END(PHONE, "quit")
	      ",\"dele_count\":8,\"expunged_count\":7"),
	    R("13:59:01", "session", "c", 1, END(PHONE, "timeout")
	      ",\"dele_count\":1,\"expunged_count\":0") },
	  { "13:59 1 message marked for deletion by 198.51.100.7 (PLAIN), but "
	    "kept, for the client fell silent before QUIT",
	    "12:59 1 message marked for deletion by 198.51.100.7 (PLAIN), and "
	    "the log does not say what became of that",
	    "12:59 7 messages deleted by 198.51.100.7 (PLAIN)",
	    "11:59 8 messages marked for deletion by 198.51.100.7 (PLAIN), "
	    "and the log does not say what became of that" } },
	{ "mailbox-deleted-and-marked", NULL, NULL,
	  { R("12:59:01", "message", "a", 1,
	      EXPUNGE(PHONE, "\"fetched\":true," NAMED(1))),
	    R("12:59:01", "session", "a", 2, END(PHONE, "quit")
	      ",\"dele_count\":2,\"expunged_count\":1") },
	  { "12:59 1 message marked for deletion by 198.51.100.7 (PLAIN), and "
	    "the log does not say what became of that",
	    "12:59 1 message deleted by 198.51.100.7 (PLAIN), after it was "
	    "downloaded", "- <m1@example.org>, 850 bytes" } },
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
	    "Of 1 session the log has no single messages, though there were "
	    "some." } },
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
	  { "13:59 1 message deleted by 198.51.100.7 (PLAIN); before that "
	    "the log shows no whole download",
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
	    "Of 1 session the log has not all records: the client did more "
	    "than is logged of one session." } },
	{ "mailbox-nothing", NULL, NULL, { NULL },
	  { "--", "The log has nothing about this user." } },
};

static void
add(struct popinjay_log_story *story, const char *line)
{
	struct popinjay_log_record record;

	g_assert_cmpint(popinjay_log_line_read((const void *)line,
					       strlen(line), &record), ==,
			POPINJAY_LOG_LINE_RECORD);
	popinjay_log_story_add(story, &record);
}

static char *told(const struct popinjay_log_story_result *result)
{
	const struct popinjay_log_story_line *line;
	GString *str = g_string_new(NULL);
	const char *note;

	array_foreach(&result->lines, line) {
		time_t time = line->usecs / 1000000;
		struct tm *tm = gmtime(&time);

		g_string_append_printf(str, "%02d:%02d %s\n", tm->tm_hour,
				       tm->tm_min, line->text);
		for (const char *const *p = line->details;
		     p != NULL && *p != NULL; p++)
			g_string_append_printf(str, "- %s\n", *p);
	}
	if (array_count(&result->notes) > 0)
		g_string_append(str, "--\n");
	array_foreach_elem(&result->notes, note)
		g_string_append_printf(str, "%s\n", note);
	return g_string_free(str, FALSE);
}

static void tell(const struct popinjay_log_story_settings *set,
		 const char *const *records, const char *const *expected)
{
	struct popinjay_log_story *story = popinjay_log_story_init(set);
	pool_t pool = pool_alloconly_create("test", 4096);
	g_autofree char *text = NULL;
	g_autoptr(GString) want = g_string_new(NULL);

	for (unsigned int i = 0; i < LINES_MAX && records[i] != NULL; i++)
		add(story, records[i]);
	text = told(popinjay_log_story_tell(story, pool));
	for (unsigned int i = 0; i < LINES_MAX && expected[i] != NULL; i++)
		g_string_append_printf(want, "%s\n", expected[i]);
	g_assert_cmpstr(text, ==, want->str);
	popinjay_log_story_deinit(&story);
	pool_unref(&pool);
}

static void test_story(const void *data)
{
	const struct story_case *c = data;
	const struct popinjay_log_story_settings set = {
		.user = "alice", .uidl = c->uidl, .message_id = c->message_id
	};

	tell(&set, c->records, c->told);
}

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
		"--", "The log has nothing about this user.",
		"This log names users by keyed hashes, and the key file "
		"(popinjay_access_log_key_file) is not known here.", NULL
	};
	static const char *const told_cut[] = {
		"--", "The log has nothing about this user.",
		"This log names no users, only their domains "
		"(popinjay_access_log_anonymize), so nobody can tell what is "
		"about whom.", NULL
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
	clock_t begin = clock();
	struct popinjay_log_story_result *result;

	for (unsigned int i = 1; i <= count; i++) {
		g_autofree char *text = g_strdup_printf(
			R("10:00:00", "message", "a", %u, PHONE
			  ",\"action\":\"dele\",\"uid\":%u,\"size\":850,"
			  "\"message_id\":\"<a@example.org>\""),
			i, one ? 1 : i);

		add(story, text);
	}
	result = popinjay_log_story_tell(story, pool);
	g_assert_cmpuint(array_count(&result->lines), ==, one ? 1 : count);
	g_assert_cmpint((clock() - begin) / CLOCKS_PER_SEC, <, 15);
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
	for (unsigned int i = 0; i < N_ELEMENTS(cases); i++) {
		g_autofree char *path =
			g_strconcat("/log-story/", cases[i].path, NULL);
		g_test_add_data_func(path, &cases[i], test_story);
	}
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
