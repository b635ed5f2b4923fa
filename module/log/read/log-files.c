/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: finds a log and its rotated parts. */

#include "lib.h"
#include "array.h"
#include "fd-util.h"
#include "istream.h"
#include "log-files.h"
#include "log-input.h"
#include "log-line.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* how far into a file its first record is looked for */
#define FIRST_RECORD_MAX_BYTES (1024 * 1024)

static const char *const compressed_exts[] = {
	".gz", ".bz2", ".xz", ".lz4", ".zst", ".zstd", NULL
};

/* Returns where the extension of a compressed file begins, or the end. */
static const char *find_compressed_ext(const char *name)
{
	const char *const *extp;
	size_t len = strlen(name), ext_len;

	for (extp = compressed_exts; *extp != NULL; extp++) {
		ext_len = strlen(*extp);
		if (len > ext_len &&
		    strcmp(name + len - ext_len, *extp) == 0)
			return name + len - ext_len;
	}
	return name + len;
}

/* "1", "20240229" or "2024-02-29_06.25" */
static bool is_rotation(const char *str, const char *end)
{
	if (str == end || !i_isdigit(*str))
		return FALSE;
	for (; str < end; str++) {
		if (!i_isdigit(*str) && strchr("-._:T", *str) == NULL)
			return FALSE;
	}
	return TRUE;
}

static bool is_rotated(const char *base, const char *name)
{
	const char *end = find_compressed_ext(name);
	const char *ext = strrchr(base, '.');
	size_t len = strlen(base), ext_len;

	if (strncmp(name, base, len) == 0) {
		if (name[len] == '\0' || name + len == end)
			return TRUE;
		if (name[len] == '.' || name[len] == '-')
			return is_rotation(name + len + 1, end);
	}
	/* logrotate's setting extension: mail-20240229.log of mail.log */
	if (ext == NULL || ext == base)
		return FALSE;
	len = ext - base;
	ext_len = strlen(ext);
	return strncmp(name, base, len) == 0 &&
		(name[len] == '.' || name[len] == '-') &&
		(size_t)(end - name) > len + 1 + ext_len &&
		strncmp(end - ext_len, ext, ext_len) == 0 &&
		is_rotation(name + len + 1, end - ext_len);
}

/* While a file is being compressed both exist, and the new one is
   incomplete. */
static bool
is_still_plain(const ARRAY_TYPE(const_string) *names, const char *name)
{
	const char *plain = t_strdup_until(name, find_compressed_ext(name));
	const char *other;

	if (strcmp(plain, name) == 0)
		return FALSE;
	array_foreach_elem(names, other) {
		if (strcmp(other, plain) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Returns the time of the first record, 0 if there is none near the beginning.
   The offset of fd stays as it is. */
static uint64_t first_record_usecs(const char *path, int fd)
{
	struct popinjay_log_input input;
	struct popinjay_log_record record;
	const unsigned char *line;
	const char *error;
	uint64_t usecs = 0, lines = 0;
	size_t size;
	bool whole;

	T_BEGIN {
		popinjay_log_input_open(&input, path, &fd, FALSE);
		while (usecs == 0 &&
		       input.stream->v_offset < FIRST_RECORD_MAX_BYTES &&
		       popinjay_log_input_next(&input, &lines, &line, &size,
					       &whole, &error) > 0) {
			if (popinjay_log_line_read(line, size, &record) ==
			    POPINJAY_LOG_LINE_RECORD)
				usecs = record.time_usecs;
		}
		popinjay_log_input_close(&input);
	} T_END;
	return usecs;
}

static int
files_open(pool_t pool, const char *path, bool named, time_t since,
	   ARRAY_TYPE(popinjay_log_file) *files, const char **error_r)
{
	struct popinjay_log_file *file;
	struct stat st;
	int fd;

	/* the writer of a named pipe may first open another one that we are to
	   read; do not wait here, the reader does */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) ||
	    (!named && !S_ISREG(st.st_mode))) {
		*error_r = t_strdup_printf("%s is not a regular file or "
					   "pipe", path);
		i_close_fd(&fd);
		return -1;
	}
	if (st.st_mtime < since) {
		i_close_fd(&fd);
		return 0;
	}
	file = array_append_space(files);
	file->path = p_strdup(pool, path);
	file->fd = fd;
	if (S_ISREG(st.st_mode)) {
		file->size = st.st_size;
		file->first_usecs = first_record_usecs(path, fd);
	} else {
		fd_set_nonblock(fd, FALSE);
	}
	return 0;
}

int popinjay_log_files_open(pool_t pool, const char *path,
			    ARRAY_TYPE(popinjay_log_file) *files,
			    const char **error_r)
{
	struct popinjay_log_file *file;

	if (strcmp(path, "-") != 0)
		return files_open(pool, path, TRUE, 0, files, error_r);
	file = array_append_space(files);
	file->path = "(standard input)";
	file->fd = dup(STDIN_FILENO);
	if (file->fd == -1)
		i_fatal("dup(STDIN_FILENO) failed: %m");
	return 0;
}

int popinjay_log_files_open_rotated(pool_t pool, const char *path, time_t since,
				    ARRAY_TYPE(popinjay_log_file) *files,
				    const char **error_r)
{
	ARRAY_TYPE(const_string) names;
	const char *base, *dir_path, *name;
	struct dirent *d;
	DIR *dir;
	int ret = 0;

	base = strrchr(path, '/');
	i_assert(base != NULL);
	dir_path = base == path ? "/" : t_strdup_until(path, base);
	base++;
	dir = opendir(dir_path);
	if (dir == NULL) {
		*error_r = t_strdup_printf("opendir(%s) failed: %m", dir_path);
		return -1;
	}
	t_array_init(&names, 16);
	while ((d = readdir(dir)) != NULL) {
		if (is_rotated(base, d->d_name)) {
			name = t_strdup(d->d_name);
			array_push_back(&names, &name);
		}
	}
	(void)closedir(dir);
	if (array_count(&names) == 0) {
		*error_r = t_strdup_printf("%s does not exist", path);
		return -1;
	}
	array_foreach_elem(&names, name) {
		if (!is_still_plain(&names, name)) {
			ret = files_open(pool, t_strdup_printf("%s/%s",
					 base - 1 == path ? "" : dir_path,
					 name), FALSE, since, files, error_r);
		}
		if (ret < 0)
			break;
	}
	return ret;
}

static int file_cmp(const struct popinjay_log_file *file1,
		    const struct popinjay_log_file *file2)
{
	if (file1->first_usecs != file2->first_usecs)
		return file1->first_usecs < file2->first_usecs ? -1 : 1;
	return strcmp(file1->path, file2->path);
}

static bool is_same_file(int fd1, int fd2)
{
	struct stat st1, st2;

	return fstat(fd1, &st1) == 0 && fstat(fd2, &st2) == 0 &&
		st1.st_dev == st2.st_dev && st1.st_ino == st2.st_ino;
}

void popinjay_log_files_sort(ARRAY_TYPE(popinjay_log_file) *files)
{
	struct popinjay_log_file *first, *file;
	unsigned int i, j;

	array_sort(files, file_cmp);
	/* a file may have been renamed by log rotation meanwhile */
	for (i = 0; i < array_count(files); i++) {
		first = array_idx_modifiable(files, i);
		for (j = i + 1; j < array_count(files); ) {
			file = array_idx_modifiable(files, j);
			if (is_same_file(first->fd, file->fd)) {
				i_close_fd(&file->fd);
				array_delete(files, j, 1);
			} else {
				j++;
			}
		}
	}
}

void popinjay_log_files_close(ARRAY_TYPE(popinjay_log_file) *files)
{
	struct popinjay_log_file *file;

	array_foreach_modifiable(files, file)
		i_close_fd(&file->fd);
}
