/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_STORAGE_H
#define POPINJAY_UIDL_STORAGE_H

struct mail;
struct mailbox;
struct popinjay_uidl_plain;
struct popinjay_uidl_set;

/* Get the UIDLs of all messages that the mailbox shows now. The set lives
   until the next call after messages came or went, or the mailbox is freed.
   Returns 1, 0 if this mailbox has no UIDLs of ours (it is not the INBOX, or
   was opened without us), or -1 with the mailbox's error set. */
int popinjay_uidl_storage_get(struct mailbox *box,
			      const struct popinjay_uidl_set **set_r);

/* Returns how the UIDL of each message of the mailbox is made of its uid and
   the UIDVALIDITY, or NULL if any may have another one: only
   popinjay_uidl_storage_get() can tell it then. */
const struct popinjay_uidl_plain *
popinjay_uidl_storage_get_plain(struct mailbox *box);

/* Returns TRUE if the message could not be read when the set was made: its UIDL
   is shown to the client, but must not be saved. */
bool popinjay_uidl_storage_is_provisional(struct mailbox *box, uint32_t uid);

/* Storage hooks. */
void popinjay_uidl_mailbox_allocated(struct mailbox *box);
void popinjay_uidl_mail_allocated(struct mail *mail);

#endif
