/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: gives popinjay-uidl the uids that messages have now, and
   tells who needs to know where those of old uids are. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-storage-private.h"
#include "saved-file.h"
#include "uidl-box.h"
#include "uidl-make.h"
#include "uidl-renumber.h"
#include "uidl-saved.h"

static const struct popinjay_uidl_renumber_hook *renumber_hook;

/* A message and what is saved of it. */
struct match {
	struct popinjay_uidl_entry *entry;
	/* while there may be one */
	const char *key;
	uint32_t uid;
};
ARRAY_DEFINE_TYPE(match, struct match);

void
popinjay_uidl_renumber_hook_set(const struct popinjay_uidl_renumber_hook *hook)
{
	renumber_hook = hook;
}

static int match_find(struct popinjay_uidl_saved *saved, struct mail *mail,
		      uint32_t uidvalidity, pool_t pool,
		      ARRAY_TYPE(match) *matches, const char **error_r)
{
	struct match match = { .uid = mail->uid };
	string_t *key = t_str_new(64);
	enum mail_error error;
	bool rest;

	if (popinjay_uidl_make_key(mail, key) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(mail->box,
								    &error));
		return error == MAIL_ERROR_EXPUNGED ? 0 : -1;
	}
	match.entry = popinjay_uidl_saved_find(saved, uidvalidity, mail->uid,
					       str_c(key), &rest);
	if (match.entry == NULL && !rest)
		return 0;
	if (match.entry == NULL)
		match.key = p_strdup(pool, str_c(key));
	array_push_back(matches, &match);
	return 0;
}

/* Find what is saved of each message, as whoever makes their UIDLs does. */
static int
find_matches(struct mailbox *box, struct popinjay_uidl_saved *saved,
	     pool_t pool, ARRAY_TYPE(match) *matches, const char **error_r)
{
	struct mailbox_transaction_context *trans;
	struct mailbox_status status;
	struct mail *mail;
	struct match *match;
	uint32_t seq;
	int ret = 0;

	mailbox_get_open_status(box, STATUS_MESSAGES | STATUS_UIDVALIDITY,
				&status);
	popinjay_uidl_saved_unmatch(saved);
	trans = mailbox_transaction_begin(box, 0, __func__);
	mail = mail_alloc(trans, MAIL_FETCH_GUID, NULL);
	for (seq = 1; seq <= status.messages && ret == 0; seq++) T_BEGIN {
		const char *error;

		mail_set_seq(mail, seq);
		ret = match_find(saved, mail, status.uidvalidity, pool,
				 matches, &error);
		if (ret < 0)
			*error_r = p_strdup(pool, error);
	} T_END;
	mail_free(&mail);
	(void)mailbox_transaction_commit(&trans);
	array_foreach_modifiable(matches, match) {
		if (match->entry == NULL) {
			match->entry = popinjay_uidl_saved_find_rest(
				saved, match->key);
		}
	}
	if (ret < 0)
		*error_r = t_strdup(*error_r);
	return ret;
}

static int
tell_hook(struct mailbox *box, const ARRAY_TYPE(match) *matches,
	  const char **error_r)
{
	ARRAY_TYPE(popinjay_uidl_moved) moved;
	const struct match *match;
	int ret;

	i_array_init(&moved, array_count(matches));
	array_foreach(matches, match) {
		if (match->entry != NULL) {
			struct popinjay_uidl_moved move = {
				match->entry->uid, match->uid
			};

			array_push_back(&moved, &move);
		}
	}
	ret = renumber_hook->moved(box, &moved, error_r);
	array_free(&moved);
	return ret;
}

/* Returns 1, or 0 if all have the uids of now. */
static int
write_uids(struct popinjay_saved_file *file, const ARRAY_TYPE(match) *matches,
	   const char **error_r)
{
	struct popinjay_uidl_saved *saved, *old = popinjay_saved_file_get(file);
	struct popinjay_uidl_entry *const *entryp, *entry;
	const struct match *match;
	bool changed = FALSE;

	array_foreach(matches, match) {
		if (match->entry != NULL && match->entry->uid != match->uid) {
			match->entry->uid = match->uid;
			changed = TRUE;
		}
	}
	if (!changed)
		return 0;
	/* a copy: entries of one key stand in the order of their uids */
	saved = popinjay_uidl_saved_create();
	array_foreach(popinjay_uidl_saved_get(old), entryp) {
		entry = popinjay_uidl_saved_set(saved, (*entryp)->uid,
						(*entryp)->key,
						(*entryp)->uidl);
		entry->matched = (*entryp)->matched;
		entry->gone = (*entryp)->gone;
	}
	return popinjay_saved_file_write(file, saved, error_r) < 0 ? -1 : 1;
}

static int renumber(struct popinjay_uidl_box *ubox, const char **error_r)
{
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	struct popinjay_uidl_saved *saved = popinjay_saved_file_get(file);
	ARRAY_TYPE(match) matches;
	pool_t pool = pool_alloconly_create("popinjay renumber", 1024);
	int ret = 0;

	i_array_init(&matches, 128);
	if (saved != NULL)
		ret = find_matches(ubox->box, saved, pool, &matches, error_r);
	if (ret == 0)
		ret = tell_hook(ubox->box, &matches, error_r);
	if (ret == 0 && saved != NULL) {
		popinjay_uidl_box_forget(ubox);
		ret = write_uids(file, &matches, error_r);
	}
	if (ret >= 0 && renumber_hook->renumbered(ubox->box, error_r) < 0)
		ret = -1;
	array_free(&matches);
	pool_unref(&pool);
	return ret;
}

int popinjay_uidl_renumber_locked(struct popinjay_uidl_box *ubox,
				  const char **error_r)
{
	if (renumber_hook == NULL || !renumber_hook->wanted(ubox->box))
		return 0;
	return renumber(ubox, error_r);
}

int popinjay_uidl_renumber(struct popinjay_uidl_box *ubox,
			   const char **error_r)
{
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	int ret;

	i_assert(renumber_hook != NULL);
	if (popinjay_saved_file_lock(file, error_r) < 0)
		return -1;
	ret = renumber(ubox, error_r);
	popinjay_saved_file_unlock(file);
	return ret < 0 ? -1 : 0;
}
