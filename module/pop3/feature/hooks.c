/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the hooks and capability providers of plugins, which
   version 1 of include/popinjay.h has instead of features. In a session they
   are one feature. */

#include "session.h"
#include "hooks.h"
#include "registration.h"
#include "registry.h"
#include "reply.h"

static ARRAY_TYPE(popinjay_registry) hooks;
static ARRAY_TYPE(popinjay_registry) capability_providers;

static enum popinjay_before
hooks_before(struct popinjay_request *request, void *state ATTR_UNUSED)
{
	const void *const *itemp;

	if (!array_is_created(&hooks))
		return POPINJAY_BEFORE_GO_ON;
	array_foreach(&hooks, itemp) {
		const struct popinjay_hook *hook = *itemp;

		if (hook->before == NULL)
			continue;
		/* a hook that has answered has refused, whatever it returns */
		if (!hook->before(request) || request->replied) {
			e_debug(popinjay_client_event(request->session->client),
				"popinjay: The hook %s refused %s", hook->name,
				request->name);
			return POPINJAY_BEFORE_REFUSE;
		}
	}
	return POPINJAY_BEFORE_GO_ON;
}

static void hooks_after(struct popinjay_request *request,
			void *state ATTR_UNUSED,
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

static void hooks_capabilities(struct popinjay_session *session,
			       void *state ATTR_UNUSED,
			       struct popinjay_capabilities *capabilities)
{
	const void *const *itemp;

	popinjay_commands_add_capabilities(capabilities);
	if (!array_is_created(&capability_providers))
		return;
	array_foreach(&capability_providers, itemp) {
		const struct popinjay_capability_provider *provider = *itemp;

		provider->provide(session, capabilities);
	}
}

const struct popinjay_feature popinjay_hooks_feature = {
	.name = "hooks of plugins",
	.before = hooks_before,
	.after = hooks_after,
	.capabilities = hooks_capabilities
};

/* --- include/popinjay.h --- */

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
