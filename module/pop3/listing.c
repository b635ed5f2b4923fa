/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: LIST and UIDL (RFC 1939 sections 5 and 7). Both are one
   number and one value a message, gathered into large pieces. */

#include "session.h"
#include "array.h"
#include "str.h"
#include "mail-storage-private.h"
#include "command.h"
#include "message-number.h"
#include "uidl.h"
#include "uidl-storage.h"

/* A listing is sent in pieces of this size. */
#define LISTING_PIECE_BYTES (32 * 1024)

struct listing {
	struct popinjay_session *session;
	unsigned int msgnum;
	string_t *piece;

	/* NULL for LIST */
	const struct popinjay_uidl_set *uidls;
	/* saves UIDLs, NULL if that is not wanted */
	struct mail *save_mail;
};

static const struct popinjay_uidl *
find_uidl(struct popinjay_session *session,
	  const struct popinjay_uidl_set *uidls, unsigned int msgnum)
{
	const struct popinjay_uidl *all;
	unsigned int count;
	uint32_t seq = popinjay_session_seq(session, msgnum);
	uint32_t uid;

	mail_index_lookup_uid(session->client->mailbox->view, seq, &uid);
	/* normally the set has just the messages of the view */
	all = popinjay_uidl_set_get(uidls, &count);
	if (seq <= count && all[seq - 1].uid == uid)
		return &all[seq - 1];
	return popinjay_uidl_set_find(uidls, uid);
}

/* Dovecot's pop3_save_uidl: Maildir can keep a UIDL with the message. */
static void save_uidl(struct listing *listing, unsigned int msgnum,
		      const struct popinjay_uidl *uidl)
{
	struct mailbox *box = listing->session->client->mailbox;

	if (listing->save_mail == NULL || uidl->permanent ||
	    popinjay_uidl_storage_is_provisional(box, uidl->uid))
		return;
	mail_set_seq(listing->save_mail,
		     popinjay_session_seq(listing->session, msgnum));
	mail_update_pop3_uidl(listing->save_mail, uidl->uidl);
}

static void listing_free(void *context)
{
	struct listing *listing = context;

	if (listing->save_mail != NULL)
		mail_free(&listing->save_mail);
}

static void append_number(string_t *dest, uintmax_t number)
{
	char buf[MAX_INT_STRLEN];

	str_append(dest, dec2str_buf(buf, number));
}

static void listing_append(struct listing *listing, unsigned int msgnum)
{
	const struct client *client = listing->session->client;
	const struct popinjay_uidl *uidl = NULL;

	if (listing->uidls != NULL) {
		uidl = find_uidl(listing->session, listing->uidls, msgnum);
		if (uidl == NULL) {
			/* expunged by another session */
			return;
		}
		save_uidl(listing, msgnum, uidl);
	}

	append_number(listing->piece, msgnum + 1);
	str_append_c(listing->piece, ' ');
	if (uidl != NULL)
		str_append(listing->piece, uidl->uidl);
	else
		append_number(listing->piece, client->message_sizes[msgnum]);
	str_append(listing->piece, "\r\n");
}

static enum popinjay_outcome
listing_more(struct popinjay_request *request, void *context)
{
	struct listing *listing = context;
	unsigned int count = listing->session->client->messages_count;
	int ret = 1;

	while (listing->msgnum < count && ret > 0) {
		str_truncate(listing->piece, 0);
		while (listing->msgnum < count &&
		       str_len(listing->piece) < LISTING_PIECE_BYTES) {
			unsigned int msgnum = listing->msgnum++;

			if (!popinjay_session_is_deleted(listing->session,
							 msgnum))
				listing_append(listing, msgnum);
		}
		ret = popinjay_request_send(request, str_data(listing->piece),
					    str_len(listing->piece));
	}
	if (ret < 0)
		return POPINJAY_OUTCOME_CUT;
	return listing->msgnum < count ? POPINJAY_OUTCOME_MORE :
		POPINJAY_OUTCOME_OK;
}

static struct listing *
listing_create(struct popinjay_request *request,
	       const struct popinjay_uidl_set *uidls)
{
	struct listing *listing;
	struct client *client = request->session->client;
	size_t size;

	/* a short listing needs no large piece; a line is below 100 bytes */
	size = I_MIN(client->messages_count * 100, LISTING_PIECE_BYTES + 100);
	listing = p_new(request->pool, struct listing, 1);
	listing->session = request->session;
	listing->piece = str_new(request->pool, size);
	listing->uidls = uidls;
	if (uidls != NULL && client->set->pop3_save_uidl)
		listing->save_mail = mail_alloc(client->trans, 0, NULL);
	return listing;
}

static enum popinjay_outcome command_list(struct popinjay_request *request)
{
	struct client *client = request->session->client;
	enum popinjay_outcome outcome;
	unsigned int msgnum;
	const char *args;

	if (*request->args == '\0') {
		return popinjay_reply_multiline(request, listing_more,
			listing_free, listing_create(request, NULL),
			"%u messages:",
			client->messages_count - client->deleted_count);
	}
	if (!popinjay_message_number_parse(request, FALSE, &msgnum, &args,
					   &outcome))
		return outcome;
	return popinjay_reply_ok(request, "%u %"PRIuUOFF_T, msgnum + 1,
				 client->message_sizes[msgnum]);
}

/* Keep the UIDLs where Dovecot looks for them when %{uidl_change} stands in
   pop3_logout_format. */
static void keep_uidls_for_logout(struct popinjay_session *session,
				  const struct popinjay_uidl_set *uidls)
{
	struct client *client = session->client;
	const struct popinjay_uidl *uidl;
	unsigned int msgnum;

	if (!client->message_uidls_save || client->message_uidls != NULL ||
	    client->messages_count == 0)
		return;
	client->uidl_pool = pool_alloconly_create("message uidls", 1024);
	client->message_uidls = p_new(client->uidl_pool, const char *,
				      client->messages_count);
	for (msgnum = 0; msgnum < client->messages_count; msgnum++) {
		uidl = find_uidl(session, uidls, msgnum);
		client->message_uidls[msgnum] = uidl == NULL ? "" :
			p_strdup(client->uidl_pool, uidl->uidl);
	}
}

static enum popinjay_outcome
uidl_of_one(struct popinjay_request *request,
	    const struct popinjay_uidl_set *uidls, unsigned int msgnum)
{
	const struct popinjay_uidl *uidl;
	struct listing *listing;

	uidl = find_uidl(request->session, uidls, msgnum);
	if (uidl == NULL)
		return popinjay_reply_expunged(request, msgnum);
	listing = listing_create(request, uidls);
	save_uidl(listing, msgnum, uidl);
	listing_free(listing);
	return popinjay_reply_ok(request, "%u %s", msgnum + 1, uidl->uidl);
}

static enum popinjay_outcome command_uidl(struct popinjay_request *request)
{
	struct popinjay_session *session = request->session;
	struct mailbox *box = session->client->mailbox;
	const struct popinjay_uidl_set *uidls;
	enum popinjay_outcome outcome;
	unsigned int msgnum = 0;
	const char *args;

	if (*request->args != '\0' &&
	    !popinjay_message_number_parse(request, FALSE, &msgnum, &args,
					   &outcome))
		return outcome;

	if (popinjay_uidl_storage_get(box, &uidls) <= 0) {
		e_error(popinjay_client_event(session->client),
			"popinjay: Looking up the UIDLs failed: %s",
			mailbox_get_last_internal_error(box, NULL));
		return popinjay_reply_err(request, "SYS/TEMP",
			"The UIDLs can't be listed now.");
	}
	keep_uidls_for_logout(session, uidls);
	if (*request->args != '\0')
		return uidl_of_one(request, uidls, msgnum);
	return popinjay_reply_multiline(request, listing_more, listing_free,
					listing_create(request, uidls), "%s",
					"");
}

const struct popinjay_command popinjay_command_list = {
	.name = "LIST", .args_max = UINT_MAX, .handler = command_list
};
const struct popinjay_command popinjay_command_uidl = {
	.name = "UIDL", .args_max = UINT_MAX, .handler = command_uidl
};
