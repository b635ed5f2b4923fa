/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_ACCESS_LOG_H
#define POPINJAY_ACCESS_LOG_H

struct mailbox;
struct popinjay_hook;
struct popinjay_record;
struct popinjay_session;

/* Returns a new record of the session, in the data stack, with what each of
   them begins with. The name of its event is event. */
struct popinjay_record *
popinjay_access_log_record(struct popinjay_session *session, const char *event);
/* Add what the client logged in with. */
void popinjay_access_log_add_credentials(struct popinjay_session *session,
					 struct popinjay_record *record);
/* Send the record as an event, and write it to the sinks if that is TRUE. */
void popinjay_access_log_write(struct popinjay_session *session, bool sinks,
			       const struct popinjay_record *record);

/* Log the end of a session, and send the event popinjay_session_finished with
   the same fields. A log that cannot be written changes nothing else. */
void popinjay_access_log_session(struct popinjay_session *session);

/* Logs commands, and the messages they are about. */
extern const struct popinjay_hook popinjay_access_log_hook;

/* Storage hook: watch what is really removed from the INBOX. */
void popinjay_access_log_mailbox_allocated(struct mailbox *box);

#endif
