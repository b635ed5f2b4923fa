/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_FEATURE_H
#define POPINJAY_FEATURE_H

/* A feature takes part in POP3 sessions at the stages that it names. Our own
   are in pop3/feature, and plugin.c lists them in their order.

   This file is what version 2 of include/popinjay.h will show to other plugins;
   until then it may change with any commit. */

#include "lib.h"
#include "array.h"
#include "popinjay.h"

struct istream;

/* A message of a session, by all the numbers it has. */
struct popinjay_message {
	/* RFC 1939's, from 1; 0: no message */
	unsigned int msn;
	/* lib-storage's */
	uint32_t seq, uid;
	/* as STAT and LIST tell */
	uoff_t size;
};

/* What before() says to a command. */
enum popinjay_before {
	POPINJAY_BEFORE_GO_ON,
	/* Unless it was answered with popinjay_reply_err(), a text of ours is
	   sent. */
	POPINJAY_BEFORE_REFUSE,
	/* popinjay_request_resume() will be called; later commands of the
	   session wait, too */
	POPINJAY_BEFORE_WAIT
};

/* What became of a message that RETR or TOP was to send. */
enum popinjay_sent {
	/* the command was about no message */
	POPINJAY_SENT_NOTHING,
	/* all that was asked for, and the line of "." */
	POPINJAY_SENT_WHOLE,
	POPINJAY_SENT_CUT_BY_CLIENT,
	POPINJAY_SENT_CUT_BY_STORAGE,
	/* the process is being stopped, or something else failed */
	POPINJAY_SENT_CUT_BY_SERVER,
	/* the storage could not open or read it: -ERR was sent, and nothing of
	   the message */
	POPINJAY_SENT_NOT_OPENED
};

/* What is to become of a message that the client deletes; when features want
   different things, the last one of this list. */
enum popinjay_delete {
	/* Dovecot's QUIT deletes it, as pop3_delete_type says */
	POPINJAY_DELETE_NATIVE,
	/* As KEEP; update() moves it to where deleted mail goes. */
	POPINJAY_DELETE_TRASH,
	/* The client is told that it is deleted, but it stays. */
	POPINJAY_DELETE_KEEP,
	/* -ERR; as with POPINJAY_BEFORE_REFUSE, the feature may have said
	   why */
	POPINJAY_DELETE_REFUSE
};

/* All functions may be NULL. They are called for each feature in the order of
   registration, session_end() in the reverse order. state is the feature's own
   for the session. */
struct popinjay_feature {
	/* for the log */
	const char *name;
	/* bytes of state, which are zero when the session begins */
	size_t session_size;

	/* Any mail process: the user's settings were read. Returns 0, or -1
	   with what is wrong with them in error_r: POP3 sessions are refused,
	   other processes go on without UIDLs. */
	int (*settings_check)(struct mail_user *user, const char **error_r);

	/* The user has logged in; the mailbox is not open yet. It may call
	   popinjay_session_refuse(). */
	void (*session_begin)(struct popinjay_session *session, void *state);
	/* The mailbox is open. Returns TRUE if view() may have something to
	   change in what the client is shown, and so is worth its time; NULL
	   is TRUE. */
	bool (*wants_view)(struct popinjay_session *session, void *state,
			   struct mailbox *box);
	/* The messages of the open mailbox are about to be counted, and one of
	   the features wants a view. seqs is those that the client is to be
	   shown, in their order: take out those that it is not to see, or put
	   them into another order. Both functions may be called again with the
	   same messages, and may call popinjay_session_refuse(). */
	void (*view)(struct popinjay_session *session, void *state,
		     struct mailbox *box, ARRAY_TYPE(uint32_t) *seqs);

	/* A command has arrived. */
	enum popinjay_before (*before)(struct popinjay_request *request,
				       void *state);
	/* RETR or TOP is about to send mail, whose stream is at its beginning
	   and has to stay there. Returns 0, or -1 if the message cannot be
	   sent, with the reason in the mail's storage. */
	int (*message_opened)(struct popinjay_request *request, void *state,
			      const struct popinjay_message *message,
			      struct mail *mail, struct istream *stream);
	/* The stream has ended or failed, but the line of "." was not sent.
	   The message had bytes as it is stored, and virtual_bytes with CRLF
	   line ends. Returns 0, or -1 with the reason in error_r if that is not
	   all of the message: the connection is dropped. */
	int (*message_read)(struct popinjay_request *request, void *state,
			    const struct popinjay_message *message,
			    uoff_t bytes, uoff_t virtual_bytes,
			    const char **error_r);
	/* DELE is about to mark the message. */
	enum popinjay_delete
	(*message_delete)(struct popinjay_request *request, void *state,
			  const struct popinjay_message *message);
	/* QUIT is about to delete what is marked. Returns 0, or -1 after
	   popinjay_reply_err(): nothing is deleted, and the session ends. */
	int (*update)(struct popinjay_request *request, void *state);
	/* QUIT of this session has deleted the message. Unless certain, it may
	   have been another program at that moment. */
	void (*message_removed)(struct popinjay_session *session, void *state,
				const struct popinjay_message *message,
				bool certain);
	/* The command is over, whatever came of it: also a refused or unknown
	   one, and one whose before() waited until the session was lost.
	   request is not valid any more when it returns. */
	void (*after)(struct popinjay_request *request, void *state,
		      const struct popinjay_result *result);
	/* Called after after() for RETR and TOP. */
	void (*message_sent)(struct popinjay_request *request, void *state,
			     const struct popinjay_message *message,
			     enum popinjay_sent sent,
			     const struct popinjay_result *result);

	/* CAPA is about to be answered. */
	void (*capabilities)(struct popinjay_session *session, void *state,
			     struct popinjay_capabilities *capabilities);
	/* The session is over, also one that was refused before
	   session_begin(). The mailbox, if any, is still open. */
	void (*session_end)(struct popinjay_session *session, void *state);
};

/* Add a feature, which takes part in the sessions that begin from now on.
   Returns 0, or -1 with the reason in error_r. */
POPINJAY_EXPORT int
popinjay_feature_register(const struct popinjay_feature *feature,
			  const char **error_r);
/* Take a feature back, when no session is left. Does nothing if it is not
   registered. */
POPINJAY_EXPORT void
popinjay_feature_unregister(const struct popinjay_feature *feature);

/* Returns the features in their order. */
const struct popinjay_feature *const *popinjay_features(unsigned int *count_r);

/* Returns the state of a registered feature, NULL if it takes no part in the
   session. */
POPINJAY_EXPORT void *
popinjay_feature_state(const struct popinjay_session *session,
		       const struct popinjay_feature *feature);

/* From now on each command that looks at messages, or changes them, is answered
   "-ERR [code] text"; QUIT changes nothing. The first refusal stands. */
POPINJAY_EXPORT void
popinjay_session_refuse(struct popinjay_session *session, const char *code,
			const char *text);

/* Let a command go on, or refuse it, for which before() returned
   POPINJAY_BEFORE_WAIT, or is about to. Nothing of it runs before this returns.
   Not to be called when after() was. */
POPINJAY_EXPORT void
popinjay_request_resume(struct popinjay_request *request,
			enum popinjay_before answer);

#endif
