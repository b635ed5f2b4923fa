/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: records for the log, as JSON (RFC 8259) or logfmt. Most strings
   in them are chosen by clients, so nothing in a string may end the line, end
   the string, or move a terminal's cursor. Dovecot's json_append_escaped() does
   not escape DEL and the C1 controls. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "unichar.h"
#include "record.h"

#include <ctype.h>
#include <time.h>

/* 9999-12-31T23:59:59Z: RFC 3339 has four digits for the year */
#define TIME_MAX_SECS INT64_C(253402300799)
/* no record has more fields */
#define FIELDS_USUAL_COUNT 48

struct popinjay_record {
	enum popinjay_record_kind kind;
	ARRAY(struct popinjay_field) fields;
};

static enum popinjay_field_type field_type(const struct popinjay_field *field)
{
	return popinjay_log_fields[field->key].type;
}

static bool is_escaped(unichar_t chr)
{
	return chr < 0x20 || (chr >= 0x7f && chr < 0xa0) ||
		chr == 0x2028 || chr == 0x2029;
}

static void append_char(string_t *dest, unichar_t chr)
{
	if (chr == '"' || chr == '\\') {
		str_append_c(dest, '\\');
		str_append_c(dest, chr);
	} else if (is_escaped(chr)) {
		str_printfa(dest, "\\u%04x", chr);
	} else {
		uni_ucs4_to_utf8_c(chr, dest);
	}
}

/* Returns the length of the part of str that needs no escapes. */
static size_t plain_len(const char *str)
{
	const char *p = str;

	while (*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	return p - str;
}

static void append_str(string_t *dest, const char *str)
{
	size_t start, previous, left = strlen(str), plain = plain_len(str);
	unichar_t chr;
	int bytes;

	str_append_c(dest, '"');
	start = str_len(dest);
	/* most strings are nothing else */
	plain = I_MIN(plain, POPINJAY_RECORD_STR_MAX_BYTES);
	str_append_data(dest, str, plain);
	str += plain;
	left -= plain;
	while (left > 0) {
		bytes = uni_utf8_get_char_n(str, left, &chr);
		if (bytes <= 0) {
			chr = UNICODE_REPLACEMENT_CHAR;
			bytes = 1;
		}
		previous = str_len(dest);
		append_char(dest, chr);
		if (str_len(dest) - start > POPINJAY_RECORD_STR_MAX_BYTES) {
			str_truncate(dest, previous);
			uni_ucs4_to_utf8_c(UNICODE_HORIZONTAL_ELLIPSIS_CHAR,
					   dest);
			break;
		}
		str += bytes;
		left -= bytes;
	}
	str_append_c(dest, '"');
}

static bool time_is_valid(const struct timeval *time)
{
	int64_t secs = time->tv_sec;

	return secs >= 0 && secs <= TIME_MAX_SECS;
}

static void append_uint(string_t *dest, uint64_t value)
{
	char buf[MAX_INT_STRLEN];

	str_append(dest, dec2str_buf(buf, value));
}

static void append_time(string_t *dest, const struct timeval *time)
{
	/* many records share a second */
	static time_t last_sec = -1;
	static char last_text[] = "YYYY-MM-DDTHH:MM:SS.";
	char usecs[] = "uuuuuuZ";
	unsigned int i, left = time->tv_usec;

	if (time->tv_sec != last_sec) {
		const struct tm *tm = gmtime(&time->tv_sec);

		if (strftime(last_text, sizeof(last_text),
			     "%Y-%m-%dT%H:%M:%S.", tm) == 0)
			i_unreached();
		last_sec = time->tv_sec;
	}
	for (i = 6; i > 0; i--, left /= 10)
		usecs[i - 1] = '0' + left % 10;
	str_append(dest, last_text);
	str_append(dest, usecs);
}

static bool field_is_null(const struct popinjay_field *field)
{
	return field->null || (field_type(field) == POPINJAY_FIELD_TIME &&
			       !time_is_valid(&field->value.time));
}

static void append_value(string_t *dest, const struct popinjay_field *field)
{
	if (field_is_null(field)) {
		str_append(dest, "null");
		return;
	}
	switch (field_type(field)) {
	case POPINJAY_FIELD_STR:
		append_str(dest, field->value.str);
		break;
	case POPINJAY_FIELD_UINT:
		append_uint(dest, field->value.unum);
		break;
	case POPINJAY_FIELD_BOOL:
		str_append(dest, field->value.yes ? "true" : "false");
		break;
	case POPINJAY_FIELD_TIME:
		str_append_c(dest, '"');
		append_time(dest, &field->value.time);
		str_append_c(dest, '"');
		break;
	}
}

/* --- making a record --- */

static const char *event_name(enum popinjay_record_kind kind)
{
	switch (kind) {
	case POPINJAY_RECORD_SESSION:
		return POPINJAY_LOG_SESSION_FINISHED;
	case POPINJAY_RECORD_RETR:
	case POPINJAY_RECORD_TOP:
	case POPINJAY_RECORD_DELE:
	case POPINJAY_RECORD_EXPUNGE:
		return POPINJAY_LOG_MESSAGE_FINISHED;
	case POPINJAY_RECORD_COMMAND:
		return POPINJAY_LOG_COMMAND_FINISHED;
	case POPINJAY_RECORD_LOGIN:
		return POPINJAY_LOG_LOGIN_FINISHED;
	}
	i_unreached();
}

/* Programs that parse the log rely on the schema. But a session must not end
   because of a wrong record. */
static void add_field(struct popinjay_record *record,
		      enum popinjay_field_type type,
		      const struct popinjay_field *field)
{
	const struct popinjay_log_field_info *info =
		&popinjay_log_fields[field->key];

	if (info->type != type || (info->kinds & record->kind) == 0 ||
	    (field->null && (info->flags & POPINJAY_FIELD_MAY_BE_NULL) == 0)) {
		i_error("popinjay: BUG: The field %s is not for a record of "
			"%s, or its value is of another type or null - it is "
			"left out", info->name, event_name(record->kind));
		return;
	}
	array_push_back(&record->fields, field);
}

struct popinjay_record *
popinjay_record_create(pool_t pool, enum popinjay_record_kind kind)
{
	struct popinjay_record *record;

	record = p_new(pool, struct popinjay_record, 1);
	record->kind = kind;
	p_array_init(&record->fields, pool, FIELDS_USUAL_COUNT);
	popinjay_record_add_str(record, POPINJAY_LOG_EVENT, event_name(kind));
	return record;
}

const char *popinjay_record_event(const struct popinjay_record *record)
{
	return event_name(record->kind);
}

void popinjay_record_add_null(struct popinjay_record *record,
			      enum popinjay_log_field key)
{
	const struct popinjay_field field = { .key = key, .null = TRUE };

	add_field(record, popinjay_log_fields[key].type, &field);
}

void popinjay_record_add_str(struct popinjay_record *record,
			     enum popinjay_log_field key, const char *value)
{
	const struct popinjay_field field = {
		.key = key, .null = value == NULL, .value.str = value
	};

	add_field(record, POPINJAY_FIELD_STR, &field);
}

void popinjay_record_add_uint(struct popinjay_record *record,
			      enum popinjay_log_field key, uint64_t value)
{
	const struct popinjay_field field = {
		.key = key, .value.unum = value
	};

	add_field(record, POPINJAY_FIELD_UINT, &field);
}

void popinjay_record_add_bool(struct popinjay_record *record,
			      enum popinjay_log_field key, bool value)
{
	const struct popinjay_field field = {
		.key = key, .value.yes = value
	};

	add_field(record, POPINJAY_FIELD_BOOL, &field);
}

void popinjay_record_add_time(struct popinjay_record *record,
			      enum popinjay_log_field key,
			      const struct timeval *value)
{
	const struct popinjay_field field = {
		.key = key, .value.time = *value
	};

	add_field(record, POPINJAY_FIELD_TIME, &field);
}

const struct popinjay_field *
popinjay_record_get_fields(const struct popinjay_record *record,
			   unsigned int *count_r)
{
	return array_get(&record->fields, count_r);
}

/* --- JSON --- */

void popinjay_record_to_json(const struct popinjay_record *record,
			     string_t *dest)
{
	const struct popinjay_field *field;
	bool first = TRUE;

	str_append_c(dest, '{');
	array_foreach(&record->fields, field) {
		if (!first)
			str_append_c(dest, ',');
		first = FALSE;
		str_append_c(dest, '"');
		str_append(dest, popinjay_log_fields[field->key].name);
		str_append(dest, "\":");
		append_value(dest, field);
	}
	str_append_c(dest, '}');
}

/* --- logfmt --- */

/* Neither "=" nor the quotes are among them. */
static const char bare_characters[] = "._:/@+,<>()[]{}*%#~^&;!?|$'`-";

static bool str_is_number(const char *str)
{
	if (*str == '-')
		str++;
	return *str != '\0' && str[strspn(str, "0123456789")] == '\0';
}

static bool str_is_bare(const char *str)
{
	const char *p;

	if (strlen(str) > POPINJAY_RECORD_STR_MAX_BYTES)
		return FALSE;
	for (p = str; *p != '\0'; p++) {
		if (!i_isalnum(*p) && strchr(bare_characters, *p) == NULL)
			return FALSE;
	}
	return p > str && !str_is_number(str) && strcmp(str, "true") != 0 &&
		strcmp(str, "false") != 0 && strcmp(str, "null") != 0;
}

void popinjay_record_to_logfmt(const struct popinjay_record *record,
			       string_t *dest)
{
	const struct popinjay_field *field;
	size_t start = str_len(dest);

	array_foreach(&record->fields, field) {
		if (field_is_null(field))
			continue;
		if (str_len(dest) > start)
			str_append_c(dest, ' ');
		str_append(dest, popinjay_log_fields[field->key].name);
		str_append_c(dest, '=');
		if (field_type(field) == POPINJAY_FIELD_STR &&
		    str_is_bare(field->value.str))
			str_append(dest, field->value.str);
		else if (field_type(field) == POPINJAY_FIELD_TIME)
			append_time(dest, &field->value.time);
		else
			append_value(dest, field);
	}
}
