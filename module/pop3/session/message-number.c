/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the message numbers of RFC 1939 section 5 as arguments. */

#include "session.h"
#include "message-number.h"

#include <ctype.h>

bool popinjay_message_number_parse(struct popinjay_request *request,
				   bool more_follows, unsigned int *msgnum_r,
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
	} else if (msn == 0 || msn > session->client->messages_count) {
		*outcome_r = popinjay_reply_bad(request,
			"There's no message %u.", msn);
	} else if (popinjay_session_is_deleted(session, msn - 1)) {
		*outcome_r = popinjay_reply_bad(request,
			"Message is deleted.");
	} else {
		while (*args == ' ')
			args++;
		*msgnum_r = msn - 1;
		*args_r = args;
		return TRUE;
	}
	return FALSE;
}

enum popinjay_outcome
popinjay_reply_expunged(struct popinjay_request *request,
			unsigned int msgnum)
{
	struct client *client = request->session->client;

	if (msgnum <= client->highest_expunged_fetch_msgnum) {
		return popinjay_reply_bad(request, "Message %u expunged.",
					  msgnum + 1);
	}
	client->highest_expunged_fetch_msgnum = msgnum;
	return popinjay_reply_err(request, NULL, "Message %u expunged.",
				  msgnum + 1);
}
