/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: sdbox and mdbox. Each message has a UIDL in its file, if it
   brought one, and its size in front of it. */

#include "lib.h"
#include "istream-private.h"
#include "index-storage.h"
#include "index-mail.h"
#include "mail-cache.h"
#include "dbox-file.h"
#include "dbox-mail.h"
#include "mdbox-storage.h"
#include "sdbox-storage.h"
#include "stored-private.h"

#include <sys/stat.h>

/* Dovecot notes in the index up to which uid messages have UIDLs, and takes
   those above for messages without an order too. */
static bool
dbox_read_facts(struct mailbox *box, uint32_t uidvalidity ATTR_UNUSED,
		struct popinjay_stored *stored ATTR_UNUSED,
		struct popinjay_stored_facts *facts_r)
{
	struct mailbox_index_pop3_uidl uidl;
	const void *data;
	size_t size;

	i_zero(facts_r);
	mail_index_get_header_ext(box->view, box->pop3_uidl_hdr_ext_id,
				  &data, &size);
	if (size < sizeof(uidl))
		return FALSE;
	memcpy(&uidl, data, sizeof(uidl));
	facts_r->uidls = facts_r->orders = uidl.max_uid_with_pop3_uidl > 0;
	return TRUE;
}

static const uint32_t *
dbox_get_index_size(struct popinjay_stored *stored, uint32_t seq)
{
	struct mailbox_transaction_context *trans = stored->trans;
	const void *data;
	bool expunged;

	mail_index_lookup_ext(trans->view, seq, trans->box->mail_vsize_ext_id,
			      &data, &expunged);
	return data;
}

static void dbox_stored_init(struct popinjay_stored *stored)
{
	struct index_mailbox_context *ibox =
		INDEX_STORAGE_CONTEXT(stored->trans->box);

	stored->cache_field =
		ibox->cache_fields[MAIL_CACHE_VIRTUAL_FULL_SIZE].idx;
	stored->index_has_sizes =
		mail_index_view_get_messages_count(stored->trans->view) > 0 &&
		dbox_get_index_size(stored, 1) != NULL;
}

static bool
dbox_get_size(struct popinjay_stored *stored, uint32_t seq, uoff_t *size_r)
{
	const uint32_t *vsize;
	buffer_t buf;

	if (stored->index_has_sizes) {
		/* 0: Dovecot puts it there when it is asked for the size */
		vsize = dbox_get_index_size(stored, seq);
		if (vsize == NULL || *vsize == 0)
			return FALSE;
		*size_r = *vsize - 1;
		return TRUE;
	}
	buffer_create_from_data(&buf, size_r, sizeof(*size_r));
	return mail_cache_lookup_field(stored->trans->cache_view, &buf, seq,
				       stored->cache_field) > 0 &&
		buf.used == sizeof(*size_r);
}

static bool sdbox_get_file_size(struct mail *mail, uoff_t *size_r)
{
	static const enum mailbox_list_path_type types[] = {
		MAILBOX_LIST_PATH_TYPE_MAILBOX,
		MAILBOX_LIST_PATH_TYPE_ALT_MAILBOX
	};
	const char *dir, *path;
	struct stat st;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(types); i++) {
		if (mailbox_get_path_to(mail->box, types[i], &dir) <= 0)
			continue;
		path = t_strdup_printf("%s/"SDBOX_MAIL_FILE_FORMAT, dir,
				       mail->uid);
		if (stat(path, &st) == 0) {
			*size_r = st.st_size;
			return TRUE;
		}
	}
	return FALSE;
}

static bool
dbox_get_held_size(const struct popinjay_holder *holder, uoff_t *size_r)
{
	const struct dbox_mail *mail = DBOX_MAIL(holder->mail);
	const struct dbox_file *file = mail->open_file;

	if (file == NULL || holder->stream->real_stream->parent != file->input)
		return FALSE;
	*size_r = file->cur_physical_size;
	return TRUE;
}

const struct popinjay_storage_kind popinjay_storage_sdbox = {
	.name = SDBOX_STORAGE_NAME,
	.stores_uidls = TRUE,
	.read_facts = dbox_read_facts,
	.stored_init = dbox_stored_init,
	.get_size = dbox_get_size,
	.get_file_size = sdbox_get_file_size,
	.get_held_size = dbox_get_held_size
};

const struct popinjay_storage_kind popinjay_storage_mdbox = {
	.name = MDBOX_STORAGE_NAME,
	.stores_uidls = TRUE,
	.read_facts = dbox_read_facts,
	.stored_init = dbox_stored_init,
	.get_size = dbox_get_size,
	.get_held_size = dbox_get_held_size
};
