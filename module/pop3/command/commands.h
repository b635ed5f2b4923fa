/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMMANDS_H
#define POPINJAY_COMMANDS_H

#include "popinjay.h"

/* Our own commands, in place of Dovecot's. */
extern const struct popinjay_command popinjay_command_capa;
extern const struct popinjay_command popinjay_command_dele;
extern const struct popinjay_command popinjay_command_list;
extern const struct popinjay_command popinjay_command_quit;
extern const struct popinjay_command popinjay_command_retr;
extern const struct popinjay_command popinjay_command_top;
extern const struct popinjay_command popinjay_command_uidl;

#endif
