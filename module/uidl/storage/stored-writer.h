/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_STORED_WRITER_H
#define POPINJAY_STORED_WRITER_H

/* The UIDLs that the storage itself keeps with its messages, as Maildir can in
   dovecot-uidlist: Dovecot shows them without us. What is saved by us does not
   depend on them, so nothing of this can fail. */

struct mailbox;
struct popinjay_stored_writer;

/* Returns NULL if the storage of the mailbox cannot keep any later than when a
   message is saved. The other functions do nothing then. */
struct popinjay_stored_writer *
popinjay_stored_writer_begin(struct mailbox *box);
/* Give a message a UIDL. */
void popinjay_stored_writer_set(struct popinjay_stored_writer *writer,
				uint32_t uid, const char *uidl);
/* End it and set *writer to NULL. The storage writes them when it next writes,
   at the latest when the mailbox is closed. */
void popinjay_stored_writer_end(struct popinjay_stored_writer **writer);

#endif
