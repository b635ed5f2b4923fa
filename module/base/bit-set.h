/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_BIT_SET_H
#define POPINJAY_BIT_SET_H

#include <limits.h>

/* Sets of numbers from 0, in the form of the bitmasks of Dovecot's POP3 client:
   number / CHAR_BIT is the byte, the lowest number is its lowest bit. */

static inline void popinjay_bit_set_add(unsigned char *bits, unsigned int num)
{
	bits[num / CHAR_BIT] |= 1 << (num % CHAR_BIT);
}

static inline void
popinjay_bit_set_remove(unsigned char *bits, unsigned int num)
{
	bits[num / CHAR_BIT] &= ~(1 << (num % CHAR_BIT));
}

/* bits may be NULL: the empty set. */
static inline bool
popinjay_bit_set_has(const unsigned char *bits, unsigned int num)
{
	return bits != NULL &&
		(bits[num / CHAR_BIT] & (1 << (num % CHAR_BIT))) != 0;
}

#endif
