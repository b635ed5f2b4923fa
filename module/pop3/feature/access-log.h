/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_ACCESS_LOG_H
#define POPINJAY_ACCESS_LOG_H

/* What all records of the access log share. */

#include "access-log-config.h"
#include "log-fields.h"

struct mail_user;
struct popinjay_feature;
struct popinjay_record;
struct popinjay_session;

/* The access log of one session. */
struct popinjay_access_log {
	const struct popinjay_access_log_config *config;
	/* somebody listens to these events */
	bool session_events, message_events, command_events;

	/* Private. What each record begins with: hashes, addresses as text. */
	struct popinjay_log_identity *identity;
	/* records; those of what was looked at, marked and asked; and those of
	   them that were left out */
	unsigned int records, detail_records, skipped_records;
};

/* Reads and checks the settings of the log. */
extern const struct popinjay_feature popinjay_access_log_feature;

/* Returns the settings of the user's log. If any settings of ours are wrong,
   sessions are logged in Dovecot's own. */
const struct popinjay_access_log_config *
popinjay_access_log_config(struct mail_user *user);

/* Returns the log of the session. */
struct popinjay_access_log *
popinjay_access_log_get(struct popinjay_session *session);

/* Returns TRUE if a record or event of the session itself is wanted. */
bool popinjay_access_log_wants_session(struct popinjay_session *session);

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
/* Write the record to the sinks, and send it as an event, if that is TRUE. A
   log that cannot be written changes nothing else. */
void popinjay_access_log_write(struct popinjay_session *session, bool sinks,
			       bool event,
			       const struct popinjay_record *record);

#endif
