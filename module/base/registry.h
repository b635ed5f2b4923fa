/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_REGISTRY_H
#define POPINJAY_REGISTRY_H

/* Lists of what plugins registered, for include/popinjay.h. */

ARRAY_DEFINE_TYPE(popinjay_registry, const void *);

/* Returns 0 if a plugin that was compiled for api_version may register, or -1
   with the reason in error_r. Ask this before reading anything of what it
   registers. */
int popinjay_registry_check_version(unsigned int api_version,
				    const char **error_r);

/* Returns 0 if an item of a kind ("hook") has a name and is not in the list, or
   -1 with the reason in error_r. */
int popinjay_registry_check_item(const ARRAY_TYPE(popinjay_registry) *registry,
				 const char *kind, const char *name,
				 const void *item, const char **error_r);

/* Add item to the list, which is created if necessary. */
void popinjay_registry_add(ARRAY_TYPE(popinjay_registry) *registry,
			   const void *item);
/* Remove item, and free the list when it was the last one. Does nothing if
   item is not in it. */
void popinjay_registry_remove(ARRAY_TYPE(popinjay_registry) *registry,
			      const void *item);

#endif
