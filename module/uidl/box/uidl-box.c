/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: answers MAIL_FETCH_UIDL_BACKEND for the INBOX, so that
   the UIDL command, doveadm fetch pop3.uidl and dsync see the same UIDLs.

   Whether a UIDL is unique can only be told from all of them, so the first
   question about a mailbox answers all. */

#include "lib.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "popinjay-settings.h"
#include "saved-file.h"
#include "stored.h"
#include "uidl-box.h"
#include "uidl-make.h"
#include "uidl-plain.h"
#include "uidl-sources.h"
#include "user.h"

#define UIDL_BOX_CONTEXT(obj) \
	MODULE_CONTEXT(obj, uidl_box_module)
#define UIDL_MAIL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, uidl_mail_module)

static MODULE_CONTEXT_DEFINE_INIT(uidl_box_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(uidl_mail_module, &mail_module_register);

struct popinjay_uidl_box *popinjay_uidl_box(struct mailbox *box)
{
	return UIDL_BOX_CONTEXT(box);
}

struct popinjay_saved_file *
popinjay_uidl_box_get_file(struct popinjay_uidl_box *ubox)
{
	if (ubox->file == NULL)
		ubox->file = popinjay_saved_file_create(ubox->box);
	return ubox->file;
}

void popinjay_uidl_box_want_keys(struct popinjay_uidl_box *ubox)
{
	ubox->want_keys = TRUE;
	popinjay_uidl_box_forget(ubox);
}

bool popinjay_uidl_box_is_current(const struct popinjay_uidl_box *ubox)
{
	return ubox->set != NULL && ubox->set_generation ==
		popinjay_saved_file_generation(ubox->file);
}

void popinjay_uidl_box_forget(struct popinjay_uidl_box *ubox)
{
	popinjay_uidl_set_free(&ubox->set);
}

/* To save UIDLs, or to compare them with those shown before, takes the keys of
   all messages. */
static bool settings_want_keys(const struct popinjay_settings *set)
{
	return set->popinjay_uidl_save || set->popinjay_uidl_drift_limit > 0;
}

int popinjay_uidl_box_make_with(struct popinjay_uidl_box *ubox,
				const struct popinjay_uidl_sources *sources,
				struct popinjay_uidl_saved *saved,
				bool want_keys,
				struct popinjay_uidl_set **set_r)
{
	int ret;

	ubox->making_set = TRUE;
	ret = popinjay_uidl_make(ubox->box, sources, saved, want_keys, set_r);
	ubox->making_set = FALSE;
	return ret;
}

int popinjay_uidl_box_make(struct popinjay_uidl_box *ubox,
			   const struct popinjay_uidl_sources *sources,
			   bool want_keys, struct popinjay_uidl_set **set_r)
{
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	const char *error;

	if (popinjay_saved_file_refresh(file, &error) < 0) {
		mail_storage_set_critical(ubox->box->storage, "popinjay: %s",
					  error);
		return -1;
	}
	return popinjay_uidl_box_make_with(ubox, sources,
		popinjay_saved_file_get(file), want_keys, set_r);
}

int popinjay_uidl_box_get(struct popinjay_uidl_box *ubox,
			  const struct popinjay_uidl_set **set_r)
{
	const struct popinjay_user *user = ubox->user;
	struct mailbox_status status;

	if (user->error != NULL) {
		mail_storage_set_critical(ubox->box->storage, "%s",
					  user->error);
		return -1;
	}

	mailbox_get_open_status(ubox->box, STATUS_MESSAGES | STATUS_UIDNEXT |
				STATUS_UIDVALIDITY, &status);
	if (!popinjay_uidl_box_is_current(ubox) ||
	    ubox->set_messages_count != status.messages ||
	    ubox->set_next_uid != status.uidnext ||
	    ubox->set_uidvalidity != status.uidvalidity) {
		popinjay_uidl_set_free(&ubox->set);
		if (popinjay_uidl_box_make(ubox, user->uidl_sources,
				ubox->want_keys ||
				settings_want_keys(user->set), &ubox->set) < 0)
			return -1;
		ubox->shown = FALSE;
		ubox->set_generation =
			popinjay_saved_file_generation(ubox->file);
		ubox->set_messages_count = status.messages;
		ubox->set_next_uid = status.uidnext;
		ubox->set_uidvalidity = status.uidvalidity;
	}
	*set_r = ubox->set;
	return 0;
}

const struct popinjay_uidl_plain *
popinjay_uidl_box_get_plain(struct popinjay_uidl_box *ubox)
{
	const struct popinjay_user *user = ubox->user;
	const struct popinjay_uidl_plain *plain;
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	const char *error;

	if (user->error != NULL || settings_want_keys(user->set))
		return NULL;
	plain = popinjay_uidl_sources_plain(user->uidl_sources);
	if (plain == NULL || popinjay_stored_may_have_uidls(ubox->box) ||
	    popinjay_saved_file_refresh(file, &error) < 0 ||
	    popinjay_saved_file_get(file) != NULL)
		return NULL;
	return plain;
}

/* --- Dovecot's question --- */

/* Returns the UIDL, or "" if it is not to be told. */
static const char *
answer(struct popinjay_uidl_box *ubox, uint32_t uid, const char *uidl)
{
	return ubox->hides != NULL && ubox->hides(ubox, uid, uidl) ? "" : uidl;
}

static bool answer_plain(struct popinjay_uidl_box *ubox, struct mail *mail,
			 const char **value_r)
{
	const struct popinjay_uidl_plain *plain;
	struct mailbox_status status;
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];

	if (mail->saving)
		return FALSE;
	plain = popinjay_uidl_box_get_plain(ubox);
	if (plain == NULL)
		return FALSE;
	mailbox_get_open_status(mail->box, STATUS_UIDVALIDITY, &status);
	popinjay_uidl_plain_write(plain, status.uidvalidity, mail->uid, uidl);
	*value_r = p_strdup(((struct mail_private *)mail)->data_pool,
			    answer(ubox, mail->uid, uidl));
	return TRUE;
}

static int uidl_mail_get_special(struct mail *_mail,
				 enum mail_fetch_field field,
				 const char **value_r)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	union mail_module_context *mmail = UIDL_MAIL_CONTEXT_REQUIRE(mail);
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(_mail->box);
	const struct popinjay_uidl_set *set;
	const struct popinjay_uidl *uidl;

	if (field != MAIL_FETCH_UIDL_BACKEND || ubox->making_set)
		return mmail->super.get_special(_mail, field, value_r);

	if (ubox->set == NULL && answer_plain(ubox, _mail, value_r))
		return 0;
	if (popinjay_uidl_box_get(ubox, &set) < 0)
		return -1;
	uidl = popinjay_uidl_set_find(set, _mail->uid);
	if (uidl == NULL) {
		/* a mail that is just being saved */
		return mmail->super.get_special(_mail, field, value_r);
	}
	if (uidl->provisional) {
		/* whoever asks here may save the answer */
		mail_storage_set_error(_mail->box->storage, MAIL_ERROR_TEMP,
				       "The UIDL couldn't be read");
		return -1;
	}
	*value_r = answer(ubox, _mail->uid, uidl->uidl);
	return 0;
}

/* --- Hooks --- */

static void uidl_mailbox_free(struct mailbox *box)
{
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);

	popinjay_uidl_set_free(&ubox->set);
	popinjay_saved_file_free(&ubox->file);
	ubox->module_ctx.super.free(box);
}

void popinjay_uidl_box_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct popinjay_user *user = popinjay_user_get(box->storage->user);
	struct popinjay_uidl_box *ubox;

	if (!box->inbox_user || user == NULL)
		return;
	ubox = p_new(box->pool, struct popinjay_uidl_box, 1);
	ubox->box = box;
	ubox->user = user;
	ubox->module_ctx.super = *v;
	box->vlast = &ubox->module_ctx.super;
	v->free = uidl_mailbox_free;
	MODULE_CONTEXT_SET(box, uidl_box_module, ubox);
}

void popinjay_uidl_mail_allocated(struct mail *_mail)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct mail_vfuncs *v = mail->vlast;
	union mail_module_context *mmail;

	if (popinjay_uidl_box(_mail->box) == NULL)
		return;
	mmail = p_new(mail->pool, union mail_module_context, 1);
	mmail->super = *v;
	mail->vlast = &mmail->super;
	v->get_special = uidl_mail_get_special;
	MODULE_CONTEXT_SET_SELF(mail, uidl_mail_module, mmail);
}
