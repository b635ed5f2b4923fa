/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the settings of the access log, without a user. */

#include "lib.h"
#include "array.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "doveadm.h"
#include "log-settings.h"

static const char *
dovecot_info_log(pool_t pool, const struct master_service_settings *set)
{
	return p_strdup(pool, *set->info_log_path != '\0' ?
			set->info_log_path : set->log_path);
}

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "settings.h"
#include "popinjay-settings.h"
#include "settings-info.h"

int popinjay_log_settings_read(struct doveadm_cmd_context *cctx, pool_t pool,
			       struct popinjay_log_settings *set_r,
			       const char **error_r)
{
	const struct popinjay_settings *set;

	if (settings_get(cctx->event, &popinjay_setting_parser_info,
			 SETTINGS_GET_FLAG_NO_EXPAND, &set, error_r) < 0)
		return -1;
	set_r->access_log = p_strdup(pool, set->popinjay_access_log);
	set_r->key_file = p_strdup(pool, set->popinjay_access_log_key_file);
	settings_free(set);
	set_r->dovecot_log = dovecot_info_log(pool,
		master_service_get_service_settings(master_service));
	return 0;
}

#else

/* plugin {} is a list of names and values. */
static const char *plugin_env(const char *name, const char *default_value)
{
	const char *const *envs;
	unsigned int i, count;

	if (!array_is_created(&doveadm_settings->plugin_envs))
		return default_value;
	envs = array_get(&doveadm_settings->plugin_envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (strcmp(envs[i], name) == 0)
			return envs[i + 1];
	}
	return default_value;
}

int popinjay_log_settings_read(struct doveadm_cmd_context *cctx ATTR_UNUSED,
			       pool_t pool,
			       struct popinjay_log_settings *set_r,
			       const char **error_r ATTR_UNUSED)
{
	set_r->access_log = p_strdup(pool,
		plugin_env("popinjay_access_log", "log"));
	set_r->key_file = p_strdup(pool,
		plugin_env("popinjay_access_log_key_file", ""));
	set_r->dovecot_log = dovecot_info_log(pool,
		master_service_settings_get(master_service));
	return 0;
}

#endif
