/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: DELE (RFC 1939 section 5). Dovecot marks the message, if no
   feature minds. */

#include "session.h"
#include "commands.h"
#include "message-number.h"
#include "reply.h"
#include "request.h"
#include "stages.h"

static enum popinjay_outcome command_dele(struct popinjay_request *request)
{
	struct popinjay_session *session = request->session;
	struct popinjay_message message;
	enum popinjay_outcome outcome;
	enum popinjay_delete wanted;
	const char *args;

	if (!popinjay_message_number_parse(request, FALSE, &message, &args,
					   &outcome))
		return outcome;
	wanted = popinjay_stages_message_delete(request, &message);
	if (wanted == POPINJAY_DELETE_REFUSE) {
		return request->replied ? POPINJAY_OUTCOME_ERR :
			popinjay_reply_err(request, NULL,
				"The server refused to delete message %u.",
				message.msn);
	}
	if (popinjay_request_run_native(request) < 0)
		return POPINJAY_OUTCOME_BAD;
	/* it may have been marked before, and RSET */
	if (wanted == POPINJAY_DELETE_NATIVE)
		seq_range_array_remove(&session->kept, message.msn);
	else
		seq_range_array_add(&session->kept, message.msn);
	request->message = message;
	return POPINJAY_OUTCOME_OK;
}

const struct popinjay_command popinjay_command_dele = {
	.name = "DELE", .args_max = UINT_MAX, .handler = command_dele
};
