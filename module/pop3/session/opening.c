/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the opening of the INBOX. Dovecot searches it for all
   messages in their POP3 order and asks each for its size and its flags. Where
   order and sizes are stored, this goes through them without opening mail
   objects; a message whose size is not known gets one, as in Dovecot.

   A message whose size cannot be found out would leave the user without all
   others. It gets a size that stands in for its own.

   Where a feature has a view of the mailbox, the search gives the messages that
   are left in it, in its order. */

#include "session.h"
#include "mail-search.h"
#include "mail-storage-private.h"
#include "opening.h"
#include "stages.h"
#include "stored.h"
#include "whole.h"

/* With more messages that cannot be read, it is the storage that is in trouble:
   the session is refused, as in Dovecot. */
#define OPENING_MAX_UNREADABLE 100

#define OPENING_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, opening_storage_module)
#define OPENING_MAIL_CONTEXT(obj) \
	MODULE_CONTEXT(obj, opening_mail_module)
#define OPENING_MAIL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, opening_mail_module)

struct opening_box {
	union mailbox_module_context module_ctx;

	/* the search that is ours, while it lasts */
	struct opening_search *search;

	/* the search that finds the messages of the session, while it lasts,
	   and how many it has found */
	struct mail_search_context *opening;
	struct popinjay_session *session;
	unsigned int found_count, unreadable_count;
};

struct opening_search {
	/* must be first */
	struct mail_search_context ctx;

	/* NULL: each message is asked for its size */
	struct popinjay_stored *stored;
	/* the messages to give, or with no view 1 to last_seq; and how many of
	   them were given */
	ARRAY_TYPE(uint32_t) seqs;
	uint32_t last_seq;
	unsigned int given_count;
	bool failed;

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

	struct opening_box *obox;
};

static MODULE_CONTEXT_DEFINE_INIT(opening_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(opening_mail_module, &mail_module_register);

static int opening_mail_get_virtual_size(struct mail *_mail, uoff_t *size_r)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct opening_mail *omail = OPENING_MAIL_CONTEXT_REQUIRE(mail);

	*size_r = omail->obox->search->known_size;
	return 0;
}

static struct opening_mail *
opening_mail_create(struct opening_box *obox, struct mail_private *mail)
{
	struct opening_mail *omail = p_new(mail->pool, struct opening_mail, 1);

	omail->obox = obox;
	omail->module_ctx.super = mail->v;
	MODULE_CONTEXT_SET(mail, opening_mail_module, omail);
	return omail;
}

/* The size of a message could not be found out. Returns 0 if the session can do
   without. */
static int opening_stand_in(struct opening_box *obox, struct mail *mail,
			    uoff_t *size_r)
{
	enum mail_error error;
	const char *errstr;

	errstr = t_strdup(mailbox_get_last_internal_error(mail->box, &error));
	if (mail->expunged || error != MAIL_ERROR_TEMP ||
	    obox->unreadable_count == OPENING_MAX_UNREADABLE)
		return -1;
	obox->unreadable_count++;
	/* clients skip messages of 0 bytes for ever */
	if (!popinjay_stored_get_file_size(mail, size_r) || *size_r == 0)
		*size_r = 1;
	popinjay_session_set_unreadable(obox->session, obox->found_count);
	e_error(popinjay_client_event(obox->session->client),
		"popinjay: The size of message UID %u can't be found out: %s "
		"- listed it with %"PRIuUOFF_T" bytes; in this session it is "
		"not deleted", mail->uid, errstr, *size_r);
	return 0;
}

static int opening_mail_find_virtual_size(struct mail *_mail, uoff_t *size_r)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct opening_mail *omail = OPENING_MAIL_CONTEXT_REQUIRE(mail);
	struct opening_box *obox = omail->obox;
	int ret;

	ret = omail->module_ctx.super.get_virtual_size(_mail, size_r);
	/* with pop3_fast_size_lookups the first try may not read it */
	if (ret < 0 && obox->opening != NULL &&
	    _mail->lookup_abort == MAIL_LOOKUP_ABORT_NEVER)
		ret = opening_stand_in(obox, _mail, size_r);
	return ret;
}

/* Let a mail of the opening search know what to do without a size. */
static void opening_mail_guard(struct opening_box *obox, struct mail *_mail)
{
	struct mail_private *mail = (struct mail_private *)_mail;

	if (OPENING_MAIL_CONTEXT(mail) != NULL)
		return;
	(void)opening_mail_create(obox, mail);
	mail->v.get_virtual_size = opening_mail_find_virtual_size;
}

static struct mail *
known_mail_create(struct opening_box *obox,
		  struct mailbox_transaction_context *trans,
		  enum mail_fetch_field wanted_fields)
{
	struct mail *_mail = mail_alloc(trans, wanted_fields, NULL);
	struct mail_private *mail = (struct mail_private *)_mail;

	(void)opening_mail_create(obox, mail);
	mail->v.get_virtual_size = opening_mail_get_virtual_size;
	return _mail;
}

/* Returns TRUE if the search is the one that finds the messages of a POP3
   session. */
static bool
is_opening(struct mailbox_transaction_context *trans,
	   const enum mail_sort_type *sort_program)
{
	return (trans->box->flags & MAILBOX_FLAG_POP3_SESSION) != 0 &&
		sort_program != NULL &&
		sort_program[0] == MAIL_SORT_POP3_ORDER &&
		sort_program[1] == MAIL_SORT_END;
}

/* Returns TRUE if we can do it. */
static bool
is_simple(struct mailbox_transaction_context *trans,
	  const struct mail_search_args *args,
	  enum mail_fetch_field wanted_fields,
	  const struct mailbox_header_lookup_ctx *wanted_headers)
{
	const struct mail_search_arg *arg = args->args;

	return arg != NULL && arg->type == SEARCH_ALL && !arg->match_not &&
		arg->next == NULL && wanted_headers == NULL &&
		(wanted_fields & ~(unsigned int)MAIL_FETCH_VIRTUAL_SIZE) == 0 &&
		/* others' flags in an index of their own */
		trans->box->view_pvt == NULL;
}

static struct opening_search *
our_search_init(struct opening_box *obox, struct popinjay_stored *stored,
		struct mailbox_transaction_context *trans,
		struct mail_search_args *args,
		enum mail_fetch_field wanted_fields)
{
	struct opening_search *search;

	search = i_new(struct opening_search, 1);
	search->ctx.transaction = trans;
	search->ctx.args = args;
	search->ctx.wanted_fields = wanted_fields;
	i_array_init(&search->ctx.results, 1);
	i_array_init(&search->ctx.module_contexts, 1);
	i_array_init(&search->ctx.mails, 1);
	search->stored = stored;
	search->last_seq = mail_index_view_get_messages_count(trans->view);
	search->known_mail = known_mail_create(obox, trans, wanted_fields);
	search->mail = mail_alloc(trans, wanted_fields, NULL);
	obox->search = search;
	return search;
}

/* Let Dovecot find the messages. Returns 0, or -1 if that failed. */
static int
opening_collect(struct opening_box *obox,
		struct mailbox_transaction_context *trans,
		struct mail_search_args *args,
		const enum mail_sort_type *sort_program,
		ARRAY_TYPE(uint32_t) *seqs)
{
	struct mail_search_context *ctx;
	struct mail *mail;
	bool again = FALSE;

	ctx = obox->module_ctx.super.search_init(trans, args, sort_program, 0,
						 NULL);
	do {
		while (obox->module_ctx.super.search_next_nonblock(ctx, &mail,
								   &again))
			array_push_back(seqs, &mail->seq);
	} while (again);
	return obox->module_ctx.super.search_deinit(ctx);
}

/* Ask the features which messages the client is to be shown. */
static void opening_view(struct opening_box *obox,
			 struct mailbox_transaction_context *trans,
			 struct mail_search_args *args,
			 const enum mail_sort_type *sort_program)
{
	struct opening_search *search = obox->search;
	uint32_t seq;

	i_array_init(&search->seqs, search->last_seq + 1);
	if (search->stored == NULL) {
		search->failed = opening_collect(obox, trans, args,
						 sort_program,
						 &search->seqs) < 0;
	} else for (seq = 1; seq <= search->last_seq; seq++)
		array_push_back(&search->seqs, &seq);
	popinjay_client_hides_messages(obox->session->client);
	if (!search->failed) {
		popinjay_stages_view(obox->session, trans->box,
				     &search->seqs);
	}
}

static struct mail_search_context *
opening_search_init(struct mailbox_transaction_context *trans,
		    struct mail_search_args *args,
		    const enum mail_sort_type *sort_program,
		    enum mail_fetch_field wanted_fields,
		    struct mailbox_header_lookup_ctx *wanted_headers)
{
	struct opening_box *obox = OPENING_BOX_CONTEXT_REQUIRE(trans->box);
	struct popinjay_session *session =
		popinjay_session_find(trans->box->storage->user);
	struct popinjay_stored *stored = NULL;
	bool view;

	if (session == NULL || obox->opening != NULL ||
	    !is_opening(trans, sort_program)) {
		return obox->module_ctx.super.search_init(trans, args,
			sort_program, wanted_fields, wanted_headers);
	}
	/* Dovecot may have tried before */
	array_clear(&session->unreadable);
	obox->session = session;
	obox->found_count = obox->unreadable_count = 0;

	view = popinjay_stages_want_view(session, trans->box);
	if (is_simple(trans, args, wanted_fields, wanted_headers))
		stored = popinjay_stored_open(trans);
	if (stored == NULL && !view) {
		obox->opening = obox->module_ctx.super.search_init(trans, args,
			sort_program, wanted_fields, wanted_headers);
		return obox->opening;
	}
	obox->opening = &our_search_init(obox, stored, trans, args,
					 wanted_fields)->ctx;
	if (view)
		opening_view(obox, trans, args, sort_program);
	return obox->opening;
}

/* Returns the next message to give, 0 if there is none. */
static uint32_t our_search_next_seq(struct opening_search *search)
{
	unsigned int idx = search->given_count;

	if (array_is_created(&search->seqs)) {
		if (idx == array_count(&search->seqs))
			return 0;
		search->given_count++;
		return *array_idx(&search->seqs, idx);
	}
	return idx == search->last_seq ? 0 : ++search->given_count;
}

static bool
our_search_next(struct opening_search *search, struct mail **mail_r)
{
	struct mail_search_context *ctx = &search->ctx;
	uint32_t seq = our_search_next_seq(search);

	if (seq == 0)
		return FALSE;
	ctx->seq = seq;
	if (search->stored == NULL ||
	    !popinjay_stored_get_size(search->stored, seq,
				      &search->known_size)) {
		mail_set_seq(search->mail, seq);
		*mail_r = search->mail;
		return TRUE;
	}
	/* Nothing but the size and the flags will be asked for, and for the
	   flags these two are enough. */
	search->known_mail->seq = seq;
	mail_index_lookup_uid(ctx->transaction->view, seq,
			      &search->known_mail->uid);
	*mail_r = search->known_mail;
	return TRUE;
}

static bool opening_search_next(struct mail_search_context *ctx,
				struct mail **mail_r, bool *tryagain_r)
{
	struct opening_box *obox =
		OPENING_BOX_CONTEXT_REQUIRE(ctx->transaction->box);
	bool found;

	if (obox->search != NULL && ctx == &obox->search->ctx) {
		*tryagain_r = FALSE;
		found = our_search_next(obox->search, mail_r);
	} else {
		found = obox->module_ctx.super.
			search_next_nonblock(ctx, mail_r, tryagain_r);
	}
	if (found && ctx == obox->opening) {
		obox->found_count++;
		opening_mail_guard(obox, *mail_r);
		/* where a wrong size is claimed, the right one can be found
		   out all the same */
		popinjay_holder_prepare(ctx->transaction);
	}
	return found;
}

static int opening_search_deinit(struct mail_search_context *ctx)
{
	struct opening_box *obox =
		OPENING_BOX_CONTEXT_REQUIRE(ctx->transaction->box);
	struct opening_search *search = obox->search;
	int ret;

	if (ctx == obox->opening)
		obox->opening = NULL;
	if (search == NULL || ctx != &search->ctx)
		return obox->module_ctx.super.search_deinit(ctx);
	obox->search = NULL;
	mail_free(&search->mail);
	/* as it was when it was made */
	search->known_mail->seq = search->known_mail->uid = 0;
	mail_free(&search->known_mail);
	if (search->stored != NULL)
		popinjay_stored_close(&search->stored);
	if (array_is_created(&search->seqs))
		array_free(&search->seqs);
	array_free(&ctx->results);
	array_free(&ctx->module_contexts);
	array_free(&ctx->mails);
	ret = search->failed ? -1 : 0;
	i_free(search);
	return ret;
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
