/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_REPORT_H
#define POPINJAY_LOG_REPORT_H

#include "log-line.h"

/* What an operator wants to know of the records of a time: sections, each a
   table.

   So many users, so many addresses and so many pairs of them are counted one
   by one. When there are more, those with the least go, and each of the others
   may have lost a few before it had many. That bounds the memory to about
   100 MB, however long the log is and whoever writes names into it. */
#define POPINJAY_LOG_REPORT_NAMES_MAX 65536

/* Sessions that begin sooner after the one before, of the same user at the
   same address, are polls too often, by default. */
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
	/* of the columns that are texts, may be NULL; none has a control
	   character, and all are valid UTF-8 */
	const char *text[POPINJAY_LOG_COLUMNS];
	uint64_t num[POPINJAY_LOG_COLUMNS];
};
ARRAY_DEFINE_TYPE(popinjay_log_row, struct popinjay_log_row);

struct popinjay_log_section {
	/* a name for programs, a heading and, if not NULL, a sentence for
	   people */
	const char *id, *title, *note;
	/* heading of each column, NULL if there is no such column here */
	const char *columns[POPINJAY_LOG_COLUMNS];
	ARRAY_TYPE(popinjay_log_row) rows;
};
ARRAY_DEFINE_TYPE(popinjay_log_section, struct popinjay_log_section);

struct popinjay_log_report_settings {
	/* records before and after these are not counted */
	uint64_t since_usecs, until_usecs;
	/* see POPINJAY_LOG_REPORT_POLL_SECS */
	unsigned int poll_secs;
	/* rows of a section at most, but for times */
	unsigned int top;
};

/* Returns an empty report. */
struct popinjay_log_report *
popinjay_log_report_init(const struct popinjay_log_report_settings *set);
/* Frees the report. */
void popinjay_log_report_deinit(struct popinjay_log_report **report);

/* Count a record. They have to come roughly in the order of their times. */
void popinjay_log_report_add(struct popinjay_log_report *report,
			     const struct popinjay_log_record *record);

/* Returns all sections, in their order, from pool. One with no rows has
   nothing to tell. */
const ARRAY_TYPE(popinjay_log_section) *
popinjay_log_report_sections(struct popinjay_log_report *report, pool_t pool);

#endif
