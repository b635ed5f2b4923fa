/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_LINE_H
#define POPINJAY_LOG_LINE_H

#include "log-fields.h"

/* A record in a line of a log, as record.h writes it. Fields that log-fields.h
   does not have are ignored, and so are values of another type than the
   field's. */

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
	/* STR: points into the line, and does not end with NUL */
	const unsigned char *data;
	size_t size;
	/* NUM; and BOOL, where it is 0 or 1 */
	uint64_t num;
};

enum popinjay_log_event {
	POPINJAY_LOG_SESSION,
	POPINJAY_LOG_MESSAGE,
	POPINJAY_LOG_LOGIN,
	/* an event that nothing here evaluates */
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
	/* the line has a record that is cut or otherwise damaged */
	POPINJAY_LOG_LINE_DAMAGED
};

/* Read a line of size bytes, without its LF. The record, JSON or logfmt, is the
   whole line, or follows the prefix that Dovecot or syslog puts before its
   messages. Text that a client could have put into another message is never
   taken for a record. Reads only these bytes, whatever they contain. record_r
   is valid as long as the line. */
enum popinjay_log_line
popinjay_log_line_read(const unsigned char *line, size_t size,
		       struct popinjay_log_record *record_r);

/* Returns a string field with its escapes resolved, or NULL if the record does
   not have it. In the data stack. It is valid UTF-8 if the line is, but may
   contain control characters. */
const char *
popinjay_log_record_str(const struct popinjay_log_record *record,
			enum popinjay_log_field key);

/* Returns a number, or 0 or 1 for a truth value; 0 if the record does not have
   it. */
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
