/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_MBOX_LEFTOVER_H
#define POPINJAY_UIDL_MBOX_LEFTOVER_H

struct mailbox;
struct popinjay_saved_file;

/* Take the messages that a killed process left in the file of an mbox as they
   were to be, with their uids, if their UIDLs were saved with these. Dovecot
   takes no uid that leaves a gap: it gives each message another one, and at the
   next sync that of another message, with what it has cached of that by then.
   A last message of which only a part is there is removed, to be brought again.
   What goes wrong is logged. Call it before the mailbox is synced. */
void popinjay_uidl_mbox_take_leftover(struct mailbox *box,
				  struct popinjay_saved_file *file);

#endif
