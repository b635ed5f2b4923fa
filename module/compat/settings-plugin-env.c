/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process of Dovecot 2.3: our settings stand as strings in its
   plugin {} section, where Dovecot knows neither their names nor their
   types. So both are checked here. */

#include "lib.h"

#ifndef POPINJAY_HAVE_SETTINGS_GET

#include "array.h"
#include "str.h"
#include "settings-parser.h"
#include "mail-user.h"
#include "mail-storage-service.h"
#include "mail-storage-settings.h"
#include "popinjay-settings.h"
#include "settings-bool.h"

#define SETTING_PREFIX "popinjay_"
/* doveadm's setting, and what the passdb says of a secret, which Dovecot puts
   among the settings as it does with all userdb fields */
#define SECRET_PREFIX "popinjay_secret_"

enum env_type {
	SETTING_STR,
	SETTING_BOOL,
	/* "yes", "no" or nothing */
	SETTING_MAYBE_BOOL,
	SETTING_TIME_SECS,
	SETTING_PERCENT
};

struct env_setting {
	const char *name;
	enum env_type type;
	size_t offset;
	const char *default_value;
};

#define SETTING(_type, _name, _member, _default) \
	{ "popinjay_" _name, _type, \
	  offsetof(struct popinjay_settings, popinjay_##_member), _default }

static const struct env_setting settings[] = {
	SETTING(SETTING_STR, "uidl_format", uidl_format, ""),
	SETTING(SETTING_STR, "uidl_policy", uidl_policy, "format"),
	SETTING(SETTING_STR, "uidl_key_file", uidl_key_file, ""),
	SETTING(SETTING_MAYBE_BOOL, "reuse_xuidl", reuse_xuidl, ""),
	SETTING(SETTING_STR, "uidl_sources", uidl_sources, ""),
	SETTING(SETTING_STR, "uidl_old_format", uidl_old_format, ""),
	SETTING(SETTING_STR, "uidl_old_until", uidl_old_until, ""),
	SETTING(SETTING_BOOL, "uidl_strict", uidl_strict, "no"),
	SETTING(SETTING_BOOL, "uidl_save", uidl_save, "no"),
	SETTING(SETTING_PERCENT, "uidl_drift_limit", uidl_drift_limit, "0"),
	SETTING(SETTING_STR, "access_log", access_log, "log"),
	SETTING(SETTING_STR, "access_log_format", access_log_format, "json"),
	SETTING(SETTING_STR, "access_log_events", access_log_events,
		"session expunge"),
	SETTING(SETTING_STR, "access_log_headers", access_log_headers,
		"message-id"),
	SETTING(SETTING_STR, "access_log_anonymize", access_log_anonymize, ""),
	SETTING(SETTING_STR, "access_log_key_file", access_log_key_file, ""),
	SETTING(SETTING_BOOL, "capability_implementation",
		capability_implementation, "no"),
	SETTING(SETTING_TIME_SECS, "idle_timeout", idle_timeout_secs,
		"10 mins"),
	SETTING(SETTING_STR, "sasl_mechanisms", sasl_mechanisms, ""),
	SETTING(SETTING_MAYBE_BOOL, "disable_plaintext_auth",
		disable_plaintext_auth, "")
};

static const char *const secret_fields[] = {
	"config", "id", "label", "read_only", NULL
};

static int
setting_parse_bool(const char *value, bool *value_r, const char **error_r)
{
	*error_r = POPINJAY_SETTINGS_BOOL_HELP;
	return popinjay_settings_bool_parse(value, value_r);
}

static int
setting_parse(struct popinjay_settings *set, const struct env_setting *setting,
	      const char *value, const char **error_r)
{
	void *member = PTR_OFFSET(set, setting->offset);
	const char *time_error;
	bool yes;

	switch (setting->type) {
	case SETTING_MAYBE_BOOL:
		if (*value != '\0') {
			if (setting_parse_bool(value, &yes, error_r) < 0)
				return -1;
			value = yes ? "yes" : "no";
		}
		/* fall through */
	case SETTING_STR:
		*(const char **)member = p_strdup(set->pool, value);
		return 0;
	case SETTING_BOOL:
		return setting_parse_bool(value, member, error_r);
	case SETTING_TIME_SECS:
		if (settings_get_time(value, member, &time_error) < 0 ||
		    *(unsigned int *)member == 0 ||
		    *(unsigned int *)member > POPINJAY_IDLE_TIMEOUT_MAX_SECS) {
			*error_r = POPINJAY_IDLE_TIMEOUT_HELP;
			return -1;
		}
		return 0;
	case SETTING_PERCENT:
		if (str_to_uint(value, member) < 0 ||
		    *(unsigned int *)member > 100) {
			*error_r = POPINJAY_UIDL_DRIFT_LIMIT_HELP;
			return -1;
		}
		return 0;
	}
	i_unreached();
}

static const struct env_setting *setting_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(settings); i++) {
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	}
	return NULL;
}

static bool secret_field_find(const char *name)
{
	return strncmp(name, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0 &&
		str_array_find(secret_fields, name + strlen(SECRET_PREFIX));
}

static const char *setting_names(void)
{
	string_t *str = t_str_new(256);
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(settings); i++) {
		if (i > 0)
			str_append(str, ", ");
		str_append(str, settings[i].name);
	}
	return str_c(str);
}

static int
settings_parse(struct popinjay_settings *set, struct mail_user *user,
	       const char **error_r)
{
	const struct env_setting *setting;
	const char *const *envs, *error;
	unsigned int i, count;

	for (i = 0; i < N_ELEMENTS(settings); i++) {
		if (setting_parse(set, &settings[i], settings[i].default_value,
				  &error) < 0)
			i_unreached();
	}

	if (!array_is_created(&user->set->plugin_envs))
		return 0;
	envs = array_get(&user->set->plugin_envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (strncmp(envs[i], SETTING_PREFIX,
			    strlen(SETTING_PREFIX)) != 0 ||
		    secret_field_find(envs[i]))
			continue;
		setting = setting_find(envs[i]);
		if (setting == NULL) {
			*error_r = t_strdup_printf(
				"plugin { %s=%s }: There is no such setting; "
				"there are: %s", envs[i], envs[i + 1],
				setting_names());
			return -1;
		}
		if (setting_parse(set, setting, envs[i + 1], &error) < 0) {
			*error_r = t_strdup_printf("plugin { %s=%s }: "
				"Invalid value: %s", envs[i], envs[i + 1],
				error);
			return -1;
		}
	}
	return 0;
}

int popinjay_settings_get(struct mail_user *user,
			  const struct popinjay_settings **set_r,
			  const char **error_r)
{
	struct popinjay_settings *set;
	pool_t pool;

	pool = pool_alloconly_create("popinjay settings", 512);
	set = p_new(pool, struct popinjay_settings, 1);
	set->pool = pool;
	if (settings_parse(set, user, error_r) < 0) {
		pool_unref(&pool);
		return -1;
	}
	set->pop3_reuse_xuidl =
		strcasecmp(set->popinjay_reuse_xuidl, "yes") == 0;
	*set_r = set;
	return 0;
}

void popinjay_settings_free(const struct popinjay_settings **_set)
{
	const struct popinjay_settings *set = *_set;
	pool_t pool;

	if (set == NULL)
		return;
	*_set = NULL;
	pool = set->pool;
	pool_unref(&pool);
}

const char *popinjay_settings_get_native_uidl_format(struct mail_user *user)
{
	return mail_user_set_get_storage_set(user)->pop3_uidl_format;
}

#endif
