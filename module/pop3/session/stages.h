/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_STAGES_H
#define POPINJAY_STAGES_H

#include "feature.h"

/* Each of these calls the function of that name of all features that take part
   in the session; see feature.h. */

/* Returns 0, or -1 with what the first feature that is not content says. */
int popinjay_stages_settings_check(struct mail_user *user,
				   const char **error_r);

/* Make the features' state of the session. */
void popinjay_stages_session_created(struct popinjay_session *session);
void popinjay_stages_session_begin(struct popinjay_session *session);
void popinjay_stages_session_end(struct popinjay_session *session);

/* Returns TRUE if a feature wants a view of the mailbox. */
bool popinjay_stages_want_view(struct popinjay_session *session,
			       struct mailbox *box);
/* Ends when a feature has refused the session. */
void popinjay_stages_view(struct popinjay_session *session,
			  struct mailbox *box, ARRAY_TYPE(uint32_t) *seqs);

/* Ask all features from request->next_before on, until one does not answer
   POPINJAY_BEFORE_GO_ON. Returns the last answer. */
enum popinjay_before popinjay_stages_before(struct popinjay_request *request);
/* after() and message_sent() */
void popinjay_stages_after(struct popinjay_request *request,
			   const struct popinjay_result *result);

/* These return 0, or -1 as soon as a feature does. */
int popinjay_stages_message_opened(struct popinjay_request *request,
				   const struct popinjay_message *message,
				   struct mail *mail, struct istream *stream);
int popinjay_stages_message_read(struct popinjay_request *request,
				 const struct popinjay_message *message,
				 uoff_t bytes, uoff_t virtual_bytes,
				 const char **error_r);
int popinjay_stages_update(struct popinjay_request *request);

/* Returns what the features want, see enum popinjay_delete. Ends when one has
   refused. */
enum popinjay_delete
popinjay_stages_message_delete(struct popinjay_request *request,
			       const struct popinjay_message *message);
void popinjay_stages_message_removed(struct popinjay_session *session,
				     const struct popinjay_message *message,
				     bool certain);

/* Add the lines of all features. */
void popinjay_stages_capabilities(struct popinjay_session *session,
				  struct popinjay_capabilities *capabilities);

#endif
