/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SESSION_LOG_H
#define POPINJAY_SESSION_LOG_H

struct popinjay_feature;

/* Logs commands and the end of the session, and sends the events
   popinjay_command_finished and popinjay_session_finished with the same
   fields. */
extern const struct popinjay_feature popinjay_session_log_feature;

#endif
