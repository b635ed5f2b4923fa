/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: has UIDLs stored with messages that are there. */

#include "lib.h"
#include "mail-storage-private.h"
#include "stored-writer.h"

struct popinjay_stored_writer {
	struct mailbox_transaction_context *trans;
	struct mail *mail;
};

struct popinjay_stored_writer *
popinjay_stored_writer_begin(struct mailbox *box)
{
	struct popinjay_stored_writer *writer =
		i_new(struct popinjay_stored_writer, 1);
	struct mail_private *mail;

	writer->trans = mailbox_transaction_begin(box, 0, __func__);
	writer->mail = mail_alloc(writer->trans, 0, NULL);
	mail = (struct mail_private *)writer->mail;
	if (mail->v.update_pop3_uidl == NULL)
		popinjay_stored_writer_end(&writer);
	return writer;
}

void popinjay_stored_writer_set(struct popinjay_stored_writer *writer,
				uint32_t uid, const char *uidl)
{
	if (writer == NULL)
		return;
	T_BEGIN {
		if (mail_set_uid(writer->mail, uid))
			mail_update_pop3_uidl(writer->mail, uidl);
	} T_END;
}

void popinjay_stored_writer_end(struct popinjay_stored_writer **_writer)
{
	struct popinjay_stored_writer *writer = *_writer;

	if (writer == NULL)
		return;
	*_writer = NULL;
	mail_free(&writer->mail);
	(void)mailbox_transaction_commit(&writer->trans);
	i_free(writer);
}
