/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_RECORD_H
#define POPINJAY_RECORD_H

#include "log-fields.h"

#include <sys/time.h>

/* A line of the access log, and the fields of the event that goes with it. */

/* The most bytes of a string in a line, without its quotes. A longer one is cut
   between characters, and U+2026 is added. Dovecot splits log lines of more
   than PIPE_BUF (4096) bytes. */
#define POPINJAY_RECORD_STR_MAX_BYTES 512

struct popinjay_field {
	enum popinjay_log_field key;
	bool null;
	/* of the type that popinjay_log_fields[key] has, if it is not null */
	union {
		/* As it was given: neither cut nor escaped. */
		const char *str;
		uint64_t unum;
		bool yes;
		struct timeval time;
	} value;
};

/* Returns a record with the field "event", which lives as long as pool. */
struct popinjay_record *
popinjay_record_create(pool_t pool, enum popinjay_record_kind kind);

/* Returns the name of its event. */
const char *popinjay_record_event(const struct popinjay_record *record);

/* Add a field that the record does not have yet. Strings are not copied: they
   must live as long as the record is used. A NULL string is JSON's null. The
   field is left out, with an error in Dovecot's log, if records of this kind do
   not have it, if it has another type, or if it must not be null. */
void popinjay_record_add_null(struct popinjay_record *record,
			      enum popinjay_log_field key);
void popinjay_record_add_str(struct popinjay_record *record,
			     enum popinjay_log_field key, const char *value);
void popinjay_record_add_uint(struct popinjay_record *record,
			      enum popinjay_log_field key, uint64_t value);
void popinjay_record_add_bool(struct popinjay_record *record,
			      enum popinjay_log_field key, bool value);
/* The JSON is RFC 3339 in UTC with microseconds,
   "2024-02-29T23:59:59.000001Z"; null if the year is not 1970-9999. */
void popinjay_record_add_time(struct popinjay_record *record,
			      enum popinjay_log_field key,
			      const struct timeval *value);

/* Returns the fields in the order in which they were added, and their number in
   *count_r. They are valid until the next one is added. */
const struct popinjay_field *
popinjay_record_get_fields(const struct popinjay_record *record,
			   unsigned int *count_r);

/* Append the record to dest as one JSON object (RFC 8259) with no line end and
   no space between its tokens. The output is always valid UTF-8: a byte of a
   string that is not becomes U+FFFD; U+0000-001F, U+007F-009F, U+2028 and
   U+2029 are written as \u and four hexadecimal digits. */
void popinjay_record_to_json(const struct popinjay_record *record,
			     string_t *dest);

/* Append the record to dest as logfmt: "key=value" with a space between, and
   without the fields that are null. A string is written as in JSON if it is
   empty, contains a space or another character that ends a word, or looks like
   a number, true, false or null, so that its type is clear. */
void popinjay_record_to_logfmt(const struct popinjay_record *record,
			       string_t *dest);

#endif
