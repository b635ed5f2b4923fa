/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_FOREIGN_H
#define POPINJAY_UIDL_FOREIGN_H

/* The files in which other servers keep what their UIDLs are made of. */

struct popinjay_uidl_foreign {
	/* The message's file in the mailbox: in a Maildir its name without the
	   flags behind ":". */
	const char *filename;
	/* NULL if it follows from the server's settings, uid and uidvalidity */
	const char *uidl;
	uint32_t uid, uidvalidity;
	/* octets as LIST tells, UOFF_T_MAX if not known */
	uoff_t size;
	/* Dovecot's, NULL if it is the file's name */
	const char *guid;
};

/* Called for each message in the order of the file. The strings live until it
   returns. */
typedef void
popinjay_uidl_foreign_func_t(const struct popinjay_uidl_foreign *message,
			     void *context);

/* Parse Courier's courierpop3dsizelist, of which all versions are known.
   Returns 0, or -1 with the reason in error_r. */
int popinjay_courier_parse(const void *data, size_t size,
			   popinjay_uidl_foreign_func_t *func, void *context,
			   const char **error_r);

/* Parse a Maildir's dovecot-uidlist, version 1 or 3. Returns 0, or -1 with the
   reason in error_r. */
int popinjay_uidlist_parse(const void *data, size_t size,
			   popinjay_uidl_foreign_func_t *func, void *context,
			   const char **error_r);

/* The beginning of a cyrus.index that popinjay_cyrus_parse() has to see. */
#define POPINJAY_CYRUS_HEADER_BYTES 64

/* Read the UIDVALIDITY from the beginning of Cyrus's cyrus.index. Messages are
   the files "UID." beside it. Returns 0, or -1 with the reason in error_r. */
int popinjay_cyrus_parse(const void *data, size_t size,
			 uint32_t *uidvalidity_r, const char **error_r);

/* Returns TRUE if name is that of a message in a mailbox of Cyrus. */
bool popinjay_cyrus_filename_parse(const char *name, uint32_t *uid_r);

#endif
