/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MODEL_H
#define MODEL_H

/* Mail clients of our own. Each does what a widespread one does wherever a
   server can make it fetch a mail twice, or never. What it knows is in a file
   of the account's directory, and what it fetches in mail_dir. */

#include "clients.h"

/* How a poll ended. */
enum model_end {
	MODEL_DONE,
	/* an -ERR; its text is shown to the user */
	MODEL_ERROR,
	/* the same, but the saved password is forgotten, and no text shown */
	MODEL_WRONG_PASSWORD,
	/* the connection ended in the middle */
	MODEL_LOST
};

/* --- thunderbird.c --- */

/* Thunderbird's Pop3Client of 2022 and later. It asks for capabilities before
   login only. It keeps a map of the UIDLs on the server, without those that
   this listing lacks; none at all after a STAT of 0. It stops at the first
   -ERR. With del it deletes each message once it has it, else it leaves all on
   the server. said_r, unless it is NULL, gets the text that is shown to the
   user, or NULL. */
enum model_end
thunderbird_poll(const struct client_account *account, gboolean del,
		 char **said_r);

/* The user deletes all mails in the client: the next poll has them deleted on
   the server. */
void thunderbird_delete_all(const struct client_account *account);

/* Number of UIDLs in the map. */
unsigned int thunderbird_known(const struct client_account *account);

/* --- halving.c --- */

/* fetchmail's UIDLs with "fastuidl 1": the first unseen message is found by
   halving, all that stand before it count as seen. As fetchmail, it looks at
   all if there are no more than 7, goes on behind an -ERR to RETR, and leaves
   all on the server. */
enum model_end halving_poll(const struct client_account *account);

/* --- blind.c --- */

/* A client that looks at no reply before it has sent all: RETR and, with del,
   DELE of the messages 1 to count, and QUIT. */
enum model_end
blind_poll(const struct client_account *account, unsigned int count,
	   gboolean del);

/* --- model.c: what they have in common --- */

struct model {
	const struct client_account *account;
	struct pop3 *pop3;
	/* where the log ended before */
	gsize since;
	gboolean logged_in;
	enum model_end end;
	/* of the -ERR that it stopped at, or NULL */
	char *said;
	/* what it knows: UIDL -> a letter by GINT_TO_POINTER() */
	GHashTable *uidls;
};

/* Connect and read what it knows. Returns FALSE if that failed, and sets end;
   model_close() has to follow in any case. */
gboolean model_open(struct model *model, const struct client_account *account);
gboolean model_login(struct model *model);

/* Send a command, and read a reply of one line, or of several. Returns the text
   behind "+OK ", or the lines behind the first, without the last, with LF only
   and without the dots that were added; NULL if there is none, and sets end and
   said. */
char *model_ask(struct model *model, const char *format, ...)
	G_GNUC_PRINTF(2, 3);
char *model_ask_lines(struct model *model, const char *format, ...)
	G_GNUC_PRINTF(2, 3);

/* RETR a message and put it into mail_dir. Returns FALSE as above. */
gboolean model_retr(struct model *model, unsigned int msn);

/* Send QUIT and write down what it knows, also after an -ERR. Returns end, when
   the session is over. */
enum model_end model_close(struct model *model);

/* The text of a reply of several lines from data on, which has the final
   ".\r\n". */
GString *model_text(const char *data);

/* What a client has written down. */
GHashTable *model_read_uidls(const struct client_account *account);
void model_write_uidls(const struct client_account *account,
		       GHashTable *uidls);

#endif
