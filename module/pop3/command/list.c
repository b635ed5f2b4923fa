/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: LIST and UIDL (RFC 1939 sections 5 and 7). Both are one
   number and one value a message, gathered into large pieces. */

#include "session.h"
#include "array.h"
#include "mail-storage-private.h"
#include "registration.h"
#include "list.h"
#include "message-number.h"
#include "uidl-box.h"
#include "uidl-plain.h"
#include "uidl-show.h"

/* A listing is sent in pieces of this size. */
#define LISTING_PIECE_BYTES (32 * 1024)

/* The longest line: number, space, UIDL or size, CRLF. */
#define LISTING_LINE_MAX_BYTES \
	(MAX_INT_STRLEN + 1 + POPINJAY_UIDL_MAX_LEN + 2)

struct listing {
	struct popinjay_session *session;
	unsigned int msgnum;
	/* has room for a line more than piece_size */
	char *piece;
	size_t piece_size;

	/* UIDLs come from one of these; both NULL for LIST */
	const struct popinjay_uidl_plain *plain;
	const struct popinjay_uidl_set *set;
	/* saves UIDLs, NULL if that is not wanted */
	struct mail *save_mail;
};

static const struct popinjay_uidl *
find_uidl(const struct popinjay_uidl_set *set, uint32_t seq, uint32_t uid)
{
	const struct popinjay_uidl *all;
	unsigned int count;

	/* normally the set has just the messages of the view */
	all = popinjay_uidl_set_get(set, &count);
	if (seq <= count && all[seq - 1].uid == uid)
		return &all[seq - 1];
	return popinjay_uidl_set_find(set, uid);
}

/* Dovecot's pop3_save_uidl: Maildir can keep a UIDL with the message. */
static void save_uidl(struct listing *listing, uint32_t seq,
		      const struct popinjay_uidl *uidl)
{
	if (listing->save_mail == NULL ||
	    uidl->rank != POPINJAY_UIDL_MADE || uidl->provisional)
		return;
	mail_set_seq(listing->save_mail, seq);
	mail_update_pop3_uidl(listing->save_mail, uidl->uidl);
}

/* Write the UIDL of a message to dest, with a NUL at its end. Returns its
   length, or 0 if the message was expunged by another session. */
static size_t write_uidl(struct listing *listing, unsigned int msgnum,
			 char dest[POPINJAY_UIDL_MAX_LEN + 1])
{
	const struct client *client = listing->session->client;
	const struct popinjay_uidl *uidl;
	uint32_t seq = popinjay_session_seq(listing->session, msgnum);
	uint32_t uid;
	size_t size;

	mail_index_lookup_uid(client->mailbox->view, seq, &uid);
	if (listing->plain != NULL) {
		return popinjay_uidl_plain_write(listing->plain,
						 client->uid_validity, uid,
						 dest);
	}
	uidl = find_uidl(listing->set, seq, uid);
	if (uidl == NULL)
		return 0;
	save_uidl(listing, seq, uidl);
	size = strlen(uidl->uidl);
	memcpy(dest, uidl->uidl, size + 1);
	return size;
}

static char *write_number(char *dest, uintmax_t number)
{
	char buf[MAX_INT_STRLEN];
	const char *digits = dec2str_buf(buf, number);
	size_t size = strlen(digits);

	memcpy(dest, digits, size);
	return dest + size;
}

/* Returns the end of the line, which is dest if the message has none. */
static char *
write_line(struct listing *listing, unsigned int msgnum, char *dest)
{
	const struct client *client = listing->session->client;
	char *p = write_number(dest, msgnum + 1);
	size_t size;

	*p++ = ' ';
	if (listing->plain == NULL && listing->set == NULL)
		p = write_number(p, client->message_sizes[msgnum]);
	else {
		size = write_uidl(listing, msgnum, p);
		if (size == 0)
			return dest;
		p += size;
	}
	*p++ = '\r';
	*p++ = '\n';
	return p;
}

static enum popinjay_outcome
listing_more(struct popinjay_request *request, void *context)
{
	struct listing *listing = context;
	unsigned int count = listing->session->client->messages_count;
	int ret = 1;

	while (listing->msgnum < count && ret > 0) {
		char *p = listing->piece;
		const char *end = p + listing->piece_size;

		for (; listing->msgnum < count && p < end; listing->msgnum++) {
			if (!popinjay_session_is_deleted(listing->session,
							 listing->msgnum))
				p = write_line(listing, listing->msgnum, p);
		}
		ret = popinjay_request_send(request, listing->piece,
					    p - listing->piece);
	}
	if (ret < 0)
		return POPINJAY_OUTCOME_CUT;
	return listing->msgnum < count ? POPINJAY_OUTCOME_MORE :
		POPINJAY_OUTCOME_OK;
}

static struct listing *listing_create(struct popinjay_request *request)
{
	struct listing *listing;
	unsigned int count = request->session->client->messages_count;

	listing = p_new(request->pool, struct listing, 1);
	listing->session = request->session;
	/* a short listing needs no large piece */
	listing->piece_size = I_MIN((size_t)count * LISTING_LINE_MAX_BYTES,
				    LISTING_PIECE_BYTES);
	listing->piece = p_malloc(request->pool, listing->piece_size +
				  LISTING_LINE_MAX_BYTES);
	return listing;
}

static void listing_free(void *context)
{
	struct listing *listing = context;

	if (listing->save_mail != NULL)
		mail_free(&listing->save_mail);
}

static enum popinjay_outcome command_list(struct popinjay_request *request)
{
	struct client *client = request->session->client;
	enum popinjay_outcome outcome;
	unsigned int msgnum;
	const char *args;

	if (*request->args == '\0') {
		return popinjay_reply_multiline(request, listing_more,
			listing_free, listing_create(request),
			"%u messages:",
			client->messages_count - client->deleted_count);
	}
	if (!popinjay_message_number_parse(request, FALSE, &msgnum, &args,
					   &outcome))
		return outcome;
	return popinjay_reply_ok(request, "%u %"PRIuUOFF_T, msgnum + 1,
				 client->message_sizes[msgnum]);
}

static void find_uidl_plain(struct popinjay_session *session)
{
	struct client *client = session->client;

	session->uidl_plain_known = TRUE;
	session->uidl_plain = client->set->pop3_save_uidl ? NULL :
		popinjay_uidl_box_get_plain(popinjay_uidl_box(client->mailbox));
}

bool popinjay_listing_uidl(struct popinjay_session *session,
			   unsigned int msgnum,
			   char dest[POPINJAY_UIDL_MAX_LEN + 1])
{
	struct popinjay_uidl_box *ubox =
		popinjay_uidl_box(session->client->mailbox);
	struct listing listing = { .session = session };

	if (!session->uidl_plain_known)
		find_uidl_plain(session);
	listing.plain = session->uidl_plain;
	if (listing.plain == NULL &&
	    (!session->uidls_listed ||
	     popinjay_uidl_box_get(ubox, &listing.set) < 0))
		return FALSE;
	return write_uidl(&listing, msgnum, dest) > 0;
}

/* Keep the UIDLs where Dovecot looks for them when %{uidl_change} stands in
   pop3_logout_format. */
static void keep_uidls_for_logout(struct listing *listing)
{
	struct client *client = listing->session->client;
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	unsigned int msgnum;

	if (!client->message_uidls_save || client->message_uidls != NULL ||
	    client->messages_count == 0)
		return;
	client->uidl_pool = pool_alloconly_create("message uidls", 1024);
	client->message_uidls = p_new(client->uidl_pool, const char *,
				      client->messages_count);
	for (msgnum = 0; msgnum < client->messages_count; msgnum++) {
		client->message_uidls[msgnum] =
			write_uidl(listing, msgnum, uidl) == 0 ? "" :
			p_strdup(client->uidl_pool, uidl);
	}
}

static enum popinjay_outcome
uidl_of_one(struct popinjay_request *request, struct listing *listing,
	    unsigned int msgnum)
{
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	size_t size = write_uidl(listing, msgnum, uidl);

	listing_free(listing);
	if (size == 0)
		return popinjay_reply_expunged(request, msgnum);
	return popinjay_reply_ok(request, "%u %s", msgnum + 1, uidl);
}

static enum popinjay_outcome command_uidl(struct popinjay_request *request)
{
	struct popinjay_session *session = request->session;
	struct client *client = session->client;
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(client->mailbox);
	struct listing *listing;
	enum popinjay_outcome outcome;
	unsigned int msgnum = 0;
	const char *args;

	if (*request->args != '\0' &&
	    !popinjay_message_number_parse(request, FALSE, &msgnum, &args,
					   &outcome))
		return outcome;

	listing = listing_create(request);
	find_uidl_plain(session);
	listing->plain = session->uidl_plain;
	if (listing->plain == NULL &&
	    popinjay_uidl_show(ubox, &listing->set) < 0) {
		return popinjay_reply_err(request, "SYS/TEMP",
			"The UIDLs can't be listed now.");
	}
	session->uidls_listed = TRUE;
	keep_uidls_for_logout(listing);
	if (client->set->pop3_save_uidl)
		listing->save_mail = mail_alloc(client->trans, 0, NULL);
	if (*request->args != '\0')
		return uidl_of_one(request, listing, msgnum);
	return popinjay_reply_multiline(request, listing_more, listing_free,
					listing, "%s", "");
}

const struct popinjay_command popinjay_command_list = {
	.name = "LIST", .args_max = UINT_MAX, .handler = command_list
};
const struct popinjay_command popinjay_command_uidl = {
	.name = "UIDL", .args_max = UINT_MAX, .handler = command_uidl
};
