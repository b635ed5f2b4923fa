/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: reads the records of log files. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "compression.h"
#include "log-reader.h"

#include <unistd.h>

#define BLOCK_BYTES (64 * 1024)
#define PEEK_MAX_BYTES (1024 * 1024)
/* what tells a compressed file */
#define MAGIC_MAX_BYTES 16
/* A power of two. One that comes again within about so many records is
   found. */
#define SEEN_COUNT (1024 * 1024)

struct popinjay_log_reader {
	ARRAY_TYPE(popinjay_log_file) *files;
	unsigned int next_file;
	struct popinjay_log_counts counts;
	struct popinjay_log_record record;

	/* of the current file; input reads from file_input */
	const char *path;
	struct istream *file_input, *input;
	uoff_t file_size;
	/* bytes of input that the last line took */
	size_t line_size;
	/* what comes up to the next LF is the rest of a line too long */
	bool in_long_line;

	/* hashes of records, each in the place that its last bits say */
	uint64_t *seen;
};

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
	(void)i_stream_read_bytes(input, &data, &size, MAGIC_MAX_BYTES);
	for (handler = compression_handlers; handler->name != NULL;
	     handler++) {
		if (handler->is_compressed != NULL &&
		    handler->create_istream != NULL &&
		    handler->is_compressed(input))
			return handler;
	}
	return NULL;
}

static void open_fd(struct popinjay_log_reader *reader, const char *path,
		    int *fd, bool autoclose)
{
	const struct compression_handler *handler;

	reader->path = path;
	reader->file_input = autoclose ?
		i_stream_create_fd_autoclose(fd, BLOCK_BYTES) :
		i_stream_create_fd(*fd, BLOCK_BYTES);
	i_stream_set_name(reader->file_input, path);
	handler = find_compression(reader->file_input);
	if (handler != NULL)
		reader->input = handler->create_istream(reader->file_input);
	else {
		reader->input = reader->file_input;
		i_stream_ref(reader->input);
	}
	reader->line_size = 0;
	reader->in_long_line = FALSE;
}

static void close_fd(struct popinjay_log_reader *reader)
{
	reader->counts.bytes_read += reader->file_size;
	reader->file_size = 0;
	i_stream_unref(&reader->input);
	i_stream_unref(&reader->file_input);
}

/* Returns 1 with a line, whose end need not be there in the last of a file
   (whole_r); 0 at the end; -1 with an error. */
static int
next_line(struct popinjay_log_reader *reader, const unsigned char **line_r,
	  size_t *size_r, bool *whole_r, const char **error_r)
{
	const unsigned char *data, *end;
	size_t size, searched = 0;
	ssize_t ret;

	i_stream_skip(reader->input, reader->line_size);
	reader->line_size = 0;
	for (;;) {
		data = i_stream_get_data(reader->input, &size);
		end = size == searched ? NULL :
			memchr(data + searched, '\n', size - searched);
		if (end != NULL) {
			size = end - data;
			reader->counts.lines++;
			if (reader->in_long_line) {
				reader->in_long_line = FALSE;
				i_stream_skip(reader->input, size + 1);
				searched = 0;
				continue;
			}
			reader->line_size = size + 1;
			*whole_r = TRUE;
			break;
		}
		searched = size;
		ret = i_stream_read(reader->input);
		if (ret == -2) {
			reader->in_long_line = TRUE;
			i_stream_skip(reader->input, size);
			searched = 0;
		} else if (ret == -1) {
			data = i_stream_get_data(reader->input, &size);
			if (reader->input->stream_errno != 0) {
				*error_r = t_strdup_printf("read(%s) failed: "
					"%s", reader->path,
					i_stream_get_error(reader->input));
				return -1;
			}
			if (size == 0)
				return 0;
			reader->line_size = size;
			reader->counts.lines++;
			*whole_r = FALSE;
			if (reader->in_long_line)
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
	array_foreach(files, file)
		reader->counts.bytes_total += file->size;
	return reader;
}

void popinjay_log_reader_deinit(struct popinjay_log_reader **_reader)
{
	struct popinjay_log_reader *reader = *_reader;

	*_reader = NULL;
	if (reader->input != NULL)
		close_fd(reader);
	popinjay_log_files_close(reader->files);
	i_free(reader->seen);
	i_free(reader);
}

/* Dovecot's streams do not know every program's files: nothing of those is a
   log. Returns the program's name, or NULL. */
static const char *find_unknown_compression(struct popinjay_log_reader *reader)
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

	(void)i_stream_read_bytes(reader->input, &data, &size, 6);
	for (i = 0; i < N_ELEMENTS(compressions); i++) {
		if (size >= 6 && memcmp(data, compressions[i].magic,
					strlen(compressions[i].magic)) == 0)
			return compressions[i].program;
	}
	return NULL;
}

static bool next_file(struct popinjay_log_reader *reader)
{
	struct popinjay_log_file *file;

	if (reader->next_file == array_count(reader->files))
		return FALSE;
	file = array_idx_modifiable(reader->files, reader->next_file++);
	reader->file_size = file->size;
	open_fd(reader, file->path, &file->fd, TRUE);
	return TRUE;
}

int popinjay_log_reader_next(struct popinjay_log_reader *reader,
			     const struct popinjay_log_record **record_r,
			     const char **error_r)
{
	struct popinjay_log_counts *counts = &reader->counts;
	struct popinjay_log_record *record = &reader->record;
	const unsigned char *line;
	const char *program;
	size_t size;
	bool whole;
	int ret;

	for (;;) {
		if (reader->input == NULL) {
			if (!next_file(reader))
				return 0;
			program = find_unknown_compression(reader);
			if (program != NULL) {
				*error_r = t_strdup_printf("%s is compressed "
					"by %s, which this Dovecot cannot "
					"read: use \"%s -dc\"", reader->path,
					program, program);
				close_fd(reader);
				return -1;
			}
		}
		ret = next_line(reader, &line, &size, &whole, error_r);
		if (ret <= 0) {
			close_fd(reader);
			if (ret < 0)
				return -1;
			continue;
		}
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
		if (seen_before(reader, record)) {
			counts->repeated++;
			continue;
		}
		*record_r = record;
		return 1;
	}
}

const struct popinjay_log_counts *
popinjay_log_reader_counts(struct popinjay_log_reader *reader)
{
	struct popinjay_log_counts *counts = &reader->counts;

	if (reader->file_input != NULL && reader->file_size > 0) {
		uoff_t done = I_MIN(reader->file_input->v_offset,
				    reader->file_size);

		counts->bytes_read += done;
		reader->file_size -= done;
	}
	return counts;
}

uint64_t popinjay_log_reader_peek(const char *path, int fd)
{
	struct popinjay_log_reader reader;
	const unsigned char *line;
	const char *error;
	uint64_t usecs = 0;
	size_t size;
	bool whole;

	i_zero(&reader);
	T_BEGIN {
		open_fd(&reader, path, &fd, FALSE);
		while (usecs == 0 &&
		       reader.input->v_offset < PEEK_MAX_BYTES &&
		       next_line(&reader, &line, &size, &whole, &error) > 0) {
			if (popinjay_log_line_read(line, size,
						   &reader.record) ==
			    POPINJAY_LOG_LINE_RECORD)
				usecs = reader.record.time_usecs;
		}
		close_fd(&reader);
	} T_END;
	return usecs;
}
