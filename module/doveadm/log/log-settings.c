/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the settings of the access log. They are those of pop3, and of a
   service, which doveadm's own configuration does not have: doveconf knows. */

#include "lib.h"
#include "array.h"
#include "doveadm-mail.h"
#include "compat-doveadm.h"
#include "doveconf.h"
#include "log-settings.h"
#include "popinjay-settings.h"

int popinjay_log_settings_read(pool_t pool, struct popinjay_log_settings *set_r,
			       const char **error_r)
{
	static const char *const names[] = {
		POPINJAY_DOVEADM_SECTION"popinjay_access_log",
		POPINJAY_DOVEADM_SECTION"popinjay_access_log_key_file",
		POPINJAY_LOG_EXECUTABLE, NULL
	};
	ARRAY_TYPE(doveconf_setting) settings;
	const char *const *args;
	bool by_env;

	if (doveconf_get(pool, "pop3", names, &settings, error_r) < 0)
		return -1;
	set_r->access_log = doveconf_find(&settings, names[0]);
	if (*set_r->access_log == '\0')
		set_r->access_log =
			popinjay_settings_default.popinjay_access_log;
	set_r->key_file = doveconf_find(&settings, names[1]);
	args = doveconf_log_service(&settings, &by_env);
	set_r->service_file = args[0] == NULL ? NULL :
		p_strdup(pool, args[1]);
	set_r->dovecot_log = popinjay_doveadm_info_log(pool);
	return 0;
}
