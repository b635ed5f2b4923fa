/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_REPORT_H
#define POPINJAY_LOG_REPORT_H

#include "log-line.h"

/* What an operator wants to know about the records of a period: sections, each
   of which is a table. Up to this many users, addresses and pairs of both are
   counted one by one. If there are more, those with the lowest counts are
   dropped, so the counts of others may be slightly too low. This limits the
   memory to about 100 MB, however long the log is and whoever writes names into
   it. */
#define POPINJAY_LOG_REPORT_NAMES_MAX 65536

/* By default a session polls too often if it begins less than this after the
   previous one of the same user at the same address. */
#define POPINJAY_LOG_REPORT_POLL_SECS 60

enum popinjay_log_column {
	/* text of the row */
	POPINJAY_LOG_COLUMN_NAME,
	POPINJAY_LOG_COLUMN_ADDRESS,
	/* numbers */
	POPINJAY_LOG_COLUMN_SESSIONS,
	POPINJAY_LOG_COLUMN_MESSAGES,
	POPINJAY_LOG_COLUMN_BYTES,
	POPINJAY_LOG_COLUMN_COUNT,
	POPINJAY_LOG_COLUMN_SECS,
	/* text again */
	POPINJAY_LOG_COLUMN_DETAIL,

	POPINJAY_LOG_COLUMNS
};
#define POPINJAY_LOG_COLUMN_IS_TEXT(column) \
	((column) <= POPINJAY_LOG_COLUMN_ADDRESS || \
	 (column) == POPINJAY_LOG_COLUMN_DETAIL)

struct popinjay_log_row {
	/* for columns of text; may be NULL; valid UTF-8 without control
	   characters */
	const char *text[POPINJAY_LOG_COLUMNS];
	uint64_t num[POPINJAY_LOG_COLUMNS];
};
ARRAY_DEFINE_TYPE(popinjay_log_row, struct popinjay_log_row);

struct popinjay_log_section {
	/* a name for programs, a heading and, if not NULL, a sentence for
	   people */
	const char *id, *title, *note;
	/* the heading of each column, NULL if the section does not have it */
	const char *columns[POPINJAY_LOG_COLUMNS];
	ARRAY_TYPE(popinjay_log_row) rows;
};
ARRAY_DEFINE_TYPE(popinjay_log_section, struct popinjay_log_section);

struct popinjay_log_report_settings {
	/* count only records from the first up to the second */
	uint64_t since_usecs, until_usecs;
	/* see POPINJAY_LOG_REPORT_POLL_SECS */
	unsigned int poll_secs;
	/* the most rows of a section other than times */
	unsigned int top;
};

/* Returns an empty report. */
struct popinjay_log_report *
popinjay_log_report_init(const struct popinjay_log_report_settings *set);
/* Frees the report. */
void popinjay_log_report_deinit(struct popinjay_log_report **report);

/* Count a record. Records must come roughly in the order of their times. */
void popinjay_log_report_add(struct popinjay_log_report *report,
			     const struct popinjay_log_record *record);

/* Returns all sections in their order, from pool. Sections may have no rows. */
const ARRAY_TYPE(popinjay_log_section) *
popinjay_log_report_sections(struct popinjay_log_report *report, pool_t pool);

#endif
