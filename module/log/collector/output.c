/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log: its file. Lines are appended completely or not at
   all, even when the disk is full. The process of an older configuration may
   still write for its last clients, so writing takes a lock. The file may be
   moved away at any time. */

#include "lib.h"
#include "ioloop.h"
#include "output.h"
#include "tail.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600
/* forget the ends of the files when nobody has asked for this long */
#define TAIL_KEEP_MSECS (10 * 1000)

static struct {
	char *path;
	int fd;
	/* the file before it, and what identifies the file */
	int previous_fd;
	/* what is known of the ends of both */
	struct tail *tail, *previous_tail;
	struct timeout *to_tails;
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

static void forget_tails(void *context ATTR_UNUSED)
{
	timeout_remove(&output.to_tails);
	tail_free(&output.tail);
	tail_free(&output.previous_tail);
}

static void forget_tails_later(void)
{
	if (output.to_tails != NULL)
		timeout_reset(output.to_tails);
	else if (current_ioloop != NULL) {
		output.to_tails = timeout_add(TAIL_KEEP_MSECS, forget_tails,
					      (void *)NULL);
	}
}

void output_deinit(void)
{
	forget_tails(NULL);
	i_close_fd(&output.fd);
	i_close_fd(&output.previous_fd);
	i_free(output.path);
}

void output_reopen(void)
{
	if (output.fd == -1)
		return;
	i_close_fd(&output.previous_fd);
	tail_free(&output.previous_tail);
	output.previous_fd = output.fd;
	output.previous_tail = output.tail;
	output.fd = -1;
	output.tail = NULL;
	(void)output_open();
}

static bool output_was_moved(void)
{
	struct stat st;

	return stat(output.path, &st) < 0 ? errno == ENOENT :
		st.st_ino != output.ino || st.st_dev != output.dev;
}

/* End the last line if its writer was killed in it. */
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

	/* the disk is full: remove what has been written of the lines */
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
	/* Dovecot may send a signal while we wait */
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

bool output_has_line(const char *line)
{
	forget_tails_later();
	return tail_has_line(&output.tail, output.fd, line) ||
		tail_has_line(&output.previous_tail, output.previous_fd, line);
}
