/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_MBOX_H
#define POPINJAY_UIDL_MBOX_H

struct istream;
struct mail_save_context;
struct mailbox;

/* Returns TRUE if the mailbox is in an mbox. */
bool popinjay_uidl_mbox_is(struct mailbox *box);

/* Append to dest the key that a message will have once it is saved in the mbox.
   input is the message, and is read and put back to where it was. Returns
   FALSE, and appends nothing, if the key can't be told before. */
bool popinjay_uidl_mbox_foretell_key(struct mailbox *box,
				     struct istream *input, string_t *dest);

/* Call save_begin() so that the message gets the key that was foretold, and
   that this can be seen. Where UIDLs are made of the MD5 of the header, mbox
   adds a header with a random number, so that each message has one of its own;
   here it brings that. Returns what save_begin() does. */
int popinjay_uidl_mbox_save_begin(struct mail_save_context *ctx,
	struct istream *input,
	int (*save_begin)(struct mail_save_context *, struct istream *));

/* Append to dest the key of a message that was just saved, and is not committed
   yet. Returns FALSE, and appends nothing, if it is not known. */
bool popinjay_uidl_mbox_get_saved_key(struct mail_save_context *ctx,
				      string_t *dest);

/* Returns where the message ends that was just saved, and is not committed yet;
   0 if that is not known. */
uoff_t popinjay_uidl_mbox_get_saved_end(struct mailbox *box);

/* See that the last message in the file ends with the empty line that is no
   part of it. That is only written with the next message or with the commit:
   without it, a line end of the message is taken for it, and is lost. Where the
   next message could not be saved, there may be NULs, which become part of the
   message. end_offset is where the message ends, or 0 if that is not known: an
   empty line that it ends with itself is taken for the one behind it then. The
   file has to be open and locked for writing. Returns 0, or -1 with the reason
   in error_r. */
int popinjay_uidl_mbox_end_last(struct mailbox *box, uoff_t end_offset,
				const char **error_r);

#endif
