/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any process: takes simple templates apart, in both of Dovecot's template
   languages. What is not understood here without any doubt is left to Dovecot,
   which is right in any case, but takes ten times as long for a message. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "template-pieces.h"

#include <ctype.h>

/* Padding beyond this makes no UIDL. */
#define MAX_DIGITS 64
/* The digits of any number in hex: hex(8) of 2.4 cuts nothing off. */
#define HEX_DIGITS 8

static void
add_text(ARRAY_TYPE(popinjay_template_piece) *pieces, pool_t pool,
	 const char *text, size_t size)
{
	struct popinjay_template_piece *piece;

	if (size == 0)
		return;
	piece = array_append_space(pieces);
	piece->text = p_strndup(pool, text, size);
}

static bool
add_variable(ARRAY_TYPE(popinjay_template_piece) *pieces,
	     const struct popinjay_variable *variables, unsigned int idx,
	     bool hex, unsigned int min_digits)
{
	struct popinjay_template_piece *piece;

	if ((hex || min_digits > 0) && !variables[idx].number)
		return FALSE;
	if (min_digits > MAX_DIGITS)
		return FALSE;
	piece = array_append_space(pieces);
	piece->variable = idx;
	piece->hex = hex;
	piece->min_digits = min_digits;
	return TRUE;
}

static bool
find_name(const struct popinjay_variable *variables, const char *name,
	  size_t size, unsigned int *idx_r)
{
	unsigned int i;

	for (i = 0; variables[i].name != NULL; i++) {
		if (strlen(variables[i].name) == size &&
		    memcmp(variables[i].name, name, size) == 0) {
			*idx_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

static unsigned int parse_number(const char **p)
{
	unsigned int number = 0;

	for (; i_isdigit(**p) && number <= MAX_DIGITS; (*p)++)
		number = number * 10 + (**p - '0');
	return number;
}

#ifdef POPINJAY_HAVE_VAR_EXPAND_PROGRAM

static void skip_spaces(const char **p)
{
	while (**p == ' ' || **p == '\t')
		(*p)++;
}

static size_t word_size(const char *p)
{
	size_t size = 0;

	while (i_islower(p[size]))
		size++;
	return size;
}

/* The only number in parentheses, or 0 if there are none. */
static bool parse_argument(const char **p, unsigned int *number_r)
{
	*number_r = 0;
	skip_spaces(p);
	if (**p != '(')
		return TRUE;
	(*p)++;
	skip_spaces(p);
	*number_r = parse_number(p);
	skip_spaces(p);
	if (**p != ')' || *number_r == 0)
		return FALSE;
	(*p)++;
	skip_spaces(p);
	return TRUE;
}

/* "%{uid}", "%{uid | hex}", "%{uid | hex(8)}", "%{uid | lfill(10)}", behind
   the "%". */
static bool
parse_variable(const char **p, const struct popinjay_variable *variables,
	       ARRAY_TYPE(popinjay_template_piece) *pieces)
{
	unsigned int idx, digits = 0;
	bool hex = FALSE;
	size_t size;

	if (**p != '{')
		return FALSE;
	(*p)++;
	skip_spaces(p);
	size = word_size(*p);
	/* digits may be part of a name */
	if (i_isdigit((*p)[size]))
		size = strcspn(*p, " \t|}");
	if (!find_name(variables, *p, size, &idx))
		return FALSE;
	*p += size;
	skip_spaces(p);

	if (**p == '|') {
		(*p)++;
		skip_spaces(p);
		size = word_size(*p);
		hex = size == 3 && memcmp(*p, "hex", 3) == 0;
		if (!hex && (size != 5 || memcmp(*p, "lfill", 5) != 0))
			return FALSE;
		*p += size;
		if (!parse_argument(p, &digits))
			return FALSE;
		/* hex also cuts, lfill needs its argument */
		if (digits == 0 ? !hex : hex && digits < HEX_DIGITS)
			return FALSE;
	}
	if (**p != '}')
		return FALSE;
	(*p)++;
	return add_variable(pieces, variables, idx, hex, digits);
}

#else

static bool
find_letter(const struct popinjay_variable *variables, char letter,
	    unsigned int *idx_r)
{
	unsigned int i;

	for (i = 0; variables[i].name != NULL; i++) {
		if (letter != '\0' && variables[i].letter == letter) {
			*idx_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

/* "%u", "%{uid}", "%Xu", "%08Xu", "%010u", behind the "%". */
static bool
parse_variable(const char **p, const struct popinjay_variable *variables,
	       ARRAY_TYPE(popinjay_template_piece) *pieces)
{
	unsigned int idx, digits = 0;
	bool hex = FALSE;
	const char *end;

	if (**p == '0') {
		(*p)++;
		digits = parse_number(p);
		/* alone it has no meaning that would be known here */
		if (digits == 0)
			return FALSE;
	}
	if (**p == 'X') {
		hex = TRUE;
		(*p)++;
	}
	if (**p == '{') {
		end = strchr(*p, '}');
		if (end == NULL ||
		    !find_name(variables, *p + 1, end - *p - 1, &idx))
			return FALSE;
		*p = end + 1;
	} else {
		if (!find_letter(variables, **p, &idx))
			return FALSE;
		(*p)++;
	}
	return add_variable(pieces, variables, idx, hex, digits);
}

#endif

bool popinjay_template_pieces_parse(const char *format,
	const struct popinjay_variable *variables, pool_t pool,
	ARRAY_TYPE(popinjay_template_piece) *pieces)
{
	for (;;) {
		size_t size = strcspn(format, "%");

		add_text(pieces, pool, format, size);
		format += size;
		if (*format == '\0')
			return TRUE;
		format++;
		if (!parse_variable(&format, variables, pieces))
			return FALSE;
	}
}

void popinjay_template_piece_append(string_t *dest,
	const struct popinjay_template_piece *piece, const char *value)
{
	size_t size;
	uint32_t number;

	if (piece->text != NULL)
		value = piece->text;
	else if (piece->hex) {
		if (str_to_uint32(value, &number) < 0)
			i_unreached();
		value = t_strdup_printf("%x", number);
	}
	for (size = strlen(value); size < piece->min_digits; size++)
		str_append_c(dest, '0');
	str_append(dest, value);
}
