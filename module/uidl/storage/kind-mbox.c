/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: mbox, which stores neither UIDLs nor sizes. */

#include "lib.h"
#include "istream-private.h"
#include "index-storage.h"
#include "mbox-storage.h"
#include "kind.h"

#include <sys/stat.h>

/* No header is larger. */
#define HEADER_MAX_BYTES (1024 * 1024)

static bool
mbox_read_facts(struct mailbox *box ATTR_UNUSED,
		uint32_t uidvalidity ATTR_UNUSED,
		struct popinjay_stored *stored ATTR_UNUSED,
		struct popinjay_stored_facts *facts_r)
{
	i_zero(facts_r);
	return TRUE;
}

/* Once the file was changed by a program that knows nothing of the index, any
   message may be gone. */
static bool
mbox_is_as_indexed(struct mailbox *box, struct mail_index_view *view)
{
	const struct mbox_mailbox *mbox = MBOX_MAILBOX(box);
	const struct mbox_index_header *header;
	const void *data;
	struct stat st;
	size_t size;

	mail_index_get_header_ext(view, mbox->mbox_ext_idx, &data, &size);
	header = data;
	return size >= offsetof(struct mbox_index_header, dirty_flag) &&
		stat(mailbox_get_path(box), &st) == 0 &&
		header->sync_size == (uint64_t)st.st_size &&
		header->sync_mtime == (uint32_t)st.st_mtime;
}

/* Dovecot's mbox stream panics if it fails while the header is being parsed: a
   message that moved in the file. So it is read once with nothing in between,
   as far as a header reaches. */
static bool mbox_is_readable(const struct popinjay_holder *holder)
{
	struct istream *stream = holder->stream->real_stream->parent;
	const unsigned char *data;
	size_t size;

	/* a plugin may have put one around it */
	if (stream == NULL)
		return TRUE;
	while (i_stream_read_more(stream, &data, &size) > 0 &&
	       stream->v_offset < HEADER_MAX_BYTES)
		i_stream_skip(stream, size);
	if (stream->stream_errno != 0) {
		mail_set_critical(holder->mail, "read(%s) failed: %s",
				  i_stream_get_name(stream),
				  i_stream_get_error(stream));
		return FALSE;
	}
	i_stream_seek(stream, 0);
	return TRUE;
}

const struct popinjay_storage_kind popinjay_storage_mbox = {
	.name = MBOX_STORAGE_NAME,
	.one_file = TRUE,
	.read_facts = mbox_read_facts,
	.is_as_indexed = mbox_is_as_indexed,
	.is_readable = mbox_is_readable
};
