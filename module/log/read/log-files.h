/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_FILES_H
#define POPINJAY_LOG_FILES_H

struct popinjay_log_file {
	const char *path;
	/* open for reading; -1 once a reader has taken it */
	int fd;
	/* as it is on disk; 0 if it is not a regular file */
	uoff_t size;
	/* time of the first record, 0 if there is none near the beginning */
	uint64_t first_usecs;
};
ARRAY_DEFINE_TYPE(popinjay_log_file, struct popinjay_log_file);

/* Open a log and what log rotation has made of it: beside mail.log also
   mail.log.1, mail.log.2.gz, mail.log-20240229.zst, mail-20240229.log. Those
   last written to before since are passed over. Adds them to files. Returns 0,
   or -1 with the reason in error_r if the directory or one of them cannot be
   read, or if there is none. */
int popinjay_log_files_open_rotated(pool_t pool, const char *path, time_t since,
				    ARRAY_TYPE(popinjay_log_file) *files,
				    const char **error_r);

/* Open one log, whatever its name; "-" is the standard input. Returns as
   above. */
int popinjay_log_files_open(pool_t pool, const char *path,
			    ARRAY_TYPE(popinjay_log_file) *files,
			    const char **error_r);

/* Put files in the order of their first records, whatever their names, and
   close those that are there a second time. */
void popinjay_log_files_sort(ARRAY_TYPE(popinjay_log_file) *files);

/* Close those that are open. */
void popinjay_log_files_close(ARRAY_TYPE(popinjay_log_file) *files);

#endif
