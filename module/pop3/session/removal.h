/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_REMOVAL_H
#define POPINJAY_REMOVAL_H

struct mailbox;
struct popinjay_session;

/* What QUIT is to remove. */
struct popinjay_removal;

/* QUIT is about to remove what the session has marked: note what is there.
   Returns NULL if nothing is. Until the end session->removal is what is
   returned. */
struct popinjay_removal *
popinjay_removal_begin(struct popinjay_session *session);

/* QUIT is done: tell the features which messages this session has removed.
   removal may be NULL. */
void popinjay_removal_end(struct popinjay_removal *removal);

/* Storage hook: watch what this process really removes from the INBOX. */
void popinjay_removal_mailbox_allocated(struct mailbox *box);

#endif
