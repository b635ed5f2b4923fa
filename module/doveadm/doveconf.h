/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_DOVECONF_H
#define POPINJAY_DOVEADM_DOVECONF_H

/* The configuration of programs other than doveadm, as it is on disk now. */

struct doveconf_setting {
	/* with its sections: "service/popinjay-log/executable" */
	const char *name;
	/* variables are not expanded; "" for a section itself */
	const char *value;
};
ARRAY_DEFINE_TYPE(doveconf_setting, struct doveconf_setting);

/* Get the settings and sections of these names (ends with NULL) as the protocol
   has them, without those that do not exist. Strings are allocated from pool.
   Returns 0, or -1 with the reason in error_r. */
int doveconf_get(pool_t pool, const char *protocol, const char *const *names,
		 ARRAY_TYPE(doveconf_setting) *settings_r,
		 const char **error_r);

/* Returns the value of a setting, or "" if it is not among them. */
const char *doveconf_find(const ARRAY_TYPE(doveconf_setting) *settings,
			  const char *name);

#define POPINJAY_LOG_EXECUTABLE "service/popinjay-log/executable"

/* Returns the program popinjay-log and its arguments from that setting, with
   NULL at the end; only NULL if there is no such service. *by_env_r is TRUE if
   it is run by env, so that Dovecot starts even if the program is missing. */
const char *const *
doveconf_log_service(const ARRAY_TYPE(doveconf_setting) *settings,
		     bool *by_env_r);

/* Returns TRUE if word is in a list of words, which Dovecot 2.3 has as
   "name = a b" and 2.4 as "name { a = yes }". */
bool doveconf_list_has(const ARRAY_TYPE(doveconf_setting) *settings,
		       const char *name, const char *word);

/* Returns the path of the configuration file for the option -c of Dovecot's
   programs, or NULL if it is their default. */
const char *doveconf_file(void);

#endif
