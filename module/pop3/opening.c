/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the opening of the INBOX. Dovecot searches it for all
   messages in their POP3 order and asks each for its size and its flags. Where
   order and sizes are stored, this goes through them without opening mail
   objects; a message whose size is not known gets one, as in Dovecot. */

#include "lib.h"
#include "array.h"
#include "index-storage.h"
#include "mail-search.h"
#include "mail-storage-private.h"
#include "opening.h"
#include "stored.h"

#define OPENING_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, opening_storage_module)
#define OPENING_MAIL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, opening_mail_module)

struct opening_box {
	union mailbox_module_context module_ctx;

	/* the search that is ours, while it lasts */
	struct opening_search *search;
};

struct opening_search {
	/* must be first */
	struct mail_search_context ctx;

	struct popinjay_stored *stored;
	uint32_t last_seq;

	/* Stands for each message whose size is known. It is never opened:
	   else Dovecot would keep what it learned of one message for
	   another. */
	struct mail *known_mail;
	uoff_t known_size;
	/* for the others */
	struct mail *mail;
};

struct opening_mail {
	union mail_module_context module_ctx;

	struct opening_search *search;
};

static MODULE_CONTEXT_DEFINE_INIT(opening_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(opening_mail_module, &mail_module_register);

static int opening_mail_get_virtual_size(struct mail *_mail, uoff_t *size_r)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct opening_mail *omail = OPENING_MAIL_CONTEXT_REQUIRE(mail);

	*size_r = omail->search->known_size;
	return 0;
}

static struct mail *
known_mail_create(struct opening_search *search,
		    struct mailbox_transaction_context *trans,
		    enum mail_fetch_field wanted_fields)
{
	struct mail *_mail = mail_alloc(trans, wanted_fields, NULL);
	struct mail_private *mail = (struct mail_private *)_mail;
	struct opening_mail *omail = p_new(mail->pool, struct opening_mail, 1);

	omail->search = search;
	omail->module_ctx.super = mail->v;
	mail->v.get_virtual_size = opening_mail_get_virtual_size;
	MODULE_CONTEXT_SET(mail, opening_mail_module, omail);
	return _mail;
}

static bool
is_opening(struct mailbox_transaction_context *trans,
	   const struct mail_search_args *args,
	   const enum mail_sort_type *sort_program,
	   enum mail_fetch_field wanted_fields,
	   const struct mailbox_header_lookup_ctx *wanted_headers)
{
	const struct mail_search_arg *arg = args->args;

	return (trans->box->flags & MAILBOX_FLAG_POP3_SESSION) != 0 &&
		sort_program != NULL &&
		sort_program[0] == MAIL_SORT_POP3_ORDER &&
		sort_program[1] == MAIL_SORT_END &&
		arg != NULL && arg->type == SEARCH_ALL && !arg->match_not &&
		arg->next == NULL && wanted_headers == NULL &&
		(wanted_fields & ~(unsigned int)MAIL_FETCH_VIRTUAL_SIZE) == 0 &&
		/* others' flags in an index of their own */
		trans->box->view_pvt == NULL;
}

static struct mail_search_context *
opening_search_init(struct mailbox_transaction_context *trans,
		    struct mail_search_args *args,
		    const enum mail_sort_type *sort_program,
		    enum mail_fetch_field wanted_fields,
		    struct mailbox_header_lookup_ctx *wanted_headers)
{
	struct opening_box *obox = OPENING_BOX_CONTEXT_REQUIRE(trans->box);
	struct opening_search *search;
	struct popinjay_stored *stored = NULL;

	if (obox->search == NULL &&
	    is_opening(trans, args, sort_program, wanted_fields,
		       wanted_headers))
		stored = popinjay_stored_open(trans);
	if (stored == NULL) {
		return obox->module_ctx.super.search_init(trans, args,
			sort_program, wanted_fields, wanted_headers);
	}

	search = i_new(struct opening_search, 1);
	search->ctx.transaction = trans;
	search->ctx.args = args;
	search->ctx.wanted_fields = wanted_fields;
	i_array_init(&search->ctx.results, 1);
	i_array_init(&search->ctx.module_contexts, 1);
	i_array_init(&search->ctx.mails, 1);
	search->stored = stored;
	search->last_seq = mail_index_view_get_messages_count(trans->view);
	search->known_mail = known_mail_create(search, trans, wanted_fields);
	search->mail = mail_alloc(trans, wanted_fields, NULL);
	obox->search = search;
	return &search->ctx;
}

static bool opening_search_next(struct mail_search_context *ctx,
				struct mail **mail_r, bool *tryagain_r)
{
	struct mailbox_transaction_context *trans = ctx->transaction;
	struct opening_box *obox = OPENING_BOX_CONTEXT_REQUIRE(trans->box);
	struct opening_search *search = obox->search;

	if (search == NULL || ctx != &search->ctx) {
		return obox->module_ctx.super.
			search_next_nonblock(ctx, mail_r, tryagain_r);
	}
	*tryagain_r = FALSE;
	if (ctx->seq == search->last_seq)
		return FALSE;
	ctx->seq++;
	if (!popinjay_stored_get_size(search->stored, ctx->seq,
				      &search->known_size)) {
		mail_set_seq(search->mail, ctx->seq);
		*mail_r = search->mail;
		return TRUE;
	}
	/* Nothing but the size and the flags will be asked for, and for the
	   flags these two are enough. */
	search->known_mail->seq = ctx->seq;
	mail_index_lookup_uid(trans->view, ctx->seq, &search->known_mail->uid);
	*mail_r = search->known_mail;
	return TRUE;
}

static int opening_search_deinit(struct mail_search_context *ctx)
{
	struct opening_box *obox =
		OPENING_BOX_CONTEXT_REQUIRE(ctx->transaction->box);
	struct opening_search *search = obox->search;

	if (search == NULL || ctx != &search->ctx)
		return obox->module_ctx.super.search_deinit(ctx);
	obox->search = NULL;
	mail_free(&search->mail);
	/* as it was when it was made */
	search->known_mail->seq = search->known_mail->uid = 0;
	mail_free(&search->known_mail);
	popinjay_stored_close(&search->stored);
	array_free(&ctx->results);
	array_free(&ctx->module_contexts);
	array_free(&ctx->mails);
	i_free(search);
	return 0;
}

void popinjay_opening_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct opening_box *obox;

	if (!box->inbox_user)
		return;
	obox = p_new(box->pool, struct opening_box, 1);
	obox->module_ctx.super = *v;
	box->vlast = &obox->module_ctx.super;
	v->search_init = opening_search_init;
	v->search_next_nonblock = opening_search_next;
	v->search_deinit = opening_search_deinit;
	MODULE_CONTEXT_SET(box, opening_storage_module, obox);
}
