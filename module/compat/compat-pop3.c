/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: what differs between the supported Dovecots in a POP3
   session. */

#include "pop3-common.h"
#include "istream.h"
#include "ostream.h"
#include "str.h"
#include "str-sanitize.h"
#include "mail-user.h"
#include "mail-storage-service.h"
#include "master-service-ssl-settings.h"
#include "pop3-commands.h"
#include "compat-pop3.h"

bool popinjay_is_pop3_process(void)
{
	return pop3_client_created_hook_set != NULL;
}

#ifdef POPINJAY_HAVE_POP3_COMMAND_FIND

bool popinjay_native_command_exists(struct client *client,
				    const char *name)
{
	const struct pop3_command *command = pop3_command_find(name);

	return command != NULL &&
		(client->set->pop3_enable_last || strcmp(name, "LAST") != 0);
}

/* Dovecot sends this event from its own input loop, which we replace. */
static void
native_command_finished(struct pop3_command_context *cctx, const char *name,
			int ret)
{
	struct client *client = cctx->client;

	event_set_name(cctx->event, "pop3_command_finished");
	event_add_str(cctx->event, "cmd_name", name);
	event_add_str(cctx->event, "cmd_args", cctx->orig_args);
	event_add_str(cctx->event, "cmd_input_name", cctx->orig_command);
	event_add_str(cctx->event, "reply_state", ret > 0 ? "OK" : "ERR");
	event_add_int(cctx->event, "net_in_bytes", cctx->stats.bytes_in);
	event_add_int(cctx->event, "net_out_bytes",
		      client->output->offset - cctx->stats.bytes_out);
	e_debug(cctx->event, "Command finished: %s %s", name,
		cctx->orig_args);
}

int popinjay_native_command_execute(struct client *client, const char *name,
				    const char *args, uint64_t bytes_in)
{
	struct pop3_command_context cctx;
	int ret;

	i_zero(&cctx);
	cctx.client = client;
	cctx.command = pop3_command_find(name);
	cctx.orig_command = name;
	cctx.orig_args = args;
	cctx.args = args;
	cctx.event = event_create(client->event);
	cctx.stats.bytes_in = bytes_in;
	cctx.stats.bytes_out = client->output->offset;
	i_assert(cctx.command != NULL);

	ret = client_command_execute(&cctx);
	native_command_finished(&cctx, name, ret);
	event_unref(&cctx.event);
	return ret;
}

#else

bool popinjay_native_command_exists(struct client *client,
				    const char *name)
{
	static const char *const names[] = {
		"CAPA", "DELE", "LIST", "NOOP", "QUIT", "RETR", "RSET",
		"STAT", "TOP", "UIDL", NULL
	};

	return str_array_find(names, name) ||
		(client->set->pop3_enable_last && strcmp(name, "LAST") == 0);
}

int popinjay_native_command_execute(struct client *client, const char *name,
				    const char *args,
				    uint64_t bytes_in ATTR_UNUSED)
{
	return client_command_execute(client, name, args);
}

#endif

struct event *popinjay_client_event(struct client *client)
{
#ifdef POPINJAY_HAVE_POP3_CLIENT_EVENT
	return client->event;
#else
	return client->user->event;
#endif
}

uint64_t popinjay_client_bytes_in(struct client *client)
{
	return i_stream_get_absolute_offset(client->input);
}

bool popinjay_client_is_tls(struct client *client)
{
#ifdef POPINJAY_HAVE_MAIL_USER_CONN_SSL_SECURED
	return client->user->conn.ssl_secured;
#else
	return client->user->conn.end_client_tls_secured;
#endif
}

bool popinjay_client_is_secured(struct client *client)
{
#ifdef POPINJAY_HAVE_MAIL_USER_CONN_SSL_SECURED
	return client->user->conn.secured;
#else
	return client->user->conn.end_client_tls_secured;
#endif
}

#ifdef POPINJAY_HAVE_POP3_CLIENT_SERVICE_USER

bool popinjay_client_stls_offered(struct client *client)
{
	const struct master_service_ssl_settings *ssl_set;

	ssl_set = mail_storage_service_user_get_ssl_settings(
		client->service_user);
	return strcmp(ssl_set->ssl, "no") != 0;
}

#endif
