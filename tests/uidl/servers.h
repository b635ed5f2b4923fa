/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UIDL_SERVERS_H
#define UIDL_SERVERS_H

/* POP3 servers of other makes, from Debian's packages as tests/prepare unpacks
   them, run from a private directory on ports of 127.0.0.1. Any user has the
   password FIXTURE_PASSWORD. What goes wrong ends the test program. */

#include "fixture.h"

/* --- Courier --- */

struct courier;

/* Start a server: it asks for USER and PASS, and then is courierpop3d, as
   Courier's own login process does. */
struct courier *courier_new(struct fixture *f);
/* Stop it. */
void courier_free(struct courier *courier);

/* Its port. */
guint16 courier_port(const struct courier *courier);
/* The Maildir of a user, which is made if there is none. */
char *courier_maildir(struct courier *courier, const char *user);
/* Put a mail into it. */
void courier_deliver(struct courier *courier, const char *user, GBytes *mail);

/* --- Cyrus --- */

struct cyrus;

/* Start Cyrus's master with pop3d and lmtpd. */
struct cyrus *cyrus_new(struct fixture *f);
/* Stop it. */
void cyrus_free(struct cyrus *cyrus);

/* Its port. */
guint16 cyrus_port(const struct cyrus *cyrus);
/* Make the mailbox of a user: "u1", "u2" or "u3". */
void cyrus_user(struct cyrus *cyrus, const char *user);
/* Put a mail into it by LMTP. Returns FALSE if it does not take such a mail. */
gboolean cyrus_deliver(struct cyrus *cyrus, const char *user, GBytes *mail);
/* Put many mails into an empty mailbox, the only one that has mail: the first
   by LMTP, the others beside it, as after a restore. */
void cyrus_fill(struct cyrus *cyrus, const char *user, GBytes *const *mails,
		unsigned int count);
/* The directory of the only mailbox that has mail. */
char *cyrus_dir(struct cyrus *cyrus);

/* --- A name that stays while the server behind it changes --- */

struct relay;

/* Listen on a port of 127.0.0.1. */
struct relay *relay_new(void);
/* Stop. Its connections must have ended. */
void relay_free(struct relay *relay);

/* The port it listens on. */
guint16 relay_port(const struct relay *relay);
/* Further connections go to that port. */
void relay_set_target(struct relay *relay, guint16 port);

#endif
