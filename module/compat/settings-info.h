/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SETTINGS_INFO_H
#define POPINJAY_SETTINGS_INFO_H

/* Dovecot 2.4 only: the names, types and defaults of our settings. Dovecot's
   config process reads the configuration by them, and the mail processes read
   what it made of it, so both modules are linked with the same ones. */
extern const struct setting_parser_info popinjay_setting_parser_info;

#endif
