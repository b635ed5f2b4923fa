/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: a report as an HTML page. The files of page/ are in it. */

#include "lib.h"
#include "array.h"
#include "base64.h"
#include "sha2.h"
#include "str.h"
#include "log-page.h"
#include "log-page-data.h"
#include "log-text.h"

static void append_html(string_t *page, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			str_append(page, "&amp;");
			break;
		case '<':
			str_append(page, "&lt;");
			break;
		case '>':
			str_append(page, "&gt;");
			break;
		case '"':
			str_append(page, "&quot;");
			break;
		case '\'':
			str_append(page, "&#39;");
			break;
		default:
			str_append_c(page, *text);
		}
	}
}

/* JSON within <script>: a string must not end the script. Texts have no control
   characters. */
static void append_json_str(string_t *page, const char *text)
{
	str_append_c(page, '"');
	for (; *text != '\0'; text++) {
		if (strchr("\"\\<>&'", *text) != NULL)
			str_printfa(page, "\\u%04x", *text);
		else
			str_append_c(page, *text);
	}
	str_append_c(page, '"');
}

static void append_file(string_t *page, const struct popinjay_page_file *file)
{
	str_append_data(page, file->data, file->size);
}

/* Allow the browser to run or apply exactly this text. */
static void append_source(string_t *page,
			  const struct popinjay_page_file *file)
{
	unsigned char digest[SHA256_RESULTLEN];

	sha256_get_digest(file->data, file->size, digest);
	str_append(page, " 'sha256-");
	base64_encode(digest, sizeof(digest), page);
	str_append_c(page, '\'');
}

/* Popinjay can be built without Chart.js: then no script is in the page. */
static bool has_charts(void)
{
	return popinjay_page_library.size > 0;
}

static void append_head(string_t *page, const char *title)
{
	str_append(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
		   "<meta charset=\"utf-8\">\n"
		   "<meta http-equiv=\"Content-Security-Policy\" content=\""
		   "default-src 'none'; base-uri 'none'; form-action 'none'; "
		   "img-src data:; style-src");
	append_source(page, &popinjay_page_style);
	if (has_charts()) {
		str_append(page, "; script-src");
		append_source(page, &popinjay_page_library);
		append_source(page, &popinjay_page_script);
	}
	str_append(page, "\">\n<meta name=\"viewport\" "
		   "content=\"width=device-width, initial-scale=1\">\n"
		   "<meta name=\"referrer\" content=\"no-referrer\">\n"
		   "<meta name=\"color-scheme\" content=\"light dark\">\n"
		   "<link rel=\"icon\" href=\"data:,\">\n<title>");
	append_html(page, title);
	str_append(page, "</title>\n<style>");
	append_file(page, &popinjay_page_style);
	str_append(page, "</style>\n</head>\n");
}

/* --- tables --- */

static const char *
cell_text(const struct popinjay_log_row *row, enum popinjay_log_column column)
{
	if (POPINJAY_LOG_COLUMN_IS_TEXT(column))
		return row->text[column] == NULL ? "" : row->text[column];
	if (column == POPINJAY_LOG_COLUMN_BYTES)
		return popinjay_log_text_bytes(row->num[column]);
	return t_strdup_printf("%"PRIu64, row->num[column]);
}

static const char *cell_class(enum popinjay_log_column column)
{
	return POPINJAY_LOG_COLUMN_IS_TEXT(column) ? "" : " class=\"num\"";
}

static void
append_table(string_t *page, const struct popinjay_log_section *section)
{
	const struct popinjay_log_row *row;
	enum popinjay_log_column c;

	str_append(page, "<div class=\"scroll\"><table>\n<thead><tr>");
	for (c = 0; c < POPINJAY_LOG_COLUMNS; c++) {
		if (section->columns[c] == NULL)
			continue;
		str_printfa(page, "<th scope=\"col\"%s>", cell_class(c));
		append_html(page, section->columns[c]);
		str_append(page, "</th>");
	}
	str_append(page, "</tr></thead>\n<tbody>\n");
	array_foreach(&section->rows, row) {
		str_append(page, "<tr>");
		for (c = 0; c < POPINJAY_LOG_COLUMNS; c++) {
			if (section->columns[c] == NULL)
				continue;
			str_printfa(page, "<td%s data-label=\"",
				    cell_class(c));
			append_html(page, section->columns[c]);
			str_append(page, "\">");
			append_html(page, cell_text(row, c));
			str_append(page, "</td>");
		}
		str_append(page, "</tr>\n");
	}
	str_append(page, "</tbody>\n</table></div>\n");
}

static void
append_summary(string_t *page, const struct popinjay_log_section *section)
{
	const struct popinjay_log_row *row;
	const char *name;
	uint64_t num;

	str_append(page, "<dl class=\"summary\">\n");
	array_foreach(&section->rows, row) {
		name = row->text[POPINJAY_LOG_COLUMN_NAME];
		num = row->num[POPINJAY_LOG_COLUMN_COUNT];
		str_append(page, "<div><dt>");
		append_html(page, name);
		str_append(page, "</dt><dd>");
		append_html(page, strcmp(name, "bytes sent") == 0 ?
			    popinjay_log_text_bytes(num) :
			    t_strdup_printf("%"PRIu64, num));
		str_append(page, "</dd></div>\n");
	}
	str_append(page, "</dl>\n");
}

/* Many rows of times are for the chart; who wants the numbers opens them. */
static void
append_section(string_t *page, const struct popinjay_log_section *section)
{
	bool folded = has_charts() && strcmp(section->id, "times") == 0;

	str_printfa(page, "<section id=\"%s\">\n<h2>", section->id);
	append_html(page, section->title);
	str_append(page, "</h2>\n");
	if (section->note != NULL) {
		str_append(page, "<p>");
		append_html(page, section->note);
		str_append(page, "</p>\n");
	}
	if (has_charts())
		str_append(page, "<div class=\"charts\"></div>\n");
	if (folded)
		str_append(page, "<details><summary>Numbers</summary>\n");
	append_table(page, section);
	if (folded)
		str_append(page, "</details>\n");
	str_append(page, "</section>\n");
}

/* --- data for the charts --- */

static void
append_data(string_t *page, const ARRAY_TYPE(popinjay_log_section) *sections)
{
	static const char *const names[POPINJAY_LOG_COLUMNS] = {
		"name", "address", "sessions", "messages", "bytes", "count",
		"seconds", "detail"
	};
	const struct popinjay_log_section *section;
	const struct popinjay_log_row *row;
	enum popinjay_log_column c;

	str_append(page, "<script type=\"application/json\" id=\"data\">{");
	array_foreach(sections, section) {
		if (section != array_front(sections))
			str_append_c(page, ',');
		append_json_str(page, section->id);
		str_append(page, ":[");
		array_foreach(&section->rows, row) {
			str_append(page, row == array_front(&section->rows) ?
				   "{" : ",{");
			for (c = 0; c < POPINJAY_LOG_COLUMNS; c++) {
				str_printfa(page, "%s\"%s\":", c == 0 ? "" :
					    ",", names[c]);
				if (POPINJAY_LOG_COLUMN_IS_TEXT(c))
					append_json_str(page,
							cell_text(row, c));
				else
					str_printfa(page, "%"PRIu64,
						    row->num[c]);
			}
			str_append_c(page, '}');
		}
		str_append_c(page, ']');
	}
	str_append(page, "}</script>\n");
}

void popinjay_log_page_append(string_t *page,
	const ARRAY_TYPE(popinjay_log_section) *sections, const char *title,
	const char *coverage)
{
	const struct popinjay_log_section *section;

	append_head(page, title);
	str_append(page, "<body>\n<main>\n<h1>");
	append_html(page, title);
	str_append(page, "</h1>\n<p>");
	append_html(page, coverage);
	str_append(page, "</p>\n");
	array_foreach(sections, section) T_BEGIN {
		if (strcmp(section->id, "summary") == 0)
			append_summary(page, section);
		else if (array_count(&section->rows) > 0)
			append_section(page, section);
	} T_END;
	str_append(page, "</main>\n");
	if (has_charts()) {
		append_data(page, sections);
		str_append(page, "<script>");
		append_file(page, &popinjay_page_library);
		str_append(page, "</script>\n<script>");
		append_file(page, &popinjay_page_script);
		str_append(page, "</script>\n");
	}
	str_append(page, "</body>\n</html>\n");
}
