/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log: its file. Lines are appended whole or not at all,
   also when the disk is full, and also while the process of an older
   configuration still writes for its last clients: who writes has a lock. The
   file may be moved away at any time. */

#include "lib.h"
#include "str.h"
#include "output.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600
/* how far back a line is looked for */
#define TAIL_BYTES (4 * 1024 * 1024)

static struct {
	char *path;
	int fd;
	/* the file before it, and what identifies the file */
	int previous_fd;
	dev_t dev;
	ino_t ino;
	bool failing;
} output = { .fd = -1, .previous_fd = -1 };

static int output_failed(const char *function)
{
	if (!output.failing) {
		output.failing = TRUE;
		i_error("%s(%s) failed: %m - records go to this log",
			function, output.path);
	}
	return -1;
}

static int output_open(void)
{
	struct stat st;

	if (output.fd != -1)
		return 0;
	output.fd = open(output.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC |
			 O_NOCTTY, FILE_MODE);
	if (output.fd == -1)
		return output_failed("open");
	if (fstat(output.fd, &st) < 0)
		return output_failed("fstat");
	output.dev = st.st_dev;
	output.ino = st.st_ino;
	return 0;
}

void output_init(const char *path)
{
	output.path = i_strdup(path);
	(void)output_open();
}

void output_deinit(void)
{
	i_close_fd(&output.fd);
	i_close_fd(&output.previous_fd);
	i_free(output.path);
}

void output_reopen(void)
{
	if (output.fd == -1)
		return;
	i_close_fd(&output.previous_fd);
	output.previous_fd = output.fd;
	output.fd = -1;
	(void)output_open();
}

static bool output_was_moved(void)
{
	struct stat st;

	return stat(output.path, &st) < 0 ? errno == ENOENT :
		st.st_ino != output.ino || st.st_dev != output.dev;
}

/* End a line that somebody was killed in. */
static int end_last_line(off_t size)
{
	char last;

	if (size == 0 || pread(output.fd, &last, 1, size - 1) != 1 ||
	    last == '\n')
		return 0;
	return write(output.fd, "\n", 1) == 1 ? 0 : -1;
}

static int write_locked(const unsigned char *lines, size_t size)
{
	struct stat st;
	size_t written = 0;
	ssize_t ret = 0;
	int old_errno;

	if (fstat(output.fd, &st) < 0)
		return output_failed("fstat");
	if (S_ISREG(st.st_mode) && end_last_line(st.st_size) < 0)
		return output_failed("write");
	while (written < size) {
		ret = write(output.fd, lines + written, size - written);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			break;
		written += ret;
	}
	if (written == size)
		return 0;

	/* the disk is full: take back what is there of the lines */
	old_errno = ret == 0 ? ENOSPC : errno;
	if (written > 0 && S_ISREG(st.st_mode) &&
	    ftruncate(output.fd, st.st_size) < 0)
		i_error("ftruncate(%s) failed: %m", output.path);
	errno = old_errno;
	return output_failed("write");
}

int output_write(const void *lines, size_t size)
{
	int ret;

	if (output.fd != -1 && output_was_moved())
		output_reopen();
	if (output_open() < 0)
		return -1;
	/* Dovecot may end us while we wait */
	while ((ret = flock(output.fd, LOCK_EX)) < 0 && errno == EINTR) ;
	if (ret < 0)
		return output_failed("flock");
	ret = write_locked(lines, size);
	(void)flock(output.fd, LOCK_UN);
	if (ret == 0 && output.failing) {
		output.failing = FALSE;
		i_info("%s can be written again", output.path);
	}
	return ret;
}

static bool file_has_line(int fd, const char *line)
{
	struct stat st;
	off_t start;
	const char *wanted;
	string_t *tail;
	ssize_t ret;
	bool found;

	if (fd == -1 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return FALSE;
	start = I_MAX(st.st_size - TAIL_BYTES, 0);
	/* a line begins behind the end of another, or of nothing */
	tail = str_new(default_pool, st.st_size - start + 2);
	str_append_c(tail, '\n');
	ret = pread(fd, buffer_append_space_unsafe(tail, st.st_size - start),
		    st.st_size - start, start);
	str_truncate(tail, 1 + I_MAX(ret, 0));
	wanted = t_strdup_printf("\n%s\n", line);
	found = strstr(str_c(tail), wanted) != NULL;
	str_free(&tail);
	return found;
}

bool output_has_line(const char *line)
{
	return file_has_line(output.fd, line) ||
		file_has_line(output.previous_fd, line);
}
