/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: times as people write them. */

#include "lib.h"
#include "utc-mktime.h"
#include "log-when.h"
#include "time-units.h"

#include <ctype.h>
#include <time.h>

/* No log is older. It keeps times within time_t. */
#define AGO_MAX_SECS (INT64_C(100) * 366 * SECS_IN_DAY)

struct when {
	struct tm now;

	bool day_seen, year_seen, time_seen, ago_seen, zone_seen;
	/* "last monday" */
	bool last_seen;
	int year, month, mday;
	int hour, minute, sec;
	int zone_offset_secs;
	int64_t ago_secs;
};

static const char *const weekdays[] = {
	"sunday", "monday", "tuesday", "wednesday", "thursday", "friday",
	"saturday"
};

static const char *const months[] = {
	"january", "february", "march", "april", "may", "june", "july",
	"august", "september", "october", "november", "december"
};

static const struct {
	const char *name;
	int secs;
} units[] = {
	{ "s", 1 }, { "sec", 1 }, { "second", 1 },
	{ "m", SECS_IN_MIN }, { "min", SECS_IN_MIN }, { "minute", SECS_IN_MIN },
	{ "h", SECS_IN_HOUR }, { "hr", SECS_IN_HOUR }, { "hour", SECS_IN_HOUR },
	{ "d", SECS_IN_DAY }, { "day", SECS_IN_DAY },
	{ "w", 7 * SECS_IN_DAY }, { "wk", 7 * SECS_IN_DAY },
	{ "week", 7 * SECS_IN_DAY },
	{ "month", 30 * SECS_IN_DAY },
	{ "y", 365 * SECS_IN_DAY }, { "year", 365 * SECS_IN_DAY }
};

/* Names may be cut to three letters. Returns the index, or -1. */
static int find_name(const char *const *names, unsigned int count,
		     const char *word)
{
	unsigned int i;
	size_t len = strlen(word);

	for (i = 0; i < count && len >= 3; i++) {
		if (strncmp(names[i], word, len) == 0)
			return i;
	}
	return -1;
}

static bool find_unit(const char *word, int *secs_r)
{
	unsigned int i;
	size_t len;

	for (i = 0; i < N_ELEMENTS(units); i++) {
		len = strlen(units[i].name);
		if (strncmp(units[i].name, word, len) == 0 &&
		    (word[len] == '\0' ||
		     (len > 1 && strcmp(word + len, "s") == 0))) {
			*secs_r = units[i].secs;
			return TRUE;
		}
	}
	return FALSE;
}

/* Read a number of min to max digits. Returns FALSE if there is none. */
static bool get_num(const char **p, unsigned int min_digits,
		    unsigned int max_digits, int *num_r)
{
	unsigned int i;

	*num_r = 0;
	for (i = 0; i < max_digits && i_isdigit(**p); i++)
		*num_r = *num_r * 10 + (*(*p)++ - '0');
	return i >= min_digits && !i_isdigit(**p);
}

static bool set_day(struct when *when, int year, int month, int mday)
{
	if (when->day_seen)
		return FALSE;
	when->day_seen = TRUE;
	when->year_seen = year != 0;
	when->year = year;
	when->month = month;
	when->mday = mday;
	return month >= 1 && month <= 12 && mday >= 1 && mday <= 31;
}

static bool set_day_ago(struct when *when, int days)
{
	struct tm tm = when->now;

	tm.tm_mday -= days;
	/* every day has a noon, whatever the time zone */
	tm.tm_hour = 12;
	tm.tm_isdst = -1;
	if (mktime(&tm) == (time_t)-1)
		return FALSE;
	return set_day(when, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static bool set_time(struct when *when, int hour, int minute, int sec)
{
	if (when->time_seen)
		return FALSE;
	when->time_seen = TRUE;
	when->hour = hour;
	when->minute = minute;
	when->sec = sec;
	return hour <= 23 && minute <= 59 && sec <= 59;
}

/* "Z", "+01:00" or "+0100" behind a time of day */
static bool parse_zone(struct when *when, const char *p)
{
	int sign, hours, minutes = 0;

	when->zone_seen = TRUE;
	if (strcmp(p, "z") == 0)
		return TRUE;
	sign = *p++ == '-' ? -1 : 1;
	if (strlen(p) == 4) {
		if (!get_num(&p, 4, 4, &hours))
			return FALSE;
		minutes = hours % 100;
		hours /= 100;
	} else if (!get_num(&p, 2, 2, &hours) || *p++ != ':' ||
		   !get_num(&p, 2, 2, &minutes) || *p != '\0')
		return FALSE;
	when->zone_offset_secs = sign * (hours * 60 + minutes) * 60;
	return hours <= 14 && minutes <= 59;
}

/* "14:30", "14:30:59.123z", "2pm", "2:30pm" */
static bool parse_time(struct when *when, const char *p)
{
	int hour, minute = 0, sec = 0;

	if (!get_num(&p, 1, 2, &hour))
		return FALSE;
	if (*p == ':') {
		p++;
		if (!get_num(&p, 2, 2, &minute))
			return FALSE;
		if (*p == ':') {
			p++;
			if (!get_num(&p, 2, 2, &sec))
				return FALSE;
			if (*p == '.') {
				for (p++; i_isdigit(*p); p++) ;
			}
		}
	} else if (*p != 'a' && *p != 'p')
		return FALSE;
	if (strcmp(p, "am") == 0 || strcmp(p, "pm") == 0) {
		if (hour < 1 || hour > 12)
			return FALSE;
		hour = hour % 12 + (*p == 'p' ? 12 : 0);
	} else if (*p == 'z' || *p == '+' || *p == '-') {
		if (!parse_zone(when, p))
			return FALSE;
	} else if (*p != '\0')
		return FALSE;
	return set_time(when, hour, minute, sec);
}

/* "2024-02-29", maybe with "t14:30" behind it */
static bool parse_iso_day(struct when *when, const char *p)
{
	int year, month, mday;

	if (!get_num(&p, 4, 4, &year) || *p++ != '-' ||
	    !get_num(&p, 1, 2, &month) || *p++ != '-' ||
	    !get_num(&p, 1, 2, &mday) || year < 1970 ||
	    !set_day(when, year, month, mday))
		return FALSE;
	return *p == '\0' || (*p == 't' && parse_time(when, p + 1));
}

/* "29.2." or "29.2.2024" */
static bool parse_dotted_day(struct when *when, const char *p)
{
	int year = 0, month, mday;

	if (!get_num(&p, 1, 2, &mday) || *p++ != '.' ||
	    !get_num(&p, 1, 2, &month))
		return FALSE;
	if (*p == '.')
		p++;
	if (*p != '\0' && (!get_num(&p, 4, 4, &year) || year < 1970))
		return FALSE;
	return *p == '\0' && set_day(when, year, month, mday);
}

/* "29" or "29th" beside the name of a month */
static bool parse_mday(const char *p, int *mday_r)
{
	return get_num(&p, 1, 2, mday_r) &&
		(*p == '\0' || strcmp(p, "st") == 0 || strcmp(p, "nd") == 0 ||
		 strcmp(p, "rd") == 0 || strcmp(p, "th") == 0);
}

/* "7d", "1h30m", or "7" with its unit in the next word. Returns the number of
   words it took, or 0 if it is something else. */
static unsigned int
parse_ago(struct when *when, const char *p, const char *next)
{
	const char *name;
	int64_t secs = 0;
	int num, unit;
	unsigned int words = 1;

	do {
		if (!get_num(&p, 1, 6, &num))
			return 0;
		for (name = p; i_isalpha(*p); p++) ;
		if (p == name && *p == '\0' && next != NULL) {
			name = next;
			words = 2;
		} else
			name = t_strdup_until(name, p);
		if (!find_unit(name, &unit))
			return 0;
		secs += (int64_t)num * unit;
	} while (*p != '\0');
	when->ago_seen = TRUE;
	when->ago_secs += secs;
	return when->ago_secs > AGO_MAX_SECS ? 0 : words;
}

/* Parse a word such as "yesterday". Returns 1, 0 if it cannot be used here, or
   -1 if it is another word. */
static int parse_keyword(struct when *when, const char *word, const char *next)
{
	int wday, days;

	if (strcmp(word, "ago") == 0)
		return when->ago_seen ? 1 : 0;
	if (strcmp(word, "at") == 0)
		return next != NULL ? 1 : 0;
	if (strcmp(word, "last") == 0) {
		when->last_seen = TRUE;
		return next != NULL && find_name(weekdays, 7, next) >= 0;
	}
	if (strcmp(word, "now") == 0) {
		when->ago_seen = TRUE;
		return 1;
	}
	if (strcmp(word, "today") == 0)
		return set_day_ago(when, 0) ? 1 : 0;
	if (strcmp(word, "yesterday") == 0)
		return set_day_ago(when, 1) ? 1 : 0;
	if (strcmp(word, "midnight") == 0)
		return set_time(when, 0, 0, 0) ? 1 : 0;
	if (strcmp(word, "noon") == 0)
		return set_time(when, 12, 0, 0) ? 1 : 0;
	wday = find_name(weekdays, 7, word);
	if (wday < 0)
		return -1;
	days = (when->now.tm_wday - wday + 7) % 7;
	if (days == 0 && when->last_seen)
		days = 7;
	return set_day_ago(when, days) ? 1 : 0;
}

/* "29 feb", "29 feb 2024" or "feb 29 2024". Returns the number of words it
   took, 0 if no day can be used here, or -1 if it is something else. */
static int parse_named_day(struct when *when, const char *const *words)
{
	const char *p;
	int month, mday, year = 0;

	if (words[1] == NULL)
		return -1;
	month = find_name(months, 12, words[0]) + 1;
	if (month == 0 || !parse_mday(words[1], &mday)) {
		month = find_name(months, 12, words[1]) + 1;
		if (month == 0 || !parse_mday(words[0], &mday))
			return -1;
	}
	p = words[2];
	if (p != NULL && get_num(&p, 4, 4, &year) && *p == '\0')
		return set_day(when, year, month, mday) ? 3 : 0;
	return set_day(when, 0, month, mday) ? 2 : 0;
}

/* Returns the number of words it took, 0 if the first is not part of a time. */
static unsigned int parse_words(struct when *when, const char *const *words)
{
	const char *word = words[0];
	int count;

	count = parse_keyword(when, word, words[1]);
	if (count < 0)
		count = parse_named_day(when, words);
	if (count >= 0)
		return count;
	if (strchr(word, '-') == word + 4)
		return parse_iso_day(when, word) ? 1 : 0;
	if (strchr(word, ':') != NULL)
		return parse_time(when, word) ? 1 : 0;
	if (strchr(word, '.') != NULL)
		return parse_dotted_day(when, word) ? 1 : 0;
	count = parse_ago(when, *word == '-' ? word + 1 : word, words[1]);
	if (count > 0)
		return count;
	return parse_time(when, word) ? 1 : 0;
}

static bool when_to_time(struct when *when, time_t *when_r)
{
	struct tm tm;
	int mday = when->mday;

	i_zero(&tm);
	tm.tm_year = when->year - 1900;
	tm.tm_mon = when->month - 1;
	tm.tm_mday = mday;
	tm.tm_hour = when->hour;
	tm.tm_min = when->minute;
	tm.tm_sec = when->sec;
	tm.tm_isdst = -1;
	if (when->zone_seen) {
		*when_r = utc_mktime(&tm);
		if (*when_r == (time_t)-1)
			return FALSE;
		*when_r -= when->zone_offset_secs;
	} else {
		*when_r = mktime(&tm);
		if (*when_r == (time_t)-1)
			return FALSE;
	}
	/* mktime() makes 1 March of 30 February */
	return tm.tm_mday == mday;
}

/* "14:30" and "29 feb" mean the last one. */
static bool when_finish(struct when *when, time_t now, time_t *when_r)
{
	bool year_seen = when->year_seen;

	if (!when->day_seen) {
		if (!set_day_ago(when, 0) || !when_to_time(when, when_r))
			return FALSE;
		if (*when_r <= now)
			return TRUE;
		when->day_seen = FALSE;
		return set_day_ago(when, 1) && when_to_time(when, when_r);
	}
	if (year_seen)
		return when_to_time(when, when_r);
	when->year = when->now.tm_year + 1900;
	if (when_to_time(when, when_r) && *when_r <= now)
		return TRUE;
	when->year--;
	return when_to_time(when, when_r);
}

static int when_parse(struct when *when, const char *str, time_t now,
		      time_t *when_r)
{
	const char *const *words;
	unsigned int count;
	int64_t secs;

	if (*str == '@') {
		if (str_to_int64(str + 1, &secs) < 0 || secs < 0)
			return -1;
		*when_r = secs;
		return 0;
	}
	words = t_strsplit_spaces(t_str_lcase(str), " ,");
	if (*words == NULL)
		return -1;
	for (; *words != NULL; words += count) {
		count = parse_words(when, words);
		if (count == 0)
			return -1;
	}
	if (when->ago_seen) {
		*when_r = now - when->ago_secs;
		return when->day_seen || when->time_seen ? -1 : 0;
	}
	return when_finish(when, now, when_r) ? 0 : -1;
}

int popinjay_log_when_parse(const char *str, time_t now, time_t *when_r,
			    const char **error_r)
{
	struct when when;

	i_zero(&when);
	when.now = *localtime(&now);
	if (when_parse(&when, str, now, when_r) < 0) {
		*error_r = t_strdup_printf("'%s' is not a valid time: "
					   POPINJAY_LOG_WHEN_HELP, str);
		return -1;
	}
	if (*when_r > now) {
		*error_r = t_strdup_printf("'%s' is in the future", str);
		return -1;
	}
	return 0;
}
