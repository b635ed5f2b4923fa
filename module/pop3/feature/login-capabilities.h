/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOGIN_CAPABILITIES_H
#define POPINJAY_LOGIN_CAPABILITIES_H

struct popinjay_feature;

/* The lines that CAPA has both before and after login. */
extern const struct popinjay_feature popinjay_login_capabilities_feature;

#endif
