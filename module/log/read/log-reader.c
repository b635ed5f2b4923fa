/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: reads the records of log files. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "compression.h"
#include "log-reader.h"

#include <poll.h>
#include <unistd.h>

#define BLOCK_BYTES (64 * 1024)
#define PEEK_MAX_BYTES (1024 * 1024)
/* what tells a compressed file */
#define MAGIC_MAX_BYTES 16
/* A power of two. One that comes again within about so many records is
   found. */
#define SEEN_COUNT (1024 * 1024)

/* A file that is being read. */
struct log_input {
	const char *path;
	/* stream reads from file_stream */
	struct istream *file_stream, *stream;
	/* of it on disk, and of that what is counted as read */
	uoff_t file_size, counted;
	/* bytes of stream that the last line took */
	size_t line_size;
	/* what comes up to the next LF is the rest of a line too long */
	bool in_long_line;

	/* its next record, which points into stream */
	struct popinjay_log_record record;
};

struct popinjay_log_reader {
	ARRAY_TYPE(popinjay_log_file) *files;
	unsigned int next_file;
	struct popinjay_log_counts counts;

	/* Files whose times overlap are read side by side; each has a record,
	   but the one that the caller has got the last from. */
	ARRAY(struct log_input *) inputs;
	struct log_input *used;

	/* hashes of records, each in the place that its last bits say */
	uint64_t *seen;
};

/* Wait until there is something to read, or its end. A named pipe is at its end
   as long as nobody has opened it, and who started us may have made standard
   input one that does not wait. */
static void wait_for_input(struct istream *file_stream)
{
	struct pollfd pfd = {
		.fd = i_stream_get_fd(file_stream), .events = POLLIN
	};

	while (poll(&pfd, 1, -1) < 0 && errno == EINTR) ;
}

/* A compressed file is known by its first bytes, not by its name. doveadm has
   the streams itself, so the module is not linked with their library. Returns
   NULL for a file that is not compressed, or in a way that is not known. */
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

static void input_open(struct log_input *input, const char *path, int *fd,
		       bool autoclose)
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

static void input_close(struct log_input *input)
{
	i_stream_unref(&input->stream);
	i_stream_unref(&input->file_stream);
}

/* Returns 1 with a line, whose end need not be there in the last of a file
   (whole_r), and counts it in lines; 0 at the end; -1 with an error. */
static int
next_line(struct log_input *input, uint64_t *lines,
	  const unsigned char **line_r, size_t *size_r, bool *whole_r,
	  const char **error_r)
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
			size = end - data;
			(*lines)++;
			if (input->in_long_line) {
				input->in_long_line = FALSE;
				i_stream_skip(input->stream, size + 1);
				searched = 0;
				continue;
			}
			input->line_size = size + 1;
			*whole_r = TRUE;
			break;
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
			data = i_stream_get_data(input->stream, &size);
			if (input->stream->stream_errno != 0) {
				*error_r = t_strdup_printf("read(%s) failed: "
					"%s", input->path,
					i_stream_get_error(input->stream));
				return -1;
			}
			if (size == 0)
				return 0;
			input->line_size = size;
			(*lines)++;
			*whole_r = FALSE;
			if (input->in_long_line)
				return 0;
			break;
		}
	}
	*line_r = data;
	*size_r = size;
	return 1;
}

/* FNV-1a */
static uint64_t
hash_bytes(uint64_t hash, const unsigned char *data, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static bool
seen_before(struct popinjay_log_reader *reader,
	    const struct popinjay_log_record *record)
{
	const struct popinjay_log_value *session =
		&record->values[POPINJAY_LOG_SESSION_ID];
	const struct popinjay_log_value *number =
		&record->values[POPINJAY_LOG_RECORD];
	uint64_t hash = UINT64_C(0xcbf29ce484222325), *place;

	if (session->type == POPINJAY_LOG_NONE ||
	    number->type == POPINJAY_LOG_NONE)
		return FALSE;
	hash = hash_bytes(hash, session->data, session->size);
	hash = hash_bytes(hash, (const void *)&number->num,
			  sizeof(number->num));
	place = &reader->seen[(hash ^ (hash >> 32)) % SEEN_COUNT];
	if (*place == hash)
		return TRUE;
	*place = hash;
	return FALSE;
}

struct popinjay_log_reader *
popinjay_log_reader_init(ARRAY_TYPE(popinjay_log_file) *files)
{
	struct popinjay_log_reader *reader;
	const struct popinjay_log_file *file;

	reader = i_new(struct popinjay_log_reader, 1);
	reader->files = files;
	reader->seen = i_new(uint64_t, SEEN_COUNT);
	i_array_init(&reader->inputs, 4);
	array_foreach(files, file)
		reader->counts.bytes_total += file->size;
	return reader;
}

/* Is done with the file. */
static void
reader_close(struct popinjay_log_reader *reader, struct log_input *input)
{
	unsigned int idx;

	reader->counts.bytes_read += input->file_size - input->counted;
	for (idx = 0; array_idx_elem(&reader->inputs, idx) != input; idx++) ;
	array_delete(&reader->inputs, idx, 1);
	input_close(input);
	i_free(input);
}

void popinjay_log_reader_deinit(struct popinjay_log_reader **_reader)
{
	struct popinjay_log_reader *reader = *_reader;

	*_reader = NULL;
	while (array_count(&reader->inputs) > 0)
		reader_close(reader, array_idx_elem(&reader->inputs, 0));
	array_free(&reader->inputs);
	popinjay_log_files_close(reader->files);
	i_free(reader->seen);
	i_free(reader);
}

/* Dovecot's streams do not know every program's files: nothing of those is a
   log. Returns the program's name, or NULL. */
static const char *find_unknown_compression(struct log_input *input)
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

/* Read on to the input's next record. Returns as popinjay_log_reader_next(). */
static int
next_record(struct popinjay_log_reader *reader, struct log_input *input,
	    const char **error_r)
{
	struct popinjay_log_counts *counts = &reader->counts;
	struct popinjay_log_record *record = &input->record;
	const unsigned char *line;
	size_t size;
	bool whole;
	int ret;

	while ((ret = next_line(input, &counts->lines, &line, &size, &whole,
				error_r)) > 0) {
		switch (popinjay_log_line_read(line, size, record)) {
		case POPINJAY_LOG_LINE_OTHER:
			continue;
		case POPINJAY_LOG_LINE_DAMAGED:
			/* the last one is perhaps just being written */
			if (whole)
				counts->damaged++;
			continue;
		case POPINJAY_LOG_LINE_RECORD:
			break;
		}
		counts->records++;
		if (counts->first_usecs == 0 ||
		    record->time_usecs < counts->first_usecs)
			counts->first_usecs = record->time_usecs;
		counts->last_usecs = I_MAX(counts->last_usecs,
					   record->time_usecs);
		if (!seen_before(reader, record))
			return 1;
		counts->repeated++;
	}
	return ret;
}

/* As above; at its end, or if it cannot be read any further, it is closed. */
static int
advance(struct popinjay_log_reader *reader, struct log_input *input,
	const char **error_r)
{
	int ret = next_record(reader, input, error_r);

	if (ret <= 0)
		reader_close(reader, input);
	return ret;
}

static int
open_next_file(struct popinjay_log_reader *reader, const char **error_r)
{
	struct popinjay_log_file *file =
		array_idx_modifiable(reader->files, reader->next_file++);
	struct log_input *input = i_new(struct log_input, 1);
	const char *program;

	input_open(input, file->path, &file->fd, TRUE);
	input->file_size = file->size;
	array_push_back(&reader->inputs, &input);
	program = find_unknown_compression(input);
	if (program != NULL) {
		*error_r = t_strdup_printf("%s is compressed by %s, which "
			"this Dovecot cannot read: use \"%s -dc\"",
			file->path, program, program);
		reader_close(reader, input);
		return -1;
	}
	return advance(reader, input, error_r);
}

static struct log_input *find_oldest(struct popinjay_log_reader *reader)
{
	struct log_input *input, *oldest = NULL;

	array_foreach_elem(&reader->inputs, input) {
		if (oldest == NULL || input->record.time_usecs <
				      oldest->record.time_usecs)
			oldest = input;
	}
	return oldest;
}

/* The files are in the order of their first records. */
static bool next_file_is_due(struct popinjay_log_reader *reader,
			     const struct log_input *oldest)
{
	const struct popinjay_log_file *file;

	if (reader->next_file == array_count(reader->files))
		return FALSE;
	file = array_idx(reader->files, reader->next_file);
	return oldest == NULL || oldest->record.time_usecs >= file->first_usecs;
}

int popinjay_log_reader_next(struct popinjay_log_reader *reader,
			     const struct popinjay_log_record **record_r,
			     const char **error_r)
{
	struct log_input *input = reader->used;

	reader->used = NULL;
	if (input != NULL && advance(reader, input, error_r) < 0)
		return -1;
	while (next_file_is_due(reader, find_oldest(reader))) {
		if (open_next_file(reader, error_r) < 0)
			return -1;
	}
	reader->used = find_oldest(reader);
	if (reader->used == NULL)
		return 0;
	*record_r = &reader->used->record;
	return 1;
}

const struct popinjay_log_counts *
popinjay_log_reader_counts(struct popinjay_log_reader *reader)
{
	struct log_input *input;

	array_foreach_elem(&reader->inputs, input) {
		uoff_t done = I_MIN(input->file_stream->v_offset,
				    input->file_size);

		reader->counts.bytes_read += done - input->counted;
		input->counted = done;
	}
	return &reader->counts;
}

uint64_t popinjay_log_reader_peek(const char *path, int fd)
{
	struct log_input input;
	const unsigned char *line;
	const char *error;
	uint64_t usecs = 0, lines = 0;
	size_t size;
	bool whole;

	T_BEGIN {
		input_open(&input, path, &fd, FALSE);
		while (usecs == 0 &&
		       input.stream->v_offset < PEEK_MAX_BYTES &&
		       next_line(&input, &lines, &line, &size, &whole,
				 &error) > 0) {
			if (popinjay_log_line_read(line, size,
						   &input.record) ==
			    POPINJAY_LOG_LINE_RECORD)
				usecs = input.record.time_usecs;
		}
		input_close(&input);
	} T_END;
	return usecs;
}
