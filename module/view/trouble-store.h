/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TROUBLE_STORE_H
#define POPINJAY_TROUBLE_STORE_H

/* Messages in trouble on disk: the file popinjay-trouble beside popinjay-uidl,
   see view/trouble.h. Where it fails, the log gets a warning, and messages
   stand in the order of arrival. */

#define POPINJAY_TROUBLE_STORE_NAME "popinjay-trouble"

struct mailbox;
struct popinjay_trouble;

/* A change of what is in trouble. Returns TRUE if it is one. */
typedef bool popinjay_trouble_change_t(void *context,
				       struct popinjay_trouble *trouble);

/* Returns what is in trouble in an open mailbox, without a lock. */
struct popinjay_trouble *popinjay_trouble_store_read(struct mailbox *box);

/* Read the file under its lock, change it, and write it if that changed
   anything. */
void popinjay_trouble_store_change(struct mailbox *box,
				   popinjay_trouble_change_t *change,
				   void *context);

#endif
