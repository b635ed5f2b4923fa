/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SETTINGS_MODULE_H
#define POPINJAY_SETTINGS_MODULE_H

/* What Dovecot looks up in libpopinjay_settings.so: NAME_version, NAME_init
   and NAME_deinit as in every module, NAME_set_infos as in one of settings. */

struct module;
struct setting_parser_info;

POPINJAY_EXPORT extern const char *popinjay_settings_version;
/* Ends with NULL. */
POPINJAY_EXPORT extern const struct setting_parser_info *
popinjay_settings_set_infos[];

/* Dovecot's entry points. */
POPINJAY_EXPORT void popinjay_settings_init(struct module *module);
POPINJAY_EXPORT void popinjay_settings_deinit(void);

#endif
