/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_USAGE_H
#define POPINJAY_DOVEADM_USAGE_H

/* Tell doveadm the beginnings of our commands, such as "popinjay log", when it
   knows the commands. */
void popinjay_usage_register(void);
/* Forget them. */
void popinjay_usage_deinit(void);

#endif
