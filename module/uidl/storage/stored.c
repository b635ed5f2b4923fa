/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: sizes, UIDLs and POP3 order as they are stored, for
   all messages at once. A mail object looks the same up for each message, in a
   hash of all file names on Maildir, through many layers elsewhere. */

#include "lib.h"
#include "module-dir.h"
#include "mail-storage-private.h"
#include "mail-storage-service.h"
#include "stored-private.h"

#define STORED_CONTEXT(obj) MODULE_CONTEXT(obj, stored_module)

/* What was found out last. */
struct stored_box {
	union mailbox_module_context module_ctx;

	uint32_t messages_count, next_uid, uidvalidity;
	struct popinjay_stored_facts facts;
};

static MODULE_CONTEXT_DEFINE_INIT(stored_module,
				  &mail_storage_module_register);

/* Dovecot's own plugins that answer for neither UIDLs nor sizes. */
static const char *const harmless_modules[] = {
	"acl", "apparmor", "charset_alias", "expire", "fs_compress", "fts",
	"fts_flatcurve", "fts_lucene", "fts_solr", "fts_squat", "last_login",
	"lazy_expunge", "listescape", "mail_compress", "mail_crypt",
	"mail_log", "mail_lua", "mailbox_alias", "notify", "notify_status",
	"popinjay", "push_notification", "quota", "quota_clone", "replication",
	"trash", "var_expand_crypt", "welcome", "zlib", NULL
};

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

/* Returns FALSE if nothing is known. */
static bool
stored_read(struct mailbox *box, uint32_t uidvalidity,
	    struct popinjay_stored *stored,
	    struct popinjay_stored_facts *facts_r)
{
	const struct popinjay_storage_kind *kind = popinjay_storage_kind(box);
	bool ret;

	if (kind->read_facts == NULL)
		return FALSE;
	T_BEGIN {
		ret = kind->read_facts(box, uidvalidity, stored, facts_r);
	} T_END;
	return ret;
}

/* What was found out last, if it still holds; else it is found out now. */
static const struct popinjay_stored_facts *
stored_box_facts(struct mailbox *box, struct popinjay_stored *stored)
{
	struct stored_box *sbox = STORED_CONTEXT(box);
	struct mailbox_status status;
	struct popinjay_stored_facts facts;
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
	const struct popinjay_stored_facts *facts = stored_box_facts(box, NULL);

	return facts == NULL || facts->uidls;
}

struct popinjay_stored *
popinjay_stored_open(struct mailbox_transaction_context *trans)
{
	const struct popinjay_storage_kind *kind =
		popinjay_storage_kind(trans->box);
	const struct popinjay_stored_facts *facts;
	struct popinjay_stored *stored;

	if (kind->stored_init == NULL)
		return NULL;
	stored = i_new(struct popinjay_stored, 1);
	stored->kind = kind;
	stored->trans = trans;
	kind->stored_init(stored);

	facts = stored_box_facts(trans->box, stored);
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

bool popinjay_stored_get_size(struct popinjay_stored *stored, uint32_t seq,
			      uoff_t *size_r)
{
	return stored->kind->get_size(stored, seq, size_r);
}

bool popinjay_stored_get_file_size(struct mail *mail, uoff_t *size_r)
{
	const struct popinjay_storage_kind *kind =
		popinjay_storage_kind(mail->box);
	bool found;

	if (kind->get_file_size == NULL)
		return FALSE;
	T_BEGIN {
		found = kind->get_file_size(mail, size_r);
	} T_END;
	return found;
}

bool popinjay_stored_has_message(struct mailbox *box, uint32_t uid)
{
	const struct popinjay_storage_kind *kind = popinjay_storage_kind(box);

	return kind->has_message == NULL || kind->has_message(box, uid);
}

bool popinjay_stored_is_as_indexed(struct mailbox *box,
				   struct mail_index_view *view)
{
	const struct popinjay_storage_kind *kind = popinjay_storage_kind(box);

	return kind->is_as_indexed == NULL || kind->is_as_indexed(box, view);
}
