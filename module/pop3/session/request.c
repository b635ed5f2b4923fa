/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: one command from its line to the end of its reply. Every
   command of the TRANSACTION state, Dovecot's, ours or a plugin's, comes
   through popinjay_request_run(). */

#include "session.h"
#include "lib-event.h"
#include "registration.h"
#include "command-line.h"
#include "compat-event.h"
#include "reply.h"
#include "request.h"
#include "stages.h"

/* What a client may send in a session that is refused: none of it looks at a
   message. */
static const char *const always_allowed_names[] = {
	"CAPA", "NOOP", "QUIT", "RSET", NULL
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
	request->answer = POPINJAY_BEFORE_WAIT;
	request->start_usecs = popinjay_clock_usecs();
	request->bytes_in = bytes_in;
	request->output_offset = popinjay_client_bytes_out(session->client);
	session->request = request;
	return request;
}

/* Say who has cut a message that was not sent whole. */
static void request_set_cut_by(struct popinjay_request *request)
{
	struct popinjay_session *session = request->session;

	if (request->sent != POPINJAY_SENT_CUT_BY_CLIENT)
		return;
	if (popinjay_session_is_unreadable(session, request->message.msn)) {
		request->sent = POPINJAY_SENT_CUT_BY_STORAGE;
		return;
	}
	switch (popinjay_client_end(session->client)) {
	case POPINJAY_SESSION_END_SHUTDOWN:
	case POPINJAY_SESSION_END_ERROR:
	case POPINJAY_SESSION_END_REFUSED:
		request->sent = POPINJAY_SENT_CUT_BY_SERVER;
		break;
	case POPINJAY_SESSION_END_LOST:
	case POPINJAY_SESSION_END_QUIT:
	case POPINJAY_SESSION_END_TIMEOUT:
		break;
	}
}

static void request_end(struct popinjay_request *request)
{
	struct popinjay_session *session = request->session;
	struct popinjay_client *client = session->client;
	struct popinjay_result result;

	i_zero(&result);
	result.outcome = request->outcome;
	result.bytes_in = request->bytes_in;
	result.bytes_out = popinjay_client_bytes_out(client) -
		request->output_offset;
	result.duration_usecs =
		popinjay_clock_usecs() - request->start_usecs;

	popinjay_client_count_bad(client,
				  result.outcome == POPINJAY_OUTCOME_BAD);
	/* it is too late for another reply */
	request->replied = TRUE;
	request_set_cut_by(request);
	popinjay_client_command_finished(client, request->name, request->args,
		result.outcome == POPINJAY_OUTCOME_OK, result.bytes_in,
		result.bytes_out);
	popinjay_stages_after(request, &result);

	session->request = NULL;
	pool_unref(&request->pool);
}

/* A command that went on after its line ends here. */
static void request_end_more(struct popinjay_request *request)
{
	struct popinjay_client *client = request->session->client;

	popinjay_client_set_work(client, POPINJAY_CLIENT_IDLE);
	request->more = NULL;
	if (request->free_context != NULL)
		request->free_context(request->context);
	if (request->outcome == POPINJAY_OUTCOME_OK && request->multiline)
		(void)popinjay_request_send_last(request, "", 0);
	else if (request->status_line != NULL &&
		 !popinjay_client_is_closed(client))
		(void)popinjay_request_send(request, "", 0);
	request_end(request);
}

/* Send more of a reply. */
static void request_go_on(struct popinjay_request *request)
{
	struct popinjay_client *client = request->session->client;
	bool drop = FALSE;
	int ret = 1;

	if (popinjay_client_is_closed(client))
		request->outcome = POPINJAY_OUTCOME_CUT;
	else do T_BEGIN {
		request->outcome = request->more(request, request->context);
		if (request->outcome != POPINJAY_OUTCOME_MORE)
			;
		else if (request->status_line != NULL)
			ret = popinjay_request_send(request, "", 0);
		else
			ret = popinjay_client_flush(client);
	} T_END; while (request->outcome == POPINJAY_OUTCOME_MORE && ret > 0);

	if (request->outcome == POPINJAY_OUTCOME_MORE) {
		if (ret == 0)
			return;
		/* The stream may be a wrapper that does not know yet that the
		   connection is lost. Nothing more may be done for it. */
		popinjay_client_close(client);
		request->outcome = POPINJAY_OUTCOME_CUT;
	} else if (request->outcome != POPINJAY_OUTCOME_OK &&
		   request->outcome != POPINJAY_OUTCOME_ERR) {
		request->outcome = POPINJAY_OUTCOME_CUT;
		drop = !popinjay_client_is_closed(client);
	}
	request_end_more(request);
	if (drop) {
		popinjay_client_drop(client, POPINJAY_SESSION_END_ERROR,
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
	popinjay_client_drop(request->session->client,
			     POPINJAY_SESSION_END_ERROR,
			     "A command was not answered.");
}

static void request_run_command(struct popinjay_request *request)
{
	struct event_reason *reason;

	request->command = popinjay_command_find(request->name);
	if (request->command == NULL &&
	    !popinjay_client_has_native(request->session->client,
					request->name)) {
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

static void
request_refuse(struct popinjay_request *request, const char *code,
	       const char *text)
{
	if (!request->replied)
		popinjay_reply_err(request, code, "%s", text);
	request->outcome = POPINJAY_OUTCOME_REFUSED;
}

/* Ask the features, and run the command if they let it. */
static void request_ask(struct popinjay_request *request,
			enum popinjay_before answer)
{
	struct popinjay_client *client = request->session->client;

	if (answer == POPINJAY_BEFORE_GO_ON)
		answer = popinjay_stages_before(request);
	request->waiting = answer == POPINJAY_BEFORE_WAIT;
	switch (answer) {
	case POPINJAY_BEFORE_GO_ON:
		request_run_command(request);
		break;
	case POPINJAY_BEFORE_REFUSE:
		e_debug(popinjay_client_event(client),
			"popinjay: %s refused %s", request->asked,
			request->name);
		request_refuse(request, NULL,
			       "The server refused the command.");
		break;
	case POPINJAY_BEFORE_WAIT:
		request->outcome = POPINJAY_OUTCOME_MORE;
		break;
	}
}

/* What was to be done at once is done. */
static void request_done(struct popinjay_request *request)
{
	struct popinjay_client *client = request->session->client;

	if (request->waiting)
		popinjay_client_set_work(client, POPINJAY_CLIENT_WAITS);
	else if (request->outcome == POPINJAY_OUTCOME_MORE) {
		popinjay_client_set_work(client, POPINJAY_CLIENT_SENDS);
		request_go_on(request);
	} else {
		popinjay_client_set_work(client, POPINJAY_CLIENT_IDLE);
		request_end(request);
	}
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
		request_done(request);
		return;
	}
	request->name = p_strdup(request->pool, command_line.name);
	request->args = p_strdup(request->pool, command_line.args);
	if (session->refusal != NULL &&
	    !str_array_find(always_allowed_names, request->name))
		request_refuse(request, session->refusal_code,
			       session->refusal);
	else
		request_ask(request, POPINJAY_BEFORE_GO_ON);
	request_done(request);
}

void popinjay_request_continue(struct popinjay_session *session)
{
	struct popinjay_request *request = session->request;
	enum popinjay_before answer = request->answer;

	if (!request->waiting) {
		request_go_on(request);
		return;
	}
	if (answer == POPINJAY_BEFORE_WAIT)
		return;
	/* the next feature may wait, too */
	request->answer = POPINJAY_BEFORE_WAIT;
	/* who has replied has refused, whatever it answers */
	request_ask(request, request->replied ? POPINJAY_BEFORE_REFUSE :
		    answer);
	request_done(request);
}

void popinjay_request_abort(struct popinjay_session *session)
{
	struct popinjay_request *request = session->request;

	if (request == NULL || (request->more == NULL && !request->waiting))
		return;
	request->outcome = POPINJAY_OUTCOME_CUT;
	request_end_more(request);
}

int popinjay_request_run_native(struct popinjay_request *request)
{
	request->replied = TRUE;
	return popinjay_client_run_native(request->session->client,
					  request->name, request->args);
}

/* --- feature.h --- */

void popinjay_request_resume(struct popinjay_request *request,
			     enum popinjay_before answer)
{
	i_assert(answer != POPINJAY_BEFORE_WAIT);
	request->answer = answer;
	popinjay_client_wake(request->session->client);
}
