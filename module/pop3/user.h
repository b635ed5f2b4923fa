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
	/* An X-UIDL header counts as the message's UIDL: pop3_reuse_xuidl,
	   which only the pop3 process knows. */
	bool reuse_xuidl;

	/* Why this user may not go on, or NULL. Only the pop3 process lets a
	   user with an error be created, to be able to tell the client. */
	const char *error;
};

/* Returns our part of user, or NULL if the user was made without us. */
struct popinjay_user *popinjay_user_get(struct mail_user *user);

/* Storage hook: read the user's settings. An error becomes user->error, or
   popinjay_user.error in the pop3 process. */
void popinjay_user_created(struct mail_user *user);

#endif
