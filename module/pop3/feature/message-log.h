/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_MESSAGE_LOG_H
#define POPINJAY_MESSAGE_LOG_H

struct istream;
struct mail;
struct popinjay_request;
struct popinjay_result;
struct popinjay_session;

/* A message is about to be sent by request: note what its records will tell of
   it. stream is at its beginning, and stays there. Does nothing if no records
   of messages are wanted. */
void popinjay_message_log_opened(struct popinjay_request *request,
				 struct mail *mail, struct istream *stream);
/* The message of request cannot be opened; guid is NULL if that is not known,
   either. */
void popinjay_message_log_unreadable(struct popinjay_request *request,
				     const char *guid);
/* A message will be marked as deleted. */
void popinjay_message_log_deleted(struct popinjay_session *session,
				  unsigned int msgnum);

/* A command has ended: log the message that it was about, and what it tells of
   the session. */
void popinjay_message_log_command(struct popinjay_request *request,
				  const struct popinjay_result *result);

/* QUIT has removed a message that this session had marked; certain is FALSE if
   it may have been another program that removed it at that moment. */
void popinjay_message_log_removed(struct popinjay_session *session,
				  unsigned int msgnum, uint32_t uid,
				  bool certain);
/* The session is over: log the messages that are really gone. */
void popinjay_message_log_expunged(struct popinjay_session *session);

/* Returns TRUE if it is kept which messages were fetched, and so known which
   were fetched again. */
bool popinjay_refetch_is_known(const struct popinjay_session *session);

/* Free what is kept of messages. */
void popinjay_message_log_free(struct popinjay_session *session);

#endif
