/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_UIDL_CMD_H
#define POPINJAY_DOVEADM_UIDL_CMD_H

#include "doveadm-mail.h"
#include "fail.h"
#include "rows.h"
#include "uidl-match.h"
#include "uidl-source.h"

struct popinjay_uidl_api;
struct uidl_cmd;
struct uidl_progress;

/* What differs between the commands of "doveadm popinjay uidl". */
struct uidl_cmd_vfuncs {
	/* what it prints of a message or a user; ends with NULL */
	const char *const *headers;
	/* DOVEADM_PRINT_TYPE_...; tab makes lists for other programs */
	const char *print_type;
	/* it changes something in the mailbox */
	bool writes;
	/* how many users are done is shown on a terminal */
	bool progress;

	/* Read the parameters, and end if they make no sense, or set bad_input
	   after uidl_cmd_fail(). Not called if NULL. */
	void (*init)(struct uidl_cmd *cmd);
	/* Do it for a user, whose INBOX is open and synced. Returns 0, or -1
	   after uidl_cmd_fail(). */
	int (*run)(struct uidl_cmd *cmd, struct mailbox *box);
	/* All users are done. Not called if NULL. */
	void (*deinit)(struct uidl_cmd *cmd);
};

/* A user whose clients would download mail again. */
struct uidl_diff_user {
	const char *user;
	unsigned int messages, changed;
	uoff_t changed_bytes;
};

/* Any command of "doveadm popinjay uidl". */
struct uidl_cmd {
	struct doveadm_mail_cmd_context ctx;
	const struct uidl_cmd_vfuncs *v;
	struct popinjay_rows output;
	/* it does without the mailbox, which is then NULL, and without the main
	   module */
	bool no_mailbox;
	/* of the main module */
	const struct popinjay_uidl_api *api;
	/* init found its input to be useless: no user is touched */
	bool bad_input;
	/* the current user */
	struct mail_user *user;
	struct uidl_progress *progress;

	/* export and import */
	struct uidl_source source;
	bool dry_run, replace;
	/* import: the list from stdin, of all users */
	pool_t rows_pool;
	ARRAY_TYPE(popinjay_uidl_row) rows;

	/* check and diff: compare with Dovecot without Popinjay */
	bool stock;
	/* check */
	bool repair;

	/* diff */
	struct popinjay_uidl_other *other;
	const char *location;
	ARRAY(struct uidl_diff_user) diff_users;
	unsigned int diff_users_count;
	uint64_t diff_messages;
};

/* Allocate a command. */
struct doveadm_mail_cmd_context *
uidl_cmd_alloc(const struct uidl_cmd_vfuncs *v);

/* Say what went wrong, and end with that exit code. The names of files may be
   in it. */
#define uidl_cmd_fail(cmd, code, ...) \
	popinjay_fail(&(cmd)->ctx.exit_code, code, "%s", \
		popinjay_uidl_table_clean(t_strdup_printf(__VA_ARGS__)))

/* Returns the value of a parameter, which lives as long as the command, or
   NULL if it is not there. */
const char *uidl_cmd_param(struct uidl_cmd *cmd, const char *name);
/* Returns TRUE if a parameter without value is there. */
bool uidl_cmd_flag(struct uidl_cmd *cmd, const char *name);
/* Read the parameters of a list that comes from elsewhere. */
void uidl_cmd_source_params(struct uidl_cmd *cmd);

/* Called for each message in the order in which POP3 shows them. Returns -1
   after uidl_cmd_fail() to end. */
typedef int uidl_cmd_mail_func_t(struct uidl_cmd *cmd, struct mail *mail,
				 void *context);
/* Call func for all messages. Returns 0, or -1 after uidl_cmd_fail(). */
int uidl_cmd_iterate(struct uidl_cmd *cmd, struct mailbox *box,
		     enum mail_fetch_field fields, uidl_cmd_mail_func_t *func,
		     void *context);

/* Get what other servers may know of the message too. Strings are allocated
   from pool. Returns FALSE if the message is no more. What cannot be read is
   not known, and the message is marked as unread, after uidl_cmd_fail(). */
bool uidl_cmd_describe(struct uidl_cmd *cmd, struct mail *mail, pool_t pool,
		       struct popinjay_uidl_message *message_r);

/* The commands. */
extern const struct uidl_cmd_vfuncs uidl_cmd_list, uidl_cmd_export,
	uidl_cmd_freeze, uidl_cmd_import, uidl_cmd_diff, uidl_cmd_check,
	uidl_cmd_accept;

#endif
