/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process of Dovecot 2.4: our settings are settings of Dovecot's. It
   has checked their names and types when it started, and those of this user
   are checked as they are read. */

#include "lib.h"

#ifdef POPINJAY_HAVE_SETTINGS_GET

#include "settings.h"
#include "mail-user.h"
#include "mail-storage-settings.h"
#include "popinjay-settings.h"
#include "settings-info.h"
#include "settings-value.h"

#define SETTING_PREFIX "popinjay_"

/* Dovecot lets a userdb return fields that nobody knows. With our prefix they
   can only be mistyped. */
static int userdb_fields_check(struct mail_user *user, const char **error_r)
{
	const char *const *fields = user->userdb_fields;
	unsigned int idx;

	if (fields == NULL)
		return 0;
	for (; *fields != NULL; fields++) {
		/* "name+=value" appends to a setting */
		const char *name = t_strcut(t_strcut(*fields, '='), '+');

		if (strncmp(name, SETTING_PREFIX,
			    strlen(SETTING_PREFIX)) == 0 &&
		    !popinjay_setting_is_field(name) &&
		    !setting_parser_info_find_key(&popinjay_setting_parser_info,
						  name, &idx)) {
			*error_r = t_strdup_printf(
				"userdb field %s: There is no such setting",
				*fields);
			return -1;
		}
	}
	return 0;
}

int popinjay_settings_get(struct mail_user *user,
			  const struct popinjay_settings **set_r,
			  const char **error_r)
{
	if (userdb_fields_check(user, error_r) < 0)
		return -1;
	return settings_get(user->event, &popinjay_setting_parser_info, 0,
			    set_r, error_r);
}

void popinjay_settings_free(const struct popinjay_settings **set)
{
	settings_free(*set);
}

const char *popinjay_settings_get_native_uidl_format(struct mail_user *user)
{
	const struct mail_storage_settings *set;
	const char *format;

	set = settings_get_or_fatal(user->event,
				    &mail_storage_setting_parser_info);
	format = p_strdup(user->pool, set->pop3_uidl_format);
	settings_free(set);
	return format;
}

#endif
