/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_STORED_WRITER_H
#define POPINJAY_STORED_WRITER_H

/* Stored UIDLs, as a Maildir has them in dovecot-uidlist: Dovecot shows them
   without us. What is saved does not depend on them, so all of this may fail
   without harm, and says nothing. */

struct mailbox;
struct popinjay_stored_writer;

/* Returns NULL if the storage can store a UIDL only when it saves the message.
   The other functions do nothing then. */
struct popinjay_stored_writer *
popinjay_stored_writer_begin(struct mailbox *box);
/* Give a message a UIDL. */
void popinjay_stored_writer_set(struct popinjay_stored_writer *writer,
				uint32_t uid, const char *uidl);
/* End it and set *writer to NULL. The storage writes them when it next writes,
   at the latest when the mailbox is closed. */
void popinjay_stored_writer_end(struct popinjay_stored_writer **writer);

#endif
