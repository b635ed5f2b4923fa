/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_ACCESS_LOG_H
#define POPINJAY_ACCESS_LOG_H

struct mailbox;
struct popinjay_session;

/* Log the end of a session, and send the event popinjay_session_finished with
   the same fields. A log that cannot be written changes nothing else. */
void popinjay_access_log_session(struct popinjay_session *session);

/* Storage hook: watch what is really removed from the INBOX. */
void popinjay_access_log_mailbox_allocated(struct mailbox *box);

#endif
