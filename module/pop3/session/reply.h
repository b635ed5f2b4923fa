/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_REPLY_H
#define POPINJAY_REPLY_H

#include "feature.h"

struct popinjay_request {
	struct popinjay_session *session;
	/* holds all that the request points to */
	pool_t pool;

	/* upper-cased */
	const char *name;
	const char *args;
	/* NULL for a native or an unknown command */
	const struct popinjay_command *command;

	/* the feature to ask next, who was the last that did not let it go on,
	   and what that one said later */
	unsigned int next_before;
	const char *asked;
	enum popinjay_before answer;
	/* it is still to answer */
	bool waiting;

	enum popinjay_outcome outcome;
	bool replied;
	/* the reply ends with a line of ".", which is not sent yet */
	bool multiline;
	/* the line that begins a reply of several lines, until it is sent
	   together with what follows; or NULL */
	const char *status_line;

	/* the message that RETR, TOP or DELE is about; its GUID, if that is
	   known though it could not be opened; what was sent of it; and how
	   many lines of it TOP wants, UOFF_T_MAX for RETR */
	struct popinjay_message message;
	const char *guid;
	enum popinjay_sent sent;
	uoff_t top_lines;
	/* the message was sent up to its own end, by RETR or a long TOP */
	bool sent_to_end;
	/* message_opened() may set it: the message did not come to its end
	   lately, so it is read to its end before +OK is sent */
	bool check_first;

	/* what goes on when output drains, while it lasts */
	popinjay_more_func_t *more;
	popinjay_more_free_func_t *free_context;
	void *context;

	/* time of arrival, and where its line and its reply began */
	uint64_t start_usecs;
	uint64_t bytes_in;
	uint64_t output_offset;
};

/* Call more() each time the client has read what was sent so far, until it
   returns another outcome than POPINJAY_OUTCOME_MORE. Nothing has been replied
   yet. Returns POPINJAY_OUTCOME_MORE. */
enum popinjay_outcome
popinjay_request_wait(struct popinjay_request *request,
		      popinjay_more_func_t *more);

/* Write output of a multi-line reply as it is. Returns 1 if there is room for
   more, 0 if the client has to read first, -1 if the connection is lost. */
int popinjay_request_send(struct popinjay_request *request, const void *data,
			  size_t size);

/* The same for the end of the reply: the line of "." goes with it. Nothing may
   be sent after it. */
int popinjay_request_send_last(struct popinjay_request *request,
			       const void *data, size_t size);

/* Take back the first line of a reply of several lines: it can be answered
   otherwise. Returns FALSE if it has been sent. */
bool popinjay_reply_take_back(struct popinjay_request *request);

#endif
