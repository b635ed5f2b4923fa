/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: answers MAIL_FETCH_UIDL_BACKEND for the INBOX, so that
   the UIDL command, doveadm fetch pop3.uidl and dsync see the same UIDLs.

   Whether a UIDL is unique can only be told from all of them, so the first
   question about a mailbox answers all. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-search-build.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "popinjay.h"
#include "stored.h"
#include "uidl-plain.h"
#include "uidl-format.h"
#include "uidl-storage.h"
#include "user.h"

#define UIDL_BOX_CONTEXT(obj) \
	MODULE_CONTEXT(obj, uidl_storage_module)
#define UIDL_MAIL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, uidl_mail_module)

/* A message that cannot be read gets a UIDL for now that has no need of it,
   so that the others are listed. With more of them, or with all, it is the
   storage that fails: to show its mail with other UIDLs would make clients
   download all of it again. */
#define UIDL_MAX_FAILED_MESSAGES 8

struct uidl_box {
	union mailbox_module_context module_ctx;

	struct popinjay_uidl_set *set;
	/* what the mailbox looked like when the set was made */
	uint32_t set_messages_count, set_next_uid, set_uidvalidity;

	/* messages of the set whose UIDL is none to keep */
	uint32_t provisional_uids[UIDL_MAX_FAILED_MESSAGES];
	unsigned int provisional_count;

	/* the set is being made: mails answer what the storage has */
	bool making_set;
};

struct uidl_builder {
	struct popinjay_user *puser;
	struct mail *guid_mail;
	string_t *uidl;
	/* the messages whose UIDL or GUID could not be read, in no order */
	uint32_t failed_uids[UIDL_MAX_FAILED_MESSAGES];
	unsigned int failed_count;
};

static MODULE_CONTEXT_DEFINE_INIT(uidl_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(uidl_mail_module, &mail_module_register);

static void
uidl_error(struct uidl_builder *builder, struct mail *mail, const char *error)
{
	unsigned int i, known;

	known = I_MIN(builder->failed_count, UIDL_MAX_FAILED_MESSAGES);
	for (i = 0; i < known; i++) {
		if (builder->failed_uids[i] == mail->uid)
			return;
	}
	if (known < UIDL_MAX_FAILED_MESSAGES)
		builder->failed_uids[known] = mail->uid;
	/* one line is enough when a disk fails under 100,000 messages */
	if (builder->failed_count++ == 0) {
		e_error(mail->box->event, "popinjay: UIDL of UID %u: %s",
			mail->uid, error);
	}
}

/* Returns TRUE if the storage could not read the message just now, FALSE if
   there is nothing to read. */
static bool uidl_lookup_failed(struct uidl_builder *builder, struct mail *mail)
{
	enum mail_error error;
	const char *errstr;

	errstr = mailbox_get_last_internal_error(mail->box, &error);
	if (error == MAIL_ERROR_EXPUNGED || error == MAIL_ERROR_NOTFOUND ||
	    error == MAIL_ERROR_NOTPOSSIBLE)
		return FALSE;
	uidl_error(builder, mail, errstr);
	return TRUE;
}

static const char *builder_get_guid(void *context, uint32_t uid)
{
	struct uidl_builder *builder = context;
	struct mail *mail = builder->guid_mail;
	const char *guid;

	if (!mail_set_uid(mail, uid))
		return NULL;
	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) < 0) {
		(void)uidl_lookup_failed(builder, mail);
		return NULL;
	}
	return guid;
}

/* Returns the UIDL that the message has before uniqueness is looked at, or
   NULL. */
static const char *
builder_get_uidl(struct uidl_builder *builder, struct mail *mail,
		 bool *permanent_r)
{
	struct popinjay_user *puser = builder->puser;
	const char *uidl, *error;
	int ret;

	*permanent_r = FALSE;
	if (mail_get_special(mail, MAIL_FETCH_UIDL_BACKEND, &uidl) < 0) {
		if (uidl_lookup_failed(builder, mail))
			return NULL;
	} else if (*uidl != '\0') {
		*permanent_r = TRUE;
		return uidl;
	}
	if (puser->reuse_xuidl &&
	    mail_get_first_header(mail, "X-UIDL", &uidl) > 0 &&
	    popinjay_uidl_is_valid(uidl))
		return uidl;

	str_truncate(builder->uidl, 0);
	if (puser->uidl_policy == NULL) {
		ret = popinjay_uidl_format_get(puser->uidl_format, mail,
					       builder->uidl, &error);
	} else {
		ret = puser->uidl_policy->get(mail, builder->uidl, &error);
	}
	if (ret < 0)
		uidl_error(builder, mail, error);
	return ret <= 0 ? NULL : str_c(builder->uidl);
}

static int uidl_set_make(struct mailbox *box, struct uidl_box *ubox,
			 struct popinjay_user *puser)
{
	struct mailbox_transaction_context *trans;
	struct mail_search_args *search_args;
	struct mail_search_context *search_ctx;
	struct mail *mail;
	struct popinjay_uidl_set *set;
	struct mailbox_status status;
	struct uidl_builder builder;
	enum mail_fetch_field fields = 0;
	int ret = 0;

	i_zero(&builder);
	builder.puser = puser;
	builder.uidl = str_new(default_pool, 128);
	if (puser->uidl_format != NULL)
		fields = popinjay_uidl_format_fields(puser->uidl_format);

	mailbox_get_open_status(box, STATUS_MESSAGES | STATUS_UIDVALIDITY,
				&status);
	set = popinjay_uidl_set_create(status.messages, status.uidvalidity,
				       builder_get_guid, &builder);

	trans = mailbox_transaction_begin(box, 0, __func__);
	builder.guid_mail = mail_alloc(trans, MAIL_FETCH_GUID, NULL);
	search_args = mail_search_build_init();
	mail_search_build_add_all(search_args);
	search_ctx = mailbox_search_init(trans, search_args, NULL, fields,
					 NULL);
	mail_search_args_unref(&search_args);
	while (mailbox_search_next(search_ctx, &mail)) T_BEGIN {
		const char *uidl;
		bool permanent;

		uidl = builder_get_uidl(&builder, mail, &permanent);
		popinjay_uidl_set_add(set, mail->uid, uidl, permanent);
	} T_END;
	if (mailbox_search_deinit(&search_ctx) < 0)
		ret = -1;
	else
		popinjay_uidl_set_resolve(set);
	mail_free(&builder.guid_mail);
	/* not rolled back: what was read stands in the cache next time */
	(void)mailbox_transaction_commit(&trans);
	str_free(&builder.uidl);

	if (ret == 0 && builder.failed_count > 0 &&
	    (builder.failed_count > UIDL_MAX_FAILED_MESSAGES ||
	     builder.failed_count == status.messages)) {
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP,
			t_strdup_printf("The UIDLs of %u messages couldn't be "
					"read", builder.failed_count));
		ret = -1;
	}
	if (ret < 0) {
		popinjay_uidl_set_free(&set);
		return -1;
	}
	ubox->set = set;
	ubox->provisional_count = builder.failed_count;
	memcpy(ubox->provisional_uids, builder.failed_uids,
	       sizeof(ubox->provisional_uids));
	return 0;
}

bool popinjay_uidl_storage_is_provisional(struct mailbox *box, uint32_t uid)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);
	unsigned int i;

	for (i = 0; i < ubox->provisional_count; i++) {
		if (ubox->provisional_uids[i] == uid)
			return TRUE;
	}
	return FALSE;
}

int popinjay_uidl_storage_get(struct mailbox *box,
			      const struct popinjay_uidl_set **set_r)
{
	struct uidl_box *ubox = UIDL_BOX_CONTEXT(box);
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	struct mailbox_status status;
	int ret;

	if (ubox == NULL)
		return 0;
	if (puser->error != NULL) {
		mail_storage_set_critical(box->storage, "%s", puser->error);
		return -1;
	}

	mailbox_get_open_status(box, STATUS_MESSAGES | STATUS_UIDNEXT |
				STATUS_UIDVALIDITY, &status);
	if (ubox->set != NULL &&
	    ubox->set_messages_count == status.messages &&
	    ubox->set_next_uid == status.uidnext &&
	    ubox->set_uidvalidity == status.uidvalidity) {
		*set_r = ubox->set;
		return 1;
	}

	popinjay_uidl_set_free(&ubox->set);
	ubox->making_set = TRUE;
	ret = uidl_set_make(box, ubox, puser);
	ubox->making_set = FALSE;
	if (ret < 0)
		return -1;
	ubox->set_messages_count = status.messages;
	ubox->set_next_uid = status.uidnext;
	ubox->set_uidvalidity = status.uidvalidity;
	*set_r = ubox->set;
	return 1;
}

const struct popinjay_uidl_plain *
popinjay_uidl_storage_get_plain(struct mailbox *box)
{
	struct popinjay_user *puser = popinjay_user_get(box->storage->user);
	const struct popinjay_uidl_plain *plain;

	if (UIDL_BOX_CONTEXT(box) == NULL || puser->error != NULL ||
	    puser->uidl_policy != NULL || puser->reuse_xuidl)
		return NULL;
	plain = popinjay_uidl_format_plain(puser->uidl_format);
	if (plain == NULL || popinjay_stored_may_have_uidls(box))
		return NULL;
	return plain;
}

static int uidl_mail_get_plain(struct mail *mail, const char **value_r)
{
	const struct popinjay_uidl_plain *plain;
	struct mailbox_status status;
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];

	plain = popinjay_uidl_storage_get_plain(mail->box);
	if (plain == NULL || mail->saving)
		return 0;
	mailbox_get_open_status(mail->box, STATUS_UIDVALIDITY, &status);
	popinjay_uidl_plain_write(plain, status.uidvalidity, mail->uid, uidl);
	*value_r = p_strdup(((struct mail_private *)mail)->data_pool, uidl);
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
		if (uidl_mail_get_plain(_mail, value_r) > 0)
			return 0;
		ret = popinjay_uidl_storage_get(_mail->box, &set);
		if (ret < 0)
			return -1;
		uidl = ret == 0 ? NULL :
			popinjay_uidl_set_find(set, _mail->uid);
		if (uidl != NULL &&
		    popinjay_uidl_storage_is_provisional(_mail->box,
							 _mail->uid)) {
			/* whoever asks here keeps what he gets */
			mail_storage_set_error(_mail->box->storage,
				MAIL_ERROR_TEMP, "The UIDL couldn't be read");
			return -1;
		}
		if (uidl != NULL) {
			*value_r = uidl->uidl;
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
