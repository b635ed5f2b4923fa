/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_STORE_H
#define POPINJAY_UIDL_STORE_H

#include "control-file.h"

/* The saved UIDLs of a mailbox on disk: the file popinjay-uidl, see
   uidl/saved/uidl-saved.h. */

struct mailbox;
struct popinjay_uidl_saved;
struct popinjay_uidl_store;
struct popinjay_uidl_view;

#define POPINJAY_UIDL_STORE_NAME "popinjay-uidl"

/* Returns the saved UIDLs of a mailbox, not read yet. */
struct popinjay_uidl_store *popinjay_uidl_store_create(struct mailbox *box);
/* Free it and set *store to NULL; unlocks it. Does nothing if it is NULL. */
void popinjay_uidl_store_free(struct popinjay_uidl_store **store);

/* Returns the path of the file, or NULL if there can be none. */
const char *popinjay_uidl_store_path(const struct popinjay_uidl_store *store);

/* Read what others have written since. Returns 1 if popinjay_uidl_store_get()
   returns something else than before, 0 if not, or -1 with the reason in
   error_r. A file with faults is an error. */
int popinjay_uidl_store_refresh(struct popinjay_uidl_store *store,
				const char **error_r);

/* Returns a number that changes whenever other UIDLs than before were read:
   what was made of them is of others then. */
unsigned int
popinjay_uidl_store_generation(const struct popinjay_uidl_store *store);

/* Returns the saved UIDLs as they were last read or written, or NULL if there
   is no file. The next refresh that returns 1 frees them. */
struct popinjay_uidl_saved *
popinjay_uidl_store_get(const struct popinjay_uidl_store *store);

/* Lock the store against other writers and refresh it. Returns as
   popinjay_uidl_store_refresh(); it is locked unless that is -1. */
int popinjay_uidl_store_lock(struct popinjay_uidl_store *store,
			     const char **error_r);
/* The same for a file that may be damaged: popinjay_uidl_store_get() then
   returns what can be read of it. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_uidl_store_lock_damaged(struct popinjay_uidl_store *store,
				     const char **error_r);
/* The same as popinjay_uidl_store_lock(), and see that there is a file to
   append to. Returns 0, or -1 with the reason in error_r. */
int popinjay_uidl_store_lock_create(struct popinjay_uidl_store *store,
				    const char **error_r);
void popinjay_uidl_store_unlock(struct popinjay_uidl_store *store);

/* Returns the mailbox as it is seen now. */
void popinjay_uidl_store_get_view(const struct popinjay_uidl_store *store,
				  struct popinjay_uidl_view *view_r);

/* Append lines, made by popinjay_uidl_saved_append(), to the file of a locked
   store. With sync they are on disk when this returns 0, and so is all that was
   appended before; -1 is an error. The caller adds them to
   popinjay_uidl_store_get(). */
int popinjay_uidl_store_append(struct popinjay_uidl_store *store,
			       const string_t *lines, bool sync,
			       const char **error_r);

/* Make saved the store: write it as a whole to the file of a locked store.
   Messages that have to do with none of its entries are gone, see
   popinjay_uidl_saved_write(). It is on disk when this returns 0; -1 is an
   error, and saved may not be used any more then. saved may be what
   popinjay_uidl_store_get() returned. */
int popinjay_uidl_store_write(struct popinjay_uidl_store *store,
			      struct popinjay_uidl_saved *saved,
			      const char **error_r);

/* Make these pieces the store, which is locked and has no file yet. It is on
   disk when this returns 0; -1 is an error. popinjay_uidl_store_get() knows
   nothing of it, and the next refresh reads it. */
int popinjay_uidl_store_write_first(struct popinjay_uidl_store *store,
				    popinjay_control_file_more_t *more,
				    void *context, const char **error_r);

/* Read the file whatever its faults are, without touching the store. Returns 1,
   or 0 if there is none; -1 with the reason in error_r if it cannot be read. */
int popinjay_uidl_store_read_raw(struct popinjay_uidl_store *store,
				 struct popinjay_uidl_saved **saved_r,
				 const char **error_r);

/* Keep a file with faults beside the one that replaces it. Returns 0, or -1
   with the reason in error_r. */
int popinjay_uidl_store_keep_broken(struct popinjay_uidl_store *store,
				    const char **error_r);

#endif
