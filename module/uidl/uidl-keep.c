/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: what has to be done before a client sees UIDLs, so that it
   sees the same ones ever after (RFC 1939 section 7). They are on disk before
   the first of them is sent, unless saving them fails: they are shown all the
   same then, and the log says so. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage-private.h"
#include "control-file.h"
#include "popinjay.h"
#include "popinjay-settings.h"
#include "uidl.h"
#include "uidl-keep.h"
#include "uidl-native.h"
#include "uidl-saved.h"
#include "uidl-sources.h"
#include "uidl-store.h"
#include "uidl-storage.h"
#include "user.h"

/* Another session that saves at the same moment makes us look again. It then
   has saved what we wanted to, unless it is given other messages each time. */
#define SAVE_MAX_TRIES 10

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

/* A message to be saved. */
struct keep_entry {
	const struct popinjay_uidl *message;
	/* its key, or what stands for it */
	const char *key;
};

struct keep {
	pool_t pool;
	ARRAY(struct keep_entry) entries;
};

bool popinjay_uidl_keep_wants_keys(const struct popinjay_settings *set)
{
	return set->popinjay_uidl_save || set->popinjay_uidl_drift_limit > 0;
}

/* --- Saving --- */

/* What another message had a part in cannot be made again without it: it is
   saved whatever the settings want. */
static bool
wants_save(const struct popinjay_uidl *message, bool all)
{
	if (message->unnamed)
		return TRUE;
	if (message->rank == POPINJAY_UIDL_SAVED && !message->replaced)
		return FALSE;
	return all || (message->replaced && message->clashed);
}

/* Returns FALSE if a message has no key in this set. */
static bool
keep_collect(struct keep *keep, struct mailbox *box,
	     const struct popinjay_uidl_set *set, bool all)
{
	const struct popinjay_uidl *messages;
	struct mailbox_status status;
	struct keep_entry *entry;
	unsigned int i, count;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	messages = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		if (!wants_save(&messages[i], all) || messages[i].provisional)
			continue;
		entry = array_append_space(&keep->entries);
		entry->message = &messages[i];
		entry->key = messages[i].key;
		if (entry->key == NULL)
			return FALSE;
		if (*entry->key == '\0') T_BEGIN {
			string_t *key = t_str_new(32);

			popinjay_uidl_saved_unknown_key(key,
				status.uidvalidity, messages[i].uid);
			entry->key = p_strdup(keep->pool, str_c(key));
		} T_END;
	}
	return TRUE;
}

static void
keep_add(const struct keep *keep, struct popinjay_uidl_saved *saved)
{
	const struct keep_entry *entry;

	array_foreach(&keep->entries, entry) {
		popinjay_uidl_saved_set(saved, entry->message->uid,
			entry->key, entry->message->uidl)->matched = TRUE;
	}
}

struct keep_pieces {
	const struct keep *keep;
	unsigned int pos;
	/* begin with the first line of a file */
	bool header;
};

static bool keep_more(void *context, string_t *text)
{
	struct keep_pieces *pieces = context;
	const struct keep_entry *entries;
	unsigned int count;

	entries = array_get(&pieces->keep->entries, &count);
	if (pieces->header && pieces->pos == 0)
		popinjay_uidl_saved_write_header(text, count);
	while (pieces->pos < count &&
	       str_len(text) < POPINJAY_CONTROL_FILE_PIECE_BYTES) T_BEGIN {
		const struct keep_entry *entry = &entries[pieces->pos++];

		popinjay_uidl_saved_append(text, entry->message->uid,
					   entry->key, entry->message->uidl,
					   0);
	} T_END;
	return pieces->pos < count;
}

static int
keep_append(const struct keep *keep, struct popinjay_uidl_store *store,
	    const char **error_r)
{
	struct keep_pieces pieces = { .keep = keep };
	string_t *lines = str_new(default_pool, 1024);
	bool more = TRUE;
	int ret = 0;

	while (more && ret == 0) {
		str_truncate(lines, 0);
		more = keep_more(&pieces, lines);
		ret = popinjay_uidl_store_append(store, lines, !more, error_r);
	}
	str_free(&lines);
	return ret;
}

static bool keep_wants_write(struct popinjay_uidl_store *store)
{
	const struct popinjay_uidl_saved *saved =
		popinjay_uidl_store_get(store);
	struct popinjay_uidl_view view;

	if (saved == NULL)
		return FALSE;
	popinjay_uidl_store_get_view(store, &view);
	return popinjay_uidl_saved_wants_write(saved, &view);
}

static int
keep_write_locked(const struct keep *keep, struct popinjay_uidl_store *store,
		  const char **error_r)
{
	struct popinjay_uidl_saved *saved = popinjay_uidl_store_get(store);

	if (saved != NULL && !keep_wants_write(store)) {
		if (keep_append(keep, store, error_r) < 0)
			return -1;
		keep_add(keep, saved);
		return 0;
	}
	if (saved == NULL) {
		/* nobody asks in this session: no need for a second copy */
		struct keep_pieces pieces = { .keep = keep, .header = TRUE };

		return popinjay_uidl_store_write_first(store, keep_more,
						       &pieces, error_r);
	}
	keep_add(keep, saved);
	return popinjay_uidl_store_write(store, saved, error_r);
}

static void keep_natively(const struct keep *keep, struct mailbox *box)
{
	struct popinjay_uidl_native *native;
	const struct keep_entry *entry;

	native = popinjay_uidl_native_begin(box);
	array_foreach(&keep->entries, entry) {
		popinjay_uidl_native_set(native, entry->message->uid,
					 entry->message->uidl);
	}
	popinjay_uidl_native_end(&native);
}

static int
keep_write(const struct keep *keep, struct mailbox *box, const char **error_r)
{
	struct popinjay_uidl_store *store =
		popinjay_uidl_storage_get_store(box);
	int ret;

	if (array_count(&keep->entries) == 0 && !keep_wants_write(store))
		return 1;
	if (popinjay_uidl_store_lock(store, error_r) < 0)
		return -1;
	if (!popinjay_uidl_storage_is_current(box)) {
		/* somebody else has saved in the meantime */
		popinjay_uidl_store_unlock(store);
		popinjay_uidl_storage_forget(box);
		return 0;
	}
	ret = keep_write_locked(keep, store, error_r);
	popinjay_uidl_store_unlock(store);
	if (ret < 0)
		return -1;
	keep_natively(keep, box);
	return 1;
}

/* Save what set says. Returns 1, 0 if the set is another one now, or -1 with
   the reason in error_r. */
static int
keep_save(struct mailbox *box, const struct popinjay_uidl_set *set, bool all,
	  unsigned int *count_r, const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct keep keep;
	bool first;
	int ret;

	*count_r = 0;
	if (!popinjay_uidl_sources_use_saved(puser->uidl_sources, &first)) {
		/* nobody would look at it */
		return 1;
	}
	keep.pool = pool_alloconly_create("popinjay keep", 1024);
	i_array_init(&keep.entries, 128);
	if (!keep_collect(&keep, box, set, all)) {
		popinjay_uidl_storage_want_keys(box);
		ret = 0;
	} else {
		*count_r = array_count(&keep.entries);
		ret = keep_write(&keep, box, error_r);
	}
	array_free(&keep.entries);
	pool_unref(&keep.pool);
	return ret;
}

/* --- The drift guard --- */

/* Returns 1 with what was shown last, 0 if nothing was, or -1 with the reason
   in error_r: *damaged_r says that it was read, and is useless. */
static int
shown_read(struct mailbox *box, struct popinjay_uidl_drift **shown_r,
	   bool *damaged_r, const char **error_r)
{
	struct popinjay_control_file *file =
		popinjay_control_file_create(box, POPINJAY_UIDL_SHOWN_NAME);
	buffer_t *data = buffer_create_dynamic(default_pool, 1024);
	int ret;

	*shown_r = NULL;
	*damaged_r = FALSE;
	ret = popinjay_control_file_read(file, data, error_r);
	if (ret > 0 && !popinjay_control_file_exists(file))
		ret = 0;
	if (ret > 0 && popinjay_uidl_drift_parse(data->data, data->used,
						 shown_r) < 0) {
		*error_r = t_strdup_printf("%s is damaged",
			popinjay_control_file_path(file));
		*damaged_r = TRUE;
		ret = -1;
	}
	buffer_free(&data);
	popinjay_control_file_free(&file);
	return ret;
}

static bool shown_more(void *context, string_t *text)
{
	const struct popinjay_uidl_drift *shown = context;

	popinjay_uidl_drift_write(shown, text);
	return FALSE;
}

static int
shown_write(struct mailbox *box, const struct popinjay_uidl_drift *shown,
	    const char **error_r)
{
	struct popinjay_control_file *file =
		popinjay_control_file_create(box, POPINJAY_UIDL_SHOWN_NAME);
	uoff_t size;
	int ret;

	ret = popinjay_control_file_lock(file, error_r);
	if (ret == 0) {
		ret = popinjay_control_file_replace(file, shown_more,
			(void *)shown, &size, error_r);
	}
	popinjay_control_file_free(&file);
	return ret;
}

static const char *
drift_text(const struct popinjay_uidl_drift_result *drift, unsigned int limit)
{
	return t_strdup_printf(
		"%u of %u messages that were shown before would have another "
		"UIDL, and be downloaded again (popinjay_uidl_drift_limit=%u)",
		drift->changed, drift->compared, limit);
}

static void
drift_log(struct mailbox *box, const struct popinjay_uidl_drift_result *drift,
	  unsigned int limit)
{
	struct event *event = event_create(box->event);

	event_add_category(event, &event_category_popinjay);
	event_set_name(event, "popinjay_uidl_refused");
	event_add_int(event, "compared", drift->compared);
	event_add_int(event, "changed", drift->changed);
	event_add_int(event, "limit", limit);
	e_error(event, "popinjay: UIDL refused: %s: doveadm popinjay uidl "
		"accept -u %s lets it through", drift_text(drift, limit),
		box->storage->user->username);
	event_unref(&event);
}

/* Returns 1, 0 if so much has changed that it is not to be shown, or -1 with
   the reason in error_r if that can't be told. shown_r gets what was shown
   before, or NULL. */
static int
drift_check(struct mailbox *box, const struct popinjay_uidl_set *set,
	    struct popinjay_uidl_drift_result *drift_r,
	    struct popinjay_uidl_drift **shown_r, const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	unsigned int limit = puser->set->popinjay_uidl_drift_limit;
	const char *error;
	bool damaged;
	int ret;

	*shown_r = NULL;
	i_zero(drift_r);
	if (limit == 0)
		return 1;
	ret = shown_read(box, shown_r, &damaged, &error);
	if (ret < 0) {
		*error_r = t_strdup_printf("The UIDLs can't be compared with "
			"those that were shown before: %s", error);
		if (!damaged)
			return -1;
		/* it guards again from now on */
		e_error(box->event, "popinjay: %s", *error_r);
	}
	if (ret <= 0)
		return 1;
	popinjay_uidl_drift_compare(*shown_r, set, drift_r);
	drift_r->refused = popinjay_uidl_drift_exceeds(drift_r, limit);
	return drift_r->refused ? 0 : 1;
}

/* Remember what is shown now, if it is not what was shown before. */
static void
drift_remember(struct mailbox *box, const struct popinjay_uidl_set *set,
	       const struct popinjay_uidl_drift *shown)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct popinjay_uidl_drift *now;
	const char *error;

	if (puser->set->popinjay_uidl_drift_limit == 0)
		return;
	now = popinjay_uidl_drift_create(set, shown);
	if ((shown == NULL || !popinjay_uidl_drift_equals(shown, now)) &&
	    shown_write(box, now, &error) < 0) {
		e_error(box->event, "popinjay: What UIDLs are shown couldn't "
			"be remembered: %s", error);
	}
	popinjay_uidl_drift_free(&now);
}

/* --- Both --- */

int popinjay_uidl_keep_shown(struct mailbox *box,
			     const struct popinjay_uidl_set **set_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct popinjay_uidl_drift_result drift;
	struct popinjay_uidl_drift *shown;
	unsigned int tries, count;
	bool all = puser->set->popinjay_uidl_save;
	const char *error = NULL;
	int ret;

	ret = drift_check(box, *set_r, &drift, &shown, &error);
	if (ret < 0) {
		e_error(box->event, "popinjay: UIDL refused: %s: mend that, or "
			"remove the file and have any UIDLs shown", error);
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP,
				       "The UIDLs can't be compared");
	} else if (ret == 0) {
		drift_log(box, &drift, puser->set->popinjay_uidl_drift_limit);
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP,
				       "Too many UIDLs have changed");
	}
	if (ret <= 0) {
		popinjay_uidl_drift_free(&shown);
		return -1;
	}
	ret = 0;
	for (tries = 0; ret == 0 && tries < SAVE_MAX_TRIES; tries++) {
		if (tries > 0 && popinjay_uidl_storage_get(box, set_r) <= 0) {
			popinjay_uidl_drift_free(&shown);
			return -1;
		}
		ret = keep_save(box, *set_r, all, &count, &error);
	}
	if (ret <= 0) {
		if (ret == 0)
			error = "Other sessions save all the time";
		e_log(box->event, all ? LOG_TYPE_ERROR : LOG_TYPE_WARNING,
		      "popinjay: %u UIDLs are shown that couldn't be saved: "
		      "%s", count, error);
		if (popinjay_uidl_storage_get(box, set_r) <= 0) {
			popinjay_uidl_drift_free(&shown);
			return -1;
		}
	}
	drift_remember(box, *set_r, shown);
	popinjay_uidl_drift_free(&shown);
	return 1;
}

int popinjay_uidl_keep_all(struct mailbox *box, unsigned int *count_r,
			   const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct popinjay_uidl_drift_result drift;
	struct popinjay_uidl_drift *shown;
	const struct popinjay_uidl_set *set;
	unsigned int tries;
	int ret;

	for (tries = 0; tries < SAVE_MAX_TRIES; tries++) {
		if (popinjay_uidl_storage_get(box, &set) <= 0) {
			*error_r = mailbox_get_last_internal_error(box, NULL);
			return -1;
		}
		if (tries == 0) {
			ret = drift_check(box, set, &drift, &shown, error_r);
			popinjay_uidl_drift_free(&shown);
			if (ret == 0) {
				*error_r = drift_text(&drift,
					puser->set->popinjay_uidl_drift_limit);
			}
			if (ret <= 0)
				return -1;
		}
		ret = keep_save(box, set, TRUE, count_r, error_r);
		if (ret != 0) {
			popinjay_uidl_storage_forget(box);
			return ret < 0 ? -1 : 0;
		}
	}
	*error_r = "Other sessions save all the time";
	return -1;
}

int popinjay_uidl_keep_get_drift(struct mailbox *box,
				 struct popinjay_uidl_drift_result *result_r,
				 const char **error_r)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	const struct popinjay_uidl_set *set;
	struct popinjay_uidl_drift *shown;
	bool damaged;
	int ret;

	i_zero(result_r);
	ret = shown_read(box, &shown, &damaged, error_r);
	if (ret <= 0)
		return ret;
	ret = popinjay_uidl_storage_get(box, &set);
	if (ret <= 0) {
		*error_r = mailbox_get_last_internal_error(box, NULL);
		ret = -1;
	} else {
		popinjay_uidl_drift_compare(shown, set, result_r);
		result_r->refused =
			puser->set->popinjay_uidl_drift_limit > 0 &&
			popinjay_uidl_drift_exceeds(result_r,
				puser->set->popinjay_uidl_drift_limit);
	}
	popinjay_uidl_drift_free(&shown);
	return ret;
}

int popinjay_uidl_keep_accept_drift(struct mailbox *box, const char **error_r)
{
	const struct popinjay_uidl_set *set;
	struct popinjay_uidl_drift *shown, *now;
	bool damaged;
	int ret;

	if (popinjay_uidl_storage_get(box, &set) <= 0) {
		*error_r = mailbox_get_last_internal_error(box, NULL);
		return -1;
	}
	if (shown_read(box, &shown, &damaged, error_r) < 0 && !damaged)
		return -1;
	now = popinjay_uidl_drift_create(set, shown);
	ret = shown_write(box, now, error_r);
	popinjay_uidl_drift_free(&now);
	popinjay_uidl_drift_free(&shown);
	return ret;
}
