/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: reads the records of log files. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "fnv.h"
#include "log-input.h"
#include "log-reader.h"

/* A power of two. A record that is repeated within about this many others is
   noticed. */
#define SEEN_COUNT (1024 * 1024)

/* A file that is being read. */
struct reader_file {
	struct popinjay_log_input input;
	/* size on disk, and how much of that is counted as read */
	uoff_t size, counted;
	/* its next record, which points into input */
	struct popinjay_log_record record;
};

struct popinjay_log_reader {
	ARRAY_TYPE(popinjay_log_file) *files;
	unsigned int next_file;
	struct popinjay_log_counts counts;

	/* Files whose times overlap are read side by side. Each has a record,
	   except the one that the caller got its last record from. */
	ARRAY(struct reader_file *) open_files;
	struct reader_file *used;

	/* hashes of records, each at the index that its last bits are */
	uint64_t *seen;
};

static bool
seen_before(struct popinjay_log_reader *reader,
	    const struct popinjay_log_record *record)
{
	const struct popinjay_log_value *session =
		&record->values[POPINJAY_LOG_SESSION_ID];
	const struct popinjay_log_value *number =
		&record->values[POPINJAY_LOG_RECORD];
	uint64_t hash, *place;

	if (session->type == POPINJAY_LOG_NONE ||
	    number->type == POPINJAY_LOG_NONE)
		return FALSE;
	hash = popinjay_fnv(POPINJAY_FNV_START, session->data, session->size);
	hash = popinjay_fnv(hash, &number->num, sizeof(number->num));
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
	i_array_init(&reader->open_files, 4);
	array_foreach(files, file)
		reader->counts.bytes_total += file->size;
	return reader;
}

/* The file is done. */
static void
reader_close(struct popinjay_log_reader *reader, struct reader_file *file)
{
	unsigned int idx;

	reader->counts.bytes_read += file->size - file->counted;
	for (idx = 0; array_idx_elem(&reader->open_files, idx) != file; idx++) ;
	array_delete(&reader->open_files, idx, 1);
	popinjay_log_input_close(&file->input);
	i_free(file);
}

void popinjay_log_reader_deinit(struct popinjay_log_reader **_reader)
{
	struct popinjay_log_reader *reader = *_reader;

	*_reader = NULL;
	while (array_count(&reader->open_files) > 0)
		reader_close(reader, array_idx_elem(&reader->open_files, 0));
	array_free(&reader->open_files);
	popinjay_log_files_close(reader->files);
	i_free(reader->seen);
	i_free(reader);
}

/* Read on to the file's next record. Returns as popinjay_log_reader_next(). */
static int
next_record(struct popinjay_log_reader *reader, struct reader_file *file,
	    const char **error_r)
{
	struct popinjay_log_counts *counts = &reader->counts;
	struct popinjay_log_record *record = &file->record;
	const unsigned char *line;
	size_t size;
	bool whole;
	int ret;

	while ((ret = popinjay_log_input_next(&file->input, &counts->lines,
					      &line, &size, &whole,
					      error_r)) > 0) {
		switch (popinjay_log_line_read(line, size, record)) {
		case POPINJAY_LOG_LINE_OTHER:
			continue;
		case POPINJAY_LOG_LINE_DAMAGED:
			/* the last one may just be being written */
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

/* As above. Closes the file at its end, or if it cannot be read any further. */
static int
advance(struct popinjay_log_reader *reader, struct reader_file *file,
	const char **error_r)
{
	int ret = next_record(reader, file, error_r);

	if (ret <= 0)
		reader_close(reader, file);
	return ret;
}

static int
open_next_file(struct popinjay_log_reader *reader, const char **error_r)
{
	struct popinjay_log_file *log =
		array_idx_modifiable(reader->files, reader->next_file++);
	struct reader_file *file = i_new(struct reader_file, 1);
	const char *program;

	popinjay_log_input_open(&file->input, log->path, &log->fd, TRUE);
	file->size = log->size;
	array_push_back(&reader->open_files, &file);
	program = popinjay_log_input_unknown_compression(&file->input);
	if (program != NULL) {
		*error_r = t_strdup_printf("%s is compressed by %s, which "
			"this Dovecot cannot read: use \"%s -dc\"",
			log->path, program, program);
		reader_close(reader, file);
		return -1;
	}
	return advance(reader, file, error_r);
}

static struct reader_file *find_oldest(struct popinjay_log_reader *reader)
{
	struct reader_file *file, *oldest = NULL;

	array_foreach_elem(&reader->open_files, file) {
		if (oldest == NULL || file->record.time_usecs <
				      oldest->record.time_usecs)
			oldest = file;
	}
	return oldest;
}

/* The files are in the order of their first records. */
static bool next_file_is_due(struct popinjay_log_reader *reader,
			     const struct reader_file *oldest)
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
	struct reader_file *used = reader->used;

	reader->used = NULL;
	if (used != NULL && advance(reader, used, error_r) < 0)
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
	struct reader_file *file;

	array_foreach_elem(&reader->open_files, file) {
		uoff_t done = I_MIN(file->input.file_stream->v_offset,
				    file->size);

		reader->counts.bytes_read += done - file->counted;
		file->counted = done;
	}
	return &reader->counts;
}
