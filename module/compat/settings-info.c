/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The config process and any mail process of Dovecot 2.4. Nothing here may
   need more than libdovecot, which is all that the config process has. */

#include "lib.h"

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "array.h"
#include "settings-parser.h"
#include "popinjay-settings.h"
#include "settings-bool.h"
#include "settings-info.h"

/* What we read: our settings, and some of Dovecot's that it has for other
   processes only. Those have to keep Dovecot's type and default, or the config
   process refuses to run. */
struct settings {
	struct popinjay_settings set;
	/* as they are written; set has what they mean */
	const char *uidl_strict, *uidl_save, *capability_implementation;

	ARRAY_TYPE(const_string) auth_mechanisms;
	bool auth_allow_cleartext;
};

#undef DEF
#define DEF(_type, _name) \
	SETTING_DEFINE_STRUCT_##_type(#_name, set._name, struct settings)

static const struct setting_define popinjay_setting_defines[] = {
	/* its variables are a message's, not the user's */
	DEF(STR_NOVARS, popinjay_uidl_format),
	DEF(STR, popinjay_uidl_policy),
	DEF(STR, popinjay_uidl_key_file),
	DEF(STR, popinjay_reuse_xuidl),
	DEF(STR, popinjay_uidl_sources),
	DEF(STR_NOVARS, popinjay_uidl_old_format),
	DEF(STR, popinjay_uidl_old_until),
	SETTING_DEFINE_STRUCT_STR("popinjay_uidl_strict", uidl_strict,
				  struct settings),
	SETTING_DEFINE_STRUCT_STR("popinjay_uidl_save", uidl_save,
				  struct settings),
	DEF(UINT, popinjay_uidl_drift_limit),
	DEF(STR, popinjay_access_log),
	DEF(ENUM, popinjay_access_log_format),
	DEF(STR, popinjay_access_log_events),
	DEF(STR, popinjay_access_log_headers),
	DEF(STR, popinjay_access_log_anonymize),
	DEF(STR, popinjay_access_log_key_file),
	SETTING_DEFINE_STRUCT_STR("popinjay_capability_implementation",
				  capability_implementation, struct settings),
	SETTING_DEFINE_STRUCT_TIME("popinjay_idle_timeout",
				   set.popinjay_idle_timeout_secs,
				   struct settings),
	DEF(STR, popinjay_sasl_mechanisms),
	DEF(STR, popinjay_disable_plaintext_auth),

	SETTING_DEFINE_STRUCT_BOOLLIST("auth_mechanisms", auth_mechanisms,
				       struct settings),
	SETTING_DEFINE_STRUCT_BOOL("auth_allow_cleartext",
				   auth_allow_cleartext, struct settings),
	SETTING_DEFINE_STRUCT_BOOL("pop3_reuse_xuidl", set.pop3_reuse_xuidl,
				   struct settings),

	SETTING_DEFINE_LIST_END
};

static const struct settings popinjay_default_settings = {
	.set = {
		.popinjay_uidl_format = "",
		.popinjay_uidl_policy = "format",
		.popinjay_uidl_key_file = "",
		.popinjay_reuse_xuidl = "",
		.popinjay_uidl_sources = "",
		.popinjay_uidl_old_format = "",
		.popinjay_uidl_old_until = "",
		.popinjay_uidl_drift_limit = 0,
		.popinjay_access_log = "log",
		.popinjay_access_log_format = "json:logfmt",
		.popinjay_access_log_events = "session expunge",
		.popinjay_access_log_headers = "message-id",
		.popinjay_access_log_anonymize = "",
		.popinjay_access_log_key_file = "",
		.popinjay_idle_timeout_secs = 10 * 60,
		.popinjay_sasl_mechanisms = "",
		.popinjay_disable_plaintext_auth = "",
		.pop3_reuse_xuidl = FALSE
	},
	.uidl_strict = "no",
	.uidl_save = "no",
	.capability_implementation = "no",
	.auth_mechanisms = ARRAY_INIT,
	.auth_allow_cleartext = FALSE
};

static bool
check_bool(const char *name, const char *value, bool *value_r,
	   const char **error_r)
{
	*value_r = FALSE;
	/* not known before the user is */
	if (value == set_value_unknown ||
	    popinjay_settings_bool_parse(value, value_r) == 0)
		return TRUE;
	*error_r = t_strdup_printf("%s=%s: Invalid value: "
				   POPINJAY_SETTINGS_BOOL_HELP, name, value);
	return FALSE;
}

/* "" is what Dovecot's own setting says. */
static bool
check_maybe_bool(const char *name, const char **value, bool if_empty,
		 const char **error_r)
{
	bool yes = if_empty;

	if (**value != '\0' && !check_bool(name, *value, &yes, error_r))
		return FALSE;
	*value = yes ? "yes" : "no";
	return TRUE;
}

static bool
check_bools(struct settings *full, const char **error_r)
{
	struct popinjay_settings *set = &full->set;

	return check_bool("popinjay_uidl_strict", full->uidl_strict,
			  &set->popinjay_uidl_strict, error_r) &&
		check_bool("popinjay_uidl_save", full->uidl_save,
			   &set->popinjay_uidl_save, error_r) &&
		check_bool("popinjay_capability_implementation",
			   full->capability_implementation,
			   &set->popinjay_capability_implementation,
			   error_r) &&
		check_maybe_bool("popinjay_disable_plaintext_auth",
				 &set->popinjay_disable_plaintext_auth,
				 !full->auth_allow_cleartext, error_r) &&
		check_maybe_bool("popinjay_reuse_xuidl",
				 &set->popinjay_reuse_xuidl,
				 set->pop3_reuse_xuidl, error_r);
}

static bool
popinjay_settings_check(void *_set, pool_t pool, const char **error_r)
{
	struct settings *full = _set;
	struct popinjay_settings *set = &full->set;

	if (set->popinjay_idle_timeout_secs == 0 ||
	    set->popinjay_idle_timeout_secs > POPINJAY_IDLE_TIMEOUT_MAX_SECS) {
		*error_r = t_strdup_printf("popinjay_idle_timeout=%u secs: "
			"Invalid value: "POPINJAY_IDLE_TIMEOUT_HELP,
			set->popinjay_idle_timeout_secs);
		return FALSE;
	}
	if (set->popinjay_uidl_drift_limit > 100) {
		*error_r = t_strdup_printf("popinjay_uidl_drift_limit=%u: "
			"Invalid value: "POPINJAY_UIDL_DRIFT_LIMIT_HELP,
			set->popinjay_uidl_drift_limit);
		return FALSE;
	}
	if (*set->popinjay_sasl_mechanisms == '\0') {
		set->popinjay_sasl_mechanisms = p_strdup(pool, t_strarray_join(
			settings_boollist_get(&full->auth_mechanisms), " "));
	}
	return check_bools(full, error_r);
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
