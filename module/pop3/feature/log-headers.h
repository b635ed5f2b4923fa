/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_HEADERS_H
#define POPINJAY_LOG_HEADERS_H

/* Look for the first Message-ID and the first Subject in the beginning of a
   message (RFC 5322), and copy them to pool, on one line each; the Subject is
   decoded (RFC 2047). Each may be NULL: not wanted; and one that is not NULL
   any more is not looked for. whole says that data is all of the message.
   Returns TRUE if nothing more is to be found behind data. */
bool popinjay_log_headers_find(pool_t pool, const unsigned char *data,
			       size_t size, bool whole,
			       const char **message_id,
			       const char **subject);

#endif
