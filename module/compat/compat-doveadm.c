/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: what differs between Dovecots. */

#include "lib.h"
#include "mail-user.h"
#include "doveadm-mail.h"
#include "compat-doveadm.h"

#ifdef POPINJAY_HAVE_DOVEADM_MAIL_ARGS

static bool
accept_param(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
	     int c ATTR_UNUSED)
{
	return TRUE;
}

void popinjay_doveadm_accept_params(struct doveadm_mail_cmd_context *ctx)
{
	ctx->getopt_args = "";
	ctx->v.parse_arg = accept_param;
}

const char *popinjay_doveadm_secret_config(struct mail_user *user)
{
	return mail_user_plugin_getenv(user, "popinjay_secret_config");
}

#else

void popinjay_doveadm_accept_params(
	struct doveadm_mail_cmd_context *ctx ATTR_UNUSED)
{
}

const char *
popinjay_doveadm_secret_config(struct mail_user *user ATTR_UNUSED)
{
	return NULL;
}

#endif
