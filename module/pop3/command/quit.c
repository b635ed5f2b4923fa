/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: QUIT (RFC 1939 section 6). Dovecot does the deleting; what
   stands here sees to it that nothing is deleted that the client may not have
   got, or that a feature keeps. */

#include "session.h"
#include "commands.h"
#include "removal.h"
#include "reply.h"
#include "request.h"
#include "stages.h"

/* Leave to Dovecot only what it is to delete. */
static void keep_messages(struct popinjay_session *session)
{
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t msn;

	seq_range_array_iter_init(&iter, &session->kept);
	while (seq_range_array_iter_nth(&iter, n++, &msn)) {
		/* RSET may have taken the mark back */
		if (popinjay_client_is_deleted(session->client, msn - 1))
			popinjay_client_keep(session->client, msn - 1);
	}
}

/* Dovecot closes the connection when the update is done, whatever the client
   has not read by then. A message that was on its way must not be deleted
   before it has left us. */
static enum popinjay_outcome
quit_when_sent(struct popinjay_request *request, void *context ATTR_UNUSED)
{
	struct popinjay_session *session = request->session;
	struct popinjay_client *client = session->client;
	struct popinjay_removal *removal;
	int ret = popinjay_client_flush(client);

	if (ret < 0)
		return POPINJAY_OUTCOME_CUT;
	if (ret == 0 || !popinjay_client_is_flushed(client))
		return POPINJAY_OUTCOME_MORE;

	if (session->refusal == NULL && popinjay_stages_update(request) < 0) {
		popinjay_client_drop(client, POPINJAY_SESSION_END_ERROR,
				     "QUIT could not do all that it was to do");
		return POPINJAY_OUTCOME_ERR;
	}
	keep_messages(session);
	removal = popinjay_removal_begin(session);
	(void)popinjay_request_run_native(request);
	popinjay_removal_end(removal);
	return popinjay_client_has_quit(client) ? POPINJAY_OUTCOME_OK :
		POPINJAY_OUTCOME_ERR;
}

static enum popinjay_outcome command_quit(struct popinjay_request *request)
{
	return popinjay_request_wait(request, quit_when_sent);
}

const struct popinjay_command popinjay_command_quit = {
	.name = "QUIT", .args_max = UINT_MAX, .handler = command_quit
};
