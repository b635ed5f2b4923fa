/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_RENUMBER_H
#define POPINJAY_UIDL_RENUMBER_H

/* popinjay-uidl has the uid that each message had when its UIDL was saved, and
   the UIDVALIDITY of that. For UIDLs that matters little: at another
   UIDVALIDITY a message is found by its key. But it makes the file the one
   place that tells which message an old uid was of, until it is written with
   new ones. Whoever has old uids elsewhere sets a hook: before one of our
   writers changes the file, the hook learns where the messages are now, and
   then the file gets their new uids.

   New messages may be appended to the file before the hook is called: they say
   that nobody knows the UIDVALIDITY of their uids, so they are never taken for
   old ones. What repairs a damaged file leaves each uid its UIDVALIDITY, as far
   as the damage lets it be known, and has no need of the hook. */

struct mailbox;
struct popinjay_uidl_box;

struct popinjay_uidl_moved {
	uint32_t old_uidvalidity, old_uid;
	/* 0 if the message is gone */
	uint32_t new_uid;
};
ARRAY_DEFINE_TYPE(popinjay_uidl_moved, struct popinjay_uidl_moved);

/* Both are called with popinjay-uidl locked, wanted() also without. */
struct popinjay_uidl_renumber_hook {
	/* numbered: all uids in the file are those of now, as far as is known.
	   Returns TRUE if the hook has others, or, unless it is numbered, any
	   at all. */
	bool (*wanted)(struct mailbox *box, bool numbered);
	/* Learn where all messages are that the file knows. Has to be on disk
	   when this returns 0. If it returns -1, with the reason in error_r,
	   the file is left as it is. */
	int (*moved)(struct mailbox *box,
		     const ARRAY_TYPE(popinjay_uidl_moved) *moved,
		     const char **error_r);
};

/* Set the hook of this process; NULL for none. */
void
popinjay_uidl_renumber_hook_set(const struct popinjay_uidl_renumber_hook *hook);

/* To be called when the file was locked and before it is changed: give it the
   uids of now if the hook wants that. Returns 1 if it was written anew, so that
   sets are of others now; 0 if there was nothing to do; or -1 with the reason
   in error_r, and the file may not be changed. */
int popinjay_uidl_renumber_locked(struct popinjay_uidl_box *ubox,
				  const char **error_r);

/* Give the file the uids of now unless it has them and the hook wants nothing:
   to be called before the hook writes any uid, without the hook's lock. Returns
   0, or -1 with the reason in error_r. */
int popinjay_uidl_renumber(struct popinjay_uidl_box *ubox,
			   const char **error_r);

#endif
