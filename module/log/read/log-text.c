/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: words and numbers for people. */

#include "lib.h"
#include "str.h"
#include "unichar.h"
#include "log-text.h"
#include "time-units.h"

static bool is_clean(unichar_t chr)
{
	/* controls; marks, embeddings and isolates of bidirectional text;
	   line and paragraph separators */
	return chr >= 0x20 && !(chr >= 0x7f && chr < 0xa0) &&
		chr != 0x200e && chr != 0x200f && chr != 0x061c &&
		!(chr >= 0x2028 && chr <= 0x202e) &&
		!(chr >= 0x2066 && chr <= 0x2069);
}

const char *popinjay_log_text_clean(pool_t pool, const char *str)
{
	size_t left = strlen(str);
	string_t *dest = str_new(pool, left + 1);
	unichar_t chr;
	int bytes;

	while (left > 0) {
		bytes = uni_utf8_get_char_n(str, left, &chr);
		if (bytes <= 0) {
			chr = UNICODE_REPLACEMENT_CHAR;
			bytes = 1;
		}
		uni_ucs4_to_utf8_c(is_clean(chr) ? chr :
				   UNICODE_REPLACEMENT_CHAR, dest);
		str += bytes;
		left -= bytes;
	}
	return str_c(dest);
}

const char *popinjay_log_text_bytes(uint64_t bytes)
{
	static const char *const units[] = {
		"kB", "MB", "GB", "TB", "PB", "EB"
	};
	unsigned int unit = 0;
	uint64_t tenths;

	if (bytes < 1000)
		return popinjay_log_text_count(bytes, "byte");
	tenths = bytes / 100;
	while (tenths >= 10000) {
		tenths /= 1000;
		unit++;
	}
	if (tenths >= 100)
		return t_strdup_printf("%"PRIu64" %s", tenths / 10,
				       units[unit]);
	return t_strdup_printf("%"PRIu64".%"PRIu64" %s", tenths / 10,
			       tenths % 10, units[unit]);
}

const char *popinjay_log_text_duration(uint64_t secs)
{
	if (secs < 90)
		return t_strdup_printf("%"PRIu64" s", secs);
	if (secs < 90 * SECS_IN_MIN) {
		return t_strdup_printf("%"PRIu64" min",
			(secs + SECS_IN_MIN / 2) / SECS_IN_MIN);
	}
	if (secs < 36 * SECS_IN_HOUR) {
		return popinjay_log_text_count(
			(secs + SECS_IN_HOUR / 2) / SECS_IN_HOUR, "hour");
	}
	return popinjay_log_text_count((secs + SECS_IN_DAY / 2) / SECS_IN_DAY,
				       "day");
}

const char *popinjay_log_text_count(uint64_t count, const char *noun)
{
	return t_strdup_printf("%"PRIu64" %s%s", count, noun,
			       count == 1 ? "" : "s");
}
