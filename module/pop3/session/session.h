/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SESSION_H
#define POPINJAY_SESSION_H

#include "pop3-common.h"
#include "compat-pop3.h"
#include "popinjay.h"
#include "request.h"

struct popinjay_log_identity;
struct popinjay_removal;
struct popinjay_uidl_plain;
struct popinjay_user;

/* Stop reading commands, and pause multi-line replies, while the client has
   this much of our output still to read. */
#define POPINJAY_OUTPUT_THROTTLE_BYTES (32 * 1024)

enum popinjay_session_end {
	POPINJAY_SESSION_END_LOST,
	POPINJAY_SESSION_END_QUIT,
	POPINJAY_SESSION_END_TIMEOUT,
	/* bad settings, or Dovecot could not open or lock the mailbox */
	POPINJAY_SESSION_END_REFUSED,
	POPINJAY_SESSION_END_SHUTDOWN,
	POPINJAY_SESSION_END_ERROR
};

/* The commands that the access log counts. */
enum popinjay_counted_command {
	POPINJAY_COUNTED_RETR,
	POPINJAY_COUNTED_TOP,
	POPINJAY_COUNTED_LIST,
	POPINJAY_COUNTED_UIDL,
	POPINJAY_COUNTED_DELE,

	POPINJAY_COUNTED_COUNT
};

struct popinjay_session_stats {
	uint64_t start_usecs;
	/* all commands, and those answered -ERR or cut */
	unsigned int commands, errors;
	/* those answered +OK, cut ones among them, and the bytes of their
	   replies; for DELE the sizes of the messages */
	struct {
		unsigned int count;
		uint64_t bytes;
	} counted[POPINJAY_COUNTED_COUNT];
	/* messages that this session removed from the storage */
	unsigned int expunged_count;
	uint64_t expunged_bytes;
	/* messages that could not be read */
	unsigned int unreadable_count;
	/* complete RETRs of messages that had been fetched before */
	unsigned int refetch_count;
	uint64_t refetch_bytes;
	/* of all UIDLs, and of those that are left; see uidls_listed */
	uint64_t uidl_fingerprint, uidl_fingerprint_left;
	/* records of the access log; those of what was looked at, marked and
	   asked, and those of them that were left out */
	unsigned int records, detail_records, skipped_records;
};

struct popinjay_session {
	union pop3_module_context module_ctx;

	struct client *client;
	struct popinjay_user *puser;

	/* client->input when the client was created; only to compare */
	const struct istream *created_input;

	struct popinjay_request *request;
	struct popinjay_session_stats stats;
	enum popinjay_session_end end;

	/* What we said instead of +OK goes here when a session is refused
	   before Dovecot has said it. */
	buffer_t *refused_output;
	/* and this is how much the client got */
	uint64_t refusal_bytes;

	/* Whether somebody listens to the events of the access log: looked
	   up when the first of them may be due. */
	struct {
		bool known, session, message, command;
	} listeners;
	/* What the access log tells of the user and the client. */
	const struct popinjay_log_identity *log_identity;
	/* What the access log knows of messages; see message-log.h. */
	struct popinjay_message_log *message_log;
	/* What QUIT removes, while it does; see removal.h. */
	struct popinjay_removal *removal;

	/* [msgnum / CHAR_BIT]: messages that could not be read, and those that
	   may have lost their end; NULL if there are none. They are not deleted
	   in this session. */
	unsigned char *unreadable_bitmask, *smaller_bitmask;

	/* How the UIDLs of this session are made, NULL if not of uid and
	   UIDVALIDITY alone. To find it out costs a look at files, which is
	   too much for each message. */
	const struct popinjay_uidl_plain *uidl_plain;

	bool taken_over:1;
	/* the client has asked for UIDLs: getting them again costs nothing */
	bool uidls_listed:1;
	/* uidl_plain is what UIDL last used, or would have */
	bool uidl_plain_known:1;
	/* the fingerprints in stats are known */
	bool uidl_fingerprint_known:1;
	/* what the client sent before its login ended may not be read yet */
	bool login_input_pending:1;
	/* the client sends no more, but still reads */
	bool input_eof:1;
};

/* Microseconds by a clock that nobody sets; only differences mean
   something. */
uint64_t popinjay_clock_usecs(void);

/* Client hook: make the session; nothing else changes until it is taken
   over. */
void popinjay_session_created(struct client *client);

/* Take over the session of user, if it is one of a POP3 client: from now on
   its commands come to us. Called when Dovecot's own set-up of the client is
   done and its mailbox is about to be opened. */
void popinjay_session_take_over(struct mail_user *user);

/* Returns 1 if the client has read so much of our output that it may get more,
   0 if it has to read first, -1 if the connection is lost. */
int popinjay_session_can_send(struct popinjay_session *session);

/* Returns the session of user, or NULL if that is not one of a POP3 client. */
struct popinjay_session *popinjay_session_find(struct mail_user *user);

/* Returns the session of client. */
struct popinjay_session *popinjay_session_get(struct client *client);

/* This process has removed the message uid from the storage of a mailbox, which
   may be that of a session. */
void popinjay_session_expunged(struct mailbox *box, uint32_t uid);

/* End the session now, with what was sent so far: reason is for Dovecot's
   log. */
void popinjay_session_drop(struct popinjay_session *session,
			   enum popinjay_session_end end, const char *reason);

/* Returns TRUE if the message is marked deleted. */
bool popinjay_session_is_deleted(const struct popinjay_session *session,
				 unsigned int msgnum);
/* Returns TRUE if the message could not be read in this session. */
bool popinjay_session_is_unreadable(const struct popinjay_session *session,
				    unsigned int msgnum);
/* Remember that it could not. */
void popinjay_session_set_unreadable(struct popinjay_session *session,
				     unsigned int msgnum);
/* Returns TRUE if the message is smaller than it should be, as far as this
   session knows. */
bool popinjay_session_is_smaller(const struct popinjay_session *session,
				 unsigned int msgnum);
/* Remember that it is. */
void popinjay_session_set_smaller(struct popinjay_session *session,
				  unsigned int msgnum);
/* Returns the sequence of the message. */
uint32_t popinjay_session_seq(const struct popinjay_session *session,
			      unsigned int msgnum);

#endif
