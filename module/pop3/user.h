/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_USER_H
#define POPINJAY_USER_H

#include "access-log-sinks.h"

struct mail_user;
struct popinjay_settings;
struct popinjay_uidl_format;
struct popinjay_uidl_policy;

/* What we keep for a mail user, in any mail process. */
struct popinjay_user {
	union mail_user_module_context module_ctx;

	const struct popinjay_settings *set;
	struct popinjay_access_log_sinks sinks;

	/* NULL for the policy "format" */
	const struct popinjay_uidl_policy *uidl_policy;
	struct popinjay_uidl_format *uidl_format;
	/* A valid X-UIDL header is the message's UIDL. */
	bool reuse_xuidl;

	/* What is wrong with our settings, or NULL. The pop3 process refuses
	   the session; others go on, but have no UIDLs. */
	const char *error;
};

/* Returns our part of user, or NULL if the user was made without us. */
struct popinjay_user *popinjay_user_get(struct mail_user *user);

/* Storage hook: read the user's settings. */
void popinjay_user_created(struct mail_user *user);

#endif
