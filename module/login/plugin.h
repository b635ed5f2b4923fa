/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOGIN_PLUGIN_H
#define POPINJAY_LOGIN_PLUGIN_H

/* What Dovecot's module loader looks for, by these names. */

struct module;

POPINJAY_EXPORT extern const char *popinjay_login_plugin_version;

POPINJAY_EXPORT void popinjay_login_plugin_init(struct module *module);
POPINJAY_EXPORT void popinjay_login_plugin_deinit(void);

#endif
