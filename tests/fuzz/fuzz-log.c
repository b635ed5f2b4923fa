/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target for what reads the access log: each input is the text of
   a log. tests/fuzz/run builds and runs it. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "log-report.h"
#include "log-story.h"
#include "log-text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
read_lines(const unsigned char *data, size_t size,
	   struct popinjay_log_report *report,
	   struct popinjay_log_story *const *stories)
{
	const unsigned char *end = data + size, *lf;
	struct popinjay_log_record record;
	unsigned int i;

	for (; data < end; data = lf + 1) {
		lf = memchr(data, '\n', end - data);
		if (lf == NULL)
			lf = end;
		if (popinjay_log_line_read(data, lf - data, &record) !=
		    POPINJAY_LOG_LINE_RECORD)
			continue;
		popinjay_log_report_add(report, &record);
		for (i = 0; i < 3; i++)
			popinjay_log_story_add(stories[i], &record);
	}
}

/* What is printed has no control characters and is valid UTF-8. */
static void check_text(const char *text)
{
	T_BEGIN {
		i_assert(text == NULL || strcmp(text, popinjay_log_text_clean(
				pool_datastack_create(), text)) == 0);
	} T_END;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const struct popinjay_log_report_settings report_set = {
		.until_usecs = UINT64_MAX, .poll_secs = 60, .top = 5
	};
	static const struct popinjay_log_story_settings story_sets[] = {
		{ .user = "a" }, { .user = "a", .uidl = "u" },
		{ .user = "a", .message_id = "<m>", .user_hash = "hmac:00" }
	};
	static bool initialized = FALSE;
	const struct popinjay_log_section *section;
	const struct popinjay_log_story_line *line;
	const struct popinjay_log_row *row;
	struct popinjay_log_report *report;
	struct popinjay_log_story *stories[3];
	unsigned int i;
	pool_t pool;

	if (!initialized) {
		lib_init();
		initialized = TRUE;
	}
	pool = pool_alloconly_create("fuzz", 4096);
	report = popinjay_log_report_init(&report_set);
	for (i = 0; i < 3; i++)
		stories[i] = popinjay_log_story_init(&story_sets[i]);
	read_lines(data, size, report, stories);
	array_foreach(popinjay_log_report_sections(report, pool), section) {
		array_foreach(&section->rows, row) {
			for (i = 0; i < POPINJAY_LOG_COLUMNS; i++)
				check_text(row->text[i]);
		}
	}
	for (i = 0; i < 3; i++) {
		array_foreach(&popinjay_log_story_tell(stories[i],
						       pool)->lines, line) {
			check_text(line->text);
			check_text(line->label);
			check_text(line->uidl);
		}
		popinjay_log_story_deinit(&stories[i]);
	}
	popinjay_log_report_deinit(&report);
	pool_unref(&pool);
	return 0;
}
