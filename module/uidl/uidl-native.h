/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_NATIVE_H
#define POPINJAY_UIDL_NATIVE_H

/* The UIDLs that the storage itself keeps with its messages, as Maildir can in
   dovecot-uidlist: Dovecot shows them without us. What is saved by us does not
   depend on them, so nothing of this can fail. */

struct mailbox;
struct popinjay_uidl_native;

/* Returns NULL if the storage of the mailbox cannot keep any later than when a
   message is saved. The other functions do nothing then. */
struct popinjay_uidl_native *popinjay_uidl_native_begin(struct mailbox *box);
/* Give a message a UIDL. */
void popinjay_uidl_native_set(struct popinjay_uidl_native *native,
			      uint32_t uid, const char *uidl);
/* End it and set *native to NULL. The storage writes them when it next writes,
   at the latest when the mailbox is closed. */
void popinjay_uidl_native_end(struct popinjay_uidl_native **native);

#endif
