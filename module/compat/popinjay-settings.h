/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SETTINGS_H
#define POPINJAY_SETTINGS_H

struct mail_user;

#define POPINJAY_IDLE_TIMEOUT_MAX_SECS (24 * 60 * 60)
/* What popinjay_idle_timeout accepts. */
#define POPINJAY_IDLE_TIMEOUT_HELP \
	"use a time above 0 and up to 24 hours with its unit, such as 10 mins"

/* What popinjay_uidl_drift_limit accepts. */
#define POPINJAY_UIDL_DRIFT_LIMIT_HELP \
	"use a number of percent, 0 to 100, where 0 is off"

/* What the administrator set, with its type and its default, from wherever
   this Dovecot keeps it: plugin {} in 2.3, settings of our own in 2.4. */
struct popinjay_settings {
	pool_t pool;

	/* Template; "" stands for Dovecot's pop3_uidl_format. */
	const char *popinjay_uidl_format;
	/* Name of the UIDL policy; "format" is the template. */
	const char *popinjay_uidl_policy;
	/* Path of the key file that %{hmac} needs, or "". */
	const char *popinjay_uidl_key_file;
	/* Sources of UIDLs in their order; "" is what the settings around here
	   mean together. */
	const char *popinjay_uidl_sources;
	/* Template of UIDLs before some time, and until when or which uid;
	   both "" or neither. */
	const char *popinjay_uidl_old_format;
	const char *popinjay_uidl_old_until;
	/* UIDLs longer than RFC 1939 allows are replaced, unless saved. */
	bool popinjay_uidl_strict;
	/* Every UIDL that is shown is saved. */
	bool popinjay_uidl_save;
	/* Percent of UIDLs that may change, up to 100; 0: all. */
	unsigned int popinjay_uidl_drift_limit;
	/* Lists of words separated by spaces; see access-log-config.h. */
	const char *popinjay_access_log;
	const char *popinjay_access_log_format;
	const char *popinjay_access_log_events;
	const char *popinjay_access_log_headers;
	const char *popinjay_access_log_anonymize;
	/* Path of the key file that this needs, or "". */
	const char *popinjay_access_log_key_file;
	/* "yes", "no" or "": a valid X-UIDL header is a message's UIDL, as with
	   Dovecot's pop3_reuse_xuidl. "" is what Dovecot has in the pop3
	   process, and no in others. */
	const char *popinjay_reuse_xuidl;
	/* Dovecot's own, where the process can know it; else what
	   popinjay_reuse_xuidl says. */
	bool pop3_reuse_xuidl;
	/* CAPA names us and our version. */
	bool popinjay_capability_implementation;
	/* How long a client may be silent or not read; 1 to
	   POPINJAY_IDLE_TIMEOUT_MAX_SECS. */
	unsigned int popinjay_idle_timeout_secs;

	/* What CAPA says after login about what could be done before it. In
	   2.3 the mail process cannot read Dovecot's own settings for that,
	   and "" is "not known". */
	const char *popinjay_sasl_mechanisms;
	/* "yes", "no" or "" */
	const char *popinjay_disable_plaintext_auth;
};

/* Read the settings of a user. Returns 0, or -1 with the reason in error_r: a
   value that cannot be parsed, or a setting of ours that there is not. */
int popinjay_settings_get(struct mail_user *user,
			  const struct popinjay_settings **set_r,
			  const char **error_r);
/* Free the settings and set *set to NULL. Does nothing if it is NULL. */
void popinjay_settings_free(const struct popinjay_settings **set);

/* Returns Dovecot's own pop3_uidl_format. */
const char *popinjay_settings_get_native_uidl_format(struct mail_user *user);

#endif
