/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: a message that doveadm sync or backup saves brings its
   UIDL. Maildir, sdbox and mdbox keep it with the message; where the storage
   does not, as mbox, it is saved by us as soon as the message has its uid. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "seq-range-array.h"
#include "mail-storage-private.h"
#include "uidl.h"
#include "uidl-incoming.h"
#include "uidl-saved.h"
#include "uidl-store.h"
#include "uidl-storage.h"

#define INCOMING_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, incoming_storage_module)
#define INCOMING_TRANS_CONTEXT(obj) \
	MODULE_CONTEXT(obj, incoming_transaction_module)

/* What is saved in a transaction. */
struct incoming_trans {
	union mailbox_transaction_module_context module_ctx;

	pool_t pool;
	/* of each message that was saved, NULL if it brought none */
	ARRAY(const char *) uidls;
	bool has_uidls;
};

static MODULE_CONTEXT_DEFINE_INIT(incoming_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(incoming_transaction_module,
				  &mail_storage_module_register);

static bool storage_keeps_uidls(const struct mail_storage *storage)
{
	static const char *const names[] = {
		"maildir", "sdbox", "mdbox", NULL
	};

	return str_array_find(names, storage->name);
}

static struct mailbox_transaction_context *
incoming_transaction_begin(struct mailbox *box,
			   enum mailbox_transaction_flags flags,
			   const char *reason)
{
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);
	struct mailbox_transaction_context *trans;
	struct incoming_trans *itrans;

	trans = ibox->super.transaction_begin(box, flags, reason);
	itrans = i_new(struct incoming_trans, 1);
	itrans->pool = pool_alloconly_create("popinjay incoming uidls", 256);
	p_array_init(&itrans->uidls, itrans->pool, 8);
	MODULE_CONTEXT_SET(trans, incoming_transaction_module, itrans);
	return trans;
}

static void incoming_trans_free(struct incoming_trans **_itrans)
{
	struct incoming_trans *itrans = *_itrans;

	if (itrans == NULL)
		return;
	*_itrans = NULL;
	pool_unref(&itrans->pool);
	i_free(itrans);
}

static int incoming_save_finish(struct mail_save_context *ctx)
{
	struct mailbox_transaction_context *trans = ctx->transaction;
	union mailbox_module_context *ibox =
		INCOMING_BOX_CONTEXT_REQUIRE(trans->box);
	struct incoming_trans *itrans = INCOMING_TRANS_CONTEXT(trans);
	const char *uidl = NULL;

	/* what belongs to the message is freed with it */
	if (itrans != NULL && ctx->data.pop3_uidl != NULL &&
	    popinjay_uidl_is_valid(ctx->data.pop3_uidl))
		uidl = p_strdup(itrans->pool, ctx->data.pop3_uidl);
	if (ibox->super.save_finish(ctx) < 0)
		return -1;
	if (itrans != NULL) {
		array_push_back(&itrans->uidls, &uidl);
		if (uidl != NULL)
			itrans->has_uidls = TRUE;
	}
	return 0;
}

static int
incoming_save(struct mailbox *box, struct incoming_trans *itrans,
	      const struct mail_transaction_commit_changes *changes,
	      const char **error_r)
{
	struct popinjay_uidl_store *store =
		popinjay_uidl_storage_get_store(box);
	struct popinjay_uidl_saved *saved;
	struct seq_range_iter iter;
	const char *const *uidlp;
	string_t *lines = t_str_new(1024), *key = t_str_new(32);
	unsigned int i = 0;
	uint32_t uid;
	int ret;

	if (seq_range_count(&changes->saved_uids) !=
	    array_count(&itrans->uidls)) {
		*error_r = "The storage doesn't tell their uids";
		return -1;
	}
	if (popinjay_uidl_store_lock(store, error_r) < 0)
		return -1;
	/* the entries of the set may be freed by now */
	popinjay_uidl_storage_forget(box);
	saved = popinjay_uidl_store_get(store);
	if (saved == NULL) {
		saved = popinjay_uidl_saved_create();
		if (popinjay_uidl_store_write(store, saved, error_r) < 0) {
			popinjay_uidl_store_unlock(store);
			return -1;
		}
	}
	seq_range_array_iter_init(&iter, &changes->saved_uids);
	array_foreach(&itrans->uidls, uidlp) {
		if (!seq_range_array_iter_nth(&iter, i++, &uid))
			i_unreached();
		if (*uidlp == NULL)
			continue;
		str_truncate(key, 0);
		popinjay_uidl_saved_unknown_key(key, changes->uid_validity,
						uid);
		popinjay_uidl_saved_append(lines, uid, str_c(key), *uidlp, 0);
		popinjay_uidl_saved_set(saved, uid, str_c(key), *uidlp);
	}
	ret = popinjay_uidl_store_append(store, lines, error_r);
	popinjay_uidl_store_unlock(store);
	return ret;
}

static int
incoming_transaction_commit(struct mailbox_transaction_context *trans,
			    struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = trans->box;
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);
	struct incoming_trans *itrans = INCOMING_TRANS_CONTEXT(trans);
	const char *error;
	int ret;

	ret = ibox->super.transaction_commit(trans, changes_r);
	if (ret == 0 && itrans != NULL && itrans->has_uidls) T_BEGIN {
		if (incoming_save(box, itrans, changes_r, &error) < 0) {
			/* who brings them must not believe they are kept */
			mail_storage_set_critical(box->storage,
				"popinjay: The UIDLs of new messages couldn't "
				"be saved: %s", error);
			ret = -1;
		}
	} T_END;
	incoming_trans_free(&itrans);
	return ret;
}

static void
incoming_transaction_rollback(struct mailbox_transaction_context *trans)
{
	union mailbox_module_context *ibox =
		INCOMING_BOX_CONTEXT_REQUIRE(trans->box);
	struct incoming_trans *itrans = INCOMING_TRANS_CONTEXT(trans);

	ibox->super.transaction_rollback(trans);
	incoming_trans_free(&itrans);
}

void popinjay_uidl_incoming_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *ibox;

	if (!popinjay_uidl_storage_is_ours(box) ||
	    storage_keeps_uidls(box->storage))
		return;
	ibox = p_new(box->pool, union mailbox_module_context, 1);
	ibox->super = *v;
	box->vlast = &ibox->super;
	v->transaction_begin = incoming_transaction_begin;
	v->save_finish = incoming_save_finish;
	v->transaction_commit = incoming_transaction_commit;
	v->transaction_rollback = incoming_transaction_rollback;
	MODULE_CONTEXT_SET_SELF(box, incoming_storage_module, ibox);
}
