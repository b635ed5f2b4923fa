/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the standard input of commands, which may go to a doveadm server. */

#include "lib.h"
#include "doveadm-mail.h"
#include "doveadm-settings.h"
#include "input.h"

/* Returns TRUE if a doveadm server gets the command, once for each user. */
static bool is_sent(const struct doveadm_mail_cmd_context *ctx)
{
	const char *socket_path;

	return ctx->cctx->conn_type == DOVEADM_CONNECTION_TYPE_CLI &&
		(ctx->set->doveadm_worker_count > 0 ||
		 doveadm_cmd_param_str(ctx->cctx, "socket-path",
				       &socket_path));
}

bool popinjay_may_be_sent(const struct doveadm_mail_cmd_context *ctx)
{
	/* with a port the passdb says of each user where to */
	return ctx->set->doveadm_port != 0 || is_sent(ctx);
}

int popinjay_input_get(struct doveadm_mail_cmd_context *ctx,
		       const char **error_r)
{
	/* Dovecot closes the input when it has sent it for the first user: 2.3
	   waits for ever then, and 2.4 sends nothing for the others. */
	if (!ctx->iterate_single_user && is_sent(ctx)) {
		*error_r = "A doveadm server can take standard input for one "
			"user only: give each user with -u, or leave out -S "
			"(and doveadm_worker_count)";
		return -1;
	}
	doveadm_mail_get_input(ctx);
	return 0;
}

static int no_user(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
		   const char **username_r ATTR_UNUSED)
{
	return 0;
}

void popinjay_no_users(struct doveadm_mail_cmd_context *ctx)
{
	ctx->v.get_next_user = no_user;
}
