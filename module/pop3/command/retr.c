/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: RETR and TOP (RFC 1939 sections 5 and 7). A message that
   cannot be read to its end is never followed by the final ".", which would
   make the client take the part for the whole and delete the mail: the
   connection is dropped instead. */

#include "session.h"
#include "istream-private.h"
#include "ostream.h"
#include "mail-storage-private.h"
#include "registration.h"
#include "message-log.h"
#include "message-number.h"
#include "whole.h"
#include "wire.h"

#include <ctype.h>

/* How much of a message is read, and sent, at a time. A session holds at most
   this much in its mail stream and twice this much in its output; wire_buffer
   is the process's. Larger pieces cost memory and gain nothing. */
#define RETRIEVE_PIECE_BYTES (32 * 1024)
/* Reading begins with this much, for messages that are smaller. */
#define RETRIEVE_MIN_READ_BYTES (4 * 1024)

struct retrieve {
	struct popinjay_session *session;
	unsigned int msgnum;
	bool whole;

	struct mail *mail;
	struct istream *stream;
	struct popinjay_holder holder;
	struct popinjay_wire wire;
	uoff_t start_offset;
	/* all of it was sent, and the line of "." */
	bool finished;
};

/* What is to be sent of a message: used only while retrieve_more() runs. */
static unsigned char wire_buffer[RETRIEVE_PIECE_BYTES];

static void retrieve_free(void *context)
{
	struct retrieve *retrieve = context;
	struct client *client = retrieve->session->client;
	uoff_t bytes = client->output->offset - retrieve->start_offset;

	/* Dovecot does not count the last line */
	if (retrieve->finished)
		bytes -= strlen(".\r\n");
	if (retrieve->whole)
		client->retr_bytes += bytes;
	else
		client->top_bytes += bytes;
	mail_free(&retrieve->mail);
}

/* The GUID of a message with which something is wrong, NULL if it is not known.
   The storage must not read it for that: it would report the same fault again,
   or start to repair. */
static const char *get_known_guid(const struct retrieve *retrieve)
{
	struct mail *mail = retrieve->mail;
	enum mail_lookup_abort lookup_abort = mail->lookup_abort;
	const char *guid;

	/* it may read all of the file, with a stream that has failed */
	if (popinjay_storage_kind(mail->box)->one_file &&
	    (retrieve->stream == NULL || retrieve->stream->stream_errno != 0))
		return NULL;
	mail->lookup_abort = MAIL_LOOKUP_ABORT_NOT_IN_CACHE;
	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) < 0 ||
	    *guid == '\0')
		guid = NULL;
	mail->lookup_abort = lookup_abort;
	return guid;
}

static const char *guid_text(const struct retrieve *retrieve)
{
	const char *guid = get_known_guid(retrieve);

	return guid == NULL ? "unknown" : guid;
}

static enum popinjay_outcome
retrieve_failed(struct popinjay_request *request, struct retrieve *retrieve,
		size_t unsent_size, const char *error)
{
	struct popinjay_session *session = retrieve->session;
	struct mail *mail = retrieve->mail;

	/* what there is can do no harm, and may be of use */
	(void)popinjay_request_send(request, wire_buffer, unsent_size);
	popinjay_session_set_unreadable(session, retrieve->msgnum);
	e_error(popinjay_client_event(session->client),
		"popinjay: %s of message UID %u (GUID %s) failed: %s - "
		"dropped the connection, so that the client does not take "
		"the part that was sent for the whole",
		retrieve->whole ? "RETR" : "TOP", mail->uid,
		guid_text(retrieve), error);
	return POPINJAY_OUTCOME_CUT;
}

static void
warn_of_size(struct popinjay_request *request, struct retrieve *retrieve,
	     bool smaller, const char *sizes)
{
	e_warning(popinjay_client_event(retrieve->session->client),
		"popinjay: %s: Message UID %u (GUID %s) has %s - sent it "
		"whole%s", request->name, retrieve->mail->uid,
		guid_text(retrieve), sizes, !smaller ? "" :
		", and it is not deleted in this session, as its end may be "
		"lost");
}

/* The stream has ended. Returns FALSE with the reason if that was not the end
   of the message. */
static bool
retrieve_is_whole(struct popinjay_request *request, struct retrieve *retrieve,
		  const char **error_r)
{
	struct popinjay_session *session = retrieve->session;
	const struct popinjay_read_sizes sizes = {
		.read_bytes = retrieve->wire.consumed_bytes,
		.virtual_bytes = retrieve->wire.virtual_bytes,
		/* by STAT and LIST */
		.told_bytes = session->client->message_sizes[retrieve->msgnum]
	};

	if (retrieve->stream->stream_errno != 0) {
		popinjay_holder_failed(&retrieve->holder);
		*error_r = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(retrieve->stream),
			i_stream_get_error(retrieve->stream));
		return FALSE;
	}
	switch (popinjay_holder_check(&retrieve->holder, &sizes, error_r)) {
	case POPINJAY_WHOLE:
		break;
	case POPINJAY_WHOLE_OTHER_SIZE:
		warn_of_size(request, retrieve, FALSE, *error_r);
		break;
	case POPINJAY_WHOLE_SMALLER:
		popinjay_session_set_smaller(session, retrieve->msgnum);
		warn_of_size(request, retrieve, TRUE, *error_r);
		break;
	case POPINJAY_WHOLE_NOT:
		return FALSE;
	}
	return TRUE;
}

/* RETR makes a message \Seen, when all of it was sent. */
static void mark_seen(struct retrieve *retrieve)
{
	struct client *client = retrieve->session->client;
	unsigned int msgnum = retrieve->msgnum;

	if (client->seen_bitmask == NULL ||
	    (mail_get_flags(retrieve->mail) & MAIL_SEEN) != 0)
		return;
	client->seen_bitmask[msgnum / CHAR_BIT] |= 1 << (msgnum % CHAR_BIT);
	client->seen_change_count++;
}

/* Send the end of the message, of which unsent_size bytes are in wire_buffer
   already, with room for what has to follow. */
static enum popinjay_outcome
retrieve_finish(struct popinjay_request *request, struct retrieve *retrieve,
		size_t unsent_size)
{
	struct client *client = retrieve->session->client;
	const char *error;

	if (!popinjay_wire_is_done(&retrieve->wire) &&
	    !retrieve_is_whole(request, retrieve, &error))
		return retrieve_failed(request, retrieve, unsent_size, error);

	unsent_size += popinjay_wire_finish(&retrieve->wire,
		(client->set->parsed_workarounds & WORKAROUND_OE_NS_EOH) != 0,
		wire_buffer + unsent_size);
	if (popinjay_request_send_last(request, wire_buffer, unsent_size) < 0)
		return POPINJAY_OUTCOME_CUT;
	retrieve->finished = TRUE;
	if (retrieve->whole)
		mark_seen(retrieve);
	return POPINJAY_OUTCOME_OK;
}

static enum popinjay_outcome
retrieve_more(struct popinjay_request *request, void *context)
{
	const size_t max_size = sizeof(wire_buffer) -
		POPINJAY_WIRE_FINISH_MAX_BYTES;
	struct retrieve *retrieve = context;
	const unsigned char *data;
	size_t unsent_size = 0, size, used;
	int ret;

	while (!popinjay_wire_is_done(&retrieve->wire)) {
		/* Never reads on over what it has: an mbox stream that fails
		   then panics. */
		ret = i_stream_read_more(retrieve->stream, &data, &size);
		if (size == 0) {
			if (ret < 0)
				break;
			return retrieve_failed(request, retrieve, unsent_size,
				"The storage gave a stream that doesn't block");
		}
		size = popinjay_wire_encode(&retrieve->wire, data, size,
					    wire_buffer + unsent_size,
					    max_size - unsent_size, &used);
		i_stream_skip(retrieve->stream, size);
		unsent_size += used;
		if (unsent_size < max_size)
			continue;

		ret = popinjay_request_send(request, wire_buffer, unsent_size);
		if (ret <= 0) {
			return ret < 0 ? POPINJAY_OUTCOME_CUT :
				POPINJAY_OUTCOME_MORE;
		}
		unsent_size = 0;
	}
	return retrieve_finish(request, retrieve, unsent_size);
}

static enum popinjay_outcome
retrieve_open_failed(struct popinjay_request *request,
		     struct retrieve *retrieve)
{
	struct mail *mail = retrieve->mail;
	enum mail_error error;
	const char *errstr;

	/* it is the storage's, which overwrites it with the next one */
	errstr = t_strdup(mailbox_get_last_internal_error(mail->box, &error));
	if (mail->expunged || error == MAIL_ERROR_EXPUNGED)
		return popinjay_reply_expunged(request, retrieve->msgnum);

	popinjay_session_set_unreadable(retrieve->session, retrieve->msgnum);
	request->msn = retrieve->msgnum + 1;
	popinjay_message_log_unreadable(request, get_known_guid(retrieve));
	e_error(popinjay_client_event(retrieve->session->client),
		"popinjay: %s: Opening message UID %u (GUID %s) failed: %s",
		request->name, mail->uid, guid_text(retrieve), errstr);
	return popinjay_reply_err(request, "SYS/TEMP",
		"Message %u can't be read now.", retrieve->msgnum + 1);
}

/* Let the storage's streams read a small message at once, and a large one in
   large pieces. */
static void set_read_size(struct istream *stream, uoff_t message_size)
{
	/* one more byte is read to see the end */
	size_t init_size = I_MAX(I_MIN(message_size + 1, RETRIEVE_PIECE_BYTES),
				 RETRIEVE_MIN_READ_BYTES);

	i_stream_set_max_buffer_size(stream, RETRIEVE_PIECE_BYTES);
	for (; stream != NULL; stream = stream->real_stream->parent)
		i_stream_set_init_buffer_size(stream, init_size);
}

static enum popinjay_outcome
retrieve_begin(struct popinjay_request *request, unsigned int msgnum,
	       uoff_t body_lines)
{
	struct popinjay_session *session = request->session;
	struct client *client = session->client;
	struct retrieve *retrieve;
	bool replace_nuls = (client->set->parsed_workarounds &
			     WORKAROUND_OUTLOOK_NO_NULS) != 0;
	enum popinjay_outcome outcome;

	retrieve = p_new(request->pool, struct retrieve, 1);
	retrieve->session = session;
	retrieve->msgnum = msgnum;
	retrieve->whole = body_lines == UOFF_T_MAX;
	retrieve->start_offset = client->output->offset;
	request->top_lines = body_lines;
	popinjay_wire_init(&retrieve->wire, body_lines, replace_nuls);

	popinjay_holder_prepare(client->trans);
	retrieve->mail = mail_alloc(client->trans, MAIL_FETCH_STREAM_HEADER |
				    MAIL_FETCH_STREAM_BODY, NULL);
	mail_set_seq(retrieve->mail, popinjay_session_seq(session, msgnum));
	if (mail_get_stream_because(retrieve->mail, NULL, NULL, request->name,
				    &retrieve->stream) < 0) {
		outcome = retrieve_open_failed(request, retrieve);
		mail_free(&retrieve->mail);
		return outcome;
	}
	set_read_size(retrieve->stream, client->message_sizes[msgnum]);
	popinjay_holder_init(&retrieve->holder, retrieve->mail,
			     retrieve->stream);
	if (!popinjay_holder_is_readable(&retrieve->holder)) {
		retrieve->stream = NULL;
		outcome = retrieve_open_failed(request, retrieve);
		mail_free(&retrieve->mail);
		return outcome;
	}
	request->msn = msgnum + 1;
	popinjay_message_log_opened(request, retrieve->mail, retrieve->stream);

	if (!retrieve->whole) {
		return popinjay_reply_multiline(request, retrieve_more,
						retrieve_free, retrieve, "%s",
						"");
	}
	return popinjay_reply_multiline(request, retrieve_more, retrieve_free,
					retrieve, "%"PRIuUOFF_T" octets",
					client->message_sizes[msgnum]);
}

static enum popinjay_outcome command_retr(struct popinjay_request *request)
{
	struct client *client = request->session->client;
	enum popinjay_outcome outcome;
	unsigned int msgnum;
	const char *args;

	if (!popinjay_message_number_parse(request, FALSE, &msgnum, &args,
					   &outcome))
		return outcome;

	/* Dovecot's own members, for LAST and for pop3_logout_format */
	if (client->lowest_retr_pop3_msn > msgnum + 1 ||
	    client->lowest_retr_pop3_msn == 0)
		client->lowest_retr_pop3_msn = msgnum + 1;
	if (client->last_seen_pop3_msn < msgnum + 1)
		client->last_seen_pop3_msn = msgnum + 1;
	client->retr_count++;
	return retrieve_begin(request, msgnum, UOFF_T_MAX);
}

static enum popinjay_outcome command_top(struct popinjay_request *request)
{
	struct client *client = request->session->client;
	enum popinjay_outcome outcome;
	unsigned int msgnum;
	uoff_t lines;
	const char *args;

	if (!popinjay_message_number_parse(request, TRUE, &msgnum, &args,
					   &outcome))
		return outcome;
	if (!i_isdigit(*args))
		return popinjay_reply_bad(request, "Invalid size: %s", args);
	if (str_parse_uoff(args, &lines, &args) < 0)
		return popinjay_reply_bad(request, "Size too large: %s", args);
	if (*args != '\0') {
		return popinjay_reply_bad(request, "Noise after size: %s",
					  args);
	}
	client->top_count++;
	/* no message has that many lines; the value means RETR */
	return retrieve_begin(request, msgnum, I_MIN(lines, UOFF_T_MAX - 1));
}

const struct popinjay_command popinjay_command_retr = {
	.name = "RETR", .args_max = UINT_MAX, .handler = command_retr
};
const struct popinjay_command popinjay_command_top = {
	.name = "TOP", .args_max = UINT_MAX, .handler = command_top
};
