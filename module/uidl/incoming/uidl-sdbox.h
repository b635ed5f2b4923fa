/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_SDBOX_H
#define POPINJAY_UIDL_SDBOX_H

struct mailbox;

/* Storage hook, of its own: let an sdbox INBOX know of the UIDLs that come with
   messages being saved to it, whatever it has already, and of those it has when
   its index was lost. */
void popinjay_uidl_sdbox_mailbox_allocated(struct mailbox *box);

#endif
