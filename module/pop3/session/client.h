/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_CLIENT_H
#define POPINJAY_CLIENT_H

/* The connection to the client, and Dovecot's commands. */

struct client;
struct const_iovec;
struct event;
struct mail_user;
struct pop3_settings;
struct popinjay_client;
struct popinjay_session;

enum popinjay_session_end {
	POPINJAY_SESSION_END_LOST,
	POPINJAY_SESSION_END_QUIT,
	POPINJAY_SESSION_END_TIMEOUT,
	/* bad settings, or Dovecot could not open or lock the mailbox */
	POPINJAY_SESSION_END_REFUSED,
	POPINJAY_SESSION_END_SHUTDOWN,
	POPINJAY_SESSION_END_ERROR
};

struct popinjay_client_handler {
	/* A command line of size bytes has arrived. It may hold NULs. With its
	   line end it took bytes_in bytes of the input. */
	void (*line)(struct popinjay_session *session, const char *line,
		     size_t size, uint64_t bytes_in);
	/* The command that runs may go on; see enum popinjay_client_work. */
	void (*resume)(struct popinjay_session *session);
	/* The session is over, its mailbox is still open. */
	void (*end)(struct popinjay_session *session);
};

/* --- The connection --- */

/* Call created() for each client whose session begins, until
   popinjay_clients_deinit(). */
void popinjay_clients_init(void (*created)(struct popinjay_client *client));
void popinjay_clients_deinit(void);

/* Let the handler know when the session is over. Nothing else changes yet. */
void popinjay_client_attach(struct popinjay_client *client,
			    struct popinjay_session *session,
			    const struct popinjay_client_handler *handler);

/* Returns the client of user that was attached, or NULL. */
struct popinjay_client *popinjay_client_find(const struct mail_user *user);

/* Returns the session that the client was attached to. */
struct popinjay_session *
popinjay_client_session(const struct popinjay_client *client);

/* From now on commands come to the handler. The session ends after idle_secs
   without input. Returns FALSE if that was done before. */
bool popinjay_client_take_over(struct popinjay_client *client,
			       unsigned int idle_secs);

/* Send the line, and let all that Dovecot says after it fall into a buffer. The
   streams cannot be closed yet: Dovecot still works with the client. */
void popinjay_client_refuse(struct popinjay_client *client, const char *line);

/* End the session now, with what was sent so far: reason is for Dovecot's
   log. */
void popinjay_client_drop(struct popinjay_client *client,
			  enum popinjay_session_end end, const char *reason);

/* Returns how the session has ended, or would if the connection were lost
   now. */
enum popinjay_session_end
popinjay_client_end(const struct popinjay_client *client);

/* What a client is at. Only that of an idle one takes lines from its input. */
enum popinjay_client_work {
	POPINJAY_CLIENT_IDLE,
	/* resume() is called when it has read what was sent */
	POPINJAY_CLIENT_SENDS,
	/* resume() is called after popinjay_client_wake() */
	POPINJAY_CLIENT_WAITS
};
void popinjay_client_set_work(struct popinjay_client *client,
			      enum popinjay_client_work work);
/* Call resume() soon, but not before this returns. */
void popinjay_client_wake(struct popinjay_client *client);

/* Count a bad command; a good one starts the count anew. */
void popinjay_client_count_bad(struct popinjay_client *client, bool bad);

/* Returns TRUE if no more can be sent. */
bool popinjay_client_is_closed(const struct popinjay_client *client);
/* The connection is lost: send nothing more. */
void popinjay_client_close(struct popinjay_client *client);

/* Returns 1 if the client has read so much of our output that it may get more,
   0 if it has to read first, -1 if the connection is lost. */
int popinjay_client_can_send(struct popinjay_client *client);
/* Send some bytes. Returns what popinjay_client_can_send() does. */
int popinjay_client_send(struct popinjay_client *client,
			 const struct const_iovec *iov, unsigned int count);
/* Send a line; CRLF is added. */
void popinjay_client_send_line(struct popinjay_client *client,
			       const char *line);
/* Returns 1 if what was sent may have left, 0 if the client has to read first,
   -1 if the connection is lost. */
int popinjay_client_flush(struct popinjay_client *client);
/* Returns TRUE if nothing that was sent is still here. */
bool popinjay_client_is_flushed(const struct popinjay_client *client);

/* Returns the bytes that were sent since the login, but not those that
   popinjay_client_refuse() holds back. */
uint64_t popinjay_client_bytes_out(const struct popinjay_client *client);
/* Returns the bytes that have arrived since the login. */
uint64_t popinjay_client_bytes_in(const struct popinjay_client *client);

/* Returns TRUE if the connection has TLS; if nobody can listen to it. */
bool popinjay_client_is_tls(const struct popinjay_client *client);
bool popinjay_client_is_secured(const struct popinjay_client *client);

/* Return Dovecot's objects of the client. */
struct mail_user *popinjay_client_user(const struct popinjay_client *client);
struct event *popinjay_client_event(const struct popinjay_client *client);
/* Returns the pool that lives as long as the client. */
pool_t popinjay_client_pool(const struct popinjay_client *client);
const struct pop3_settings *
popinjay_client_settings(const struct popinjay_client *client);

/* --- Dovecot's commands --- */

/* Returns TRUE if Dovecot has a command of that name (in upper case). */
bool popinjay_client_has_native(const struct popinjay_client *client,
				const char *name);
/* Let Dovecot run and answer it. Returns below 0 for a bad command. */
int popinjay_client_run_native(struct popinjay_client *client,
			       const char *name, const char *args);
/* See popinjay_native_command_finished(). */
void popinjay_client_command_finished(struct popinjay_client *client,
				      const char *name, const char *args,
				      bool ok, uint64_t bytes_in,
				      uint64_t bytes_out);
/* Returns TRUE if Dovecot's QUIT has done all that it was to do. */
bool popinjay_client_has_quit(const struct popinjay_client *client);

/* Returns Dovecot's own struct, for client-mailbox.c. */
struct client *popinjay_client_dovecot(const struct popinjay_client *client);

#endif
