/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The doveadm process: what "doveadm popinjay uidl" calls in the main
   module. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "str.h"
#include "mail-storage-private.h"
#include "popinjay-settings.h"
#include "popinjay.h"
#include "saved-file.h"
#include "stored-writer.h"
#include "uidl-api.h"
#include "uidl-box.h"
#include "uidl-make.h"
#include "uidl-renumber.h"
#include "uidl-saved.h"
#include "uidl-show.h"
#include "uidl-sources.h"
#include "user.h"
#include "whole.h"

ARRAY_DEFINE_TYPE(popinjay_uidl_given, struct popinjay_uidl_given);

static int api_get(struct mailbox *box,
		   const struct popinjay_uidl_set **set_r,
		   const char **error_r)
{
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);

	if (ubox == NULL)
		return 0;
	if (popinjay_uidl_box_get(ubox, set_r) < 0) {
		*error_r = mailbox_get_last_internal_error(box, NULL);
		return -1;
	}
	return 1;
}

/* Returns 1 with the settings of the mailbox's user, 0 if it is none of ours,
   or -1 with the reason in error_r. */
static int
api_get_settings(struct mailbox *box, struct popinjay_settings *set_r,
		 const char **error_r)
{
	const struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);

	if (ubox == NULL)
		return 0;
	if (ubox->user->error != NULL) {
		*error_r = ubox->user->error;
		return -1;
	}
	*set_r = *ubox->user->set;
	return 1;
}

/* Make the UIDLs of a chain of sources, and free that. */
static int api_make(struct mailbox *box, struct popinjay_uidl_sources *sources,
		    struct popinjay_uidl_set **set_r, const char **error_r)
{
	int ret = popinjay_uidl_box_make(popinjay_uidl_box(box), sources, FALSE,
					 set_r);

	popinjay_uidl_sources_free(&sources);
	if (ret < 0) {
		*error_r = mailbox_get_last_internal_error(box, NULL);
		return -1;
	}
	return 1;
}

static int api_get_stock(struct mailbox *box, struct popinjay_uidl_set **set_r,
			 const char **error_r)
{
	struct popinjay_uidl_sources *sources;
	struct popinjay_settings set;
	int ret = api_get_settings(box, &set, error_r);

	if (ret <= 0)
		return ret;
	if (popinjay_uidl_sources_create_stock(box->storage->user, &set,
					       &sources, error_r) < 0)
		return -1;
	return api_make(box, sources, set_r, error_r);
}

static int
api_get_other(struct mailbox *box, const struct popinjay_uidl_other *other,
	      struct popinjay_uidl_set **set_r, const char **error_r)
{
	struct popinjay_uidl_sources *sources;
	struct popinjay_settings set;
	int ret = api_get_settings(box, &set, error_r);

	if (ret <= 0)
		return ret;
	/* it only asks for an order of the sources */
	set.popinjay_uidl_save = FALSE;
	if (other->sources != NULL)
		set.popinjay_uidl_sources = other->sources;
	if (other->policy != NULL)
		set.popinjay_uidl_policy = other->policy;
	if (other->reuse_xuidl != NULL)
		set.popinjay_reuse_xuidl = other->reuse_xuidl;
	if (other->format != NULL)
		set.popinjay_uidl_format = other->format;
	if (other->old_format != NULL)
		set.popinjay_uidl_old_format = other->old_format;
	if (other->old_until != NULL)
		set.popinjay_uidl_old_until = other->old_until;
	if (other->strict != NULL)
		set.popinjay_uidl_strict = strcmp(other->strict, "yes") == 0;
	if (popinjay_uidl_sources_create(box->storage->user, &set, &sources,
					 error_r) < 0)
		return -1;
	popinjay_uidl_sources_ignore(sources, other->ignore_saved,
				     other->ignore_stored);
	return api_make(box, sources, set_r, error_r);
}

/* Returns NULL with the reason in error_r if the mailbox is none of ours, or
   nobody can tell its UIDLs. */
static struct popinjay_uidl_box *
api_get_box(struct mailbox *box, const char **error_r)
{
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);

	if (ubox == NULL) {
		*error_r = "The mailbox has no UIDLs of Popinjay";
		return NULL;
	}
	if (ubox->user->error != NULL) {
		*error_r = ubox->user->error;
		return NULL;
	}
	return ubox;
}

static int
api_drift_get(struct mailbox *box, struct popinjay_uidl_drift_result *result_r,
	      const char **error_r)
{
	struct popinjay_uidl_box *ubox = api_get_box(box, error_r);

	i_zero(result_r);
	return ubox == NULL ? -1 :
		popinjay_uidl_shown_compare(ubox, result_r, error_r);
}

static int api_drift_accept(struct mailbox *box, const char **error_r)
{
	struct popinjay_uidl_box *ubox = api_get_box(box, error_r);

	return ubox == NULL ? -1 : popinjay_uidl_shown_accept(ubox, error_r);
}

static int
api_save_shown(struct mailbox *box, unsigned int *count_r,
	       const char **error_r)
{
	struct popinjay_uidl_box *ubox = api_get_box(box, error_r);

	*count_r = 0;
	return ubox == NULL ? -1 :
		popinjay_uidl_save_all(ubox, count_r, error_r);
}

/* --- Writing the saved UIDLs anew --- */

/* What is to be saved, and the UIDLs in it. */
struct rewrite {
	struct popinjay_uidl_saved *saved;
	HASH_TABLE(const char *, struct popinjay_uidl_entry *) by_uidl;
};

static void rewrite_init(struct rewrite *rewrite)
{
	rewrite->saved = popinjay_uidl_saved_create();
	hash_table_create(&rewrite->by_uidl, default_pool, 0,
			  popinjay_keyed_hash, strcmp);
}

/* Returns FALSE if another message has the UIDL. */
static bool
rewrite_add(struct rewrite *rewrite, uint32_t uidvalidity, uint32_t uid,
	    const char *key, const char *uidl, bool matched, time_t gone)
{
	struct popinjay_uidl_entry *entry;

	if (hash_table_lookup(rewrite->by_uidl, uidl) != NULL)
		return FALSE;
	entry = popinjay_uidl_saved_set(rewrite->saved, uidvalidity, uid, key,
					uidl);
	entry->matched = matched;
	entry->gone = gone;
	hash_table_insert(rewrite->by_uidl, entry->uidl, entry);
	return TRUE;
}

/* Add what is saved of messages that there are, or of those that are gone, as
   far as nobody has the UIDL yet. */
static void
rewrite_add_saved(struct rewrite *rewrite,
		  const struct popinjay_uidl_saved *saved, bool matched)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(popinjay_uidl_saved_get(saved), entryp) {
		const struct popinjay_uidl_entry *entry = *entryp;

		if (entry->matched == matched) {
			(void)rewrite_add(rewrite, entry->uidvalidity,
					  entry->uid, entry->key, entry->uidl,
					  matched, entry->gone);
		}
	}
}

/* Write it to the locked file, and free it. */
static int
rewrite_finish(struct rewrite *rewrite, struct popinjay_uidl_box *ubox,
	       const char **error_r)
{
	int ret;

	hash_table_destroy(&rewrite->by_uidl);
	ret = popinjay_saved_file_write(popinjay_uidl_box_get_file(ubox),
					rewrite->saved, error_r);
	popinjay_uidl_box_forget(ubox);
	return ret;
}

static void rewrite_cancel(struct rewrite *rewrite)
{
	hash_table_destroy(&rewrite->by_uidl);
	popinjay_uidl_saved_free(&rewrite->saved);
}

static int
given_cmp(const struct popinjay_uidl_given *given1,
	  const struct popinjay_uidl_given *given2)
{
	if (given1->uid == given2->uid)
		return 0;
	return given1->uid < given2->uid ? -1 : 1;
}

static int uid_given_cmp(const uint32_t *uid,
			 const struct popinjay_uidl_given *given)
{
	if (*uid == given->uid)
		return 0;
	return *uid < given->uid ? -1 : 1;
}

static int
given_check(const struct popinjay_uidl_set *set,
	    ARRAY_TYPE(popinjay_uidl_given) *given_all,
	    const char **error_r)
{
	const struct popinjay_uidl_given *given;
	uint32_t prev_uid = 0;

	array_foreach(given_all, given) {
		if (!popinjay_uidl_is_valid(given->uidl)) {
			*error_r = t_strdup_printf("UID %u: Invalid UIDL",
						   given->uid);
			return -1;
		}
		if (given->uid == prev_uid) {
			*error_r = t_strdup_printf("UID %u is given two UIDLs",
						   given->uid);
			return -1;
		}
		if (popinjay_uidl_set_find(set, given->uid) == NULL) {
			*error_r = t_strdup_printf("There is no UID %u",
						   given->uid);
			return -1;
		}
		prev_uid = given->uid;
	}
	return 0;
}

static int
rewrite_add_given(struct rewrite *rewrite, struct mailbox *box,
		  const struct popinjay_uidl_set *set,
		  ARRAY_TYPE(popinjay_uidl_given) *given_all,
		  const char **error_r)
{
	const struct popinjay_uidl_given *given;
	const struct popinjay_uidl *messages;
	struct mailbox_status status;
	unsigned int i, count;
	const char *uidl, *key;
	string_t *unknown = t_str_new(32);

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	messages = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		given = array_bsearch(given_all, &messages[i].uid,
				      uid_given_cmp);
		if (given != NULL)
			uidl = given->uidl;
		else if (messages[i].rank == POPINJAY_UIDL_SAVED &&
			 !messages[i].replaced)
			uidl = messages[i].uidl;
		else
			continue;
		key = messages[i].key;
		if (*key == '\0') {
			str_truncate(unknown, 0);
			popinjay_uidl_saved_unknown_key(unknown,
				status.uidvalidity, messages[i].uid);
			key = str_c(unknown);
		}
		if (!rewrite_add(rewrite, status.uidvalidity, messages[i].uid,
				 key, uidl, TRUE, 0)) {
			*error_r = t_strdup_printf(
				"Two messages would have the UIDL %s", uidl);
			return -1;
		}
	}
	return 0;
}

static int
save_locked(struct popinjay_uidl_box *ubox,
	    ARRAY_TYPE(popinjay_uidl_given) *given_all,
	    const char **error_r)
{
	const struct popinjay_uidl_saved *saved;
	struct popinjay_uidl_set *uidls;
	struct rewrite rewrite;
	int ret;

	if (popinjay_uidl_box_make(ubox, ubox->user->uidl_sources, TRUE,
				   &uidls) < 0) {
		*error_r = mailbox_get_last_internal_error(ubox->box, NULL);
		return -1;
	}
	ret = given_check(uidls, given_all, error_r);
	rewrite_init(&rewrite);
	if (ret == 0) {
		ret = rewrite_add_given(&rewrite, ubox->box, uidls, given_all,
					error_r);
	}
	popinjay_uidl_set_free(&uidls);
	if (ret < 0) {
		rewrite_cancel(&rewrite);
		return -1;
	}
	saved = popinjay_saved_file_get(popinjay_uidl_box_get_file(ubox));
	if (saved != NULL)
		rewrite_add_saved(&rewrite, saved, FALSE);
	return rewrite_finish(&rewrite, ubox, error_r);
}

/* Give them to the storage as well. */
static void
save_stored(struct mailbox *box,
	      ARRAY_TYPE(popinjay_uidl_given) *given_all)
{
	const struct popinjay_uidl_given *given;
	struct popinjay_stored_writer *writer;

	writer = popinjay_stored_writer_begin(box);
	array_foreach(given_all, given)
		popinjay_stored_writer_set(writer, given->uid, given->uidl);
	popinjay_stored_writer_end(&writer);
}

static int
api_save(struct mailbox *box, const struct popinjay_uidl_given *given,
	 unsigned int count, const char **error_r)
{
	struct popinjay_uidl_box *ubox = api_get_box(box, error_r);
	struct popinjay_saved_file *file;
	ARRAY_TYPE(popinjay_uidl_given) given_all;
	int ret = -1;

	if (ubox == NULL)
		return -1;
	file = popinjay_uidl_box_get_file(ubox);
	i_array_init(&given_all, count + 1);
	array_append(&given_all, given, count);
	array_sort(&given_all, given_cmp);
	if (popinjay_saved_file_lock(file, error_r) >= 0) {
		if (popinjay_uidl_renumber_locked(ubox, error_r) >= 0)
			ret = save_locked(ubox, &given_all, error_r);
		popinjay_saved_file_unlock(file);
	}
	if (ret == 0)
		save_stored(box, &given_all);
	array_free(&given_all);
	return ret;
}

/* --- The file as it is --- */

static int
api_saved_read(struct mailbox *box, struct popinjay_uidl_saved **saved_r,
	       const char **path_r, const char **error_r)
{
	struct popinjay_uidl_box *ubox = api_get_box(box, error_r);
	struct popinjay_saved_file *file;

	if (ubox == NULL)
		return -1;
	file = popinjay_uidl_box_get_file(ubox);
	*path_r = popinjay_saved_file_path(file);
	return popinjay_saved_file_read_raw(file, saved_r, error_r);
}

static int
repair_locked(struct popinjay_uidl_box *ubox, const char **error_r)
{
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	struct popinjay_uidl_saved *saved = popinjay_saved_file_get(file);
	struct popinjay_uidl_set *uidls;
	struct rewrite rewrite;
	const char *fault;

	if (saved == NULL)
		return 0;
	if (popinjay_uidl_saved_faults(saved, &fault) > 0 &&
	    popinjay_saved_file_keep_broken(file, error_r) < 0)
		return -1;
	/* finds out which of the messages there are */
	if (popinjay_uidl_box_make_with(ubox, ubox->user->uidl_sources, saved,
					FALSE, &uidls) < 0) {
		*error_r = mailbox_get_last_internal_error(ubox->box, NULL);
		return -1;
	}
	popinjay_uidl_set_free(&uidls);
	rewrite_init(&rewrite);
	rewrite_add_saved(&rewrite, saved, TRUE);
	rewrite_add_saved(&rewrite, saved, FALSE);
	return rewrite_finish(&rewrite, ubox, error_r);
}

static int api_saved_repair(struct mailbox *box, const char **error_r)
{
	struct popinjay_uidl_box *ubox = api_get_box(box, error_r);
	struct popinjay_saved_file *file;
	int ret;

	if (ubox == NULL)
		return -1;
	file = popinjay_uidl_box_get_file(ubox);
	if (popinjay_saved_file_lock_damaged(file, error_r) < 0)
		return -1;
	ret = repair_locked(ubox, error_r);
	popinjay_saved_file_unlock(file);
	return ret;
}

const struct popinjay_uidl_api popinjay_uidl_api = {
	.version = POPINJAY_VERSION,
	.get = api_get,
	.get_other = api_get_other,
	.get_stock = api_get_stock,
	.prepare_read = popinjay_holder_prepare,
	.save_shown = api_save_shown,
	.save = api_save,
	.saved_read = api_saved_read,
	.saved_repair = api_saved_repair,
	.drift_get = api_drift_get,
	.drift_accept = api_drift_accept
};
