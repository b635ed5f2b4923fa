/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: gives the storage UIDLs to keep. */

#include "lib.h"
#include "mail-storage-private.h"
#include "uidl-native.h"

struct popinjay_uidl_native {
	struct mailbox_transaction_context *trans;
	struct mail *mail;
};

struct popinjay_uidl_native *popinjay_uidl_native_begin(struct mailbox *box)
{
	struct popinjay_uidl_native *native =
		i_new(struct popinjay_uidl_native, 1);
	struct mail_private *mail;

	native->trans = mailbox_transaction_begin(box, 0, __func__);
	native->mail = mail_alloc(native->trans, 0, NULL);
	mail = (struct mail_private *)native->mail;
	if (mail->v.update_pop3_uidl == NULL)
		popinjay_uidl_native_end(&native);
	return native;
}

void popinjay_uidl_native_set(struct popinjay_uidl_native *native,
			      uint32_t uid, const char *uidl)
{
	if (native == NULL)
		return;
	T_BEGIN {
		if (mail_set_uid(native->mail, uid))
			mail_update_pop3_uidl(native->mail, uidl);
	} T_END;
}

void popinjay_uidl_native_end(struct popinjay_uidl_native **_native)
{
	struct popinjay_uidl_native *native = *_native;

	if (native == NULL)
		return;
	*_native = NULL;
	mail_free(&native->mail);
	(void)mailbox_transaction_commit(&native->trans);
	i_free(native);
}
