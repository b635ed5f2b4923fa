/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SAVED_FILE_H
#define POPINJAY_SAVED_FILE_H

#include "control-file.h"

/* The saved UIDLs of a mailbox on disk: the file popinjay-uidl, see
   uidl/saved/uidl-saved.h. */

struct mailbox;
struct popinjay_uidl_saved;
struct popinjay_saved_file;
struct popinjay_uidl_view;

#define POPINJAY_SAVED_FILE_NAME "popinjay-uidl"

/* Returns the saved UIDLs of a mailbox, not read yet. */
struct popinjay_saved_file *popinjay_saved_file_create(struct mailbox *box);
/* Free it and set *file to NULL; unlocks it. Does nothing if it is NULL. */
void popinjay_saved_file_free(struct popinjay_saved_file **file);

/* Returns the path of the file, or NULL if there can be none. */
const char *popinjay_saved_file_path(const struct popinjay_saved_file *file);

/* Read what others have written since. Returns 1 if popinjay_saved_file_get()
   returns something else than before, 0 if not, or -1 with the reason in
   error_r. A file with faults is an error. */
int popinjay_saved_file_refresh(struct popinjay_saved_file *file,
				const char **error_r);

/* Returns a number that changes whenever other UIDLs than before were read:
   what was made of them is of others then. */
unsigned int
popinjay_saved_file_generation(const struct popinjay_saved_file *file);

/* Returns the saved UIDLs as they were last read or written, or NULL if there
   is no file. The next refresh that returns 1 frees them. */
struct popinjay_uidl_saved *
popinjay_saved_file_get(const struct popinjay_saved_file *file);

/* Lock the file against other writers and refresh it. Returns as
   popinjay_saved_file_refresh(); it is locked unless that is -1. */
int popinjay_saved_file_lock(struct popinjay_saved_file *file,
			     const char **error_r);
/* The same for a file that may be damaged: popinjay_saved_file_get() then
   returns what can be read of it. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_saved_file_lock_damaged(struct popinjay_saved_file *file,
				     const char **error_r);
/* The same as popinjay_saved_file_lock(), and see that there is a file to
   append to. Returns 0, or -1 with the reason in error_r. */
int popinjay_saved_file_lock_create(struct popinjay_saved_file *file,
				    const char **error_r);
void popinjay_saved_file_unlock(struct popinjay_saved_file *file);

/* Returns the mailbox as it is seen now. */
void popinjay_saved_file_get_view(const struct popinjay_saved_file *file,
				  struct popinjay_uidl_view *view_r);

/* Append lines, made by popinjay_uidl_saved_append(), to the locked file. Their
   uids belong to uidvalidity. It has to be 0 for messages that nobody has seen
   in the mailbox yet, since the UIDVALIDITY may have changed. With sync they
   are on disk when this returns 0, and so is all that was appended before; -1
   is an error. The caller adds them to popinjay_saved_file_get(). */
int popinjay_saved_file_append(struct popinjay_saved_file *file,
			       uint32_t uidvalidity, const string_t *lines,
			       bool sync, const char **error_r);

/* Write saved in the place of the locked file. Entries that no message has are
   gone, see popinjay_uidl_saved_write(). It is on disk when this returns 0; -1
   is an error, and saved may not be used any more then. saved may be what
   popinjay_saved_file_get() returned. */
int popinjay_saved_file_write(struct popinjay_saved_file *file,
			      struct popinjay_uidl_saved *saved,
			      const char **error_r);

/* Make the file of these pieces. It is locked, and does not exist yet. It is on
   disk when this returns 0; -1 is an error. popinjay_saved_file_get() knows
   nothing of it, and the next refresh reads it. */
int popinjay_saved_file_write_first(struct popinjay_saved_file *file,
				    popinjay_control_file_more_t *more,
				    void *context, const char **error_r);

/* Read the file whatever its faults are, and leave all else as it is. Returns
   1, 0 if there is none, or -1 with the reason in error_r if it cannot be
   read. */
int popinjay_saved_file_read_raw(struct popinjay_saved_file *file,
				 struct popinjay_uidl_saved **saved_r,
				 const char **error_r);

/* Keep a file with faults beside the one that replaces it. Returns 0, or -1
   with the reason in error_r. */
int popinjay_saved_file_keep_broken(struct popinjay_saved_file *file,
				    const char **error_r);

#endif
