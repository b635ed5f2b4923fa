/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The login process: what differs between the supported Dovecots. */

#include "login-common.h"
#include "client-common.h"
#include "compat-login.h"
#include "popinjay-settings.h"

bool popinjay_login_client_is_tls(const struct client *client)
{
#ifdef POPINJAY_HAVE_LOGIN_CLIENT_SSL_SECURED
	return client->ssl_secured;
#else
	return client->end_client_tls_secured;
#endif
}

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "master-service.h"
#include "settings.h"
#include "settings-info.h"

int popinjay_login_settings_get(const struct popinjay_settings **set_r,
				const char **error_r)
{
	return settings_get(master_service_get_event(master_service),
			    &popinjay_setting_parser_info, 0, set_r, error_r);
}

void popinjay_login_settings_free(const struct popinjay_settings **set)
{
	settings_free(*set);
}

#else

/* Replace a value by that of the environment, which is written as a list with
   spaces in dovecot.conf: so commas stand between the words of a value. */
static void env_get(pool_t pool, const char *name, const char **value)
{
	const char *text = getenv(name);

	if (text != NULL) {
		*value = p_strdup(pool, t_strarray_join(
			t_strsplit_spaces(text, ","), " "));
	}
}

int popinjay_login_settings_get(const struct popinjay_settings **set_r,
				const char **error_r ATTR_UNUSED)
{
	struct popinjay_settings *set;
	pool_t pool;

	pool = pool_alloconly_create("popinjay settings", 512);
	set = p_memdup(pool, &popinjay_settings_default, sizeof(*set));
	set->pool = pool;
	env_get(pool, "POPINJAY_ACCESS_LOG", &set->popinjay_access_log);
	env_get(pool, "POPINJAY_ACCESS_LOG_FORMAT",
		&set->popinjay_access_log_format);
	env_get(pool, "POPINJAY_ACCESS_LOG_ANONYMIZE",
		&set->popinjay_access_log_anonymize);
	env_get(pool, "POPINJAY_ACCESS_LOG_KEY_FILE",
		&set->popinjay_access_log_key_file);
	*set_r = set;
	return 0;
}

void popinjay_login_settings_free(const struct popinjay_settings **set)
{
	pool_t pool = (*set)->pool;

	*set = NULL;
	pool_unref(&pool);
}

#endif
