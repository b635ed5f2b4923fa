/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the text form of a list of UIDLs. */

#include "lib.h"
#include "array.h"
#include "header-digest.h"
#include "uidl-table.h"

#define COLUMNS_MAX 16
#define TEXT_MAX_CHARS 100

enum column {
	COLUMN_UIDL,
	COLUMN_SIZE,
	COLUMN_HEADER,
	COLUMN_MESSAGE_ID,
	COLUMN_GUID,
	COLUMN_USERNAME,
	COLUMN_IGNORED
};

static const struct {
	const char *name;
	enum column column;
} column_names[] = {
	{ "uidl", COLUMN_UIDL },
	{ "size", COLUMN_SIZE },
	{ "header", COLUMN_HEADER },
	{ "message_id", COLUMN_MESSAGE_ID },
	{ "guid", COLUMN_GUID },
	{ "username", COLUMN_USERNAME },
	{ "msn", COLUMN_IGNORED },
	{ "uid", COLUMN_IGNORED },
	{ "source", COLUMN_IGNORED },
	{ "trouble", COLUMN_IGNORED }
};

struct table_parser {
	pool_t pool;
	enum column columns[COLUMNS_MAX];
	unsigned int column_count;
	bool have_username;
	/* the user of the row before, whose name need not be there twice */
	const char *prev_user;
};

static int parse_columns(struct table_parser *parser,
			 const char *const *fields, const char **error_r)
{
	unsigned int i, seen = 0;

	for (; *fields != NULL; fields++) {
		for (i = 0; i < N_ELEMENTS(column_names); i++) {
			/* doveadm writes "Username" */
			if (strcasecmp(*fields, column_names[i].name) == 0)
				break;
		}
		if (i == N_ELEMENTS(column_names)) {
			*error_r = t_strdup_printf(
				"There is no column \"%s\"; there are uidl, "
				"size, header, message_id, guid and username",
				popinjay_uidl_table_text(*fields));
			return -1;
		}
		if ((seen & (1U << i)) != 0 ||
		    parser->column_count == COLUMNS_MAX) {
			*error_r = t_strdup_printf(
				"The column %s is there twice",
				column_names[i].name);
			return -1;
		}
		seen |= 1U << i;
		parser->columns[parser->column_count++] =
			column_names[i].column;
		if (column_names[i].column == COLUMN_USERNAME)
			parser->have_username = TRUE;
	}
	/* uidl is the first of the names */
	if ((seen & 1U) == 0) {
		*error_r = "The first line names no column uidl";
		return -1;
	}
	return 0;
}

static bool hash_is_valid(const char *hash)
{
	return strlen(hash) == POPINJAY_HEADER_HASH_LEN &&
		strspn(hash, "0123456789abcdef") == POPINJAY_HEADER_HASH_LEN;
}

static int
parse_field(struct table_parser *parser, enum column column, const char *field,
	    struct popinjay_uidl_row *row, const char **error_r)
{
	switch (column) {
	case COLUMN_UIDL:
		row->uidl = p_strdup(parser->pool, field);
		break;
	case COLUMN_SIZE:
		if (*field != '\0' && str_to_uoff(field, &row->size) < 0) {
			*error_r = t_strdup_printf("\"%s\" is not a size",
				popinjay_uidl_table_text(field));
			return -1;
		}
		break;
	case COLUMN_HEADER:
		if (*field != '\0' && !hash_is_valid(field)) {
			*error_r = t_strdup_printf(
				"\"%s\" is no hash of a header",
				popinjay_uidl_table_text(field));
			return -1;
		}
		row->hash = p_strdup_empty(parser->pool, field);
		break;
	case COLUMN_MESSAGE_ID:
		row->message_id = p_strdup_empty(parser->pool, field);
		break;
	case COLUMN_GUID:
		row->guid = p_strdup_empty(parser->pool, field);
		break;
	case COLUMN_USERNAME:
		if (*field == '\0') {
			*error_r = "There is no user";
			return -1;
		}
		if (null_strcmp(parser->prev_user, field) != 0)
			parser->prev_user = p_strdup(parser->pool, field);
		row->user = parser->prev_user;
		break;
	case COLUMN_IGNORED:
		break;
	}
	return 0;
}

static int
parse_row(struct table_parser *parser, const char *const *fields,
	  ARRAY_TYPE(popinjay_uidl_row) *rows, const char **error_r)
{
	struct popinjay_uidl_row *row;
	unsigned int i, count = str_array_length(fields);

	if (count != parser->column_count) {
		*error_r = t_strdup_printf("It has %u columns, not %u", count,
					   parser->column_count);
		return -1;
	}
	row = array_append_space(rows);
	row->size = UOFF_T_MAX;
	for (i = 0; i < count; i++) {
		if (parse_field(parser, parser->columns[i], fields[i], row,
				error_r) < 0)
			return -1;
	}
	if (*row->uidl == '\0') {
		*error_r = "There is no UIDL";
		return -1;
	}
	return 0;
}

static int parse_line(struct table_parser *parser, const char *line,
		      ARRAY_TYPE(popinjay_uidl_row) *rows, const char **error_r)
{
	const char *const *fields;

	/* a UIDL can begin with "#" */
	if (*line == '\0' || (*line == '#' && parser->column_count == 0))
		return 0;
	fields = t_strsplit(line, "\t");
	if (parser->column_count == 0)
		return parse_columns(parser, fields, error_r);
	return parse_row(parser, fields, rows, error_r);
}

static int user_cmp(const char *user1, const char *user2)
{
	/* most often it is the same string */
	return user1 == user2 ? 0 : null_strcmp(user1, user2);
}

/* Order the rows by user; a list that doveadm printed is all but ordered. */
static void rows_sort(ARRAY_TYPE(popinjay_uidl_row) *rows, pool_t pool)
{
	struct popinjay_uidl_row *all, *from, *to, *tmp;
	unsigned int count, width, start, mid, end, i, j, k;
	bool sorted = TRUE;

	all = array_get_modifiable(rows, &count);
	for (i = 1; i < count && sorted; i++)
		sorted = user_cmp(all[i-1].user, all[i].user) <= 0;
	if (sorted)
		return;

	/* qsort() would not keep the order within a user */
	from = all;
	to = tmp = p_new(pool, struct popinjay_uidl_row, count);
	for (width = 1; width < count; width *= 2) {
		for (start = 0; start < count; start += 2 * width) {
			mid = I_MIN(start + width, count);
			end = I_MIN(start + 2 * width, count);
			for (i = start, j = mid, k = start; k < end; k++) {
				if (i < mid && (j == end ||
				    user_cmp(from[i].user, from[j].user) <= 0))
					to[k] = from[i++];
				else
					to[k] = from[j++];
			}
		}
		tmp = from;
		from = to;
		to = tmp;
	}
	if (from != all)
		memcpy(all, from, count * sizeof(*all));
}

int popinjay_uidl_table_parse(const void *_data, size_t size, pool_t pool,
			      ARRAY_TYPE(popinjay_uidl_row) *rows,
			      const char **error_r)
{
	const char *data = _data, *end = data + size, *line_end, *error;
	struct table_parser parser = { .pool = pool };
	unsigned int number = 0;
	size_t len;
	int ret = 0;

	if (memchr(data, '\0', size) != NULL) {
		*error_r = "It has a NUL character in it";
		return -1;
	}
	while (data < end && ret == 0) {
		number++;
		line_end = memchr(data, '\n', end - data);
		len = (line_end == NULL ? end : line_end) - data;
		if (len > POPINJAY_UIDL_TABLE_MAX_LINE) {
			error = "It is too long";
			ret = -1;
		} else T_BEGIN {
			const char *line = len > 0 && data[len-1] == '\r' ?
				t_strndup(data, len - 1) : t_strndup(data, len);

			ret = parse_line(&parser, line, rows, &error);
		} T_END_PASS_STR_IF(ret < 0, &error);
		if (ret < 0) {
			*error_r = t_strdup_printf("Line %u: %s", number,
						   error);
			return -1;
		}
		data = line_end == NULL ? end : line_end + 1;
	}
	if (parser.column_count == 0) {
		*error_r = "There is no line that names the columns";
		return -1;
	}
	if (parser.have_username)
		rows_sort(rows, pool);
	return 0;
}

const struct popinjay_uidl_row *
popinjay_uidl_table_find(const ARRAY_TYPE(popinjay_uidl_row) *_rows,
			 const char *user, unsigned int *count_r)
{
	const struct popinjay_uidl_row *rows;
	unsigned int count, left, right, mid;

	rows = array_get(_rows, &count);
	if (count == 0 || rows[0].user == NULL) {
		*count_r = count;
		return rows;
	}
	/* the first row that is not before user */
	left = 0;
	right = count;
	while (left < right) {
		mid = left + (right - left) / 2;
		if (strcmp(rows[mid].user, user) < 0)
			left = mid + 1;
		else
			right = mid;
	}
	for (right = left; right < count; right++) {
		if (strcmp(rows[right].user, user) != 0)
			break;
	}
	*count_r = right - left;
	return rows + left;
}

static bool is_printable(char chr)
{
	return chr >= 0x20 && chr <= 0x7e;
}

const char *popinjay_uidl_table_value(const char *value)
{
	const char *p;

	if (value == NULL || strlen(value) > POPINJAY_UIDL_TABLE_MAX_LINE / 8)
		return "";
	for (p = value; *p != '\0'; p++) {
		if (!is_printable(*p))
			return "";
	}
	return value;
}

const char *popinjay_uidl_table_clean(const char *text)
{
	char *dest = t_strdup_noconst(text), *p;

	for (p = dest; *p != '\0'; p++) {
		if (!is_printable(*p))
			*p = '?';
	}
	return dest;
}

const char *popinjay_uidl_table_text(const char *text)
{
	const char *dest = popinjay_uidl_table_clean(
		t_strndup(text, TEXT_MAX_CHARS));

	return strlen(text) <= TEXT_MAX_CHARS ? dest :
		t_strconcat(dest, "...", NULL);
}
