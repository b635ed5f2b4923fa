/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the commands that delete mail, DELE and QUIT (RFC 1939
   sections 5 and 6). Dovecot does the deleting; what stands here sees to it
   that nothing is deleted that the client may not have got. */

#include "session.h"
#include "ostream.h"
#include "registration.h"
#include "message-log.h"
#include "message-number.h"
#include "removal.h"

static enum popinjay_outcome command_dele(struct popinjay_request *request)
{
	struct popinjay_session *session = request->session;
	struct client *client = session->client;
	enum popinjay_outcome outcome;
	unsigned int msgnum;
	const char *args;

	if (!popinjay_message_number_parse(request, FALSE, &msgnum, &args,
					   &outcome))
		return outcome;
	if (popinjay_session_is_unreadable(session, msgnum)) {
		return popinjay_reply_err(request, "SYS/TEMP",
			"Message %u couldn't be read, so it isn't deleted.",
			msgnum + 1);
	}
	if (popinjay_session_is_smaller(session, msgnum)) {
		return popinjay_reply_err(request, "SYS/TEMP",
			"Message %u is smaller than its recorded size, so it "
			"isn't deleted in this session.", msgnum + 1);
	}
	popinjay_message_log_deleted(session, msgnum);
	if (popinjay_request_run_native(request) < 0)
		return POPINJAY_OUTCOME_BAD;
	request->msn = msgnum + 1;
	session->stats.counted[POPINJAY_COUNTED_DELE].bytes +=
		client->message_sizes[msgnum];
	return POPINJAY_OUTCOME_OK;
}

/* Dovecot closes the connection when the update is done, whatever the client
   has not read by then. A message that was on its way must not be deleted
   before it has left us. */
static enum popinjay_outcome
quit_when_sent(struct popinjay_request *request, void *context ATTR_UNUSED)
{
	struct client *client = request->session->client;
	struct popinjay_removal *removal;
	int ret = o_stream_flush(client->output);

	if (ret < 0)
		return POPINJAY_OUTCOME_CUT;
	if (ret == 0 || o_stream_get_buffer_used_size(client->output) > 0)
		return POPINJAY_OUTCOME_MORE;

	removal = popinjay_removal_begin(request->session);
	(void)popinjay_request_run_native(request);
	popinjay_removal_end(removal);
	return client->delete_success ? POPINJAY_OUTCOME_OK :
		POPINJAY_OUTCOME_ERR;
}

static enum popinjay_outcome command_quit(struct popinjay_request *request)
{
	return popinjay_request_wait(request, quit_when_sent);
}

const struct popinjay_command popinjay_command_dele = {
	.name = "DELE", .args_max = UINT_MAX, .handler = command_dele
};
const struct popinjay_command popinjay_command_quit = {
	.name = "QUIT", .args_max = UINT_MAX, .handler = command_quit
};
