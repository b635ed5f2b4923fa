/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_PAGE_H
#define POPINJAY_LOG_PAGE_H

#include "log-report.h"

/* Append a report as one self-contained HTML page: tables, and charts of them
   if the browser runs scripts. Only the page's own scripts run, and nothing is
   fetched from a server, whatever names are in the report. */
void popinjay_log_page_append(string_t *page,
	const ARRAY_TYPE(popinjay_log_section) *sections, const char *title,
	const char *coverage);

#endif
