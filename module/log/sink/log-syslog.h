/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_SYSLOG_H
#define POPINJAY_LOG_SYSLOG_H

/* Open the socket now, for a process that cannot do it later. Returns 0, or -1
   with errno set. */
int popinjay_log_syslog_open(const char *socket_path);

/* Send a line to syslog, with facility mail and level info. Returns 0, or -1
   with errno set if it cannot be sent at once. */
int popinjay_log_syslog_send(const char *socket_path, const char *line);

/* Close all sockets. */
void popinjay_log_syslog_deinit(void);

#endif
