/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the lines of a Maildir's dovecot-uidlist. Where Dovecot would
   complain of a line, or mend it, this gives up and leaves it to Dovecot. */

#include "lib.h"
#include "uidlist.h"

#define KEY_POP3_UIDL 'P'
#define KEY_POP3_ORDER 'O'
#define KEY_VIRTUAL_SIZE 'W'
/* in file names: ",W=<size>" */
#define NAME_FIELD_SEPARATOR ','
#define NAME_FLAGS_SEPARATOR ':'

void popinjay_uidlist_init(struct popinjay_uidlist *list, uint32_t uidvalidity)
{
	i_zero(list);
	list->uidvalidity = uidvalidity;
}

/* Returns FALSE if no digit stands at *p, or too many do. */
static bool parse_number(const unsigned char **p, const unsigned char *end,
			 uint64_t max, uint64_t *number_r)
{
	const unsigned char *start = *p;
	uint64_t number = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		unsigned int digit = **p - '0';

		if (number > (max - digit) / 10)
			return FALSE;
		number = number * 10 + digit;
	}
	*number_r = number;
	return *p > start;
}

/* "3 V1700000123 N42 G..." */
static bool parse_header(const struct popinjay_uidlist *list,
			 const unsigned char *p, const unsigned char *end)
{
	uint64_t uidvalidity;

	if (end - p < 2 || p[0] != '3' || p[1] != ' ')
		return FALSE;
	for (p += 2; p < end; p++) {
		if (*p == 'V' && p[-1] == ' ') {
			p++;
			return parse_number(&p, end, UINT32_MAX,
					    &uidvalidity) &&
				uidvalidity == list->uidvalidity;
		}
	}
	return FALSE;
}

/* Dovecot looks at the first ",W=" only, also if no size follows. */
static void parse_name(const unsigned char *p, const unsigned char *end,
		       struct popinjay_uidlist_entry *entry)
{
	uint64_t size;

	while ((p = memchr(p, NAME_FIELD_SEPARATOR, end - p)) != NULL) {
		p++;
		if (end - p < 3 || p[0] != KEY_VIRTUAL_SIZE || p[1] != '=')
			continue;
		p += 2;
		if (parse_number(&p, end, UOFF_T_MAX - 1, &size) &&
		    (p == end || *p == NAME_FIELD_SEPARATOR ||
		     *p == NAME_FLAGS_SEPARATOR))
			entry->virtual_size = size;
		return;
	}
}

static bool parse_field(const unsigned char *p, const unsigned char *end,
			struct popinjay_uidlist_entry *entry)
{
	uint64_t size;

	switch (*p++) {
	case KEY_POP3_UIDL:
		entry->pop3_uidl = TRUE;
		break;
	case KEY_POP3_ORDER:
		entry->pop3_order = TRUE;
		break;
	case KEY_VIRTUAL_SIZE:
		if (entry->virtual_size != UOFF_T_MAX ||
		    !parse_number(&p, end, UOFF_T_MAX - 1, &size) || p != end)
			return FALSE;
		entry->virtual_size = size;
		break;
	default:
		return p[-1] >= 'A' && p[-1] <= 'Z';
	}
	return TRUE;
}

static bool parse_entry(struct popinjay_uidlist *list, const unsigned char *p,
			const unsigned char *end,
			struct popinjay_uidlist_entry *entry)
{
	const unsigned char *field;
	uint64_t uid;

	i_zero(entry);
	entry->virtual_size = UOFF_T_MAX;
	if (!parse_number(&p, end, UINT32_MAX - 1, &uid) ||
	    uid <= list->prev_uid)
		return FALSE;
	entry->uid = list->prev_uid = uid;

	for (;;) {
		if (p == end || *p != ' ')
			return FALSE;
		while (p < end && *p == ' ')
			p++;
		if (p == end)
			return FALSE;
		if (*p == ':')
			break;
		field = p;
		while (p < end && *p != ' ')
			p++;
		if (!parse_field(field, p, entry))
			return FALSE;
	}
	if (++p == end || memchr(p, '/', end - p) != NULL ||
	    memchr(p, '\0', end - p) != NULL)
		return FALSE;
	/* what the file name says goes first */
	parse_name(p, end, entry);
	return TRUE;
}

int popinjay_uidlist_next(struct popinjay_uidlist *list,
			  const unsigned char **data, size_t *size,
			  struct popinjay_uidlist_entry *entry_r)
{
	for (;;) {
		const unsigned char *line = *data;
		const unsigned char *lf = memchr(line, '\n', *size);

		if (lf == NULL)
			return 0;
		*data = lf + 1;
		*size -= lf + 1 - line;
		if (list->header_seen)
			return parse_entry(list, line, lf, entry_r) ? 1 : -1;
		if (!parse_header(list, line, lf))
			return -1;
		list->header_seen = TRUE;
	}
}
