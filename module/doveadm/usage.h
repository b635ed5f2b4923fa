/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_USAGE_H
#define POPINJAY_DOVEADM_USAGE_H

/* Tell doveadm the beginnings of commands, such as "popinjay log", when it
   knows the commands. The array ends with NULL. */
void popinjay_usage_register(const char *const *groups);
/* Free what was made for that. */
void popinjay_usage_deinit(void);

#endif
