/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TEMPLATE_PIECES_H
#define POPINJAY_TEMPLATE_PIECES_H

struct popinjay_variable {
	const char *name;
	/* the one-letter form it has in 2.3, or '\0' */
	char letter;
	/* a value such as it may have, to try templates with */
	const char *sample;
	/* its values are numbers below 2^32 */
	bool number;
};

/* A part of a template that is only text and variables. */
struct popinjay_template_piece {
	/* what stands there; NULL for a variable */
	const char *text;
	/* the variable's index, and how its value is written: numbers may be
	   in hex, and have zeros before them */
	unsigned int variable;
	unsigned int min_digits;
	bool hex;
};
ARRAY_DEFINE_TYPE(popinjay_template_piece, struct popinjay_template_piece);

/* Take a template apart whose variables are these. Strings are taken from pool.
   Returns TRUE, or FALSE if it needs more than pieces, or is wrong: what
   Dovecot makes of it is then not known here. */
bool popinjay_template_pieces_parse(const char *format,
	const struct popinjay_variable *variables, pool_t pool,
	ARRAY_TYPE(popinjay_template_piece) *pieces);

/* Append a piece to dest; value is that of its variable, NULL for text. */
void popinjay_template_piece_append(string_t *dest,
	const struct popinjay_template_piece *piece, const char *value);

#endif
