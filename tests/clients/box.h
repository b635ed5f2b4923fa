/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BOX_H
#define BOX_H

/* A user's mailboxes, and what happens to them from day to day: mail comes, and
   IMAP moves and deletes some. The clock stands still: each day, all mails
   become a day older. */

#include "fixture.h"

/* Bytes of each mail, which is one of numbered_mail(). */
#define BOX_MAIL_BYTES 400

/* What is set, and where mails are. */
struct site {
	const char *name, *storage;
	/* name, value, ..., NULL */
	const char *settings[9];
	/* what they say; 0: nothing. Days are for Maildirs. */
	unsigned int window_days, window_messages;
	gboolean keep;
	/* some mails cannot be read for some days; for Maildirs */
	gboolean trouble;
};
struct box {
	struct fixture *f;
	const struct site *site;
	char *user;
	/* numbers (guint) of the mails in the INBOX and in another mailbox, in
	   the order of their uids */
	GArray *inbox, *elsewhere;
	/* number -> the day when it came */
	GHashTable *received;
	/* the one that cannot be read, or 0, and the first day it can be */
	unsigned int unreadable, readable_day;
	unsigned int last_number, day;
	GRand *random;
};

/* The seed says what will happen. */
struct box *box_new(struct fixture *f, const struct site *site, guint32 seed);
void box_free(struct box *box);

/* A number below limit. */
unsigned int box_random(struct box *box, unsigned int limit);

/* Let the next day begin. */
void box_new_day(struct box *box);

/* Let all mails be readable. */
void box_mend(struct box *box);

/* When a mail of this number came. */
unsigned int box_received(const struct box *box, unsigned int number);

/* Fail the current test if something else is in the INBOX than there has to
   be. */
void box_check_inbox(struct box *box);

#endif
