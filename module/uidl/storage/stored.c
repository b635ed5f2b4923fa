/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: sizes, UIDLs and POP3 order as the storages keep them, for
   all messages at once. A mail object looks the same up for each message, in a
   hash of all file names on Maildir, through many layers elsewhere. */

#include "lib.h"
#include "istream.h"
#include "module-dir.h"
#include "str.h"
#include "index-storage.h"
#include "index-mail.h"
#include "mail-cache.h"
#include "mail-storage-service.h"
#include "maildir-storage.h"
#include "maildir-uidlist.h"
#include "sdbox-storage.h"
#include "stored.h"
#include "uidlist.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORED_CONTEXT(obj) MODULE_CONTEXT(obj, stored_module)

#define UIDLIST_PIECE_BYTES (64 * 1024)

struct stored_facts {
	bool uidls, orders;
};

/* What was found out last. */
struct stored_box {
	union mailbox_module_context module_ctx;

	uint32_t messages_count, next_uid, uidvalidity;
	struct stored_facts facts;
};

struct popinjay_stored {
	struct mailbox_transaction_context *trans;
	/* where sdbox and mdbox keep sizes: the index, if it has them, goes
	   before its cache */
	unsigned int cache_field;
	bool index_has_sizes;

	/* [seq - 1] on Maildir, UOFF_T_MAX where it is not known */
	uoff_t *sizes;
	uint32_t count;
};

static MODULE_CONTEXT_DEFINE_INIT(stored_module,
				  &mail_storage_module_register);

/* Dovecot's own plugins that keep neither UIDLs nor sizes. */
static const char *const harmless_modules[] = {
	"acl", "apparmor", "charset_alias", "expire", "fs_compress", "fts",
	"fts_flatcurve", "fts_lucene", "fts_solr", "fts_squat", "last_login",
	"lazy_expunge", "listescape", "mail_compress", "mail_crypt",
	"mail_log", "mail_lua", "mailbox_alias", "notify", "notify_status",
	"popinjay", "push_notification", "quota", "quota_clone", "replication",
	"trash", "var_expand_crypt", "welcome", "zlib", NULL
};

enum popinjay_storage_kind popinjay_storage_kind(const struct mailbox *box)
{
	const char *name = box->storage->name;

	if (strcmp(name, "maildir") == 0)
		return POPINJAY_STORAGE_MAILDIR;
	if (strcmp(name, "sdbox") == 0 || strcmp(name, "mdbox") == 0)
		return POPINJAY_STORAGE_DBOX;
	if (strcmp(name, "mbox") == 0)
		return POPINJAY_STORAGE_MBOX;
	return POPINJAY_STORAGE_UNKNOWN;
}

/* Returns TRUE if a plugin may answer for the storage, as pop3_migration
   does. */
static bool plugins_may_answer(void)
{
	struct module *module = mail_storage_service_modules;

	for (; module != NULL; module = module->next) {
		if (!str_array_find(harmless_modules,
				    module_get_plugin_name(module)))
			return TRUE;
	}
	return FALSE;
}

/* Look through dovecot-uidlist; stored, which may be NULL, gets the sizes.
   Returns FALSE if it is not as it should be. */
static bool
uidlist_read(struct istream *input, uint32_t uidvalidity,
	     struct popinjay_stored *stored, struct stored_facts *facts_r)
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
			facts_r->uidls = facts_r->uidls || entry.pop3_uidl;
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
	return input->stream_errno == 0 && input->eof && list.header_seen;
}

static bool
maildir_read(struct mailbox *box, uint32_t uidvalidity,
	     struct popinjay_stored *stored, struct stored_facts *facts_r)
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

/* Dovecot notes in the index up to which uid messages have UIDLs, and takes
   those above for messages without an order too. */
static bool
dbox_read(struct mailbox *box, struct stored_facts *facts_r)
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

/* Returns FALSE if nothing is known. */
static bool
stored_read(struct mailbox *box, uint32_t uidvalidity,
	    struct popinjay_stored *stored, struct stored_facts *facts_r)
{
	bool ret;

	switch (popinjay_storage_kind(box)) {
	case POPINJAY_STORAGE_MAILDIR:
		T_BEGIN {
			ret = maildir_read(box, uidvalidity, stored, facts_r);
		} T_END;
		return ret;
	case POPINJAY_STORAGE_DBOX:
		return dbox_read(box, facts_r);
	case POPINJAY_STORAGE_MBOX:
		i_zero(facts_r);
		return TRUE;
	case POPINJAY_STORAGE_UNKNOWN:
		break;
	}
	return FALSE;
}

/* What was found out last, if it still holds; else it is found out now. */
static const struct stored_facts *
stored_box_facts(struct mailbox *box, struct popinjay_stored *stored)
{
	struct stored_box *sbox = STORED_CONTEXT(box);
	struct mailbox_status status;
	struct stored_facts facts;
	bool harmless;

	mailbox_get_open_status(box, STATUS_MESSAGES | STATUS_UIDNEXT |
				STATUS_UIDVALIDITY, &status);
	if (sbox != NULL && stored == NULL &&
	    sbox->messages_count == status.messages &&
	    sbox->next_uid == status.uidnext &&
	    sbox->uidvalidity == status.uidvalidity)
		return &sbox->facts;

	T_BEGIN {
		harmless = !plugins_may_answer();
	} T_END;
	if (!harmless || !stored_read(box, status.uidvalidity, stored, &facts))
		return NULL;
	if (sbox == NULL) {
		sbox = p_new(box->pool, struct stored_box, 1);
		MODULE_CONTEXT_SET(box, stored_module, sbox);
	}
	sbox->messages_count = status.messages;
	sbox->next_uid = status.uidnext;
	sbox->uidvalidity = status.uidvalidity;
	sbox->facts = facts;
	return &sbox->facts;
}

bool popinjay_stored_may_have_uidls(struct mailbox *box)
{
	const struct stored_facts *facts = stored_box_facts(box, NULL);

	return facts == NULL || facts->uidls;
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

struct popinjay_stored *
popinjay_stored_open(struct mailbox_transaction_context *trans)
{
	struct mailbox *box = trans->box;
	struct index_mailbox_context *ibox;
	struct popinjay_stored *stored;
	const struct stored_facts *facts;
	uint32_t i;

	stored = i_new(struct popinjay_stored, 1);
	stored->trans = trans;
	switch (popinjay_storage_kind(box)) {
	case POPINJAY_STORAGE_MAILDIR:
		stored->count = mail_index_view_get_messages_count(trans->view);
		stored->sizes = i_new(uoff_t, I_MAX(stored->count, 1));
		for (i = 0; i < stored->count; i++)
			stored->sizes[i] = UOFF_T_MAX;
		break;
	case POPINJAY_STORAGE_DBOX:
		ibox = INDEX_STORAGE_CONTEXT(box);
		stored->cache_field = ibox->
			cache_fields[MAIL_CACHE_VIRTUAL_FULL_SIZE].idx;
		stored->index_has_sizes =
			mail_index_view_get_messages_count(trans->view) > 0 &&
			dbox_get_index_size(stored, 1) != NULL;
		break;
	case POPINJAY_STORAGE_MBOX:
	case POPINJAY_STORAGE_UNKNOWN:
		popinjay_stored_close(&stored);
		return NULL;
	}

	facts = stored_box_facts(box, stored);
	if (facts == NULL || facts->orders)
		popinjay_stored_close(&stored);
	return stored;
}

void popinjay_stored_close(struct popinjay_stored **_stored)
{
	struct popinjay_stored *stored = *_stored;

	if (stored == NULL)
		return;
	*_stored = NULL;
	i_free(stored->sizes);
	i_free(stored);
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

bool popinjay_stored_get_size(struct popinjay_stored *stored, uint32_t seq,
			      uoff_t *size_r)
{
	if (stored->sizes == NULL)
		return dbox_get_size(stored, seq, size_r);
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

static bool sdbox_stat(struct mail *mail, struct stat *st)
{
	static const enum mailbox_list_path_type types[] = {
		MAILBOX_LIST_PATH_TYPE_MAILBOX,
		MAILBOX_LIST_PATH_TYPE_ALT_MAILBOX
	};
	const char *dir, *path;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(types); i++) {
		if (mailbox_get_path_to(mail->box, types[i], &dir) <= 0)
			continue;
		path = t_strdup_printf("%s/"SDBOX_MAIL_FILE_FORMAT, dir,
				       mail->uid);
		if (stat(path, st) == 0)
			return TRUE;
	}
	return FALSE;
}

bool popinjay_stored_get_file_size(struct mail *mail, uoff_t *size_r)
{
	struct stat st;
	bool found = FALSE;

	if (popinjay_storage_kind(mail->box) == POPINJAY_STORAGE_MAILDIR) {
		found = maildir_file_do(MAILDIR_MAILBOX(mail->box), mail->uid,
					maildir_stat, &st) > 0;
	} else if (strcmp(mail->box->storage->name,
			  SDBOX_STORAGE_NAME) == 0) T_BEGIN {
		found = sdbox_stat(mail, &st);
	} T_END;
	if (found)
		*size_r = st.st_size;
	return found;
}
