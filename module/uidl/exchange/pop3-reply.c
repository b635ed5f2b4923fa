/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the client's side of POP3, as far as it is parsing. */

#include "lib.h"
#include "net.h"
#include "str.h"
#include "hex-binary.h"
#include "pop3-reply.h"

#define PORT_POP3 110
#define PORT_POP3S 995

void popinjay_pop3_reply_init(struct popinjay_pop3_reply *reply,
			      const struct popinjay_pop3_reply_vfuncs *v,
			      void *context)
{
	i_zero(reply);
	reply->v = v;
	reply->context = context;
}

/* Returns 1 if the next reply follows, 0 if none does, -1 if it is no status
   line. */
static int reply_status(struct popinjay_pop3_reply *reply, const char **error_r)
{
	const char *text = reply->status;
	bool ok = strncmp(text, "+OK", 3) == 0;

	if (!ok && strncmp(text, "-ERR", 4) != 0) {
		*error_r = "It does not speak POP3";
		return -1;
	}
	text += ok ? 3 : 4;
	while (*text == ' ')
		text++;
	if (reply->v->status(ok, text, reply->context)) {
		reply->state = POPINJAY_POP3_REPLY_LINE_START;
		return 1;
	}
	return reply->v->end(reply->context) ? 1 : 0;
}

static int reply_status_byte(struct popinjay_pop3_reply *reply, char byte,
			     const char **error_r)
{
	if (byte == '\n') {
		if (reply->status_len > 0 &&
		    reply->status[reply->status_len-1] == '\r')
			reply->status_len--;
		reply->status[reply->status_len] = '\0';
		reply->status_len = 0;
		return reply_status(reply, error_r);
	}
	if (byte == '\0' ||
	    reply->status_len == POPINJAY_POP3_STATUS_MAX_LEN) {
		*error_r = "It does not speak POP3";
		return -1;
	}
	reply->status[reply->status_len++] = byte;
	return 1;
}

static void reply_data(struct popinjay_pop3_reply *reply, const char *data,
		       size_t size)
{
	if (size > 0)
		reply->v->data(data, size, reply->context);
}

/* A byte of a multi-line reply. Returns 0 if it is the last one of all, else
   1. */
static int reply_line_byte(struct popinjay_pop3_reply *reply, char byte)
{
	if (reply->state == POPINJAY_POP3_REPLY_LINE_START && byte == '.') {
		reply->state = POPINJAY_POP3_REPLY_DOT;
		return 1;
	}
	if (reply->state == POPINJAY_POP3_REPLY_DOT && byte == '\n') {
		reply->state = POPINJAY_POP3_REPLY_STATUS;
		reply->cr = FALSE;
		return reply->v->end(reply->context) ? 1 : 0;
	}
	if (reply->state == POPINJAY_POP3_REPLY_DOT && byte == '\r' &&
	    !reply->cr) {
		reply->cr = TRUE;
		return 1;
	}
	if (byte == '\n') {
		/* without the CR before it */
		reply->cr = FALSE;
		reply->state = POPINJAY_POP3_REPLY_LINE_START;
	} else {
		if (reply->cr)
			reply_data(reply, "\r", 1);
		reply->cr = byte == '\r';
		reply->state = POPINJAY_POP3_REPLY_LINE;
		if (reply->cr)
			return 1;
	}
	reply_data(reply, &byte, 1);
	return 1;
}

ssize_t popinjay_pop3_reply_more(struct popinjay_pop3_reply *reply,
				 const void *_data, size_t size,
				 const char **error_r)
{
	const char *data = _data;
	size_t i, len;
	int ret = 1;

	for (i = 0; i < size && ret > 0; i += len) {
		len = 1;
		if (reply->state == POPINJAY_POP3_REPLY_STATUS) {
			ret = reply_status_byte(reply, data[i], error_r);
		} else if (reply->state == POPINJAY_POP3_REPLY_LINE &&
			 !reply->cr && data[i] != '\r' && data[i] != '\n') {
			/* most of a message: up to where the line may end */
			while (i + len < size && data[i + len] != '\r' &&
			       data[i + len] != '\n')
				len++;
			reply_data(reply, data + i, len);
		} else {
			ret = reply_line_byte(reply, data[i]);
		}
	}
	return ret < 0 ? -1 : (ssize_t)i;
}

int popinjay_pop3_listing_parse(const char *line, unsigned int *msn_r,
				const char **rest_r)
{
	const char *p;

	if (str_parse_uint(line, msn_r, &p) < 0 || *msn_r == 0 || *p != ' ')
		return -1;
	while (*p == ' ')
		p++;
	if (*p == '\0')
		return -1;
	*rest_r = p;
	return 0;
}

/* --- URLs --- */

/* Returns -1 if a % is not followed by two hex digits, or stands for NUL or a
   control character, which would end a command. */
static int url_decode(const char *str, pool_t pool, const char **decoded_r)
{
	buffer_t *byte = t_buffer_create(1);
	string_t *decoded = t_str_new(64);
	char chr;

	for (; *str != '\0'; str++) {
		chr = *str;
		if (chr == '%') {
			buffer_set_used_size(byte, 0);
			if (str[1] == '\0' || str[2] == '\0' ||
			    hex_to_binary(t_strndup(str + 1, 2), byte) < 0)
				return -1;
			chr = *(const char *)byte->data;
			str += 2;
		}
		if ((unsigned char)chr < 0x20 || chr == 0x7f)
			return -1;
		str_append_c(decoded, chr);
	}
	*decoded_r = p_strdup(pool, str_c(decoded));
	return 0;
}

int popinjay_pop3_url_parse(const char *str, pool_t pool,
			    struct popinjay_pop3_url *url_r,
			    const char **error_r)
{
	const char *at, *port = NULL;
	size_t len;

	i_zero(url_r);
	if (strncmp(str, "pop3s://", 8) == 0) {
		url_r->pop3s = TRUE;
		str += 8;
	} else if (strncmp(str, "pop3://", 7) == 0) {
		str += 7;
	} else {
		*error_r = "It is not a URL like pop3s://user@host";
		return -1;
	}
	url_r->port = url_r->pop3s ? PORT_POP3S : PORT_POP3;

	at = strrchr(str, '@');
	if (at != NULL) {
		if (at == str ||
		    url_decode(t_strdup_until(str, at), pool,
			       &url_r->user) < 0) {
			*error_r = "Its user name is invalid";
			return -1;
		}
		if (strchr(t_strdup_until(str, at), ':') != NULL) {
			*error_r = "A password does not belong there: all users"
				" of this machine could see it";
			return -1;
		}
		str = at + 1;
	}
	len = strlen(str);
	if (len > 0 && str[len-1] == '/')
		str = t_strndup(str, len - 1);
	if (*str == '[') {
		const char *end = strchr(str, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
			*error_r = "Its host name is invalid";
			return -1;
		}
		url_r->host = p_strdup_until(pool, str + 1, end);
		if (end[1] == ':')
			port = end + 2;
	} else {
		port = strchr(str, ':');
		url_r->host = port == NULL ? p_strdup(pool, str) :
			p_strdup_until(pool, str, port);
		if (port != NULL)
			port++;
	}
	if (port != NULL && net_str2port(port, &url_r->port) < 0) {
		*error_r = "Its port is invalid";
		return -1;
	}
	if (*url_r->host == '\0' || strpbrk(url_r->host, "/ ?#@") != NULL) {
		*error_r = "Its host name is invalid";
		return -1;
	}
	return 0;
}
