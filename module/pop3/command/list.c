/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: LIST and UIDL (RFC 1939 sections 5 and 7). Both are one
   number and one value a message, gathered into large pieces. */

#include "session.h"
#include "commands.h"
#include "message-number.h"
#include "reply.h"
#include "uidls.h"

/* A listing is sent in pieces of this size. */
#define LISTING_PIECE_BYTES (32 * 1024)

/* The longest line: number, space, UIDL or size, CRLF. */
#define LISTING_LINE_MAX_BYTES \
	(MAX_INT_STRLEN + 1 + POPINJAY_UIDL_MAX_LEN + 2)

struct listing {
	struct popinjay_session *session;
	/* the next message */
	unsigned int msn;
	/* has room for a line more than piece_size */
	char *piece;
	size_t piece_size;

	/* for UIDL */
	bool want_uidls;
	struct popinjay_uidls uidls;
};

static char *write_number(char *dest, uintmax_t number)
{
	char buf[MAX_INT_STRLEN];
	const char *digits = dec2str_buf(buf, number);
	size_t size = strlen(digits);

	memcpy(dest, digits, size);
	return dest + size;
}

/* Returns the end of the line, which is dest if the message has none. */
static char *write_line(struct listing *listing, unsigned int msn, char *dest)
{
	struct popinjay_message message;
	char *p = write_number(dest, msn);
	size_t size;

	*p++ = ' ';
	if (!listing->want_uidls) {
		p = write_number(p, popinjay_client_size(
			listing->session->client, msn - 1));
	} else {
		popinjay_session_message(listing->session, msn, &message);
		size = popinjay_uidls_write(&listing->uidls, &message, p);
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
	struct popinjay_client *client = listing->session->client;
	unsigned int count = popinjay_client_messages(client);
	int ret = 1;

	while (listing->msn <= count && ret > 0) {
		char *p = listing->piece;
		const char *end = p + listing->piece_size;

		for (; listing->msn <= count && p < end; listing->msn++) {
			if (!popinjay_client_is_deleted(client,
							listing->msn - 1))
				p = write_line(listing, listing->msn, p);
		}
		ret = popinjay_request_send(request, listing->piece,
					    p - listing->piece);
	}
	if (ret < 0)
		return POPINJAY_OUTCOME_CUT;
	return listing->msn <= count ? POPINJAY_OUTCOME_MORE :
		POPINJAY_OUTCOME_OK;
}

static struct listing *listing_create(struct popinjay_request *request)
{
	struct listing *listing;
	unsigned int count = popinjay_session_messages(request->session);

	listing = p_new(request->pool, struct listing, 1);
	listing->session = request->session;
	listing->msn = 1;
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

	popinjay_uidls_free(&listing->uidls);
}

static enum popinjay_outcome command_list(struct popinjay_request *request)
{
	struct popinjay_message message;
	enum popinjay_outcome outcome;
	const char *args;

	if (*request->args == '\0') {
		return popinjay_reply_multiline(request, listing_more,
			listing_free, listing_create(request), "%u messages:",
			popinjay_client_messages_left(
				request->session->client));
	}
	if (!popinjay_message_number_parse(request, FALSE, &message, &args,
					   &outcome))
		return outcome;
	return popinjay_reply_ok(request, "%u %"PRIuUOFF_T, message.msn,
				 message.size);
}

/* Keep the UIDLs where Dovecot looks for them when %{uidl_change} stands in
   pop3_logout_format. */
static void keep_uidls_for_logout(struct listing *listing)
{
	struct popinjay_session *session = listing->session;
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	struct popinjay_message message;
	const char **wanted;
	unsigned int msn;
	pool_t pool;

	wanted = popinjay_client_want_uidls(session->client, &pool);
	if (wanted == NULL)
		return;
	for (msn = 1; msn <= popinjay_session_messages(session); msn++) {
		popinjay_session_message(session, msn, &message);
		wanted[msn - 1] = popinjay_uidls_write(&listing->uidls,
			&message, uidl) == 0 ? "" : p_strdup(pool, uidl);
	}
}

static enum popinjay_outcome
uidl_of_one(struct popinjay_request *request, struct listing *listing,
	    const struct popinjay_message *message)
{
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	size_t size = popinjay_uidls_write(&listing->uidls, message, uidl);

	listing_free(listing);
	if (size == 0)
		return popinjay_reply_expunged(request, message->msn);
	return popinjay_reply_ok(request, "%u %s", message->msn, uidl);
}

static enum popinjay_outcome command_uidl(struct popinjay_request *request)
{
	struct popinjay_message message;
	struct listing *listing;
	enum popinjay_outcome outcome;
	const char *args;
	bool one = *request->args != '\0';

	if (one && !popinjay_message_number_parse(request, FALSE, &message,
						  &args, &outcome))
		return outcome;

	listing = listing_create(request);
	listing->want_uidls = TRUE;
	if (popinjay_uidls_show(request->session, &listing->uidls) < 0) {
		return popinjay_reply_err(request, "SYS/TEMP",
			"The UIDLs can't be listed now.");
	}
	keep_uidls_for_logout(listing);
	popinjay_uidls_save(request->session, &listing->uidls);
	if (one)
		return uidl_of_one(request, listing, &message);
	return popinjay_reply_multiline(request, listing_more, listing_free,
					listing, "%s", "");
}

const struct popinjay_command popinjay_command_list = {
	.name = "LIST", .args_max = UINT_MAX, .handler = command_list
};
const struct popinjay_command popinjay_command_uidl = {
	.name = "UIDL", .args_max = UINT_MAX, .handler = command_uidl
};
