/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_CONNECTION_H
#define POPINJAY_CONNECTION_H

/* The other end of log-protocol.h: one process that sends records. */

/* Serve a process that has connected, or close fd if it may not. */
void connection_create(int fd);

/* Write what has arrived on all connections, and end them. */
void connections_deinit(void);

#endif
