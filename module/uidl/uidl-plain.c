/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: UIDLs that are made of uid and UIDVALIDITY. */

#include "lib.h"
#include "template.h"
#include "uidl-plain.h"

#define DECIMAL_MAX_DIGITS 10
#define HEX_MAX_DIGITS 8

struct popinjay_uidl_plain {
	const struct popinjay_template_piece *pieces;
	unsigned int count;
	unsigned int uid_variable;
};

struct popinjay_uidl_plain *
popinjay_uidl_plain_create(pool_t pool,
			   const struct popinjay_template_piece *pieces,
			   unsigned int count, unsigned int uid_variable,
			   unsigned int uidvalidity_variable)
{
	struct popinjay_uidl_plain *plain;
	size_t max_len = 0;
	bool has_uid = FALSE;
	unsigned int i;

	for (i = 0; i < count; i++) {
		unsigned int digits = pieces[i].hex ?
			HEX_MAX_DIGITS : DECIMAL_MAX_DIGITS;

		if (pieces[i].text != NULL) {
			if (!popinjay_uidl_is_valid(pieces[i].text))
				return NULL;
			max_len += strlen(pieces[i].text);
			continue;
		}
		if (pieces[i].variable == uid_variable)
			has_uid = TRUE;
		else if (pieces[i].variable != uidvalidity_variable)
			return NULL;
		max_len += I_MAX(digits, pieces[i].min_digits);
	}
	if (!has_uid || max_len > POPINJAY_UIDL_RFC_MAX_LEN)
		return NULL;

	plain = p_new(pool, struct popinjay_uidl_plain, 1);
	plain->pieces = pieces;
	plain->count = count;
	plain->uid_variable = uid_variable;
	return plain;
}

static char *write_number(char *dest, uint32_t number, bool hex,
			  unsigned int min_digits)
{
	static const char digits[] = "0123456789abcdef";
	unsigned int base = hex ? 16 : 10, size = 1, i;
	uint32_t rest = number;

	while ((rest /= base) > 0)
		size++;
	size = I_MAX(size, min_digits);
	for (i = size; i > 0; i--) {
		dest[i - 1] = digits[number % base];
		number /= base;
	}
	return dest + size;
}

size_t popinjay_uidl_plain_write(const struct popinjay_uidl_plain *plain,
				 uint32_t uidvalidity, uint32_t uid,
				 char dest[POPINJAY_UIDL_MAX_LEN + 1])
{
	char *p = dest;
	unsigned int i;

	for (i = 0; i < plain->count; i++) {
		const struct popinjay_template_piece *piece = &plain->pieces[i];

		if (piece->text != NULL) {
			size_t size = strlen(piece->text);

			memcpy(p, piece->text, size);
			p += size;
		} else {
			p = write_number(p,
				piece->variable == plain->uid_variable ?
				uid : uidvalidity, piece->hex,
				piece->min_digits);
		}
	}
	*p = '\0';
	return p - dest;
}

/* Returns the length of what stands before the uid; *hex_r is how that is
   written. */
static size_t
plain_uid_offset(const struct popinjay_uidl_plain *plain, uint32_t uidvalidity,
		 bool *hex_r)
{
	const struct popinjay_template_piece *piece = plain->pieces;
	char number[POPINJAY_UIDL_MAX_LEN];
	size_t offset = 0;

	for (; piece->text != NULL || piece->variable != plain->uid_variable;
	     piece++) {
		offset += piece->text != NULL ? strlen(piece->text) :
			(size_t)(write_number(number, uidvalidity, piece->hex,
					      piece->min_digits) - number);
	}
	*hex_r = piece->hex;
	return offset;
}

bool popinjay_uidl_plain_parse(const struct popinjay_uidl_plain *plain,
			       uint32_t uidvalidity, const char *uidl,
			       uint32_t *uid_r)
{
	char made[POPINJAY_UIDL_MAX_LEN + 1];
	uint64_t uid = 0;
	const char *p;
	bool hex;
	size_t offset = plain_uid_offset(plain, uidvalidity, &hex);

	if (strlen(uidl) <= offset)
		return FALSE;
	/* digits may follow behind those of the uid */
	for (p = uidl + offset; *p != '\0'; p++) {
		if (*p >= '0' && *p <= '9')
			uid = uid * (hex ? 16 : 10) + (*p - '0');
		else if (hex && *p >= 'a' && *p <= 'f')
			uid = uid * 16 + (*p - 'a' + 10);
		else
			break;
		if (uid > (uint32_t)-1)
			break;
		(void)popinjay_uidl_plain_write(plain, uidvalidity, uid, made);
		if (strcmp(made, uidl) == 0) {
			*uid_r = uid;
			return uid > 0;
		}
	}
	return FALSE;
}
