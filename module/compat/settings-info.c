/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The config process and any mail process of Dovecot 2.4. Nothing here may
   need more than libdovecot, which is all that the config process has. */

#include "lib.h"

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "array.h"
#include "settings-parser.h"
#include "popinjay-settings.h"
#include "settings-info.h"

/* What we read: our settings, and some of Dovecot's that it has for other
   processes only. Those have to keep Dovecot's type and default, or the config
   process refuses to run. */
struct settings {
	struct popinjay_settings set;

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
	DEF(ENUM, popinjay_reuse_xuidl),
	DEF(STR, popinjay_uidl_sources),
	DEF(STR_NOVARS, popinjay_uidl_old_format),
	DEF(STR, popinjay_uidl_old_until),
	DEF(BOOL, popinjay_uidl_strict),
	DEF(BOOL, popinjay_uidl_save),
	DEF(UINT, popinjay_uidl_drift_limit),
	DEF(STR, popinjay_access_log),
	DEF(ENUM, popinjay_access_log_format),
	DEF(STR, popinjay_access_log_events),
	DEF(STR, popinjay_access_log_headers),
	DEF(STR, popinjay_access_log_anonymize),
	DEF(STR, popinjay_access_log_key_file),
	DEF(BOOL, popinjay_capability_implementation),
	SETTING_DEFINE_STRUCT_TIME("popinjay_idle_timeout",
				   set.popinjay_idle_timeout_secs,
				   struct settings),
	DEF(STR, popinjay_sasl_mechanisms),
	DEF(ENUM, popinjay_disable_plaintext_auth),

	SETTING_DEFINE_STRUCT_ENUM("ssl", set.ssl, struct settings),
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
		.popinjay_reuse_xuidl = ":yes:no",
		.popinjay_uidl_sources = "",
		.popinjay_uidl_old_format = "",
		.popinjay_uidl_old_until = "",
		.popinjay_uidl_strict = FALSE,
		.popinjay_uidl_save = FALSE,
		.popinjay_uidl_drift_limit = 0,
		.popinjay_access_log = "log",
		.popinjay_access_log_format = "json:logfmt",
		.popinjay_access_log_events = "session expunge",
		.popinjay_access_log_headers = "message-id",
		.popinjay_access_log_anonymize = "",
		.popinjay_access_log_key_file = "",
		.popinjay_capability_implementation = FALSE,
		.popinjay_idle_timeout_secs = 10 * 60,
		.popinjay_sasl_mechanisms = "",
		.popinjay_disable_plaintext_auth = ":yes:no",
		.ssl = "yes:no:required",
		.pop3_reuse_xuidl = FALSE
	},
	.auth_mechanisms = ARRAY_INIT,
	.auth_allow_cleartext = FALSE
};

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
