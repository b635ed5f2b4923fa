/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any process that reads settings, and the config process of Dovecot 2.4: the
   defaults, and what settings accept. Nothing here may need more than
   libdovecot, which is all that the config process has. */

#include "lib.h"
#include "popinjay-settings.h"
#include "settings-value.h"

const struct popinjay_settings popinjay_settings_default = {
#define STR(name, default_value) .name = default_value,
#define TEMPLATE(name, default_value) .name = default_value,
#define ENUM(name, default_value, others) .name = default_value,
#define BOOL(name, default_value) .name = default_value,
#define MAYBE_BOOL(name) .name = "",
#define TIME(name, default_secs, min_secs, max_secs) \
	.name##_secs = default_secs,
#define UINT(name, default_value, max, unit) .name = default_value,
#include "settings-table.h"
	.pop3_reuse_xuidl = FALSE
};

bool popinjay_setting_is_field(const char *name)
{
	static const char *const fields[] = {
#define FIELD(name) #name,
#include "settings-table.h"
		NULL
	};

	return str_array_find(fields, name);
}

/* A userdb in SQL returns what the database makes of a boolean. */
int popinjay_setting_parse_bool(const char *value, bool *value_r)
{
	static const char *const yes[] = { "yes", "1", "y", "t", "true", NULL };
	static const char *const no[] = { "no", "0", "n", "f", "false", NULL };

	*value_r = str_array_icase_find(yes, value);
	return *value_r || str_array_icase_find(no, value) ? 0 : -1;
}

static const char *time_text(unsigned int secs)
{
	if (secs > 24 * 60 * 60 && secs % (24 * 60 * 60) == 0)
		return t_strdup_printf("%u days", secs / (24 * 60 * 60));
	if (secs % (60 * 60) == 0)
		return t_strdup_printf("%u hours", secs / (60 * 60));
	return t_strdup_printf("%u mins", secs / 60);
}

const char *popinjay_setting_time_help(unsigned int min_secs,
				       unsigned int max_secs)
{
	return t_strdup_printf("use %s up to %s with its unit, such as 10 mins",
			       min_secs == 0 ? "0 or a time" :
			       "a time above 0 and", time_text(max_secs));
}

const char *popinjay_setting_uint_help(unsigned int max, const char *unit)
{
	return t_strdup_printf("use a number of %s, 0 to %u, where 0 is off",
			       unit, max);
}
