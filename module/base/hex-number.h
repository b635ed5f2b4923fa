/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_HEX_NUMBER_H
#define POPINJAY_HEX_NUMBER_H

#include "hex-dec.h"

#include <ctype.h>

/* Get the number that the first `digits` characters of text, up to 8, are in
   hex, of either case. Returns 0, or -1 if one of them is no hex digit, such as
   the end of text. */
static inline int
popinjay_hex_number(const char *text, unsigned int digits, uint32_t *num_r)
{
	unsigned int i;

	for (i = 0; i < digits; i++) {
		if (!i_isxdigit(text[i]))
			return -1;
	}
	*num_r = hex2dec((const unsigned char *)text, digits);
	return 0;
}

#endif
