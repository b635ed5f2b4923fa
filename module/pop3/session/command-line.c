/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: splits what a client sent into command and arguments. A
   NUL would end the line early for whatever reads it as a C string, so that a
   hook sees other arguments than the client sent; the other control bytes have
   no place in a command either (RFC 2449 section 4). */

#include "lib.h"
#include "strfuncs.h"
#include "command-line.h"

static bool is_control(unsigned char chr)
{
	return chr < 0x20 || chr == 0x7f;
}

int popinjay_command_line_parse(const char *line, size_t line_size,
				struct popinjay_command_line *line_r,
				const char **error_r)
{
	const char *name_end, *args, *line_end = line + line_size;
	size_t i;

	for (i = 0; i < line_size; i++) {
		if (is_control(line[i])) {
			*error_r = "Control character in command.";
			return -1;
		}
	}

	name_end = memchr(line, ' ', line_size);
	if (name_end == NULL)
		name_end = line_end;
	if (name_end == line) {
		*error_r = "Missing command name.";
		return -1;
	}
	for (i = 0; line + i < name_end; i++) {
		if ((unsigned char)line[i] >= 0x80) {
			*error_r = "8-bit character in command name.";
			return -1;
		}
	}

	args = name_end;
	while (args < line_end && *args == ' ')
		args++;
	line_r->name = t_str_ucase(t_strdup_until(line, name_end));
	line_r->args = t_strdup_until(args, line_end);
	return 0;
}

const char *const *
popinjay_args_split(pool_t pool, const char *args, unsigned int *argc_r)
{
	const char *const *argv;

	argv = (const char *const *)p_strsplit_spaces(pool, args, " ");
	*argc_r = str_array_length(argv);
	return argv;
}
