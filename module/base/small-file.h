/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SMALL_FILE_H
#define POPINJAY_SMALL_FILE_H

/* Append all of a file, which has at most max_bytes bytes, to data. A buffer
   that cannot grow needs room for one byte more. Returns 0, or -1 with errno
   set (EFBIG if the file is larger) and the reason, which does not name the
   file, in error_r; then data is as it was. */
int popinjay_small_file_read(const char *path, size_t max_bytes, buffer_t *data,
			     const char **error_r);

/* The same from where an open file is at, up to its end. */
int popinjay_small_file_read_fd(int fd, size_t max_bytes, buffer_t *data,
				const char **error_r);

#endif
