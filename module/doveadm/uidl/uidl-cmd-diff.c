/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl diff: what clients would download again. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "mail-namespace.h"
#include "mail-user.h"
#include "doveadm-print.h"
#include "doveadm-mail.h"
#include "compat-doveadm.h"
#include "popinjay-settings.h"
#include "popinjay.h"
#include "uidl-api.h"
#include "uidl-cmd.h"

#include <sys/stat.h>
#include <sysexits.h>

struct diff_context {
	const struct popinjay_uidl_set *before, *after;
	/* with another location: the UIDLs that clients know */
	HASH_TABLE(const char *, void *) known;
	struct uidl_diff_user result;
};

/* Returns 1 if a client would download the message again, 0 if not, or -1 if
   it is in only one of the sets. */
static int
diff_is_changed(const struct diff_context *diff, uint32_t uid)
{
	const struct popinjay_uidl *before, *after;

	after = popinjay_uidl_set_find(diff->after, uid);
	if (after == NULL)
		return -1;
	/* of one that can't be read now nobody knows */
	if (hash_table_is_created(diff->known)) {
		return !after->provisional &&
			hash_table_lookup(diff->known, after->uidl) == NULL ?
			1 : 0;
	}
	before = popinjay_uidl_set_find(diff->before, uid);
	if (before == NULL)
		return -1;
	/* nobody can have fetched one without a UIDL */
	return !before->provisional && !after->provisional &&
		before->uidl != NULL &&
		strcmp(before->uidl, after->uidl) != 0 ? 1 : 0;
}

/* The sizes of messages whose UIDL stays are not asked for. */
static int diff_mail(struct uidl_cmd *cmd, struct mail *mail, void *context)
{
	struct diff_context *diff = context;
	uoff_t size;
	int ret;

	ret = diff_is_changed(diff, mail->uid);
	if (ret < 0)
		return 0;
	diff->result.messages++;
	if (ret == 0)
		return 0;
	diff->result.changed++;
	if (mail_get_virtual_size(mail, &size) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "The size of the message with "
			"UID %u is not known: %s", mail->uid,
			mailbox_get_last_internal_error(mail->box, NULL));
	} else {
		diff->result.changed_bytes += size;
	}
	return 0;
}

/* Compare with what the mailbox, which may be another one, would show. */
static int
diff_mailbox(struct uidl_cmd *cmd, struct diff_context *diff,
	     struct mailbox *box)
{
	struct popinjay_uidl_set *after = NULL;
	const char *error = "The INBOX has no UIDLs of Popinjay";
	int ret;

	if (cmd->api->get_other(box, cmd->other, &after, &error) <= 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "%s", error);
		return -1;
	}
	diff->after = after;
	ret = uidl_cmd_iterate(cmd, box, 0, diff_mail, diff);
	popinjay_uidl_set_free(&after);
	return ret;
}

/* Dovecot would make what there is not: its directory, and an INBOX. */
static bool diff_has_directory(struct uidl_cmd *cmd)
{
	const char *path = strchr(cmd->location, ':');
	struct stat st;

	if (path == NULL)
		return TRUE;
	path = t_strcut(path + 1, ':');
	return stat(mail_user_home_expand(cmd->user, path), &st) == 0 ||
		errno != ENOENT;
}

static int diff_open_other(struct uidl_cmd *cmd, struct mailbox *box)
{
	enum mailbox_existence existence;

	if (mailbox_exists(box, FALSE, &existence) == 0 &&
	    existence != MAILBOX_EXISTENCE_SELECT) {
		uidl_cmd_fail(cmd, EX_NOINPUT, "There is no INBOX at %s",
			      cmd->location);
		return -1;
	}
	if (mailbox_open(box) < 0 || mailbox_sync(box, 0) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "Opening the INBOX at %s "
			      "failed: %s", cmd->location,
			      mailbox_get_last_internal_error(box, NULL));
		return -1;
	}
	return 0;
}

static int diff_location(struct uidl_cmd *cmd, struct diff_context *diff)
{
	struct mail_user *user;
	struct mail_namespace *ns;
	struct mailbox *box;
	const char *error;
	int ret;

	if (!diff_has_directory(cmd)) {
		uidl_cmd_fail(cmd, EX_NOINPUT, "There is no mail at %s",
			      cmd->location);
		return -1;
	}
	if (popinjay_doveadm_user_at(&cmd->ctx, cmd->user, cmd->location, &user,
				     &error) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "%s", error);
		return -1;
	}
	ns = mail_namespace_find_inbox(user->namespaces);
	box = mailbox_alloc(ns->list, "INBOX", MAILBOX_FLAG_READONLY |
			    MAILBOX_FLAG_POP3_SESSION);
	ret = diff_open_other(cmd, box);
	if (ret == 0)
		ret = diff_mailbox(cmd, diff, box);
	mailbox_free(&box);
	mail_user_deinit(&user);
	return ret;
}

/* Compare with what a copy of the mailbox would show. */
static int diff_copy(struct uidl_cmd *cmd, struct diff_context *diff)
{
	const struct popinjay_uidl *uidls;
	unsigned int i, count;
	int ret;

	uidls = popinjay_uidl_set_get(diff->before, &count);
	hash_table_create(&diff->known, default_pool, count,
			  popinjay_keyed_hash, strcmp);
	for (i = 0; i < count; i++) {
		if (uidls[i].uidl != NULL) {
			hash_table_update(diff->known, uidls[i].uidl,
					  POINTER_CAST(1));
		}
	}
	ret = diff_location(cmd, diff);
	hash_table_destroy(&diff->known);
	return ret;
}

static int diff_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	struct diff_context diff;
	struct popinjay_uidl_set *stock = NULL;
	const char *error = "The INBOX has no UIDLs of Popinjay";
	int ret;

	i_zero(&diff);
	ret = cmd->stock ? cmd->api->get_stock(box, &stock, &error) :
		cmd->api->get(box, &diff.before, &error);
	if (ret <= 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "%s", error);
		return -1;
	}
	if (stock != NULL)
		diff.before = stock;
	ret = cmd->location == NULL ? diff_mailbox(cmd, &diff, box) :
		diff_copy(cmd, &diff);
	popinjay_uidl_set_free(&stock);
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
	other->strict = uidl_cmd_param(cmd, "strict");
	other->ignore_saved = uidl_cmd_flag(cmd, "without-saved");
	other->ignore_stored = uidl_cmd_flag(cmd, "without-stored");
	cmd->location = uidl_cmd_param(cmd, "location");
	cmd->stock = uidl_cmd_flag(cmd, "stock");
	if (other->strict != NULL && strcmp(other->strict, "yes") != 0 &&
	    strcmp(other->strict, "no") != 0) {
		uidl_cmd_fail(cmd, EX_USAGE, "--strict=%s: Use yes or no",
			      other->strict);
		cmd->bad_input = TRUE;
	}
	if (other->format == NULL && other->policy == NULL &&
	    other->sources == NULL && other->reuse_xuidl == NULL &&
	    other->old_format == NULL && other->old_until == NULL &&
	    other->strict == NULL && !other->ignore_saved &&
	    !other->ignore_stored && cmd->location == NULL && !cmd->stock) {
		uidl_cmd_fail(cmd, EX_USAGE, "What would be different? Give "
			      "at least one option, such as -f FORMAT");
		cmd->bad_input = TRUE;
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
		popinjay_rows_next(&cmd->output);
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
