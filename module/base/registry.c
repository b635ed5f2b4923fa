/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the lists behind the registration functions of the public
   API. They belong to the process, not to a session. */

#include "lib.h"
#include "array.h"
#include "popinjay.h"
#include "registry.h"

int popinjay_registry_check_version(unsigned int api_version,
				    const char **error_r)
{
	if (api_version == POPINJAY_API_VERSION)
		return 0;
	*error_r = t_strdup_printf("The plugin was compiled for version %u of "
		"Popinjay's API, this is version %u", api_version,
		POPINJAY_API_VERSION);
	return -1;
}

int popinjay_registry_check_item(const ARRAY_TYPE(popinjay_registry) *registry,
				 const char *kind, const char *name,
				 const void *item, const char **error_r)
{
	const void *const *itemp;

	if (name == NULL || *name == '\0') {
		*error_r = t_strdup_printf("The %s has no name", kind);
		return -1;
	}
	if (!array_is_created(registry))
		return 0;
	array_foreach(registry, itemp) {
		if (*itemp == item) {
			*error_r = t_strdup_printf(
				"The %s %s is registered already", kind, name);
			return -1;
		}
	}
	return 0;
}

void popinjay_registry_add(ARRAY_TYPE(popinjay_registry) *registry,
			   const void *item)
{
	if (!array_is_created(registry))
		i_array_init(registry, 8);
	array_push_back(registry, &item);
}

void popinjay_registry_remove(ARRAY_TYPE(popinjay_registry) *registry,
			      const void *item)
{
	const void *const *items;
	unsigned int i, count;

	if (!array_is_created(registry))
		return;
	items = array_get(registry, &count);
	for (i = 0; i < count; i++) {
		if (items[i] == item) {
			array_delete(registry, i, 1);
			break;
		}
	}
	if (array_count(registry) == 0)
		array_free(registry);
}
