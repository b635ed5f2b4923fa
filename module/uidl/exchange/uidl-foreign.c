/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: reads the files of other servers. They are of users, so nothing
   in them is trusted. */

#include "lib.h"
#include "str.h"
#include "uidl-foreign.h"
#include "uidlist.h"

#define LINE_MAX_BYTES 4096

/* The lines of a text. */
struct line_reader {
	const char *data, *end;
	unsigned int number;
};

/* Returns 1 and the next line, 0 at the end, -1 if it is none. */
static int reader_next(struct line_reader *reader, const char **line_r,
		       const char **error_r)
{
	const char *line_end;
	size_t len;

	if (reader->data == reader->end)
		return 0;
	reader->number++;
	line_end = memchr(reader->data, '\n', reader->end - reader->data);
	if (line_end == NULL) {
		*error_r = t_strdup_printf("Line %u: It has no line end",
					   reader->number);
		return -1;
	}
	len = line_end - reader->data;
	if (len > LINE_MAX_BYTES || memchr(reader->data, '\0', len) != NULL) {
		*error_r = t_strdup_printf(
			"Line %u: It is too long or has a NUL in it",
			reader->number);
		return -1;
	}
	*line_r = t_strndup(reader->data, len);
	reader->data = line_end + 1;
	return 1;
}

typedef bool line_func_t(const char *line, struct popinjay_uidlist *list,
			 popinjay_uidl_foreign_func_t *func, void *context);

/* Give all further lines to line_func(), which returns FALSE for one that makes
   no sense. */
static int
read_lines(struct line_reader *reader, line_func_t *line_func,
	   struct popinjay_uidlist *list, popinjay_uidl_foreign_func_t *func,
	   void *context, const char **error_r)
{
	const char *line;
	int ret;

	do {
		T_BEGIN {
			ret = reader_next(reader, &line, error_r);
			if (ret > 0 && !line_func(line, list, func,
						  context)) {
				*error_r = t_strdup_printf(
					"Line %u: It is not valid in this file",
					reader->number);
				ret = -1;
			}
		} T_END_PASS_STR_IF(ret < 0, error_r);
	} while (ret > 0);
	return ret;
}

static const char *filename_without_flags(const char *filename)
{
	return t_strcut(filename, ':');
}

/* --- Courier --- */

/* What Courier makes of a file name where it has no number. */
static const char *courier_filename_uidl(const char *filename)
{
	string_t *uidl = t_str_new(128);

	for (; *filename != '\0'; filename++) {
		if (*filename < 0x21 || *filename > 0x7e ||
		    strchr("'\"+", *filename) != NULL) {
			str_printfa(uidl, "+%02X",
				    (unsigned int)(unsigned char)*filename);
		} else {
			str_append_c(uidl, *filename);
		}
	}
	return str_c(uidl);
}

/* FILENAME SIZE UID[:UIDVALIDITY[:UTF8]] */
static bool
courier_line(const char *line, struct popinjay_uidlist *list ATTR_UNUSED,
	     popinjay_uidl_foreign_func_t *func, void *context)
{
	struct popinjay_uidl_foreign message;
	const char *ids = strrchr(line, ' '), *size;
	const char *const *parts;
	unsigned int count;

	if (ids == NULL)
		return FALSE;
	line = t_strdup_until(line, ids);
	size = strrchr(line, ' ');
	if (size == NULL || size == line)
		return FALSE;
	parts = t_strsplit(ids + 1, ":");
	count = str_array_length(parts);

	i_zero(&message);
	if (count == 0 || count > 3 ||
	    str_to_uoff(size + 1, &message.size) < 0 ||
	    str_to_uint32(parts[0], &message.uid) < 0 ||
	    (count > 1 && str_to_uint32(parts[1], &message.uidvalidity) < 0))
		return FALSE;
	message.filename = filename_without_flags(t_strdup_until(line, size));
	if (message.uid == 0) {
		message.uidl = courier_filename_uidl(message.filename);
	} else if (message.uidvalidity == 0) {
		message.uidl = t_strdup_printf("UID%u", message.uid);
	} else {
		message.uidl = t_strdup_printf("UID%u-%u", message.uid,
					       message.uidvalidity);
	}
	func(&message, context);
	return TRUE;
}

int popinjay_courier_parse(const void *data, size_t size,
			   popinjay_uidl_foreign_func_t *func, void *context,
			   const char **error_r)
{
	struct line_reader reader = {
		.data = data, .end = (const char *)data + size
	};
	const char *line;
	int ret;

	ret = reader_next(&reader, &line, error_r);
	if (ret < 0)
		return -1;
	if (ret == 0 || line[0] != '/' || line[1] < '1' || line[1] > '3' ||
	    line[2] != ' ') {
		*error_r = "It is not a courierpop3dsizelist";
		return -1;
	}
	return read_lines(&reader, courier_line, NULL, func, context, error_r);
}

/* --- Dovecot --- */

static const char *text_dup(const struct popinjay_uidlist_text *text)
{
	return text->data == NULL ? NULL : t_strndup(text->data, text->size);
}

static bool
uidlist_line(const char *line, struct popinjay_uidlist *list,
	     popinjay_uidl_foreign_func_t *func, void *context)
{
	struct popinjay_uidlist_entry entry;
	struct popinjay_uidl_foreign message;

	if (popinjay_uidlist_line(list, (const unsigned char *)line,
				  strlen(line), &entry) <= 0)
		return FALSE;
	i_zero(&message);
	message.uid = entry.uid;
	message.uidvalidity = list->uidvalidity;
	message.size = entry.virtual_size;
	message.uidl = text_dup(&entry.pop3_uidl);
	message.guid = text_dup(&entry.guid);
	message.filename = filename_without_flags(text_dup(&entry.filename));
	if (*message.filename == '\0')
		return FALSE;
	func(&message, context);
	return TRUE;
}

int popinjay_uidlist_parse(const void *data, size_t size,
			   popinjay_uidl_foreign_func_t *func, void *context,
			   const char **error_r)
{
	struct line_reader reader = {
		.data = data, .end = (const char *)data + size
	};
	struct popinjay_uidlist list;
	struct popinjay_uidlist_entry entry;
	const char *line = "";

	popinjay_uidlist_init(&list, 0);
	if (reader_next(&reader, &line, error_r) < 0)
		return -1;
	if (popinjay_uidlist_line(&list, (const unsigned char *)line,
				  strlen(line), &entry) < 0) {
		*error_r = list.version == 0 ?
			"It is not a dovecot-uidlist" :
			"Its first line has no UIDVALIDITY";
		return -1;
	}
	return read_lines(&reader, uidlist_line, &list, func, context,
			  error_r);
}

/* --- Cyrus --- */

static uint32_t cyrus_number(const unsigned char *data)
{
	return (uint32_t)data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3];
}

int popinjay_cyrus_parse(const void *_data, size_t size,
			 uint32_t *uidvalidity_r, const char **error_r)
{
	const unsigned char *data = _data;
	uint32_t version, start;

	if (size < POPINJAY_CYRUS_HEADER_BYTES) {
		*error_r = "It is too short for a cyrus.index";
		return -1;
	}
	version = cyrus_number(data + 8);
	start = cyrus_number(data + 12);
	/* Cyrus 2.3 has 10; the UIDVALIDITY has not moved since. */
	if (version < 10 || version > 64 ||
	    start < POPINJAY_CYRUS_HEADER_BYTES) {
		*error_r = t_strdup_printf(
			"This version of cyrus.index is unknown (%u)",
			version);
		return -1;
	}
	*uidvalidity_r = cyrus_number(data + 44);
	if (*uidvalidity_r == 0) {
		*error_r = "It has no UIDVALIDITY";
		return -1;
	}
	return 0;
}

bool popinjay_cyrus_filename_parse(const char *name, uint32_t *uid_r)
{
	const char *p;

	return *name >= '1' && *name <= '9' &&
		str_parse_uint32(name, uid_r, &p) == 0 && strcmp(p, ".") == 0;
}
