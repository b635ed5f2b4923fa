/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: one command from its line to the end of its reply. Every
   command of the TRANSACTION state, Dovecot's, ours or a plugin's, comes
   through popinjay_request_run(). */

#include "session.h"
#include "array.h"
#include "ioloop.h"
#include "istream.h"
#include "lib-event.h"
#include "ostream.h"
#include "str.h"
#include "registration.h"
#include "command-line.h"
#include "compat-event.h"

/* RFC 2449 section 4: a response line has at most 512 octets with its CRLF */
#define REPLY_MAX_LEN 510

static const char *const counted_commands[POPINJAY_COUNTED_COUNT] = {
	[POPINJAY_COUNTED_RETR] = "RETR",
	[POPINJAY_COUNTED_TOP] = "TOP",
	[POPINJAY_COUNTED_LIST] = "LIST",
	[POPINJAY_COUNTED_UIDL] = "UIDL",
	[POPINJAY_COUNTED_DELE] = "DELE"
};

static struct popinjay_request *
request_begin(struct popinjay_session *session, uint64_t bytes_in)
{
	struct popinjay_request *request;
	pool_t pool;

	pool = pool_alloconly_create("popinjay request", 512);
	request = p_new(pool, struct popinjay_request, 1);
	request->pool = pool;
	request->session = session;
	request->name = request->args = "";
	request->start_usecs = popinjay_clock_usecs();
	request->bytes_in = bytes_in;
	request->output_offset = session->client->output->offset;
	session->request = request;
	return request;
}

static void request_count(struct popinjay_request *request,
			  const struct popinjay_result *result)
{
	struct popinjay_session_stats *stats = &request->session->stats;
	unsigned int i;

	stats->commands++;
	if (result->outcome != POPINJAY_OUTCOME_OK)
		stats->errors++;
	if (result->outcome != POPINJAY_OUTCOME_OK &&
	    result->outcome != POPINJAY_OUTCOME_CUT)
		return;
	for (i = 0; i < POPINJAY_COUNTED_COUNT; i++) {
		if (strcmp(request->name, counted_commands[i]) != 0)
			continue;
		stats->counted[i].count++;
		/* what DELE counts are the sizes of the messages */
		if (i != POPINJAY_COUNTED_DELE)
			stats->counted[i].bytes += result->bytes_out;
	}
}

static void request_end(struct popinjay_request *request)
{
	struct popinjay_session *session = request->session;
	struct client *client = session->client;
	struct popinjay_result result;

	i_zero(&result);
	result.outcome = request->outcome;
	result.bytes_in = request->bytes_in;
	result.bytes_out = client->output->offset - request->output_offset;
	result.duration_usecs =
		popinjay_clock_usecs() - request->start_usecs;

	request_count(request, &result);
	if (result.outcome == POPINJAY_OUTCOME_BAD)
		client->bad_counter++;
	else
		client->bad_counter = 0;
	/* it is too late for another reply */
	request->replied = TRUE;
	popinjay_native_command_finished(client, request->name, request->args,
		result.outcome == POPINJAY_OUTCOME_OK, result.bytes_in,
		result.bytes_out);
	popinjay_hooks_run_after(request, &result);

	session->request = NULL;
	pool_unref(&request->pool);
}

/* A command that went on after its line ends here. */
static void request_end_more(struct popinjay_request *request)
{
	struct client *client = request->session->client;

	client->cmd = NULL;
	request->more = NULL;
	if (request->free_context != NULL)
		request->free_context(request->context);
	if (request->outcome == POPINJAY_OUTCOME_OK && request->multiline)
		(void)popinjay_request_send_last(request, "", 0);
	else if (request->status_line != NULL && !client->output->closed)
		(void)popinjay_request_send(request, "", 0);
	request_end(request);
}

/* Dovecot calls this too, with closed streams, to end a running command. */
static void request_continue(struct client *client)
{
	struct popinjay_session *session = popinjay_session_get(client);
	struct popinjay_request *request = session->request;
	bool drop = FALSE;
	int ret = 1;

	if (client->output->closed)
		request->outcome = POPINJAY_OUTCOME_CUT;
	else do T_BEGIN {
		request->outcome = request->more(request, request->context);
		if (request->outcome != POPINJAY_OUTCOME_MORE)
			;
		else if (request->status_line != NULL)
			ret = popinjay_request_send(request, "", 0);
		else
			ret = o_stream_flush(client->output);
	} T_END; while (request->outcome == POPINJAY_OUTCOME_MORE && ret > 0);

	if (request->outcome == POPINJAY_OUTCOME_MORE) {
		if (ret == 0)
			return;
		/* The stream may be a wrapper that does not know yet that the
		   connection is lost. Nothing more may be done for it. */
		o_stream_close(client->output);
		request->outcome = POPINJAY_OUTCOME_CUT;
	} else if (request->outcome != POPINJAY_OUTCOME_OK &&
		   request->outcome != POPINJAY_OUTCOME_ERR) {
		request->outcome = POPINJAY_OUTCOME_CUT;
		drop = !client->output->closed;
	}
	request_end_more(request);
	if (drop) {
		popinjay_session_drop(session, POPINJAY_SESSION_END_ERROR,
				      "A reply could not be completed.");
	}
}

/* Returns TRUE if the handler did what it says. If it did not, the client would
   take the reply to the next command for the one to this. */
static bool outcome_is_true(const struct popinjay_request *request)
{
	switch (request->outcome) {
	case POPINJAY_OUTCOME_OK:
	case POPINJAY_OUTCOME_ERR:
	case POPINJAY_OUTCOME_BAD:
		return request->replied && request->more == NULL;
	case POPINJAY_OUTCOME_MORE:
		return request->more != NULL;
	case POPINJAY_OUTCOME_REFUSED:
	case POPINJAY_OUTCOME_CUT:
		break;
	}
	return FALSE;
}

static void request_run_handler(struct popinjay_request *request)
{
	const struct popinjay_command *command = request->command;
	unsigned int argc;

	(void)popinjay_request_argv(request, &argc);
	if (argc < command->args_min) {
		request->outcome = popinjay_reply_bad(request,
			"Missing arguments.");
	} else if (argc > command->args_max) {
		request->outcome = popinjay_reply_bad(request,
			"Too many arguments.");
	} else {
		request->outcome = command->handler(request);
	}
	if (outcome_is_true(request))
		return;

	e_error(popinjay_client_event(request->session->client),
		"popinjay: The handler of %s did not send the reply that it "
		"reports (outcome %d) - dropped the connection", request->name,
		request->outcome);
	if (request->free_context != NULL)
		request->free_context(request->context);
	request->more = NULL;
	request->outcome = POPINJAY_OUTCOME_CUT;
	popinjay_session_drop(request->session, POPINJAY_SESSION_END_ERROR,
			      "A command was not answered.");
}

static void request_run_command(struct popinjay_request *request)
{
	struct client *client = request->session->client;
	struct event_reason *reason;

	request->command = popinjay_command_find(request->name);
	if (request->command == NULL &&
	    !popinjay_native_command_exists(client, request->name)) {
		request->outcome = popinjay_reply_bad(request,
			"Unknown command: %s", request->name);
		return;
	}

	reason = popinjay_event_reason_begin(request->name);
	if (request->command != NULL)
		request_run_handler(request);
	else {
		request->outcome = popinjay_request_run_native(request) < 0 ?
			POPINJAY_OUTCOME_BAD : POPINJAY_OUTCOME_OK;
	}
	popinjay_event_reason_end(&reason);
}

void popinjay_request_run(struct popinjay_session *session, const char *line,
			  size_t line_size, uint64_t bytes_in)
{
	struct popinjay_request *request = request_begin(session, bytes_in);
	struct popinjay_command_line command_line;
	const char *error;

	if (popinjay_command_line_parse(line, line_size, &command_line,
					&error) < 0) {
		request->outcome = popinjay_reply_bad(request, "%s", error);
	} else {
		request->name = p_strdup(request->pool, command_line.name);
		request->args = p_strdup(request->pool, command_line.args);
		if (popinjay_hooks_run_before(request))
			request_run_command(request);
		else {
			if (!request->replied) {
				popinjay_reply_err(request, NULL,
					"The server refused the command.");
			}
			request->outcome = POPINJAY_OUTCOME_REFUSED;
		}
	}

	if (request->outcome == POPINJAY_OUTCOME_MORE) {
		session->client->cmd = request_continue;
		request_continue(session->client);
	} else {
		request_end(request);
	}
}

void popinjay_request_abort(struct popinjay_session *session)
{
	struct popinjay_request *request = session->request;

	if (request == NULL || request->more == NULL)
		return;
	request->outcome = POPINJAY_OUTCOME_CUT;
	request_end_more(request);
}

int popinjay_request_run_native(struct popinjay_request *request)
{
	request->replied = TRUE;
	return popinjay_native_command_execute(request->session->client,
					       request->name, request->args);
}

static int request_send(struct popinjay_request *request, const void *data,
			size_t size, bool last)
{
	struct client *client = request->session->client;
	struct ostream *output = client->output;
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
	if (count > 0 && o_stream_sendv(output, iov, count) < 0)
		return -1;
	client->last_output = ioloop_time;
	return popinjay_session_can_send(request->session);
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
		client_send_line(request->session->client, "%s", str_c(line));
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
