/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_PROGRAM_H
#define POPINJAY_DOVEADM_PROGRAM_H

/* Run another program of Dovecot's and wait for it. It gets an empty standard
   input and nothing of our environment but PATH; env, which may be NULL, is
   what it gets besides ("NAME=VALUE", ends with NULL). argv[0] is its path.
   output and errors, which may be NULL, get what it writes to its standard
   output and its standard error. Returns its exit status, or -1 with the reason
   in error_r if it could not be run or was killed. */
int program_run(const char *const *argv, const char *const *env,
		string_t *output, string_t *errors, const char **error_r);

/* Returns the command line of the process that started this one, which ends
   with NULL and is empty where it cannot be read. */
const char *const *program_parent_args(void);

/* Returns the path of a program that lies beside doveadm, or only its name if
   it is not there. */
const char *program_beside_doveadm(const char *name);

#endif
