/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SESSION_H
#define POPINJAY_SESSION_H

#include "lib.h"
#include "array.h"
#include "seq-range-array.h"
#include "client.h"
#include "client-mailbox.h"
#include "feature.h"

struct popinjay_removal;
struct popinjay_request;
struct popinjay_uidl_plain;
struct popinjay_user;

/* A POP3 session: what its commands and features share. */
struct popinjay_session {
	struct popinjay_client *client;
	struct popinjay_user *puser;
	uint64_t start_usecs;
	/* of the first features of popinjay_features(): one that a plugin
	   registers later, as the first session of a user who has that plugin
	   begins, takes no part in this one */
	void **feature_states;
	unsigned int feature_count;

	/* the command that runs, or NULL */
	struct popinjay_request *request;
	/* What QUIT removes, while it does; see removal.h. */
	struct popinjay_removal *removal;

	/* see popinjay_session_refuse(); or NULL */
	const char *refusal_code, *refusal;

	/* message numbers from 1: those that could not be read, and those that
	   are marked deleted but not for Dovecot to delete */
	ARRAY_TYPE(seq_range) unreadable, kept;

	/* How the UIDLs of this session are made, NULL if not of uid and
	   UIDVALIDITY alone. To find it out costs a look at files, which is
	   too much for each message. */
	const struct popinjay_uidl_plain *uidl_plain;
	/* uidl_plain is what UIDL last used, or would have */
	bool uidl_plain_known:1;
	/* the client has asked for UIDLs: getting them again costs nothing */
	bool uidls_listed:1;
};

/* Microseconds by a clock that nobody sets; only differences mean
   something. */
uint64_t popinjay_clock_usecs(void);

/* Returns the session of user, or NULL if that is not one of a POP3 client. */
struct popinjay_session *popinjay_session_find(const struct mail_user *user);

/* Fill in the message of the number msn, from 1 to
   popinjay_session_messages(). */
void popinjay_session_message(const struct popinjay_session *session,
			      unsigned int msn,
			      struct popinjay_message *message_r);

/* Returns a mail, set to the message, in the transaction of the session. It is
   the caller's to free, before its command or stage is over. */
struct mail *popinjay_session_mail(const struct popinjay_session *session,
				   const struct popinjay_message *message,
				   unsigned int wanted_fields);

/* Returns the GUID of a mail with which something is wrong, NULL if it is not
   known. The storage must not read the mail for that: it would report the same
   fault again, or start to repair. stream is NULL if there is none. */
const char *popinjay_known_guid(struct mail *mail,
				const struct istream *stream);

/* Returns TRUE if the message could not be read in this session. */
bool popinjay_session_is_unreadable(const struct popinjay_session *session,
				    unsigned int msn);
/* Remember that it could not. */
void popinjay_session_set_unreadable(struct popinjay_session *session,
				     unsigned int msn);

#endif
