/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: how all commands say what went wrong. */

#include "lib.h"
#include "fail.h"

void popinjay_fail(int *exit_code_r, int exit_code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	T_BEGIN {
		i_error("%s", t_strdup_vprintf(fmt, args));
	} T_END;
	va_end(args);
	*exit_code_r = exit_code;
}
