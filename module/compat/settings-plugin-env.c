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
#include "settings-value.h"

#define SETTING_PREFIX "popinjay_"

enum env_type {
	TYPE_STR,
	TYPE_ENUM,
	TYPE_BOOL,
	/* "yes", "no" or nothing */
	TYPE_MAYBE_BOOL,
	TYPE_TIME,
	TYPE_UINT
};

struct env_setting {
	const char *name;
	enum env_type type;
	size_t offset;
	/* bounds of a time or a number */
	unsigned int min, max;
	/* the choices of an enum, the unit of a number */
	const char *words;
};

#define MEMBER(name) offsetof(struct popinjay_settings, name)

static const struct env_setting settings[] = {
#define STR(name, default_value) \
	{ #name, TYPE_STR, MEMBER(name), 0, 0, NULL },
#define TEMPLATE STR
#define ENUM(name, default_value, others) \
	{ #name, TYPE_ENUM, MEMBER(name), 0, 0, default_value ":" others },
#define BOOL(name, default_value) \
	{ #name, TYPE_BOOL, MEMBER(name), 0, 0, NULL },
#define MAYBE_BOOL(name) \
	{ #name, TYPE_MAYBE_BOOL, MEMBER(name), 0, 0, NULL },
#define TIME(name, default_secs, min_secs, max_secs) \
	{ #name, TYPE_TIME, MEMBER(name##_secs), min_secs, max_secs, NULL },
#define UINT(name, default_value, max, unit) \
	{ #name, TYPE_UINT, MEMBER(name), 0, max, unit },
#include "settings-table.h"
};

static const char *enum_help(const char *const *choices)
{
	string_t *help = t_str_new(64);

	for (; *choices != NULL; choices++) {
		str_append(help, str_len(help) == 0 ? "use " :
			   choices[1] == NULL ? " or " : ", ");
		str_append(help, *choices);
	}
	return str_c(help);
}

static int
parse_enum(pool_t pool, const char *value, const char *words,
	   const char **value_r, const char **help_r)
{
	const char *const *choices = t_strsplit(words, ":");

	if (!str_array_find(choices, value)) {
		*help_r = enum_help(choices);
		return -1;
	}
	*value_r = p_strdup(pool, value);
	return 0;
}

static int
parse_bool(const char *value, bool *value_r, const char **help_r)
{
	*help_r = POPINJAY_SETTING_BOOL_HELP;
	return popinjay_setting_parse_bool(value, value_r);
}

static int
parse_maybe_bool(const char *value, const char **value_r, const char **help_r)
{
	bool yes;

	if (*value == '\0') {
		*value_r = "";
		return 0;
	}
	if (parse_bool(value, &yes, help_r) < 0)
		return -1;
	*value_r = yes ? "yes" : "no";
	return 0;
}

static int
parse_time(const struct env_setting *setting, const char *value,
	   unsigned int *secs_r, const char **help_r)
{
	const char *error;

	if (settings_get_time(value, secs_r, &error) == 0 &&
	    *secs_r >= setting->min && *secs_r <= setting->max)
		return 0;
	*help_r = popinjay_setting_time_help(setting->min, setting->max);
	return -1;
}

static int
parse_uint(const struct env_setting *setting, const char *value,
	   unsigned int *value_r, const char **help_r)
{
	if (str_to_uint(value, value_r) == 0 && *value_r <= setting->max)
		return 0;
	*help_r = popinjay_setting_uint_help(setting->max, setting->words);
	return -1;
}

/* Returns 0, or -1 with what the setting accepts in help_r. */
static int
setting_parse(struct popinjay_settings *set, const struct env_setting *setting,
	      const char *value, const char **help_r)
{
	void *member = PTR_OFFSET(set, setting->offset);

	switch (setting->type) {
	case TYPE_STR:
		*(const char **)member = p_strdup(set->pool, value);
		return 0;
	case TYPE_ENUM:
		return parse_enum(set->pool, value, setting->words, member,
				  help_r);
	case TYPE_BOOL:
		return parse_bool(value, member, help_r);
	case TYPE_MAYBE_BOOL:
		return parse_maybe_bool(value, member, help_r);
	case TYPE_TIME:
		return parse_time(setting, value, member, help_r);
	case TYPE_UINT:
		return parse_uint(setting, value, member, help_r);
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
	const char *const *envs, *help;
	unsigned int i, count;

	if (!array_is_created(&user->set->plugin_envs))
		return 0;
	envs = array_get(&user->set->plugin_envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (strncmp(envs[i], SETTING_PREFIX,
			    strlen(SETTING_PREFIX)) != 0 ||
		    popinjay_setting_is_field(envs[i]))
			continue;
		setting = setting_find(envs[i]);
		if (setting == NULL) {
			*error_r = t_strdup_printf(
				"plugin { %s=%s }: There is no such setting; "
				"there are: %s", envs[i], envs[i + 1],
				setting_names());
			return -1;
		}
		if (setting_parse(set, setting, envs[i + 1], &help) < 0) {
			*error_r = t_strdup_printf("plugin { %s=%s }: "
				"Invalid value: %s", envs[i], envs[i + 1],
				help);
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
	set = p_memdup(pool, &popinjay_settings_default, sizeof(*set));
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
