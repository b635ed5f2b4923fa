/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_CONFIG_H
#define POPINJAY_SECRET_CONFIG_H

/* The file that the passdb and doveadm read, "NAME = VALUE" lines:

     dict               URI of the dict that keeps the secrets
     key_file           file of the keys that seal them
     separator          between user and label in a login name; default none
     apop_max_age_secs  how old an APOP challenge may be; default 120

   Empty lines and lines that begin with "#" are ignored. */

#define POPINJAY_SECRET_CONFIG_DEFAULT_PATH \
	"/etc/dovecot/popinjay-secret.conf.ext"

struct popinjay_secret_config {
	const char *dict;
	const char *key_file;
	const char *separator;
	unsigned int apop_max_age_secs;
};

/* Parse the text of the file. Strings are of pool. Returns 0, or -1 with the
   line and the reason in error_r. */
int popinjay_secret_config_parse(const char *text, pool_t pool,
				 struct popinjay_secret_config *config_r,
				 const char **error_r);

/* Read and parse the file. Returns 0, or -1 with the reason in error_r. */
int popinjay_secret_config_read(const char *path, pool_t pool,
				struct popinjay_secret_config *config_r,
				const char **error_r);

#endif
