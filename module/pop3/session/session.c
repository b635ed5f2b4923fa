/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: takes a POP3 session over from Dovecot after login and
   drives it through RFC 1939's TRANSACTION state to its end. Input, output and
   the idle time are ours; the mailbox, its lock and its update stay Dovecot's.

   Dovecot's own client_input() and client_output() never run for a session
   that was taken over. Its other functions may still add or remove client->io,
   which is why the same members of struct client are used here as there. */

#include "session.h"
#include "array.h"
#include "ioloop.h"
#include "istream.h"
#include "ostream.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-storage-service.h"
#include "popinjay-settings.h"
#include "session-log.h"
#include "compat-ostream.h"
#include "message-log.h"
#include "removal.h"
#include "uidl-sources.h"
#include "user.h"

#include <time.h>

#define SESSION_CONTEXT(obj) MODULE_CONTEXT(obj, session_module)

/* A session ends after this many bad commands in a row, as in Dovecot. */
#define SESSION_MAX_BAD_COMMANDS 20

static MODULE_CONTEXT_DEFINE_INIT(session_module, &pop3_module_register);

static void session_input(struct client *client);

struct popinjay_session *popinjay_session_get(struct client *client)
{
	return SESSION_CONTEXT(client);
}

void popinjay_session_drop(struct popinjay_session *session,
			   enum popinjay_session_end end, const char *reason)
{
	session->end = end;
	client_disconnect(session->client, reason);
}

static bool bit_is_set(const unsigned char *bitmask, unsigned int msgnum)
{
	return bitmask != NULL &&
		(bitmask[msgnum / CHAR_BIT] & (1 << (msgnum % CHAR_BIT))) != 0;
}

bool popinjay_session_is_deleted(const struct popinjay_session *session,
				 unsigned int msgnum)
{
	return bit_is_set(session->client->deleted_bitmask, msgnum);
}

bool popinjay_session_is_unreadable(const struct popinjay_session *session,
				    unsigned int msgnum)
{
	return bit_is_set(session->unreadable_bitmask, msgnum);
}

bool popinjay_session_is_smaller(const struct popinjay_session *session,
				 unsigned int msgnum)
{
	return bit_is_set(session->smaller_bitmask, msgnum);
}

static void set_bit(struct popinjay_session *session, unsigned char **bitmask,
		    unsigned int msgnum)
{
	if (*bitmask == NULL)
		*bitmask = i_malloc(MSGS_BITMASK_SIZE(session->client));
	(*bitmask)[msgnum / CHAR_BIT] |= 1 << (msgnum % CHAR_BIT);
}

void popinjay_session_set_unreadable(struct popinjay_session *session,
				     unsigned int msgnum)
{
	if (!popinjay_session_is_unreadable(session, msgnum))
		session->stats.unreadable_count++;
	set_bit(session, &session->unreadable_bitmask, msgnum);
}

void popinjay_session_set_smaller(struct popinjay_session *session,
				  unsigned int msgnum)
{
	set_bit(session, &session->smaller_bitmask, msgnum);
}

uint32_t popinjay_session_seq(const struct popinjay_session *session,
			      unsigned int msgnum)
{
	const struct client *client = session->client;

	return msgnum < client->msgnum_to_seq_map_count ?
		client->msgnum_to_seq_map[msgnum] : msgnum + 1;
}

struct popinjay_session *popinjay_session_find(struct mail_user *user)
{
	struct client *client;

	for (client = pop3_clients; client != NULL; client = client->next) {
		if (client->user == user)
			return SESSION_CONTEXT(client);
	}
	return NULL;
}

void popinjay_session_expunged(struct mailbox *box, uint32_t uid)
{
	struct popinjay_session *session =
		popinjay_session_find(box->storage->user);

	/* autoexpunge opens the INBOX again when the session is over */
	if (session != NULL && session->removal != NULL &&
	    session->client->mailbox == box)
		popinjay_removal_notify(session->removal, uid);
}

int popinjay_session_can_send(struct popinjay_session *session)
{
	struct ostream *output = session->client->output;

	if (o_stream_get_buffer_used_size(output) <
	    POPINJAY_OUTPUT_THROTTLE_BYTES)
		return 1;
	return o_stream_flush(output);
}

static void session_touch(struct client *client)
{
	timeout_reset(client->to_idle);
	if (client->to_commit != NULL)
		timeout_reset(client->to_commit);
}

static void session_idle_timeout(struct client *client)
{
	struct popinjay_session *session = SESSION_CONTEXT(client);
	const char *reason;

	session->end = POPINJAY_SESSION_END_TIMEOUT;
	if (client->cmd != NULL || session->input_eof) {
		reason = t_strdup_printf(
			"Client has not read server output for %ld secs",
			(long)(ioloop_time - client->last_output));
	} else {
		client_send_line(client, "-ERR Disconnected for inactivity.");
		reason = t_strdup_printf(
			"Inactivity - no input for %ld secs",
			(long)(ioloop_time - client->last_input));
	}
	client_destroy(client, reason);
}

/* Run the commands that have arrived. Returns FALSE if the client was
   destroyed. */
static bool session_handle_input(struct popinjay_session *session)
{
	struct client *client = session->client;
	struct istream *input = client->input;
	char *line;

	o_stream_cork(client->output);
	while (!client->output->closed && client->cmd == NULL) {
		uoff_t offset = input->v_offset;
		uint64_t bytes_in;
		size_t line_size;

		if (popinjay_session_can_send(session) == 0) {
			o_stream_set_flush_pending(client->output, TRUE);
			client->waiting_input = TRUE;
			break;
		}
		line = i_stream_next_line(input);
		if (line == NULL)
			break;
		/* the line may hold NULs, which end it for strlen() only */
		bytes_in = input->v_offset - offset;
		line_size = bytes_in - 1;
		if (i_stream_last_line_crlf(input))
			line_size--;

		T_BEGIN {
			popinjay_request_run(session, line, line_size,
					     bytes_in);
		} T_END;

		if (client->cmd != NULL) {
			o_stream_set_flush_pending(client->output, TRUE);
			client->waiting_input = TRUE;
		} else if (client->bad_counter > SESSION_MAX_BAD_COMMANDS &&
			   !client->output->closed) {
			client_send_line(client, "-ERR Too many bad commands.");
			popinjay_session_drop(session,
					      POPINJAY_SESSION_END_ERROR,
					      "Too many bad commands.");
		}
	}
	o_stream_uncork(client->output);

	if (client->output->closed) {
		client_destroy(client, NULL);
		return FALSE;
	}
	return TRUE;
}

/* The client sends no more. It may still want to read what it asked for. */
static void session_input_eof(struct popinjay_session *session)
{
	struct client *client = session->client;

	if (client->input->stream_errno == 0 && !client->output->closed &&
	    o_stream_get_buffer_used_size(client->output) > 0) {
		session->input_eof = TRUE;
		io_remove(&client->io);
		o_stream_set_flush_pending(client->output, TRUE);
		return;
	}
	client_destroy(client, NULL);
}

static void session_input(struct client *client)
{
	struct popinjay_session *session = SESSION_CONTEXT(client);

	if (client->cmd != NULL || popinjay_session_can_send(session) == 0) {
		/* the running command, or its reply, comes first */
		io_remove(&client->io);
		client->waiting_input = TRUE;
		return;
	}

	client->waiting_input = FALSE;
	client->last_input = ioloop_time;
	session_touch(client);

	switch (i_stream_read(client->input)) {
	case -1:
		session_input_eof(session);
		return;
	case -2:
		session->end = POPINJAY_SESSION_END_ERROR;
		client_send_line(client, "-ERR Input line too long.");
		client_destroy(client, "Input line too long");
		return;
	case 0:
		session->login_input_pending = FALSE;
		break;
	default:
		if (session->login_input_pending)
			i_stream_set_input_pending(client->input, TRUE);
		break;
	}
	(void)session_handle_input(session);
}

static int session_output(struct client *client)
{
	struct popinjay_session *session = SESSION_CONTEXT(client);

	if (o_stream_flush(client->output) < 0) {
		client_destroy(client, NULL);
		return 1;
	}
	client->last_output = ioloop_time;
	session_touch(client);

	if (client->cmd != NULL) {
		o_stream_cork(client->output);
		client->cmd(client);
		o_stream_uncork(client->output);
		if (client->output->closed) {
			client_destroy(client, NULL);
			return 1;
		}
	}
	if (client->cmd != NULL)
		return 0;

	if (session->input_eof) {
		if (o_stream_get_buffer_used_size(client->output) > 0)
			return 0;
		client_destroy(client, NULL);
		return 1;
	}
	if (client->io == NULL &&
	    o_stream_get_buffer_used_size(client->output) <
	    POP3_OUTBUF_THROTTLE_SIZE / 2)
		client->io = io_add_istream(client->input, session_input,
					    client);
	if (client->io != NULL && client->waiting_input) {
		client->waiting_input = FALSE;
		if (!session_handle_input(session))
			return 1;
		if (client->cmd != NULL)
			return 0;
	}
	/* with output left over, Dovecot's client_send_line() may have removed
	   the io, which has to be added again when the client has read */
	return client->io == NULL ? 0 : 1;
}

static void session_destroy(struct client *client, const char *reason)
{
	struct popinjay_session *session = SESSION_CONTEXT(client);
	struct pop3_client_vfuncs *super = &session->module_ctx.super;

	if (client->delete_success)
		session->end = POPINJAY_SESSION_END_QUIT;
	else if (client->quit_seen ||
		 (client->disconnected &&
		  session->end == POPINJAY_SESSION_END_LOST))
		session->end = POPINJAY_SESSION_END_ERROR;
	else if (session->end == POPINJAY_SESSION_END_LOST && reason != NULL) {
		/* not by us: Dovecot gave up on the mailbox or on its lock, or
		   the process is being stopped */
		if (!io_loop_is_running(current_ioloop))
			session->end = POPINJAY_SESSION_END_SHUTDOWN;
		else if (client->seen_bitmask == NULL &&
			 client->message_sizes == NULL)
			session->end = POPINJAY_SESSION_END_REFUSED;
		else
			session->end = POPINJAY_SESSION_END_ERROR;
	}
	popinjay_request_abort(session);
	popinjay_access_log_session(session);
	popinjay_message_log_free(session);

	i_free(session->unreadable_bitmask);
	i_free(session->smaller_bitmask);
	super->destroy(client, reason);
}

/* Say why, and let all that Dovecot says after it fall into a buffer. The
   streams cannot be closed here: Dovecot still works with the client. */
static void session_refuse(struct popinjay_session *session)
{
	static const char *const refusal = "-ERR [SYS/PERM] "
		"The server's configuration for this mailbox is wrong.\r\n";
	struct client *client = session->client;

	session->end = POPINJAY_SESSION_END_REFUSED;
	e_error(popinjay_client_event(client), "%s", session->puser->error);

	o_stream_nsend(client->output, refusal, strlen(refusal));
	(void)o_stream_flush(client->output);
	session->refusal_bytes = client->output->offset;
	session->refused_output = buffer_create_dynamic(client->pool, 256);
	o_stream_unref(&client->output);
	client->output = o_stream_create_buffer(session->refused_output);
	o_stream_set_no_error_handling(client->output, TRUE);
}

uint64_t popinjay_clock_usecs(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		i_fatal("clock_gettime() failed: %m");
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void popinjay_session_created(struct client *client)
{
	struct popinjay_user *puser = popinjay_user_get(client->user);
	struct popinjay_session *session;

	if (puser == NULL)
		return;
	session = p_new(client->pool, struct popinjay_session, 1);
	session->module_ctx.super = client->v;
	session->client = client;
	session->puser = puser;
	session->created_input = client->input;
	session->stats.start_usecs = popinjay_clock_usecs();
	if (puser->error == NULL && client->set->pop3_reuse_xuidl &&
	    *puser->set->popinjay_reuse_xuidl == '\0' &&
	    *puser->set->popinjay_uidl_sources == '\0')
		popinjay_uidl_sources_add_xuidl(puser->uidl_sources);
	MODULE_CONTEXT_SET(client, session_module, session);
	client->v.destroy = session_destroy;

	if (puser->error != NULL)
		session_refuse(session);
}

static void session_take_over(struct popinjay_session *session)
{
	struct client *client = session->client;
	unsigned int idle_secs =
		session->puser->set->popinjay_idle_timeout_secs;

	session->taken_over = TRUE;
	timeout_remove(&client->to_idle);
	client->to_idle = timeout_add(idle_secs * 1000, session_idle_timeout,
				      client);
	if (client->io != NULL) {
		io_remove(&client->io);
		client->io = io_add_istream(client->input, session_input,
					    client);
	}
	o_stream_set_flush_callback(client->output, session_output, client);
	popinjay_ostream_set_nodelay(client->output, FALSE);
	/* Commands that came together with the password are in a stream that
	   Dovecot put around its first one; no event of the socket will tell
	   about them. */
	if (client->input != session->created_input ||
	    i_stream_get_data_size(client->input) > 0) {
		session->login_input_pending = TRUE;
		i_stream_set_input_pending(client->input, TRUE);
	}
}

void popinjay_session_take_over(struct mail_user *user)
{
	struct popinjay_session *session = popinjay_session_find(user);

	if (session == NULL || session->taken_over)
		return;
	if (session->puser->error == NULL)
		session_take_over(session);
	else {
		client_disconnect(session->client, "Refused by popinjay: "
				  "the configuration is wrong");
	}
}

/* --- include/popinjay.h --- */

struct mail_user *popinjay_session_user(const struct popinjay_session *session)
{
	return session->client->user;
}

struct mailbox *
popinjay_session_mailbox(const struct popinjay_session *session)
{
	return session->client->mailbox;
}

unsigned int
popinjay_session_messages(const struct popinjay_session *session)
{
	return session->client->messages_count;
}

bool popinjay_session_msn_to_seq(const struct popinjay_session *session,
				 unsigned int msn, uint32_t *seq_r)
{
	if (msn == 0 || msn > session->client->messages_count ||
	    popinjay_session_is_deleted(session, msn - 1))
		return FALSE;
	*seq_r = popinjay_session_seq(session, msn - 1);
	return TRUE;
}
