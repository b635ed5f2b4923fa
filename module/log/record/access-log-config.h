/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_ACCESS_LOG_CONFIG_H
#define POPINJAY_ACCESS_LOG_CONFIG_H

/* The settings of the access log. */

#define POPINJAY_ACCESS_LOG_SYSLOG_SOCKET "/dev/log"

/* The values as the administrator wrote them. */
struct popinjay_access_log_values {
	const char *access_log;
	const char *format;
	const char *events;
	const char *headers;
	const char *anonymize;
	const char *key_file;
};

enum popinjay_anonymize {
	POPINJAY_ANONYMIZE_NOT,
	/* a keyed hash, the same for the same value */
	POPINJAY_ANONYMIZE_HASH,
	/* an address without its last 8 bits (IPv6: 64), or a user's domain */
	POPINJAY_ANONYMIZE_CUT
};

struct popinjay_access_log_config {
	/* Where lines go: Dovecot's own log, the service popinjay-log, and
	   paths of syslog sockets and of files; the lists end with NULL. */
	bool log, service;
	const char *const *syslogs;
	const char *const *files;
	/* the format is logfmt, not JSON */
	bool logfmt;

	/* Records to write: of sessions, of all that happens to messages, of
	   messages that were removed, of commands. All FALSE if there is no
	   sink. */
	bool session, message, expunge, command;
	/* headers to include in records of messages */
	bool message_id, subject;

	enum popinjay_anonymize user, ip;
	/* NULL if nothing needs it */
	buffer_t *key;
};

/* Parse the settings and read the key file, if one is needed. Returns 0, with
   the strings in pool; or -1 with the setting, its value and the reason in
   error_r. In both cases free the config. */
int popinjay_access_log_config_parse(pool_t pool,
	const struct popinjay_access_log_values *values,
	struct popinjay_access_log_config *config_r, const char **error_r);

/* Wipe and free the key. */
void popinjay_access_log_config_free(struct popinjay_access_log_config *config);

/* Returns how records show a user, an address or a session: the value itself,
   or what the settings make of it; NULL if it is NULL or nothing is left of it.
   It may live in the data stack. */
const char *
popinjay_anonymize_user(const struct popinjay_access_log_config *config,
			 const char *user);
const char *
popinjay_anonymize_ip(const struct popinjay_access_log_config *config,
		       const struct ip_addr *ip);
/* Dovecot's session id contains the address, so it is hashed unless addresses
   are shown in full. */
const char *
popinjay_anonymize_session(const struct popinjay_access_log_config *config,
			    const char *session);

#endif
