/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_PROGRAM_H
#define POPINJAY_DOVEADM_PROGRAM_H

/* Run another program of Dovecot and wait for it. argv[0] is its path. It gets
   an empty standard input, and as environment PATH and env ("NAME=VALUE", ends
   with NULL; may be NULL). What it writes to its standard output and standard
   error is appended to output and errors, which may be NULL. Returns its exit
   status, or -1 with the reason in error_r if it could not be run or was
   killed. */
int program_run(const char *const *argv, const char *const *env,
		string_t *output, string_t *errors, const char **error_r);

/* Returns the command line of our parent process, ending with NULL; only NULL
   if it cannot be read. */
const char *const *program_parent_args(void);

/* Returns the path of a program in the directory of doveadm, or only its name
   if there is none. */
const char *program_beside_doveadm(const char *name);

#endif
