/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: what differs between the supported Dovecots in a POP3
   session. */

#include "pop3-common.h"
#include "istream.h"
#include "str.h"
#include "str-sanitize.h"
#include "mail-user.h"
#include "pop3-commands.h"
#include "compat-pop3.h"

/* RFC 2449 section 4: what Dovecot shows of a command at most */
#define RFC_MAX_LINE_LEN 512

bool popinjay_is_pop3_process(void)
{
	return pop3_client_created_hook_set != NULL;
}

#ifdef POPINJAY_HAVE_POP3_COMMAND_FIND

bool popinjay_native_command_exists(struct client *client,
				    const char *name)
{
	return pop3_command_find(name) != NULL &&
		(client->set->pop3_enable_last || strcmp(name, "LAST") != 0);
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

#endif

#ifdef POPINJAY_HAVE_POP3_COMMAND_CONTEXT

int popinjay_native_command_execute(struct client *client, const char *name,
				    const char *args)
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
	i_assert(cctx.command != NULL);

	ret = client_command_execute(&cctx);
	event_unref(&cctx.event);
	return ret;
}

void popinjay_native_command_finished(struct client *client,
				      const char *name, const char *args,
				      bool ok, uint64_t bytes_in,
				      uint64_t bytes_out)
{
	struct event *event = event_create(client->event);
	const char *human_args = str_sanitize(args, RFC_MAX_LINE_LEN);
	const char *known_name;

	known_name = pop3_command_find(name) != NULL ? name : "unknown";
	event_set_name(event, "pop3_command_finished");
	event_add_str(event, "cmd_name", known_name);
	event_add_str(event, "cmd_args", human_args);
	event_add_str(event, "cmd_input_name",
		      str_sanitize(name, RFC_MAX_LINE_LEN));
	event_add_str(event, "reply_state", ok ? "OK" : "ERR");
	event_add_int(event, "net_in_bytes", bytes_in);
	event_add_int(event, "net_out_bytes", bytes_out);
	e_debug(event, "Command finished: %s %s", known_name, human_args);
	event_unref(&event);
}

#else

int popinjay_native_command_execute(struct client *client, const char *name,
				    const char *args)
{
#ifdef POPINJAY_HAVE_POP3_COMMAND_FIND
	return client_command_execute(client, pop3_command_find(name), args);
#else
	return client_command_execute(client, name, args);
#endif
}

void popinjay_native_command_finished(struct client *client ATTR_UNUSED,
				      const char *name ATTR_UNUSED,
				      const char *args ATTR_UNUSED,
				      bool ok ATTR_UNUSED,
				      uint64_t bytes_in ATTR_UNUSED,
				      uint64_t bytes_out ATTR_UNUSED)
{
}

#endif

struct event *popinjay_native_client_event(struct client *client)
{
#ifdef POPINJAY_HAVE_POP3_CLIENT_EVENT
	return client->event;
#else
	return client->user->event;
#endif
}

uint64_t popinjay_native_client_bytes_in(struct client *client)
{
	/* with what was read, but is no whole line yet */
	return i_stream_get_absolute_offset(client->input) +
		i_stream_get_data_size(client->input);
}

bool popinjay_native_client_is_tls(struct client *client)
{
#ifdef POPINJAY_HAVE_MAIL_USER_CONN_SSL_SECURED
	return client->user->conn.ssl_secured;
#else
	return client->user->conn.end_client_tls_secured;
#endif
}

bool popinjay_native_client_is_secured(struct client *client)
{
#ifdef POPINJAY_HAVE_MAIL_USER_CONN_SSL_SECURED
	return client->user->conn.secured;
#else
	const struct ip_addr *remote_ip = client->user->conn.remote_ip;
	const struct ip_addr *local_ip = client->user->conn.local_ip;

	/* Dovecot tells no more than TLS; it takes what does not leave the
	   machine for secured too */
	return client->user->conn.end_client_tls_secured ||
		(remote_ip != NULL && local_ip != NULL &&
		 net_ip_compare(remote_ip, local_ip));
#endif
}
