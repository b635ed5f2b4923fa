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

/* An extension of Dovecot's index: 1 for each message that POP3 has fetched. */
#define FETCHED_EXT_NAME "popinjay-fetched"

struct refetch {
	uint32_t ext_id;
	/* message numbers: fetched in this session */
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
	return popinjay_access_log_wants_session(session) &&
		!popinjay_client_settings(session->client)->
			pop3_no_flag_updates;
}

bool popinjay_refetch_is_fetched(struct popinjay_session *session,
				 const struct popinjay_message *message)
{
	struct refetch *refetch = refetch_get(session);
	const void *data;

	if (seq_range_exists(&refetch->fetched, message->msn))
		return TRUE;
	mail_index_lookup_ext(popinjay_session_mailbox(session)->view,
			      message->seq, refetch->ext_id, &data, NULL);
	return data != NULL && *(const unsigned char *)data != 0;
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

static void
refetch_sent(struct popinjay_request *request, void *state ATTR_UNUSED,
	     const struct popinjay_message *message, enum popinjay_sent sent,
	     const struct popinjay_result *result ATTR_UNUSED)
{
	struct popinjay_session *session = request->session;
	struct mailbox_transaction_context *trans =
		popinjay_client_transaction(session->client);
	struct refetch *refetch;
	unsigned char yes = 1;

	if (sent != POPINJAY_SENT_WHOLE || strcmp(request->name, "RETR") != 0 ||
	    !popinjay_refetch_is_known(session))
		return;
	refetch = refetch_get(session);
	if (popinjay_refetch_is_fetched(session, message)) {
		refetch->count++;
		refetch->bytes += message->size;
		return;
	}
	seq_range_array_add(&refetch->fetched, message->msn);
	mail_index_update_ext(trans->itrans, message->seq, refetch->ext_id,
			      &yes, NULL);
}

const struct popinjay_feature popinjay_refetch_feature = {
	.name = "messages fetched again",
	.session_size = sizeof(struct refetch),
	.message_sent = refetch_sent
};
