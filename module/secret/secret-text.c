/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the text form of generated secrets. */

#include "lib.h"
#include "randgen.h"
#include "str.h"
#include "secret-text.h"

#include <ctype.h>

#define ALPHABET "abcdefghjkmnpqrstuvwxyz23456789"
/* A prime, so the weighted sum modulo it notices every single wrong character
   and every swap of two: all weights differ and none is 0. */
#define ALPHABET_SIZE 31
#define GROUP_LEN 4
#define GROUPS 7
#define CHARS (GROUP_LEN * GROUPS)

/* Returns a random number below ALPHABET_SIZE, each as likely as the others. */
static unsigned int random_digit(void)
{
	unsigned char byte;

	do
		random_fill(&byte, sizeof(byte));
	while (byte >= ALPHABET_SIZE * (256 / ALPHABET_SIZE));
	return byte % ALPHABET_SIZE;
}

static void append_char(string_t *dest, unsigned int pos, unsigned int digit)
{
	if (pos > 0 && pos % GROUP_LEN == 0)
		str_append_c(dest, '-');
	str_append_c(dest, ALPHABET[digit]);
}

const char *popinjay_secret_text_generate(void)
{
	string_t *dest = t_str_new(POPINJAY_SECRET_TEXT_LEN + 1);
	unsigned int i, sum = 0;

	for (i = 0; i < CHARS - 1; i++) {
		unsigned int digit = random_digit();

		sum += (i + 1) * digit;
		append_char(dest, i, digit);
	}
	/* the check character's own weight is CHARS */
	for (i = 0; (sum + CHARS * i) % ALPHABET_SIZE != 0; )
		i++;
	append_char(dest, CHARS - 1, i);
	return str_c(dest);
}

/* Returns the text as printed, or NULL if it is not one. */
static const char *parse(const char *text)
{
	string_t *dest = t_str_new(POPINJAY_SECRET_TEXT_LEN + 1);
	unsigned int count = 0, sum = 0;

	for (; *text != '\0'; text++) {
		const char *p;

		if (*text == '-' || *text == ' ')
			continue;
		p = strchr(ALPHABET, i_tolower(*text));
		if (p == NULL || count == CHARS)
			return NULL;
		append_char(dest, count, p - ALPHABET);
		sum += ++count * (p - ALPHABET);
	}
	if (count != CHARS || sum % ALPHABET_SIZE != 0)
		return NULL;
	return str_c(dest);
}

bool popinjay_secret_text_is_valid(const char *text)
{
	const char *printed = parse(text);

	return printed != NULL && strcmp(printed, text) == 0;
}

const char *popinjay_secret_text_normalize(const char *text)
{
	const char *printed = parse(text);

	return printed == NULL ? text : printed;
}
