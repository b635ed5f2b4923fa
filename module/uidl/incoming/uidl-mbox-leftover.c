/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the messages that doveadm sync or backup left in an mbox
   when it was killed. They are there, and are not brought again; the index does
   not know them. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "seq-range-array.h"
#include "str.h"
#include "index-storage.h"
#include "mbox-storage.h"
#include "mbox-file.h"
#include "mbox-lock.h"
#include "mbox-sync-private.h"
#include "saved-file.h"
#include "uidl-mbox-leftover.h"
#include "uidl-mbox.h"
#include "uidl-saved.h"

#include <fcntl.h>
#include <unistd.h>

/* headers that mbox writes, and takes from no sender */
#define X_UID "X-UID: "
#define LENGTH "Content-Length: "

/* lines of mails are not that long */
#define MAX_LINE 65536

struct left_message {
	/* of its From line and of its header */
	uoff_t offset, header_offset;
	/* 0 unless the UIDL of this message is saved */
	uint32_t uid;
	/* of the body; it is written when that is there */
	uoff_t length;
	bool has_length;
};

/* What was left. */
struct left {
	struct mbox_mailbox *mbox;
	const struct popinjay_uidl_saved *saved;
	/* whose UIDLs are saved, and that no message of the index has */
	ARRAY_TYPE(seq_range) uids;

	/* of these, the highest that a message has; 0 if none has one */
	uint32_t highest_uid;
	/* where the last message ends, 0 if that is not known */
	uoff_t end_offset;
	/* where a last message begins that is not whole */
	uoff_t cut_offset;
	uint32_t cut_uid;
	/* nothing of others follows */
	bool is_end:1;
};

/* Returns TRUE if any message may have been left. */
static bool
left_get_uids(struct left *left, struct popinjay_saved_file *file)
{
	struct mail_index_view *view;
	const struct mail_index_header *hdr;
	const char *error;

	array_clear(&left->uids);
	if (popinjay_saved_file_refresh(file, &error) < 0)
		return FALSE;
	left->saved = popinjay_saved_file_get(file);
	if (left->saved == NULL)
		return FALSE;
	/* the mailbox's own view is as old as its last sync */
	view = mail_index_view_open(left->mbox->box.index);
	hdr = mail_index_get_header(view);
	if (hdr->uid_validity != 0) {
		popinjay_uidl_saved_get_uids(left->saved, hdr->next_uid,
					     &left->uids);
	}
	mail_index_view_close(&view);
	return array_count(&left->uids) > 0;
}

/* Returns the next line without its LF, NULL if there is none or it is too
   long. */
static const char *next_line(struct istream *input)
{
	const char *line;

	while ((line = i_stream_next_line(input)) == NULL) {
		if (i_stream_read(input) <= 0)
			break;
	}
	return line;
}

/* Read the next message up to its body. Returns FALSE if there is none, with no
   header_offset, or not all of its header. */
static bool left_read(const struct left *left, struct istream *input,
		      struct left_message *message_r)
{
	const char *line;

	i_zero(message_r);
	message_r->offset = input->v_offset;
	line = next_line(input);
	if (line != NULL && *line == '\0') {
		/* that is behind the one before */
		message_r->offset = input->v_offset;
		line = next_line(input);
	}
	if (line == NULL)
		return FALSE;
	message_r->header_offset = input->v_offset;
	if (strncmp(line, "From ", 5) != 0)
		return FALSE;
	while ((line = next_line(input)) != NULL && *line != '\0') {
		if (strncmp(line, X_UID, strlen(X_UID)) == 0 &&
		    (str_to_uint32(line + strlen(X_UID),
				   &message_r->uid) < 0 ||
		     !seq_range_exists(&left->uids, message_r->uid)))
			message_r->uid = 0;
		/* from a sender, it may be one that leads back to here */
		if (strncmp(line, LENGTH, strlen(LENGTH)) == 0 &&
		    str_to_uoff(line + strlen(LENGTH),
				&message_r->length) == 0 &&
		    message_r->length <= OFF_T_MAX)
			message_r->has_length = TRUE;
	}
	return line != NULL;
}

/* Returns TRUE if another message may follow in the file. */
static bool has_next(struct istream *input)
{
	uoff_t offset = input->v_offset;
	const char *line, *end;

	for (; (line = next_line(input)) != NULL; offset = input->v_offset) {
		/* the one before may end anywhere in a line, or with NULs */
		end = line + (input->v_offset - offset) - strlen("\n");
		for (; line < end; line += strlen(line) + 1) {
			if (strstr(line, "From ") != NULL)
				return TRUE;
		}
	}
	return !input->eof || input->stream_errno != 0;
}

/* Returns TRUE if its UIDL was saved for a longer message with this header. If
   for one of its size, it ends where the file does. */
static bool left_is_cut(struct left *left, struct istream *input,
			const struct left_message *message)
{
	struct popinjay_uidl_entry *const *entryp;
	string_t *key = t_str_new(64);
	struct istream *rest;
	const char *size;
	uoff_t file_size = input->v_offset, size_bytes, whole_bytes;
	bool foretold;

	/* what filters headers takes the offset for a part of the message */
	i_stream_seek(input, message->header_offset);
	rest = i_stream_create_limit(input, UOFF_T_MAX);
	foretold = popinjay_uidl_mbox_foretell_key(&left->mbox->box, rest, key);
	i_stream_unref(&rest);
	if (!foretold)
		return FALSE;
	size = strrchr(str_c(key), '-') + 1;
	if (str_to_uoff(size, &size_bytes) < 0)
		return FALSE;
	array_foreach(popinjay_uidl_saved_get(left->saved), entryp) {
		const struct popinjay_uidl_entry *entry = *entryp;
		size_t hash_len = size - str_c(key);

		if (entry->uid == message->uid &&
		    strncmp(entry->key, str_c(key), hash_len) == 0 &&
		    str_to_uoff(entry->key + hash_len, &whole_bytes) == 0) {
			if (size_bytes == whole_bytes)
				left->end_offset = file_size;
			return size_bytes < whole_bytes;
		}
	}
	return FALSE;
}

/* Look at what is in the file behind what the index knows. */
static void left_find(struct left *left)
{
	struct left_message message;
	struct istream *input;

	/* no other descriptor: closing it would end the lock */
	input = i_stream_create_fd(left->mbox->mbox_fd, MAX_LINE);
	i_stream_seek(input, left->mbox->mbox_hdr.sync_size);
	while (left_read(left, input, &message) && message.has_length) {
		left->highest_uid = I_MAX(left->highest_uid, message.uid);
		left->is_end = message.uid != 0;
		left->end_offset = input->v_offset + message.length;
		i_stream_seek(input, left->end_offset);
	}
	if (message.header_offset > 0) {
		left->end_offset = 0;
		/* it was not saved to its end, or by others */
		left->is_end = message.uid != 0 && !has_next(input);
		if (left->is_end && left_is_cut(left, input, &message)) {
			left->cut_uid = message.uid;
			left->cut_offset = message.offset;
		} else {
			left->highest_uid = I_MAX(left->highest_uid,
						  message.uid);
		}
	}
	i_stream_unref(&input);
}

static int left_end(const struct left *left)
{
	struct mailbox *box = &left->mbox->box;
	const char *error;

	if (!left->is_end)
		return 0;
	if (left->cut_uid == 0) {
		if (popinjay_uidl_mbox_end_last(box, left->end_offset,
						&error) == 0)
			return 0;
		e_error(box->event, "popinjay: %s", error);
		return -1;
	}
	if (ftruncate(left->mbox->mbox_fd, left->cut_offset) < 0) {
		e_error(box->event, "popinjay: ftruncate(%s) failed: %m",
			mailbox_get_path(box));
		return -1;
	}
	e_warning(box->event, "popinjay: Removed a part of the message with "
		  "UID %u: doveadm was killed while it saved that, and sync or "
		  "backup brings it again", left->cut_uid);
	return 0;
}

static void
left_take(struct left *left, struct popinjay_saved_file *file)
{
	struct mbox_mailbox *mbox = left->mbox;
	struct mailbox_update update;

	if ((mbox->mbox_fd == -1 && mbox_file_open(mbox) < 0) ||
	    mbox_sync_header_refresh(mbox) < 0 || !left_get_uids(left, file))
		return;
	left_find(left);
	if (left_end(left) < 0 || left->highest_uid == 0)
		return;
	i_zero(&update);
	update.min_next_uid = left->highest_uid + 1;
	/* what goes wrong does so once more in a moment, when all of the
	   mailbox is synced */
	(void)mailbox_update(&mbox->box, &update);
}

void popinjay_uidl_mbox_take_leftover(struct mailbox *box,
				  struct popinjay_saved_file *file)
{
	struct mbox_mailbox *mbox = MBOX_MAILBOX(box);
	struct left left;
	unsigned int lock_id;

	i_zero(&left);
	left.mbox = mbox;
	t_array_init(&left.uids, 16);
	if (mbox->mbox_lock_type == F_RDLCK || mbox_is_backend_readonly(mbox) ||
	    !left_get_uids(&left, file) ||
	    mbox_sync_has_changed(mbox, TRUE) <= 0)
		return;
	/* without the lock, they may be those of a process that lives */
	if (mbox_lock(mbox, F_WRLCK, &lock_id) <= 0)
		return;
	left_take(&left, file);
	mbox_unlock(mbox, lock_id);
}
