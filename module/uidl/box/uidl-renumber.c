/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: gives popinjay-uidl the uids that messages have now, and
   tells who needs to know where those of old uids are. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
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

static void
add_moved(ARRAY_TYPE(popinjay_uidl_moved) *moved,
	  const struct popinjay_uidl_entry *entry, uint32_t uid)
{
	struct popinjay_uidl_moved move = {
		entry->uidvalidity, entry->uid, uid
	};

	if (entry->uidvalidity != 0)
		array_push_back(moved, &move);
}

static int
tell_hook(struct mailbox *box, const struct popinjay_uidl_saved *saved,
	  const ARRAY_TYPE(match) *matches, const char **error_r)
{
	ARRAY_TYPE(popinjay_uidl_moved) moved;
	struct popinjay_uidl_entry *const *entryp;
	const struct match *match;
	int ret;

	i_array_init(&moved, array_count(matches) + 1);
	array_foreach(matches, match) {
		if (match->entry != NULL)
			add_moved(&moved, match->entry, match->uid);
	}
	if (saved != NULL) {
		array_foreach(popinjay_uidl_saved_get(saved), entryp) {
			if (!(*entryp)->matched)
				add_moved(&moved, *entryp, 0);
		}
	}
	ret = renumber_hook->moved(box, &moved, error_r);
	array_free(&moved);
	return ret;
}

/* Returns 1, or 0 if all have the uids of now. */
static int
write_uids(struct popinjay_saved_file *file, uint32_t uidvalidity,
	   const ARRAY_TYPE(match) *matches, const char **error_r)
{
	struct popinjay_uidl_saved *saved, *old = popinjay_saved_file_get(file);
	struct popinjay_uidl_entry *const *entryp, *entry;
	const struct match *match;

	if (popinjay_uidl_saved_is_numbered(old, uidvalidity))
		return 0;
	array_foreach(matches, match) {
		if (match->entry != NULL) {
			match->entry->uid = match->uid;
			match->entry->uidvalidity = uidvalidity;
		}
	}
	/* a copy: entries of one key stand in the order of their uids */
	saved = popinjay_uidl_saved_create();
	array_foreach(popinjay_uidl_saved_get(old), entryp) {
		const struct popinjay_uidl_entry *from = *entryp;

		entry = popinjay_uidl_saved_set(saved, from->uidvalidity,
						from->uid, from->key,
						from->uidl);
		entry->matched = from->matched;
		entry->gone = from->gone;
		/* as the file says then */
		if (!from->matched && from->gone == 0 &&
		    from->uidvalidity != uidvalidity)
			entry->gone = ioloop_time;
	}
	return popinjay_saved_file_write(file, saved, error_r) < 0 ? -1 : 1;
}

static uint32_t get_uidvalidity(struct mailbox *box)
{
	struct mailbox_status status;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	return status.uidvalidity;
}

static bool is_numbered(struct popinjay_uidl_box *ubox)
{
	const struct popinjay_uidl_saved *saved = popinjay_saved_file_get(
		popinjay_uidl_box_get_file(ubox));

	return saved == NULL ||
		popinjay_uidl_saved_is_numbered(saved,
						get_uidvalidity(ubox->box));
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
		ret = tell_hook(ubox->box, saved, &matches, error_r);
	if (ret == 0 && saved != NULL) {
		popinjay_uidl_box_forget(ubox);
		ret = write_uids(file, get_uidvalidity(ubox->box), &matches,
				 error_r);
	}
	array_free(&matches);
	pool_unref(&pool);
	return ret;
}

int popinjay_uidl_renumber_locked(struct popinjay_uidl_box *ubox,
				  const char **error_r)
{
	if (renumber_hook == NULL ||
	    !renumber_hook->wanted(ubox->box, is_numbered(ubox)))
		return 0;
	return renumber(ubox, error_r);
}

int popinjay_uidl_renumber(struct popinjay_uidl_box *ubox,
			   const char **error_r)
{
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	int ret;

	i_assert(renumber_hook != NULL);
	if (popinjay_saved_file_refresh(file, error_r) < 0)
		return -1;
	if (is_numbered(ubox) && !renumber_hook->wanted(ubox->box, TRUE))
		return 0;
	if (popinjay_saved_file_lock(file, error_r) < 0)
		return -1;
	ret = renumber(ubox, error_r);
	popinjay_saved_file_unlock(file);
	return ret < 0 ? -1 : 0;
}
