/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_FAIL_H
#define POPINJAY_DOVEADM_FAIL_H

/* Log why a command, or what it does for one user, fails, and set *exit_code_r
   to exit_code, EX_...: doveadm ends with it when all users are done. */
void popinjay_fail(int *exit_code_r, int exit_code, const char *fmt, ...)
	ATTR_FORMAT(3, 4);

#endif
