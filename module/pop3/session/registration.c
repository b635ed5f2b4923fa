/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the list of POP3 commands in addition to Dovecot's, our own
   and those of plugins. */

#include "lib.h"
#include "array.h"
#include "registry.h"
#include "registration.h"

#include <ctype.h>

#define COMMAND_NAME_MIN_LEN 3
#define COMMAND_NAME_MAX_LEN 16

/* Names that mean something before login, or that Dovecot has or may get: a
   plugin that takes one would change what a client was promised. */
static const char *const reserved_names[] = {
	"APOP", "AUTH", "CAPA", "DELE", "LANG", "LAST", "LIST", "NOOP",
	"PASS", "QUIT", "RETR", "RSET", "STAT", "STLS", "TOP", "UIDL", "USER",
	"UTF8", "XCLIENT", "XOIP", NULL
};

static ARRAY_TYPE(popinjay_registry) commands;

const struct popinjay_command *popinjay_command_find(const char *name)
{
	const void *const *itemp;

	if (!array_is_created(&commands))
		return NULL;
	array_foreach(&commands, itemp) {
		const struct popinjay_command *command = *itemp;

		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

void popinjay_command_add(const struct popinjay_command *command)
{
	popinjay_registry_add(&commands, command);
}

void
popinjay_commands_add_capabilities(struct popinjay_capabilities *capabilities)
{
	const void *const *itemp;

	if (!array_is_created(&commands))
		return;
	array_foreach(&commands, itemp) {
		const struct popinjay_command *command = *itemp;

		if (command->capability != NULL) {
			popinjay_capabilities_add(capabilities,
						  command->capability);
		}
	}
}

/* --- include/popinjay.h --- */

static bool command_name_is_valid(const char *name)
{
	size_t len = strlen(name);
	const char *p;

	if (len < COMMAND_NAME_MIN_LEN || len > COMMAND_NAME_MAX_LEN)
		return FALSE;
	for (p = name; *p != '\0'; p++) {
		if (!i_isupper(*p) && !i_isdigit(*p) && *p != '-')
			return FALSE;
	}
	return TRUE;
}

int popinjay_command_register_version(unsigned int api_version,
				      const struct popinjay_command *command,
				      const char **error_r)
{
	if (popinjay_registry_check_version(api_version, error_r) < 0 ||
	    popinjay_registry_check_item(&commands, "command", command->name,
					 command, error_r) < 0)
		return -1;
	if (!command_name_is_valid(command->name)) {
		*error_r = t_strdup_printf("'%s' is no command name: use %d "
			"to %d characters of A-Z, 0-9 and \"-\"",
			command->name, COMMAND_NAME_MIN_LEN,
			COMMAND_NAME_MAX_LEN);
		return -1;
	}
	if (str_array_find(reserved_names, command->name)) {
		*error_r = t_strdup_printf(
			"The command %s is Dovecot's or the protocol's own",
			command->name);
		return -1;
	}
	if (popinjay_command_find(command->name) != NULL) {
		*error_r = t_strdup_printf(
			"The command %s is another plugin's", command->name);
		return -1;
	}
	if (command->handler == NULL ||
	    command->args_min > command->args_max) {
		*error_r = t_strdup_printf("The command %s has %s",
			command->name, command->handler == NULL ?
			"no handler" : "a minimum of arguments above its "
			"maximum");
		return -1;
	}
	popinjay_command_add(command);
	return 0;
}

void popinjay_command_unregister(const struct popinjay_command *command)
{
	popinjay_registry_remove(&commands, command);
}
