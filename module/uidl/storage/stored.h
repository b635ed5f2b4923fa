/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_STORED_H
#define POPINJAY_STORED_H

struct mail;
struct mail_index_view;
struct mailbox;
struct mailbox_transaction_context;
struct popinjay_stored;

/* What is stored of the messages of a mailbox, found without asking each of
   them, as far as their kind of storage lets us; see kind.h. Where anything is
   in doubt, nothing is known, and Dovecot has to be asked. */

/* Returns FALSE if surely no message of the mailbox has a UIDL stored, by the
   storage or by another plugin. Remembered until messages came or went. */
bool popinjay_stored_may_have_uidls(struct mailbox *box);

/* Start to look up sizes of the messages that the transaction sees. Returns
   NULL if nothing is known, or if a message may have a place of its own in POP3
   listings. */
struct popinjay_stored *
popinjay_stored_open(struct mailbox_transaction_context *trans);
/* End it and set *stored to NULL. Does nothing if it is NULL. */
void popinjay_stored_close(struct popinjay_stored **stored);

/* Find the virtual size of a message, the one that Dovecot would tell. Returns
   TRUE if it is known. */
bool popinjay_stored_get_size(struct popinjay_stored *stored, uint32_t seq,
			      uoff_t *size_r);

/* Find the size of the file that has just this message. It need not be possible
   to read it. Returns TRUE if it is known. */
bool popinjay_stored_get_file_size(struct mail *mail, uoff_t *size_r);

/* Returns FALSE if the storage does not have this message of the index any
   more: nobody may have noticed yet. */
bool popinjay_stored_has_message(struct mailbox *box, uint32_t uid);

/* Returns FALSE if any message of the index may be gone from the storage. */
bool popinjay_stored_is_as_indexed(struct mailbox *box,
				   struct mail_index_view *view);

#endif
