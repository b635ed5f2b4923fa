/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The login process: the settings of the access log. It has no files but its
   sockets, and in 2.3 no plugin {} section. */

#include "lib.h"
#include "array.h"
#include "log-writer.h"
#include "popinjay-settings.h"
#include "login-settings.h"

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "settings.h"
#include "master-service.h"
#include "settings-info.h"

static int
config_read(pool_t pool, struct popinjay_access_log_config *config_r,
	    const char **error_r)
{
	const struct popinjay_settings *set;
	int ret;

	i_zero(config_r);
	if (settings_get(master_service_get_event(master_service),
			 &popinjay_setting_parser_info, 0, &set, error_r) < 0)
		return -1;
	ret = popinjay_log_config_init(pool, set, config_r, error_r);
	settings_free(set);
	return ret;
}

#else

/* The environment is written as a list with spaces in dovecot.conf: so commas
   stand between the words of a value. */
static const char *env_get(const char *name, const char *default_value)
{
	const char *value = getenv(name);

	return value == NULL ? default_value :
		t_strarray_join(t_strsplit_spaces(value, ","), " ");
}

static int
config_read(pool_t pool, struct popinjay_access_log_config *config_r,
	    const char **error_r)
{
	struct popinjay_settings set = {
		.popinjay_access_log = env_get("POPINJAY_ACCESS_LOG", "log"),
		.popinjay_access_log_format =
			env_get("POPINJAY_ACCESS_LOG_FORMAT", "json"),
		.popinjay_access_log_events = "none",
		.popinjay_access_log_headers = "none",
		.popinjay_access_log_anonymize =
			env_get("POPINJAY_ACCESS_LOG_ANONYMIZE", ""),
		.popinjay_access_log_key_file =
			env_get("POPINJAY_ACCESS_LOG_KEY_FILE", "")
	};

	return popinjay_log_config_init(pool, &set, config_r, error_r);
}

#endif

int popinjay_login_settings_get(pool_t pool,
				struct popinjay_access_log_config *config_r,
				const char **error_r)
{
	if (config_read(pool, config_r, error_r) < 0)
		return -1;
	if (config_r->files != NULL && *config_r->files != NULL) {
		/* files belong to mail users */
		config_r->files = NULL;
		config_r->log = TRUE;
	}
	return 0;
}
