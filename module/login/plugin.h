/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOGIN_PLUGIN_H
#define POPINJAY_LOGIN_PLUGIN_H

struct module;

/* Dovecot checks this against its own before it runs any code of ours. */
POPINJAY_EXPORT extern const char *popinjay_login_plugin_version;

/* Dovecot's entry points. */
POPINJAY_EXPORT void popinjay_login_plugin_init(struct module *module);
POPINJAY_EXPORT void popinjay_login_plugin_deinit(void);

#endif
