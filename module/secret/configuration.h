/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_CONFIGURATION_H
#define POPINJAY_SECRET_CONFIGURATION_H

struct event;
struct popinjay_secret_config;

/* Get the settings of secrets from where this Dovecot keeps them: those that
   the event sees, or the file at path (NULL: the default one). Strings are
   allocated from pool. Returns 0, or -1 with the reason in error_r. */
int popinjay_secret_config_get(struct event *event, const char *path,
			       pool_t pool,
			       struct popinjay_secret_config *config_r,
			       const char **error_r);

#endif
