/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_MESSAGE_LOG_H
#define POPINJAY_MESSAGE_LOG_H

struct popinjay_feature;
struct popinjay_record;
struct popinjay_session;

/* Logs the messages that are sent, marked as deleted and removed. */
extern const struct popinjay_feature popinjay_message_log_feature;

/* Add the fingerprints of all UIDLs and of those that are left, null if the
   client has not asked for them. */
void popinjay_message_log_add_fingerprints(struct popinjay_session *session,
					   struct popinjay_record *record);

#endif
