/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: sdbox keeps a message's UIDL in its file, and notes in the
   index that there are any, and up to which uid: others are not looked for.

   Dovecot notes the uid only for the first messages of a mailbox (it takes a
   message's number in the mailbox for its number among those being saved). So
   what a second doveadm backup brings would have lost its UIDLs. And where the
   index is lost, it makes a new one without any note. */

#include "lib.h"
#include "seq-range-array.h"
#include "mail-storage-private.h"
#include "index-pop3-uidl.h"
#include "dbox-save.h"
#include "sdbox-storage.h"
#include "kind.h"
#include "uidl-box.h"
#include "uidl-sdbox.h"

#define SDBOX_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, sdbox_storage_module)

static MODULE_CONTEXT_DEFINE_INIT(sdbox_storage_module,
				  &mail_storage_module_register);

/* The messages have their uids, and nobody else can save any until they are
   committed, together with the note. */
static int sdbox_save_commit_pre(struct mail_save_context *ctx)
{
	struct mailbox_transaction_context *trans = ctx->transaction;
	union mailbox_module_context *sbox =
		SDBOX_BOX_CONTEXT_REQUIRE(trans->box);
	const struct dbox_save_context *dctx = DBOX_SAVECTX(ctx);
	bool has_uidls = dctx->highest_pop3_uidl_seq > 0;
	const struct seq_range *range;

	if (sbox->super.transaction_save_commit_pre(ctx) < 0)
		return -1;
	if (has_uidls && array_count(&trans->changes->saved_uids) > 0) {
		range = array_back(&trans->changes->saved_uids);
		index_pop3_uidl_set_max_uid(trans->box, trans->itrans,
					    range->seq2);
	}
	return 0;
}

/* Have them looked for where the index was made from the files: Dovecot then
   notes up to which uid there are any. */
static void sdbox_look_for_uidls(struct sdbox_mailbox *mbox)
{
	const uint8_t all = DBOX_INDEX_HEADER_FLAG_HAVE_POP3_UIDLS |
		DBOX_INDEX_HEADER_FLAG_HAVE_POP3_ORDERS;
	struct mail_index_transaction *trans;
	struct sdbox_index_header hdr;
	bool need_resize;

	if (sdbox_read_header(mbox, &hdr, FALSE, &need_resize) < 0 ||
	    need_resize || hdr.rebuild_count == 0 || (hdr.flags & all) == all)
		return;
	hdr.flags |= all;
	trans = mail_index_transaction_begin(mbox->box.view, 0);
	mail_index_update_header_ext(trans, mbox->hdr_ext_id,
		offsetof(struct sdbox_index_header, flags), &hdr.flags,
		sizeof(hdr.flags));
	if (mail_index_transaction_commit(&trans) < 0)
		mail_index_reset_error(mbox->box.index);
}

static int sdbox_open(struct mailbox *box)
{
	union mailbox_module_context *sbox = SDBOX_BOX_CONTEXT_REQUIRE(box);
	struct sdbox_mailbox *mbox = SDBOX_MAILBOX(box);

	if (sbox->super.open(box) < 0)
		return -1;
	if (!box->creating)
		sdbox_look_for_uidls(mbox);
	return 0;
}

void popinjay_uidl_sdbox_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *sbox;

	if (popinjay_uidl_box(box) == NULL ||
	    popinjay_storage_kind(box) != &popinjay_storage_sdbox)
		return;
	sbox = p_new(box->pool, union mailbox_module_context, 1);
	sbox->super = *v;
	box->vlast = &sbox->super;
	v->open = sdbox_open;
	v->transaction_save_commit_pre = sdbox_save_commit_pre;
	MODULE_CONTEXT_SET_SELF(box, sdbox_storage_module, sbox);
}
