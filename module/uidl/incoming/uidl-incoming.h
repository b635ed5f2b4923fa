/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_INCOMING_H
#define POPINJAY_UIDL_INCOMING_H

struct mailbox;

/* Storage hook, of its own: save the UIDLs that come with messages being saved
   to an INBOX (doveadm sync and backup bring them) where the storage would lose
   them. */
void popinjay_uidl_incoming_mailbox_allocated(struct mailbox *box);

#endif
