/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: what the commands "doveadm popinjay uidl" have in common. They work
   in the process that has the user's mail open, which may be that of a doveadm
   server. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "module-dir.h"
#include "mail-namespace.h"
#include "mail-search-build.h"
#include "mail-user.h"
#include "doveadm-print.h"
#include "compat-doveadm.h"
#include "doveconf.h"
#include "header-digest.h"
#include "input.h"
#include "popinjay.h"
#include "uidl-api.h"
#include "uidl-cmd.h"
#include "uidl-progress.h"

#include <stdio.h>
#include <sysexits.h>

/* --- Parameters --- */

const char *uidl_cmd_param(struct uidl_cmd *cmd, const char *name)
{
	const char *value;

	if (!doveadm_cmd_param_str(cmd->ctx.cctx, name, &value))
		return NULL;
	return p_strdup(cmd->ctx.pool, value);
}

bool uidl_cmd_flag(struct uidl_cmd *cmd, const char *name)
{
	bool value;

	return doveadm_cmd_param_bool(cmd->ctx.cctx, name, &value) && value;
}

void uidl_cmd_source_params(struct uidl_cmd *cmd)
{
	const char *error;

	cmd->source.from = uidl_cmd_param(cmd, "from");
	if (uidl_source_read_passwords(&cmd->source, cmd->ctx.pool,
				       uidl_cmd_param(cmd, "password-file"),
				       uidl_cmd_param(cmd, "passwords-file"),
				       &error) < 0) {
		uidl_cmd_fail(cmd, EX_USAGE, "%s", error);
		cmd->bad_input = TRUE;
	}
	cmd->source.old_format = uidl_cmd_param(cmd, "old-format");
	cmd->source.interactive =
		cmd->ctx.cctx->conn_type == DOVEADM_CONNECTION_TYPE_CLI;
}

/* --- A user --- */

static int cmd_find_api(struct uidl_cmd *cmd)
{
	struct module *module = module_dir_find(mail_storage_service_modules,
						"popinjay_plugin");

	cmd->api = module == NULL ? NULL :
		module_get_symbol_quiet(module, "popinjay_uidl_api");
	if (cmd->api == NULL) {
		uidl_cmd_fail(cmd, EX_CONFIG, "The plugin popinjay is not "
			"loaded: add it to mail_plugins in \"protocol "
			"doveadm {}\", too, and reload Dovecot");
		return -1;
	}
	if (strcmp(cmd->api->version, POPINJAY_VERSION) != 0) {
		uidl_cmd_fail(cmd, EX_CONFIG, "The plugin popinjay is of "
			"version %s, and its commands are of version "
			POPINJAY_VERSION, cmd->api->version);
		return -1;
	}
	return 0;
}

static int cmd_run_mailbox(struct uidl_cmd *cmd, struct mail_user *user)
{
	struct mail_namespace *ns = mail_namespace_find_inbox(user->namespaces);
	enum mailbox_flags flags = MAILBOX_FLAG_IGNORE_ACLS |
		MAILBOX_FLAG_POP3_SESSION;
	struct mailbox *box;
	int ret;

	if (cmd_find_api(cmd) < 0)
		return -1;
	if (!cmd->v->writes)
		flags |= MAILBOX_FLAG_READONLY;
	box = mailbox_alloc(ns->list, "INBOX", flags);
	if (mailbox_open(box) < 0 || mailbox_sync(box, 0) < 0) {
		i_error("Opening the INBOX failed: %s",
			mailbox_get_last_internal_error(box, NULL));
		doveadm_mail_failed_mailbox(&cmd->ctx, box);
		ret = -1;
	} else {
		ret = cmd->v->run(cmd, box);
	}
	mailbox_free(&box);
	return ret;
}

static int
cmd_run(struct doveadm_mail_cmd_context *ctx, struct mail_user *user)
{
	struct uidl_cmd *cmd = container_of(ctx, struct uidl_cmd, ctx);
	int ret;

	cmd->user = user;
	if (cmd->bad_input)
		ret = -1;
	else if (cmd->no_mailbox)
		ret = cmd->v->run(cmd, NULL);
	else
		ret = cmd_run_mailbox(cmd, user);
	cmd->user = NULL;
	uidl_progress_step(cmd->progress);
	return ret;
}

int uidl_cmd_iterate(struct uidl_cmd *cmd, struct mailbox *box,
		     enum mail_fetch_field fields, uidl_cmd_mail_func_t *func,
		     void *context)
{
	static const enum mail_sort_type sort_program[] = {
		MAIL_SORT_POP3_ORDER, MAIL_SORT_END
	};
	struct mailbox_transaction_context *trans;
	struct mail_search_context *search;
	struct mail_search_args *args;
	struct mail *found, *mail;
	int ret = 0;

	trans = mailbox_transaction_begin(box, 0, __func__);
	args = mail_search_build_init();
	mail_search_build_add_all(args);
	search = mailbox_search_init(trans, args, sort_program, 0, NULL);
	mail_search_args_unref(&args);
	/* the search opens what it finds too early for prepare_read() */
	mail = mail_alloc(trans, fields, NULL);
	while (ret == 0 && mailbox_search_next(search, &found)) T_BEGIN {
		cmd->api->prepare_read(trans);
		mail_set_seq(mail, found->seq);
		ret = func(cmd, mail, context);
	} T_END;
	mail_free(&mail);
	if (mailbox_search_deinit(&search) < 0 && ret == 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "Reading the INBOX failed: %s",
			      mailbox_get_last_internal_error(box, NULL));
		ret = -1;
	}
	/* what was read stands in the cache next time */
	(void)mailbox_transaction_commit(&trans);
	return ret;
}

/* --- A message --- */

static void describe_unread(struct uidl_cmd *cmd, uint32_t uid,
			    const char *error,
			    struct popinjay_uidl_message *message)
{
	/* one line is enough for all that is not known of it */
	if (!message->unread) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "The message with UID %u can't "
			      "be read: %s", uid, error);
	}
	message->unread = TRUE;
}

/* Returns FALSE if the message is no more. */
static bool describe_failed(struct uidl_cmd *cmd, struct mail *mail,
			    struct popinjay_uidl_message *message)
{
	enum mail_error error;
	const char *errstr = mailbox_get_last_internal_error(mail->box, &error);

	if (error == MAIL_ERROR_EXPUNGED)
		return FALSE;
	describe_unread(cmd, mail->uid, errstr, message);
	return TRUE;
}

static bool
describe_header(struct uidl_cmd *cmd, struct mail *mail, pool_t pool,
		struct popinjay_uidl_message *message)
{
	struct popinjay_header_digest *digest;
	char hash[POPINJAY_HEADER_HASH_LEN + 1];
	const unsigned char *data;
	struct istream *input;
	size_t size;
	bool more = TRUE;

	if (mail_get_hdr_stream(mail, NULL, &input) < 0)
		return describe_failed(cmd, mail, message);
	digest = t_new(struct popinjay_header_digest, 1);
	popinjay_header_digest_init(digest);
	while (more && i_stream_read_more(input, &data, &size) > 0) {
		more = popinjay_header_digest_more(digest, data, size);
		i_stream_skip(input, size);
	}
	if (more && input->stream_errno != 0) {
		describe_unread(cmd, mail->uid, t_strdup_printf(
			"read(%s) failed: %s", i_stream_get_name(input),
			i_stream_get_error(input)), message);
		return TRUE;
	}
	message->message_id = p_strdup(pool,
		popinjay_header_digest_result(digest, hash));
	message->hash = p_strdup_empty(pool, hash);
	message->common_header = !digest->telling;
	return TRUE;
}

bool uidl_cmd_describe(struct uidl_cmd *cmd, struct mail *mail, pool_t pool,
		       struct popinjay_uidl_message *message_r)
{
	const char *guid;

	i_zero(message_r);
	message_r->uid = mail->uid;
	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) == 0)
		message_r->guid = p_strdup_empty(pool, guid);
	else if (!describe_failed(cmd, mail, message_r))
		return FALSE;
	if (mail_get_virtual_size(mail, &message_r->size) < 0) {
		message_r->size = UOFF_T_MAX;
		if (!describe_failed(cmd, mail, message_r))
			return FALSE;
	}
	return describe_header(cmd, mail, pool, message_r);
}

/* --- The command --- */

/* Returns -1 after uidl_cmd_fail() if what clients see is set for POP3 alone:
   doveadm would take other UIDLs for theirs, and so would dsync. */
static int cmd_check_protocols(struct uidl_cmd *cmd)
{
	static const char *const names[] = {
		"pop3_uidl_format", "pop3_reuse_xuidl", NULL
	};
	ARRAY_TYPE(doveconf_setting) pop3, doveadm;
	const char *const *name, *error;

	if (doveconf_get(cmd->ctx.pool, "pop3", names, &pop3, &error) < 0 ||
	    doveconf_get(cmd->ctx.pool, "doveadm", names, &doveadm,
			 &error) < 0) {
		uidl_cmd_fail(cmd, EX_CONFIG, "%s", error);
		return -1;
	}
	for (name = names; *name != NULL; name++) {
		if (strcmp(doveconf_find(&pop3, *name),
			   doveconf_find(&doveadm, *name)) == 0)
			continue;
		uidl_cmd_fail(cmd, EX_CONFIG, "%s is \"%s\" for POP3 and "
			"\"%s\" for doveadm and dsync, which would take other "
			"UIDLs for those that clients see: set it outside of "
			"\"protocol pop3 {}\"", *name,
			doveconf_find(&pop3, *name),
			doveconf_find(&doveadm, *name));
		return -1;
	}
	return 0;
}

static int cmd_next_user(struct doveadm_mail_cmd_context *ctx,
			 const char **username_r)
{
	struct uidl_cmd *cmd = container_of(ctx, struct uidl_cmd, ctx);

	return uidl_progress_next_user(cmd->progress, ctx, username_r);
}

static void cmd_init(struct doveadm_mail_cmd_context *ctx)
{
	struct uidl_cmd *cmd = container_of(ctx, struct uidl_cmd, ctx);

	if (cmd->v->init != NULL)
		cmd->v->init(cmd);
	/* a server has no configuration file to look into: its client has */
	if (cmd->ctx.cctx->conn_type == DOVEADM_CONNECTION_TYPE_CLI &&
	    !cmd->no_mailbox && !cmd->bad_input)
		cmd->bad_input = cmd_check_protocols(cmd) < 0;
	if (cmd->bad_input) {
		popinjay_no_users(ctx);
		return;
	}
	popinjay_rows_begin(&cmd->output);
	if (cmd->v->progress)
		cmd->progress = uidl_progress_init(ctx);
	if (cmd->progress != NULL)
		ctx->v.get_next_user = cmd_next_user;
}

POPINJAY_DOVEADM_INIT(cmd_init_args, cmd_init)

static void cmd_deinit(struct doveadm_mail_cmd_context *ctx)
{
	struct uidl_cmd *cmd = container_of(ctx, struct uidl_cmd, ctx);

	uidl_progress_deinit(&cmd->progress);
	uidl_source_deinit(&cmd->source);
	if (cmd->v->deinit != NULL)
		cmd->v->deinit(cmd);
	/* check and export tell what is wrong behind rows, too */
	popinjay_rows_end(&cmd->output, ctx->exit_code != EX_TEMPFAIL &&
			  ctx->exit_code != EX_DATAERR);
}

struct doveadm_mail_cmd_context *
uidl_cmd_alloc(const struct uidl_cmd_vfuncs *v)
{
	struct uidl_cmd *cmd = doveadm_mail_cmd_alloc(struct uidl_cmd);

	popinjay_doveadm_accept_params(&cmd->ctx);
	cmd->ctx.v.init = cmd_init_args;
	cmd->ctx.v.run = cmd_run;
	cmd->ctx.v.deinit = cmd_deinit;
	cmd->v = v;
	popinjay_rows_init(&cmd->output, &cmd->ctx, v->headers, v->print_type);
	return &cmd->ctx;
}
