/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_STORAGE_H
#define POPINJAY_UIDL_STORAGE_H

struct mail;
struct mailbox;
struct popinjay_uidl_plain;
struct popinjay_uidl_saved;
struct popinjay_uidl_set;
struct popinjay_uidl_sources;
struct popinjay_uidl_store;

/* Get the UIDLs of all messages that the mailbox shows now. The set lives
   until the next call after messages came or went or something was saved, by
   whomever, or until the mailbox is freed.
   Returns 1, 0 if this mailbox has no UIDLs of ours (it is not the INBOX, or
   was opened without us), or -1 with the mailbox's error set. */
int popinjay_uidl_storage_get(struct mailbox *box,
			      const struct popinjay_uidl_set **set_r);

/* Returns how the UIDL of each message of the mailbox is made of its uid and
   the UIDVALIDITY, or NULL if any may have another one, or is to be kept: only
   popinjay_uidl_storage_get() and popinjay_uidl_storage_show() can tell it
   then. */
const struct popinjay_uidl_plain *
popinjay_uidl_storage_get_plain(struct mailbox *box);

/* The same for UIDLs that a client is shown when this returns: they have been
   saved, as far as the settings want it and the storage can, and they are not
   too different from those it was shown before. What goes wrong is logged. */
int popinjay_uidl_storage_show(struct mailbox *box,
			       const struct popinjay_uidl_set **set_r);

/* Make a set of its own, under other settings than the user's. The mailbox
   must be one of ours. Returns 0, or -1 with the mailbox's error set. */
int popinjay_uidl_storage_make(struct mailbox *box,
			       const struct popinjay_uidl_sources *sources,
			       bool want_keys,
			       struct popinjay_uidl_set **set_r);

/* The same with other saved UIDLs than the mailbox's. */
int popinjay_uidl_storage_make_with(struct mailbox *box,
	const struct popinjay_uidl_sources *sources,
	struct popinjay_uidl_saved *saved, bool want_keys,
	struct popinjay_uidl_set **set_r);

/* Returns TRUE if the mailbox has UIDLs of ours. */
bool popinjay_uidl_storage_is_ours(struct mailbox *box);

/* Returns the saved UIDLs of the mailbox, or NULL if it has none of ours. */
struct popinjay_uidl_store *
popinjay_uidl_storage_get_store(struct mailbox *box);

/* Make sets whose messages have their keys from now on. */
void popinjay_uidl_storage_want_keys(struct mailbox *box);

/* Returns TRUE if what popinjay_uidl_storage_get() returned last was made of
   the saved UIDLs as they were last read or written here. */
bool popinjay_uidl_storage_is_current(struct mailbox *box);

/* Free what popinjay_uidl_storage_get() returned, since the saved UIDLs are
   other ones now. */
void popinjay_uidl_storage_forget(struct mailbox *box);

/* Storage hooks. */
void popinjay_uidl_mailbox_allocated(struct mailbox *box);
void popinjay_uidl_mail_allocated(struct mail *mail);

#endif
