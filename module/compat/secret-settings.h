/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_SETTINGS_H
#define POPINJAY_SECRET_SETTINGS_H

/* The settings of secrets: Dovecot 2.4 has them among its own, as
   popinjay_secret { ... }. For 2.3 they are in a file, see secret-config.h. */

struct dict;
struct event;
struct setting_parser_info;

#define POPINJAY_SECRET_APOP_MAX_AGE_SECS (2 * 60)
#define POPINJAY_SECRET_APOP_MAX_AGE_LIMIT_SECS (24 * 60 * 60)
/* What a separator cannot have. */
#define POPINJAY_SECRET_SEPARATOR_EXCEPT "@ \t"

struct popinjay_secret_settings {
	pool_t pool;

	const char *popinjay_secret_key_file;
	const char *popinjay_secret_separator;
	unsigned int popinjay_secret_apop_max_age_secs;
};

/* 2.4 only, for Dovecot's config process */
extern const struct setting_parser_info popinjay_secret_setting_parser_info;

/* Read the settings that the event sees. Returns 1, 0 if this Dovecot has them
   in a file, or -1 with the reason in error_r. */
int popinjay_secret_settings_get(struct event *event,
				 const struct popinjay_secret_settings **set_r,
				 const char **error_r);
/* Free the settings and set *set to NULL. Does nothing if it is NULL. */
void popinjay_secret_settings_free(const struct popinjay_secret_settings **set);

/* Open the dict that keeps the secrets: in 2.3 that of the URI, with sockets in
   base_dir, else the one that popinjay_secret has. Returns 0, or -1 with the
   reason in error_r. */
int popinjay_secret_dict_init(const char *uri, const char *base_dir,
			      struct event *event, struct dict **dict_r,
			      const char **error_r);

/* Close the dict without waiting: what is under way fails before this returns,
   and *dict is NULL then. A dict that has no dict process, and so no connection
   that can be closed, is left as it is, as is NULL. */
void popinjay_secret_dict_abort(struct dict **dict);

#endif
