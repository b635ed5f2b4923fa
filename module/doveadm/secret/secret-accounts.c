/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the users that commands about secrets run for. After an account was
   deleted the userdb does not know it, but the store may still have its
   secrets, which would open the mail of whoever gets the address next. So all
   commands except those that make secrets also run for users whom only the
   store knows, and -A means everybody in the store. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "wildcard-match.h"
#include "compat-doveadm.h"
#include "secret-cmd.h"
#include "store.h"

/* Returns TRUE if the command runs in this process rather than in a doveadm
   server. */
static bool is_local(const struct doveadm_mail_cmd_context *ctx)
{
	return ctx->cctx->conn_type != DOVEADM_CONNECTION_TYPE_CLI ||
		ctx->set->doveadm_worker_count == 0;
}

/* doveadm asks the userdb for each user and skips those it does not know. For
   such a user, give it a storage service without a userdb. */
static void choose_service(struct secret_cmd *cmd, const char *user)
{
	struct doveadm_mail_cmd_context *ctx = &cmd->ctx;
	struct mail_storage_service_input input = ctx->storage_service_input;
	struct mail_storage_service_user *found;
	const char *error;
	int ret;

	input.username = user;
	ret = mail_storage_service_lookup(ctx->storage_service, &input, &found,
					  &error);
	if (ret > 0)
		mail_storage_service_user_unref(&found);
	/* doveadm will fail in the same way, and log it */
	cmd->account = ret == 0 ? SECRET_ACCOUNT_GONE : SECRET_ACCOUNT_KNOWN;
	if (ret != 0)
		return;
	if (cmd->no_userdb == NULL) {
		cmd->no_userdb = popinjay_doveadm_storage_service(
			ctx->service_flags &
			ENUM_NEGATE(MAIL_STORAGE_SERVICE_FLAG_USERDB_LOOKUP));
	}
	ctx->storage_service = cmd->no_userdb;
}

static int name_cmp(const char *const *a, const char *const *b)
{
	return strcmp(*a, *b);
}

/* Returns TRUE if there is a list of the store's users. */
static bool list_users(struct secret_cmd *cmd)
{
	const char *error;

	if (cmd->listed)
		return array_is_created(&cmd->users);
	cmd->listed = TRUE;
	if (secret_cmd_open_store(cmd) < 0)
		return FALSE;
	p_array_init(&cmd->users, cmd->ctx.pool, 64);
	if (popinjay_secret_store_users(cmd->store, cmd->ctx.pool, &cmd->users,
					&error) < 0) {
		i_warning("The store cannot list its users (%s): users whom "
			  "the userdb does not know are left out; name them "
			  "with -u or -F", error);
		array_free(&cmd->users);
		return FALSE;
	}
	array_sort(&cmd->users, name_cmp);
	return TRUE;
}

/* Returns 1 with the next one, 0 if there are no more, or -1. */
static int next_name(struct secret_cmd *cmd, const char **name_r)
{
	struct doveadm_mail_cmd_context *ctx = &cmd->ctx;

	if (ctx->users_list_input != NULL) {
		*name_r = i_stream_read_next_line(ctx->users_list_input);
		if (ctx->users_list_input->stream_errno != 0) {
			i_error("read(%s) failed: %s",
				i_stream_get_name(ctx->users_list_input),
				i_stream_get_error(ctx->users_list_input));
			return -1;
		}
		return *name_r != NULL ? 1 : 0;
	}
	if (is_local(ctx) && list_users(cmd)) {
		if (cmd->user_idx == array_count(&cmd->users))
			return 0;
		*name_r = array_idx_elem(&cmd->users, cmd->user_idx++);
		return 1;
	}
	return mail_storage_service_all_next(ctx->storage_service, name_r);
}

static int
get_next_user(struct doveadm_mail_cmd_context *ctx, const char **username_r)
{
	struct secret_cmd *cmd = container_of(ctx, struct secret_cmd, ctx);
	const char *mask;
	int ret;

	ctx->storage_service = cmd->userdb;
	do {
		ret = next_name(cmd, username_r);
	} while (ret > 0 && ctx->users_list_input == NULL &&
		 doveadm_cmd_param_str(ctx->cctx, "user", &mask) &&
		 !wildcard_match_icase(*username_r, mask));
	if (ret > 0 && is_local(ctx)) T_BEGIN {
		choose_service(cmd, *username_r);
	} T_END;
	return ret;
}

void secret_cmd_accounts_alloc(struct secret_cmd *cmd)
{
	if (!cmd->v->needs_account)
		cmd->ctx.v.get_next_user = get_next_user;
}

void secret_cmd_accounts_init(struct secret_cmd *cmd)
{
	struct doveadm_mail_cmd_context *ctx = &cmd->ctx;

	cmd->userdb = ctx->storage_service;
	if (!cmd->v->needs_account && ctx->iterate_single_user &&
	    is_local(ctx) &&
	    (ctx->service_flags & MAIL_STORAGE_SERVICE_FLAG_USERDB_LOOKUP) != 0)
		choose_service(cmd, ctx->cctx->username);
}

void secret_cmd_accounts_deinit(struct secret_cmd *cmd)
{
	if (cmd->userdb != NULL) {
		/* doveadm frees its own */
		cmd->ctx.storage_service = cmd->userdb;
	}
	if (cmd->no_userdb != NULL)
		mail_storage_service_deinit(&cmd->no_userdb);
}

const char *secret_cmd_account_str(const struct secret_cmd *cmd)
{
	switch (cmd->account) {
	case SECRET_ACCOUNT_UNASKED:
		return "unknown";
	case SECRET_ACCOUNT_KNOWN:
		return "yes";
	case SECRET_ACCOUNT_GONE:
		return "gone";
	}
	i_unreached();
}
