/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SETTINGS_H
#define POPINJAY_SETTINGS_H

struct mail_user;

/* What the administrator set, wherever this Dovecot keeps it: plugin {} in 2.3,
   settings of our own in 2.4. settings-table.h has the rows. */
struct popinjay_settings {
	pool_t pool;

#define STR(name, default_value) const char *name;
#define TEMPLATE(name, default_value) const char *name;
#define ENUM(name, default_value, others) const char *name;
#define BOOL(name, default_value) bool name;
#define MAYBE_BOOL(name) const char *name;
#define TIME(name, default_secs, min_secs, max_secs) unsigned int name##_secs;
#define UINT(name, default_value, max, unit) unsigned int name;
#include "settings-table.h"

	/* Dovecot's own, where the process can know it; else what
	   popinjay_reuse_xuidl says. */
	bool pop3_reuse_xuidl;
};

/* What holds where nothing is set. */
extern const struct popinjay_settings popinjay_settings_default;

/* Read the settings of a user. Returns 0, or -1 with the reason in error_r: a
   value that cannot be parsed, or an unknown popinjay_* setting. */
int popinjay_settings_get(struct mail_user *user,
			  const struct popinjay_settings **set_r,
			  const char **error_r);
/* Free the settings and set *set to NULL. Does nothing if it is NULL. */
void popinjay_settings_free(const struct popinjay_settings **set);

/* Returns Dovecot's own pop3_uidl_format. */
const char *popinjay_settings_get_native_uidl_format(struct mail_user *user);

#endif
