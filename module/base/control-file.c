/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: reads and writes our files in a mailbox's control
   directory. Killed at any point, a writer leaves the file as it was, or as it
   was to be, or with a cut line at its end that the next writer removes. */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "eacces-error.h"
#include "fdatasync-path.h"
#include "file-dotlock.h"
#include "master-service.h"
#include "mkdir-parents.h"
#include "nfs-workarounds.h"
#include "safe-mkstemp.h"
#include "sleep.h"
#include "unlink-old-files.h"
#include "write-full.h"
#include "mail-storage-private.h"
#include "control-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A writer holds the lock for one write and one fsync. */
#define LOCK_STALE_SECS 20
#define LOCK_TIMEOUT_SECS 30
/* A writer that creates a lock says at once who it is. */
#define LOCK_EMPTY_SECS 2

/* Where other users wait for this process too, so many tries are enough for a
   writer that lives. */
#define SHARED_LOCK_TRIES 25
#define SHARED_LOCK_TRY_MSECS 10

#define TEMP_SUFFIX ".tmp."

struct popinjay_control_file {
	struct mailbox *box;
	/* NULL if there is no directory for it */
	char *dir, *path;
	/* in path */
	const char *name;
	struct dotlock *dotlock;
	/* of the dotlock */
	struct stat lock_st;

	/* as it was when it was last read or written; st_ino is 0 if it was
	   not there */
	struct stat st;
	bool known:1;
};

struct popinjay_control_file *
popinjay_control_file_create(struct mailbox *box, const char *name)
{
	struct popinjay_control_file *file =
		i_new(struct popinjay_control_file, 1);
	const char *dir;

	file->box = box;
	if (mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_CONTROL,
				&dir) > 0) {
		file->dir = i_strdup(dir);
		file->path = i_strconcat(dir, "/", name, NULL);
		file->name = file->path + strlen(dir) + 1;
	}
	return file;
}

void popinjay_control_file_free(struct popinjay_control_file **_file)
{
	struct popinjay_control_file *file = *_file;

	if (file == NULL)
		return;
	*_file = NULL;

	popinjay_control_file_unlock(file);
	i_free(file->dir);
	i_free(file->path);
	i_free(file);
}

const char *popinjay_control_file_path(const struct popinjay_control_file *file)
{
	return file->path;
}

bool popinjay_control_file_exists(const struct popinjay_control_file *file)
{
	return file->known && file->st.st_ino != 0;
}

static const char *call_error(const char *call, const char *path)
{
	if (errno == EACCES) {
		return strcmp(call, "open") == 0 ?
			eacces_error_get(call, path) :
			eacces_error_get_creating(call, path);
	}
	return t_strdup_printf("%s(%s) failed: %m", call, path);
}

static bool
file_is_same(const struct popinjay_control_file *file, const struct stat *st)
{
	return file->known && file->st.st_ino == st->st_ino &&
		CMP_DEV_T(file->st.st_dev, st->st_dev) &&
		file->st.st_size == st->st_size &&
		file->st.st_mtime == st->st_mtime &&
		ST_MTIME_NSEC(file->st) == ST_MTIME_NSEC(*st);
}

static void
file_set_known(struct popinjay_control_file *file, const struct stat *st)
{
	file->st = *st;
	file->known = TRUE;
}

static int file_too_large(const struct popinjay_control_file *file,
			  const char **error_r)
{
	*error_r = t_strdup_printf("%s is larger than %u MB", file->path,
		POPINJAY_CONTROL_FILE_MAX_BYTES / 1024 / 1024);
	return -1;
}

static int
file_read_fd(struct popinjay_control_file *file, int fd, buffer_t *data,
	     const char **error_r)
{
	struct stat st;
	ssize_t ret = 0;

	if (fstat(fd, &st) < 0) {
		*error_r = call_error("fstat", file->path);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		*error_r = t_strdup_printf("%s is no regular file",
					   file->path);
		return -1;
	}
	if (st.st_size > POPINJAY_CONTROL_FILE_MAX_BYTES)
		return file_too_large(file, error_r);
	if (file_is_same(file, &st))
		return 0;

	buffer_set_used_size(data, 0);
	while (data->used <= POPINJAY_CONTROL_FILE_MAX_BYTES) {
		size_t used = data->used;
		size_t want = (uoff_t)st.st_size > used ?
			(uoff_t)st.st_size - used : 4096;

		ret = read(fd, buffer_append_space_unsafe(data, want), want);
		buffer_set_used_size(data, used + I_MAX(ret, 0));
		if (ret <= 0)
			break;
	}
	if (ret < 0) {
		*error_r = call_error("read", file->path);
		return -1;
	}
	if (ret > 0)
		return file_too_large(file, error_r);
	/* it has grown since fstat(): of its time we know only that */
	st.st_size = data->used;
	file_set_known(file, &st);
	return 1;
}

int popinjay_control_file_read(struct popinjay_control_file *file,
			       buffer_t *data, const char **error_r)
{
	struct stat st;
	int fd, ret;

	if (file->path != NULL) {
		if (file->box->storage->set->mail_nfs_storage)
			nfs_flush_file_handle_cache(file->path);
		/* never wait for whoever writes to a FIFO */
		fd = nfs_safe_open(file->path,
				   O_RDONLY | O_NONBLOCK | O_NOCTTY);
		if (fd != -1) {
			ret = file_read_fd(file, fd, data, error_r);
			i_close_fd(&fd);
			return ret;
		}
		if (errno != ENOENT && errno != ENOTDIR) {
			*error_r = call_error("open", file->path);
			return -1;
		}
	}
	i_zero(&st);
	if (file_is_same(file, &st))
		return 0;
	buffer_set_used_size(data, 0);
	file_set_known(file, &st);
	return 1;
}

/* The directory of an mbox need not exist, nor one of its own for control
   files. */
static int file_create_dir(struct popinjay_control_file *file)
{
	const struct mailbox_permissions *perm =
		mailbox_get_permissions(file->box);

	if (mkdir_parents_chgrp(file->dir, perm->dir_create_mode,
				perm->file_create_gid,
				perm->file_create_gid_origin) < 0 &&
	    errno != EEXIST)
		return -1;
	return 0;
}

/* Remove what writers left that were killed, as they left their lock. One that
   only slept and has lost its lock fails then, as it should. */
static void file_unlink_temps(struct popinjay_control_file *file)
{
	(void)unlink_old_files(file->dir,
			       t_strconcat(file->name, TEMP_SUFFIX, NULL),
			       file->lock_st.st_ctime + 1);
}

/* Remove the lock of a writer that was killed before it could say who it is:
   Dovecot would wait until it is stale. */
static void
unlink_empty_lock(struct popinjay_control_file *file, const char *lock_path)
{
	struct stat st;

	if (file->box->storage->set->mail_nfs_storage) {
		nfs_flush_file_handle_cache(lock_path);
		nfs_flush_attr_cache_unlocked(lock_path);
	}
	if (nfs_safe_lstat(lock_path, &st) == 0 && st.st_size == 0 &&
	    st.st_ctime + LOCK_EMPTY_SECS < time(NULL))
		i_unlink_if_exists(lock_path);
}

/* Returns 1, 0 if another process still has the lock, or -1 with errno set. */
static int try_lock(struct popinjay_control_file *file,
		    const struct dotlock_settings *set, bool wait)
{
	const enum dotlock_create_flags flags =
		wait ? 0 : DOTLOCK_CREATE_FLAG_NONBLOCK;
	int ret;

	unlink_empty_lock(file, t_strconcat(file->path, ".lock", NULL));
	ret = file_dotlock_create(set, file->path, flags, &file->dotlock);
	if (ret < 0 && errno == ENOENT && file_create_dir(file) == 0) {
		ret = file_dotlock_create(set, file->path, flags,
					  &file->dotlock);
	}
	return ret;
}

/* Returns as try_lock(). */
static int wait_lock(struct popinjay_control_file *file)
{
	const struct mail_storage_settings *set = file->box->storage->set;
	const struct dotlock_settings dotlock_set = {
		/* an empty lock is looked for that often */
		.timeout = LOCK_EMPTY_SECS,
		.stale_timeout = LOCK_STALE_SECS,
		.use_excl_lock = set->dotlock_use_excl,
		.nfs_flush = set->mail_nfs_storage,
		.use_io_notify = TRUE
	};
	bool shared = master_service_get_client_limit(master_service) > 1;
	time_t until = time(NULL) +
		mail_storage_get_lock_timeout(file->box->storage,
					      LOCK_TIMEOUT_SECS);
	unsigned int tries = 1;
	int ret;

	while ((ret = try_lock(file, &dotlock_set, !shared)) == 0) {
		if (shared ? tries++ == SHARED_LOCK_TRIES :
		    time(NULL) >= until)
			break;
		if (shared)
			i_sleep_msecs(SHARED_LOCK_TRY_MSECS);
	}
	return ret;
}

int popinjay_control_file_lock(struct popinjay_control_file *file,
			       const char **error_r)
{
	const char *lock_path;
	struct stat st;
	bool had_lock;
	int ret;

	i_assert(file->dotlock == NULL);
	if (file->path == NULL) {
		*error_r = "This mailbox has no control directory";
		return -1;
	}
	had_lock = lstat(t_strconcat(file->path, ".lock", NULL), &st) == 0;
	ret = wait_lock(file);
	if (ret > 0) {
		lock_path = file_dotlock_get_lock_path(file->dotlock);
		if (nfs_safe_lstat(lock_path, &file->lock_st) == 0) {
			if (had_lock)
				file_unlink_temps(file);
			return 0;
		}
		*error_r = call_error("lstat", lock_path);
		popinjay_control_file_unlock(file);
		return -1;
	}
	*error_r = ret < 0 ? call_error("file_dotlock_create", file->path) :
		t_strdup_printf("Timeout while waiting for %s.lock",
				file->path);
	return -1;
}

void popinjay_control_file_unlock(struct popinjay_control_file *file)
{
	if (file->dotlock != NULL)
		file_dotlock_delete(&file->dotlock);
}

/* Returns TRUE if we still have the lock. A process that slept too long with it
   may have lost it. */
static bool
file_is_locked(struct popinjay_control_file *file, const char **error_r)
{
	const char *lock_path;
	struct stat st;

	i_assert(file->dotlock != NULL);
	lock_path = file_dotlock_get_lock_path(file->dotlock);
	if (nfs_safe_lstat(lock_path, &st) == 0 &&
	    st.st_ino == file->lock_st.st_ino &&
	    CMP_DEV_T(st.st_dev, file->lock_st.st_dev))
		return TRUE;
	*error_r = t_strdup_printf("The lock %s was lost", lock_path);
	return FALSE;
}

static int file_sync(struct popinjay_control_file *file, int fd)
{
	if (file->box->storage->set->parsed_fsync_mode == FSYNC_MODE_NEVER)
		return 0;
	return fdatasync(fd);
}

/* What is in memory is known of the file now, which has this size. Returns -1
   with the reason in error_r if it is not the one that was written: another
   process took our lock for that of a dead one while we wrote. */
static int file_know(struct popinjay_control_file *file, int fd, uoff_t size,
		     const char **error_r)
{
	struct stat st, path_st;

	if (file->box->storage->set->mail_nfs_storage)
		nfs_flush_file_handle_cache(file->path);
	if (fstat(fd, &st) < 0 || nfs_safe_stat(file->path, &path_st) < 0) {
		*error_r = call_error("stat", file->path);
		return -1;
	}
	if (st.st_ino != path_st.st_ino ||
	    !CMP_DEV_T(st.st_dev, path_st.st_dev) ||
	    (uoff_t)st.st_size != size) {
		*error_r = t_strdup_printf("Another process wrote %s at the "
					   "same time", file->path);
		return -1;
	}
	file_set_known(file, &st);
	return 0;
}

int popinjay_control_file_append(struct popinjay_control_file *file,
				 uoff_t size, const string_t *text, bool sync,
				 const char **error_r)
{
	const char *call = NULL;
	int fd, ret = -1;

	i_assert(popinjay_control_file_exists(file));
	file->known = FALSE;
	if (!file_is_locked(file, error_r))
		return -1;
	if (size + str_len(text) > POPINJAY_CONTROL_FILE_MAX_BYTES)
		return file_too_large(file, error_r);
	fd = nfs_safe_open(file->path,
			   O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		*error_r = call_error("open", file->path);
		return -1;
	}
	if ((uoff_t)file->st.st_size > size && ftruncate(fd, size) < 0)
		call = "ftruncate";
	else if (write_full(fd, str_data(text), str_len(text)) < 0)
		call = "write";
	else if (sync && file_sync(file, fd) < 0)
		call = "fdatasync";
	if (call == NULL)
		ret = file_know(file, fd, size + str_len(text), error_r);
	else {
		*error_r = call_error(call, file->path);
		if (strcmp(call, "write") == 0 && ftruncate(fd, size) < 0) {
			/* the next writer does it */
		}
	}
	i_close_fd(&fd);
	return ret;
}

/* The name is one that no other writer has: of two that each believe to have
   the lock, neither puts the other's half file in place. */
static int file_open_temp(struct popinjay_control_file *file, string_t *path)
{
	const struct mailbox_permissions *perm =
		mailbox_get_permissions(file->box);

	str_append(path, file->path);
	str_append(path, TEMP_SUFFIX);
	return safe_mkstemp_hostpid_group(path, perm->file_create_mode & 0666,
					  perm->file_create_gid,
					  perm->file_create_gid_origin);
}

/* Returns the call that failed, or NULL. */
static const char *
file_write_pieces(int fd, popinjay_control_file_more_t *more, void *context,
		  uoff_t *size_r)
{
	string_t *text = str_new(default_pool,
				 POPINJAY_CONTROL_FILE_PIECE_BYTES);
	bool has_more = TRUE;
	int ret = 0;

	*size_r = 0;
	while (has_more && ret == 0 &&
	       *size_r <= POPINJAY_CONTROL_FILE_MAX_BYTES) {
		str_truncate(text, 0);
		has_more = more(context, text);
		*size_r += str_len(text);
		ret = write_full(fd, str_data(text), str_len(text));
	}
	str_free(&text);
	return ret < 0 ? "write" : NULL;
}

/* Put the temporary file in the place of the other one. */
static int
file_put(struct popinjay_control_file *file, int fd, const char *temp_path,
	 const char *call, uoff_t size, const char **error_r)
{
	*error_r = NULL;
	if (call != NULL) {
		/* it was not even written */
	} else if (size > POPINJAY_CONTROL_FILE_MAX_BYTES)
		(void)file_too_large(file, error_r);
	else if (file_sync(file, fd) < 0)
		call = "fdatasync";
	else if (!file_is_locked(file, error_r)) {
		/* it says so */
	} else if (rename(temp_path, file->path) < 0)
		call = "rename";
	if (call != NULL)
		*error_r = call_error(call, temp_path);
	if (*error_r != NULL) {
		i_unlink_if_exists(temp_path);
		return -1;
	}
	if (file->box->storage->set->parsed_fsync_mode != FSYNC_MODE_NEVER &&
	    fdatasync_path(file->dir) < 0) {
		*error_r = call_error("fdatasync_path", file->dir);
		return -1;
	}
	return file_know(file, fd, size, error_r);
}

int popinjay_control_file_replace(struct popinjay_control_file *file,
				  popinjay_control_file_more_t *more,
				  void *context, uoff_t *size_r,
				  const char **error_r)
{
	string_t *temp_path = t_str_new(256);
	const char *call;
	int fd, ret;

	/* what the caller has in memory is not what is there */
	file->known = FALSE;
	if (!file_is_locked(file, error_r))
		return -1;
	fd = file_open_temp(file, temp_path);
	if (fd == -1) {
		*error_r = call_error("creat", str_c(temp_path));
		return -1;
	}
	call = file_write_pieces(fd, more, context, size_r);
	ret = file_put(file, fd, str_c(temp_path), call, *size_r, error_r);
	i_close_fd(&fd);
	return ret;
}

void popinjay_control_file_forget(struct popinjay_control_file *file)
{
	file->known = FALSE;
}

int popinjay_control_file_keep_broken(struct popinjay_control_file *file,
				      const char **error_r)
{
	const char *path = t_strconcat(file->path, ".broken", NULL);

	i_unlink_if_exists(path);
	if (link(file->path, path) < 0) {
		*error_r = call_error("link", path);
		return -1;
	}
	return 0;
}
