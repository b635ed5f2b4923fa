/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_SERVICE_H
#define POPINJAY_LOG_SERVICE_H

/* Sends records to the service popinjay-log without ever waiting for it. */

/* Set the path of the service's socket, unless it is set. It is opened for the
   first record. */
void popinjay_log_service_init(const char *socket_path);
/* Wait until the service has what it was sent, for half a second at most if it
   does not respond. What it has not claimed then goes to Dovecot's own log.
   Frees everything. */
void popinjay_log_service_deinit(void);

/* Queue a line. logged says that Dovecot's own log has it anyway. Returns FALSE
   if the service cannot be reached: then the caller has to write the line
   elsewhere. A queued line that cannot be delivered later is written to
   Dovecot's own log unless it is there. */
bool popinjay_log_service_send(const char *line, bool logged);

#endif
