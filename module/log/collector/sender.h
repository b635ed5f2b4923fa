/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SENDER_H
#define POPINJAY_SENDER_H

/* Who is at the other end of a connection. */
struct sender {
	pid_t pid;
	uid_t uid;
};

/* Find out who connected, and see that it is a process of the Dovecot that we
   belong to. Returns 1 if it is, 0 if it has ended, so that nobody can tell, or
   -1 if it is not, with the reason in error_r. */
int sender_check(int fd, struct sender *sender_r, const char **error_r);

#endif
