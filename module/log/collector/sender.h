/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SENDER_H
#define POPINJAY_SENDER_H

/* Who is at the other end of a connection. */
struct sender {
	pid_t pid;
	uid_t uid;
};

/* Find out who connected, and check that it is a process of our own Dovecot.
   Returns 1 if it is, 0 if it has ended, so that this cannot be known, or -1
   with the reason in error_r if it is not. */
int sender_check(int fd, struct sender *sender_r, const char **error_r);

#endif
