/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl list, export and check. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "mail-user.h"
#include "doveadm-print.h"
#include "popinjay.h"
#include "trouble.h"
#include "trouble-store.h"
#include "uidl-api.h"
#include "uidl-cmd.h"
#include "uidl-saved.h"

#include <sysexits.h>

/* --- list --- */

struct list_context {
	const struct popinjay_uidl_set *set;
	const struct popinjay_trouble *trouble;
	unsigned int msn;
};

/* Where the UIDL of a message came from. */
static const char *uidl_source_name(const struct popinjay_uidl *uidl)
{
	if (uidl->provisional)
		return "unreadable";
	if (uidl->replaced || *uidl->source == '\0')
		return "fallback";
	return uidl->source;
}

static int get_shown(struct uidl_cmd *cmd, struct mailbox *box,
		     const struct popinjay_uidl_set **set_r)
{
	const char *error;
	int ret = cmd->api->get(box, set_r, &error);

	if (ret > 0)
		return 0;
	uidl_cmd_fail(cmd, EX_TEMPFAIL, "Cannot determine the UIDLs: %s",
		      ret < 0 ? error : "The INBOX has no UIDLs of Popinjay");
	return -1;
}

static int list_mail(struct uidl_cmd *cmd, struct mail *mail, void *context)
{
	struct list_context *list = context;
	const struct popinjay_uidl *uidl;
	unsigned int tries;
	const char *guid;
	uoff_t size;

	uidl = popinjay_uidl_set_find(list->set, mail->uid);
	if (uidl == NULL) {
		/* has just come */
		return 0;
	}
	popinjay_rows_next(&cmd->output);
	doveadm_print_num(++list->msn);
	doveadm_print_num(mail->uid);
	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) < 0)
		guid = "";
	doveadm_print(popinjay_uidl_table_value(guid));
	doveadm_print(uidl->uidl);
	doveadm_print(mail_get_virtual_size(mail, &size) < 0 ? "" :
		      dec2str(size));
	doveadm_print(uidl_source_name(uidl));
	tries = popinjay_trouble_most(list->trouble, mail->uid);
	doveadm_print(tries == 0 ? "" : dec2str(tries));
	return 0;
}

static int list_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	struct popinjay_trouble *trouble;
	struct list_context list = { .msn = 0 };
	int ret;

	if (get_shown(cmd, box, &list.set) < 0)
		return -1;
	list.trouble = trouble = popinjay_trouble_store_read(box);
	ret = uidl_cmd_iterate(cmd, box,
			       MAIL_FETCH_GUID | MAIL_FETCH_VIRTUAL_SIZE,
			       list_mail, &list);
	popinjay_trouble_free(&trouble);
	return ret;
}

static const char *const list_headers[] = {
	"msn", "uid", "guid", "uidl", "size", "source", "trouble", NULL
};

const struct uidl_cmd_vfuncs uidl_cmd_list = {
	.headers = list_headers,
	.print_type = DOVEADM_PRINT_TYPE_TABLE,
	.run = list_run
};

/* --- export --- */

static void export_print(struct uidl_cmd *cmd, const char *uidl, uoff_t size,
			 const char *hash, const char *message_id,
			 const char *guid)
{
	popinjay_rows_next(&cmd->output);
	doveadm_print(uidl);
	doveadm_print(size == UOFF_T_MAX ? "" : dec2str(size));
	doveadm_print(hash == NULL ? "" : hash);
	doveadm_print(popinjay_uidl_table_value(message_id));
	doveadm_print(popinjay_uidl_table_value(guid));
}

static int export_mail(struct uidl_cmd *cmd, struct mail *mail, void *context)
{
	const struct popinjay_uidl_set *set = context;
	const struct popinjay_uidl *uidl;
	struct popinjay_uidl_message message;

	uidl = popinjay_uidl_set_find(set, mail->uid);
	if (uidl == NULL)
		return 0;
	if (uidl->provisional) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "The message with UID %u can't "
			      "be read now, so its UIDL is not known: it is "
			      "not in the list", mail->uid);
		return 0;
	}
	if (!uidl_cmd_describe(cmd, mail, pool_datastack_create(), &message))
		return 0;
	export_print(cmd, uidl->uidl, message.size, message.hash,
		     message.message_id, message.guid);
	return 0;
}

/* A list of another server, as it is. */
static int export_from(struct uidl_cmd *cmd)
{
	ARRAY_TYPE(popinjay_uidl_row) rows;
	const struct popinjay_uidl_row *row;
	unsigned int no_header = 0;
	const char *error;
	pool_t pool = pool_alloconly_create("popinjay export", 64*1024);
	int ret;

	i_array_init(&rows, 1024);
	ret = uidl_source_read(&cmd->source, cmd->user, pool, &rows, &error);
	if (ret < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "%s", error);
	} else array_foreach(&rows, row) {
		if (*popinjay_uidl_table_value(row->uidl) == '\0') {
			uidl_cmd_fail(cmd, EX_DATAERR, "No client may be shown "
				"the UIDL \"%s\": it is not in the list",
				popinjay_uidl_table_text(row->uidl));
			continue;
		}
		if (row->hash == NULL)
			no_header++;
		export_print(cmd, row->uidl, row->size, row->hash,
			     row->message_id, row->guid);
	}
	if (no_header > 0) {
		i_warning("The header of %u of %u messages could not be read",
			  no_header, array_count(&rows));
	}
	array_free(&rows);
	pool_unref(&pool);
	return ret;
}

static void export_init(struct uidl_cmd *cmd)
{
	uidl_cmd_source_params(cmd);
	cmd->no_mailbox = cmd->source.from != NULL;
}

static int export_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	const struct popinjay_uidl_set *set;

	if (box == NULL)
		return export_from(cmd);
	if (get_shown(cmd, box, &set) < 0)
		return -1;
	return uidl_cmd_iterate(cmd, box, MAIL_FETCH_GUID |
				MAIL_FETCH_VIRTUAL_SIZE |
				MAIL_FETCH_STREAM_HEADER, export_mail,
				(void *)set);
}

static const char *const export_headers[] = {
	"uidl", "size", "header", "message_id", "guid", NULL
};

const struct uidl_cmd_vfuncs uidl_cmd_export = {
	.headers = export_headers,
	.print_type = DOVEADM_PRINT_TYPE_TAB,
	.init = export_init,
	.run = export_run
};

/* --- check --- */

static void check_print(struct uidl_cmd *cmd, uint32_t uid, const char *uidl,
			const char *problem)
{
	popinjay_rows_next(&cmd->output);
	doveadm_print(uid == 0 ? "" : dec2str(uid));
	/* it may be anything */
	doveadm_print(popinjay_uidl_table_value(uidl));
	doveadm_print(problem);
}

static const char *invalid_reason(const char *uidl)
{
	return strlen(uidl) > POPINJAY_UIDL_MAX_LEN ?
		"the saved UIDL is too long" : "the saved UIDL is invalid";
}

/* Returns how many faults the saved UIDLs have. */
static unsigned int
check_entries(struct uidl_cmd *cmd, const struct popinjay_uidl_saved *saved,
	      const char *path)
{
	struct popinjay_uidl_entry *const *entryp;
	HASH_TABLE(const char *, void *) seen;
	unsigned int faults;
	const char *error;

	faults = popinjay_uidl_saved_faults(saved, &error);
	if (faults > 0) {
		check_print(cmd, 0, "", t_strdup_printf(
			"%s is damaged (%u): %s", path, faults, error));
	}
	hash_table_create(&seen, default_pool, 0, str_hash, strcmp);
	array_foreach(popinjay_uidl_saved_get(saved), entryp) {
		const char *uidl = (*entryp)->uidl, *problem;

		if (!popinjay_uidl_is_valid(uidl))
			problem = invalid_reason(uidl);
		else if (hash_table_lookup(seen, uidl) != NULL)
			problem = "another message has this saved UIDL too";
		else {
			hash_table_insert(seen, uidl, POINTER_CAST(1));
			continue;
		}
		check_print(cmd, (*entryp)->uid, uidl, problem);
		faults++;
	}
	hash_table_destroy(&seen);
	return faults;
}

static int check_saved(struct uidl_cmd *cmd, struct mailbox *box,
		       unsigned int *faults_r)
{
	struct popinjay_uidl_saved *saved;
	const char *path, *error;

	if (cmd->api->saved_read(box, &saved, &path, &error) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "The saved UIDLs can't be "
			      "read: %s", error);
		return -1;
	}
	*faults_r = check_entries(cmd, saved, path);
	popinjay_uidl_saved_free(&saved);
	if (*faults_r == 0 || !cmd->repair)
		return 0;
	if (cmd->api->saved_repair(box, &error) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "The saved UIDLs can't be "
			      "repaired: %s", error);
		return -1;
	}
	check_print(cmd, 0, "", t_strdup_printf("%s was repaired", path));
	*faults_r = 0;
	return 0;
}

/* What is shown to clients, and what was shown before. */
static int check_shown(struct uidl_cmd *cmd, struct mailbox *box,
		       unsigned int *faults)
{
	const struct popinjay_uidl_set *set;
	const struct popinjay_uidl *uidls;
	struct popinjay_uidl_drift_result drift;
	unsigned int i, count;
	const char *error;

	if (get_shown(cmd, box, &set) < 0)
		return -1;
	uidls = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		if (uidls[i].provisional) {
			check_print(cmd, uidls[i].uid, uidls[i].uidl,
				    "the message can't be read now");
		} else if (uidls[i].replaced) {
			check_print(cmd, uidls[i].uid, uidls[i].uidl,
				t_strdup_printf("its UIDL of %s is missing, "
					"invalid, too long or not unique: "
					"this one is shown instead",
					*uidls[i].source == '\0' ?
					"the settings" : uidls[i].source));
		} else {
			continue;
		}
		++*faults;
	}
	if (cmd->api->drift_get(box, &drift, &error) < 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "What was last shown can't be "
			      "read: %s", error);
		return -1;
	}
	if (drift.changed > 0) {
		check_print(cmd, 0, "", t_strdup_printf(
			"%u of %u messages that were shown before have another "
			"UIDL now%s", drift.changed, drift.compared,
			!drift.refused ? "" : ": UIDL is refused"));
		++*faults;
	}
	return 0;
}

/* What Dovecot would show, and with it what would change for clients that have
   known the mailbox without Popinjay. */
static int check_stock(struct uidl_cmd *cmd, struct mailbox *box,
		       unsigned int *faults)
{
	const struct popinjay_uidl_set *set;
	struct popinjay_uidl_set *stock = NULL;
	const struct popinjay_uidl *before, *after;
	const char *error = "The INBOX has no UIDLs of Popinjay";
	unsigned int i, count, changed = 0;

	if (get_shown(cmd, box, &set) < 0)
		return -1;
	if (cmd->api->get_stock(box, &stock, &error) <= 0) {
		uidl_cmd_fail(cmd, EX_TEMPFAIL, "Cannot determine what Dovecot "
			      "would show: %s", error);
		return -1;
	}
	before = popinjay_uidl_set_get(stock, &count);
	for (i = 0; i < count; i++) T_BEGIN {
		after = popinjay_uidl_set_find(set, before[i].uid);
		if (after != NULL && before[i].uidl != NULL &&
		    !before[i].provisional && !after->provisional &&
		    strcmp(before[i].uidl, after->uidl) != 0) {
			changed++;
			check_print(cmd, after->uid, after->uidl,
				t_strdup_printf("without Popinjay it is \"%s\"",
				popinjay_uidl_table_text(before[i].uidl)));
		}
	} T_END;
	popinjay_uidl_set_free(&stock);
	if (changed > 0) {
		check_print(cmd, 0, "", t_strdup_printf(
			"%u of %u messages have another UIDL than without "
			"Popinjay", changed, count));
		++*faults;
	}
	return 0;
}

static void check_init(struct uidl_cmd *cmd)
{
	cmd->stock = uidl_cmd_flag(cmd, "stock");
	cmd->repair = uidl_cmd_flag(cmd, "repair");
}

static int check_run(struct uidl_cmd *cmd, struct mailbox *box)
{
	unsigned int faults;

	if (check_saved(cmd, box, &faults) < 0)
		return -1;
	/* with a damaged file nothing is shown at all */
	if (faults == 0 && (check_shown(cmd, box, &faults) < 0 ||
	    (cmd->stock && check_stock(cmd, box, &faults) < 0)))
		return -1;
	if (faults > 0 && cmd->ctx.exit_code == 0)
		cmd->ctx.exit_code = EX_DATAERR;
	return 0;
}

static const char *const check_headers[] = { "uid", "uidl", "problem", NULL };

const struct uidl_cmd_vfuncs uidl_cmd_check = {
	.headers = check_headers,
	.print_type = DOVEADM_PRINT_TYPE_FLOW,
	.writes = TRUE,
	.progress = TRUE,
	.init = check_init,
	.run = check_run
};
