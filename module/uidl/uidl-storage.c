/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: answers MAIL_FETCH_UIDL_BACKEND for the INBOX, so that
   the UIDL command, doveadm fetch pop3.uidl and dsync see the same UIDLs.

   Whether a UIDL is unique can only be told from all of them, so the first
   question about a mailbox answers all. */

#include "lib.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "popinjay.h"
#include "popinjay-settings.h"
#include "stored.h"
#include "uidl-plain.h"
#include "uidl-keep.h"
#include "uidl-make.h"
#include "uidl-replica.h"
#include "uidl-sources.h"
#include "uidl-store.h"
#include "uidl-storage.h"
#include "user.h"

#define UIDL_BOX_CONTEXT(obj) \
	MODULE_CONTEXT(obj, uidl_storage_module)
#define UIDL_MAIL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, uidl_mail_module)

struct uidl_box {
	union mailbox_module_context module_ctx;

	struct popinjay_uidl_store *store;
	struct popinjay_uidl_set *set;
	/* what the mailbox looked like when the set was made */
	uint32_t set_messages_count, set_next_uid, set_uidvalidity;
	/* of the store then */
	unsigned int set_generation;
	/* what the set shows is kept, as far as it can be */
	bool kept;

	/* some use of the set needs keys */
	bool want_keys;
	/* the set is being made: mails answer what the storage has */
	bool making_set;
};

static MODULE_CONTEXT_DEFINE_INIT(uidl_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(uidl_mail_module, &mail_module_register);

struct popinjay_uidl_store *
popinjay_uidl_storage_get_store(struct mailbox *box)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);

	if (ubox == NULL)
		return NULL;
	if (ubox->store == NULL)
		ubox->store = popinjay_uidl_store_create(box);
	return ubox->store;
}

bool popinjay_uidl_storage_is_ours(struct mailbox *box)
{
	return UIDL_BOX_CONTEXT(box) != NULL;
}

void popinjay_uidl_storage_want_keys(struct mailbox *box)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);

	ubox->want_keys = TRUE;
	popinjay_uidl_storage_forget(box);
}

bool popinjay_uidl_storage_is_current(struct mailbox *box)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);

	return ubox->set != NULL && ubox->set_generation ==
		popinjay_uidl_store_generation(ubox->store);
}

void popinjay_uidl_storage_forget(struct mailbox *box)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);

	popinjay_uidl_set_free(&ubox->set);
}

int popinjay_uidl_storage_make_with(struct mailbox *box,
	const struct popinjay_uidl_sources *sources,
	struct popinjay_uidl_saved *saved, bool want_keys,
	struct popinjay_uidl_set **set_r)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);
	int ret;

	ubox->making_set = TRUE;
	ret = popinjay_uidl_make(box, sources, saved, want_keys, set_r);
	ubox->making_set = FALSE;
	return ret;
}

int popinjay_uidl_storage_make(struct mailbox *box,
			       const struct popinjay_uidl_sources *sources,
			       bool want_keys,
			       struct popinjay_uidl_set **set_r)
{
	struct popinjay_uidl_store *store =
		popinjay_uidl_storage_get_store(box);
	const char *error;

	if (popinjay_uidl_store_refresh(store, &error) < 0) {
		mail_storage_set_critical(box->storage, "popinjay: %s", error);
		return -1;
	}
	return popinjay_uidl_storage_make_with(box, sources,
		popinjay_uidl_store_get(store), want_keys, set_r);
}

int popinjay_uidl_storage_get(struct mailbox *box,
			      const struct popinjay_uidl_set **set_r)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct mailbox_status status;

	if (ubox == NULL)
		return 0;
	if (puser->error != NULL) {
		mail_storage_set_critical(box->storage, "%s", puser->error);
		return -1;
	}

	mailbox_get_open_status(box, STATUS_MESSAGES | STATUS_UIDNEXT |
				STATUS_UIDVALIDITY, &status);
	if (popinjay_uidl_storage_is_current(box) &&
	    ubox->set_messages_count == status.messages &&
	    ubox->set_next_uid == status.uidnext &&
	    ubox->set_uidvalidity == status.uidvalidity) {
		*set_r = ubox->set;
		return 1;
	}

	popinjay_uidl_set_free(&ubox->set);
	if (popinjay_uidl_storage_make(box, puser->uidl_sources,
			ubox->want_keys ||
			popinjay_uidl_keep_wants_keys(puser->set),
			&ubox->set) < 0)
		return -1;
	ubox->kept = FALSE;
	ubox->set_generation = popinjay_uidl_store_generation(ubox->store);
	ubox->set_messages_count = status.messages;
	ubox->set_next_uid = status.uidnext;
	ubox->set_uidvalidity = status.uidvalidity;
	*set_r = ubox->set;
	return 1;
}

int popinjay_uidl_storage_show(struct mailbox *box,
			       const struct popinjay_uidl_set **set_r)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);
	int ret;

	ret = popinjay_uidl_storage_get(box, set_r);
	if (ret <= 0) {
		e_error(box->event,
			"popinjay: Looking up the UIDLs failed: %s",
			mailbox_get_last_internal_error(box, NULL));
	}
	if (ret <= 0 || ubox->kept)
		return ret;
	ret = popinjay_uidl_keep_shown(box, set_r);
	if (ret > 0)
		ubox->kept = TRUE;
	return ret;
}

const struct popinjay_uidl_plain *
popinjay_uidl_storage_get_plain(struct mailbox *box)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	const struct popinjay_uidl_plain *plain;
	struct popinjay_uidl_store *store =
		popinjay_uidl_storage_get_store(box);
	const char *error;

	if (store == NULL || puser->error != NULL ||
	    popinjay_uidl_keep_wants_keys(puser->set))
		return NULL;
	plain = popinjay_uidl_sources_plain(puser->uidl_sources);
	if (plain == NULL || popinjay_stored_may_have_uidls(box) ||
	    popinjay_uidl_store_refresh(store, &error) < 0 ||
	    popinjay_uidl_store_get(store) != NULL)
		return NULL;
	return plain;
}

static int uidl_mail_get_plain(struct mail *mail, const char **value_r)
{
	const struct popinjay_uidl_plain *plain;
	struct mailbox_status status;
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];

	if (mail->saving)
		return 0;
	plain = popinjay_uidl_storage_get_plain(mail->box);
	if (plain == NULL)
		return 0;
	mailbox_get_open_status(mail->box, STATUS_UIDVALIDITY, &status);
	popinjay_uidl_plain_write(plain, status.uidvalidity, mail->uid, uidl);
	*value_r = popinjay_uidl_replica_leaves_out(mail->box, mail->uid,
						    uidl) ? "" :
		p_strdup(((struct mail_private *)mail)->data_pool, uidl);
	return 1;
}

static int uidl_mail_get_special(struct mail *_mail,
				 enum mail_fetch_field field,
				 const char **value_r)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	union mail_module_context *mmail = UIDL_MAIL_CONTEXT_REQUIRE(mail);
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(_mail->box);
	const struct popinjay_uidl_set *set;
	const struct popinjay_uidl *uidl;
	int ret;

	if (field == MAIL_FETCH_UIDL_BACKEND && !ubox->making_set) {
		if (ubox->set == NULL &&
		    uidl_mail_get_plain(_mail, value_r) > 0)
			return 0;
		ret = popinjay_uidl_storage_get(_mail->box, &set);
		if (ret < 0)
			return -1;
		uidl = ret == 0 ? NULL :
			popinjay_uidl_set_find(set, _mail->uid);
		if (uidl != NULL && uidl->provisional) {
			/* whoever asks here keeps what he gets */
			mail_storage_set_error(_mail->box->storage,
				MAIL_ERROR_TEMP, "The UIDL couldn't be read");
			return -1;
		}
		if (uidl != NULL) {
			*value_r = popinjay_uidl_replica_leaves_out(
				_mail->box, _mail->uid, uidl->uidl) ? "" :
				uidl->uidl;
			return 0;
		}
		/* a mail that is just being saved */
	}
	return mmail->super.get_special(_mail, field, value_r);
}

static void uidl_mailbox_free(struct mailbox *box)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);

	popinjay_uidl_set_free(&ubox->set);
	popinjay_uidl_store_free(&ubox->store);
	ubox->module_ctx.super.free(box);
}

void popinjay_uidl_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct uidl_box *ubox;

	struct popinjay_user *puser = popinjay_user_get(box->storage->user);

	if (!box->inbox_user || puser == NULL)
		return;
	ubox = p_new(box->pool, struct uidl_box, 1);
	ubox->module_ctx.super = *v;
	box->vlast = &ubox->module_ctx.super;
	v->free = uidl_mailbox_free;
	MODULE_CONTEXT_SET(box, uidl_storage_module, ubox);
}

void popinjay_uidl_mail_allocated(struct mail *_mail)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct mail_vfuncs *v = mail->vlast;
	union mail_module_context *mmail;

	if (UIDL_BOX_CONTEXT(_mail->box) == NULL)
		return;
	mmail = p_new(mail->pool, union mail_module_context, 1);
	mmail->super = *v;
	mail->vlast = &mmail->super;
	v->get_special = uidl_mail_get_special;
	MODULE_CONTEXT_SET_SELF(mail, uidl_mail_module, mmail);
}
