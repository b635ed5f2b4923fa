/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the text of popinjay-views. */

#include "lib.h"
#include "array.h"
#include "iso8601-date.h"
#include "str.h"
#include "strnum.h"
#include "time-util.h"
#include "views-private.h"

#define FILE_MAGIC "popinjay-views"
#define FILE_VERSION 1
/* fields of later versions that need not be understood */
#define LATER_PREFIX "x-"

enum field {
	FIELD_UIDVALIDITY,
	FIELD_FLOOR,
	FIELD_SHOWN,
	FIELD_USED,
	FIELD_DOUBTED,
	FIELD_WINDOW,
	FIELD_KEEP,
	FIELD_COUNT
};
#define FIELDS_REQUIRED ((1 << FIELD_UIDVALIDITY) | (1 << FIELD_FLOOR) | \
			 (1 << FIELD_SHOWN))

static const char *const field_names[FIELD_COUNT] = {
	"uidvalidity", "floor", "shown", "used", "doubted", "window",
	"keep"
};

static const char *t_time(time_t time)
{
	return t_strfgmtime("%Y-%m-%dT%H:%M:%SZ", time);
}

static bool parse_time(const char *value, time_t *time_r)
{
	int offset;

	return iso8601_date_parse((const unsigned char *)value, strlen(value),
				  time_r, &offset) &&
		*time_r > 0 && strcmp(t_time(*time_r), value) == 0;
}

static bool parse_uid(const char *value, bool zero, uint32_t *uid_r)
{
	return str_to_uint32(value, uid_r) == 0 && (zero || *uid_r > 0);
}

static bool parse_ranges(const char *value, ARRAY_TYPE(seq_range) *ranges)
{
	struct seq_range range;
	uint32_t prev = 0;

	for (;;) {
		if (str_parse_uint32(value, &range.seq1, &value) < 0)
			return FALSE;
		range.seq2 = range.seq1;
		if (*value == ':' &&
		    str_parse_uint32(value + 1, &range.seq2, &value) < 0)
			return FALSE;
		if (range.seq1 <= prev || range.seq2 < range.seq1)
			return FALSE;
		seq_range_array_add_range(ranges, range.seq1, range.seq2);
		prev = range.seq2;
		if (*value == '\0')
			return TRUE;
		if (*value++ != ',')
			return FALSE;
	}
}

static bool
parse_field(struct popinjay_view *view, enum field field, const char *value)
{
	switch (field) {
	case FIELD_UIDVALIDITY:
		return parse_uid(value, FALSE, &view->uidvalidity);
	case FIELD_FLOOR:
		return parse_uid(value, FALSE, &view->floor);
	case FIELD_SHOWN:
		return parse_uid(value, TRUE, &view->shown_uid);
	case FIELD_USED:
		return parse_time(value, &view->used);
	case FIELD_DOUBTED:
		return parse_time(value, &view->doubted);
	case FIELD_WINDOW:
		return parse_ranges(value, &view->window);
	case FIELD_KEEP:
		return parse_ranges(value, &view->keep);
	case FIELD_COUNT:
		break;
	}
	i_unreached();
}

/* Returns FIELD_COUNT if it is none of ours. */
static enum field find_field(const char *name)
{
	unsigned int i;

	for (i = 0; i < FIELD_COUNT; i++) {
		if (strcmp(field_names[i], name) == 0)
			break;
	}
	return i;
}

/* Returns what is wrong with the words after a view's id, or NULL. */
static const char *
parse_fields(struct popinjay_view *view, const char *const *words,
	     string_t *unknown)
{
	unsigned int seen = 0;
	enum field field;
	const char *value, *name;

	for (; *words != NULL; words++) {
		value = strchr(*words, '=');
		if (value == NULL || value == *words)
			return t_strdup_printf("\"%s\" is no FIELD=VALUE",
					       *words);
		name = t_strdup_until(*words, value);
		field = find_field(name);
		if (field == FIELD_COUNT) {
			if (strncmp(name, LATER_PREFIX,
				    strlen(LATER_PREFIX)) != 0)
				return t_strdup_printf("%s= is unknown", name);
			str_printfa(unknown, " %s", *words);
			continue;
		}
		if ((seen & (1 << field)) != 0)
			return t_strdup_printf("It has two %s=", name);
		seen |= 1 << field;
		if (!parse_field(view, field, value + 1))
			return t_strdup_printf("%s= has no valid value", name);
	}
	for (field = 0; field < FIELD_COUNT; field++) {
		if ((FIELDS_REQUIRED & ~seen & (1 << field)) != 0) {
			return t_strdup_printf("It has no %s=",
					       field_names[field]);
		}
	}
	return NULL;
}

static const char *parse_view(struct popinjay_views *views, const char *line)
{
	const char *const *words = t_strsplit(line, " ");
	struct popinjay_view *view;
	string_t *unknown = t_str_new(64);
	const char *fault;

	if (words[0] == NULL || !popinjay_view_id_is_valid(words[0]))
		return "It does not begin with the id of a view";
	if (popinjay_views_find(views, words[0]) != NULL)
		return t_strdup_printf("The view %s is there already",
				       words[0]);
	view = popinjay_views_add(views, words[0], 0);
	fault = parse_fields(view, words + 1, unknown);
	view->unknown = p_strdup(views->pool, str_c(unknown));
	return fault;
}

static const char *
parse_header(const char *line, unsigned int *count_r)
{
	const char *const *words = t_strsplit(line, " ");
	unsigned int version;

	if (str_array_length(words) >= 2 &&
	    strcmp(words[0], FILE_MAGIC) == 0 &&
	    str_to_uint(words[1], &version) == 0) {
		if (version > FILE_VERSION)
			return "A later version of Popinjay has written it";
		if (version == FILE_VERSION && str_array_length(words) == 3 &&
		    str_to_uint(words[2], count_r) == 0)
			return NULL;
	}
	return "It is not \""FILE_MAGIC" 1 COUNT\"";
}

/* Returns what is wrong, or NULL. */
static const char *
parse_lines(struct popinjay_views *views, const char *data, const char *end)
{
	unsigned int line_num, count = 0;
	const char *lf, *line, *fault = NULL;

	for (line_num = 1; data < end && fault == NULL; line_num++) {
		lf = memchr(data, '\n', end - data);
		if (lf == NULL)
			return t_strdup_printf("Line %u is cut", line_num);
		if (memchr(data, '\0', lf - data) != NULL)
			return t_strdup_printf("Line %u has a NUL", line_num);
		line = t_strdup_until(data, lf);
		fault = line_num == 1 ? parse_header(line, &count) :
			parse_view(views, line);
		if (fault != NULL)
			return t_strdup_printf("Line %u: %s", line_num, fault);
		data = lf + 1;
	}
	if (line_num == 1)
		return "It is empty";
	if (array_count(&views->views) != count) {
		return t_strdup_printf("It has %u views, not %u",
			array_count(&views->views), count);
	}
	return NULL;
}

int popinjay_views_parse(struct popinjay_views *views, const void *data,
			 size_t size, const char **error_r)
{
	i_assert(array_count(&views->views) == 0);

	*error_r = parse_lines(views, data, CONST_PTR_OFFSET(data, size));
	if (*error_r == NULL)
		return 0;
	popinjay_views_clear(views);
	return -1;
}

static void write_time(string_t *dest, enum field field, time_t time)
{
	if (time != 0)
		str_printfa(dest, " %s=%s", field_names[field], t_time(time));
}

static void write_ranges(string_t *dest, enum field field,
			 const ARRAY_TYPE(seq_range) *ranges)
{
	const struct seq_range *range;
	char separator = '=';

	if (array_count(ranges) > 0)
		str_printfa(dest, " %s", field_names[field]);
	array_foreach(ranges, range) {
		str_printfa(dest, "%c%u", separator, range->seq1);
		if (range->seq2 > range->seq1)
			str_printfa(dest, ":%u", range->seq2);
		separator = ',';
	}
}

void popinjay_views_write(const struct popinjay_views *views, string_t *dest)
{
	struct popinjay_view *view;

	str_printfa(dest, FILE_MAGIC" %d %u\n", FILE_VERSION,
		    array_count(&views->views));
	array_foreach_elem(&views->views, view) {
		str_printfa(dest, "%s uidvalidity=%u floor=%u shown=%u",
			    view->id, view->uidvalidity, view->floor,
			    view->shown_uid);
		write_time(dest, FIELD_USED, view->used);
		write_time(dest, FIELD_DOUBTED, view->doubted);
		write_ranges(dest, FIELD_WINDOW, &view->window);
		write_ranges(dest, FIELD_KEEP, &view->keep);
		str_printfa(dest, "%s\n", view->unknown);
	}
}
