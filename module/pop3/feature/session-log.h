/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SESSION_LOG_H
#define POPINJAY_SESSION_LOG_H

#include "log-fields.h"

struct mailbox;
struct popinjay_hook;
struct popinjay_record;
struct popinjay_session;

/* Look up who listens to the session's events. */
void popinjay_access_log_find_listeners(struct popinjay_session *session);

/* Returns a new record of the session, in the data stack, with the fields that
   every record begins with. sinks says that it is to be written, and so has a
   number. */
struct popinjay_record *
popinjay_access_log_record(struct popinjay_session *session,
			   enum popinjay_record_kind kind, bool sinks);
/* Returns TRUE if one more record may be made of what the client does with
   messages, before QUIT removes them, or of a command: there is a bound, and
   what is beyond is counted. */
bool popinjay_access_log_may_detail(struct popinjay_session *session);
/* Add what the client logged in with. */
void popinjay_access_log_add_credentials(struct popinjay_session *session,
					 struct popinjay_record *record);
/* Write the record to the sinks, and send it as an event, if that is TRUE. */
void popinjay_access_log_write(struct popinjay_session *session, bool sinks,
			       bool event,
			       const struct popinjay_record *record);

/* Log the end of a session, and send the event popinjay_session_finished with
   the same fields. A log that cannot be written changes nothing else. */
void popinjay_access_log_session(struct popinjay_session *session);

/* Logs commands, and the messages they are about. */
extern const struct popinjay_hook popinjay_access_log_hook;

/* Storage hook: watch what is really removed from the INBOX. */
void popinjay_access_log_mailbox_allocated(struct mailbox *box);

#endif
