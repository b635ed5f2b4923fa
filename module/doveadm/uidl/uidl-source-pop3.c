/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: UIDLs from a running POP3 server of any make (RFC 1939; CAPA and
   PIPELINING of RFC 2449; STLS of RFC 2595). It asks for UIDL, LIST and the
   header of each message, and deletes nothing. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "istream.h"
#include "ostream.h"
#include "net.h"
#include "str.h"
#include "iostream-ssl.h"
#include "mail-user.h"
#include "compat-tls.h"
#include "header-digest.h"
#include "pop3-reply.h"
#include "uidl.h"
#include "uidl-source.h"

#include <arpa/inet.h>

#define TIMEOUT_SECS 60
#define MAX_INPUT_BYTES (64 * 1024)
#define LISTING_MAX_LINE 1024
/* Of all that is kept of a mailbox; a million messages need less. */
#define LIST_MAX_BYTES (256 * 1024 * 1024)
/* What a server may send in one reply, and how long it may take for it. Some
   answer TOP with the whole message. Of UIDL all is kept, and counted there. */
#define REPLY_MAX_BYTES (64 * 1024 * 1024)
#define CAPA_MAX_BYTES (64 * 1024)
#define REPLY_MAX_SECS (10 * 60)
/* How many TOPs may be unanswered where the server says PIPELINING. */
#define PIPELINE_MAX 64

enum pop3_command {
	POP3_GREETING,
	POP3_CAPA,
	POP3_STLS,
	POP3_USER,
	POP3_PASS,
	POP3_LOGGED_IN_CAPA,
	POP3_UIDL,
	POP3_LIST,
	POP3_TOP,
	POP3_QUIT
};

static const char *const command_names[] = {
	[POP3_GREETING] = "connection", [POP3_CAPA] = "CAPA",
	[POP3_STLS] = "STLS", [POP3_USER] = "user", [POP3_PASS] = "password",
	[POP3_LOGGED_IN_CAPA] = "CAPA", [POP3_UIDL] = "UIDL",
	[POP3_LIST] = "LIST", [POP3_TOP] = "TOP"
};

struct pop3_client {
	const struct popinjay_pop3_url *url;
	const char *password;
	struct mail_user *user;
	pool_t pool;

	struct istream *input;
	struct ostream *output;
	struct ssl_iostream *ssl;
	struct io *io;
	/* it is silent; its reply does not end */
	struct timeout *to, *reply_to;
	struct popinjay_pop3_reply reply;
	/* how much has come of the reply that is read */
	size_t reply_bytes;
	bool is_local;

	/* the one whose reply is read */
	enum pop3_command command;
	bool has_stls, has_pipelining;
	/* of a listing, the line that has not ended */
	string_t *line;

	ARRAY_TYPE(popinjay_uidl_row) *rows;
	/* rows of this server begin here; their message numbers, and how much
	   all of it takes */
	unsigned int first_row;
	ARRAY_TYPE(uint32_t) msns;
	size_t kept_bytes;
	/* how many TOPs were sent and answered */
	unsigned int top_sent, top_done;
	struct popinjay_header_digest digest;
	bool top_ok;

	bool tls_next, done;
	const char *error;
};

static void client_fail(struct pop3_client *client, const char *fmt, ...)
	ATTR_FORMAT(2, 3);

static void client_fail(struct pop3_client *client, const char *fmt, ...)
{
	va_list args;

	if (client->error == NULL) {
		va_start(args, fmt);
		client->error = p_strdup_vprintf(client->pool, fmt, args);
		va_end(args);
	}
	client->done = TRUE;
	io_loop_stop(current_ioloop);
}

static void client_send(struct pop3_client *client, enum pop3_command command,
			const char *line)
{
	client->command = command;
	o_stream_nsend_str(client->output, t_strconcat(line, "\r\n", NULL));
}

static struct popinjay_uidl_row *
client_row(struct pop3_client *client, unsigned int idx)
{
	return array_idx_modifiable(client->rows, client->first_row + idx);
}

/* --- What is sent --- */

static void client_login(struct pop3_client *client)
{
	if (!client->url->pop3s && client->ssl == NULL) {
		if (client->has_stls) {
			client_send(client, POP3_STLS, "STLS");
			return;
		}
		if (!client->is_local) {
			client_fail(client, "It offers no STLS, and a password "
				    "is sent without TLS only to an address of "
				    "this machine (through a tunnel)");
			return;
		}
	}
	client_send(client, POP3_USER,
		    t_strconcat("USER ", client->url->user, NULL));
}

static void client_send_tops(struct pop3_client *client)
{
	unsigned int count, most;
	const uint32_t *msns = array_get(&client->msns, &count);

	most = client->has_pipelining ? PIPELINE_MAX : 1;
	if (client->top_done == count) {
		client_send(client, POP3_QUIT, "QUIT");
		return;
	}
	/* many at a time, so that they fill packets */
	if (client->top_sent - client->top_done > most / 2)
		return;
	o_stream_cork(client->output);
	while (client->top_sent < count &&
	       client->top_sent - client->top_done < most) T_BEGIN {
		client_send(client, POP3_TOP, t_strdup_printf("TOP %u 0",
			    msns[client->top_sent]));
		client->top_sent++;
	} T_END;
	o_stream_uncork(client->output);
}

/* --- What is answered --- */

static bool reply_status(bool ok, const char *text, void *context)
{
	struct pop3_client *client = context;
	str_truncate(client->line, 0);
	switch (client->command) {
	case POP3_CAPA:
	case POP3_LOGGED_IN_CAPA:
		client->has_stls = client->has_pipelining = FALSE;
		return ok;
	case POP3_TOP:
		client->top_ok = ok;
		popinjay_header_digest_init(&client->digest);
		return ok;
	case POP3_QUIT:
		return FALSE;
	case POP3_UIDL:
	case POP3_LIST:
		if (ok)
			return TRUE;
		break;
	case POP3_GREETING:
	case POP3_STLS:
	case POP3_USER:
	case POP3_PASS:
		if (ok)
			return FALSE;
		break;
	}
	client_fail(client, "It refuses the %s: %s",
		    command_names[client->command],
		    popinjay_uidl_table_text(text));
	return FALSE;
}

static void client_capa_line(struct pop3_client *client, const char *line)
{
	if (strcasecmp(line, "STLS") == 0)
		client->has_stls = TRUE;
	else if (strcasecmp(line, "PIPELINING") == 0)
		client->has_pipelining = TRUE;
}

/* Returns FALSE if there is too much of it. */
static bool client_keep(struct pop3_client *client, size_t bytes)
{
	client->kept_bytes += bytes;
	if (client->kept_bytes <= LIST_MAX_BYTES)
		return TRUE;
	client_fail(client, "Its list of messages is larger than %u MB",
		    LIST_MAX_BYTES / 1024 / 1024);
	return FALSE;
}

static void client_uidl_line(struct pop3_client *client, unsigned int msn,
			     const char *uidl)
{
	struct popinjay_uidl_row *row;
	uint32_t num = msn;
	unsigned int count;
	const uint32_t *msns = array_get(&client->msns, &count);

	if (count > 0 && msn <= msns[count-1]) {
		client_fail(client, "Its reply to UIDL is invalid");
		return;
	}
	if (strlen(uidl) > POPINJAY_UIDL_MAX_LEN) {
		/* it is told, and too long for a client all the same */
		uidl = t_strdup_printf("%.*s...", POPINJAY_UIDL_MAX_LEN, uidl);
	}
	if (!client_keep(client, sizeof(num) + sizeof(*row) + strlen(uidl) + 1))
		return;
	array_push_back(&client->msns, &num);
	row = array_append_space(client->rows);
	row->uidl = p_strdup(client->pool, uidl);
	row->size = UOFF_T_MAX;
}

static int msn_cmp(const uint32_t *key, const uint32_t *msn)
{
	return *key == *msn ? 0 : (*key < *msn ? -1 : 1);
}

static void client_list_line(struct pop3_client *client, unsigned int msn,
			     const char *size)
{
	const uint32_t *found;
	uint32_t key = msn;
	const char *p;
	uoff_t bytes;

	if (str_parse_uoff(size, &bytes, &p) < 0 || (*p != '\0' && *p != ' '))
		return;
	found = array_bsearch(&client->msns, &key, msn_cmp);
	if (found != NULL) {
		client_row(client, array_ptr_to_idx(&client->msns,
						    found))->size = bytes;
	}
}

static void client_line(struct pop3_client *client, const char *line)
{
	const char *rest;
	unsigned int msn;

	if (client->command == POP3_CAPA ||
	    client->command == POP3_LOGGED_IN_CAPA) {
		client_capa_line(client, line);
	} else if (popinjay_pop3_listing_parse(line, &msn, &rest) < 0) {
		client_fail(client, "Its reply has an invalid line: "
			    "%s", popinjay_uidl_table_text(line));
	} else if (client->command == POP3_UIDL) {
		client_uidl_line(client, msn, rest);
	} else {
		client_list_line(client, msn, rest);
	}
}

/* Returns FALSE if there is too much of the reply. */
static bool client_count(struct pop3_client *client, size_t bytes)
{
	size_t max_bytes = client->command == POP3_CAPA ||
		client->command == POP3_LOGGED_IN_CAPA ?
		CAPA_MAX_BYTES : REPLY_MAX_BYTES;

	client->reply_bytes += bytes;
	if (client->command == POP3_UIDL || client->reply_bytes <= max_bytes)
		return TRUE;
	client_fail(client, "Its reply to %s is larger than %zu kB",
		    command_names[client->command], max_bytes / 1024);
	return FALSE;
}

static void reply_data(const void *_data, size_t size, void *context)
{
	struct pop3_client *client = context;
	const char *data = _data;
	size_t i;

	if (client->done || !client_count(client, size))
		return;
	if (client->command == POP3_TOP) {
		(void)popinjay_header_digest_more(&client->digest, data, size);
		return;
	}
	for (i = 0; i < size && !client->done; i++) {
		if (data[i] != '\n') {
			if (str_len(client->line) == LISTING_MAX_LINE ||
			    data[i] == '\0') {
				client_fail(client, "Its reply has an invalid "
					    "line");
			}
			str_append_c(client->line, data[i]);
			continue;
		}
		client_line(client, str_c(client->line));
		str_truncate(client->line, 0);
	}
}

static void client_top_end(struct pop3_client *client)
{
	struct popinjay_uidl_row *row = client_row(client, client->top_done++);
	char hash[POPINJAY_HEADER_HASH_LEN + 1];
	const char *message_id;

	if (client->top_ok) {
		message_id = popinjay_header_digest_result(&client->digest,
							   hash);
		if (!client_keep(client, sizeof(hash) + (message_id == NULL ?
				 0 : strlen(message_id) + 1)))
			return;
		row->hash = p_strdup_empty(client->pool, hash);
		row->message_id = p_strdup(client->pool, message_id);
	}
	client_send_tops(client);
}

static bool reply_end(void *context)
{
	struct pop3_client *client = context;

	if (client->done)
		return FALSE;
	client->reply_bytes = 0;
	timeout_reset(client->reply_to);
	switch (client->command) {
	case POP3_GREETING:
		client_send(client, POP3_CAPA, "CAPA");
		break;
	case POP3_CAPA:
		client_login(client);
		break;
	case POP3_STLS:
		client->tls_next = TRUE;
		return FALSE;
	case POP3_USER:
		client_send(client, POP3_PASS,
			    t_strconcat("PASS ", client->password, NULL));
		break;
	case POP3_PASS:
		client_send(client, POP3_LOGGED_IN_CAPA, "CAPA");
		break;
	case POP3_LOGGED_IN_CAPA:
		client_send(client, POP3_UIDL, "UIDL");
		break;
	case POP3_UIDL:
		client_send(client, POP3_LIST, "LIST");
		break;
	case POP3_LIST:
		client_send_tops(client);
		break;
	case POP3_TOP:
		client_top_end(client);
		break;
	case POP3_QUIT:
		client->done = TRUE;
		io_loop_stop(current_ioloop);
		return FALSE;
	}
	return !client->done;
}

static const struct popinjay_pop3_reply_vfuncs reply_vfuncs = {
	.status = reply_status,
	.data = reply_data,
	.end = reply_end
};

/* --- The connection --- */

static void client_input(struct pop3_client *client);

static int client_begin_tls(struct pop3_client *client)
{
	const char *error;

	io_remove(&client->io);
	if (popinjay_tls_client_begin(client->user, client->url->host,
				      &client->input, &client->output,
				      &client->ssl, &error) < 0 ||
	    ssl_iostream_handshake(client->ssl) < 0) {
		client_fail(client, "TLS failed: %s", client->ssl == NULL ?
			    error : ssl_iostream_get_last_error(client->ssl));
		return -1;
	}
	client->io = io_add_istream(client->input, client_input, client);
	return 0;
}

/* Returns TRUE if all is known already: how it says good-bye does not
   matter. */
static bool client_is_leaving(struct pop3_client *client)
{
	if (client->command != POP3_QUIT)
		return FALSE;
	client->done = TRUE;
	io_loop_stop(current_ioloop);
	return TRUE;
}

static void client_lost(struct pop3_client *client)
{
	const char *error = NULL;

	if (client_is_leaving(client))
		return;
	if (client->ssl != NULL)
		error = ssl_iostream_get_last_error(client->ssl);
	if (error == NULL && client->input->stream_errno != 0)
		error = i_stream_get_error(client->input);
	if (error == NULL)
		error = "It closed the connection";
	client_fail(client, client->ssl != NULL &&
		    !ssl_iostream_is_handshaked(client->ssl) ?
		    "TLS failed: %s" : "Connection lost: %s", error);
}

static void client_input(struct pop3_client *client)
{
	const unsigned char *data;
	const char *error;
	size_t size;
	ssize_t ret = 0;

	timeout_reset(client->to);
	while (!client->done &&
	       (ret = i_stream_read_more(client->input, &data, &size)) > 0) {
		T_BEGIN {
			ret = popinjay_pop3_reply_more(&client->reply, data,
						       size, &error);
			if (ret < 0)
				client_fail(client, "%s", error);
		} T_END;
		if (ret < 0)
			return;
		i_stream_skip(client->input, ret);
		if (!client->tls_next)
			continue;
		client->tls_next = FALSE;
		if ((size_t)ret < size) {
			/* somebody else's, from before there was TLS */
			client_fail(client, "It sent more than its reply to "
				    "STLS");
			return;
		}
		if (client_begin_tls(client) == 0) {
			/* what it could do before it may say anew */
			client_send(client, POP3_CAPA, "CAPA");
		}
		return;
	}
	if (!client->done && ret < 0)
		client_lost(client);
}

static void client_timeout(struct pop3_client *client)
{
	if (!client_is_leaving(client))
		client_fail(client, "It did not answer for %u seconds",
			    TIMEOUT_SECS);
}

static void client_reply_timeout(struct pop3_client *client)
{
	if (!client_is_leaving(client))
		client_fail(client, "A reply of it did not end in %u minutes",
			    REPLY_MAX_SECS / 60);
}

static void client_connected(struct pop3_client *client)
{
	io_loop_stop(current_ioloop);
}

static bool ip_is_local(const struct ip_addr *ip)
{
	if (ip->family == AF_INET)
		return (ntohl(ip->u.ip4.s_addr) >> 24) == 127;
	return net_ip_compare(ip, &net_ip6_loopback);
}

/* Connect to the first address that lets us. Returns the socket, or -1 with the
   reason in error_r. */
static int client_connect(struct pop3_client *client, const char **error_r)
{
	const char *host = client->url->host;
	struct ip_addr *ips;
	unsigned int i, ips_count;
	int fd = -1, ret;

	ret = net_gethostbyname(host, &ips, &ips_count);
	if (ret != 0) {
		*error_r = t_strdup_printf("Its name can't be looked up: %s",
					   net_gethosterror(ret));
		return -1;
	}
	for (i = 0; i < ips_count && fd == -1; i++) {
		fd = net_connect_ip(&ips[i], client->url->port, NULL);
		if (fd == -1) {
			*error_r = t_strdup_printf("connect() failed: %m");
			continue;
		}
		client->io = io_add(fd, IO_WRITE, client_connected, client);
		client->to = timeout_add(TIMEOUT_SECS * 1000, client_connected,
					 client);
		io_loop_run(current_ioloop);
		io_remove(&client->io);
		timeout_remove(&client->to);
		errno = net_geterror(fd);
		if (errno == 0 && net_getpeername(fd, NULL, NULL) < 0)
			errno = ETIMEDOUT;
		if (errno != 0) {
			*error_r = t_strdup_printf("connect() failed: %m");
			net_disconnect(fd);
			fd = -1;
			continue;
		}
		client->is_local = ip_is_local(&ips[i]);
	}
	return fd;
}

static void client_run(struct pop3_client *client, int fd)
{
	/* not closed with the streams: a failed handshake closes these while
	   the io still waits */
	client->input = i_stream_create_fd(fd, MAX_INPUT_BYTES);
	client->output = o_stream_create_fd(fd, SIZE_MAX);
	o_stream_set_no_error_handling(client->output, TRUE);
	client->to = timeout_add(TIMEOUT_SECS * 1000, client_timeout, client);
	client->reply_to = timeout_add(REPLY_MAX_SECS * 1000,
				       client_reply_timeout, client);
	client->io = io_add_istream(client->input, client_input, client);
	if (!client->url->pop3s || client_begin_tls(client) == 0)
		io_loop_run(current_ioloop);
	io_remove(&client->io);
	timeout_remove(&client->to);
	timeout_remove(&client->reply_to);
	ssl_iostream_destroy(&client->ssl);
	o_stream_destroy(&client->output);
	i_stream_destroy(&client->input);
	net_disconnect(fd);
}

int uidl_source_read_pop3(const struct popinjay_pop3_url *url,
			  const char *password, struct mail_user *user,
			  pool_t pool, ARRAY_TYPE(popinjay_uidl_row) *rows,
			  const char **error_r)
{
	struct pop3_client *client = p_new(pool, struct pop3_client, 1);
	struct ioloop *ioloop;
	int fd;

	client->url = url;
	client->password = password;
	client->user = user;
	client->pool = pool;
	client->rows = rows;
	client->first_row = array_count(rows);
	client->line = str_new(pool, 256);
	p_array_init(&client->msns, pool, 1024);
	popinjay_pop3_reply_init(&client->reply, &reply_vfuncs, client);

	ioloop = io_loop_create();
	fd = client_connect(client, error_r);
	if (fd != -1)
		client_run(client, fd);
	io_loop_destroy(&ioloop);
	if (client->error != NULL)
		*error_r = client->error;
	return fd == -1 || client->error != NULL ? -1 : 0;
}
