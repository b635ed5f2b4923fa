/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the guard against messages that cannot be read whole. No
   part of one is ever ended as if it were all, and what may have lost its end
   is not deleted in this session. */

#include "session.h"
#include "istream-private.h"
#include "mail-storage-private.h"
#include "reply.h"
#include "short-read.h"
#include "whole.h"

struct short_read {
	/* of the message that is being sent */
	struct popinjay_holder holder;
	/* message numbers of what is smaller than it should be; created with
	   the first */
	ARRAY_TYPE(seq_range) smaller;
};

static enum popinjay_before
short_read_before(struct popinjay_request *request, void *state ATTR_UNUSED)
{
	/* the last command may have begun another one */
	popinjay_holder_prepare(
		popinjay_client_transaction(request->session->client));
	return POPINJAY_BEFORE_GO_ON;
}

static int short_read_opened(struct popinjay_request *request ATTR_UNUSED,
			     void *state,
			     const struct popinjay_message *message ATTR_UNUSED,
			     struct mail *mail, struct istream *stream)
{
	struct short_read *guard = state;

	popinjay_holder_init(&guard->holder, mail, stream);
	return popinjay_holder_is_readable(&guard->holder) ? 0 : -1;
}

static void
warn_of_size(struct popinjay_request *request,
	     const struct popinjay_holder *holder, bool smaller,
	     const char *sizes)
{
	const char *guid = popinjay_known_guid(holder->mail, holder->stream);

	e_warning(popinjay_client_event(request->session->client),
		"popinjay: %s: Message UID %u (GUID %s) has %s - sent it "
		"whole%s", request->name, holder->mail->uid,
		guid == NULL ? "unknown" : guid, sizes, !smaller ? "" :
		", and it is not deleted in this session, as its end may be "
		"lost");
}

static int short_read_read(struct popinjay_request *request, void *state,
			   const struct popinjay_message *message,
			   uoff_t bytes, uoff_t virtual_bytes,
			   const char **error_r)
{
	struct short_read *guard = state;
	const struct popinjay_read_sizes sizes = {
		.read_bytes = bytes,
		.virtual_bytes = virtual_bytes,
		/* by STAT and LIST */
		.told_bytes = message->size
	};

	if (guard->holder.stream->stream_errno != 0) {
		popinjay_holder_failed(&guard->holder);
		return 0;
	}
	switch (popinjay_holder_check(&guard->holder, &sizes, error_r)) {
	case POPINJAY_WHOLE:
		break;
	case POPINJAY_WHOLE_OTHER_SIZE:
		warn_of_size(request, &guard->holder, FALSE, *error_r);
		break;
	case POPINJAY_WHOLE_SMALLER:
		if (!array_is_created(&guard->smaller)) {
			p_array_init(&guard->smaller, popinjay_client_pool(
				request->session->client), 4);
		}
		seq_range_array_add(&guard->smaller, message->msn);
		warn_of_size(request, &guard->holder, TRUE, *error_r);
		break;
	case POPINJAY_WHOLE_NOT:
		return -1;
	}
	return 0;
}

static enum popinjay_delete
short_read_delete(struct popinjay_request *request, void *state,
		  const struct popinjay_message *message)
{
	const struct short_read *guard = state;

	if (popinjay_session_is_unreadable(request->session, message->msn)) {
		popinjay_reply_err(request, "SYS/TEMP",
			"Message %u couldn't be read, so it isn't deleted.",
			message->msn);
		return POPINJAY_DELETE_REFUSE;
	}
	if (array_is_created(&guard->smaller) &&
	    seq_range_exists(&guard->smaller, message->msn)) {
		popinjay_reply_err(request, "SYS/TEMP",
			"Message %u is smaller than its recorded size, so it "
			"isn't deleted in this session.", message->msn);
		return POPINJAY_DELETE_REFUSE;
	}
	return POPINJAY_DELETE_NATIVE;
}

const struct popinjay_feature popinjay_short_read_feature = {
	.name = "guard against short reads",
	.session_size = sizeof(struct short_read),
	.before = short_read_before,
	.message_opened = short_read_opened,
	.message_read = short_read_read,
	.message_delete = short_read_delete
};
