/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_WHOLE_H
#define POPINJAY_WHOLE_H

#include "stored.h"

struct istream;
struct mail;
struct mailbox_transaction_context;

/* Whether a message that was read to the end of its stream is all there. What
   proves it is the size of that which holds the message: the file in a Maildir,
   the size in front of each message in sdbox and mdbox. File names, index and
   cache only claim a size. Elsewhere there is nothing better than a claim. */

enum popinjay_whole {
	POPINJAY_WHOLE,
	/* a claim was wrong */
	POPINJAY_WHOLE_OTHER_SIZE,
	/* A claim was larger, and no session has noticed before: the file may
	   have lost its end, or may not be seen as it is. */
	POPINJAY_WHOLE_SMALLER,
	/* a part of it */
	POPINJAY_WHOLE_NOT
};

struct popinjay_holder {
	enum popinjay_storage_kind kind;
	struct mail *mail;
	struct istream *stream;
	/* of what holds the message, if the stream gives just that */
	uoff_t size_bytes;
	bool size_known;
};

/* What is known of a message once it was read to its end. */
struct popinjay_read_sizes {
	/* what came from the stream, and the same with CRLF line ends */
	uoff_t read_bytes, virtual_bytes;
	/* the size with CRLF that the client was told */
	uoff_t told_bytes;
};

/* Call it before the stream of a message is opened. Dovecot's own comparison
   with the claims is switched off where we know better. */
void popinjay_holder_prepare(struct mailbox_transaction_context *trans);

/* Start with the stream of mail, of which nothing has been read. */
void popinjay_holder_init(struct popinjay_holder *holder, struct mail *mail,
			  struct istream *stream);

/* Find out whether all of the message was read. The stream has ended without an
   error. For all but POPINJAY_WHOLE, *text_r tells both sizes. Wrong
   claims that are in no file name are forgotten, so that the next session tells
   the right size. A file name stays: with another one, Dovecot would give the
   message another uid. */
enum popinjay_whole
popinjay_holder_check(const struct popinjay_holder *holder,
		      const struct popinjay_read_sizes *sizes,
		      const char **text_r);

/* The stream has failed: if that is because of what the index says, let the
   next session not rely on that. */
void popinjay_holder_failed(const struct popinjay_holder *holder);

#endif
