/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_POP3_H
#define POPINJAY_COMPAT_POP3_H

struct client;
struct event;
struct mail_user;

/* Our main module is loaded into every mail process whose mail_plugins name
   it, and only the pop3 process has the functions of a POP3 session. In the
   others they resolve to NULL instead of failing the load. */
#pragma weak client_command_execute
#pragma weak client_destroy
#pragma weak client_disconnect
#pragma weak client_send_line
#pragma weak client_send_storage_error
#pragma weak client_update_mails
#pragma weak pop3_client_created_hook_set
#pragma weak pop3_client_vfuncs
#pragma weak pop3_clients
#pragma weak pop3_command_find
#pragma weak pop3_module_register

/* Returns TRUE in the pop3 process. Nothing of the above and below may be
   called in another one. */
bool popinjay_is_pop3_process(void);

/* Returns TRUE if this Dovecot has a command of that name (in upper case). */
bool popinjay_native_command_exists(struct client *client, const char *name);

/* Let Dovecot run a command of its own. Returns what its handler returned:
   below 0 for a bad command. */
int popinjay_native_command_execute(struct client *client, const char *name,
				    const char *args);

/* Send the event pop3_command_finished if this Dovecot has it. Dovecot itself
   sends it from its own input loop, which we replace. ok says that the reply
   was +OK; the bytes are those of the line and of the reply. */
void popinjay_native_command_finished(struct client *client,
				      const char *name, const char *args,
				      bool ok, uint64_t bytes_in,
				      uint64_t bytes_out);

/* Returns the event of the session. */
struct event *popinjay_native_client_event(struct client *client);

/* Returns the bytes that the client has sent since its login. */
uint64_t popinjay_native_client_bytes_in(struct client *client);

/* Returns TRUE if the client's connection to Dovecot is secured by TLS. */
bool popinjay_native_client_is_tls(struct client *client);

/* Returns TRUE if nobody can listen to the connection, as far as Dovecot tells
   this process: by TLS, or because it does not leave the machine. */
bool popinjay_native_client_is_secured(struct client *client);

#endif
