/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl freeze, import and accept. */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "hash.h"
#include "mail-user.h"
#include "doveadm-print.h"
#include "input.h"
#include "popinjay.h"
#include "uidl-api.h"
#include "uidl-cmd.h"

#include <sysexits.h>

#define TABLE_MAX_BYTES (1024 * 1024 * 1024)

/* --- freeze --- */

/* Name the messages that could not be saved. Returns 0, or -1 after
   uidl_cmd_fail() if they cannot be determined. */
static int freeze_tell_left_out(struct uidl_cmd *cmd, struct mailbox *box)
{
	const struct popinjay_uidl_set *set;
	const struct popinjay_uidl *uidls;
	const char *error = "The INBOX has no UIDLs of Popinjay";
	unsigned int i, count;

	if (cmd->api->get(box, &set, &error) <= 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL,
			      "Cannot determine the UIDLs: %s", error);
		return -1;
	}
	uidls = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		if (!uidls[i].provisional)
			continue;
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "The message with UID %u can't "
			      "be read now, so its UIDL is not known: it was "
			      "not saved", uidls[i].uid);
	}
	return 0;
}

/* What is saved already stays as it is: a freeze that was stopped goes on where
   it was, and several at once do the same. */
static int freeze_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	struct mailbox_status status;
	unsigned int saved;
	const char *error;

	if (cmd->api->save_shown(box, &saved, &error) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "Saving the UIDLs failed: %s",
			      error);
		return -1;
	}
	if (freeze_tell_left_out(cmd, box) < 0)
		return -1;
	mailbox_get_open_status(box, STATUS_MESSAGES, &status);
	popinjay_rows_next(&cmd->output);
	doveadm_print_num(status.messages);
	doveadm_print_num(saved);
	return 0;
}

static const char *const freeze_headers[] = { "messages", "saved", NULL };

const struct uidl_cmd_vfuncs uidl_cmd_freeze = {
	.headers = freeze_headers,
	.print_type = DOVEADM_PRINT_TYPE_TABLE,
	.writes = TRUE,
	.progress = TRUE,
	.run = freeze_run
};

/* --- accept --- */

static int accept_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	struct popinjay_uidl_drift_result drift;
	const char *error;

	if (cmd->api->drift_get(box, &drift, &error) < 0 ||
	    cmd->api->drift_accept(box, &error) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "Accepting the UIDLs failed: "
			      "%s", error);
		return -1;
	}
	popinjay_rows_next(&cmd->output);
	doveadm_print_num(drift.compared);
	doveadm_print_num(drift.changed);
	return 0;
}

static const char *const accept_headers[] = { "compared", "changed", NULL };

const struct uidl_cmd_vfuncs uidl_cmd_accept = {
	.headers = accept_headers,
	.print_type = DOVEADM_PRINT_TYPE_TABLE,
	.writes = TRUE,
	.progress = TRUE,
	.run = accept_run
};

/* --- import --- */

/* Who has a UIDL that was saved before, and keeps it. */
HASH_TABLE_DEFINE_TYPE(uidl_owner, const char *, void *);
ARRAY_DEFINE_TYPE(popinjay_uidl_given, struct popinjay_uidl_given);

struct import {
	struct uidl_cmd *cmd;
	struct mailbox *box;
	pool_t pool;

	/* of --from */
	ARRAY_TYPE(popinjay_uidl_row) own_rows;
	const struct popinjay_uidl_row *rows;
	unsigned int row_count;
	ARRAY_TYPE(popinjay_uidl_message) messages;
	enum popinjay_uidl_match *matches;
	unsigned int counts[POPINJAY_UIDL_MATCH_COUNT];

	ARRAY_TYPE(popinjay_uidl_given) given;
	/* matched, but the message keeps what it has, or the UIDL is that of
	   another message */
	unsigned int kept;
	/* only what is known of them without their files can match them */
	unsigned int unreadable;
};

/* Read the list that comes from stdin. */
static int import_read_table(struct uidl_cmd *cmd)
{
	const char *error;
	buffer_t *text;
	int ret;

	cmd->rows_pool = pool_alloconly_create("popinjay import", 64*1024);
	p_array_init(&cmd->rows, cmd->rows_pool, 1024);
	text = buffer_create_dynamic(default_pool, 64*1024);
	ret = popinjay_input_read(&cmd->ctx, TABLE_MAX_BYTES, text);
	if (ret == 0 &&
	    popinjay_uidl_table_parse(text->data, text->used, cmd->rows_pool,
				      &cmd->rows, &error) < 0) {
		uidl_cmd_fail(cmd, EX_DATAERR, "The list: %s", error);
		ret = -1;
	}
	buffer_free(&text);
	return ret;
}

/* Nothing is done for anybody if the list is not good as a whole. */
static int import_get_table(struct uidl_cmd *cmd)
{
	const struct popinjay_uidl_row *row;

	if (import_read_table(cmd) < 0)
		return -1;
	row = array_count(&cmd->rows) == 0 ? NULL : array_front(&cmd->rows);
	if (!cmd->ctx.iterate_single_user && row != NULL && row->user == NULL) {
		uidl_cmd_fail(cmd, EX_DATAERR, "The list has no column "
			      "username, so it is of one user: use -u");
		return -1;
	}
	return 0;
}

static int import_get_rows(struct import *import)
{
	struct uidl_cmd *cmd = import->cmd;
	const char *error;

	if (cmd->source.from != NULL) {
		if (uidl_source_read(&cmd->source, cmd->user, import->pool,
				     &import->own_rows, &error) < 0) {
			uidl_cmd_fail(cmd, EX_TEMPFAIL, "%s", error);
			return -1;
		}
		import->rows = array_get(&import->own_rows,
					 &import->row_count);
		return 0;
	}
	import->rows = popinjay_uidl_table_find(&cmd->rows, cmd->user->username,
						&import->row_count);
	return 0;
}

static int import_mail(struct uidl_cmd *cmd, struct mail *mail, void *context)
{
	struct import *import = context;
	struct popinjay_uidl_message message;

	if (uidl_cmd_describe(cmd, mail, import->pool, &message)) {
		array_push_back(&import->messages, &message);
		if (message.unread)
			import->unreadable++;
	}
	return 0;
}

/* The UIDL that the message has for good, or NULL. */
static const char *uidl_kept(const struct popinjay_uidl *uidl)
{
	return uidl != NULL && uidl->rank >= POPINJAY_UIDL_STORED &&
		!uidl->replaced ? uidl->uidl : NULL;
}

/* Choose what is to be saved of what was matched. */
static void
import_choose(struct import *import, const struct popinjay_uidl_set *set)
{
	const struct popinjay_uidl_message *message;
	struct popinjay_uidl_given given;
	const char *kept;

	array_foreach(&import->messages, message) {
		if (message->row == NULL)
			continue;
		kept = uidl_kept(popinjay_uidl_set_find(set, message->uid));
		if (null_strcmp(kept, message->row->uidl) == 0)
			continue;
		if (kept != NULL && !import->cmd->replace) {
			import->kept++;
			continue;
		}
		given.uid = message->uid;
		given.uidl = message->row->uidl;
		array_push_back(&import->given, &given);
	}
}

/* The UIDLs that messages have and that are not replaced now. */
static void
import_find_owners(struct import *import, const struct popinjay_uidl_set *set,
		   HASH_TABLE_TYPE(uidl_owner) owners)
{
	const struct popinjay_uidl_given *given, *given_end;
	const struct popinjay_uidl *uidls;
	unsigned int i, count;
	const char *kept;

	/* both are in the order of uids */
	given = array_get(&import->given, &count);
	given_end = given + count;
	uidls = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		while (given < given_end && given->uid < uidls[i].uid)
			given++;
		if (given < given_end && given->uid == uidls[i].uid)
			continue;
		kept = uidl_kept(&uidls[i]);
		if (kept != NULL)
			hash_table_update(owners, kept, POINTER_CAST(1));
	}
}

/* Leave out what would give one UIDL to two messages. What is left out keeps
   the UIDL it has, which can be that of the next. */
static void
import_leave_out(struct import *import, const struct popinjay_uidl_set *set)
{
	HASH_TABLE_TYPE(uidl_owner) owners;
	const struct popinjay_uidl_given *given;
	unsigned int i, left_out;

	do {
		left_out = 0;
		hash_table_create(&owners, default_pool, 0,
				  popinjay_keyed_hash, strcmp);
		import_find_owners(import, set, owners);
		for (i = array_count(&import->given); i > 0; i--) {
			given = array_idx(&import->given, i - 1);
			if (hash_table_lookup(owners, given->uidl) == NULL)
				continue;
			array_delete(&import->given, i - 1, 1);
			import->kept++;
			left_out++;
		}
		hash_table_destroy(&owners);
	} while (left_out > 0);
}

static int given_cmp(const struct popinjay_uidl_given *given1,
		     const struct popinjay_uidl_given *given2)
{
	return given1->uid == given2->uid ? 0 :
		(given1->uid < given2->uid ? -1 : 1);
}

static int import_save(struct import *import)
{
	struct uidl_cmd *cmd = import->cmd;
	const struct popinjay_uidl_set *set;
	const struct popinjay_uidl_given *given;
	unsigned int count;
	const char *error;
	int ret;

	ret = cmd->api->get(import->box, &set, &error);
	if (ret <= 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL,
			      "Cannot determine the UIDLs: %s",
			      ret < 0 ? error :
			      "The INBOX has no UIDLs of Popinjay");
		return -1;
	}
	import_choose(import, set);
	array_sort(&import->given, given_cmp);
	import_leave_out(import, set);

	given = array_get(&import->given, &count);
	if (count > 0 && !cmd->dry_run &&
	    cmd->api->save(import->box, given, count, &error) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "Saving the UIDLs failed, so "
			      "none was saved: %s", error);
		return -1;
	}
	return 0;
}

static int import_do(struct import *import)
{
	struct popinjay_uidl_message *messages;
	unsigned int i, count;

	if (import_get_rows(import) < 0 ||
	    uidl_cmd_iterate(import->cmd, import->box, MAIL_FETCH_GUID |
			     MAIL_FETCH_VIRTUAL_SIZE | MAIL_FETCH_STREAM_HEADER,
			     import_mail, import) < 0)
		return -1;
	messages = array_get_modifiable(&import->messages, &count);
	import->matches = p_new(import->pool, enum popinjay_uidl_match,
				import->row_count + 1);
	popinjay_uidl_match(import->rows, import->row_count, messages, count,
			    import->matches);
	for (i = 0; i < import->row_count; i++)
		import->counts[import->matches[i]]++;
	return import_save(import);
}

/* With doveadm -v: which rows are of no use, and why. */
static void import_tell_unmatched(const struct import *import)
{
	static const char *const reasons[] = {
		[POPINJAY_UIDL_MATCH_NONE] = "There is no such message",
		[POPINJAY_UIDL_MATCH_AMBIGUOUS] =
			"It is not clear which message it is",
		[POPINJAY_UIDL_MATCH_INVALID] =
			"No client may be shown such a UIDL",
		[POPINJAY_UIDL_MATCH_DOUBLE] = "It is listed twice"
	};
	unsigned int i;

	for (i = 0; i < import->row_count; i++) {
		if (popinjay_uidl_match_is_found(import->matches[i]))
			continue;
		i_info("UIDL %s: %s",
		       popinjay_uidl_table_text(import->rows[i].uidl),
		       reasons[import->matches[i]]);
	}
}

static void import_print(struct uidl_cmd *cmd, const struct import *import)
{
	const unsigned int *counts = import->counts;

	if (doveadm_verbose)
		import_tell_unmatched(import);
	popinjay_rows_next(&cmd->output);
	doveadm_print_num(array_count(&import->messages));
	doveadm_print_num(import->row_count);
	doveadm_print_num(counts[POPINJAY_UIDL_MATCH_GUID] +
			  counts[POPINJAY_UIDL_MATCH_HEADER] +
			  counts[POPINJAY_UIDL_MATCH_HEADER_SIZE] +
			  counts[POPINJAY_UIDL_MATCH_ID_SIZE]);
	doveadm_print_num(array_count(&import->given));
	doveadm_print_num(import->kept);
	doveadm_print_num(counts[POPINJAY_UIDL_MATCH_AMBIGUOUS]);
	doveadm_print_num(counts[POPINJAY_UIDL_MATCH_INVALID] +
			  counts[POPINJAY_UIDL_MATCH_DOUBLE]);
	doveadm_print_num(counts[POPINJAY_UIDL_MATCH_NONE]);
	doveadm_print_num(import->unreadable);
}

static void import_init(struct uidl_cmd *cmd)
{
	const char *error;

	uidl_cmd_source_params(cmd);
	cmd->dry_run = uidl_cmd_flag(cmd, "dry-run");
	cmd->replace = uidl_cmd_flag(cmd, "replace");
	if (cmd->source.from != NULL)
		return;
	if (popinjay_input_get(&cmd->ctx, &error) < 0) {
		uidl_cmd_fail(cmd, EX_USAGE, "%s", error);
		cmd->bad_input = TRUE;
	} else {
		cmd->bad_input = import_get_table(cmd) < 0;
	}
}

static int import_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	struct import import = {
		.cmd = cmd,
		.box = box,
		.pool = pool_alloconly_create("popinjay import", 64*1024)
	};
	int ret;

	i_array_init(&import.own_rows, 16);
	i_array_init(&import.messages, 1024);
	i_array_init(&import.given, 1024);
	ret = import_do(&import);
	if (ret == 0)
		import_print(cmd, &import);
	array_free(&import.own_rows);
	array_free(&import.messages);
	array_free(&import.given);
	pool_unref(&import.pool);
	return ret;
}

static void import_deinit(struct uidl_cmd *cmd)
{
	pool_unref(&cmd->rows_pool);
}

static const char *const import_headers[] = {
	"messages", "listed", "matched", "saved", "kept", "ambiguous",
	"invalid", "left", "unreadable", NULL
};

const struct uidl_cmd_vfuncs uidl_cmd_import = {
	.headers = import_headers,
	.print_type = DOVEADM_PRINT_TYPE_TABLE,
	.writes = TRUE,
	.progress = TRUE,
	.init = import_init,
	.run = import_run,
	.deinit = import_deinit
};
