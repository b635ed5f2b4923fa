/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the connection to the client. Input, output and the idle
   time are ours; the mailbox, its lock and its update stay Dovecot's. Only this
   file and client-mailbox.c touch Dovecot's struct client.

   Dovecot's own client_input() and client_output() never run for a client that
   was taken over. Its other functions may still add or remove client->io, which
   is why the same members are used here as there. */

#include "pop3-common.h"
#include "array.h"
#include "ioloop.h"
#include "module-context.h"
#include "istream.h"
#include "ostream.h"
#include "client.h"
#include "compat-ostream.h"
#include "compat-pop3.h"

#define CLIENT_CONTEXT(obj) MODULE_CONTEXT(obj, popinjay_client_module)

/* Stop reading commands, and pause multi-line replies, while the client has
   this much of our output still to read. */
#define OUTPUT_THROTTLE_BYTES (32 * 1024)

/* A session ends after this many bad commands in a row, as in Dovecot. */
#define MAX_BAD_COMMANDS 20

struct popinjay_client {
	union pop3_module_context module_ctx;

	struct client *dovecot;
	struct popinjay_session *session;
	const struct popinjay_client_handler *handler;
	enum popinjay_session_end end;

	/* dovecot->input when the client was created; only to compare */
	const struct istream *created_input;
	struct timeout *to_wake;

	/* What we said instead of +OK goes here when a session is refused
	   before Dovecot has said it. */
	buffer_t *refused_output;
	/* and this is how much the client got */
	uint64_t refusal_bytes;

	bool taken_over:1;
	/* what the client sent before its login ended may not be read yet */
	bool login_input_pending:1;
	/* a command waits for something else than the client */
	bool waits:1;
	/* the client sends no more, but still reads */
	bool input_eof:1;
};

static MODULE_CONTEXT_DEFINE_INIT(popinjay_client_module,
				  &pop3_module_register);

static pop3_client_created_func_t *next_created_hook;
static void (*created_callback)(struct popinjay_client *client);

static void client_input(struct client *dovecot);

int popinjay_client_can_send(struct popinjay_client *client)
{
	struct ostream *output = client->dovecot->output;

	if (o_stream_get_buffer_used_size(output) < OUTPUT_THROTTLE_BYTES)
		return 1;
	return o_stream_flush(output);
}

static void client_touch(struct client *dovecot)
{
	timeout_reset(dovecot->to_idle);
	if (dovecot->to_commit != NULL)
		timeout_reset(dovecot->to_commit);
}

static void client_idle_timeout(struct client *dovecot)
{
	struct popinjay_client *client = CLIENT_CONTEXT(dovecot);
	const char *reason;

	client->end = POPINJAY_SESSION_END_TIMEOUT;
	if (client->waits) {
		reason = t_strdup_printf(
			"A command was not answered for %ld secs, as the "
			"server waited",
			(long)(ioloop_time - dovecot->last_input));
	} else if (dovecot->cmd != NULL || client->input_eof) {
		reason = t_strdup_printf(
			"Client has not read server output for %ld secs",
			(long)(ioloop_time - dovecot->last_output));
	} else {
		client_send_line(dovecot, "-ERR Disconnected for inactivity.");
		reason = t_strdup_printf(
			"Inactivity - no input for %ld secs",
			(long)(ioloop_time - dovecot->last_input));
	}
	client_destroy(dovecot, reason);
}

/* Run the commands that have arrived. Returns FALSE if the client was
   destroyed. */
static bool client_run_lines(struct popinjay_client *client)
{
	struct client *dovecot = client->dovecot;
	struct istream *input = dovecot->input;
	char *line;

	o_stream_cork(dovecot->output);
	while (!dovecot->output->closed && dovecot->cmd == NULL) {
		uoff_t offset = input->v_offset;
		uint64_t bytes_in;
		size_t line_size;

		if (popinjay_client_can_send(client) == 0) {
			o_stream_set_flush_pending(dovecot->output, TRUE);
			dovecot->waiting_input = TRUE;
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
			client->handler->line(client->session, line, line_size,
					      bytes_in);
		} T_END;

		if (dovecot->cmd != NULL) {
			o_stream_set_flush_pending(dovecot->output,
						   !client->waits);
			dovecot->waiting_input = TRUE;
		} else if (dovecot->bad_counter > MAX_BAD_COMMANDS &&
			   !dovecot->output->closed) {
			client_send_line(dovecot,
					 "-ERR Too many bad commands.");
			popinjay_client_drop(client,
					     POPINJAY_SESSION_END_ERROR,
					     "Too many bad commands.");
		}
	}
	o_stream_uncork(dovecot->output);

	if (dovecot->output->closed) {
		client_destroy(dovecot, NULL);
		return FALSE;
	}
	return TRUE;
}

/* The client sends no more. It may still want to read what it asked for. */
static void client_input_eof(struct popinjay_client *client)
{
	struct client *dovecot = client->dovecot;

	if (dovecot->input->stream_errno == 0 && !dovecot->output->closed &&
	    o_stream_get_buffer_used_size(dovecot->output) > 0) {
		client->input_eof = TRUE;
		io_remove(&dovecot->io);
		o_stream_set_flush_pending(dovecot->output, TRUE);
		return;
	}
	client_destroy(dovecot, NULL);
}

static void client_input(struct client *dovecot)
{
	struct popinjay_client *client = CLIENT_CONTEXT(dovecot);

	if (dovecot->cmd != NULL || popinjay_client_can_send(client) == 0) {
		/* the running command, or its reply, comes first */
		io_remove(&dovecot->io);
		dovecot->waiting_input = TRUE;
		return;
	}

	dovecot->waiting_input = FALSE;
	dovecot->last_input = ioloop_time;
	client_touch(dovecot);

	switch (i_stream_read(dovecot->input)) {
	case -1:
		client_input_eof(client);
		return;
	case -2:
		client->end = POPINJAY_SESSION_END_ERROR;
		client_send_line(dovecot, "-ERR Input line too long.");
		client_destroy(dovecot, "Input line too long");
		return;
	case 0:
		client->login_input_pending = FALSE;
		break;
	default:
		if (client->login_input_pending)
			i_stream_set_input_pending(dovecot->input, TRUE);
		break;
	}
	(void)client_run_lines(client);
}

/* Returns 0 if there is more to do when the client has read. */
static int client_go_on(struct popinjay_client *client)
{
	struct client *dovecot = client->dovecot;

	if (client->waits)
		return 1;
	if (dovecot->cmd != NULL) {
		o_stream_cork(dovecot->output);
		dovecot->cmd(dovecot);
		o_stream_uncork(dovecot->output);
		if (dovecot->output->closed) {
			client_destroy(dovecot, NULL);
			return 1;
		}
	}
	if (dovecot->cmd != NULL)
		return 0;

	if (client->input_eof) {
		if (o_stream_get_buffer_used_size(dovecot->output) > 0)
			return 0;
		client_destroy(dovecot, NULL);
		return 1;
	}
	if (dovecot->io == NULL &&
	    o_stream_get_buffer_used_size(dovecot->output) <
	    POP3_OUTBUF_THROTTLE_SIZE / 2)
		dovecot->io = io_add_istream(dovecot->input, client_input,
					     dovecot);
	if (dovecot->io != NULL && dovecot->waiting_input) {
		dovecot->waiting_input = FALSE;
		if (!client_run_lines(client))
			return 1;
		if (dovecot->cmd != NULL)
			return 0;
	}
	/* with output left over, Dovecot's client_send_line() may have removed
	   the io, which has to be added again when the client has read */
	return dovecot->io == NULL ? 0 : 1;
}

static int client_output(struct client *dovecot)
{
	if (o_stream_flush(dovecot->output) < 0) {
		client_destroy(dovecot, NULL);
		return 1;
	}
	dovecot->last_output = ioloop_time;
	client_touch(dovecot);
	return client_go_on(CLIENT_CONTEXT(dovecot));
}

static void client_woken(struct popinjay_client *client)
{
	timeout_remove(&client->to_wake);
	client->waits = FALSE;
	client_touch(client->dovecot);
	if (client_go_on(client) == 0)
		o_stream_set_flush_pending(client->dovecot->output,
					   !client->waits);
}

void popinjay_client_wake(struct popinjay_client *client)
{
	if (client->to_wake == NULL)
		client->to_wake = timeout_add_short(0, client_woken, client);
}

static void client_set_end(struct popinjay_client *client, const char *reason)
{
	const struct client *dovecot = client->dovecot;
	bool lost = client->end == POPINJAY_SESSION_END_LOST;

	if (dovecot->delete_success)
		client->end = POPINJAY_SESSION_END_QUIT;
	else if (dovecot->quit_seen || (dovecot->disconnected && lost))
		client->end = POPINJAY_SESSION_END_ERROR;
	else if (lost && reason != NULL) {
		/* not by us: Dovecot gave up on the mailbox or on its lock, or
		   the process is being stopped */
		if (!io_loop_is_running(current_ioloop))
			client->end = POPINJAY_SESSION_END_SHUTDOWN;
		else if (dovecot->seen_bitmask == NULL &&
			 dovecot->message_sizes == NULL)
			client->end = POPINJAY_SESSION_END_REFUSED;
		else
			client->end = POPINJAY_SESSION_END_ERROR;
	}
}

static void client_ended(struct client *dovecot, const char *reason)
{
	struct popinjay_client *client = CLIENT_CONTEXT(dovecot);

	client_set_end(client, reason);
	timeout_remove(&client->to_wake);
	client->handler->end(client->session);
	client->module_ctx.super.destroy(dovecot, reason);
}

static void client_created(struct client **dovecotp)
{
	struct client *dovecot = *dovecotp;
	struct popinjay_client *client =
		p_new(dovecot->pool, struct popinjay_client, 1);

	client->dovecot = dovecot;
	client->created_input = dovecot->input;
	created_callback(client);
	if (next_created_hook != NULL)
		next_created_hook(dovecotp);
}

void popinjay_clients_init(void (*created)(struct popinjay_client *client))
{
	created_callback = created;
	next_created_hook = pop3_client_created_hook_set(client_created);
}

void popinjay_clients_deinit(void)
{
	pop3_client_created_hook_set(next_created_hook);
}

void popinjay_client_attach(struct popinjay_client *client,
			    struct popinjay_session *session,
			    const struct popinjay_client_handler *handler)
{
	client->session = session;
	client->handler = handler;
	client->module_ctx.super = client->dovecot->v;
	MODULE_CONTEXT_SET(client->dovecot, popinjay_client_module, client);
	client->dovecot->v.destroy = client_ended;
}

struct popinjay_client *popinjay_client_find(const struct mail_user *user)
{
	struct client *dovecot;

	for (dovecot = pop3_clients; dovecot != NULL; dovecot = dovecot->next) {
		if (dovecot->user == user)
			return CLIENT_CONTEXT(dovecot);
	}
	return NULL;
}

struct popinjay_session *
popinjay_client_session(const struct popinjay_client *client)
{
	return client->session;
}

bool popinjay_client_take_over(struct popinjay_client *client,
			       unsigned int idle_secs)
{
	struct client *dovecot = client->dovecot;

	if (client->taken_over)
		return FALSE;
	client->taken_over = TRUE;
	timeout_remove(&dovecot->to_idle);
	dovecot->to_idle = timeout_add(idle_secs * 1000, client_idle_timeout,
				       dovecot);
	if (dovecot->io != NULL) {
		io_remove(&dovecot->io);
		dovecot->io = io_add_istream(dovecot->input, client_input,
					     dovecot);
	}
	o_stream_set_flush_callback(dovecot->output, client_output, dovecot);
	popinjay_ostream_set_nodelay(dovecot->output, FALSE);
	/* Commands that came together with the password are in a stream that
	   Dovecot put around its first one; no event of the socket will tell
	   about them. */
	if (dovecot->input != client->created_input ||
	    i_stream_get_data_size(dovecot->input) > 0) {
		client->login_input_pending = TRUE;
		i_stream_set_input_pending(dovecot->input, TRUE);
	}
	return TRUE;
}

void popinjay_client_refuse(struct popinjay_client *client, const char *line)
{
	struct client *dovecot = client->dovecot;

	client->end = POPINJAY_SESSION_END_REFUSED;
	o_stream_nsend_str(dovecot->output, t_strconcat(line, "\r\n", NULL));
	(void)o_stream_flush(dovecot->output);
	client->refusal_bytes = dovecot->output->offset;
	client->refused_output = buffer_create_dynamic(dovecot->pool, 256);
	o_stream_unref(&dovecot->output);
	dovecot->output = o_stream_create_buffer(client->refused_output);
	o_stream_set_no_error_handling(dovecot->output, TRUE);
}

void popinjay_client_drop(struct popinjay_client *client,
			  enum popinjay_session_end end, const char *reason)
{
	client->end = end;
	client_disconnect(client->dovecot, reason);
}

enum popinjay_session_end
popinjay_client_end(const struct popinjay_client *client)
{
	return client->end;
}

static void client_resume(struct client *dovecot)
{
	struct popinjay_client *client = CLIENT_CONTEXT(dovecot);

	client->handler->resume(client->session);
}

void popinjay_client_set_work(struct popinjay_client *client,
			      enum popinjay_client_work work)
{
	client->dovecot->cmd = work == POPINJAY_CLIENT_IDLE ? NULL :
		client_resume;
	client->waits = work == POPINJAY_CLIENT_WAITS;
}

void popinjay_client_count_bad(struct popinjay_client *client, bool bad)
{
	client->dovecot->bad_counter =
		bad ? client->dovecot->bad_counter + 1 : 0;
}

bool popinjay_client_is_closed(const struct popinjay_client *client)
{
	return client->dovecot->output->closed;
}

void popinjay_client_close(struct popinjay_client *client)
{
	o_stream_close(client->dovecot->output);
}

int popinjay_client_send(struct popinjay_client *client,
			 const struct const_iovec *iov, unsigned int count)
{
	if (count > 0 &&
	    o_stream_sendv(client->dovecot->output, iov, count) < 0)
		return -1;
	client->dovecot->last_output = ioloop_time;
	return popinjay_client_can_send(client);
}

void popinjay_client_send_line(struct popinjay_client *client,
			       const char *line)
{
	client_send_line(client->dovecot, "%s", line);
}

int popinjay_client_flush(struct popinjay_client *client)
{
	return o_stream_flush(client->dovecot->output);
}

bool popinjay_client_is_flushed(const struct popinjay_client *client)
{
	return o_stream_get_buffer_used_size(client->dovecot->output) == 0;
}

uint64_t popinjay_client_bytes_out(const struct popinjay_client *client)
{
	return client->refused_output != NULL ? client->refusal_bytes :
		client->dovecot->output->offset;
}

uint64_t popinjay_client_bytes_in(const struct popinjay_client *client)
{
	return popinjay_native_client_bytes_in(client->dovecot);
}

bool popinjay_client_is_tls(const struct popinjay_client *client)
{
	return popinjay_native_client_is_tls(client->dovecot);
}

bool popinjay_client_is_secured(const struct popinjay_client *client)
{
	return popinjay_native_client_is_secured(client->dovecot);
}

struct mail_user *popinjay_client_user(const struct popinjay_client *client)
{
	return client->dovecot->user;
}

struct event *popinjay_client_event(const struct popinjay_client *client)
{
	return popinjay_native_client_event(client->dovecot);
}

pool_t popinjay_client_pool(const struct popinjay_client *client)
{
	return client->dovecot->pool;
}

const struct pop3_settings *
popinjay_client_settings(const struct popinjay_client *client)
{
	return client->dovecot->set;
}

bool popinjay_client_has_native(const struct popinjay_client *client,
				const char *name)
{
	return popinjay_native_command_exists(client->dovecot, name);
}

int popinjay_client_run_native(struct popinjay_client *client,
			       const char *name, const char *args)
{
	return popinjay_native_command_execute(client->dovecot, name, args);
}

void popinjay_client_command_finished(struct popinjay_client *client,
				      const char *name, const char *args,
				      bool ok, uint64_t bytes_in,
				      uint64_t bytes_out)
{
	popinjay_native_command_finished(client->dovecot, name, args, ok,
					 bytes_in, bytes_out);
}

bool popinjay_client_has_quit(const struct popinjay_client *client)
{
	return client->dovecot->delete_success;
}

struct client *popinjay_client_dovecot(const struct popinjay_client *client)
{
	return client->dovecot;
}
