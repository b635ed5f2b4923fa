/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the message numbers of RFC 1939 section 5 as arguments. */

#include "session.h"
#include "message-number.h"
#include "reply.h"

#include <ctype.h>

bool popinjay_message_number_parse(struct popinjay_request *request,
				   bool more_follows,
				   struct popinjay_message *message_r,
				   const char **args_r,
				   enum popinjay_outcome *outcome_r)
{
	const struct popinjay_session *session = request->session;
	const char *args = request->args;
	unsigned int msn;

	if (!i_isdigit(*args)) {
		*outcome_r = popinjay_reply_bad(request,
			"Invalid message number: %s", args);
	} else if (str_parse_uint(args, &msn, &args) < 0) {
		*outcome_r = popinjay_reply_bad(request,
			"Message number too large: %s", args);
	} else if (*args != (more_follows ? ' ' : '\0')) {
		*outcome_r = popinjay_reply_bad(request,
			"Noise after message number: %s", args);
	} else if (msn == 0 || msn > popinjay_session_messages(session)) {
		*outcome_r = popinjay_reply_bad(request,
			"There's no message %u.", msn);
	} else if (popinjay_client_is_deleted(session->client, msn - 1)) {
		*outcome_r = popinjay_reply_bad(request,
			"Message is deleted.");
	} else {
		while (*args == ' ')
			args++;
		popinjay_session_message(session, msn, message_r);
		*args_r = args;
		return TRUE;
	}
	return FALSE;
}

enum popinjay_outcome
popinjay_reply_expunged(struct popinjay_request *request, unsigned int msn)
{
	if (popinjay_client_asks_expunged(request->session->client, msn - 1))
		return popinjay_reply_bad(request, "Message %u expunged.", msn);
	return popinjay_reply_err(request, NULL, "Message %u expunged.", msn);
}
