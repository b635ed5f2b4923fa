/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any process: reading a small file whole. */

#include "lib.h"
#include "buffer.h"
#include "small-file.h"

#include <fcntl.h>
#include <unistd.h>

#define READ_BYTES 4096

int popinjay_small_file_read_fd(int fd, size_t max_bytes, buffer_t *data,
				const char **error_r)
{
	size_t start = data->used, end = start, size;
	ssize_t ret;

	do {
		/* one byte more tells a file that is too large */
		size = I_MIN(max_bytes + 1 - (end - start), READ_BYTES);
		ret = read(fd, buffer_append_space_unsafe(data, size), size);
		if (ret > 0)
			end += ret;
		buffer_set_used_size(data, end);
	} while (ret > 0 && end - start <= max_bytes);

	if (ret == 0)
		return 0;
	buffer_set_used_size(data, start);
	if (ret < 0)
		*error_r = t_strdup_printf("read() failed: %m");
	else {
		*error_r = t_strdup_printf("It has more than %zu bytes",
					   max_bytes);
		errno = EFBIG;
	}
	return -1;
}

int popinjay_small_file_read(const char *path, size_t max_bytes, buffer_t *data,
			     const char **error_r)
{
	int fd, ret, read_errno;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		*error_r = t_strdup_printf("open() failed: %m");
		return -1;
	}
	ret = popinjay_small_file_read_fd(fd, max_bytes, data, error_r);
	read_errno = errno;
	i_close_fd(&fd);
	errno = read_errno;
	return ret;
}
