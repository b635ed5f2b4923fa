/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_SERVICE_H
#define POPINJAY_COMPAT_SERVICE_H

struct master_service;

/* Read Dovecot's settings for services. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_service_settings_read(struct master_service *service,
				   const char **error_r);

#endif
