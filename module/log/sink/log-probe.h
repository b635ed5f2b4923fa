/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_PROBE_H
#define POPINJAY_LOG_PROBE_H

/* Connect to a UNIX socket for datagrams, with flags such as SOCK_NONBLOCK.
   Returns its fd, which exec() closes, or -1 with errno set. */
int popinjay_log_datagram_connect(const char *socket_path, int flags);

/* Returns 0 if a service listens at a socket that this process may use, or -1
   with errno set. The service does not notice. (It logs real connections from
   processes that are not its Dovecot's.) */
int popinjay_log_service_probe(const char *socket_path);

#endif
