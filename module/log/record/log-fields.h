/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_FIELDS_H
#define POPINJAY_LOG_FIELDS_H

/* The fields of records: the writer refuses any other, the reader knows their
   names and types from here, and tests/unit/test-log-fields compares them with
   doc/popinjay-log.schema.json and popinjay-log(7). */

#define POPINJAY_LOG_EVENT_PREFIX "popinjay_"
#define POPINJAY_LOG_SESSION_FINISHED \
	POPINJAY_LOG_EVENT_PREFIX "session_finished"
#define POPINJAY_LOG_MESSAGE_FINISHED \
	POPINJAY_LOG_EVENT_PREFIX "message_finished"
#define POPINJAY_LOG_COMMAND_FINISHED \
	POPINJAY_LOG_EVENT_PREFIX "command_finished"
#define POPINJAY_LOG_LOGIN_FINISHED \
	POPINJAY_LOG_EVENT_PREFIX "login_finished"

/* A record of a message is of the kind that its field "action" names. */
enum popinjay_record_kind {
	POPINJAY_RECORD_SESSION = 0x01,
	POPINJAY_RECORD_RETR = 0x02,
	POPINJAY_RECORD_TOP = 0x04,
	POPINJAY_RECORD_DELE = 0x08,
	POPINJAY_RECORD_EXPUNGE = 0x10,
	POPINJAY_RECORD_COMMAND = 0x20,
	POPINJAY_RECORD_LOGIN = 0x40
};

enum popinjay_field_type {
	POPINJAY_FIELD_STR,
	/* a whole number from 0 on */
	POPINJAY_FIELD_UINT,
	POPINJAY_FIELD_BOOL,
	/* in a line a string, RFC 3339 */
	POPINJAY_FIELD_TIME
};

enum popinjay_field_flags {
	/* Not every record of these kinds has the field. */
	POPINJAY_FIELD_MAY_BE_ABSENT = 0x01,
	POPINJAY_FIELD_MAY_BE_NULL = 0x02
};

/* POPINJAY_LOG_<id> in C, name, POPINJAY_FIELD_<type>, kinds of record that
   have it and flags (log-fields.c has these words), and what it means. Sizes
   are in bytes. */
#define POPINJAY_LOG_FIELDS(X) \
	X(EVENT, "event", STR, ALL, 0, \
	  "what has happened") \
	X(TIME, "time", TIME, ALL, 0, \
	  "when it was over") \
	X(SESSION_ID, "session", STR, ALL, MAY_BE_NULL, \
	  "Dovecot's session id, or its hash") \
	X(RECORD, "record", UINT, ALL & ~LOGIN, 0, \
	  "number of the record in its session; events alone have none") \
	X(USER, "user", STR, ALL, MAY_BE_NULL, \
	  "the user's name, its hash or its domain") \
	X(REMOTE_IP, "remote_ip", STR, ALL, MAY_BE_NULL, \
	  "the client's address, its hash or its network") \
	X(REMOTE_PORT, "remote_port", UINT, SESSION | LOGIN, MAY_BE_NULL, \
	  "the client's port") \
	X(LOCAL_IP, "local_ip", STR, SESSION | LOGIN, MAY_BE_NULL, \
	  "the server's address") \
	X(LOCAL_PORT, "local_port", UINT, SESSION | LOGIN, 0, \
	  "the server's port") \
	X(TLS, "tls", BOOL, SESSION | LOGIN, 0, \
	  "the client used TLS") \
	X(TLS_VERSION, "tls_version", STR, LOGIN, MAY_BE_NULL, \
	  "such as TLSv1.3") \
	X(TLS_CIPHER, "tls_cipher", STR, LOGIN, MAY_BE_NULL, \
	  "such as TLS_AES_256_GCM_SHA384") \
	X(TLS_CIPHER_BITS, "tls_cipher_bits", UINT, LOGIN, MAY_BE_NULL, \
	  "such as 256") \
	X(MECHANISM, "mechanism", STR, ALL, MAY_BE_NULL, \
	  "how the client logged in") \
	X(SECRET_ID, "secret_id", STR, ALL & ~LOGIN, MAY_BE_ABSENT, \
	  "id of the app secret it used") \
	X(SECRET_LABEL, "secret_label", STR, ALL & ~LOGIN, MAY_BE_ABSENT, \
	  "label of the app secret it used") \
	X(ATTEMPT, "attempt", UINT, LOGIN, 0, \
	  "number of the attempt in its connection") \
	X(RESULT, "result", STR, LOGIN, 0, \
	  "accepted or refused") \
	X(REASON, "reason", STR, LOGIN, MAY_BE_ABSENT, \
	  "why the login was refused") \
	X(MESSAGES, "messages", UINT, SESSION, 0, \
	  "messages in the mailbox, as in STAT") \
	X(MESSAGE_BYTES, "message_bytes", UINT, SESSION, 0, \
	  "size of the mailbox, as in STAT") \
	X(RETR_COUNT, "retr_count", UINT, SESSION, 0, \
	  "RETRs answered, wholly or in part") \
	X(RETR_BYTES, "retr_bytes", UINT, SESSION, 0, \
	  "size of the replies to RETR") \
	X(TOP_COUNT, "top_count", UINT, SESSION, 0, \
	  "TOPs answered, wholly or in part") \
	X(TOP_BYTES, "top_bytes", UINT, SESSION, 0, \
	  "size of the replies to TOP") \
	X(LIST_COUNT, "list_count", UINT, SESSION, 0, \
	  "LISTs answered, wholly or in part") \
	X(LIST_BYTES, "list_bytes", UINT, SESSION, 0, \
	  "size of the replies to LIST") \
	X(UIDL_COUNT, "uidl_count", UINT, SESSION, 0, \
	  "UIDLs answered, wholly or in part") \
	X(UIDL_BYTES, "uidl_bytes", UINT, SESSION, 0, \
	  "size of the replies to UIDL") \
	X(DELE_COUNT, "dele_count", UINT, SESSION, 0, \
	  "messages marked for deletion") \
	X(DELE_BYTES, "dele_bytes", UINT, SESSION, 0, \
	  "size of the messages marked for deletion") \
	X(EXPUNGED_COUNT, "expunged_count", UINT, SESSION, 0, \
	  "messages that QUIT removed") \
	X(EXPUNGED_BYTES, "expunged_bytes", UINT, SESSION, 0, \
	  "size of the messages that QUIT removed") \
	X(REFETCH_COUNT, "refetch_count", UINT, SESSION, MAY_BE_NULL, \
	  "messages sent whole that POP3 had sent whole before") \
	X(REFETCH_BYTES, "refetch_bytes", UINT, SESSION, MAY_BE_NULL, \
	  "size of these messages") \
	X(UIDL_FINGERPRINT, "uidl_fingerprint", STR, SESSION, MAY_BE_NULL, \
	  "hash of the UIDLs of all messages") \
	X(UIDL_FINGERPRINT_LEFT, "uidl_fingerprint_left", STR, SESSION, \
	  MAY_BE_NULL, \
	  "hash of the UIDLs of the messages left after QUIT") \
	X(BYTES_IN, "bytes_in", UINT, SESSION | COMMAND, 0, \
	  "what the client sent, before encryption") \
	X(BYTES_OUT, "bytes_out", UINT, SESSION | COMMAND, 0, \
	  "what the server sent, before encryption") \
	X(COMMANDS, "commands", UINT, SESSION, 0, \
	  "commands after login") \
	X(ERRORS, "errors", UINT, SESSION, 0, \
	  "commands that got no complete +OK reply") \
	X(UNREADABLE_COUNT, "unreadable_count", UINT, SESSION, 0, \
	  "messages that could not be read completely") \
	X(SKIPPED_RECORDS, "skipped_records", UINT, SESSION, MAY_BE_ABSENT, \
	  "records of the session that were left out") \
	X(END, "end", STR, SESSION, 0, \
	  "how the session ended") \
	X(NAME, "name", STR, COMMAND, MAY_BE_NULL, \
	  "the command") \
	X(ARGS, "args", STR, COMMAND, MAY_BE_NULL, \
	  "its arguments") \
	X(OUTCOME, "outcome", STR, COMMAND, 0, \
	  "how it was answered") \
	X(ACTION, "action", STR, MESSAGE, 0, \
	  "what happened to the message") \
	X(COMPLETE, "complete", BOOL, RETR | TOP, 0, \
	  "the reply was complete") \
	X(CUT_BY, "cut_by", STR, RETR | TOP, MAY_BE_ABSENT, \
	  "who caused the reply to be incomplete") \
	X(FETCHED, "fetched", BOOL, DELE | EXPUNGE, MAY_BE_NULL, \
	  "POP3 had sent the message whole before") \
	X(CERTAIN, "certain", BOOL, EXPUNGE, 0, \
	  "no other program can have removed the message") \
	X(MSN, "msn", UINT, MESSAGE, 0, \
	  "its number in the session") \
	X(UID, "uid", UINT, MESSAGE, 0, \
	  "its uid in the mailbox") \
	X(GUID, "guid", STR, MESSAGE, MAY_BE_NULL, \
	  "its GUID") \
	X(UIDL, "uidl", STR, MESSAGE, MAY_BE_NULL, \
	  "its UIDL") \
	X(SIZE, "size", UINT, MESSAGE, 0, \
	  "its size, as in LIST") \
	X(BYTES, "bytes", UINT, RETR | TOP, 0, \
	  "size of the reply") \
	X(LINES, "lines", UINT, TOP, 0, \
	  "lines of the body that TOP asked for") \
	X(DURATION_USECS, "duration_usecs", UINT, \
	  SESSION | COMMAND | RETR | TOP, 0, \
	  "microseconds since login, or since the command came") \
	X(MESSAGE_ID, "message_id", STR, MESSAGE, \
	  MAY_BE_ABSENT | MAY_BE_NULL, \
	  "the header Message-ID") \
	X(SUBJECT, "subject", STR, MESSAGE, MAY_BE_ABSENT | MAY_BE_NULL, \
	  "the header Subject")

#define POPINJAY_LOG_FIELD_ENUM(id, name, type, kinds, flags, meaning) \
	POPINJAY_LOG_##id,
enum popinjay_log_field {
	POPINJAY_LOG_FIELDS(POPINJAY_LOG_FIELD_ENUM)
	POPINJAY_LOG_FIELD_COUNT
};

struct popinjay_log_field_info {
	const char *name;
	/* length of name */
	size_t name_len;
	enum popinjay_field_type type;
	enum popinjay_record_kind kinds;
	enum popinjay_field_flags flags;
};

extern const struct popinjay_log_field_info
popinjay_log_fields[POPINJAY_LOG_FIELD_COUNT];

#endif
