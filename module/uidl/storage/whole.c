/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: whether all of a message was read. */

#include "lib.h"
#include "istream-private.h"
#include "mail-storage-private.h"
#include "dbox-file.h"
#include "dbox-mail.h"
#include "iostream-lz4.h"
#include "maildir-storage.h"
#include "maildir-filename.h"
#include "whole.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* An extension of Dovecot's index: for each message that was found to be
   smaller than claimed, 1 more than its size then. */
#define SMALLER_EXT_NAME "popinjay-smaller"

void popinjay_holder_prepare(struct mailbox_transaction_context *trans)
{
	/* It compares in transactions whose statistics it keeps, and takes a
	   claim for the truth. */
	trans->stats_track =
		popinjay_storage_kind(trans->box) == POPINJAY_STORAGE_UNKNOWN;
}

static bool file_get_size(const struct istream *stream, uoff_t *size_r)
{
	struct stat st;
	int fd = i_stream_get_fd((struct istream *)stream);

	if (fd == -1 || fstat(fd, &st) < 0)
		return FALSE;
	*size_r = st.st_size;
	return TRUE;
}

void popinjay_holder_init(struct popinjay_holder *holder, struct mail *mail,
			  struct istream *stream)
{
	const struct istream *parent = stream->real_stream->parent;
	const struct dbox_mail *dbox_mail;
	const struct dbox_file *file;

	i_zero(holder);
	holder->kind = popinjay_storage_kind(mail->box);
	holder->mail = mail;
	holder->stream = stream;
	switch (holder->kind) {
	case POPINJAY_STORAGE_MAILDIR:
		holder->size_known = parent == NULL &&
			file_get_size(stream, &holder->size_bytes);
		break;
	case POPINJAY_STORAGE_DBOX:
		dbox_mail = DBOX_MAIL(mail);
		file = dbox_mail->open_file;
		holder->size_known = file != NULL && parent == file->input;
		if (holder->size_known)
			holder->size_bytes = file->cur_physical_size;
		break;
	case POPINJAY_STORAGE_MBOX:
	case POPINJAY_STORAGE_UNKNOWN:
		break;
	}
}

/* Returns TRUE if what holds the message is still as large as when it was
   opened, and was read to its end. */
static bool holder_is_read(const struct popinjay_holder *holder,
			   uoff_t read_bytes, const char **text_r)
{
	uoff_t size = holder->size_bytes;

	if (holder->kind == POPINJAY_STORAGE_MAILDIR &&
	    (!file_get_size(holder->stream, &size) ||
	     size != holder->size_bytes)) {
		*text_r = t_strdup_printf("%s had %"PRIuUOFF_T" bytes when it "
			"was opened, and %"PRIuUOFF_T" when it was read",
			i_stream_get_name(holder->stream), holder->size_bytes,
			size);
		return FALSE;
	}
	if (read_bytes != size) {
		*text_r = t_strdup_printf("%s ends after %"PRIuUOFF_T" of the "
			"%"PRIuUOFF_T" bytes of the message",
			i_stream_get_name(holder->stream), read_bytes, size);
		return FALSE;
	}
	return TRUE;
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

/* Forget what index and cache claim: next time Dovecot finds the size out. A
   file name that claims a wrong one, it would correct, and the message would
   have another uid: so never on Maildir, unless the name claims none. */
static void forget_size(struct mail *mail, enum mail_fetch_field field)
{
	struct mail *other = mail_alloc(mail->transaction, 0, NULL);

	/* with the mail whose stream has failed, Dovecot would not */
	mail_set_seq(other, mail->seq);
	mail_set_cache_corrupted(other, field,
				 "POP3 client was told another size");
	mail_free(&other);
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

void popinjay_holder_failed(const struct popinjay_holder *holder)
{
	int stream_errno = holder->stream->stream_errno;

	/* Dovecot's words for: longer, shorter than its size. In mbox they mean
	   that the message is not where it was: that heals by itself. */
	if (holder->kind == POPINJAY_STORAGE_UNKNOWN &&
	    (stream_errno == EINVAL || stream_errno == EPIPE))
		forget_size(holder->mail, MAIL_FETCH_PHYSICAL_SIZE);
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
static bool maildir_has_end(const struct popinjay_holder *holder)
{
	struct mail *mail = holder->mail;
	char magic[IOSTREAM_LZ4_MAGIC_LEN];

	return holder->size_known ||
		(maildir_file_do(MAILDIR_MAILBOX(mail->box), mail->uid,
				 maildir_read_magic, magic) > 0 &&
		 memcmp(magic, IOSTREAM_LZ4_MAGIC, sizeof(magic)) != 0);
}

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
	if (!name_claims_size(mail, MAILDIR_EXTRA_VIRTUAL_SIZE) &&
	    ((told_wrong && sizes->told_bytes != claimed) ||
	     !name_claims_size(mail, MAILDIR_EXTRA_FILE_SIZE)))
		forget_size(mail, MAIL_FETCH_VIRTUAL_SIZE);
	if (smaller && !maildir_has_end(holder)) {
		*text_r = t_strconcat("The message has ", *text_r, NULL);
		return POPINJAY_WHOLE_NOT;
	}
	return smaller && notice_smaller(mail, size) ?
		POPINJAY_WHOLE_SMALLER : POPINJAY_WHOLE_OTHER_SIZE;
}

static enum popinjay_whole
claim_check(const struct popinjay_holder *holder,
	    const struct popinjay_read_sizes *sizes, const char **text_r)
{
	if (sizes->virtual_bytes >= sizes->told_bytes)
		return POPINJAY_WHOLE;
	forget_size(holder->mail, MAIL_FETCH_VIRTUAL_SIZE);
	*text_r = t_strdup_printf("The message ends after %"PRIuUOFF_T" of "
		"%"PRIuUOFF_T" bytes", sizes->virtual_bytes,
		sizes->told_bytes);
	return POPINJAY_WHOLE_NOT;
}

enum popinjay_whole
popinjay_holder_check(const struct popinjay_holder *holder,
		      const struct popinjay_read_sizes *sizes,
		      const char **text_r)
{
	struct mail *mail = holder->mail;

	*text_r = NULL;
	/* where a Maildir's file is compressed or encrypted, most decoders have
	   seen the end */
	if (!holder->size_known && holder->kind != POPINJAY_STORAGE_MAILDIR)
		return claim_check(holder, sizes, text_r);
	if (holder->size_known &&
	    !holder_is_read(holder, sizes->read_bytes, text_r))
		return POPINJAY_WHOLE_NOT;

	/* with pop3_fast_size_lookups clients are told the size as stored */
	if (sizes->told_bytes != sizes->virtual_bytes &&
	    sizes->told_bytes != sizes->read_bytes) {
		*text_r = t_strdup_printf("%"PRIuUOFF_T" bytes with CRLF line "
			"ends, not the %"PRIuUOFF_T" that was recorded",
			sizes->virtual_bytes, sizes->told_bytes);
	}
	if (holder->kind == POPINJAY_STORAGE_MAILDIR)
		return maildir_compare(holder, sizes, text_r);
	if (*text_r == NULL)
		return POPINJAY_WHOLE;
	forget_size(mail, MAIL_FETCH_VIRTUAL_SIZE);
	return POPINJAY_WHOLE_OTHER_SIZE;
}
