/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_WHEN_H
#define POPINJAY_LOG_WHEN_H

/* What popinjay_log_when_parse() accepts, for people. */
#define POPINJAY_LOG_WHEN_HELP \
	"use a time such as 7d, \"2 weeks ago\", yesterday, monday, 14:30, " \
	"2024-02-29 or \"2024-02-29 14:30\""

/* Parse a time in the past as people write it, in local time unless it has Z or
   an offset: a time ago (90min, 12h, 7d, 2 weeks ago), a day (today, yesterday,
   monday, last monday, 2024-02-29, 29.2.2024, 29 feb), a time of day (14:30,
   14:30:59, 2pm), a day and a time of day (yesterday 14:30,
   2024-02-29T14:30:00Z), or @ and seconds since 1970. A day begins at midnight.
   A weekday, a day without a year or a time without a day is the last one that
   is not after now. Returns 0, or -1 with the reason in error_r, also if the
   time is after now. */
int popinjay_log_when_parse(const char *str, time_t now, time_t *when_r,
			    const char **error_r);

#endif
