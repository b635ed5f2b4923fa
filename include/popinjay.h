/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_H
#define POPINJAY_H

/* The public API of Popinjay for other Dovecot plugins: POP3 commands, hooks
   around every command, capabilities and UIDL policies.

   A plugin that uses it is an ordinary Dovecot mail plugin that is loaded
   after Popinjay: its file name sorts behind lib20_popinjay_plugin.so (for
   example lib30_NAME_plugin.so), it stands in mail_plugins after popinjay, and
   it registers in NAME_plugin_init() and unregisters in NAME_plugin_deinit().
   What is registered must stay in memory until it is unregistered, which is
   done there and nowhere else. What stands in this file is stable: it changes
   only together with POPINJAY_API_VERSION.

   The mail process may serve several sessions one after the other, or at the
   same time. All calls come from Dovecot's ioloop, never from another thread.
   Strings given to callbacks live until the callback returns. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when something here changes in a way that needs recompiling.
   Registration fails when a plugin was compiled for another one. */
#define POPINJAY_API_VERSION 1

#define POPINJAY_EXPORT __attribute__((visibility("default")))
#define POPINJAY_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))

/* Dovecot's own types: mail-storage.h, mail-user.h, str.h */
struct mail;
struct mail_user;
struct mailbox;
struct buffer;

/* One POP3 session in the TRANSACTION state (RFC 1939 section 5). */
struct popinjay_session;
/* One command of a session, from its line to the end of its reply. */
struct popinjay_request;

/* What a handler has done with its command. A handler returns what
   popinjay_reply_ok(), popinjay_reply_err() or popinjay_reply_multiline()
   returned to it. */
enum popinjay_outcome {
	/* +OK was sent */
	POPINJAY_OUTCOME_OK,
	/* -ERR was sent: a valid command that could not be done */
	POPINJAY_OUTCOME_ERR,
	/* -ERR was sent: a bad command. 20 of these in a row end the session,
	   as in Dovecot */
	POPINJAY_OUTCOME_BAD,
	/* a before-hook refused the command; its handler did not run */
	POPINJAY_OUTCOME_REFUSED,
	/* +OK was sent, the rest of a multi-line reply is on its way */
	POPINJAY_OUTCOME_MORE,
	/* the connection was lost, or dropped, before the reply was whole */
	POPINJAY_OUTCOME_CUT
};

/* --- The session --- */

/* The session's mail user. Never NULL. */
POPINJAY_EXPORT struct mail_user *
popinjay_session_user(const struct popinjay_session *session);

/* The session's INBOX, open and synced once. Never NULL in a callback. It must
   not be synced again: the sequences that message numbers stand for would
   change, and the client would delete other messages than it means. */
POPINJAY_EXPORT struct mailbox *
popinjay_session_mailbox(const struct popinjay_session *session);

/* Number of messages the session sees, those marked deleted included. */
POPINJAY_EXPORT unsigned int
popinjay_session_messages(const struct popinjay_session *session);

/* Find the lib-storage sequence (from 1) of message number msn (from 1).
   Returns TRUE, or FALSE if there is no such message or it is marked deleted
   (RFC 1939: no command may then refer to it). */
POPINJAY_EXPORT bool
popinjay_session_msn_to_seq(const struct popinjay_session *session,
			    unsigned int msn, uint32_t *seq_r);

/* --- Commands --- */

/* The name of the command in upper case, or "" if the client's line was no
   command line at all. */
POPINJAY_EXPORT const char *
popinjay_request_name(const struct popinjay_request *request);

/* All that followed the name and its spaces, "" if nothing. Has no control
   characters; may have 8-bit ones. */
POPINJAY_EXPORT const char *
popinjay_request_args(const struct popinjay_request *request);

/* The arguments, split at spaces, and their number in argc_r. argv ends with
   NULL. */
POPINJAY_EXPORT const char *const *
popinjay_request_argv(const struct popinjay_request *request,
		      unsigned int *argc_r);

/* The session it is a command of. Never NULL. */
POPINJAY_EXPORT struct popinjay_session *
popinjay_request_session(const struct popinjay_request *request);

/* Answer "+OK text". Returns POPINJAY_OUTCOME_OK. */
POPINJAY_EXPORT enum popinjay_outcome
popinjay_reply_ok(struct popinjay_request *request, const char *fmt, ...)
	POPINJAY_FORMAT(2, 3);

/* Answer "-ERR [code] text"; code is a response code of RFC 2449 or 3206
   without brackets ("SYS/TEMP", "IN-USE"), or NULL for none. Returns
   POPINJAY_OUTCOME_ERR. */
POPINJAY_EXPORT enum popinjay_outcome
popinjay_reply_err(struct popinjay_request *request, const char *code,
		   const char *fmt, ...) POPINJAY_FORMAT(3, 4);

/* Answer "-ERR text" to arguments that are wrong. Returns
   POPINJAY_OUTCOME_BAD. */
POPINJAY_EXPORT enum popinjay_outcome
popinjay_reply_bad(struct popinjay_request *request, const char *fmt, ...)
	POPINJAY_FORMAT(2, 3);

/* Called for the next part of a multi-line reply: at once, and again each time
   the client has read what was sent. It sends one or more lines with
   popinjay_send_line() and returns POPINJAY_OUTCOME_MORE to be called again,
   POPINJAY_OUTCOME_OK when all is sent (the final "." is sent for it), or
   POPINJAY_OUTCOME_CUT to drop the connection, so that the client cannot take
   the part for the whole. It should return after some kilobytes. */
typedef enum popinjay_outcome
popinjay_more_func_t(struct popinjay_request *request, void *context);

/* Called once when the multi-line reply is over, however it ended; frees
   context. */
typedef void popinjay_more_free_func_t(void *context);

/* Answer "+OK text" and let more() send the lines. free_context may be NULL.
   Returns POPINJAY_OUTCOME_MORE. */
POPINJAY_EXPORT enum popinjay_outcome
popinjay_reply_multiline(struct popinjay_request *request,
			 popinjay_more_func_t *more,
			 popinjay_more_free_func_t *free_context, void *context,
			 const char *fmt, ...) POPINJAY_FORMAT(5, 6);

/* Send one line of a multi-line reply, without its CRLF; it is dot-stuffed.
   A CR or LF within is sent as a space. Returns TRUE if there is room for
   more, FALSE if more() should return. */
POPINJAY_EXPORT bool
popinjay_send_line(struct popinjay_request *request, const char *line);

struct popinjay_command {
	/* 3 to 16 characters of A-Z, 0-9 and "-" (RFC 1939 knows names of 3
	   or 4; RFC 2449 lets longer ones be added) */
	const char *name;
	/* The line that CAPA shows for it, or NULL */
	const char *capability;
	/* How many arguments it takes. Other numbers get -ERR, the handler is
	   not called. */
	unsigned int args_min, args_max;

	enum popinjay_outcome (*handler)(struct popinjay_request *request);
};

/* Add a command. Returns 0, or -1 with the reason in error_r: another API
   version, an invalid name, or a name that Dovecot, Popinjay or another plugin
   has. */
#define popinjay_command_register(command, error_r) \
	popinjay_command_register_version(POPINJAY_API_VERSION, command, \
					  error_r)
POPINJAY_EXPORT int
popinjay_command_register_version(unsigned int api_version,
				  const struct popinjay_command *command,
				  const char **error_r);

/* Take a command back. Does nothing if it is not registered. */
POPINJAY_EXPORT void
popinjay_command_unregister(const struct popinjay_command *command);

/* --- Hooks --- */

/* How a command ended. */
struct popinjay_result {
	enum popinjay_outcome outcome;
	/* size of the command line, with its line end */
	uint64_t bytes_in;
	/* size of the reply, all its lines */
	uint64_t bytes_out;
	/* from the line's arrival to the end of the reply, microseconds */
	uint64_t duration_usecs;
};

struct popinjay_hook {
	/* Who refuses, for the log. */
	const char *name;

	/* Called before each command, native or registered, in the order of
	   registration. To refuse it, call popinjay_reply_err() and return
	   FALSE: later hooks and the handler are not called. Else return TRUE
	   and reply nothing. May be NULL. */
	bool (*before)(struct popinjay_request *request);
	/* Called after each command, also a refused or an unknown one. May be
	   NULL. */
	void (*after)(struct popinjay_request *request,
		      const struct popinjay_result *result);
};

/* Add a hook. Returns 0, or -1 with the reason in error_r. */
#define popinjay_hook_register(hook, error_r) \
	popinjay_hook_register_version(POPINJAY_API_VERSION, hook, error_r)
POPINJAY_EXPORT int
popinjay_hook_register_version(unsigned int api_version,
			       const struct popinjay_hook *hook,
			       const char **error_r);

/* Take a hook back. Does nothing if it is not registered. */
POPINJAY_EXPORT void
popinjay_hook_unregister(const struct popinjay_hook *hook);

/* --- Capabilities (RFC 2449) --- */

struct popinjay_capabilities;

/* Add a line to the reply to CAPA. A line that is there already is not
   repeated; one with characters outside 0x20-0x7E is left out. */
POPINJAY_EXPORT void
popinjay_capabilities_add(struct popinjay_capabilities *capabilities,
			  const char *line);

struct popinjay_capability_provider {
	const char *name;
	/* Add the lines that hold for this session. */
	void (*provide)(struct popinjay_session *session,
			struct popinjay_capabilities *capabilities);
};

/* Add a provider. Returns 0, or -1 with the reason in error_r. */
#define popinjay_capability_provider_register(provider, error_r) \
	popinjay_capability_provider_register_version( \
		POPINJAY_API_VERSION, provider, error_r)
POPINJAY_EXPORT int
popinjay_capability_provider_register_version(
	unsigned int api_version,
	const struct popinjay_capability_provider *provider,
	const char **error_r);

/* Take a provider back. Does nothing if it is not registered. */
POPINJAY_EXPORT void
popinjay_capability_provider_unregister(
	const struct popinjay_capability_provider *provider);

/* --- UIDL policies --- */

struct popinjay_uidl_policy {
	/* What the administrator writes in popinjay_uidl_policy. */
	const char *name;
	/* Append the UIDL of mail to dest, which is Dovecot's string_t. It is
	   called for every message of the INBOX, also outside of POP3 (doveadm,
	   dsync), and must say the same each time.
	   Returns 1 if it did, 0 if the message has none by this policy, -1 on
	   other errors with the reason in error_r. A message without one, and
	   one whose UIDL is invalid (RFC 1939 section 7) or double, gets one
	   that is made of its GUID. So does one that fails, unless many do:
	   then there are no UIDLs until it is better. */
	int (*get)(struct mail *mail, struct buffer *dest,
		   const char **error_r);
};

/* Add a policy. Returns 0, or -1 with the reason in error_r. */
#define popinjay_uidl_policy_register(policy, error_r) \
	popinjay_uidl_policy_register_version(POPINJAY_API_VERSION, policy, \
					      error_r)
POPINJAY_EXPORT int
popinjay_uidl_policy_register_version(unsigned int api_version,
				      const struct popinjay_uidl_policy *policy,
				      const char **error_r);

/* Take a policy back. Does nothing if it is not registered. */
POPINJAY_EXPORT void
popinjay_uidl_policy_unregister(const struct popinjay_uidl_policy *policy);

#ifdef __cplusplus
}
#endif

#endif
