/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_OUTPUT_H
#define POPINJAY_OUTPUT_H

/* The log file. */

/* Open the file, or log why that failed. Each write tries again. */
void output_init(const char *path);
void output_deinit(void);

/* Open the path again: the file was moved away. */
void output_reopen(void);

/* Append whole lines, each with its LF. Returns 0, or -1 if none of them is
   in the file; the reason is in Dovecot's log. */
int output_write(const void *lines, size_t size);

/* Returns TRUE if this line (without LF) is near the end of the file or of the
   one before it. */
bool output_has_line(const char *line);

#endif
