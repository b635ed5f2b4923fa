/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_HEADER_DIGEST_H
#define POPINJAY_HEADER_DIGEST_H

/* A hash of a message's header by which two servers' copies of one message are
   found to be the same. It is the first 32 hex digits of the SHA-256 of all
   header fields in their order, each as

       name in lower case ":" value LF

   but leaves out what a server changes or adds on the way between a store and
   a client:
   - the fields Content-Length, Lines, Return-Path, Status, X-IMAP, X-IMAPbase,
     X-Keywords, X-Mozilla-Keys, X-Mozilla-Status, X-Mozilla-Status2, X-Status,
     X-UID and X-UIDL;
   - lines that are no field, such as mbox's "From " line;
   - CRs, spaces, tabs, and with them how a field is folded;
   - which control or 8-bit characters there are: each run of them and of "?"
     counts as one "?". */

#include "sha2.h"

#define POPINJAY_HEADER_HASH_LEN 32
/* A longer Message-ID is taken for none. */
#define POPINJAY_MESSAGE_ID_MAX_LEN 500
#define POPINJAY_HEADER_NAME_MAX_LEN 76

struct popinjay_header_digest {
	struct sha256_ctx hash;
	/* how many fields were hashed */
	unsigned int fields;
	/* one of them is Date, Message-ID or Received: hardly another message
	   has the same header */
	bool telling;

	/* Private: where in the header it is. */
	enum {
		POPINJAY_HEADER_LINE_START,
		POPINJAY_HEADER_NAME,
		POPINJAY_HEADER_VALUE,
		POPINJAY_HEADER_END
	} state;
	char name[POPINJAY_HEADER_NAME_MAX_LEN + 1];
	unsigned int name_len;
	/* the field is hashed; it may be telling; it is the first Message-ID */
	bool hashed, in_telling, in_message_id;
	/* what was hashed last is a "?" */
	bool prev_unclear;
	bool message_id_seen;
	char message_id[POPINJAY_MESSAGE_ID_MAX_LEN + 1];
	unsigned int message_id_len;
	/* not yet given to the hash */
	unsigned char pending[256];
	unsigned int pending_len;
};

/* Begin. */
void popinjay_header_digest_init(struct popinjay_header_digest *digest);

/* Add bytes of the message, in pieces of any size. Returns TRUE while more of
   the header can come, FALSE when it has ended: what follows is ignored. */
bool popinjay_header_digest_more(struct popinjay_header_digest *digest,
				 const void *data, size_t size);

/* End. hash_r gets the hash, or "" if there was no field. Returns the
   Message-ID without white space, which lives as long as digest, or NULL. */
const char *
popinjay_header_digest_result(struct popinjay_header_digest *digest,
			      char hash_r[POPINJAY_HEADER_HASH_LEN + 1]);

#endif
