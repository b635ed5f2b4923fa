/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entry points of libauthdb_popinjay.so, which the auth process loads when a
   passdb "popinjay" is configured. */

#include "auth-headers.h"
#include "module-version.h"
#include "popinjay-passdb.h"
#include "plugin.h"

POPINJAY_DEFINE_MODULE_VERSION(authdb_popinjay);

void authdb_popinjay_init(void)
{
	passdb_register_module(&popinjay_passdb_interface);
}

void authdb_popinjay_deinit(void)
{
	passdb_unregister_module(&popinjay_passdb_interface);
}
