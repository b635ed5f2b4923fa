/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_LOGIN_H
#define POPINJAY_COMPAT_LOGIN_H

struct client;
struct popinjay_settings;

/* Returns TRUE if the client's connection to Dovecot is secured by TLS. */
bool popinjay_login_client_is_tls(const struct client *client);

/* Read the settings of the access log for the login process: in Dovecot 2.4
   those that all processes have, in 2.3 the variables POPINJAY_ACCESS_LOG... of
   the environment. Returns 0, or -1 with the reason in error_r. */
int popinjay_login_settings_get(const struct popinjay_settings **set_r,
				const char **error_r);
/* Free the settings and set *set to NULL. */
void popinjay_login_settings_free(const struct popinjay_settings **set);

#endif
