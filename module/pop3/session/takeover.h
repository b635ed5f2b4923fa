/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TAKEOVER_H
#define POPINJAY_TAKEOVER_H

struct mail_user;
struct popinjay_client;

/* Client hook: make the session; nothing else changes until it is taken
   over. */
void popinjay_session_created(struct popinjay_client *client);

/* Take over the session of user, if it is one of a POP3 client: from now on
   its commands come to us. Called when Dovecot's own set-up of the client is
   done and its mailbox is about to be opened. */
void popinjay_session_take_over(struct mail_user *user);

#endif
