/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process and doveadm: the settings of secrets. */

#include "lib.h"
#include "secret-config.h"
#include "secret-settings.h"
#include "configuration.h"

int popinjay_secret_config_get(struct event *event, const char *path,
			       pool_t pool,
			       struct popinjay_secret_config *config_r,
			       const char **error_r)
{
	const struct popinjay_secret_settings *set;
	int ret = popinjay_secret_settings_get(event, &set, error_r);

	i_zero(config_r);
	config_r->separator = "";
	if (ret < 0)
		return -1;
	if (ret == 0) {
		if (path == NULL || *path == '\0')
			path = POPINJAY_SECRET_CONFIG_DEFAULT_PATH;
		return popinjay_secret_config_read(path, pool, config_r,
						   error_r);
	}
	config_r->key_file = p_strdup(pool, set->popinjay_secret_key_file);
	config_r->separator = p_strdup(pool, set->popinjay_secret_separator);
	config_r->apop_max_age_secs = set->popinjay_secret_apop_max_age_secs;
	popinjay_secret_settings_free(&set);
	if (*config_r->key_file == '\0') {
		*error_r = "popinjay_secret_key_file is not set: set it, or "
			"reload Dovecot if the configuration has it";
		return -1;
	}
	return 0;
}
