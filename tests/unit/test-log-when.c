/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -when: times as people write them. */

#include "lib.h"
#include "log-when.h"

#include <glib.h>
#include <time.h>

/* Sunday, in Berlin's summer time until that day's night */
#define NOW "2024-10-27 14:02:11"

static const struct {
	const char *str;
	/* in local time, or NULL: it is no time, or in the future */
	const char *when;
} cases[] = {
	{ "7d", "2024-10-20 15:02:11" },
	{ "7 d", "2024-10-20 15:02:11" },
	{ "-7d", "2024-10-20 15:02:11" },
	{ "7 days", "2024-10-20 15:02:11" },
	{ "7 days ago", "2024-10-20 15:02:11" },
	{ "1 Day", "2024-10-26 15:02:11" },
	{ "12h", "2024-10-27 02:02:11" },
	{ "90min", "2024-10-27 12:32:11" },
	{ "90 mins", "2024-10-27 12:32:11" },
	{ "1h30m", "2024-10-27 12:32:11" },
	{ "1h 30min", "2024-10-27 12:32:11" },
	{ "2 weeks ago", "2024-10-13 15:02:11" },
	{ "30s", "2024-10-27 14:01:41" },
	{ "0d", "2024-10-27 14:02:11" },
	{ "now", "2024-10-27 14:02:11" },
	{ "today", "2024-10-27 00:00:00" },
	{ "yesterday", "2024-10-26 00:00:00" },
	{ "Yesterday 14:30", "2024-10-26 14:30:00" },
	{ "yesterday at 2pm", "2024-10-26 14:00:00" },
	{ "yesterday noon", "2024-10-26 12:00:00" },
	{ "monday", "2024-10-21 00:00:00" },
	{ "Mon", "2024-10-21 00:00:00" },
	{ "sunday", "2024-10-27 00:00:00" },
	{ "last sunday", "2024-10-20 00:00:00" },
	{ "last saturday 23:59:59", "2024-10-26 23:59:59" },
	{ "14:00", "2024-10-27 14:00:00" },
	{ "2pm", "2024-10-27 14:00:00" },
	{ "12am", "2024-10-27 00:00:00" },
	{ "12:30am", "2024-10-27 00:30:00" },
	{ "23:00", "2024-10-26 23:00:00" },
	{ "2024-02-29", "2024-02-29 00:00:00" },
	{ "2024-02-29 14:30", "2024-02-29 14:30:00" },
	{ "2024-02-29T14:30:59", "2024-02-29 14:30:59" },
	{ "2024-02-29T14:30:59.123456Z", "2024-02-29 15:30:59" },
	{ "2024-02-29T14:30:59+02:00", "2024-02-29 13:30:59" },
	{ "2024-02-29 14:30:59-0500", "2024-02-29 20:30:59" },
	{ "29.2.2024", "2024-02-29 00:00:00" },
	{ "29.02.2024 08:00", "2024-02-29 08:00:00" },
	{ "26.10.", "2024-10-26 00:00:00" },
	{ "29 feb 2024", "2024-02-29 00:00:00" },
	{ "Feb 29, 2024", "2024-02-29 00:00:00" },
	{ "1st march", "2024-03-01 00:00:00" },
	{ "oct 3 8:15", "2024-10-03 08:15:00" },
	{ "24 dec", "2023-12-24 00:00:00" },
	{ "@1709251199", "2024-03-01 00:59:59" },

	{ "", NULL },
	{ " ", NULL },
	{ "x", NULL },
	{ "7", NULL },
	{ "7x", NULL },
	{ "d", NULL },
	{ "ago", NULL },
	{ "at", NULL },
	{ "last", NULL },
	{ "last week", NULL },
	{ "7d yesterday", NULL },
	{ "today yesterday", NULL },
	{ "14:30 15:30", NULL },
	{ "24:00", NULL },
	{ "14:60", NULL },
	{ "13pm", NULL },
	{ "2024-02-30", NULL },
	{ "2023-02-29", NULL },
	{ "2024-13-01", NULL },
	{ "2024-02-29T", NULL },
	{ "2024-02-29 14:30+99:00", NULL },
	{ "2024-02-29 14:30+", NULL },
	{ "10/27/2024", NULL },
	{ "30.2.2024", NULL },
	{ "30 feb", NULL },
	{ "1.2.3.4", NULL },
	{ "@", NULL },
	{ "@-1", NULL },
	{ "@99999999999999999999", NULL },
	{ "2024-10-28", NULL },
	{ "2024-10-27 14:02:12", NULL },
	{ "@1999999999", NULL },
	{ "999999y", NULL },
	{ "100000000d", NULL },
};

static time_t local_time(const char *str)
{
	g_autoptr(GTimeZone) zone = g_time_zone_new_local();
	g_autofree char *iso = g_strdup(str);
	g_autoptr(GDateTime) time = NULL;

	iso[10] = 'T';
	time = g_date_time_new_from_iso8601(iso, zone);
	g_assert_nonnull(time);
	return g_date_time_to_unix(time);
}

static void test_when(const void *data)
{
	unsigned int i = GPOINTER_TO_UINT(data);
	time_t when, now = local_time(NOW);
	const char *error = NULL;
	int ret;

	ret = popinjay_log_when_parse(cases[i].str, now, &when, &error);
	if (cases[i].when == NULL) {
		g_assert_cmpint(ret, ==, -1);
		g_assert_nonnull(error);
	} else {
		g_assert_cmpint(ret, ==, 0);
		g_assert_cmpint(when, ==, local_time(cases[i].when));
	}
}

int main(int argc, char *argv[])
{
	int ret;

	/* the rules themselves, as not every system has the zones' files */
	g_setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", TRUE);
	tzset();
	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < N_ELEMENTS(cases); i++) {
		g_autofree char *path =
			g_strdup_printf("/log-when/%u:%s", i, cases[i].str);

		g_strdelimit(path + strlen("/log-when/"), "/ #", '_');
		g_test_add_data_func(path, GUINT_TO_POINTER(i), test_when);
	}
	ret = g_test_run();
	lib_deinit();
	return ret;
}
