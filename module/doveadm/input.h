/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_INPUT_H
#define POPINJAY_DOVEADM_INPUT_H

struct doveadm_cmd_context;
struct doveadm_mail_cmd_context;

/* Returns TRUE if the command may go to a doveadm server, which sends rows. */
bool popinjay_may_be_sent(const struct doveadm_cmd_context *cctx);

/* Get the command's standard input into ctx->cmd_input, in its init. Returns 0,
   or -1 with the reason in error_r if no user would get all of it. */
int popinjay_input_get(struct doveadm_mail_cmd_context *ctx,
		       const char **error_r);

/* Append all of ctx->cmd_input to text. Returns 0, or -1 after
   popinjay_fail(). */
int popinjay_input_read(struct doveadm_mail_cmd_context *ctx, size_t max_bytes,
			buffer_t *text);

/* End the command before its first user, in its init. The caller has said why
   and set an exit status. */
void popinjay_no_users(struct doveadm_mail_cmd_context *ctx);

#endif
