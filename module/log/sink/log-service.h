/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_SERVICE_H
#define POPINJAY_LOG_SERVICE_H

/* Sends records to the service popinjay-log without ever waiting for it. */

/* Set where the service's socket is, if that is not set yet. Nothing is opened
   before the first record. */
void popinjay_log_service_init(const char *socket_path);
/* Wait, half a second at most if the service does not stir, until it has what
   it was sent. What it has not taken over then goes to Dovecot's own log. Frees
   everything. */
void popinjay_log_service_deinit(void);

/* Queue a line. logged says that Dovecot's own log has it anyway. Returns TRUE,
   or FALSE if the service cannot be reached: the caller has to write the line
   elsewhere. A line that was queued and cannot be delivered later is written
   to Dovecot's own log, unless it is there already. */
bool popinjay_log_service_send(const char *line, bool logged);

#endif
