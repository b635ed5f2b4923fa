/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_REQUEST_H
#define POPINJAY_REQUEST_H

struct popinjay_request;
struct popinjay_session;

/* Run one command line of line_size bytes (it may hold NULs), which took
   bytes_in bytes of input. Afterwards the client is busy if the command goes on
   when output drains, or when a feature has answered. */
void popinjay_request_run(struct popinjay_session *session, const char *line,
			  size_t line_size, uint64_t bytes_in);

/* Go on with the command that runs. */
void popinjay_request_continue(struct popinjay_session *session);

/* End a command that still runs because its session ends. */
void popinjay_request_abort(struct popinjay_session *session);

/* Let Dovecot's own command of the same name run and reply. Returns below 0 for
   a bad command. */
int popinjay_request_run_native(struct popinjay_request *request);

#endif
