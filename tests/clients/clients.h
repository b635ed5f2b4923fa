/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIENTS_H
#define CLIENTS_H

/* Mail clients that people use, and mails that tell good ones from bad. */

#include "pop3.h"

/* --- mails.c --- */

struct client_mail {
	const char *name;
	GBytes *bytes;
	/* names of the clients, separated by spaces, that cannot fetch it from
	   any server; or NULL */
	const char *unfit;
};

/* Mails of all sorts, of struct client_mail. Always the same bytes. */
GPtrArray *client_mails_new(void);

/* The mail as it is seen by who gets it: each line ends with line_end, the last
   one too; CRs are kept where no LF follows. */
GString *client_mail_lines(GBytes *mail, const char *line_end);

/* --- account.c --- */

/* One mailbox and what a client has to know and remember about it. */
struct client_account {
	struct fixture *f;
	const char *user;
	enum pop3_security security;
	const char *ca_file;
	/* a directory for what the client keeps, and one for mails: what it
	   fetches is put there under the numbers 1, 2, ... */
	char *dir, *mail_dir;
	/* messages in the mailbox, for clients that have to be told */
	unsigned int messages;
	/* what it has fetched before it does not fetch again to delete it */
	gboolean only_new;
	/* more options of a user in the client's configuration, or NULL; for
	   fetchmail */
	const char *options;
};

/* An account with directories of its own. */
void client_account_init(struct client_account *account, struct fixture *f,
			 const char *user, enum pop3_security security);
void client_account_deinit(struct client_account *account);

/* Wait until the user's sessions are over, one of which has begun after this
   mark of the log: what a session learns is written when the client has
   left. */
void client_wait_ended(const struct client_account *account, gsize since);

/* Put a mail into mail_dir, as the next number. */
void client_put_mail(const struct client_account *account, const void *data,
		     gsize size);

/* Take the mails that the client has fetched, in their order, of GBytes. */
GPtrArray *client_take_mails(const struct client_account *account);

/* The same for mails of numbered_mail(): returns their numbers (guint). Fails
   the current test if one is not whole. */
GArray *client_take_numbers(const struct client_account *account,
			    gsize mail_bytes);

/* --- programs.c --- */

struct client_program {
	const char *name;
	/* it knows by their UIDLs which mails it has fetched */
	gboolean remembers;
	gboolean has_stls;

	/* Fetch mail: all of it (unless only_new) and delete it, or what was
	   not fetched before and keep it. Returns TRUE if the client says that
	   all went well. */
	gboolean (*fetch)(const struct client_account *account, gboolean del);

	/* What the client makes of a mail. got is what it made of it. */
	GString *(*form)(GBytes *mail, GBytes *got);
};

/* Ends with one whose name is NULL. */
extern const struct client_program client_programs[];

/* Let a client fetch, and wait until the session is over. */
gboolean client_fetch(const struct client_program *program,
		      const struct client_account *account, gboolean del);

/* The one of this name, which there has to be. */
const struct client_program *client_program_find(const char *name);

/* Have curl send a command, with the message number of path if that is not "".
   Returns the lines of the reply without the status line, or NULL if curl
   failed. */
char *client_curl(const struct client_account *account, const char *path,
		  const char *request);

#endif
