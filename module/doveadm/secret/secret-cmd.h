/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_CMD_H
#define POPINJAY_SECRET_CMD_H

#include "doveadm-mail.h"
#include "fail.h"
#include "rows.h"
#include "secret-config.h"
#include "secret-record.h"

/* Whether the userdb knows a user. */
enum secret_account {
	SECRET_ACCOUNT_UNASKED,
	SECRET_ACCOUNT_KNOWN,
	/* only the store knows the user */
	SECRET_ACCOUNT_GONE
};

struct secret_cmd;

/* What differs between the commands of "doveadm popinjay secret". */
struct secret_cmd_vfuncs {
	/* what it prints of a secret or a user; ends with NULL. NULL if it
	   prints nothing. */
	const char *const *headers;
	/* it changes the store, so nobody else may do so meanwhile */
	bool writes;
	/* it takes a file from standard input */
	bool input;
	/* it is about the one secret that is named */
	bool wants_secret;
	/* it does without the keys of the secrets, which may be lost */
	bool opens_none;
	/* it makes secrets: the userdb must know the user */
	bool needs_account;

	/* Do it for cmd->user. Returns 0, or -1 after secret_cmd_fail(). */
	int (*run)(struct secret_cmd *cmd);
};

/* Any command of "doveadm popinjay secret". */
struct secret_cmd {
	struct doveadm_mail_cmd_context ctx;
	const struct secret_cmd_vfuncs *v;

	/* options as given, or NULL */
	const char *label, *mechs, *nets, *services, *expires, *tls,
		*read_only, *delete_action, *window;
	/* an id or a label each, or NULL: --replaces, and the argument */
	const char *replaces, *secret;
	/* --all */
	bool all;

	/* opened for the first user */
	struct popinjay_secret_config config;
	struct popinjay_secret_keys *keys;
	struct popinjay_secret_store *store;
	/* if it writes */
	struct secret_turn *turn;
	/* parent of what the store logs */
	struct event *event;

	/* doveadm's storage service, and one without a userdb */
	struct mail_storage_service_ctx *userdb, *no_userdb;
	/* with -A: all users of the store, once listed, if it can list
	   them */
	ARRAY_TYPE(const_string) users;
	unsigned int user_idx;
	bool listed;

	/* of the current user */
	enum secret_account account;
	/* NULL between users */
	const char *user;
	ARRAY_TYPE(popinjay_secret) secrets;

	/* with -A doveadm prints the user, too */
	struct popinjay_rows output;
	/* others' access to the store was checked */
	bool warned;

	/* import: user name -> password */
	HASH_TABLE(const char *, const char *) passwords;
	/* verify: the secret */
	const char *text;
};

/* Allocate a command. */
struct doveadm_mail_cmd_context *
secret_cmd_alloc(const struct secret_cmd_vfuncs *v);

/* Read the configuration and open the store, unless that is done. Returns 0, or
   -1 after secret_cmd_fail(). */
int secret_cmd_open_store(struct secret_cmd *cmd);

/* --- secret-accounts.c --- */

/* Let the command also run for users whom only the store knows, unless it needs
   an account. */
void secret_cmd_accounts_alloc(struct secret_cmd *cmd);
/* Prepare for the first user, or the only one. */
void secret_cmd_accounts_init(struct secret_cmd *cmd);
/* Clean up after all users. */
void secret_cmd_accounts_deinit(struct secret_cmd *cmd);
/* Returns "yes" if the current user has an account, or "gone", or "unknown" if
   the userdb was not asked. */
const char *secret_cmd_account_str(const struct secret_cmd *cmd);

/* --- secret-cmd.c --- */

/* Log what went wrong, and let doveadm end with that exit code. */
#define secret_cmd_fail(cmd, code, ...) \
	popinjay_fail(&(cmd)->ctx.exit_code, code, __VA_ARGS__)

/* Find the user's secret of that id or label. Returns NULL after
   secret_cmd_fail(). */
struct popinjay_secret *
secret_cmd_find(struct secret_cmd *cmd, const char *id_or_label);

/* Open the secret. *text_r is as of popinjay_secret_open(). Returns 0, or -1
   after secret_cmd_fail(). */
int secret_cmd_open(struct secret_cmd *cmd,
		    const struct popinjay_secret *secret, const char **text_r);

/* Write the current user's secrets. Returns 0, or -1 after
   secret_cmd_fail(). */
int secret_cmd_save(struct secret_cmd *cmd);

/* Change a secret's limits as the options say. Returns 0, or -1 with the
   reason in error_r. */
int secret_cmd_apply_options(const struct secret_cmd *cmd,
			     struct popinjay_secret *secret,
			     const char **error_r);

/* Parse when a secret expires: "never", a number of days from now as in
   "90d", or a day's end in UTC as in "2030-12-31". Returns 0, or -1. */
int secret_cmd_parse_expires(const char *str, time_t now, time_t *expires_r);

/* The commands. */
extern const struct secret_cmd_vfuncs secret_cmd_add, secret_cmd_list,
	secret_cmd_show, secret_cmd_set, secret_cmd_revoke, secret_cmd_verify,
	secret_cmd_rekey, secret_cmd_import;

#endif
