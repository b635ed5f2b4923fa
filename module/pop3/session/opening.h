/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_OPENING_H
#define POPINJAY_OPENING_H

struct mailbox;

/* Storage hook: Dovecot gets the sizes of the messages of a POP3 session's
   INBOX, which it looks up when the session begins, from us where they are
   known. */
void popinjay_opening_mailbox_allocated(struct mailbox *box);

#endif
