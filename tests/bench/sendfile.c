/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is possible: a process that does nothing but send a file. */

#include "sendfile.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void
sendfile_serve(int listen_fd, int file_fd, guint64 size)
{
	int fd = accept(listen_fd, NULL, NULL);
	off_t offset = 0;

	while (fd != -1 && (guint64)offset < size &&
	       sendfile(fd, file_fd, &offset, size - offset) > 0) ;
	_exit(0);
}

double bench_sendfile_secs(guint64 size)
{
	static char piece[RECEIVE_BYTES];
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t addr_len = sizeof(addr);
	int client_fd = socket(AF_INET, SOCK_STREAM, 0);
	int listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	char *path;
	int file_fd = g_file_open_tmp("popinjay-bench-XXXXXX", &path, NULL);
	guint64 left;
	gint64 start;
	pid_t pid;

	g_assert_cmpint(file_fd, !=, -1);
	unlink(path);
	g_free(path);
	memset(piece, 'x', sizeof(piece));
	for (left = size; left > 0; ) {
		ssize_t ret = write(file_fd, piece, MIN(left, sizeof(piece)));

		if (ret <= 0)
			g_error("bench: write(): %s", g_strerror(errno));
		left -= ret;
	}
	if (bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listen_fd, 1) < 0 ||
	    getsockname(listen_fd, (struct sockaddr *)&addr, &addr_len) < 0)
		g_error("bench: %s", g_strerror(errno));
	pid = fork();
	if (pid == 0)
		sendfile_serve(listen_fd, file_fd, size);
	if (pid < 0 || connect(client_fd, (struct sockaddr *)&addr,
			       sizeof(addr)) < 0)
		g_error("bench: %s", g_strerror(errno));
	start = g_get_monotonic_time();
	for (left = size; left > 0; ) {
		ssize_t ret = recv(client_fd, piece, sizeof(piece), 0);

		if (ret <= 0)
			g_error("bench: recv(): %s", g_strerror(errno));
		left -= ret;
	}
	start = g_get_monotonic_time() - start;
	waitpid(pid, NULL, 0);
	close(client_fd);
	close(listen_fd);
	close(file_fd);
	return start / (double)G_USEC_PER_SEC;
}
