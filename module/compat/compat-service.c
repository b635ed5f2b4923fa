/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service of our own: what differs between the supported Dovecots. */

#include "lib.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "compat-service.h"

int popinjay_service_settings_read(struct master_service *service,
				   const char **error_r)
{
#ifdef POPINJAY_HAVE_SETTINGS_READ_ROOTS
	return master_service_settings_read_simple(service, NULL, error_r);
#else
	return master_service_settings_read_simple(service, error_r);
#endif
}
