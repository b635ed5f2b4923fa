/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The doveadm process: what "doveadm popinjay uidl" calls in the main
   module. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "str.h"
#include "mail-storage-private.h"
#include "popinjay.h"
#include "popinjay-settings.h"
#include "uidl-api.h"
#include "uidl-keep.h"
#include "uidl-make.h"
#include "uidl-native.h"
#include "uidl-saved.h"
#include "uidl-sources.h"
#include "uidl-storage.h"
#include "uidl-store.h"
#include "user.h"
#include "whole.h"

ARRAY_DEFINE_TYPE(popinjay_uidl_given, struct popinjay_uidl_given);

static int api_get(struct mailbox *box,
		   const struct popinjay_uidl_set **set_r,
		   const char **error_r)
{
	int ret = popinjay_uidl_storage_get(box, set_r);

	if (ret < 0)
		*error_r = mailbox_get_last_internal_error(box, NULL);
	return ret;
}

/* Returns 1 with the settings of the mailbox's user, 0 if it is none of ours,
   or -1 with the reason in error_r. */
static int
api_get_settings(struct mailbox *box, struct popinjay_settings *set_r,
		 const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);

	if (!popinjay_uidl_storage_is_ours(box))
		return 0;
	if (puser->error != NULL) {
		*error_r = puser->error;
		return -1;
	}
	*set_r = *puser->set;
	return 1;
}

/* Make the UIDLs of a chain of sources, and free that. */
static int api_make(struct mailbox *box, struct popinjay_uidl_sources *sources,
		    struct popinjay_uidl_set **set_r, const char **error_r)
{
	int ret = popinjay_uidl_storage_make(box, sources, FALSE, set_r);

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
static struct popinjay_uidl_store *
api_get_store(struct mailbox *box, const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);

	if (!popinjay_uidl_storage_is_ours(box)) {
		*error_r = "The mailbox has no UIDLs of Popinjay";
		return NULL;
	}
	if (puser->error != NULL) {
		*error_r = puser->error;
		return NULL;
	}
	return popinjay_uidl_storage_get_store(box);
}

static int
api_drift_get(struct mailbox *box, struct popinjay_uidl_drift_result *result_r,
	      const char **error_r)
{
	i_zero(result_r);
	if (api_get_store(box, error_r) == NULL)
		return -1;
	return popinjay_uidl_keep_get_drift(box, result_r, error_r);
}

static int api_drift_accept(struct mailbox *box, const char **error_r)
{
	if (api_get_store(box, error_r) == NULL)
		return -1;
	return popinjay_uidl_keep_accept_drift(box, error_r);
}

static int
api_save_shown(struct mailbox *box, unsigned int *count_r,
	       const char **error_r)
{
	*count_r = 0;
	if (api_get_store(box, error_r) == NULL)
		return -1;
	return popinjay_uidl_keep_all(box, count_r, error_r);
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
			  popinjay_uidl_hash, strcmp);
}

/* Returns FALSE if another message has the UIDL. */
static bool
rewrite_add(struct rewrite *rewrite, uint32_t uid, const char *key,
	    const char *uidl, bool matched, time_t gone)
{
	struct popinjay_uidl_entry *entry;

	if (hash_table_lookup(rewrite->by_uidl, uidl) != NULL)
		return FALSE;
	entry = popinjay_uidl_saved_set(rewrite->saved, uid, key, uidl);
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
			(void)rewrite_add(rewrite, entry->uid, entry->key,
					  entry->uidl, matched, entry->gone);
		}
	}
}

/* Write it to the locked store, and free it. */
static int
rewrite_finish(struct rewrite *rewrite, struct mailbox *box,
	       struct popinjay_uidl_store *store, const char **error_r)
{
	int ret;

	hash_table_destroy(&rewrite->by_uidl);
	ret = popinjay_uidl_store_write(store, rewrite->saved, error_r);
	popinjay_uidl_storage_forget(box);
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
		if (!rewrite_add(rewrite, messages[i].uid, key, uidl, TRUE,
				 0)) {
			*error_r = t_strdup_printf(
				"Two messages would have the UIDL %s", uidl);
			return -1;
		}
	}
	return 0;
}

static int
save_locked(struct mailbox *box, struct popinjay_uidl_store *store,
	    ARRAY_TYPE(popinjay_uidl_given) *given_all,
	    const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct popinjay_uidl_set *uidls;
	struct rewrite rewrite;
	int ret;

	if (popinjay_uidl_storage_make(box, puser->uidl_sources, TRUE,
				       &uidls) < 0) {
		*error_r = mailbox_get_last_internal_error(box, NULL);
		return -1;
	}
	ret = given_check(uidls, given_all, error_r);
	rewrite_init(&rewrite);
	if (ret == 0) {
		ret = rewrite_add_given(&rewrite, box, uidls, given_all,
					error_r);
	}
	popinjay_uidl_set_free(&uidls);
	if (ret < 0) {
		rewrite_cancel(&rewrite);
		return -1;
	}
	if (popinjay_uidl_store_get(store) != NULL) {
		rewrite_add_saved(&rewrite, popinjay_uidl_store_get(store),
				  FALSE);
	}
	return rewrite_finish(&rewrite, box, store, error_r);
}

static void
save_natively(struct mailbox *box,
	      ARRAY_TYPE(popinjay_uidl_given) *given_all)
{
	const struct popinjay_uidl_given *given;
	struct popinjay_uidl_native *native;

	native = popinjay_uidl_native_begin(box);
	array_foreach(given_all, given)
		popinjay_uidl_native_set(native, given->uid, given->uidl);
	popinjay_uidl_native_end(&native);
}

static int
api_save(struct mailbox *box, const struct popinjay_uidl_given *given,
	 unsigned int count, const char **error_r)
{
	struct popinjay_uidl_store *store;
	ARRAY_TYPE(popinjay_uidl_given) given_all;
	int ret = -1;

	store = api_get_store(box, error_r);
	if (store == NULL)
		return -1;
	i_array_init(&given_all, count + 1);
	array_append(&given_all, given, count);
	array_sort(&given_all, given_cmp);
	if (popinjay_uidl_store_lock(store, error_r) >= 0) {
		ret = save_locked(box, store, &given_all, error_r);
		popinjay_uidl_store_unlock(store);
	}
	if (ret == 0)
		save_natively(box, &given_all);
	array_free(&given_all);
	return ret;
}

/* --- The file as it is --- */

static int
api_saved_read(struct mailbox *box, struct popinjay_uidl_saved **saved_r,
	       const char **path_r, const char **error_r)
{
	struct popinjay_uidl_store *store = api_get_store(box, error_r);

	if (store == NULL)
		return -1;
	*path_r = popinjay_uidl_store_path(store);
	return popinjay_uidl_store_read_raw(store, saved_r, error_r);
}

static int
repair_locked(struct mailbox *box, struct popinjay_uidl_store *store,
	      const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct popinjay_uidl_saved *saved = popinjay_uidl_store_get(store);
	struct popinjay_uidl_set *uidls;
	struct rewrite rewrite;
	const char *fault;

	if (saved == NULL)
		return 0;
	if (popinjay_uidl_saved_faults(saved, &fault) > 0 &&
	    popinjay_uidl_store_keep_broken(store, error_r) < 0)
		return -1;
	/* finds out which of the messages there are */
	if (popinjay_uidl_storage_make_with(box, puser->uidl_sources, saved,
					    FALSE, &uidls) < 0) {
		*error_r = mailbox_get_last_internal_error(box, NULL);
		return -1;
	}
	popinjay_uidl_set_free(&uidls);
	rewrite_init(&rewrite);
	rewrite_add_saved(&rewrite, saved, TRUE);
	rewrite_add_saved(&rewrite, saved, FALSE);
	return rewrite_finish(&rewrite, box, store, error_r);
}

static int api_saved_repair(struct mailbox *box, const char **error_r)
{
	struct popinjay_uidl_store *store = api_get_store(box, error_r);
	int ret;

	if (store == NULL ||
	    popinjay_uidl_store_lock_damaged(store, error_r) < 0)
		return -1;
	ret = repair_locked(box, store, error_r);
	popinjay_uidl_store_unlock(store);
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
