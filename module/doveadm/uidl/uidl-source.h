/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_SOURCE_H
#define POPINJAY_UIDL_SOURCE_H

/* Where a list of UIDLs is taken from, as it is given to --from. */

#include "hash.h"
#include "uidl-table.h"

struct mail_user;

struct uidl_source {
	/* pop3s://[USER@]HOST[:PORT], pop3://..., or courier:, cyrus: or
	   dovecot: with the directory of a mailbox, in which %u is the user, %n
	   what is before the user's @, %d what is behind it, %h the user's
	   home, and %% is % */
	const char *from;
	/* of pop3s: and pop3:, the password of all users, or one for each; see
	   uidl_source_read_passwords() */
	const char *password;
	HASH_TABLE(const char *, const char *) passwords;
	/* of dovecot:, the pop3_uidl_format it had; NULL: this Dovecot's */
	const char *old_format;
	/* there is somebody to be asked for a password */
	bool interactive;
};

/* Read passwords while we are still root: from the first line of a file, or
   from a file of lines USER:PASSWORD. Each path may be NULL. They live as long
   as pool. Returns 0, or -1 with the reason in error_r. */
int uidl_source_read_passwords(struct uidl_source *source, pool_t pool,
			       const char *password_file,
			       const char *passwords_file,
			       const char **error_r);
/* Forget them. */
void uidl_source_deinit(struct uidl_source *source);

/* Read the list of the user's messages. Rows are allocated from pool. Returns
   0, or -1 with the reason in error_r. */
int uidl_source_read(const struct uidl_source *source, struct mail_user *user,
		     pool_t pool, ARRAY_TYPE(popinjay_uidl_row) *rows,
		     const char **error_r);

/* Read the list of a mailbox on disk. kind is "courier", "cyrus" or "dovecot".
   As uidl_source_read(). */
int uidl_source_read_files(const struct uidl_source *source,
			   struct mail_user *user, const char *kind,
			   const char *dir, pool_t pool,
			   ARRAY_TYPE(popinjay_uidl_row) *rows,
			   const char **error_r);

/* Ask a POP3 server. As uidl_source_read(). */
struct popinjay_pop3_url;
int uidl_source_read_pop3(const struct popinjay_pop3_url *url,
			  const char *password, struct mail_user *user,
			  pool_t pool, ARRAY_TYPE(popinjay_uidl_row) *rows,
			  const char **error_r);

#endif
