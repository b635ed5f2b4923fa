/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_MAKE_H
#define POPINJAY_UIDL_MAKE_H

struct mailbox;
struct popinjay_uidl_saved;
struct popinjay_uidl_set;
struct popinjay_uidl_sources;

/* A message that cannot be read gets a UIDL for now that has no need of it,
   so that the others are listed. With more of them, or with all, it is the
   storage that fails: to show its mail with other UIDLs would make clients
   download all of it again. */
#define POPINJAY_UIDL_MAX_FAILED 8

struct popinjay_uidl_made {
	struct popinjay_uidl_set *set;
	/* messages whose UIDL is none to keep, as they could not be read; in no
	   order */
	uint32_t failed_uids[POPINJAY_UIDL_MAX_FAILED];
	unsigned int failed_count;
};

/* Make the UIDLs of all messages that the mailbox shows now. saved may be NULL;
   else its entries are matched with the messages. With want_keys each message
   of the set has its key. Returns 0, or -1 with the mailbox's error set. */
int popinjay_uidl_make(struct mailbox *box,
		       const struct popinjay_uidl_sources *sources,
		       struct popinjay_uidl_saved *saved, bool want_keys,
		       struct popinjay_uidl_made *made_r);

/* Returns TRUE if the message is among failed_uids. */
bool popinjay_uidl_made_is_provisional(const struct popinjay_uidl_made *made,
				       uint32_t uid);

#endif
