/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the commands, hooks and capabilities that plugins
   registered, and the table of our own commands. */

#include "session.h"
#include "array.h"
#include "registry.h"
#include "registration.h"

#include <ctype.h>

#define COMMAND_NAME_MIN_LEN 3
#define COMMAND_NAME_MAX_LEN 16

static const struct popinjay_command *const own_commands[] = {
	&popinjay_command_capa,
	&popinjay_command_dele,
	&popinjay_command_list,
	&popinjay_command_quit,
	&popinjay_command_retr,
	&popinjay_command_top,
	&popinjay_command_uidl
};

/* Names that mean something before login, or that Dovecot has or may get: a
   plugin that takes one would change what a client was promised. */
static const char *const reserved_names[] = {
	"APOP", "AUTH", "CAPA", "DELE", "LANG", "LAST", "LIST", "NOOP",
	"PASS", "QUIT", "RETR", "RSET", "STAT", "STLS", "TOP", "UIDL", "USER",
	"UTF8", "XCLIENT", "XOIP", NULL
};

static ARRAY_TYPE(popinjay_registry) commands;
static ARRAY_TYPE(popinjay_registry) hooks;
static ARRAY_TYPE(popinjay_registry) capability_providers;

static const struct popinjay_command *command_find_registered(const char *name)
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

const struct popinjay_command *popinjay_command_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(own_commands); i++) {
		if (strcmp(own_commands[i]->name, name) == 0)
			return own_commands[i];
	}
	return command_find_registered(name);
}

bool popinjay_hooks_run_before(struct popinjay_request *request)
{
	const void *const *itemp;

	if (!array_is_created(&hooks))
		return TRUE;
	array_foreach(&hooks, itemp) {
		const struct popinjay_hook *hook = *itemp;

		if (hook->before == NULL)
			continue;
		/* a hook that has answered has refused, whatever it returns */
		if (!hook->before(request) || request->replied) {
			e_debug(popinjay_client_event(
					request->session->client),
				"popinjay: %s refused %s", hook->name,
				request->name);
			return FALSE;
		}
	}
	return TRUE;
}

void popinjay_hooks_run_after(struct popinjay_request *request,
			      const struct popinjay_result *result)
{
	const void *const *itemp;

	if (!array_is_created(&hooks))
		return;
	array_foreach(&hooks, itemp) {
		const struct popinjay_hook *hook = *itemp;

		if (hook->after != NULL)
			hook->after(request, result);
	}
}

void popinjay_capabilities_add_registered(struct popinjay_session *session,
	struct popinjay_capabilities *capabilities)
{
	const void *const *itemp;

	if (array_is_created(&commands)) {
		array_foreach(&commands, itemp) {
			const struct popinjay_command *command = *itemp;

			if (command->capability != NULL) {
				popinjay_capabilities_add(capabilities,
					command->capability);
			}
		}
	}
	if (array_is_created(&capability_providers)) {
		array_foreach(&capability_providers, itemp) {
			const struct popinjay_capability_provider *provider =
				*itemp;

			provider->provide(session, capabilities);
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
	if (command_find_registered(command->name) != NULL) {
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
	popinjay_registry_add(&commands, command);
	return 0;
}

void popinjay_command_unregister(const struct popinjay_command *command)
{
	popinjay_registry_remove(&commands, command);
}

int popinjay_hook_register_version(unsigned int api_version,
				   const struct popinjay_hook *hook,
				   const char **error_r)
{
	if (popinjay_registry_check_version(api_version, error_r) < 0 ||
	    popinjay_registry_check_item(&hooks, "hook", hook->name, hook,
					 error_r) < 0)
		return -1;
	popinjay_registry_add(&hooks, hook);
	return 0;
}

void popinjay_hook_unregister(const struct popinjay_hook *hook)
{
	popinjay_registry_remove(&hooks, hook);
}

int popinjay_capability_provider_register_version(unsigned int api_version,
	const struct popinjay_capability_provider *provider,
	const char **error_r)
{
	if (popinjay_registry_check_version(api_version, error_r) < 0 ||
	    popinjay_registry_check_item(&capability_providers,
					 "capability provider", provider->name,
					 provider, error_r) < 0)
		return -1;
	if (provider->provide == NULL) {
		*error_r = t_strdup_printf("The capability provider %s has no "
			"provide function", provider->name);
		return -1;
	}
	popinjay_registry_add(&capability_providers, provider);
	return 0;
}

void popinjay_capability_provider_unregister(
	const struct popinjay_capability_provider *provider)
{
	popinjay_registry_remove(&capability_providers, provider);
}
