/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm/log-page of a build without Chart.js: the whole report, and no
   script. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "log-page.h"
#include "log-page-data.h"

#include <glib.h>

const struct popinjay_page_file popinjay_page_style = {
	(const unsigned char *)"p{}", 3
};
const struct popinjay_page_file popinjay_page_library = {
	(const unsigned char *)"", 0
};
const struct popinjay_page_file popinjay_page_script = {
	(const unsigned char *)"draw()", 6
};

static void test_plain(void)
{
	ARRAY_TYPE(popinjay_log_section) sections;
	struct popinjay_log_section *section;
	struct popinjay_log_row *row;
	string_t *page;

	t_array_init(&sections, 1);
	section = array_append_space(&sections);
	section->id = "times";
	section->title = "When";
	section->columns[POPINJAY_LOG_COLUMN_NAME] = "hour";
	t_array_init(&section->rows, 1);
	row = array_append_space(&section->rows);
	row->text[POPINJAY_LOG_COLUMN_NAME] = "2024-02-29 14:00";

	page = t_str_new(4096);
	popinjay_log_page_append(page, &sections, "Report", "All of it.");
	g_assert_nonnull(strstr(str_c(page), ">2024-02-29 14:00</td>"));
	g_assert_nonnull(strstr(str_c(page), "<style>p{}</style>"));
	g_assert_nonnull(strstr(str_c(page), "default-src 'none'"));
	g_assert_null(strstr(str_c(page), "script"));
	g_assert_null(strstr(str_c(page), "class=\"charts\""));
	/* nothing else shows the times */
	g_assert_null(strstr(str_c(page), "<details>"));
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log-page/plain", test_plain);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
