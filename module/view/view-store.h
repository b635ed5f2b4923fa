/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEW_STORE_H
#define POPINJAY_VIEW_STORE_H

/* The views of a mailbox on disk: the file popinjay-views beside popinjay-uidl,
   see view/views.h.

   It is there only where something was ever hidden. Once it was written, an
   extension of Dovecot's index says so, so that a file that is lost is not
   taken for one that never was: that is an error in the log and an event, and
   views begin anew. A file that is damaged or cannot be read is an error for
   whoever reads it.

   At another UIDVALIDITY, the uids in popinjay-uidl are the only way to find
   again what was hidden, and they are there until that file is written with
   the new ones. So its writers, whichever process they are in, call us under
   its lock, before they change it: see uidl/box/uidl-renumber.h. The views are
   on disk before popinjay-uidl is written. Locks are taken in this order:
   popinjay-uidl, popinjay-views. */

#define POPINJAY_VIEW_STORE_NAME "popinjay-views"

struct mailbox;
struct popinjay_view;
struct popinjay_view_store;
struct popinjay_views;

/* Returns the views of a mailbox, which is open, not read yet. */
struct popinjay_view_store *popinjay_view_store_create(struct mailbox *box);
/* Free it and set *store to NULL; unlocks it. Does nothing if it is NULL. */
void popinjay_view_store_free(struct popinjay_view_store **store);

/* Returns the path of the file, or NULL if there can be none. */
const char *popinjay_view_store_path(const struct popinjay_view_store *store);

/* Read the file, without a lock. Returns 1, 0 if there is none, or -1 with the
   reason in error_r: then it is damaged or can not be read. */
int popinjay_view_store_read(struct popinjay_view_store *store,
			     const char **error_r);
/* Lock the file against other writers and read it. Returns as
   popinjay_view_store_read(); it is locked unless that is -1. */
int popinjay_view_store_lock(struct popinjay_view_store *store,
			     const char **error_r);
void popinjay_view_store_unlock(struct popinjay_view_store *store);

/* Returns the views as they were last read; none if there was no file. The next
   read frees them. Whoever holds the lock may change them. */
struct popinjay_views *
popinjay_view_store_get(const struct popinjay_view_store *store);

/* Returns popinjay_view_map_from() of a view that was read, for the mailbox as
   its index is on disk now: another session may have seen messages that came
   since this one was synced. */
uint32_t popinjay_view_store_map_from(struct popinjay_view_store *store,
				      const struct popinjay_view *view);

/* Write the views to the file, which is locked. They are on disk when this
   returns 0. -1 is an error: what was changed must not be shown. */
int popinjay_view_store_write(struct popinjay_view_store *store,
			      const char **error_r);

/* Keep the file also as PATH.broken. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_view_store_keep_broken(struct popinjay_view_store *store,
				    const char **error_r);

#endif
