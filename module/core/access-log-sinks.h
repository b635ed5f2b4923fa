/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_ACCESS_LOG_SINKS_H
#define POPINJAY_ACCESS_LOG_SINKS_H

/* Where the lines of the access log go: the setting popinjay_access_log. */
struct popinjay_access_log_sinks {
	/* Dovecot's own log */
	bool log;
	/* paths of files, ends with NULL */
	const char *const *files;
};

/* Parse a list of sinks separated by spaces: "log", "file:" with an absolute
   path, or "none" alone. Returns 0, with the strings in pool; or -1 with the
   reason in error_r. */
int popinjay_access_log_sinks_parse(pool_t pool, const char *value,
				    struct popinjay_access_log_sinks *sinks_r,
				    const char **error_r);

#endif
