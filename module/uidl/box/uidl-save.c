/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: saves the UIDLs of a mailbox, so that clients see the same
   ones ever after (RFC 1939 section 7). */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-storage-private.h"
#include "saved-file.h"
#include "stored-writer.h"
#include "uidl-box.h"
#include "uidl-save.h"
#include "uidl-renumber.h"
#include "uidl-saved.h"
#include "uidl-sources.h"
#include "uidl.h"
#include "user.h"

struct save_entry {
	const struct popinjay_uidl *message;
	/* its key, or what stands for it */
	const char *key;
};

/* The messages whose UIDLs are to be saved. */
struct save {
	pool_t pool;
	ARRAY(struct save_entry) entries;
	/* of their uids */
	uint32_t uidvalidity;
};

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
save_collect(struct save *save, struct mailbox *box,
	     const struct popinjay_uidl_set *set, bool all)
{
	const struct popinjay_uidl *messages;
	struct mailbox_status status;
	struct save_entry *entry;
	unsigned int i, count;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	save->uidvalidity = status.uidvalidity;
	messages = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		if (!wants_save(&messages[i], all) || messages[i].provisional)
			continue;
		entry = array_append_space(&save->entries);
		entry->message = &messages[i];
		entry->key = messages[i].key;
		if (entry->key == NULL)
			return FALSE;
		if (*entry->key == '\0') T_BEGIN {
			string_t *key = t_str_new(32);

			popinjay_uidl_saved_unknown_key(key,
				status.uidvalidity, messages[i].uid);
			entry->key = p_strdup(save->pool, str_c(key));
		} T_END;
	}
	return TRUE;
}

static void
save_add(const struct save *save, struct popinjay_uidl_saved *saved)
{
	const struct save_entry *entry;

	array_foreach(&save->entries, entry) {
		popinjay_uidl_saved_set(saved, save->uidvalidity,
			entry->message->uid, entry->key,
			entry->message->uidl)->matched = TRUE;
	}
}

struct save_pieces {
	const struct save *save;
	unsigned int pos;
	/* begin with the first line of a file */
	bool header;
};

static bool save_more(void *context, string_t *text)
{
	struct save_pieces *pieces = context;
	const struct save_entry *entries;
	unsigned int count;

	entries = array_get(&pieces->save->entries, &count);
	if (pieces->header && pieces->pos == 0) {
		popinjay_uidl_saved_write_header(text, count,
			pieces->save->uidvalidity);
	}
	while (pieces->pos < count &&
	       str_len(text) < POPINJAY_CONTROL_FILE_PIECE_BYTES) T_BEGIN {
		const struct save_entry *entry = &entries[pieces->pos++];

		popinjay_uidl_saved_append(text, entry->message->uid,
					   entry->key, entry->message->uidl,
					   0);
	} T_END;
	return pieces->pos < count;
}

static int
save_append(const struct save *save, struct popinjay_saved_file *file,
	    const char **error_r)
{
	struct save_pieces pieces = { .save = save };
	string_t *lines = str_new(default_pool, 1024);
	bool more = TRUE;
	int ret = 0;

	while (more && ret == 0) {
		str_truncate(lines, 0);
		more = save_more(&pieces, lines);
		ret = popinjay_saved_file_append(file, save->uidvalidity,
						 lines, !more, error_r);
	}
	str_free(&lines);
	return ret;
}

/* Returns TRUE if it is time to write the whole file anew. */
static bool wants_rewrite(struct popinjay_saved_file *file)
{
	const struct popinjay_uidl_saved *saved = popinjay_saved_file_get(file);
	struct popinjay_uidl_view view;

	if (saved == NULL)
		return FALSE;
	popinjay_saved_file_get_view(file, &view);
	return popinjay_uidl_saved_wants_write(saved, &view);
}

static int
save_locked(const struct save *save, struct popinjay_saved_file *file,
	    const char **error_r)
{
	struct popinjay_uidl_saved *saved = popinjay_saved_file_get(file);

	if (saved == NULL) {
		/* nobody asks in this session: no need for a second copy */
		struct save_pieces pieces = { .save = save, .header = TRUE };

		return popinjay_saved_file_write_first(file, save_more,
						       &pieces, error_r);
	}
	if (wants_rewrite(file)) {
		save_add(save, saved);
		return popinjay_saved_file_write(file, saved, error_r);
	}
	if (save_append(save, file, error_r) < 0)
		return -1;
	save_add(save, saved);
	return 0;
}

/* Give them to the storage as well. */
static void save_stored(const struct save *save, struct mailbox *box)
{
	struct popinjay_stored_writer *writer;
	const struct save_entry *entry;

	writer = popinjay_stored_writer_begin(box);
	array_foreach(&save->entries, entry) {
		popinjay_stored_writer_set(writer, entry->message->uid,
					   entry->message->uidl);
	}
	popinjay_stored_writer_end(&writer);
}

static int save_write(const struct save *save, struct popinjay_uidl_box *ubox,
		      const char **error_r)
{
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	int ret;

	if (array_count(&save->entries) == 0 && !wants_rewrite(file))
		return 1;
	if (popinjay_saved_file_lock(file, error_r) < 0)
		return -1;
	ret = popinjay_uidl_renumber_locked(ubox, error_r);
	if (ret != 0 || !popinjay_uidl_box_is_current(ubox)) {
		/* we or somebody else have saved in the meantime */
		popinjay_saved_file_unlock(file);
		popinjay_uidl_box_forget(ubox);
		return ret < 0 ? -1 : 0;
	}
	ret = save_locked(save, file, error_r);
	popinjay_saved_file_unlock(file);
	if (ret < 0)
		return -1;
	save_stored(save, ubox->box);
	return 1;
}

int popinjay_uidl_save(struct popinjay_uidl_box *ubox,
		       const struct popinjay_uidl_set *set, bool all,
		       unsigned int *count_r, const char **error_r)
{
	struct save save;
	bool first;
	int ret;

	*count_r = 0;
	if (!popinjay_uidl_sources_use_saved(ubox->user->uidl_sources,
					     &first)) {
		/* nobody would look at it */
		return 1;
	}
	save.pool = pool_alloconly_create("popinjay save", 1024);
	i_array_init(&save.entries, 128);
	if (!save_collect(&save, ubox->box, set, all)) {
		popinjay_uidl_box_want_keys(ubox);
		ret = 0;
	} else {
		*count_r = array_count(&save.entries);
		ret = save_write(&save, ubox, error_r);
	}
	array_free(&save.entries);
	pool_unref(&save.pool);
	return ret;
}
