/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_PLUGIN_H
#define POPINJAY_DOVEADM_PLUGIN_H

#include "popinjay.h"

struct module;

/* Dovecot checks this against its own before it runs any code of ours. */
POPINJAY_EXPORT extern const char *doveadm_popinjay_plugin_version;

/* Dovecot's entry points. */
POPINJAY_EXPORT void doveadm_popinjay_plugin_init(struct module *module);
POPINJAY_EXPORT void doveadm_popinjay_plugin_deinit(void);

#endif
