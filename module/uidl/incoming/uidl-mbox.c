/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: saving messages with their UIDLs into an mbox. A UIDL has
   to be on disk before its message, since a process may be killed right after
   that: so the key of the message has to be known before it is there. */

#include "lib.h"
#include "hex-binary.h"
#include "istream.h"
#include "istream-header-filter.h"
#include "md5.h"
#include "message-header-parser.h"
#include "message-size.h"
#include "read-full.h"
#include "str.h"
#include "write-full.h"
#include "index-storage.h"
#include "mbox-md5.h"
#include "mbox-storage.h"
#include "kind.h"
#include "uidl-mbox.h"
#include "uidl-saved.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct foretold_header {
	struct mbox_mailbox *mbox;
	struct mbox_md5_context *md5;
};

bool popinjay_uidl_mbox_is(struct mailbox *box)
{
	return popinjay_storage_kind(box) == &popinjay_storage_mbox;
}

static void
foretold_header_line(struct header_filter_istream *input ATTR_UNUSED,
		     struct message_header_line *hdr, bool *matched,
		     struct foretold_header *header)
{
	if (hdr == NULL || *matched)
		return;
	if (strncmp(hdr->name, "From ", 5) == 0) {
		/* an mbox has no such header */
		*matched = TRUE;
		return;
	}
	header->mbox->md5_v.more(header->md5, hdr);
}

/* Read the message as mbox is going to. */
static int
foretell(struct mbox_mailbox *mbox, struct istream *input,
	 unsigned char md5_r[MD5_RESULTLEN], uoff_t *size_bytes_r)
{
	struct foretold_header header = {
		.mbox = mbox,
		.md5 = mbox->md5_v.init()
	};
	struct message_size header_size, body_size;
	struct istream *filter;
	bool has_nuls;
	int ret;

	filter = i_stream_create_header_filter(input, HEADER_FILTER_EXCLUDE |
		HEADER_FILTER_NO_CR | HEADER_FILTER_ADD_MISSING_EOH |
		HEADER_FILTER_END_BODY_WITH_LF, mbox_save_drop_headers,
		mbox_save_drop_headers_count, foretold_header_line, &header);
	ret = message_get_header_size(filter, &header_size, &has_nuls);
	if (ret >= 0)
		ret = message_get_body_size(filter, &body_size, &has_nuls);
	i_stream_unref(&filter);
	mbox->md5_v.finish(header.md5, md5_r);
	if (ret >= 0)
		*size_bytes_r = header_size.virtual_size +
			body_size.virtual_size;
	return ret;
}

bool popinjay_uidl_mbox_foretell_key(struct mailbox *box,
				     struct istream *input, string_t *dest)
{
	struct mbox_mailbox *mbox = MBOX_MAILBOX(box);
	unsigned char md5[MD5_RESULTLEN];
	uoff_t offset = input->v_offset, size_bytes;
	int ret;

	if (!input->seekable)
		return FALSE;
	ret = foretell(mbox, input, md5, &size_bytes);
	i_stream_seek(input, offset);
	if (ret < 0)
		return FALSE;
	popinjay_uidl_saved_hash_key(dest, binary_to_hex(md5, sizeof(md5)),
				     size_bytes);
	return TRUE;
}

int popinjay_uidl_mbox_save_begin(struct mail_save_context *ctx,
	struct istream *input,
	int (*save_begin)(struct mail_save_context *, struct istream *))
{
	struct mailbox *box = ctx->transaction->box;
	struct mbox_mailbox *mbox = MBOX_MAILBOX(box);
	enum mail_storage_flags flags = box->storage->flags;
	int ret;

	/* as it is once a GUID was asked for: an uncommitted message can't be
	   asked */
	mbox->mbox_save_md5 = TRUE;
	box->storage->flags &= ENUM_NEGATE(MAIL_STORAGE_FLAG_KEEP_HEADER_MD5);
	ret = save_begin(ctx, input);
	box->storage->flags = flags;
	return ret;
}

bool popinjay_uidl_mbox_get_saved_key(struct mail_save_context *ctx,
				      string_t *dest)
{
	struct mbox_mailbox *mbox = MBOX_MAILBOX(ctx->transaction->box);
	struct mail *mail = ctx->dest_mail;
	const void *md5;
	uoff_t size_bytes;

	if (mail == NULL || mail->seq == 0)
		return FALSE;
	/* not mail_get_special(): it syncs the mailbox if there is none */
	mail_index_lookup_ext(ctx->transaction->view, mail->seq,
			      mbox->md5hdr_ext_idx, &md5, NULL);
	if (md5 == NULL || mail_get_virtual_size(mail, &size_bytes) < 0)
		return FALSE;
	popinjay_uidl_saved_hash_key(dest, binary_to_hex(md5, MD5_RESULTLEN),
				     size_bytes);
	return TRUE;
}

/* Get the size of the file without NULs at its end. */
static int get_size_without_nuls(int fd, off_t *size_r)
{
	struct stat st;
	char buf[IO_BLOCK_SIZE];
	size_t left = 0;

	if (fstat(fd, &st) < 0)
		return -1;
	while (left == 0 && st.st_size > 0) {
		left = I_MIN(st.st_size, (off_t)sizeof(buf));
		st.st_size -= left;
		if (pread_full(fd, buf, left, st.st_size) <= 0)
			return -1;
		while (left > 0 && buf[left - 1] == '\0')
			left--;
	}
	*size_r = st.st_size + left;
	return 0;
}

uoff_t popinjay_uidl_mbox_get_saved_end(struct mailbox *box)
{
	struct mbox_mailbox *mbox = MBOX_MAILBOX(box);
	struct stat st;

	/* its length was written, and the empty line waits in the stream */
	if (mbox->mbox_fd == -1 || fstat(mbox->mbox_fd, &st) < 0)
		return 0;
	return st.st_size;
}

static int end_last(int fd, uoff_t end_offset)
{
	struct stat st;
	char end[2];
	off_t size;

	if (get_size_without_nuls(fd, &size) < 0 || fstat(fd, &st) < 0 ||
	    (st.st_size > size && ftruncate(fd, size) < 0))
		return -1;
	if (size < (off_t)sizeof(end))
		return 0;
	if (pread_full(fd, end, sizeof(end), size - sizeof(end)) <= 0)
		return -1;
	return end[1] != '\n' ||
		(end[0] == '\n' && (uoff_t)size != end_offset) ? 0 :
		pwrite_full(fd, "\n", 1, size);
}

int popinjay_uidl_mbox_end_last(struct mailbox *box, uoff_t end_offset,
				const char **error_r)
{
	struct mbox_mailbox *mbox = MBOX_MAILBOX(box);

	i_assert(mbox->mbox_fd != -1 && mbox->mbox_lock_type == F_WRLCK);

	if (end_last(mbox->mbox_fd, end_offset) == 0)
		return 0;
	*error_r = t_strdup_printf("Writing the end of %s failed: %m",
				   mailbox_get_path(box));
	return -1;
}
