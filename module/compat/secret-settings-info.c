/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The config process, the auth process and doveadm of Dovecot 2.4: names, types
   and defaults of the settings of secrets. Nothing here may need more than
   libdovecot. */

#include "lib.h"

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "settings-parser.h"
#include "secret-settings.h"

#undef DEF
#define DEF(_type, _name) \
	SETTING_DEFINE_STRUCT_##_type(#_name, _name, \
				      struct popinjay_secret_settings)

static const struct setting_define popinjay_secret_setting_defines[] = {
	{ .type = SET_FILTER_NAME, .key = "popinjay_secret",
	  .required_setting = "dict" },
	DEF(STR, popinjay_secret_key_file),
	DEF(STR_NOVARS, popinjay_secret_separator),
	SETTING_DEFINE_STRUCT_TIME("popinjay_secret_apop_max_age",
				   popinjay_secret_apop_max_age_secs,
				   struct popinjay_secret_settings),

	SETTING_DEFINE_LIST_END
};

static const struct popinjay_secret_settings default_settings = {
	.popinjay_secret_key_file = "",
	.popinjay_secret_separator = "",
	.popinjay_secret_apop_max_age_secs = POPINJAY_SECRET_APOP_MAX_AGE_SECS
};

static bool
popinjay_secret_settings_check(void *_set, pool_t pool ATTR_UNUSED,
			       const char **error_r)
{
	const struct popinjay_secret_settings *set = _set;

	if (strpbrk(set->popinjay_secret_separator,
		    POPINJAY_SECRET_SEPARATOR_EXCEPT) != NULL) {
		*error_r = "popinjay_secret_separator cannot have @ or spaces";
		return FALSE;
	}
	if (set->popinjay_secret_apop_max_age_secs == 0 ||
	    set->popinjay_secret_apop_max_age_secs >
	    POPINJAY_SECRET_APOP_MAX_AGE_LIMIT_SECS) {
		*error_r = "popinjay_secret_apop_max_age takes a time above 0 "
			"and up to 1 day";
		return FALSE;
	}
	return TRUE;
}

const struct setting_parser_info popinjay_secret_setting_parser_info = {
	.name = "popinjay_secret",

	.defines = popinjay_secret_setting_defines,
	.defaults = &default_settings,

	.struct_size = sizeof(struct popinjay_secret_settings),
	.pool_offset1 = 1 + offsetof(struct popinjay_secret_settings, pool),
	.check_func = popinjay_secret_settings_check
};

#endif
