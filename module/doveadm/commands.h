/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_COMMANDS_H
#define POPINJAY_DOVEADM_COMMANDS_H

/* Tell doveadm all commands "popinjay ...". */
void popinjay_commands_register(void);
/* Free what doveadm, which ends, was told. */
void popinjay_commands_unregister(void);

#endif
