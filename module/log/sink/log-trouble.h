/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_TROUBLE_H
#define POPINJAY_LOG_TROUBLE_H

/* A process may serve sessions for days. A sink that fails is logged when it
   begins to fail, and again when it fails after it has worked, but not for each
   record and at most once a second. */

/* The sink has failed. Returns TRUE if that should be logged. */
bool popinjay_log_trouble_begins(const char *sink);
/* The sink has worked. */
void popinjay_log_trouble_ends(const char *sink);

/* Forget all sinks. */
void popinjay_log_trouble_deinit(void);

#endif
