/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the wire form of a message, for RETR and TOP (RFC 1939
   sections 3, 5 and 7). The bytes are those of Dovecot's own RETR and TOP,
   because clients have hashed, cached and signed them for years, except that
   a dot which is the very first byte of a message is stuffed too. */

#include "lib.h"
#include "wire.h"

#define NUL_REPLACEMENT 0x80

void popinjay_wire_init(struct popinjay_wire *wire, uoff_t body_lines,
			bool replace_nuls)
{
	i_zero(wire);
	/* the empty line between header and body is counted like one of the
	   body, so that TOP 0 sends it */
	wire->lines_left = body_lines == UOFF_T_MAX ?
		UOFF_T_MAX : body_lines + 1;
	/* the message begins as each of its lines does */
	wire->last = '\n';
	wire->replace_nuls = replace_nuls;
}

static void
copy_text(unsigned char *out, const unsigned char *in, size_t size,
	  bool replace_nuls)
{
	unsigned char *nul, *end = out + size;

	memcpy(out, in, size);
	if (!replace_nuls)
		return;
	for (; (nul = memchr(out, '\0', end - out)) != NULL; out = nul + 1)
		*nul = NUL_REPLACEMENT;
}

size_t popinjay_wire_encode(struct popinjay_wire *wire,
			    const unsigned char *in, size_t in_size,
			    unsigned char *out, size_t out_size,
			    size_t *out_used_r)
{
	const unsigned char *const in_start = in, *const in_end = in + in_size;
	unsigned char *const out_start = out, *const out_end = out + out_size;
	/* what is written to out could change the struct, for all that the
	   compiler knows */
	unsigned char last = wire->last;
	uoff_t lines_left = wire->lines_left, added_crs = 0;
	const bool replace_nuls = wire->replace_nuls;

	while (in < in_end && out < out_end && lines_left > 0) {
		const unsigned char *lf;
		size_t size;

		if (last == '\n') {
			if (*in == '\r' || *in == '\n')
				wire->in_body = TRUE;
			else if (*in == '.') {
				/* this dot is no longer the first of its line,
				   even if out ends between the two */
				*out++ = last = '.';
			}
		}

		size = I_MIN(in_end - in, out_end - out);
		lf = memchr(in, '\n', size);
		if (lf != NULL)
			size = lf - in;
		if (size > 0) {
			copy_text(out, in, size, replace_nuls);
			in += size;
			out += size;
			last = in[-1];
		}
		if (lf == NULL)
			continue;

		if (last != '\r') {
			if (out == out_end)
				break;
			*out++ = last = '\r';
			added_crs++;
		}
		if (out == out_end)
			break;
		*out++ = last = '\n';
		in++;
		if (lines_left != UOFF_T_MAX && wire->in_body)
			lines_left--;
	}

	wire->last = last;
	wire->lines_left = lines_left;
	wire->consumed_bytes += in - in_start;
	wire->virtual_bytes += in - in_start + added_crs;
	*out_used_r = out - out_start;
	return in - in_start;
}

bool popinjay_wire_is_done(const struct popinjay_wire *wire)
{
	return wire->lines_left == 0;
}

size_t
popinjay_wire_finish(const struct popinjay_wire *wire, bool end_of_headers,
		     unsigned char out[POPINJAY_WIRE_FINISH_MAX_BYTES])
{
	size_t size = 0;

	if (wire->last != '\n' || wire->consumed_bytes == 0) {
		memcpy(out, "\r\n", 2);
		size = 2;
	}
	if (end_of_headers && !wire->in_body) {
		memcpy(out + size, "\r\n", 2);
		size += 2;
	}
	return size;
}
