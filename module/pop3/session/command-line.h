/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMMAND_LINE_H
#define POPINJAY_COMMAND_LINE_H

/* The command line of a POP3 client (RFC 1939 section 3, RFC 2449 section 4),
   without its line end. */

struct popinjay_command_line {
	/* Upper-cased, 1 or more bytes of 0x21-0x7E. */
	const char *name;
	/* What follows the spaces after the name; "" if there is nothing.
	   Spaces inside it and at its end are kept. */
	const char *args;
};

/* Split a line of line_size bytes, which may hold NULs, at its first space.
   Returns 0 if it is well formed. Returns -1 and a text that may be sent to
   the client as it is if the line has no name, has a byte of 0x00-0x1F or
   0x7F anywhere, or a byte of 0x80-0xFF in its name. The strings are in the
   data stack. */
int popinjay_command_line_parse(const char *line, size_t line_size,
				struct popinjay_command_line *line_r,
				const char **error_r);

/* Split args at runs of spaces; spaces at either end are ignored. Returns a
   NULL-terminated list from pool and its length in *argc_r. */
const char *const *
popinjay_args_split(pool_t pool, const char *args, unsigned int *argc_r);

#endif
