/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_SETTINGS_H
#define POPINJAY_LOG_SETTINGS_H

/* What doveadm has to know of the configuration to find the access log. */
struct popinjay_log_settings {
	/* Settings of ours for all users, as they are in the configuration:
	   variables in them are not expanded. */
	const char *access_log, *key_file;
	/* The file of the service popinjay-log, NULL if there is none. */
	const char *service_file;
	/* Where Dovecot's messages at level Info go: a path or "syslog". */
	const char *dovecot_log;
};

/* Read the settings that pop3 has. Returns 0, with the strings in pool, or -1
   with the reason in error_r. */
int popinjay_log_settings_read(pool_t pool, struct popinjay_log_settings *set_r,
			       const char **error_r);

#endif
