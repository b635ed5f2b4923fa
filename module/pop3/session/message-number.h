/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_MESSAGE_NUMBER_H
#define POPINJAY_MESSAGE_NUMBER_H

#include "feature.h"

/* Parse the message number at the start of the request's arguments, with more
   arguments to follow or not. Returns TRUE, with *args_r at what follows; or
   FALSE after it has replied why not, in Dovecot's words, with the outcome to
   return in *outcome_r. */
bool popinjay_message_number_parse(struct popinjay_request *request,
				   bool more_follows,
				   struct popinjay_message *message_r,
				   const char **args_r,
				   enum popinjay_outcome *outcome_r);

/* Reply that the message is gone from the mailbox. Asking for the same one
   again counts as a bad command, so that no client asks forever. */
enum popinjay_outcome
popinjay_reply_expunged(struct popinjay_request *request, unsigned int msn);

#endif
