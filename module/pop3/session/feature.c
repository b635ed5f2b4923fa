/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the list of features, which belongs to the process. */

#include "lib.h"
#include "array.h"
#include "registry.h"
#include "feature.h"

static ARRAY_TYPE(popinjay_registry) features;

int popinjay_feature_register(const struct popinjay_feature *feature,
			      const char **error_r)
{
	if (popinjay_registry_check_item(&features, "feature", feature->name,
					 feature, error_r) < 0)
		return -1;
	popinjay_registry_add(&features, feature);
	return 0;
}

void popinjay_feature_unregister(const struct popinjay_feature *feature)
{
	popinjay_registry_remove(&features, feature);
}

const struct popinjay_feature *const *popinjay_features(unsigned int *count_r)
{
	*count_r = 0;
	return !array_is_created(&features) ? NULL :
		(const struct popinjay_feature *const *)
		array_get(&features, count_r);
}
