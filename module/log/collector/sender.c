/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log: who may send records. The socket is open to every
   user of the machine, because mail processes run with the uids of mail users.
   The kernel tells the pid of the process that connected. Our own parent,
   Dovecot's master process, must have started it: it has the same parent as we
   have, and is in the master's session. A user's own process can have neither:
   it cannot choose its parent or enter a session. (In a container the master
   may be process 1, which inherits orphans. They keep their session.) */

#include "lib.h"
#include "net.h"
#include "str.h"
#include "sender.h"
#include "small-file.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#if !defined(SO_PEERPIDFD) && defined(__linux__) && !defined(__alpha__) && \
	!defined(__hppa__) && !defined(__mips__) && !defined(__sparc__)
/* Linux 6.5 */
#  define SO_PEERPIDFD 77
#endif

#define STAT_MAX_BYTES 1024

/* Get the parent and the session of a process. Returns 1, 0 if there is no such
   process, or -1 with the reason in error_r. */
static int
read_stat(pid_t pid, int *parent_r, int *session_r, const char **error_r)
{
	const char *path = t_strdup_printf("/proc/%ld/stat", (long)pid);
	string_t *stat = t_str_new(STAT_MAX_BYTES);
	const char *error, *p;
	int group;

	if (popinjay_small_file_read(path, STAT_MAX_BYTES, stat, &error) < 0) {
		/* it ended before it was opened, or before it was read */
		if (errno == ESRCH ||
		    (errno == ENOENT && access("/proc/self/stat", R_OK) == 0))
			return 0;
		*error_r = t_strdup_printf("%s: %s", path, error);
		return -1;
	}
	/* the program's name is in parentheses and may contain any characters,
	   even parentheses */
	p = strrchr(str_c(stat), ')');
	if (p == NULL || sscanf(p, ") %*c %d %d %d", parent_r, &group,
				session_r) != 3) {
		*error_r = t_strdup_printf("%s has an unknown format", path);
		return -1;
	}
	return 1;
}

/* Returns FALSE if the process that connected is known to have ended. Its pid
   may belong to another by now. */
static bool is_still_there(int fd)
{
#ifdef SO_PEERPIDFD
	struct pollfd pfd = { .events = POLLIN };
	socklen_t len = sizeof(pfd.fd);
	int ret;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pfd.fd, &len) < 0) {
		/* it has ended, or the kernel does not know pidfds */
		return errno != ESRCH && errno != EINVAL;
	}
	/* it becomes readable when the process ends */
	ret = poll(&pfd, 1, 0);
	i_close_fd(&pfd.fd);
	return ret == 0;
#else
	return TRUE;
#endif
}

int sender_check(int fd, struct sender *sender_r, const char **error_r)
{
	struct net_unix_cred cred;
	int parent, session, ret;

	i_zero(sender_r);
	if (net_getunixcred(fd, &cred) < 0) {
		*error_r = t_strdup_printf("getsockopt(SO_PEERCRED) failed: "
					   "%m");
		return -1;
	}
	sender_r->pid = cred.pid;
	sender_r->uid = cred.uid;
	if (cred.pid <= 0) {
		*error_r = "It is in another PID namespace";
		return -1;
	}
	ret = read_stat(cred.pid, &parent, &session, error_r);
	if (ret <= 0)
		return ret;
	/* only now is it certain that this was about the sender */
	if (!is_still_there(fd))
		return 0;
	if (parent != getppid() || session != getsid(0)) {
		*error_r = "It is not a process of this Dovecot";
		return -1;
	}
	return 1;
}
