/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: finds the record in a line of a log. Millions of lines go through
   here, and most have no record, so a line is read once and nothing is copied.
   Dovecot's JSON parsers allocate each value, and those of 2.3 and 2.4 differ.
   Clients choose the text of some lines, such as the subject of a mail.
   Therefore a record counts only at the start of a message, after the prefix of
   Dovecot's log, and only if it is well formed up to the end of the line. */

#include "lib.h"
#include "hex-dec.h"
#include "str.h"
#include "unichar.h"
#include "log-line.h"
#include "time-units.h"

#include <ctype.h>

/* the longest prefix that Dovecot or syslog puts before a record */
#define PREFIX_MAX_BYTES 1024

struct scanner {
	const unsigned char *pos, *end;
	struct popinjay_log_record *record;
	bool seen[POPINJAY_LOG_FIELD_COUNT];
};

static const enum popinjay_log_value_type value_types[] = {
	[POPINJAY_FIELD_STR] = POPINJAY_LOG_STR,
	[POPINJAY_FIELD_UINT] = POPINJAY_LOG_NUM,
	[POPINJAY_FIELD_BOOL] = POPINJAY_LOG_BOOL,
	[POPINJAY_FIELD_TIME] = POPINJAY_LOG_STR
};

/* Number of a field + 1 by hash_name(), 0 where there is none. A field whose
   place is taken has the next free one. */
#define NAME_HASH_SIZE 256
static unsigned char name_hash[NAME_HASH_SIZE];
static bool name_hash_ready = FALSE;

static unsigned int hash_name(const unsigned char *name, size_t size)
{
	return (size * 31 + name[0] * 7 + name[size - 1]) % NAME_HASH_SIZE;
}

static void name_hash_init(void)
{
	const struct popinjay_log_field_info *info;
	unsigned int i, h;

	for (i = 0; i < POPINJAY_LOG_FIELD_COUNT; i++) {
		info = &popinjay_log_fields[i];
		h = hash_name((const unsigned char *)info->name,
			      info->name_len);
		while (name_hash[h] != 0)
			h = (h + 1) % NAME_HASH_SIZE;
		name_hash[h] = i + 1;
	}
	name_hash_ready = TRUE;
}

static bool find_field(const unsigned char *name, size_t size,
		       enum popinjay_log_field *field_r)
{
	unsigned int h, i;

	if (size == 0)
		return FALSE;
	for (h = hash_name(name, size); name_hash[h] != 0;
	     h = (h + 1) % NAME_HASH_SIZE) {
		i = name_hash[h] - 1;
		if (popinjay_log_fields[i].name_len == size &&
		    memcmp(popinjay_log_fields[i].name, name, size) == 0) {
			*field_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

/* What values of the field are read as. */
static enum popinjay_log_value_type field_type(enum popinjay_log_field field)
{
	return value_types[popinjay_log_fields[field].type];
}

/* --- values --- */

/* Read a string after its opening quote, and pass its closing one. */
static bool
scan_quoted(struct scanner *scan, struct popinjay_log_value *value_r)
{
	const unsigned char *p = scan->pos;
	unsigned int i;

	i_zero(value_r);
	value_r->data = p;
	for (; p < scan->end && *p != '"'; p++) {
		if (*p < 0x20)
			return FALSE;
		if (*p != '\\')
			continue;
		value_r->escaped = TRUE;
		if (++p == scan->end ||
		    memchr("\"\\/bfnrtu", *p, 9) == NULL)
			return FALSE;
		if (*p != 'u')
			continue;
		if (scan->end - p < 5)
			return FALSE;
		for (i = 0; i < 4; i++) {
			if (!i_isxdigit(*++p))
				return FALSE;
		}
	}
	if (p == scan->end)
		return FALSE;
	value_r->size = p - value_r->data;
	value_r->type = POPINJAY_LOG_STR;
	scan->pos = p + 1;
	return TRUE;
}

static bool is_word(const unsigned char *data, size_t size, const char *word)
{
	return strlen(word) == size && memcmp(data, word, size) == 0;
}

/* Get the value of a word without quotes; its type is NONE if it is another one
   than we read. */
static void word_value(const unsigned char *data, size_t size,
		       struct popinjay_log_value *value_r)
{
	uint64_t num = 0;
	size_t i;

	i_zero(value_r);
	if (is_word(data, size, "true") || is_word(data, size, "false")) {
		value_r->type = POPINJAY_LOG_BOOL;
		value_r->num = data[0] == 't' ? 1 : 0;
		return;
	}
	for (i = 0; i < size && i_isdigit(data[i]); i++) {
		if (num > (UINT64_MAX - (data[i] - '0')) / 10)
			return;
		num = num * 10 + (data[i] - '0');
	}
	if (i == 0 || i < size)
		return;
	value_r->type = POPINJAY_LOG_NUM;
	value_r->num = num;
}

/* Number, as in RFC 8259 section 6, or true, false or null. */
static bool is_json_word(const unsigned char *data, size_t size)
{
	const unsigned char *p = data, *end = data + size, *digits;

	if (is_word(data, size, "true") || is_word(data, size, "false") ||
	    is_word(data, size, "null"))
		return TRUE;
	if (p < end && *p == '-')
		p++;
	digits = p;
	while (p < end && i_isdigit(*p))
		p++;
	if (p == digits || (*digits == '0' && p - digits > 1))
		return FALSE;
	if (p < end && *p == '.') {
		for (digits = ++p; p < end && i_isdigit(*p); p++) ;
		if (p == digits)
			return FALSE;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		for (digits = p; p < end && i_isdigit(*p); p++) ;
		if (p == digits)
			return FALSE;
	}
	return p == end;
}

/* Keep a value of a known field if it has the field's type. Returns FALSE if
   the field occurs twice: other programs might take the other value. */
static bool
keep_value(struct scanner *scan, const unsigned char *name, size_t size,
	   const struct popinjay_log_value *value)
{
	enum popinjay_log_field field;

	if (!find_field(name, size, &field))
		return TRUE;
	if (scan->seen[field])
		return FALSE;
	scan->seen[field] = TRUE;
	if (value->type == field_type(field))
		scan->record->values[field] = *value;
	return TRUE;
}

/* --- JSON --- */

static void skip_space(struct scanner *scan)
{
	while (scan->pos < scan->end &&
	       (*scan->pos == ' ' || *scan->pos == '\t'))
		scan->pos++;
}

static bool scan_char(struct scanner *scan, unsigned char chr)
{
	skip_space(scan);
	if (scan->pos == scan->end || *scan->pos != chr)
		return FALSE;
	scan->pos++;
	return TRUE;
}

static bool scan_json_value(struct scanner *scan,
			    struct popinjay_log_value *value_r)
{
	const unsigned char *start;

	skip_space(scan);
	if (scan->pos < scan->end && *scan->pos == '"') {
		scan->pos++;
		return scan_quoted(scan, value_r);
	}
	start = scan->pos;
	while (scan->pos < scan->end &&
	       (i_isalnum(*scan->pos) || *scan->pos == '-' ||
		*scan->pos == '+' || *scan->pos == '.'))
		scan->pos++;
	if (!is_json_word(start, scan->pos - start))
		return FALSE;
	word_value(start, scan->pos - start, value_r);
	return TRUE;
}

static bool scan_json(struct scanner *scan)
{
	struct popinjay_log_value name, value;

	if (!scan_char(scan, '{'))
		return FALSE;
	do {
		if (!scan_char(scan, '"') || !scan_quoted(scan, &name) ||
		    !scan_char(scan, ':') || !scan_json_value(scan, &value) ||
		    !keep_value(scan, name.data, name.size, &value))
			return FALSE;
	} while (scan_char(scan, ','));
	if (!scan_char(scan, '}'))
		return FALSE;
	skip_space(scan);
	return scan->pos == scan->end;
}

/* --- logfmt --- */

static bool scan_logfmt_value(struct scanner *scan,
			      const unsigned char *name, size_t size)
{
	struct popinjay_log_value value;
	enum popinjay_log_field field;
	const unsigned char *start = scan->pos;

	if (scan->pos < scan->end && *scan->pos == '"') {
		scan->pos++;
		return scan_quoted(scan, &value) &&
			keep_value(scan, name, size, &value);
	}
	while (scan->pos < scan->end && *scan->pos != ' ') {
		if (*scan->pos < 0x20 || *scan->pos == '"' ||
		    *scan->pos == '=')
			return FALSE;
		scan->pos++;
	}
	word_value(start, scan->pos - start, &value);
	/* in logfmt the field determines the type */
	if (find_field(name, size, &field) &&
	    field_type(field) == POPINJAY_LOG_STR &&
	    scan->pos > start && !is_word(start, scan->pos - start, "null")) {
		value.type = POPINJAY_LOG_STR;
		value.data = start;
		value.size = scan->pos - start;
	}
	return keep_value(scan, name, size, &value);
}

static bool scan_logfmt(struct scanner *scan)
{
	const unsigned char *name;
	size_t size;

	for (;;) {
		name = scan->pos;
		while (scan->pos < scan->end &&
		       (i_isalnum(*scan->pos) || *scan->pos == '_'))
			scan->pos++;
		size = scan->pos - name;
		if (size == 0 || scan->pos == scan->end || *scan->pos != '=')
			return FALSE;
		scan->pos++;
		if (!scan_logfmt_value(scan, name, size))
			return FALSE;
		if (scan->pos == scan->end)
			return TRUE;
		if (*scan->pos++ != ' ')
			return FALSE;
	}
}

/* --- the line --- */

static unsigned int parse_digits(const unsigned char *data, unsigned int count,
				 bool *ok)
{
	unsigned int i, num = 0;

	for (i = 0; i < count; i++) {
		if (!i_isdigit(data[i]))
			*ok = FALSE;
		num = num * 10 + (data[i] - '0');
	}
	return num;
}

/* "2024-02-29T23:59:59.000001Z", the only form that record.h writes, with six
   digits or fewer after the point, or without the point. */
static bool parse_time(const struct popinjay_log_value *value,
		       uint64_t *usecs_r)
{
	/* days before each month in a year that is not a leap year */
	static const unsigned int month_days[] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
	};
	const unsigned char *p = value->data;
	unsigned int year, month, day, hour, minute, sec, i;
	uint64_t days, usecs = 0, unit = USECS_IN_SEC;
	bool leap, ok = TRUE;

	if (value->type != POPINJAY_LOG_STR || value->size < 20 ||
	    p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' ||
	    p[16] != ':' || p[value->size - 1] != 'Z')
		return FALSE;
	year = parse_digits(p, 4, &ok);
	month = parse_digits(p + 5, 2, &ok);
	day = parse_digits(p + 8, 2, &ok);
	hour = parse_digits(p + 11, 2, &ok);
	minute = parse_digits(p + 14, 2, &ok);
	sec = parse_digits(p + 17, 2, &ok);
	if (value->size > 20) {
		if (p[19] != '.' || value->size > 27)
			return FALSE;
		for (i = 20; i < value->size - 1; i++) {
			unit /= 10;
			usecs += parse_digits(p + i, 1, &ok) * unit;
		}
	}
	if (!ok || year < 1970 || month < 1 || month > 12 || hour > 23 ||
	    minute > 59 || sec > 60)
		return FALSE;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day < 1 || day > month_days[month] - month_days[month - 1] +
	    (leap && month == 2 ? 1 : 0))
		return FALSE;
	days = (year - 1970) * UINT64_C(365) + (year - 1969) / 4 -
		(year - 1901) / 100 + (year - 1601) / 400 +
		month_days[month - 1] + (leap && month > 2 ? 1 : 0) + day - 1;
	*usecs_r = (((days * 24 + hour) * 60 + minute) * 60 + sec) *
		USECS_IN_SEC + usecs;
	return TRUE;
}

static bool begins_with(const unsigned char *data, const unsigned char *end,
			const char *str)
{
	size_t size = strlen(str);

	return (size_t)(end - data) >= size && memcmp(data, str, size) == 0;
}

static bool is_record_start(const unsigned char *data,
			    const unsigned char *end)
{
	return begins_with(data, end,
			   "{\"event\":\"" POPINJAY_LOG_EVENT_PREFIX) ||
		begins_with(data, end, "event=" POPINJAY_LOG_EVENT_PREFIX);
}

/* Returns TRUE if the word that ends here is the name that syslog puts before a
   message of Dovecot or Popinjay, such as "dovecot" or "popinjay[123]". */
static bool is_syslog_tag(const unsigned char *line, const unsigned char *end)
{
	const unsigned char *p = end;

	while (p > line && p[-1] != ' ')
		p--;
	if (!begins_with(p, end, "dovecot") &&
	    !begins_with(p, end, "popinjay"))
		return FALSE;
	for (; p < end; p++) {
		if (!i_isalnum(*p) && memchr("-_.[]", *p, 5) == NULL)
			return FALSE;
	}
	return TRUE;
}

/* Returns where the message of a line begins: after "Nov 23 14:02:11
   pop3(alice)<123><xyz>: Info: " in Dovecot's own files and "Nov 23 14:02:11
   host dovecot: pop3(alice)<123><xyz>: " or "Nov 23 14:02:11 host
   popinjay[123]: " in those of syslog. NULL if there is none. Clients cannot
   influence what precedes the first ": " of a Dovecot message. */
static const unsigned char *
find_message(const unsigned char *line, const unsigned char *line_end)
{
	const unsigned char *p = line, *end = line_end;
	bool tag_seen = FALSE;

	if (line == line_end)
		return NULL;
	if (end - line > PREFIX_MAX_BYTES)
		end = line + PREFIX_MAX_BYTES;
	for (;;) {
		p = memchr(p, ':', end - p);
		if (p == NULL || end - p < 2)
			return NULL;
		if (p[1] != ' ') {
			p++;
			continue;
		}
		if (tag_seen || !is_syslog_tag(line, p))
			break;
		tag_seen = TRUE;
		p += 2;
		if (is_record_start(p, line_end))
			return p;
	}
	p += 2;
	if (begins_with(p, line_end, "Info: "))
		p += strlen("Info: ");
	return p;
}

static enum popinjay_log_event
record_event(const struct popinjay_log_record *record)
{
	const struct popinjay_log_value *event =
		&record->values[POPINJAY_LOG_EVENT];

	if (is_word(event->data, event->size, POPINJAY_LOG_MESSAGE_FINISHED))
		return POPINJAY_LOG_MESSAGE;
	if (is_word(event->data, event->size, POPINJAY_LOG_SESSION_FINISHED))
		return POPINJAY_LOG_SESSION;
	if (is_word(event->data, event->size, POPINJAY_LOG_LOGIN_FINISHED))
		return POPINJAY_LOG_LOGIN;
	return POPINJAY_LOG_OTHER_EVENT;
}

enum popinjay_log_line
popinjay_log_line_read(const unsigned char *line, size_t size,
		       struct popinjay_log_record *record_r)
{
	struct scanner scan = {
		.pos = line, .end = line + size, .record = record_r
	};
	bool ok;

	while (scan.end > scan.pos && scan.end[-1] == '\r')
		scan.end--;
	if (!is_record_start(scan.pos, scan.end)) {
		scan.pos = find_message(scan.pos, scan.end);
		if (scan.pos == NULL || !is_record_start(scan.pos, scan.end))
			return POPINJAY_LOG_LINE_OTHER;
	}
	if (!name_hash_ready)
		name_hash_init();
	i_zero(record_r);
	ok = *scan.pos == '{' ? scan_json(&scan) : scan_logfmt(&scan);
	if (!ok || !parse_time(&record_r->values[POPINJAY_LOG_TIME],
			       &record_r->time_usecs))
		return POPINJAY_LOG_LINE_DAMAGED;
	record_r->event = record_event(record_r);
	return POPINJAY_LOG_LINE_RECORD;
}

/* --- fields --- */

/* Append what the escape at *p stands for, and leave *p at its last byte. */
static void append_escape(string_t *dest, const unsigned char **p)
{
	static const char names[] = "bfnrt", controls[] = "\b\f\n\r\t";
	const char *name;
	unichar_t chr;

	++*p;
	if (**p == 'u') {
		chr = hex2dec(*p + 1, 4);
		*p += 4;
		/* record.h writes characters above U+FFFF as they are; NUL
		   would end the string */
		if (chr == 0 || UTF16_VALID_HIGH_SURROGATE(chr) ||
		    UTF16_VALID_LOW_SURROGATE(chr))
			chr = UNICODE_REPLACEMENT_CHAR;
		uni_ucs4_to_utf8_c(chr, dest);
	} else {
		name = strchr(names, **p);
		str_append_c(dest, name == NULL ? **p :
			     controls[name - names]);
	}
}

const char *
popinjay_log_record_str(const struct popinjay_log_record *record,
			enum popinjay_log_field key)
{
	const struct popinjay_log_value *value = &record->values[key];
	const unsigned char *p, *end;
	string_t *str;

	if (value->type != POPINJAY_LOG_STR)
		return NULL;
	end = value->data + value->size;
	if (!value->escaped)
		return t_strdup_until(value->data, end);
	str = t_str_new(value->size);
	for (p = value->data; p < end; p++) {
		if (*p == '\\')
			append_escape(str, &p);
		else
			str_append_c(str, *p);
	}
	return str_c(str);
}

uint64_t popinjay_log_record_num(const struct popinjay_log_record *record,
				 enum popinjay_log_field key)
{
	return record->values[key].num;
}

bool popinjay_log_record_has(const struct popinjay_log_record *record,
			     enum popinjay_log_field key)
{
	return record->values[key].type != POPINJAY_LOG_NONE;
}

bool popinjay_log_record_str_equals(const struct popinjay_log_record *record,
				    enum popinjay_log_field key,
				    const char *str)
{
	const struct popinjay_log_value *value = &record->values[key];
	bool equal;

	if (value->type != POPINJAY_LOG_STR)
		return FALSE;
	if (!value->escaped)
		return is_word(value->data, value->size, str);
	T_BEGIN {
		equal = strcmp(popinjay_log_record_str(record, key), str) == 0;
	} T_END;
	return equal;
}
