/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: which messages a QUIT has removed, when other processes
   remove some, too.

   The commit of a transaction only asks for the removal of messages: it adds
   requests to the transaction log of Dovecot's index, under a lock. Whichever
   process syncs the mailbox next, carries out all requests there are. So the
   session that has removed a message is the one whose request for it is the
   first in that log, and not the one that happens to sync. */

#include "session.h"
#include "array.h"
#include "hash.h"
#include "mail-storage-private.h"
#include "mail-index-private.h"
#include "mail-index-transaction-private.h"
#include "mail-transaction-log.h"
#include "removal.h"
#include "stages.h"
#include "stored.h"

#define REMOVAL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, removal_index_module)
#define REMOVAL_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, removal_storage_module)

/* Where the transaction log names a message for the first time. */
enum removal_by {
	REMOVAL_BY_NOBODY,
	/* a request of this session */
	REMOVAL_BY_US,
	REMOVAL_BY_OTHER,
	/* it was gone before anybody asked for it */
	REMOVAL_BY_STORAGE
};

struct removal_message {
	struct popinjay_message message;
	enum removal_by by;
	/* others have asked for it as well */
	bool others:1;
	/* this process has removed it from the storage */
	bool notified:1;
};

struct popinjay_removal {
	union mail_index_transaction_module_context module_ctx;
	struct popinjay_session *session;
	struct mailbox *box;

	struct mail_index_transaction *itrans;

	pool_t pool;
	/* in the order of the mailbox, and by uid */
	ARRAY(struct removal_message *) messages;
	HASH_TABLE(void *, struct removal_message *) by_uid;
	/* the transaction log from here on has all requests that were not
	   carried out before */
	uint32_t log_seq;
	uoff_t log_offset;
	/* where our commit is in it; 0: it did not succeed */
	uint32_t commit_seq;
	uoff_t commit_start_offset, commit_end_offset;
	/* the storage is known to be as the index says */
	bool storage_known;
};

static MODULE_CONTEXT_DEFINE_INIT(removal_index_module,
				  &mail_index_module_register);
static MODULE_CONTEXT_DEFINE_INIT(removal_storage_module,
				  &mail_storage_module_register);

/* --- before --- */

static void removal_add(struct popinjay_removal *removal,
			struct mail_index_view *view, unsigned int msn)
{
	struct popinjay_message message;
	struct removal_message *removed;
	uint32_t seq;

	popinjay_session_message(removal->session, msn, &message);
	if (!mail_index_lookup_seq(view, message.uid, &seq) ||
	    !popinjay_stored_has_message(removal->box, message.uid))
		return;
	removed = p_new(removal->pool, struct removal_message, 1);
	removed->message = message;
	array_push_back(&removal->messages, &removed);
	hash_table_insert(removal->by_uid, POINTER_CAST(message.uid), removed);
}

static void removal_prepare(struct popinjay_removal *removal)
{
	struct popinjay_client *client = removal->session->client;
	const struct mail_index_header *header;
	struct mail_index_view *view;
	unsigned int msn;

	(void)mail_index_refresh(removal->box->index);
	view = mail_index_view_open(removal->box->index);
	header = mail_index_get_header(view);
	removal->log_seq = header->log_file_seq;
	removal->log_offset = header->log_file_tail_offset;
	removal->storage_known =
		popinjay_stored_is_as_indexed(removal->box, view);
	for (msn = 1; msn <= popinjay_client_messages(client); msn++) {
		if (popinjay_client_is_deleted(client, msn - 1))
			removal_add(removal, view, msn);
	}
	mail_index_view_close(&view);
}

static int
removal_commit(struct mail_index_transaction *t,
	       struct mail_index_transaction_commit_result *result_r)
{
	struct popinjay_removal *removal = REMOVAL_CONTEXT_REQUIRE(t);

	if (removal->module_ctx.super.commit(t, result_r) < 0)
		return -1;
	removal->commit_seq = result_r->log_file_seq;
	removal->commit_end_offset = result_r->log_file_offset;
	removal->commit_start_offset = result_r->log_file_offset -
		result_r->commit_size;
	return 0;
}

struct popinjay_removal *
popinjay_removal_begin(struct popinjay_session *session)
{
	struct popinjay_client *client = session->client;
	struct popinjay_removal *removal;
	pool_t pool;

	if (!popinjay_client_has_deleted(client))
		return NULL;
	pool = pool_alloconly_create("popinjay removal", 1024);
	removal = p_new(pool, struct popinjay_removal, 1);
	removal->pool = pool;
	removal->session = session;
	removal->box = popinjay_client_mailbox(client);
	removal->itrans = popinjay_client_transaction(client)->itrans;
	p_array_init(&removal->messages, pool, 16);
	hash_table_create_direct(&removal->by_uid, pool, 0);
	removal_prepare(removal);

	removal->module_ctx.super = removal->itrans->v;
	removal->itrans->v.commit = removal_commit;
	MODULE_CONTEXT_SET(removal->itrans, removal_index_module, removal);
	session->removal = removal;
	return removal;
}

/* --- meanwhile --- */

static void removal_notify(struct popinjay_removal *removal, uint32_t uid)
{
	struct removal_message *message =
		hash_table_lookup(removal->by_uid, POINTER_CAST(uid));

	if (message != NULL)
		message->notified = TRUE;
}

static void removal_sync_notify(struct mailbox *box, uint32_t uid,
				enum mailbox_sync_type sync_type)
{
	union mailbox_module_context *mbox =
		REMOVAL_BOX_CONTEXT_REQUIRE(box);
	struct popinjay_session *session;

	if (mbox->super.sync_notify != NULL)
		mbox->super.sync_notify(box, uid, sync_type);
	if (sync_type != MAILBOX_SYNC_TYPE_EXPUNGE)
		return;
	session = popinjay_session_find(box->storage->user);
	/* autoexpunge opens the INBOX again when the session is over */
	if (session != NULL && session->removal != NULL &&
	    session->removal->box == box)
		removal_notify(session->removal, uid);
}

void popinjay_removal_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *mbox;

	if (!box->inbox_user)
		return;
	mbox = p_new(box->pool, union mailbox_module_context, 1);
	mbox->super = *v;
	box->vlast = &mbox->super;
	v->sync_notify = removal_sync_notify;
	MODULE_CONTEXT_SET_SELF(box, removal_storage_module, mbox);
}

/* --- after --- */

static void message_see(struct removal_message *message, enum removal_by by)
{
	if (message->by == REMOVAL_BY_NOBODY)
		message->by = by;
	else if (by == REMOVAL_BY_OTHER)
		message->others = TRUE;
}

/* Requests by range are none that Dovecot writes, but it still reads them. */
static void
removal_see_range(struct popinjay_removal *removal, uint32_t uid1,
		  uint32_t uid2, enum removal_by by)
{
	struct removal_message *message;

	array_foreach_elem(&removal->messages, message) {
		if (message->message.uid >= uid1 &&
		    message->message.uid <= uid2)
			message_see(message, by);
	}
}

static void
removal_see(struct popinjay_removal *removal, uint32_t uid, enum removal_by by)
{
	struct removal_message *message =
		hash_table_lookup(removal->by_uid, POINTER_CAST(uid));

	if (message != NULL)
		message_see(message, by);
}

static bool is_our_commit(const struct popinjay_removal *removal,
			  struct mail_transaction_log_view *log)
{
	uint32_t seq;
	uoff_t offset;

	mail_transaction_log_view_get_prev_pos(log, &seq, &offset);
	return seq == removal->commit_seq &&
		offset >= removal->commit_start_offset &&
		offset < removal->commit_end_offset;
}

static void
removal_see_record(struct popinjay_removal *removal,
		   struct mail_transaction_log_view *log,
		   const struct mail_transaction_header *header,
		   const void *data)
{
	const struct mail_transaction_expunge_guid *guids = data;
	const struct mail_transaction_expunge *ranges = data;
	enum removal_by by = REMOVAL_BY_OTHER;
	unsigned int i;

	if ((header->type & MAIL_TRANSACTION_EXTERNAL) != 0)
		by = REMOVAL_BY_STORAGE;
	else if (is_our_commit(removal, log))
		by = REMOVAL_BY_US;
	switch (header->type & MAIL_TRANSACTION_TYPE_MASK) {
	case MAIL_TRANSACTION_EXPUNGE_GUID:
		for (i = 0; i < header->size / sizeof(*guids); i++)
			removal_see(removal, guids[i].uid, by);
		break;
	case MAIL_TRANSACTION_EXPUNGE:
		for (i = 0; i < header->size / sizeof(*ranges); i++) {
			removal_see_range(removal, ranges[i].uid1,
					  ranges[i].uid2, by);
		}
		break;
	default:
		break;
	}
}

/* Returns TRUE if log has all from where it was before QUIT. The first log of
   an index begins with a reset of it, too. */
static bool removal_set_log(struct popinjay_removal *removal,
			    struct mail_transaction_log_view *log)
{
	const char *reason;
	uint32_t seq;
	uoff_t offset;
	bool reset;

	if (mail_transaction_log_view_set(log, removal->log_seq,
					  removal->log_offset, (uint32_t)-1,
					  UOFF_T_MAX, &reset, &reason) <= 0)
		return FALSE;
	mail_transaction_log_view_get_prev_pos(log, &seq, &offset);
	return !reset || seq == removal->log_seq;
}

/* Returns FALSE if the transaction log cannot tell: it may have been made
   anew. */
static bool removal_read_log(struct popinjay_removal *removal)
{
	struct mail_transaction_log_view *log;
	const struct mail_transaction_header *header;
	const void *data;
	int ret = -1;

	log = mail_transaction_log_view_open(removal->box->index->log);
	if (removal_set_log(removal, log)) {
		while ((ret = mail_transaction_log_view_next(log, &header,
							     &data)) > 0)
			removal_see_record(removal, log, header, data);
	}
	mail_transaction_log_view_close(&log);
	return ret == 0;
}

static bool is_ours(const struct removal_message *message)
{
	switch (message->by) {
	case REMOVAL_BY_US:
		break;
	case REMOVAL_BY_OTHER:
		return FALSE;
	case REMOVAL_BY_NOBODY:
	case REMOVAL_BY_STORAGE:
		/* not every storage asks in its index: another server's mailbox
		   has one of its own */
		return message->notified;
	}
	return TRUE;
}

static void
removal_tell(struct popinjay_removal *removal, struct mail_index_view *view,
	     bool log_known)
{
	struct removal_message *message;
	uint32_t seq;
	bool certain;

	array_foreach_elem(&removal->messages, message) {
		if (mail_index_lookup_seq(view, message->message.uid, &seq) ||
		    (log_known && !is_ours(message)))
			continue;
		certain = message->notified ||
			(log_known && removal->storage_known &&
			 !message->others);
		popinjay_stages_message_removed(removal->session,
						&message->message, certain);
	}
}

void popinjay_removal_end(struct popinjay_removal *removal)
{
	const struct mailbox_transaction_context *trans;
	struct mail_index_view *view;
	bool log_known;

	if (removal == NULL)
		return;
	removal->session->removal = NULL;
	trans = popinjay_client_transaction(removal->session->client);
	if (trans != NULL && trans->itrans == removal->itrans) {
		/* QUIT has failed before that: the end of the session is to
		   commit without us */
		removal->itrans->v.commit = removal->module_ctx.super.commit;
	}
	if (removal->commit_seq != 0) {
		(void)mail_index_refresh(removal->box->index);
		log_known = removal_read_log(removal);
		view = mail_index_view_open(removal->box->index);
		removal_tell(removal, view, log_known);
		mail_index_view_close(&view);
	}
	hash_table_destroy(&removal->by_uid);
	pool_unref(&removal->pool);
}
