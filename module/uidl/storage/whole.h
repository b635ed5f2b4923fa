/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_WHOLE_H
#define POPINJAY_WHOLE_H

#include "kind.h"

struct istream;
struct mail;
struct mailbox_transaction_context;

/* Whether a message that was read to the end of its stream is all there. What
   proves it is the size of that which holds the message: the file in a Maildir,
   the size in front of each message in sdbox and mdbox. File names, index and
   cache only claim a size. Elsewhere there is nothing better than a claim. */

/* Call it before the stream of a message is opened. Dovecot's own comparison
   with the claims is switched off where we know better. */
void popinjay_holder_prepare(struct mailbox_transaction_context *trans);

/* Start with the stream of mail, of which nothing has been read. */
void popinjay_holder_init(struct popinjay_holder *holder, struct mail *mail,
			  struct istream *stream);

/* Call it before anything is read. Returns FALSE with the mailbox's error set
   if the stream is sure to fail. */
bool popinjay_holder_is_readable(const struct popinjay_holder *holder);

/* Find out whether all of the message was read. The stream has ended without an
   error. For all but POPINJAY_WHOLE, *text_r tells both sizes. Wrong claims
   that are in no file name are forgotten, so that the next session tells the
   right size. A file name stays: with another one, Dovecot would give the
   message another uid. */
enum popinjay_whole
popinjay_holder_check(const struct popinjay_holder *holder,
		      const struct popinjay_read_sizes *sizes,
		      const char **text_r);

/* Forget what index and cache claim: next time Dovecot finds the size out. */
void popinjay_holder_forget_size(const struct popinjay_holder *holder,
				 enum mail_fetch_field field);

/* The stream has failed: if that is because of what the index says, let the
   next session not rely on that. */
void popinjay_holder_failed(const struct popinjay_holder *holder);

#endif
