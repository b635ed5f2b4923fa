/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The processes that make records: the sink "syslog". syslog(3) would wait
   while the system logger does not read (RFC 3164 has the format). */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "ioloop.h"
#include "str.h"
#include "log-probe.h"
#include "log-syslog.h"

#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_IDENT "popinjay"

struct syslog_socket {
	char *path;
	int fd;
};

static ARRAY(struct syslog_socket) sockets;

static struct syslog_socket *socket_get(const char *path)
{
	struct syslog_socket *sock;

	if (!array_is_created(&sockets))
		i_array_init(&sockets, 2);
	array_foreach_modifiable(&sockets, sock) {
		if (strcmp(sock->path, path) == 0)
			return sock;
	}
	sock = array_append_space(&sockets);
	sock->path = i_strdup(path);
	sock->fd = -1;
	return sock;
}

static int socket_open(struct syslog_socket *sock)
{
	if (sock->fd == -1) {
		sock->fd = popinjay_log_datagram_connect(sock->path,
							 SOCK_NONBLOCK);
	}
	return sock->fd == -1 ? -1 : 0;
}

int popinjay_log_syslog_open(const char *socket_path)
{
	return socket_open(socket_get(socket_path));
}

/* Month names are English in every locale. */
static void append_time(string_t *dest)
{
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
		"Oct", "Nov", "Dec"
	};
	const struct tm *tm = localtime(&ioloop_time);

	str_printfa(dest, "%s %2d %02d:%02d:%02d", months[tm->tm_mon],
		    tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec);
}

int popinjay_log_syslog_send(const char *socket_path, const char *line)
{
	struct syslog_socket *sock = socket_get(socket_path);
	string_t *message = t_str_new(1024);
	unsigned int i;

	str_printfa(message, "<%d>", LOG_MAIL | LOG_INFO);
	append_time(message);
	str_printfa(message, " "SYSLOG_IDENT"[%s]: %s", my_pid, line);

	/* a restarted logger has a new socket */
	for (i = 0; i < 2; i++) {
		if (socket_open(sock) < 0)
			return -1;
		if (send(sock->fd, str_data(message), str_len(message),
			 MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EAGAIN || errno == EMSGSIZE)
			return -1;
		i_close_fd(&sock->fd);
	}
	return -1;
}

void popinjay_log_syslog_deinit(void)
{
	struct syslog_socket *sock;

	if (!array_is_created(&sockets))
		return;
	array_foreach_modifiable(&sockets, sock) {
		i_close_fd(&sock->fd);
		i_free(sock->path);
	}
	array_free(&sockets);
}
