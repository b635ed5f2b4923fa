/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the UIDL policies that other plugins registered. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "popinjay.h"
#include "registry.h"
#include "uidl-policy.h"

static ARRAY_TYPE(popinjay_registry) uidl_policies;

/* what popinjay_uidl_sources can name besides policies of plugins */
static const char *const own_names[] = {
	POPINJAY_UIDL_POLICY_FORMAT, POPINJAY_UIDL_SOURCE_SAVED,
	POPINJAY_UIDL_SOURCE_STORED, POPINJAY_UIDL_SOURCE_XUIDL,
	POPINJAY_UIDL_SOURCE_OLD, NULL
};

const struct popinjay_uidl_policy *
popinjay_uidl_policy_find(const char *name)
{
	const void *const *itemp;

	if (!array_is_created(&uidl_policies))
		return NULL;
	array_foreach(&uidl_policies, itemp) {
		const struct popinjay_uidl_policy *policy = *itemp;

		if (strcmp(policy->name, name) == 0)
			return policy;
	}
	return NULL;
}

const char *popinjay_uidl_policy_names(void)
{
	string_t *names = t_str_new(64);
	const void *const *itemp;

	str_append(names, POPINJAY_UIDL_POLICY_FORMAT);
	if (!array_is_created(&uidl_policies))
		return str_c(names);
	array_foreach(&uidl_policies, itemp) {
		const struct popinjay_uidl_policy *policy = *itemp;

		str_printfa(names, ", %s", policy->name);
	}
	return str_c(names);
}

int popinjay_uidl_policy_register_version(unsigned int api_version,
	const struct popinjay_uidl_policy *policy, const char **error_r)
{
	if (popinjay_registry_check_version(api_version, error_r) < 0 ||
	    popinjay_registry_check_item(&uidl_policies, "UIDL policy",
					 policy->name, policy, error_r) < 0)
		return -1;
	if (str_array_find(own_names, policy->name) ||
	    popinjay_uidl_policy_find(policy->name) != NULL) {
		*error_r = t_strdup_printf("The UIDL policy %s is %s",
			policy->name, str_array_find(own_names, policy->name) ?
			"Popinjay's own" : "another plugin's");
		return -1;
	}
	if (policy->get == NULL) {
		*error_r = t_strdup_printf(
			"The UIDL policy %s has no get function",
			policy->name);
		return -1;
	}
	popinjay_registry_add(&uidl_policies, policy);
	return 0;
}

void popinjay_uidl_policy_unregister(const struct popinjay_uidl_policy *policy)
{
	popinjay_registry_remove(&uidl_policies, policy);
}
