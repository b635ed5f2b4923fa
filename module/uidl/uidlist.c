/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the lines of a Maildir's dovecot-uidlist. Where Dovecot would
   complain of a line, or mend it, this gives up and leaves it to Dovecot. */

#include "lib.h"
#include "uidlist.h"

#define KEY_GUID 'G'
#define KEY_POP3_UIDL 'P'
#define KEY_POP3_ORDER 'O'
#define KEY_VIRTUAL_SIZE 'W'
/* in file names: ",W=<size>" */
#define NAME_FIELD_SEPARATOR ','
#define NAME_FLAGS_SEPARATOR ':'

void popinjay_uidlist_init(struct popinjay_uidlist *list, uint32_t uidvalidity)
{
	i_zero(list);
	list->wanted_uidvalidity = uidvalidity;
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

/* "3 V1700000123 N42 G...", "1 1700000123 42" */
static bool parse_header(struct popinjay_uidlist *list,
			 const unsigned char *p, const unsigned char *end)
{
	uint64_t uidvalidity;

	if (p == end || (p[0] != '1' && p[0] != '3') ||
	    (end - p > 1 && p[1] != ' '))
		return FALSE;
	list->version = p[0] - '0';
	p += I_MIN(2, end - p);
	if (list->version == 3) {
		while (p < end && (*p != 'V' || p[-1] != ' '))
			p++;
		p += I_MIN(1, end - p);
	}
	if (!parse_number(&p, end, UINT32_MAX, &uidvalidity) ||
	    uidvalidity == 0 || (p < end && *p != ' '))
		return FALSE;
	list->uidvalidity = uidvalidity;
	return list->wanted_uidvalidity == 0 ||
		(list->version == 3 &&
		 list->uidvalidity == list->wanted_uidvalidity);
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

static void set_text(struct popinjay_uidlist_text *text,
		     const unsigned char *p, const unsigned char *end)
{
	text->data = p;
	text->size = end - p;
}

static bool parse_field(const unsigned char *p, const unsigned char *end,
			struct popinjay_uidlist_entry *entry)
{
	uint64_t size;

	switch (*p++) {
	case KEY_GUID:
		set_text(&entry->guid, p, end);
		break;
	case KEY_POP3_UIDL:
		set_text(&entry->pop3_uidl, p, end);
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

/* Move *p from the space before the fields to the colon behind them. */
static bool parse_fields(const unsigned char **p, const unsigned char *end,
			 struct popinjay_uidlist_entry *entry)
{
	const unsigned char *field;

	for (;;) {
		if (*p == end || **p != ' ')
			return FALSE;
		while (*p < end && **p == ' ')
			(*p)++;
		if (*p == end)
			return FALSE;
		if (**p == ':')
			return TRUE;
		field = *p;
		while (*p < end && **p != ' ')
			(*p)++;
		if (!parse_field(field, *p, entry))
			return FALSE;
	}
}

static bool parse_entry(struct popinjay_uidlist *list, const unsigned char *p,
			const unsigned char *end,
			struct popinjay_uidlist_entry *entry)
{
	uint64_t uid;

	i_zero(entry);
	entry->virtual_size = UOFF_T_MAX;
	if (!parse_number(&p, end, UINT32_MAX - 1, &uid) ||
	    uid <= list->prev_uid)
		return FALSE;
	entry->uid = list->prev_uid = uid;

	if (list->version == 1 ? p == end || *p != ' ' :
	    !parse_fields(&p, end, entry))
		return FALSE;
	if (++p == end || memchr(p, '/', end - p) != NULL ||
	    memchr(p, '\0', end - p) != NULL)
		return FALSE;
	set_text(&entry->filename, p, end);
	/* what the file name says goes first */
	parse_name(p, end, entry);
	return TRUE;
}

int popinjay_uidlist_line(struct popinjay_uidlist *list,
			  const unsigned char *line, size_t size,
			  struct popinjay_uidlist_entry *entry_r)
{
	if (list->version == 0)
		return parse_header(list, line, line + size) ? 0 : -1;
	return parse_entry(list, line, line + size, entry_r) ? 1 : -1;
}

int popinjay_uidlist_next(struct popinjay_uidlist *list,
			  const unsigned char **data, size_t *size,
			  struct popinjay_uidlist_entry *entry_r)
{
	int ret = 0;

	while (ret == 0) {
		const unsigned char *line = *data;
		const unsigned char *lf = memchr(line, '\n', *size);

		if (lf == NULL)
			return 0;
		*data = lf + 1;
		*size -= lf + 1 - line;
		ret = popinjay_uidlist_line(list, line, lf - line, entry_r);
	}
	return ret;
}
