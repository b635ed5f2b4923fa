/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the headers that records of messages tell. They are looked for in
   each message that is sent, so nothing else is done here: Dovecot's parser
   takes ten times as long. */

#include "lib.h"
#include "str.h"
#include "message-header-decode.h"
#include "log-headers.h"

/* A header's value on one line. */
static const char *
header_value(pool_t pool, const unsigned char *data, size_t size, bool decode)
{
	string_t *unfolded = t_str_new(128), *str = unfolded;
	size_t i;

	for (i = 0; i < size; i++) {
		if (data[i] != '\r' && data[i] != '\n')
			str_append_c(unfolded, data[i]);
	}
	if (decode) {
		str = t_str_new(128);
		message_header_decode_utf8(str_data(unfolded),
					   str_len(unfolded), str, NULL);
	}
	return p_strdup(pool, t_str_trim(str_c(str), " \t"));
}

/* Returns the value, if data begins with the header name, else NULL. */
static const unsigned char *
header_match(const unsigned char *data, size_t size, const char *name)
{
	size_t len = strlen(name);

	if (size < len || strncasecmp((const char *)data, name, len) != 0)
		return NULL;
	/* RFC 5322 4.5.8: there may be space before the colon */
	while (len < size && (data[len] == ' ' || data[len] == '\t'))
		len++;
	return len < size && data[len] == ':' ? data + len + 1 : NULL;
}

/* Returns where the header ends that begins at data, or NULL if that is not
   within size. */
static const unsigned char *
header_end(const unsigned char *data, size_t size)
{
	const unsigned char *end = data + size, *lf = data;

	while ((lf = memchr(lf, '\n', end - lf)) != NULL && ++lf < end) {
		if (*lf != ' ' && *lf != '\t')
			return lf;
	}
	return NULL;
}

bool popinjay_log_headers_find(pool_t pool, const unsigned char *data,
			       size_t size, bool whole,
			       const char **message_id,
			       const char **subject)
{
	const unsigned char *end = data + size, *next, *value;

	for (; data < end && *data != '\n' && *data != '\r'; data = next) {
		if ((message_id == NULL || *message_id != NULL) &&
		    (subject == NULL || *subject != NULL))
			return TRUE;
		next = header_end(data, end - data);
		if (next == NULL) {
			if (!whole)
				return FALSE;
			next = end;
		}
		size = next - data;
		if (message_id != NULL && *message_id == NULL &&
		    (value = header_match(data, size, "Message-ID")) != NULL) {
			*message_id = header_value(pool, value, next - value,
						   FALSE);
		} else if (subject != NULL && *subject == NULL &&
			   (value = header_match(data, size,
						 "Subject")) != NULL) {
			*subject = header_value(pool, value, next - value,
						TRUE);
		}
	}
	return data < end || whole;
}
