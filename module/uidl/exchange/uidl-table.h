/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_TABLE_H
#define POPINJAY_UIDL_TABLE_H

/* Lists of UIDLs as they go from one server to another: a text of lines, each
   with the same number of columns, which tabs part. The first line names the
   columns, in any order:

   uidl        as clients know it
   size        octets as LIST tells, decimal
   header      hash of the header, see header-digest.h
   message_id  the Message-ID, without white space
   guid        Dovecot's GUID of the message, or, of a message in a Maildir, its
               file name without flags
   username    whose message it is, where the list is of several users

   uidl has to be there; msn, uid, source and trouble may be, and count for
   nothing. What is not known is empty. Nothing is quoted or escaped. Empty
   lines, and lines before the first that begin with "#", count for nothing.
   "doveadm -f tab" prints such a text. */

#define POPINJAY_UIDL_TABLE_MAX_LINE 4096

struct popinjay_uidl_row {
	/* as it stands there: it need not be one that a client may be shown */
	const char *uidl;
	/* NULL if not known */
	const char *guid, *hash, *message_id;
	/* UOFF_T_MAX if not known */
	uoff_t size;
	/* NULL if the list is of one user */
	const char *user;
};
ARRAY_DEFINE_TYPE(popinjay_uidl_row, struct popinjay_uidl_row);

/* Parse a list. The rows are allocated from pool, ordered by user, and in their
   order within one. Returns 0, or -1 with the reason and the number of the line
   in error_r. */
int popinjay_uidl_table_parse(const void *data, size_t size, pool_t pool,
			      ARRAY_TYPE(popinjay_uidl_row) *rows,
			      const char **error_r);

/* Find the rows of a user in what popinjay_uidl_table_parse() has ordered: all
   of them if the list is of one user. Returns the first, and their number in
   *count_r. */
const struct popinjay_uidl_row *
popinjay_uidl_table_find(const ARRAY_TYPE(popinjay_uidl_row) *rows,
			 const char *user, unsigned int *count_r);

/* Returns value if it can stand in a column, or "" if it cannot or is NULL:
   only printable ASCII can, for a list may be shown on a terminal, and whoever
   wrote the value may wish it ill. */
const char *popinjay_uidl_table_value(const char *value);

/* Returns text for people to read, where "?" stands for each byte that is no
   printable ASCII. */
const char *popinjay_uidl_table_clean(const char *text);
/* The same, with at most 100 characters of it. */
const char *popinjay_uidl_table_text(const char *text);

#endif
