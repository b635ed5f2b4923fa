/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: a message that doveadm sync or backup saves brings its
   UIDL. Maildir, sdbox and mdbox store it. For an mbox it is saved, and before
   its message is: a message that a killed process leaves in the file is not
   brought again. For other storages it is saved as soon as the message has its
   uid. */

#include "lib.h"
#include "array.h"
#include "imap-util.h"
#include "str.h"
#include "seq-range-array.h"
#include "mail-storage-private.h"
#include "kind.h"
#include "saved-file.h"
#include "uidl-box.h"
#include "uidl-incoming.h"
#include "uidl-mbox-leftover.h"
#include "uidl-mbox.h"
#include "uidl-saved.h"
#include "uidl.h"

#define INCOMING_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, incoming_storage_module)
#define INCOMING_TRANS_CONTEXT(obj) \
	MODULE_CONTEXT(obj, incoming_transaction_module)

struct incoming_mail {
	/* that it is to have, 0 if any */
	uint32_t uid;
	/* NULL if it brought none */
	const char *uidl;
	/* by which that was saved; NULL if it was not yet */
	const char *key;
};

/* What is saved in a transaction. */
struct incoming_trans {
	union mailbox_transaction_module_context module_ctx;

	pool_t pool;
	/* each message that was saved */
	ARRAY(struct incoming_mail) mails;
	/* the one that is being saved */
	struct incoming_mail mail;
	/* where the last one that was saved ends in an mbox, 0 if unknown */
	uoff_t end_offset;
	/* why a UIDL couldn't be saved, or NULL */
	const char *error;
	bool has_uidls;
};

static MODULE_CONTEXT_DEFINE_INIT(incoming_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(incoming_transaction_module,
				  &mail_storage_module_register);

static struct incoming_trans *
incoming_trans_get(struct mailbox_transaction_context *trans)
{
	struct incoming_trans *itrans = INCOMING_TRANS_CONTEXT(trans);

	if (itrans == NULL) {
		itrans = i_new(struct incoming_trans, 1);
		itrans->pool = pool_alloconly_create("popinjay incoming uidls",
						     256);
		p_array_init(&itrans->mails, itrans->pool, 8);
		MODULE_CONTEXT_SET(trans, incoming_transaction_module, itrans);
	}
	return itrans;
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

/* Save the UIDL of a message before it is there. All are synced before the
   commit. */
static int
incoming_save_ahead(struct mailbox *box, const struct incoming_mail *mail,
		    const char **error_r)
{
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	string_t *line = t_str_new(128);
	int ret;

	if (popinjay_saved_file_lock_create(file, error_r) < 0)
		return -1;
	popinjay_uidl_saved_append(line, mail->uid, mail->key, mail->uidl, 0);
	ret = popinjay_saved_file_append(file, 0, line, FALSE, error_r);
	if (ret == 0) {
		popinjay_uidl_saved_set(popinjay_saved_file_get(file), 0,
					mail->uid, mail->key, mail->uidl);
	}
	popinjay_saved_file_unlock(file);
	popinjay_uidl_box_forget(ubox);
	return ret;
}

static void set_error_unsaved(struct mailbox *box, const char *error)
{
	mail_storage_set_critical(box->storage,
		"popinjay: New messages aren't saved, since their UIDLs can't "
		"be: %s", error);
}

/* Begin with a message for an mbox that brings a UIDL. */
static int incoming_begin_mbox(struct mail_save_context *ctx,
			       struct istream *input)
{
	struct mailbox *box = ctx->transaction->box;
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);
	struct incoming_trans *itrans = incoming_trans_get(ctx->transaction);
	string_t *key = t_str_new(64);
	const char *error;
	int ret;

	itrans->has_uidls = TRUE;
	if (itrans->error == NULL &&
	    popinjay_uidl_mbox_foretell_key(box, input, key)) {
		itrans->mail.key = p_strdup(itrans->pool, str_c(key));
		if (incoming_save_ahead(box, &itrans->mail, &error) < 0)
			itrans->error = p_strdup(itrans->pool, error);
	}
	ret = popinjay_uidl_mbox_save_begin(ctx, input,
					    ibox->super.save_begin);
	if (ret == 0 && itrans->error != NULL) {
		/* not before: what was not begun can't be cancelled */
		set_error_unsaved(box, itrans->error);
		ret = -1;
	}
	return ret;
}

static int incoming_save_begin(struct mail_save_context *ctx,
			       struct istream *input)
{
	struct mailbox *box = ctx->transaction->box;
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);
	struct incoming_trans *itrans = incoming_trans_get(ctx->transaction);

	i_zero(&itrans->mail);
	itrans->mail.uid = ctx->data.uid;
	if (ctx->data.pop3_uidl != NULL &&
	    popinjay_uidl_is_valid(ctx->data.pop3_uidl)) {
		itrans->mail.uidl = p_strdup(itrans->pool,
					     ctx->data.pop3_uidl);
	}
	return itrans->mail.uidl != NULL && popinjay_uidl_mbox_is(box) ?
		incoming_begin_mbox(ctx, input) :
		ibox->super.save_begin(ctx, input);
}

/* Returns TRUE if the message that was just saved has the key that was
   foretold. */
static bool incoming_has_key(struct mail_save_context *ctx,
			     const struct incoming_mail *mail)
{
	string_t *key = t_str_new(64);

	return mail->key != NULL &&
		popinjay_uidl_mbox_get_saved_key(ctx, key) &&
		strcmp(str_c(key), mail->key) == 0;
}

/* See that the last message which was saved ends as it has to. */
static int
incoming_end_last(struct mailbox *box, const struct incoming_trans *itrans,
		  const char **error_r)
{
	if (!popinjay_uidl_mbox_is(box) || !itrans->has_uidls ||
	    array_count(&itrans->mails) == 0)
		return 0;
	return popinjay_uidl_mbox_end_last(box, itrans->end_offset, error_r);
}

/* A message was not saved. */
static void incoming_failed(struct mailbox_transaction_context *trans)
{
	const char *error;

	/* if it fails, the commit tries it once more */
	(void)incoming_end_last(trans->box, incoming_trans_get(trans), &error);
}

static int incoming_save_finish(struct mail_save_context *ctx)
{
	struct mailbox_transaction_context *trans = ctx->transaction;
	union mailbox_module_context *ibox =
		INCOMING_BOX_CONTEXT_REQUIRE(trans->box);
	struct incoming_trans *itrans = incoming_trans_get(trans);

	if (ibox->super.save_finish(ctx) < 0) {
		incoming_failed(trans);
		return -1;
	}
	if (itrans->mail.uidl != NULL) {
		itrans->has_uidls = TRUE;
		if (!incoming_has_key(ctx, &itrans->mail))
			itrans->mail.key = NULL;
	}
	if (popinjay_uidl_mbox_is(trans->box))
		itrans->end_offset =
			popinjay_uidl_mbox_get_saved_end(trans->box);
	array_push_back(&itrans->mails, &itrans->mail);
	return 0;
}

static void incoming_save_cancel(struct mail_save_context *ctx)
{
	struct mailbox *box = ctx->transaction->box;
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);

	ibox->super.save_cancel(ctx);
	incoming_failed(ctx->transaction);
}

static int incoming_copy(struct mail_save_context *ctx, struct mail *mail)
{
	struct mailbox *box = ctx->transaction->box;
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);

	if (mail->box == box) {
		/* dsync knows one UIDL for all messages of a GUID */
		i_free(ctx->data.pop3_uidl);
	}
	return ibox->super.copy(ctx, mail);
}

static bool incoming_has_rest(const struct incoming_trans *itrans)
{
	const struct incoming_mail *mail;

	array_foreach(&itrans->mails, mail) {
		if (mail->uidl != NULL && mail->key == NULL)
			return TRUE;
	}
	return FALSE;
}

/* Save what could not be saved before the commit. */
static int
incoming_save_rest(struct popinjay_saved_file *file,
		   const struct incoming_trans *itrans,
		   const struct mail_transaction_commit_changes *changes,
		   const char **error_r)
{
	struct popinjay_uidl_saved *saved = popinjay_saved_file_get(file);
	struct seq_range_iter iter;
	const struct incoming_mail *mail;
	string_t *lines = t_str_new(1024), *key = t_str_new(32);
	unsigned int i = 0;
	uint32_t uid;

	if (!incoming_has_rest(itrans))
		return 0;
	if (seq_range_count(&changes->saved_uids) !=
	    array_count(&itrans->mails)) {
		*error_r = "The storage does not report their UIDs";
		return -1;
	}
	seq_range_array_iter_init(&iter, &changes->saved_uids);
	array_foreach(&itrans->mails, mail) {
		if (!seq_range_array_iter_nth(&iter, i++, &uid))
			i_unreached();
		if (mail->uidl == NULL || mail->key != NULL)
			continue;
		/* they may be saved in another order than that of uids */
		if (mail->uid != 0 &&
		    seq_range_exists(&changes->saved_uids, mail->uid))
			uid = mail->uid;
		str_truncate(key, 0);
		popinjay_uidl_saved_unknown_key(key, changes->uid_validity,
						uid);
		popinjay_uidl_saved_append(lines, uid, str_c(key), mail->uidl,
					   0);
		popinjay_uidl_saved_set(saved, changes->uid_validity, uid,
					str_c(key), mail->uidl);
	}
	return popinjay_saved_file_append(file, changes->uid_validity, lines,
					  TRUE, error_r);
}

static int
incoming_commit(struct mailbox_transaction_context *trans,
		const struct incoming_trans *itrans,
		struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = trans->box;
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	string_t *uids;
	const char *error = itrans->error;
	int ret;

	/* A message that is there is not brought again: where its UIDL can't
	   be saved, it must not be there either. */
	if (error != NULL ||
	    popinjay_saved_file_lock_create(file, &error) < 0 ||
	    popinjay_saved_file_append(file, 0, t_str_new(1), TRUE,
				       &error) < 0 ||
	    incoming_end_last(box, itrans, &error) < 0) {
		popinjay_saved_file_unlock(file);
		ibox->super.transaction_rollback(trans);
		set_error_unsaved(box, error);
		return -1;
	}
	ret = ibox->super.transaction_commit(trans, changes_r);
	if (ret == 0) {
		popinjay_uidl_box_forget(ubox);
		ret = incoming_save_rest(file, itrans, changes_r, &error);
		if (ret < 0) {
			uids = t_str_new(64);
			imap_write_seq_range(uids, &changes_r->saved_uids);
			mail_storage_set_critical(box->storage,
				"popinjay: The UIDLs of the new messages with "
				"UIDs %s couldn't be saved: %s: doveadm sync "
				"or backup doesn't bring them again, doveadm "
				"popinjay uidl export and import do",
				str_c(uids), error);
		}
	}
	popinjay_saved_file_unlock(file);
	return ret;
}

static int
incoming_transaction_commit(struct mailbox_transaction_context *trans,
			    struct mail_transaction_commit_changes *changes_r)
{
	union mailbox_module_context *ibox =
		INCOMING_BOX_CONTEXT_REQUIRE(trans->box);
	struct incoming_trans *itrans = INCOMING_TRANS_CONTEXT(trans);
	int ret;

	if (itrans != NULL && itrans->has_uidls) T_BEGIN {
		ret = incoming_commit(trans, itrans, changes_r);
	} T_END; else {
		ret = ibox->super.transaction_commit(trans,
								changes_r);
	}
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

static struct mailbox_sync_context *
incoming_sync_init(struct mailbox *box, enum mailbox_sync_flags flags)
{
	union mailbox_module_context *ibox = INCOMING_BOX_CONTEXT_REQUIRE(box);

	if (!box->deleting) T_BEGIN {
		popinjay_uidl_mbox_take_leftover(box,
			popinjay_uidl_box_get_file(popinjay_uidl_box(box)));
	} T_END;
	return ibox->super.sync_init(box, flags);
}

void popinjay_uidl_incoming_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *ibox;

	if (popinjay_uidl_box(box) == NULL)
		return;
	ibox = p_new(box->pool, union mailbox_module_context, 1);
	ibox->super = *v;
	box->vlast = &ibox->super;
	v->copy = incoming_copy;
	if (!popinjay_storage_kind(box)->stores_uidls) {
		if (popinjay_uidl_mbox_is(box))
			v->sync_init = incoming_sync_init;
		v->save_begin = incoming_save_begin;
		v->save_finish = incoming_save_finish;
		v->save_cancel = incoming_save_cancel;
		v->transaction_commit = incoming_transaction_commit;
		v->transaction_rollback = incoming_transaction_rollback;
	}
	MODULE_CONTEXT_SET_SELF(box, incoming_storage_module, ibox);
}
