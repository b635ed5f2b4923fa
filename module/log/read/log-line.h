/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_LINE_H
#define POPINJAY_LOG_LINE_H

#include "log-fields.h"

/* A record in a line of a log: what record.h writes is read here. A record may
   have fields that log-fields.h does not know; they are not read, nor is a
   value of another type than the field's. */

enum popinjay_log_value_type {
	/* the record has no such field, or it is null */
	POPINJAY_LOG_NONE = 0,
	/* also a time */
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
	/* microseconds since 1970 (required) */
	uint64_t time_usecs;
	struct popinjay_log_value values[POPINJAY_LOG_FIELD_COUNT];
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
			enum popinjay_log_field key);

/* Returns a number or a truth value, 0 if it has none there. */
uint64_t popinjay_log_record_num(const struct popinjay_log_record *record,
				 enum popinjay_log_field key);

/* Returns TRUE if the record has the field, and it is not null. */
bool popinjay_log_record_has(const struct popinjay_log_record *record,
			     enum popinjay_log_field key);

/* Returns TRUE if a string field is str. */
bool popinjay_log_record_str_equals(const struct popinjay_log_record *record,
				    enum popinjay_log_field key,
				    const char *str);

#endif
