/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_TROUBLE_H
#define POPINJAY_LOG_TROUBLE_H

/* A process may serve sessions for days: a sink that does not work is told
   when that begins, and again if it was well in between, but not for each
   record, nor more often than once in a second. */

/* The sink has failed. Returns TRUE if that is to be told. */
bool popinjay_log_trouble_begins(const char *sink);
/* The sink has worked. */
void popinjay_log_trouble_ends(const char *sink);

/* Forget all sinks. */
void popinjay_log_trouble_deinit(void);

#endif
