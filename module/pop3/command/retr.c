/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: RETR and TOP (RFC 1939 sections 5 and 7). A message that
   cannot be read to its end is never followed by the final ".", which would
   make the client take the part for the whole and delete the mail: the
   connection is dropped instead. */

#include "session.h"
#include "pop3-settings.h"
#include "istream-private.h"
#include "mail-storage-private.h"
#include "commands.h"
#include "message-number.h"
#include "reply.h"
#include "stages.h"
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
	struct popinjay_message message;
	bool whole;

	struct mail *mail;
	struct istream *stream;
	struct popinjay_wire wire;
	uint64_t start_offset;
	/* all of it was sent, and the line of "." */
	bool finished;
};

/* What is to be sent of a message: used only while retrieve_more() runs. */
static unsigned char wire_buffer[RETRIEVE_PIECE_BYTES];
/* of it, with room for what ends the message */
#define RETRIEVE_MAX_SIZE \
	(sizeof(wire_buffer) - POPINJAY_WIRE_FINISH_MAX_BYTES)

static void
retrieve_wire_init(struct popinjay_request *request, struct retrieve *retrieve)
{
	const struct pop3_settings *set =
		popinjay_client_settings(retrieve->session->client);

	popinjay_wire_init(&retrieve->wire, request->top_lines,
			   (set->parsed_workarounds &
			    WORKAROUND_OUTLOOK_NO_NULS) != 0);
}

static void retrieve_free(void *context)
{
	struct retrieve *retrieve = context;
	struct popinjay_client *client = retrieve->session->client;
	uint64_t bytes = popinjay_client_bytes_out(client) -
		retrieve->start_offset;

	/* Dovecot does not count the last line */
	if (retrieve->finished)
		bytes -= strlen(".\r\n");
	popinjay_client_retrieve_ends(client, retrieve->whole, bytes);
	mail_free(&retrieve->mail);
}

static const char *guid_text(const struct retrieve *retrieve)
{
	const char *guid = popinjay_known_guid(retrieve->mail,
					       retrieve->stream);

	return guid == NULL ? "unknown" : guid;
}

/* Tell the client that the message cannot be read, of which nothing was
   sent. */
static enum popinjay_outcome
retrieve_refuse(struct popinjay_request *request, struct retrieve *retrieve,
		const char *failed, const char *error)
{
	struct popinjay_client *client = retrieve->session->client;

	popinjay_session_set_unreadable(retrieve->session,
					retrieve->message.msn);
	request->message = retrieve->message;
	request->sent = POPINJAY_SENT_NOT_OPENED;
	request->guid = p_strdup(request->pool,
		popinjay_known_guid(retrieve->mail, retrieve->stream));
	e_error(popinjay_client_event(client),
		"popinjay: %s: %s message UID %u (GUID %s) failed: %s",
		request->name, failed, retrieve->message.uid,
		guid_text(retrieve), error);
	popinjay_reply_err(request, "SYS/TEMP",
			   "Message %u can't be read now.",
			   retrieve->message.msn);
	/* none of this is the message's */
	retrieve->start_offset = popinjay_client_bytes_out(client);
	return POPINJAY_OUTCOME_ERR;
}

static enum popinjay_outcome
retrieve_failed(struct popinjay_request *request, struct retrieve *retrieve,
		size_t unsent_size, const char *error)
{
	struct popinjay_session *session = retrieve->session;

	if (popinjay_reply_take_back(request))
		return retrieve_refuse(request, retrieve, "Reading", error);
	/* what there is can do no harm, and may be of use */
	(void)popinjay_request_send(request, wire_buffer, unsent_size);
	request->sent = POPINJAY_SENT_CUT_BY_STORAGE;
	popinjay_session_set_unreadable(session, retrieve->message.msn);
	e_error(popinjay_client_event(session->client),
		"popinjay: %s of message UID %u (GUID %s) failed: %s - "
		"dropped the connection, so that the client does not take "
		"the part that was sent for the whole",
		request->name, retrieve->message.uid,
		guid_text(retrieve), error);
	return POPINJAY_OUTCOME_CUT;
}

/* The stream has ended. Returns FALSE with the reason if that was not the end
   of the message. */
static bool
retrieve_is_whole(struct popinjay_request *request, struct retrieve *retrieve,
		  const char **error_r)
{
	struct istream *stream = retrieve->stream;

	if (popinjay_stages_message_read(request, &retrieve->message,
					 retrieve->wire.consumed_bytes,
					 retrieve->wire.virtual_bytes,
					 error_r) < 0)
		return FALSE;
	if (stream->stream_errno == 0)
		return TRUE;
	*error_r = t_strdup_printf("read(%s) failed: %s",
		i_stream_get_name(stream), i_stream_get_error(stream));
	return FALSE;
}

/* RETR makes a message \Seen, when all of it was sent. */
static void mark_seen(struct retrieve *retrieve)
{
	if ((mail_get_flags(retrieve->mail) & MAIL_SEEN) == 0) {
		popinjay_client_set_seen(retrieve->session->client,
					 retrieve->message.msn - 1);
	}
}

/* Send the end of the message, of which unsent_size bytes are in wire_buffer
   already, with room for what has to follow. */
static enum popinjay_outcome
retrieve_finish(struct popinjay_request *request, struct retrieve *retrieve,
		size_t unsent_size)
{
	const struct pop3_settings *set =
		popinjay_client_settings(retrieve->session->client);
	bool to_end = !popinjay_wire_is_done(&retrieve->wire);
	const char *error;

	if (to_end && !retrieve_is_whole(request, retrieve, &error))
		return retrieve_failed(request, retrieve, unsent_size, error);

	unsent_size += popinjay_wire_finish(&retrieve->wire,
		(set->parsed_workarounds & WORKAROUND_OE_NS_EOH) != 0,
		wire_buffer + unsent_size);
	if (popinjay_request_send_last(request, wire_buffer, unsent_size) < 0)
		return POPINJAY_OUTCOME_CUT;
	retrieve->finished = TRUE;
	request->sent = POPINJAY_SENT_WHOLE;
	request->sent_to_end = to_end;
	if (retrieve->whole)
		mark_seen(retrieve);
	return POPINJAY_OUTCOME_OK;
}

/* Put more of the message into wire_buffer, of which *size bytes are used.
   Returns 1; 0 if there is no more, or reading failed; or -1 with the reason in
   error_r. */
static int retrieve_read(struct retrieve *retrieve, size_t *size,
			 const char **error_r)
{
	const unsigned char *data;
	size_t data_size, used;
	int ret;

	if (popinjay_wire_is_done(&retrieve->wire))
		return 0;
	/* Never reads on over what it has: an mbox stream that fails then
	   panics. */
	ret = i_stream_read_more(retrieve->stream, &data, &data_size);
	if (data_size == 0) {
		*error_r = "The storage gave a stream that doesn't block";
		return ret < 0 ? 0 : -1;
	}
	data_size = popinjay_wire_encode(&retrieve->wire, data, data_size,
					 wire_buffer + *size,
					 RETRIEVE_MAX_SIZE - *size, &used);
	i_stream_skip(retrieve->stream, data_size);
	*size += used;
	return 1;
}

static enum popinjay_outcome
retrieve_more(struct popinjay_request *request, void *context)
{
	struct retrieve *retrieve = context;
	size_t unsent_size = 0;
	const char *error;
	int ret;

	while ((ret = retrieve_read(retrieve, &unsent_size, &error)) > 0) {
		if (unsent_size < RETRIEVE_MAX_SIZE)
			continue;

		ret = popinjay_request_send(request, wire_buffer, unsent_size);
		if (ret <= 0) {
			return ret < 0 ? POPINJAY_OUTCOME_CUT :
				POPINJAY_OUTCOME_MORE;
		}
		unsent_size = 0;
	}
	if (ret < 0)
		return retrieve_failed(request, retrieve, unsent_size, error);
	return retrieve_finish(request, retrieve, unsent_size);
}

/* Read all of the message, and go back to its beginning. Returns FALSE with the
   reason if that failed. */
static bool
retrieve_check(struct popinjay_request *request, struct retrieve *retrieve,
	       const char **error_r)
{
	size_t size = 0;
	int ret;

	while ((ret = retrieve_read(retrieve, &size, error_r)) > 0)
		size = 0;
	if (ret < 0 || !retrieve_is_whole(request, retrieve, error_r))
		return FALSE;
	i_stream_seek(retrieve->stream, 0);
	retrieve_wire_init(request, retrieve);
	return TRUE;
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
		return popinjay_reply_expunged(request, retrieve->message.msn);
	return retrieve_refuse(request, retrieve, "Opening", errstr);
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

/* Returns 0, or -1 if the message cannot be read. */
static int
retrieve_open(struct popinjay_request *request, struct retrieve *retrieve)
{
	retrieve->mail = popinjay_session_mail(retrieve->session,
		&retrieve->message,
		MAIL_FETCH_STREAM_HEADER | MAIL_FETCH_STREAM_BODY);
	if (mail_get_stream_because(retrieve->mail, NULL, NULL, request->name,
				    &retrieve->stream) < 0)
		return -1;
	set_read_size(retrieve->stream, retrieve->message.size);
	if (popinjay_stages_message_opened(request, &retrieve->message,
					   retrieve->mail,
					   retrieve->stream) < 0) {
		retrieve->stream = NULL;
		return -1;
	}
	return 0;
}

static enum popinjay_outcome
retrieve_begin(struct popinjay_request *request,
	       const struct popinjay_message *message, uoff_t body_lines)
{
	struct popinjay_session *session = request->session;
	struct retrieve *retrieve;
	enum popinjay_outcome outcome;
	const char *error;

	retrieve = p_new(request->pool, struct retrieve, 1);
	retrieve->session = session;
	retrieve->message = *message;
	retrieve->whole = body_lines == UOFF_T_MAX;
	retrieve->start_offset = popinjay_client_bytes_out(session->client);
	request->top_lines = body_lines;
	retrieve_wire_init(request, retrieve);
	popinjay_client_retrieve_begins(session->client, message->msn - 1,
					retrieve->whole);

	if (retrieve_open(request, retrieve) < 0) {
		outcome = retrieve_open_failed(request, retrieve);
		mail_free(&retrieve->mail);
		return outcome;
	}
	if (request->check_first &&
	    !retrieve_check(request, retrieve, &error)) {
		outcome = retrieve_refuse(request, retrieve, "Reading", error);
		mail_free(&retrieve->mail);
		return outcome;
	}
	request->message = *message;
	request->sent = POPINJAY_SENT_CUT_BY_CLIENT;

	if (!retrieve->whole) {
		return popinjay_reply_multiline(request, retrieve_more,
						retrieve_free, retrieve, "%s",
						"");
	}
	return popinjay_reply_multiline(request, retrieve_more, retrieve_free,
					retrieve, "%"PRIuUOFF_T" octets",
					message->size);
}

static enum popinjay_outcome command_retr(struct popinjay_request *request)
{
	struct popinjay_message message;
	enum popinjay_outcome outcome;
	const char *args;

	if (!popinjay_message_number_parse(request, FALSE, &message, &args,
					   &outcome))
		return outcome;
	return retrieve_begin(request, &message, UOFF_T_MAX);
}

static enum popinjay_outcome command_top(struct popinjay_request *request)
{
	struct popinjay_message message;
	enum popinjay_outcome outcome;
	uoff_t lines;
	const char *args;

	if (!popinjay_message_number_parse(request, TRUE, &message, &args,
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
	/* no message has that many lines; the value means RETR */
	return retrieve_begin(request, &message,
			      I_MIN(lines, UOFF_T_MAX - 1));
}

const struct popinjay_command popinjay_command_retr = {
	.name = "RETR", .args_max = UINT_MAX, .handler = command_retr
};
const struct popinjay_command popinjay_command_top = {
	.name = "TOP", .args_max = UINT_MAX, .handler = command_top
};
