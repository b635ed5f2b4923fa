/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The config process and any mail process of Dovecot 2.4. Nothing here may
   need more than libdovecot, which is all that the config process has. */

#include "lib.h"

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "array.h"
#include "settings-parser.h"
#include "popinjay-settings.h"
#include "settings-info.h"
#include "settings-value.h"

/* What we read: our settings, and some of Dovecot's that it has for other
   processes only. Those have to keep Dovecot's type and default, or the config
   process refuses to run. */
struct settings {
	struct popinjay_settings set;
	/* as it is written; set has what it means */
	struct {
#define BOOL(name, default_value) const char *name;
#include "settings-table.h"
	} written;

	ARRAY_TYPE(const_string) auth_mechanisms;
	bool auth_allow_cleartext;
};

#define DEFINE(type, key, member) \
	SETTING_DEFINE_STRUCT_##type(key, member, struct settings),

static const struct setting_define popinjay_setting_defines[] = {
#define STR(name, default_value) DEFINE(STR, #name, set.name)
#define TEMPLATE(name, default_value) DEFINE(STR_NOVARS, #name, set.name)
#define ENUM(name, default_value, others) DEFINE(ENUM, #name, set.name)
#define BOOL(name, default_value) DEFINE(STR, #name, written.name)
#define MAYBE_BOOL(name) DEFINE(STR, #name, set.name)
#define TIME(name, default_secs, min_secs, max_secs) \
	DEFINE(TIME, #name, set.name##_secs)
#define UINT(name, default_value, max, unit) DEFINE(UINT, #name, set.name)
#include "settings-table.h"

	DEFINE(BOOLLIST, "auth_mechanisms", auth_mechanisms)
	DEFINE(BOOL, "auth_allow_cleartext", auth_allow_cleartext)
	DEFINE(BOOL, "pop3_reuse_xuidl", set.pop3_reuse_xuidl)

	SETTING_DEFINE_LIST_END
};

static const struct settings popinjay_default_settings = {
	.set = {
#define STR(name, default_value) .name = default_value,
#define TEMPLATE(name, default_value) .name = default_value,
#define ENUM(name, default_value, others) .name = default_value ":" others,
#define MAYBE_BOOL(name) .name = "",
#define TIME(name, default_secs, min_secs, max_secs) \
		.name##_secs = default_secs,
#define UINT(name, default_value, max, unit) .name = default_value,
#include "settings-table.h"
		.pop3_reuse_xuidl = FALSE
	},
	.written = {
#define BOOL(name, default_value) .name = default_value ? "yes" : "no",
#include "settings-table.h"
	},
	.auth_mechanisms = ARRAY_INIT,
	.auth_allow_cleartext = FALSE
};

static bool
invalid(const char *name, const char *value, const char *help,
	const char **error_r)
{
	*error_r = t_strdup_printf("%s=%s: Invalid value: %s", name, value,
				   help);
	return FALSE;
}

static bool
check_bool(const char *name, const char *value, bool *value_r,
	   const char **error_r)
{
	*value_r = FALSE;
	/* not known before the user is */
	if (value == set_value_unknown ||
	    popinjay_setting_parse_bool(value, value_r) == 0)
		return TRUE;
	return invalid(name, value, POPINJAY_SETTING_BOOL_HELP, error_r);
}

/* "" is what Dovecot's own setting says. */
static bool
check_maybe_bool(const char *name, const char **value, const char **error_r)
{
	bool yes;

	if (**value == '\0')
		return TRUE;
	if (!check_bool(name, *value, &yes, error_r))
		return FALSE;
	*value = yes ? "yes" : "no";
	return TRUE;
}

static bool
check_time(const char *name, unsigned int secs, unsigned int min_secs,
	   unsigned int max_secs, const char **error_r)
{
	if (secs >= min_secs && secs <= max_secs)
		return TRUE;
	return invalid(name, t_strdup_printf("%u secs", secs),
		       popinjay_setting_time_help(min_secs, max_secs), error_r);
}

static bool
check_uint(const char *name, unsigned int value, unsigned int max,
	   const char *unit, const char **error_r)
{
	if (value <= max)
		return TRUE;
	return invalid(name, dec2str(value),
		       popinjay_setting_uint_help(max, unit), error_r);
}

static bool check_values(struct settings *full, const char **error_r)
{
	struct popinjay_settings *set = &full->set;

#define CHECK(check, ...) \
	if (!check(__VA_ARGS__, error_r)) \
		return FALSE;
#define BOOL(name, default_value) \
	CHECK(check_bool, #name, full->written.name, &set->name)
#define MAYBE_BOOL(name) \
	CHECK(check_maybe_bool, #name, &set->name)
#define TIME(name, default_secs, min_secs, max_secs) \
	CHECK(check_time, #name, set->name##_secs, min_secs, max_secs)
#define UINT(name, default_value, max, unit) \
	CHECK(check_uint, #name, set->name, max, unit)
#include "settings-table.h"
	return TRUE;
}

static bool
popinjay_settings_check(void *_set, pool_t pool, const char **error_r)
{
	struct settings *full = _set;
	struct popinjay_settings *set = &full->set;

	if (!check_values(full, error_r))
		return FALSE;
	if (*set->popinjay_sasl_mechanisms == '\0') {
		set->popinjay_sasl_mechanisms = p_strdup(pool, t_strarray_join(
			settings_boollist_get(&full->auth_mechanisms), " "));
	}
	if (*set->popinjay_disable_plaintext_auth == '\0') {
		set->popinjay_disable_plaintext_auth =
			full->auth_allow_cleartext ? "no" : "yes";
	}
	if (*set->popinjay_reuse_xuidl == '\0') {
		set->popinjay_reuse_xuidl =
			set->pop3_reuse_xuidl ? "yes" : "no";
	}
	return TRUE;
}

const struct setting_parser_info popinjay_setting_parser_info = {
	.name = "popinjay",

	.defines = popinjay_setting_defines,
	.defaults = &popinjay_default_settings,

	.struct_size = sizeof(struct settings),
	.pool_offset1 = 1 + offsetof(struct settings, set.pool),
	.check_func = popinjay_settings_check
};

#endif
