/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef READER_H
#define READER_H

/* Mail clients, programs and our own, that read one mailbox day by day. */

#include "clients.h"

/* A kind of client. */
struct reader_kind {
	const char *name;
	/* NULL: poll is to be called */
	const char *program;
	gboolean (*poll)(const struct client_account *account, gboolean del);
	/* see struct client_account */
	const char *options;
	/* what it can do: leave mails on the server, and delete them */
	gboolean keeps, deletes;
	/* it looks for new mail only behind the last that it has seen */
	gboolean halves;
};

/* Ends with one whose name is NULL. */
extern const struct reader_kind reader_kinds[];

struct reader {
	const struct reader_kind *kind;
	struct client_account account;
	/* numbers of the mails that it has fetched */
	GHashTable *fetched;
};

/* A client of this user that knows nothing yet. */
struct reader *reader_new(const struct reader_kind *kind, struct fixture *f,
			  const char *user);
/* Free it. */
void reader_free(gpointer data);

/* Let it poll. Returns TRUE if the client says that all went well. */
gboolean reader_run(struct reader *reader, gboolean del);

#endif
