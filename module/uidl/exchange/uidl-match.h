/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_MATCH_H
#define POPINJAY_UIDL_MATCH_H

/* Which message of a mailbox each row of a list of UIDLs stands for. A wrong
   answer would make a client skip a mail that it never saw, so a row is matched
   only if it can be no other message: by a key that no other row and no other
   message has. The keys are, in their order, the GUID, the hash of the header,
   that hash with the size, and the Message-ID with the size. The hash alone is
   no key if other messages that were never listed may have it too, and a size
   is none if a message that could not be read has it too. Rows and
   messages that share a GUID have the same content, so as many rows as messages
   of one GUID are matched in their order. */

#include "uidl-table.h"

enum popinjay_uidl_match {
	/* there is no such message */
	POPINJAY_UIDL_MATCH_NONE,
	/* it could be several, or several rows could be it */
	POPINJAY_UIDL_MATCH_AMBIGUOUS,
	/* its UIDL is none that a client may be shown */
	POPINJAY_UIDL_MATCH_INVALID,
	/* other rows have the same UIDL */
	POPINJAY_UIDL_MATCH_DOUBLE,
	/* how it was matched */
	POPINJAY_UIDL_MATCH_GUID,
	POPINJAY_UIDL_MATCH_HEADER,
	POPINJAY_UIDL_MATCH_HEADER_SIZE,
	POPINJAY_UIDL_MATCH_ID_SIZE,

	POPINJAY_UIDL_MATCH_COUNT
};

/* Returns TRUE for those with a message. */
#define popinjay_uidl_match_is_found(match) \
	((match) >= POPINJAY_UIDL_MATCH_GUID)

/* A message of the mailbox. What is not known is NULL or UOFF_T_MAX. */
struct popinjay_uidl_message {
	uint32_t uid;
	const char *guid, *hash, *message_id;
	uoff_t size;

	/* set by popinjay_uidl_match(): the row that stands for it, or NULL */
	const struct popinjay_uidl_row *row;

	/* the header has nothing that makes it this message's alone */
	bool common_header;
	/* something of it could not be read */
	bool unread;
};
ARRAY_DEFINE_TYPE(popinjay_uidl_message, struct popinjay_uidl_message);

/* Match rows and messages. matches_r[i] gets what became of rows[i]. */
void popinjay_uidl_match(const struct popinjay_uidl_row *rows,
			 unsigned int row_count,
			 struct popinjay_uidl_message *messages,
			 unsigned int message_count,
			 enum popinjay_uidl_match *matches_r);

#endif
