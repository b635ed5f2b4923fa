/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOGIN_SETTINGS_H
#define POPINJAY_LOGIN_SETTINGS_H

struct popinjay_access_log_config;

/* Read the settings of the access log for the login process: in Dovecot 2.4
   those that all processes have, in 2.3 the variables POPINJAY_ACCESS_LOG... of
   the environment. Returns 0, with the strings in pool; or -1 with the reason
   in error_r. In both cases free the config. */
int popinjay_login_settings_get(pool_t pool,
				struct popinjay_access_log_config *config_r,
				const char **error_r);

#endif
