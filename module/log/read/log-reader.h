/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_READER_H
#define POPINJAY_LOG_READER_H

#include "log-files.h"
#include "log-line.h"

/* Reads the records of log files. Files of the same time, such as those of
   several hosts, are merged by time; others are read one after the other.
   Compressed files are decompressed. Takes 8 MB and the buffers of the files
   that are open at a time, however many records there are. */

struct popinjay_log_counts {
	/* all lines; those with a record; those whose record is cut or
	   otherwise damaged; those with a record that came before */
	uint64_t lines, records, damaged, repeated;
	/* of the files on disk */
	uoff_t bytes_read, bytes_total;
	/* times of the oldest and the newest record, 0 if there is none */
	uint64_t first_usecs, last_usecs;
};

/* Returns a reader of files, which must outlive it. It closes their
   descriptors. */
struct popinjay_log_reader *
popinjay_log_reader_init(ARRAY_TYPE(popinjay_log_file) *files);
/* Frees the reader and closes what is still open. */
void popinjay_log_reader_deinit(struct popinjay_log_reader **reader);

/* Go on to the next record, which is valid until the next call. Records that
   are repeated, with the same session and number, are skipped. Returns 1; 0
   after the last one; or -1 with the reason in error_r if a file cannot be read
   any further. Then the next call goes on with the next file. */
int popinjay_log_reader_next(struct popinjay_log_reader *reader,
			     const struct popinjay_log_record **record_r,
			     const char **error_r);

/* Returns what has been read so far. */
const struct popinjay_log_counts *
popinjay_log_reader_counts(struct popinjay_log_reader *reader);

#endif
