/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process and doveadm: whether the service popinjay-log is there. */

#include "lib.h"
#include "log-probe.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int popinjay_log_service_probe(const char *socket_path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret;

	if (i_strocpy(addr.sun_path, socket_path, sizeof(addr.sun_path)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* the service's is no socket of this type, which is found out after all
	   else */
	ret = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	if (ret < 0 && errno == EPROTOTYPE)
		ret = 0;
	i_close_fd(&fd);
	return ret;
}
