/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entry points of lib20_doveadm_popinjay_plugin.so. */

#include "lib.h"
#include "module-dir.h"
#include "check.h"
#include "commands.h"
#include "module-version.h"
#include "plugin.h"

POPINJAY_DEFINE_MODULE_VERSION(doveadm_popinjay_plugin);

void doveadm_popinjay_plugin_init(struct module *module)
{
	popinjay_check_cmd_init(module);
	popinjay_commands_register();
}

void doveadm_popinjay_plugin_deinit(void)
{
	popinjay_commands_unregister();
	popinjay_check_cmd_deinit();
}
