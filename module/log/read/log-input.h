/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_INPUT_H
#define POPINJAY_LOG_INPUT_H

/* The lines of one log file. A compressed file is read as what it holds. */

struct popinjay_log_input {
	const char *path;
	/* stream reads from file_stream */
	struct istream *file_stream, *stream;
	/* bytes of stream that the last line took */
	size_t line_size;
	/* what comes up to the next LF is the rest of a line that is too
	   long */
	bool in_long_line;
};

/* Read from fd, which is closed with the input if autoclose is TRUE. path is
   its name in errors, and has to outlive the input. Waits until there is
   something to read, or its end. */
void popinjay_log_input_open(struct popinjay_log_input *input,
			     const char *path, int *fd, bool autoclose);
void popinjay_log_input_close(struct popinjay_log_input *input);

/* Returns the program whose compressed file this is if Dovecot cannot read it,
   or NULL. Call it before the first line is read. */
const char *
popinjay_log_input_unknown_compression(struct popinjay_log_input *input);

/* Go on to the next line, without its LF, which is valid until the next call.
   whole_r is FALSE if no LF ends it, as the last one of a file that is being
   written. Lines that are too long for the buffer are passed over. Adds the
   lines, too long or not, to *lines. Returns 1; 0 at the end; or -1 with the
   reason in error_r if the file cannot be read. */
int popinjay_log_input_next(struct popinjay_log_input *input, uint64_t *lines,
			    const unsigned char **line_r, size_t *size_r,
			    bool *whole_r, const char **error_r);

#endif
