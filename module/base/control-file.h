/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_CONTROL_FILE_H
#define POPINJAY_CONTROL_FILE_H

/* A small text file beside dovecot-uidlist, in the mailbox's control directory.
   It is read without a lock, so it only ever grows by whole lines, or is
   replaced as a whole. Writers hold a dotlock; permissions, locking on NFS and
   fsync are as Dovecot's settings want them. Only a regular file of at most
   POPINJAY_CONTROL_FILE_MAX_BYTES is read or written: whoever owns the
   directory may have put anything there. */

/* The saved UIDLs of more than two million messages. */
#define POPINJAY_CONTROL_FILE_MAX_BYTES (256 * 1024 * 1024)

struct mailbox;
struct popinjay_control_file;

/* Returns the file of that name, which need not exist. */
struct popinjay_control_file *
popinjay_control_file_create(struct mailbox *box, const char *name);
/* Free it and set *file to NULL; unlocks it. Does nothing if it is NULL. */
void popinjay_control_file_free(struct popinjay_control_file **file);

/* Returns the path, or NULL if this mailbox has no control directory. */
const char *
popinjay_control_file_path(const struct popinjay_control_file *file);

/* Read the file, unless it is the one that was last read or written here.
   Returns 1 with all of it in data, 0 if it is the same as before, or -1 with
   the reason in error_r. A file that there is not is empty, and
   popinjay_control_file_exists() tells. */
int popinjay_control_file_read(struct popinjay_control_file *file,
			       buffer_t *data, const char **error_r);

/* Returns TRUE if the file was there when it was last read or written. */
bool popinjay_control_file_exists(const struct popinjay_control_file *file);

/* Lock the file against other writers. Waits for them, but for a quarter of a
   second only in a process that serves several users at a time. Returns 0, or
   -1 with the reason in error_r. */
int popinjay_control_file_lock(struct popinjay_control_file *file,
			       const char **error_r);
void popinjay_control_file_unlock(struct popinjay_control_file *file);

/* Append text, which is whole lines, behind the first size bytes; what follows
   them is the cut line of a writer that was killed, and is removed. The file
   has to be locked, read and there. With sync it is on disk when this returns
   0, and so is all that was appended before; when it returns -1, with the
   reason in error_r, the file is as before, or has whole lines of text at its
   end and a cut one, and the next read reads it anew. */
int popinjay_control_file_append(struct popinjay_control_file *file,
				 uoff_t size, const string_t *text, bool sync,
				 const char **error_r);

/* Pieces of this size are written at a time: a whole file may be as large as
   all else of a session. */
#define POPINJAY_CONTROL_FILE_PIECE_BYTES (64 * 1024)

/* Append the next piece of a file to text. Returns FALSE if it was the last
   one. */
typedef bool popinjay_control_file_more_t(void *context, string_t *text);

/* Make these pieces the whole file, and tell its size. It has to be locked. It
   is on disk when this returns 0; when it returns -1, with the reason in
   error_r, the file is as before or what another writer made it, and the next
   read reads it anew. */
int popinjay_control_file_replace(struct popinjay_control_file *file,
				  popinjay_control_file_more_t *more,
				  void *context, uoff_t *size_r,
				  const char **error_r);

/* Forget what was read or written: the next read reads the file anew. */
void popinjay_control_file_forget(struct popinjay_control_file *file);

/* Keep the file also as PATH.broken. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_control_file_keep_broken(struct popinjay_control_file *file,
				      const char **error_r);

#endif
