/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The config process of Dovecot 2.4, which loads every module of its settings
   folder: tells it of our settings, so that it knows them wherever its own may
   stand. */

#include "lib.h"
#include "settings-parser.h"
#include "module-version.h"
#include "popinjay.h"
#include "secret-settings.h"
#include "settings-info.h"
#include "popinjay-settings-module.h"

POPINJAY_DEFINE_MODULE_VERSION(popinjay_settings);

const struct setting_parser_info *popinjay_settings_set_infos[] = {
	&popinjay_setting_parser_info,
	&popinjay_secret_setting_parser_info,
	NULL
};

void popinjay_settings_init(struct module *module ATTR_UNUSED)
{
}

void popinjay_settings_deinit(void)
{
}
