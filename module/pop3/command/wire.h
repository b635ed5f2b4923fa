/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_WIRE_H
#define POPINJAY_WIRE_H

/* The wire form of a stored message (RFC 1939 section 3: CRLF line ends, lines
   that begin with "." byte-stuffed), made piece by piece: neither where the
   input nor where the output is cut changes the bytes. The line of the final
   "." is the caller's. */

/* What popinjay_wire_finish() may write at most. */
#define POPINJAY_WIRE_FINISH_MAX_BYTES 4

/* Callers may read the first two fields at any time, and copy the struct. */
struct popinjay_wire {
	/* Bytes of the stored message taken so far. */
	uoff_t consumed_bytes;
	/* The same, each LF that lacked its CR counted as CRLF: Dovecot's
	   virtual size. Neither stuffed dots nor what popinjay_wire_finish()
	   adds count. */
	uoff_t virtual_bytes;

	/* Private. Lines of the body still to send, the empty line that ends
	   the header included; UOFF_T_MAX if there is no limit. */
	uoff_t lines_left;
	/* Private. The last byte sent; LF before the first. */
	unsigned char last;
	bool in_body:1;
	bool replace_nuls:1;
};

/* Start a message. body_lines is TOP's n (RFC 1939 section 7), the number of
   lines sent after the empty line; UOFF_T_MAX sends the whole message. With
   replace_nuls each NUL becomes 0x80 (Dovecot's pop3_client_workarounds =
   outlook-no-nuls). */
void popinjay_wire_init(struct popinjay_wire *wire, uoff_t body_lines,
			bool replace_nuls);

/* Encode as much of in as out has room for. Returns the number of bytes of in
   that were consumed; *out_used_r is how much of out was filled. Less than
   in_size is consumed only if out is full or the lines of TOP are all sent.
   Any out_size above 0 makes progress, also a single byte. */
size_t popinjay_wire_encode(struct popinjay_wire *wire,
			    const unsigned char *in, size_t in_size,
			    unsigned char *out, size_t out_size,
			    size_t *out_used_r);

/* Returns TRUE if the lines that TOP asked for are all sent: the rest of the
   message is not needed. Never TRUE for a whole message. */
bool popinjay_wire_is_done(const struct popinjay_wire *wire);

/* Write what has to stand between the encoded message and the line of the
   final ".": CRLF if the last line was not ended or nothing was sent, then, if
   end_of_headers is set, another CRLF if the message had no body (Dovecot's
   pop3_client_workarounds = oe-ns-eoh). Returns the number of bytes written to
   out, 0 to POPINJAY_WIRE_FINISH_MAX_BYTES. Call it once, at the end. */
size_t
popinjay_wire_finish(const struct popinjay_wire *wire, bool end_of_headers,
		     unsigned char out[POPINJAY_WIRE_FINISH_MAX_BYTES]);

#endif
