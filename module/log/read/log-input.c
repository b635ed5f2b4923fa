/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: reads a log file, compressed or not, line by line. */

#include "lib.h"
#include "istream.h"
#include "compression.h"
#include "log-input.h"

#include <poll.h>

#define BLOCK_BYTES (64 * 1024)
/* enough to tell that a file is compressed, and how */
#define MAGIC_MAX_BYTES 16

/* Wait until there is something to read, or its end. A named pipe is at its end
   as long as nobody has opened it, and whoever started us may have made
   standard input non-blocking. */
static void wait_for_input(struct istream *file_stream)
{
	struct pollfd pfd = {
		.fd = i_stream_get_fd(file_stream), .events = POLLIN
	};

	while (poll(&pfd, 1, -1) < 0 && errno == EINTR) ;
}

/* A compressed file is known by its first bytes, not by its name. doveadm has
   the streams itself, so the module is not linked with their library. Returns
   NULL if the file is not compressed, or in a way that is not known. */
static const struct compression_handler *
find_compression(struct istream *input)
{
	const struct compression_handler *handler;
	const unsigned char *data;
	size_t size;

	/* since 2.4.2 they look at what has been read, and read nothing */
	while (i_stream_read_bytes(input, &data, &size,
				   MAGIC_MAX_BYTES) == 0 && !input->eof)
		wait_for_input(input);
	for (handler = compression_handlers; handler->name != NULL;
	     handler++) {
		if (handler->is_compressed != NULL &&
		    handler->create_istream != NULL &&
		    handler->is_compressed(input))
			return handler;
	}
	return NULL;
}

void popinjay_log_input_open(struct popinjay_log_input *input,
			     const char *path, int *fd, bool autoclose)
{
	const struct compression_handler *handler;

	i_zero(input);
	input->path = path;
	input->file_stream = autoclose ?
		i_stream_create_fd_autoclose(fd, BLOCK_BYTES) :
		i_stream_create_fd(*fd, BLOCK_BYTES);
	i_stream_set_name(input->file_stream, path);
	wait_for_input(input->file_stream);
	handler = find_compression(input->file_stream);
	if (handler != NULL)
		input->stream = handler->create_istream(input->file_stream);
	else {
		input->stream = input->file_stream;
		i_stream_ref(input->stream);
	}
}

void popinjay_log_input_close(struct popinjay_log_input *input)
{
	i_stream_unref(&input->stream);
	i_stream_unref(&input->file_stream);
}

const char *
popinjay_log_input_unknown_compression(struct popinjay_log_input *input)
{
	static const struct {
		const char *magic, *program;
	} compressions[] = {
		{ "\x04\x22\x4d\x18", "lz4" },
		{ "\xfd" "7zXZ", "xz" },
		{ "\x28\xb5\x2f\xfd", "zstd" },
		{ "BZh", "bzip2" },
		{ "\x1f\x8b", "gzip" },
	};
	const unsigned char *data;
	unsigned int i;
	size_t size;

	(void)i_stream_read_bytes(input->stream, &data, &size, 6);
	for (i = 0; i < N_ELEMENTS(compressions); i++) {
		if (size >= 6 && memcmp(data, compressions[i].magic,
					strlen(compressions[i].magic)) == 0)
			return compressions[i].program;
	}
	return NULL;
}

/* Nothing more can be read: what is left is a line that no LF ends. */
static int
last_line(struct popinjay_log_input *input, uint64_t *lines,
	  const unsigned char **line_r, size_t *size_r, const char **error_r)
{
	*line_r = i_stream_get_data(input->stream, size_r);
	if (input->stream->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s", input->path,
					   i_stream_get_error(input->stream));
		return -1;
	}
	if (*size_r == 0)
		return 0;
	input->line_size = *size_r;
	(*lines)++;
	return input->in_long_line ? 0 : 1;
}

int popinjay_log_input_next(struct popinjay_log_input *input, uint64_t *lines,
			    const unsigned char **line_r, size_t *size_r,
			    bool *whole_r, const char **error_r)
{
	const unsigned char *data, *end;
	size_t size, searched = 0;
	ssize_t ret;

	i_stream_skip(input->stream, input->line_size);
	input->line_size = 0;
	for (;;) {
		data = i_stream_get_data(input->stream, &size);
		end = size == searched ? NULL :
			memchr(data + searched, '\n', size - searched);
		if (end != NULL) {
			(*lines)++;
			if (!input->in_long_line)
				break;
			input->in_long_line = FALSE;
			i_stream_skip(input->stream, end - data + 1);
			searched = 0;
			continue;
		}
		searched = size;
		ret = i_stream_read(input->stream);
		if (ret == -2) {
			input->in_long_line = TRUE;
			i_stream_skip(input->stream, size);
			searched = 0;
		} else if (ret == 0) {
			wait_for_input(input->file_stream);
		} else if (ret == -1) {
			*whole_r = FALSE;
			return last_line(input, lines, line_r, size_r,
					 error_r);
		}
	}
	*line_r = data;
	*size_r = end - data;
	*whole_r = TRUE;
	input->line_size = *size_r + 1;
	return 1;
}
