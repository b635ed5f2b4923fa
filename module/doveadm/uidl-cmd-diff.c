/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl diff: what clients would download again. */

#include "lib.h"
#include "array.h"
#include "mail-user.h"
#include "doveadm-print.h"
#include "popinjay-settings.h"
#include "popinjay.h"
#include "uidl-api.h"
#include "uidl-cmd.h"

#include <sysexits.h>

struct diff_context {
	const struct popinjay_uidl_set *before, *after;
	struct uidl_diff_user result;
};

/* The sizes of messages whose UIDL stays are not asked for. */
static int diff_mail(struct uidl_cmd *cmd, struct mail *mail, void *context)
{
	struct diff_context *diff = context;
	const struct popinjay_uidl *before, *after;
	uoff_t size;

	before = popinjay_uidl_set_find(diff->before, mail->uid);
	after = popinjay_uidl_set_find(diff->after, mail->uid);
	if (before == NULL || after == NULL)
		return 0;
	diff->result.messages++;
	/* of one that can't be read now nobody knows */
	if (before->provisional || after->provisional ||
	    strcmp(before->uidl, after->uidl) == 0)
		return 0;
	diff->result.changed++;
	if (mail_get_virtual_size(mail, &size) < 0) {
		i_error("The size of the message with UID %u can't be told: %s",
			mail->uid,
			mailbox_get_last_internal_error(mail->box, NULL));
		cmd->ctx.exit_code = EX_TEMPFAIL;
	} else {
		diff->result.changed_bytes += size;
	}
	return 0;
}

static int diff_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	struct diff_context diff;
	struct popinjay_uidl_set *after = NULL;
	const char *error = "The INBOX has no UIDLs of Popinjay";
	int ret;

	i_zero(&diff);
	if (cmd->api->get(box, &diff.before, &error) <= 0 ||
	    cmd->api->get_other(box, cmd->other, &after, &error) <= 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "%s", error);
		return -1;
	}
	diff.after = after;
	ret = uidl_cmd_iterate(cmd, box, 0, diff_mail, &diff);
	popinjay_uidl_set_free(&after);
	if (ret < 0)
		return -1;
	cmd->diff_users_count++;
	cmd->diff_messages += diff.result.messages;
	if (diff.result.changed > 0 || cmd->ctx.iterate_single_user) {
		diff.result.user = p_strdup(cmd->ctx.pool, cmd->user->username);
		array_push_back(&cmd->diff_users, &diff.result);
	}
	return 0;
}

static void diff_init(struct uidl_cmd *cmd)
{
	struct popinjay_uidl_other *other =
		p_new(cmd->ctx.pool, struct popinjay_uidl_other, 1);

	other->format = uidl_cmd_param(cmd, "format");
	other->policy = uidl_cmd_param(cmd, "policy");
	other->sources = uidl_cmd_param(cmd, "sources");
	other->reuse_xuidl = uidl_cmd_param(cmd, "reuse-xuidl");
	other->old_format = uidl_cmd_param(cmd, "old-format");
	other->old_until = uidl_cmd_param(cmd, "old-until");
	other->ignore_saved = uidl_cmd_flag(cmd, "without-saved");
	other->ignore_stored = uidl_cmd_flag(cmd, "without-stored");
	if (other->format == NULL && other->policy == NULL &&
	    other->sources == NULL && other->reuse_xuidl == NULL &&
	    other->old_format == NULL && other->old_until == NULL &&
	    !other->ignore_saved && !other->ignore_stored) {
		i_fatal_status(EX_USAGE, "What would be other? Give at least "
			       "one option, such as -f FORMAT");
	}
	cmd->other = other;
	i_array_init(&cmd->diff_users, 64);
}

/* Those hit hardest first. */
static int diff_user_cmp(const struct uidl_diff_user *user1,
			 const struct uidl_diff_user *user2)
{
	if (user1->changed_bytes != user2->changed_bytes)
		return user1->changed_bytes > user2->changed_bytes ? -1 : 1;
	if (user1->changed != user2->changed)
		return user1->changed > user2->changed ? -1 : 1;
	return strcmp(user1->user, user2->user);
}

static void diff_deinit(struct uidl_cmd *cmd)
{
	const struct uidl_diff_user *user;
	uint64_t changed = 0, bytes = 0;

	if (!array_is_created(&cmd->diff_users))
		return;
	array_sort(&cmd->diff_users, diff_user_cmp);
	array_foreach(&cmd->diff_users, user) {
		changed += user->changed;
		bytes += user->changed_bytes;
		if (!cmd->ctx.iterate_single_user)
			doveadm_print_sticky("username", user->user);
		doveadm_print_num(user->messages);
		doveadm_print_num(user->changed);
		doveadm_print_num(user->changed_bytes);
	}
	if (!cmd->ctx.iterate_single_user && cmd->diff_users_count > 0) {
		i_info("%u of %u users would download %"PRIu64" of %"PRIu64
		       " messages again, %"PRIu64" bytes",
		       array_count(&cmd->diff_users), cmd->diff_users_count,
		       changed, cmd->diff_messages, bytes);
	}
	array_free(&cmd->diff_users);
}

static const char *const diff_headers[] = {
	"messages", "changed", "bytes", NULL
};

const struct uidl_cmd_vfuncs uidl_cmd_diff = {
	.headers = diff_headers,
	.print_type = DOVEADM_PRINT_TYPE_TABLE,
	.progress = TRUE,
	.init = diff_init,
	.run = diff_run,
	.deinit = diff_deinit
};
