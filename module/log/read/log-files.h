/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_FILES_H
#define POPINJAY_LOG_FILES_H

struct popinjay_log_file {
	const char *path;
	/* open for reading; -1 once a reader has taken it */
	int fd;
	/* size on disk; 0 if it is not a regular file */
	uoff_t size;
	/* time of the first record, 0 if there is none near the beginning */
	uint64_t first_usecs;
};
ARRAY_DEFINE_TYPE(popinjay_log_file, struct popinjay_log_file);

/* Open a log and its rotated parts, and add them to files: for mail.log also
   mail.log.1, mail.log.2.gz, mail.log-20240229.zst, mail-20240229.log. Skips
   those last written to before since. Returns 0, or -1 with the reason in
   error_r if the directory or one of them cannot be read, or if there is
   none. */
int popinjay_log_files_open_rotated(pool_t pool, const char *path, time_t since,
				    ARRAY_TYPE(popinjay_log_file) *files,
				    const char **error_r);

/* Open one log of any name; "-" is standard input. Returns as above. */
int popinjay_log_files_open(pool_t pool, const char *path,
			    ARRAY_TYPE(popinjay_log_file) *files,
			    const char **error_r);

/* Sort files by the times of their first records, and close duplicates. */
void popinjay_log_files_sort(ARRAY_TYPE(popinjay_log_file) *files);

/* Close the files that are open. */
void popinjay_log_files_close(ARRAY_TYPE(popinjay_log_file) *files);

#endif
