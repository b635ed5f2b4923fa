/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: which messages were fetched before. A client that fetches
   them again has forgotten what it has, or was shown other UIDLs. */

#include "session.h"
#include "pop3-settings.h"
#include "mail-storage-private.h"
#include "access-log.h"
#include "record.h"
#include "refetch.h"
#include "reply.h"
#include "trouble.h"
#include "view-id.h"

/* An extension of Dovecot's index: for each message a byte that says who has
   fetched it; see view/trouble.h. */
#define FETCHED_EXT_NAME "popinjay-fetched"

struct refetch {
	uint32_t ext_id;
	/* seqs: fetched in this session */
	ARRAY_TYPE(seq_range) fetched;
	/* complete RETRs of messages that had been fetched before */
	unsigned int count;
	uint64_t bytes;
};

static struct refetch *refetch_get(struct popinjay_session *session)
{
	struct refetch *refetch =
		popinjay_feature_state(session, &popinjay_refetch_feature);

	if (!array_is_created(&refetch->fetched)) {
		p_array_init(&refetch->fetched,
			     popinjay_client_pool(session->client), 4);
		refetch->ext_id = mail_index_ext_register(
			popinjay_session_mailbox(session)->index,
			FETCHED_EXT_NAME, 0, 1, 1);
	}
	return refetch;
}

bool popinjay_refetch_is_known(struct popinjay_session *session)
{
	/* with that setting a session is not to write to the index */
	return !popinjay_client_settings(session->client)->
		pop3_no_flag_updates;
}

unsigned char popinjay_refetch_mark(struct popinjay_session *session,
				    uint32_t seq)
{
	const struct refetch *refetch = refetch_get(session);
	const char *view_id = popinjay_view_id(session);
	const void *data;
	unsigned char mark;

	mail_index_lookup_ext(popinjay_session_mailbox(session)->view, seq,
			      refetch->ext_id, &data, NULL);
	mark = data == NULL ? 0 : *(const unsigned char *)data;
	/* what this session has marked is not in the index yet */
	if (seq_range_exists(&refetch->fetched, seq)) {
		mark |= view_id == NULL ? POPINJAY_FETCHED_ANY :
			popinjay_trouble_fetched_bits(view_id);
	}
	return mark;
}

void popinjay_refetch_add_counts(struct popinjay_session *session,
				 struct popinjay_record *record)
{
	const struct refetch *refetch =
		popinjay_feature_state(session, &popinjay_refetch_feature);

	if (popinjay_refetch_is_known(session)) {
		popinjay_record_add_uint(record, POPINJAY_LOG_REFETCH_COUNT,
					 refetch->count);
		popinjay_record_add_uint(record, POPINJAY_LOG_REFETCH_BYTES,
					 refetch->bytes);
	} else {
		popinjay_record_add_null(record, POPINJAY_LOG_REFETCH_COUNT);
		popinjay_record_add_null(record, POPINJAY_LOG_REFETCH_BYTES);
	}
}

static void refetch_set_mark(struct popinjay_session *session,
			     struct refetch *refetch, uint32_t seq,
			     unsigned char mark)
{
	struct mailbox_transaction_context *trans =
		popinjay_client_transaction(session->client);
	const char *view_id = popinjay_view_id(session);
	unsigned char new_mark;

	seq_range_array_add(&refetch->fetched, seq);
	if (view_id == NULL)
		return;
	new_mark = mark | popinjay_trouble_fetched_bits(view_id);
	if (new_mark != mark) {
		mail_index_update_ext(trans->itrans, seq, refetch->ext_id,
				      &new_mark, NULL);
	}
}

static void
refetch_sent(struct popinjay_request *request, void *state ATTR_UNUSED,
	     const struct popinjay_message *message, enum popinjay_sent sent,
	     const struct popinjay_result *result ATTR_UNUSED)
{
	struct popinjay_session *session = request->session;
	struct refetch *refetch;
	unsigned char mark;

	if (sent != POPINJAY_SENT_WHOLE || !request->sent_to_end ||
	    !popinjay_refetch_is_known(session))
		return;
	refetch = refetch_get(session);
	mark = popinjay_refetch_mark(session, message->seq);
	if (mark != 0 && strcmp(request->name, "RETR") == 0) {
		refetch->count++;
		refetch->bytes += message->size;
	}
	refetch_set_mark(session, refetch, message->seq, mark);
}

const struct popinjay_feature popinjay_refetch_feature = {
	.name = "messages fetched again",
	.session_size = sizeof(struct refetch),
	.message_sent = refetch_sent
};
