/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: what a command is asked and what it answers. All bytes of
   its reply are sent here, except for those of Dovecot's own commands. */

#include "session.h"
#include "str.h"
#include "command-line.h"
#include "reply.h"

/* RFC 2449 section 4: a response line has at most 512 octets with its CRLF */
#define REPLY_MAX_LEN 510

static int request_send(struct popinjay_request *request, const void *data,
			size_t size, bool last)
{
	struct popinjay_client *client = request->session->client;
	struct const_iovec iov[3];
	unsigned int count = 0;

	if (request->status_line != NULL) {
		iov[count].iov_base = request->status_line;
		iov[count++].iov_len = strlen(request->status_line);
		request->status_line = NULL;
	}
	if (size > 0) {
		iov[count].iov_base = data;
		iov[count++].iov_len = size;
	}
	if (last) {
		iov[count].iov_base = ".\r\n";
		iov[count++].iov_len = 3;
		request->multiline = FALSE;
	}
	return popinjay_client_send(client, iov, count);
}

int popinjay_request_send(struct popinjay_request *request, const void *data,
			  size_t size)
{
	return request_send(request, data, size, FALSE);
}

int popinjay_request_send_last(struct popinjay_request *request,
			       const void *data, size_t size)
{
	return request_send(request, data, size, TRUE);
}

bool popinjay_reply_take_back(struct popinjay_request *request)
{
	if (request->status_line == NULL)
		return FALSE;
	request->status_line = NULL;
	request->multiline = FALSE;
	request->replied = FALSE;
	return TRUE;
}

enum popinjay_outcome
popinjay_request_wait(struct popinjay_request *request,
		      popinjay_more_func_t *more)
{
	request->more = more;
	return POPINJAY_OUTCOME_MORE;
}

/* The only place that writes the line of a reply. */
static void ATTR_FORMAT(4, 0)
reply(struct popinjay_request *request, const char *status, const char *code,
      const char *fmt, va_list args)
{
	string_t *text = t_str_new(128);
	string_t *line = t_str_new(128);
	char *p;

	if (request->replied) {
		e_error(popinjay_client_event(request->session->client),
			"popinjay: A plugin replied to %s twice, or too late",
			request->name);
		return;
	}
	request->replied = TRUE;

	str_vprintfa(text, fmt, args);
	str_append(line, status);
	if (code != NULL)
		str_printfa(line, " [%s]", code);
	if (str_len(text) > 0) {
		str_append_c(line, ' ');
		str_append_str(line, text);
	}
	if (str_len(line) > REPLY_MAX_LEN)
		str_truncate(line, REPLY_MAX_LEN);
	for (p = str_c_modifiable(line); *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
	if (request->multiline) {
		str_append(line, "\r\n");
		request->status_line = p_strdup(request->pool, str_c(line));
	} else {
		popinjay_client_send_line(request->session->client,
					  str_c(line));
	}
}

/* --- include/popinjay.h --- */

const char *popinjay_request_name(const struct popinjay_request *request)
{
	return request->name;
}

const char *popinjay_request_args(const struct popinjay_request *request)
{
	return request->args;
}

const char *const *
popinjay_request_argv(const struct popinjay_request *request,
		      unsigned int *argc_r)
{
	return popinjay_args_split(request->pool, request->args, argc_r);
}

struct popinjay_session *
popinjay_request_session(const struct popinjay_request *request)
{
	return request->session;
}

enum popinjay_outcome
popinjay_reply_ok(struct popinjay_request *request, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	T_BEGIN {
		reply(request, "+OK", NULL, fmt, args);
	} T_END;
	va_end(args);
	return POPINJAY_OUTCOME_OK;
}

enum popinjay_outcome
popinjay_reply_err(struct popinjay_request *request, const char *code,
		   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	T_BEGIN {
		reply(request, "-ERR", code, fmt, args);
	} T_END;
	va_end(args);
	return POPINJAY_OUTCOME_ERR;
}

enum popinjay_outcome
popinjay_reply_bad(struct popinjay_request *request, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	T_BEGIN {
		reply(request, "-ERR", NULL, fmt, args);
	} T_END;
	va_end(args);
	return POPINJAY_OUTCOME_BAD;
}

enum popinjay_outcome
popinjay_reply_multiline(struct popinjay_request *request,
			 popinjay_more_func_t *more,
			 popinjay_more_free_func_t *free_context, void *context,
			 const char *fmt, ...)
{
	va_list args;

	request->more = more;
	request->free_context = free_context;
	request->context = context;
	request->multiline = TRUE;

	va_start(args, fmt);
	T_BEGIN {
		reply(request, "+OK", NULL, fmt, args);
	} T_END;
	va_end(args);
	return POPINJAY_OUTCOME_MORE;
}

bool popinjay_send_line(struct popinjay_request *request, const char *line)
{
	int ret;

	T_BEGIN {
		string_t *str = t_str_new(128);
		char *p;

		if (*line == '.')
			str_append_c(str, '.');
		str_append(str, line);
		for (p = str_c_modifiable(str); *p != '\0'; p++) {
			if (*p == '\r' || *p == '\n')
				*p = ' ';
		}
		str_append(str, "\r\n");
		ret = popinjay_request_send(request, str_data(str),
					    str_len(str));
	} T_END;
	return ret > 0;
}
