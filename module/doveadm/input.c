/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the standard input of commands, which may go to a doveadm server. */

#include "lib.h"
#include "buffer.h"
#include "istream.h"
#include "doveadm-mail.h"
#include "doveadm-settings.h"
#include "fail.h"
#include "input.h"

#include <sysexits.h>

/* Returns TRUE if a doveadm server gets the command, once for each user. */
static bool is_sent(const struct doveadm_cmd_context *cctx)
{
	const char *socket_path;

	return cctx->conn_type == DOVEADM_CONNECTION_TYPE_CLI &&
		(doveadm_settings->doveadm_worker_count > 0 ||
		 doveadm_cmd_param_str(cctx, "socket-path", &socket_path));
}

bool popinjay_may_be_sent(const struct doveadm_cmd_context *cctx)
{
	/* with a port the passdb says of each user where to */
	return doveadm_settings->doveadm_port != 0 || is_sent(cctx);
}

int popinjay_input_get(struct doveadm_mail_cmd_context *ctx,
		       const char **error_r)
{
	/* Dovecot closes the input when it has sent it for the first user: 2.3
	   waits for ever then, and 2.4 sends nothing for the others. */
	if (!ctx->iterate_single_user && is_sent(ctx->cctx)) {
		*error_r = "A doveadm server can take standard input for one "
			"user only: give each user with -u, or leave out -S "
			"(and doveadm_worker_count)";
		return -1;
	}
	doveadm_mail_get_input(ctx);
	return 0;
}

int popinjay_input_read(struct doveadm_mail_cmd_context *ctx, size_t max_bytes,
			buffer_t *text)
{
	struct istream *input = ctx->cmd_input;
	const unsigned char *data;
	size_t size;

	while (i_stream_read_more(input, &data, &size) > 0) {
		if (size > max_bytes - text->used) {
			popinjay_fail(&ctx->exit_code, EX_DATAERR,
				"Standard input has more than %zu bytes",
				max_bytes);
			return -1;
		}
		buffer_append(text, data, size);
		i_stream_skip(input, size);
	}
	if (input->stream_errno != 0) {
		popinjay_fail(&ctx->exit_code, EX_IOERR, "read(%s) failed: %s",
			      i_stream_get_name(input),
			      i_stream_get_error(input));
		return -1;
	}
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
