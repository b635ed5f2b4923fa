/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_PROBE_H
#define POPINJAY_LOG_PROBE_H

/* Connect to a UNIX socket for datagrams, with flags such as SOCK_NONBLOCK.
   Returns its fd, which exec() closes, or -1 with errno set. */
int popinjay_log_datagram_connect(const char *socket_path, int flags);

/* Returns 0 if a service listens at a socket that this process may use, or -1
   with errno set. The service does not notice: it refuses, and says so, who is
   no process of its Dovecot. */
int popinjay_log_service_probe(const char *socket_path);

#endif
