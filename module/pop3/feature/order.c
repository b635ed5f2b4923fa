/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: messages that do not get through stand last, see
   view/trouble.h. What happens to them in a session is written at its end, when
   the client waits for nothing any more. */

#include "session.h"
#include "pop3-settings.h"
#include "lib-event.h"
#include "mail-storage-private.h"
#include "order.h"
#include "popinjay-settings.h"
#include "refetch.h"
#include "reply.h"
#include "trouble.h"
#include "trouble-store.h"
#include "user.h"
#include "view-id.h"
#include "views.h"

struct order_change {
	uint32_t uid;
	/* it failed; else it was fetched whole */
	bool failed;
};

struct order {
	/* what is in trouble; NULL where messages stand in the order of
	   arrival */
	struct popinjay_trouble *trouble;
	/* what became of messages in this session, one for each; created with
	   the first */
	ARRAY(struct order_change) changes;
};

static const char *const causes[] = {
	[POPINJAY_SENT_CUT_BY_CLIENT] = "client",
	[POPINJAY_SENT_CUT_BY_STORAGE] = "storage",
	[POPINJAY_SENT_NOT_OPENED] = "open"
};

/* Where no mark can be written of what was fetched, and where LAST counts on
   it, the order stays that of arrival. */
static bool moves_messages(const struct popinjay_session *session)
{
	const struct pop3_settings *set =
		popinjay_client_settings(session->client);

	return session->puser->error == NULL &&
		strcmp(session->puser->set->popinjay_order,
		       "trouble-last") == 0 &&
		!set->pop3_enable_last && !set->pop3_no_flag_updates &&
		popinjay_view_id(session) != NULL;
}

/* --- The order --- */

static bool order_wants_view(struct popinjay_session *session, void *state,
			     struct mailbox *box)
{
	struct order *order = state;

	popinjay_trouble_free(&order->trouble);
	if (!moves_messages(session))
		return FALSE;
	order->trouble = popinjay_trouble_store_read(box);
	return popinjay_trouble_has(order->trouble, popinjay_view_id(session));
}

/* Leave out of trouble what the view has fetched since, perhaps through another
   one. Returns the uids of seqs, for the caller to free. */
static uint32_t *order_uids(struct popinjay_session *session,
			    struct popinjay_trouble *trouble,
			    struct mailbox *box, const uint32_t *seqs,
			    unsigned int count)
{
	const char *view_id = popinjay_view_id(session);
	uint32_t *uids = i_new(uint32_t, count + 1);
	unsigned int i;

	for (i = 0; i < count; i++) {
		mail_index_lookup_uid(box->view, seqs[i], &uids[i]);
		if (popinjay_trouble_get(trouble, view_id, uids[i]) > 0 &&
		    popinjay_trouble_is_fetched(view_id,
				popinjay_refetch_mark(session, seqs[i])))
			(void)popinjay_trouble_remove(trouble, view_id,
						      uids[i]);
	}
	return uids;
}

static void order_view(struct popinjay_session *session, void *state,
		       struct mailbox *box, ARRAY_TYPE(uint32_t) *seqs)
{
	const struct order *order = state;
	unsigned int *places, i, count = array_count(seqs);
	uint32_t *uids, *ordered;

	if (order->trouble == NULL || count == 0)
		return;
	uids = order_uids(session, order->trouble, box, array_front(seqs),
			  count);
	places = i_new(unsigned int, count);
	if (popinjay_trouble_order(order->trouble, popinjay_view_id(session),
				   uids, count, places) > 0) {
		ordered = uids;
		for (i = 0; i < count; i++)
			ordered[i] = *array_idx(seqs, places[i]);
		memcpy(array_front_modifiable(seqs), ordered,
		       count * sizeof(*ordered));
	}
	i_free(places);
	i_free(uids);
}

/* --- What becomes of a message --- */

static struct order_change *
order_change_get(struct popinjay_session *session, struct order *order,
		 uint32_t uid)
{
	struct order_change *change;

	if (!array_is_created(&order->changes)) {
		p_array_init(&order->changes,
			     popinjay_client_pool(session->client), 4);
	}
	array_foreach_modifiable(&order->changes, change) {
		if (change->uid == uid)
			return change;
	}
	change = array_append_space(&order->changes);
	change->uid = uid;
	return change;
}

static void
order_tell(const struct popinjay_request *request,
	   const struct popinjay_message *message, enum popinjay_sent sent,
	   unsigned int tries)
{
	const char *view_id = popinjay_view_id(request->session);
	struct event *event =
		event_create(popinjay_client_event(request->session->client));

	event_set_name(event, "popinjay_message_trouble");
	event_add_str(event, "view", view_id);
	event_add_str(event, "cause", causes[sent]);
	event_add_int(event, "uid", message->uid);
	event_add_int(event, "size", message->size);
	event_add_int(event, "tries", tries);
	e_info(event, "popinjay: %s of message UID %u (%"PRIuUOFF_T" bytes) "
	       "did not get through (sessions so far: %u): until it does, it "
	       "stands last for %s", request->name, message->uid,
	       message->size, tries,
	       strcmp(view_id, POPINJAY_VIEW_ACCOUNT) == 0 ?
	       "clients with the account's password" :
	       t_strconcat("the app secret ", view_id, NULL));
	event_unref(&event);
}

static void
order_failed(struct popinjay_request *request, struct order *order,
	     const struct popinjay_message *message, enum popinjay_sent sent)
{
	const char *view_id = popinjay_view_id(request->session);
	struct order_change *change;

	if (popinjay_trouble_is_fetched(view_id,
			popinjay_refetch_mark(request->session, message->seq)))
		return;
	change = order_change_get(request->session, order, message->uid);
	/* a client that asks again at once is not another try */
	if (change->failed)
		return;
	change->failed = TRUE;
	order_tell(request, message, sent,
		   popinjay_trouble_add(order->trouble, view_id,
					message->uid));
}

/* What was cut last time may be cut again: better no +OK then. */
static int order_opened(struct popinjay_request *request, void *state,
			const struct popinjay_message *message,
			struct mail *mail ATTR_UNUSED,
			struct istream *stream ATTR_UNUSED)
{
	const struct order *order = state;

	if (order->trouble != NULL && strcmp(request->name, "RETR") == 0 &&
	    popinjay_trouble_get(order->trouble,
				 popinjay_view_id(request->session),
				 message->uid) > 0)
		request->check_first = TRUE;
	return 0;
}

static void
order_sent(struct popinjay_request *request, void *state,
	   const struct popinjay_message *message, enum popinjay_sent sent,
	   const struct popinjay_result *result ATTR_UNUSED)
{
	struct order *order = state;

	if (order->trouble == NULL)
		return;
	switch (sent) {
	case POPINJAY_SENT_WHOLE:
		if (request->sent_to_end &&
		    popinjay_trouble_remove(order->trouble,
					    popinjay_view_id(request->session),
					    message->uid)) {
			order_change_get(request->session, order,
					 message->uid)->failed = FALSE;
		}
		break;
	case POPINJAY_SENT_CUT_BY_CLIENT:
		/* by TOP it may have seen enough */
		if (strcmp(request->name, "RETR") != 0)
			break;
		/* fall through */
	case POPINJAY_SENT_CUT_BY_STORAGE:
	case POPINJAY_SENT_NOT_OPENED:
		order_failed(request, order, message, sent);
		break;
	case POPINJAY_SENT_CUT_BY_SERVER:
	case POPINJAY_SENT_NOTHING:
		break;
	}
}

/* --- The end of a session --- */

static bool order_prune(struct popinjay_trouble *trouble, struct mailbox *box)
{
	uint32_t seq, count = mail_index_view_get_messages_count(box->view);
	uint32_t *uids = i_new(uint32_t, count + 1);
	bool ret;

	for (seq = 1; seq <= count; seq++)
		mail_index_lookup_uid(box->view, seq, &uids[seq - 1]);
	ret = popinjay_trouble_prune(trouble, uids, count);
	i_free(uids);
	return ret;
}

static bool order_change(void *context, struct popinjay_trouble *trouble)
{
	struct popinjay_session *session = context;
	const struct order *order =
		popinjay_feature_state(session, &popinjay_order_feature);
	const char *view_id = popinjay_view_id(session);
	const struct order_change *change;
	bool changed = FALSE;

	array_foreach(&order->changes, change) {
		if (!change->failed) {
			if (popinjay_trouble_remove(trouble, view_id,
						    change->uid))
				changed = TRUE;
			continue;
		}
		(void)popinjay_trouble_add(trouble, view_id, change->uid);
		changed = TRUE;
	}
	if (order_prune(trouble, popinjay_session_mailbox(session)))
		changed = TRUE;
	return changed;
}

static void order_end(struct popinjay_session *session, void *state)
{
	struct order *order = state;
	struct mailbox *box = popinjay_session_mailbox(session);

	popinjay_trouble_free(&order->trouble);
	if (box != NULL && array_is_created(&order->changes)) T_BEGIN {
		popinjay_trouble_store_change(box, order_change, session);
	} T_END;
}

const struct popinjay_feature popinjay_order_feature = {
	.name = "order after trouble",
	.session_size = sizeof(struct order),
	.wants_view = order_wants_view,
	.view = order_view,
	.message_opened = order_opened,
	.message_sent = order_sent,
	.session_end = order_end
};
