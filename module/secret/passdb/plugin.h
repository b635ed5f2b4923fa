/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_AUTH_PLUGIN_H
#define POPINJAY_AUTH_PLUGIN_H

#include "popinjay.h"

/* Dovecot checks this against its own before it runs any code of ours. */
POPINJAY_EXPORT extern const char *authdb_popinjay_version;

/* Dovecot's entry points. */
POPINJAY_EXPORT void authdb_popinjay_init(void);
POPINJAY_EXPORT void authdb_popinjay_deinit(void);

#endif
