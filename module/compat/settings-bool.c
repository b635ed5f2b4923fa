/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process, and the config process of Dovecot 2.4: a userdb in SQL
   returns what the database makes of a boolean. */

#include "lib.h"
#include "settings-bool.h"

int popinjay_settings_bool_parse(const char *value, bool *value_r)
{
	static const char *const yes[] = { "yes", "1", "y", "t", "true", NULL };
	static const char *const no[] = { "no", "0", "n", "f", "false", NULL };

	*value_r = str_array_icase_find(yes, value);
	return *value_r || str_array_icase_find(no, value) ? 0 : -1;
}
