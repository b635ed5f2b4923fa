/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_LINE_H
#define POPINJAY_LOG_LINE_H

/* A record in a line of a log: what record.h writes is read here. */

/* The fields that are read, and their types. A record may have others; a value
   of another type is not read. */
#define POPINJAY_LOG_KEYS(X) \
	X(EVENT, "event", STR) \
	X(TIME, "time", STR) \
	X(SESSION_ID, "session", STR) \
	X(RECORD, "record", NUM) \
	X(USER, "user", STR) \
	X(REMOTE_IP, "remote_ip", STR) \
	X(LOCAL_IP, "local_ip", STR) \
	X(TLS, "tls", BOOL) \
	X(TLS_VERSION, "tls_version", STR) \
	X(MECHANISM, "mechanism", STR) \
	X(SECRET_LABEL, "secret_label", STR) \
	X(MESSAGES, "messages", NUM) \
	X(RETR_COUNT, "retr_count", NUM) \
	X(EXPUNGED_COUNT, "expunged_count", NUM) \
	X(DELE_COUNT, "dele_count", NUM) \
	X(REFETCH_COUNT, "refetch_count", NUM) \
	X(REFETCH_BYTES, "refetch_bytes", NUM) \
	X(UIDL_FINGERPRINT, "uidl_fingerprint", STR) \
	X(UIDL_FINGERPRINT_LEFT, "uidl_fingerprint_left", STR) \
	X(BYTES_OUT, "bytes_out", NUM) \
	X(DURATION_USECS, "duration_usecs", NUM) \
	X(UNREADABLE_COUNT, "unreadable_count", NUM) \
	X(SKIPPED_RECORDS, "skipped_records", NUM) \
	X(END, "end", STR) \
	X(ACTION, "action", STR) \
	X(COMPLETE, "complete", BOOL) \
	X(CUT_BY, "cut_by", STR) \
	X(FETCHED, "fetched", BOOL) \
	X(CERTAIN, "certain", BOOL) \
	X(UID, "uid", NUM) \
	X(GUID, "guid", STR) \
	X(UIDL, "uidl", STR) \
	X(SIZE, "size", NUM) \
	X(BYTES, "bytes", NUM) \
	X(LINES, "lines", NUM) \
	X(MESSAGE_ID, "message_id", STR) \
	X(SUBJECT, "subject", STR) \
	X(RESULT, "result", STR) \
	X(REASON, "reason", STR)

#define POPINJAY_LOG_KEY_ENUM(name, str, type) POPINJAY_LOG_##name,
enum popinjay_log_key {
	POPINJAY_LOG_KEYS(POPINJAY_LOG_KEY_ENUM)
	POPINJAY_LOG_KEY_COUNT
};

enum popinjay_log_value_type {
	/* the record has no such field, or it is null */
	POPINJAY_LOG_NONE = 0,
	POPINJAY_LOG_STR,
	/* a whole number from 0 on; any other number is NONE */
	POPINJAY_LOG_NUM,
	POPINJAY_LOG_BOOL
};

struct popinjay_log_value {
	enum popinjay_log_value_type type;
	/* STR: there are escapes in data */
	bool escaped;
	/* STR: as it stands in the line, which it points into; no NUL ends
	   it */
	const unsigned char *data;
	size_t size;
	/* NUM; and BOOL, where it is 0 or 1 */
	uint64_t num;
};

enum popinjay_log_event {
	POPINJAY_LOG_SESSION,
	POPINJAY_LOG_MESSAGE,
	POPINJAY_LOG_LOGIN,
	/* one that nothing here reads */
	POPINJAY_LOG_OTHER_EVENT
};

struct popinjay_log_record {
	enum popinjay_log_event event;
	/* microseconds since 1970; a record without is no record */
	uint64_t time_usecs;
	struct popinjay_log_value values[POPINJAY_LOG_KEY_COUNT];
};

enum popinjay_log_line {
	/* the line has no record of ours */
	POPINJAY_LOG_LINE_OTHER = 0,
	POPINJAY_LOG_LINE_RECORD,
	/* there should be one, but it is cut or otherwise damaged */
	POPINJAY_LOG_LINE_DAMAGED
};

/* Read a line of size bytes, without its LF. The record, JSON or logfmt, is
   the whole line, or what follows the prefix that Dovecot or syslog puts
   before its own messages. Nothing that a client could have got into another
   message of theirs is taken for a record. Touches no byte but these, whatever
   they are. record_r is valid as long as the line. */
enum popinjay_log_line
popinjay_log_line_read(const unsigned char *line, size_t size,
		       struct popinjay_log_record *record_r);

/* Returns a string field without its escapes, NULL if it has no string there.
   In the data stack. It is valid UTF-8 if the line was, but may hold control
   characters. */
const char *
popinjay_log_record_str(const struct popinjay_log_record *record,
			enum popinjay_log_key key);

/* Returns a number or a truth value, 0 if it has none there. */
uint64_t popinjay_log_record_num(const struct popinjay_log_record *record,
				 enum popinjay_log_key key);

/* Returns TRUE if the record has the field, and it is not null. */
bool popinjay_log_record_has(const struct popinjay_log_record *record,
			     enum popinjay_log_key key);

/* Returns TRUE if a string field is str. */
bool popinjay_log_record_str_equals(const struct popinjay_log_record *record,
				    enum popinjay_log_key key,
				    const char *str);

#endif
