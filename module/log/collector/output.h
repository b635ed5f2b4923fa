/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_OUTPUT_H
#define POPINJAY_OUTPUT_H

/* The log file. */

/* Open it, or say in Dovecot's log why that failed. It is tried again with each
   write. */
void output_init(const char *path);
void output_deinit(void);

/* Open the file of that path anew: it was moved away. */
void output_reopen(void);

/* Append whole lines, each with its LF. Returns 0, or -1 if none of them is
   in the file; the reason is in Dovecot's log. */
int output_write(const void *lines, size_t size);

/* Returns TRUE if the file, or the one before it, ends with lines among which
   is this one (without LF). */
bool output_has_line(const char *line);

#endif
