/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_REPLICA_H
#define POPINJAY_UIDL_REPLICA_H

struct mailbox;

/* Storage hook, of its own: while doveadm sync or backup changes an INBOX, see
   that no message gets a UIDL that clients may know as another one's. */
void popinjay_uidl_replica_mailbox_allocated(struct mailbox *box);

#endif
