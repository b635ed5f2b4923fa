/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_MAKE_H
#define POPINJAY_UIDL_MAKE_H

struct mail;
struct mailbox;
struct popinjay_uidl_saved;
struct popinjay_uidl_set;
struct popinjay_uidl_sources;

/* A message that cannot be read gets a UIDL for now that has no need of it,
   so that the others are listed. With more of them, or with all, it is the
   storage that fails: to show its mail with other UIDLs would make clients
   download all of it again. */
#define POPINJAY_UIDL_MAX_FAILED 8

/* Make the UIDLs of all messages that the mailbox shows now. Those of Dovecot's
   own sources are taken as they are. saved may be NULL;
   else its entries are matched with the messages. With want_keys each message
   of the set has its key. Returns 0, or -1 with the mailbox's error set and
   NULL in *set_r. */
int popinjay_uidl_make(struct mailbox *box,
		       const struct popinjay_uidl_sources *sources,
		       struct popinjay_uidl_saved *saved, bool want_keys,
		       struct popinjay_uidl_set **set_r);

/* Append to dest what tells a message from all others, wherever it is moved
   to: what it is saved under. Returns 1, 0 if there is nothing, or -1 with the
   mailbox's error set. */
int popinjay_uidl_make_key(struct mail *mail, string_t *dest);

#endif
