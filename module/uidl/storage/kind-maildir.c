/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: Maildir. dovecot-uidlist has UIDLs and sizes of all
   messages; a file name claims sizes too, and is the truth to Dovecot. */

#include "lib.h"
#include "istream-private.h"
#include "index-storage.h"
#include "iostream-lz4.h"
#include "maildir-storage.h"
#include "maildir-filename.h"
#include "maildir-uidlist.h"
#include "stored-private.h"
#include "uidlist.h"
#include "whole.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define UIDLIST_PIECE_BYTES (64 * 1024)

/* An extension of Dovecot's index: for each message that was found to be
   smaller than claimed, 1 more than its size then. */
#define SMALLER_EXT_NAME "popinjay-smaller"

/* --- What is stored --- */

/* Look through dovecot-uidlist; stored, which may be NULL, gets the sizes.
   Returns FALSE if it is not as it should be. */
static bool
uidlist_read(struct istream *input, uint32_t uidvalidity,
	     struct popinjay_stored *stored,
	     struct popinjay_stored_facts *facts_r)
{
	struct popinjay_uidlist list;
	struct popinjay_uidlist_entry entry;
	const unsigned char *data, *start;
	uint32_t seq = 1, uid = 0;
	size_t size;
	int ret;

	i_zero(facts_r);
	popinjay_uidlist_init(&list, uidvalidity);
	while (i_stream_read(input) > 0) {
		start = data = i_stream_get_data(input, &size);
		while ((ret = popinjay_uidlist_next(&list, &data, &size,
						    &entry)) > 0) {
			facts_r->uidls = facts_r->uidls ||
				entry.pop3_uidl.data != NULL;
			facts_r->orders = facts_r->orders || entry.pop3_order;
			if (stored == NULL)
				continue;
			/* both are in the order of uids */
			for (; seq <= stored->count; seq++) {
				mail_index_lookup_uid(stored->trans->view, seq,
						      &uid);
				if (uid >= entry.uid)
					break;
			}
			if (seq <= stored->count && uid == entry.uid)
				stored->sizes[seq - 1] = entry.virtual_size;
		}
		i_stream_skip(input, data - start);
		if (ret < 0)
			return FALSE;
	}
	return input->stream_errno == 0 && input->eof && list.version != 0;
}

static bool
maildir_read_facts(struct mailbox *box, uint32_t uidvalidity,
		   struct popinjay_stored *stored,
		   struct popinjay_stored_facts *facts_r)
{
	struct istream *input;
	const char *dir, *path;
	bool ret;
	int fd;

	/* what another host wrote might not be seen yet */
	if (box->storage->set->mail_nfs_storage ||
	    mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_CONTROL,
				&dir) <= 0)
		return FALSE;
	path = t_strconcat(dir, "/"MAILDIR_UIDLIST_NAME, NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return FALSE;
	input = i_stream_create_fd_autoclose(&fd, UIDLIST_PIECE_BYTES);
	ret = uidlist_read(input, uidvalidity, stored, facts_r);
	i_stream_unref(&input);
	return ret;
}

static void maildir_stored_init(struct popinjay_stored *stored)
{
	uint32_t i;

	stored->count = mail_index_view_get_messages_count(stored->trans->view);
	stored->sizes = i_new(uoff_t, I_MAX(stored->count, 1));
	for (i = 0; i < stored->count; i++)
		stored->sizes[i] = UOFF_T_MAX;
}

static bool
maildir_get_size(struct popinjay_stored *stored, uint32_t seq, uoff_t *size_r)
{
	*size_r = seq <= stored->count ? stored->sizes[seq - 1] : UOFF_T_MAX;
	return *size_r != UOFF_T_MAX;
}

static int maildir_stat(struct maildir_mailbox *mbox ATTR_UNUSED,
			const char *path, struct stat *st)
{
	if (stat(path, st) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

static bool maildir_get_file_size(struct mail *mail, uoff_t *size_r)
{
	struct stat st;

	if (maildir_file_do(MAILDIR_MAILBOX(mail->box), mail->uid,
			    maildir_stat, &st) <= 0)
		return FALSE;
	*size_r = st.st_size;
	return TRUE;
}

/* A program that knows nothing of Dovecot's index may have removed the file,
   and nobody may have noticed yet. */
static bool maildir_has_message(struct mailbox *box, uint32_t uid)
{
	struct stat st;

	return maildir_file_do(MAILDIR_MAILBOX(box), uid, maildir_stat,
			       &st) != 0;
}

/* --- Whether all of a message was read --- */

static bool
maildir_get_held_size(const struct popinjay_holder *holder, uoff_t *size_r)
{
	struct stat st;
	int fd = i_stream_get_fd(holder->stream);

	if (holder->stream->real_stream->parent != NULL ||
	    fd == -1 || fstat(fd, &st) < 0)
		return FALSE;
	*size_r = st.st_size;
	return TRUE;
}

static bool maildir_is_unchanged(const struct popinjay_holder *holder,
				 const char **text_r)
{
	uoff_t size = holder->size_bytes;

	if (maildir_get_held_size(holder, &size) && size == holder->size_bytes)
		return TRUE;
	*text_r = t_strdup_printf("%s had %"PRIuUOFF_T" bytes when it was "
		"opened, and %"PRIuUOFF_T" when it was read",
		i_stream_get_name(holder->stream), holder->size_bytes, size);
	return FALSE;
}

/* Returns TRUE if the size as stored is claimed. */
static bool get_claimed_size(struct mail *mail, uoff_t *size_r)
{
	enum mail_lookup_abort lookup_abort = mail->lookup_abort;
	int ret;

	mail->lookup_abort = MAIL_LOOKUP_ABORT_NOT_IN_CACHE;
	ret = mail_get_physical_size(mail, size_r);
	mail->lookup_abort = lookup_abort;
	return ret == 0;
}

/* Returns TRUE if the file name claims a size; what index and cache claim does
   not count then. */
static bool name_claims_size(struct mail *mail, char key)
{
	const char *name;
	uoff_t size;

	return mail_get_special(mail, MAIL_FETCH_STORAGE_ID, &name) < 0 ||
		maildir_filename_get_size(name, key, &size);
}

/* Returns TRUE if no session before this one has noticed that the message is
   smaller than claimed. */
static bool notice_smaller(struct mail *mail, uoff_t size_bytes)
{
	uint32_t ext_id, size = (uint32_t)size_bytes + 1;
	const void *data;

	/* the next session could not know, and the client would fetch the
	   message for ever */
	if (mail_index_is_in_memory(mail->box->index))
		return FALSE;
	ext_id = mail_index_ext_register(mail->box->index, SMALLER_EXT_NAME, 0,
					 sizeof(size), sizeof(size));
	mail_index_lookup_ext(mail->box->view, mail->seq, ext_id, &data, NULL);
	if (data != NULL && memcmp(data, &size, sizeof(size)) == 0)
		return FALSE;
	mail_index_update_ext(mail->transaction->itrans, mail->seq, ext_id,
			      &size, NULL);
	return TRUE;
}

static int maildir_read_magic(struct maildir_mailbox *mbox ATTR_UNUSED,
			      const char *path, char *magic)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	size = read(fd, magic, IOSTREAM_LZ4_MAGIC_LEN);
	i_close_fd(&fd);
	return size == (ssize_t)IOSTREAM_LZ4_MAGIC_LEN ? 1 : -1;
}

/* Returns FALSE if nothing in the file tells where it ends: lz4 files that have
   lost their last chunks are like others. */
static bool has_end(const struct popinjay_holder *holder)
{
	struct mail *mail = holder->mail;
	char magic[IOSTREAM_LZ4_MAGIC_LEN];

	return holder->size_known ||
		(maildir_file_do(MAILDIR_MAILBOX(mail->box), mail->uid,
				 maildir_read_magic, magic) > 0 &&
		 memcmp(magic, IOSTREAM_LZ4_MAGIC, sizeof(magic)) != 0);
}

/* Where the file is compressed or encrypted, most decoders have seen the
   end. */
static enum popinjay_whole
maildir_compare(const struct popinjay_holder *holder,
		const struct popinjay_read_sizes *sizes, const char **text_r)
{
	struct mail *mail = holder->mail;
	const struct maildir_storage *storage =
		MAILDIR_STORAGE(mail->box->storage);
	uoff_t claimed = UOFF_T_MAX, size = sizes->read_bytes;
	bool told_wrong = *text_r != NULL, claimed_wrong = FALSE, smaller;

	if (!get_claimed_size(mail, &claimed)) {
		/* the client was told what is claimed with CRLF */
		smaller = sizes->virtual_bytes < sizes->told_bytes &&
			!storage->set->maildir_broken_filename_sizes;
	} else {
		claimed_wrong = claimed != size;
		smaller = size < claimed;
	}
	if (!told_wrong && !claimed_wrong)
		return POPINJAY_WHOLE;

	if (claimed_wrong) {
		*text_r = t_strdup_printf("%"PRIuUOFF_T" bytes, not the "
			"%"PRIuUOFF_T" that its file name or the index claims",
			size, claimed);
	}
	/* A file name that claims a wrong size, Dovecot would correct, and the
	   message would have another uid. */
	if (!name_claims_size(mail, MAILDIR_EXTRA_VIRTUAL_SIZE) &&
	    ((told_wrong && sizes->told_bytes != claimed) ||
	     !name_claims_size(mail, MAILDIR_EXTRA_FILE_SIZE)))
		popinjay_holder_forget_size(holder, MAIL_FETCH_VIRTUAL_SIZE);
	if (smaller && !has_end(holder)) {
		*text_r = t_strconcat("The message has ", *text_r, NULL);
		return POPINJAY_WHOLE_NOT;
	}
	return smaller && notice_smaller(mail, size) ?
		POPINJAY_WHOLE_SMALLER : POPINJAY_WHOLE_OTHER_SIZE;
}

const struct popinjay_storage_kind popinjay_storage_maildir = {
	.name = MAILDIR_STORAGE_NAME,
	.stores_uidls = TRUE,
	.read_facts = maildir_read_facts,
	.stored_init = maildir_stored_init,
	.get_size = maildir_get_size,
	.get_file_size = maildir_get_file_size,
	.has_message = maildir_has_message,
	.get_held_size = maildir_get_held_size,
	.is_unchanged = maildir_is_unchanged,
	.compare = maildir_compare
};
