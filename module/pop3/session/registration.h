/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_REGISTRATION_H
#define POPINJAY_REGISTRATION_H

#include "popinjay.h"

/* Returns the command of that name (in upper case) that is ours or a
   plugin's, or NULL. */
const struct popinjay_command *popinjay_command_find(const char *name);

/* Add a command of ours, which comes before Dovecot's of the same name. It is
   taken back as a plugin's is. */
void popinjay_command_add(const struct popinjay_command *command);

/* Add the lines of all commands. */
void
popinjay_commands_add_capabilities(struct popinjay_capabilities *capabilities);

#endif
