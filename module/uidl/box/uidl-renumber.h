/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_RENUMBER_H
#define POPINJAY_UIDL_RENUMBER_H

/* popinjay-uidl has the uid that each message had when its UIDL was saved. For
   UIDLs that matters little: at another UIDVALIDITY a message is found by its
   key. But it makes the file the one place that tells which message an old uid
   was of, until it is written with new ones. Whoever has old uids elsewhere
   sets a hook: before one of our writers changes the file, the hook learns
   where the messages are now, and then the file gets their new uids. So all
   uids in the file are of one UIDVALIDITY, that of the mailbox as the hook was
   called last.

   What doveadm sync or backup brings with a UIDL is only added to the file: no
   old uid is lost there, and the hook is called by the next writer. */

struct mailbox;
struct popinjay_uidl_box;

struct popinjay_uidl_moved {
	uint32_t old_uid, new_uid;
};
ARRAY_DEFINE_TYPE(popinjay_uidl_moved, struct popinjay_uidl_moved);

/* All are called with popinjay-uidl locked. What returns -1 gives the reason in
   error_r; the file is left as it is then. */
struct popinjay_uidl_renumber_hook {
	/* Returns TRUE if the hook has uids of another UIDVALIDITY than the
	   mailbox has now, or the file may have. */
	bool (*wanted)(struct mailbox *box);
	/* Learn where all messages are that the file knows. Has to be on disk
	   when this returns 0. */
	int (*moved)(struct mailbox *box,
		     const ARRAY_TYPE(popinjay_uidl_moved) *moved,
		     const char **error_r);
	/* The file is on disk with the new uids. Returns 0 or -1. */
	int (*renumbered)(struct mailbox *box, const char **error_r);
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

/* Lock the file and give it the uids of now, whether the hook wants it or not:
   before the hook relies on them for the first time. Returns 0, or -1 with the
   reason in error_r. */
int popinjay_uidl_renumber(struct popinjay_uidl_box *ubox,
			   const char **error_r);

#endif
