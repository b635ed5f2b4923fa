/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process and doveadm: datagram sockets, and whether the service
   popinjay-log is there. */

#include "lib.h"
#include "log-probe.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int popinjay_log_datagram_connect(const char *socket_path, int flags)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, old_errno;

	if (i_strocpy(addr.sun_path, socket_path, sizeof(addr.sun_path)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);
	if (fd != -1 &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		old_errno = errno;
		i_close_fd(&fd);
		errno = old_errno;
	}
	return fd;
}

int popinjay_log_service_probe(const char *socket_path)
{
	int fd = popinjay_log_datagram_connect(socket_path, 0);

	/* The service's socket is of another type. The kernel looks at that
	   last. */
	if (fd == -1)
		return errno == EPROTOTYPE ? 0 : -1;
	i_close_fd(&fd);
	return 0;
}
