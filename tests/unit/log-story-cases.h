/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LOG_STORY_CASES_H
#define LOG_STORY_CASES_H

/* Records of the access log as text, and what is to be told of them. */

#include "lib.h"
#include "array.h"
#include "log-story.h"

#include <glib.h>
#include <time.h>

#define LINES_MAX 20

/* Of 2024-02-29: the time, the event without "popinjay_" and "_finished", the
   session, its record's number, and the rest. All is alice's. */
#define R(time, event, session, number, rest) \
	"{\"event\":\"popinjay_" event "_finished\"," \
	"\"time\":\"2024-02-29T" time "Z\",\"session\":\"" session "\"," \
	"\"record\":" #number ",\"user\":\"alice\"," \
	"\"remote_ip\":\"198.51.100.7\"," rest "}"
#define PRINTER "\"mechanism\":\"APOP\",\"secret_label\":\"office printer\""
#define PHONE "\"mechanism\":\"PLAIN\""
#define MESSAGE(n) "\"uid\":" #n ",\"guid\":\"g" #n "\",\"size\":850"
#define NAMED(n) MESSAGE(n) ",\"uidl\":\"u" #n "\",\"message_id\":" \
	"\"<m" #n "@example.org>\""
#define RETR(who, message) who ",\"action\":\"retr\",\"complete\":true," \
	"\"bytes\":869," message
#define CUT(who, by, message) who ",\"action\":\"retr\"," \
	"\"complete\":false,\"cut_by\":\"" by "\",\"bytes\":400," message
#define UNREAD(who, message) who ",\"action\":\"retr\"," \
	"\"complete\":false,\"cut_by\":\"storage\",\"bytes\":0," message
#define TOP(who, lines, message) who ",\"action\":\"top\"," \
	"\"complete\":true,\"bytes\":40,\"lines\":" #lines "," message
#define DELE(who, message) who ",\"action\":\"dele\"," message
#define EXPUNGE(who, message) who ",\"action\":\"expunge\"," message
#define END(who, end) who ",\"end\":\"" end "\",\"messages\":3"
#define REFUSED(reason) "\"mechanism\":\"PLAIN\",\"result\":\"refused\"," \
	"\"reason\":\"" reason "\""

struct story_case {
	const char *path;
	/* one of them, or neither */
	const char *uidl, *message_id;
	const char *records[LINES_MAX];
	/* "HH:MM text", the newest first; then, after "--", notes */
	const char *told[LINES_MAX];
};

static void
add(struct popinjay_log_story *story, const char *line)
{
	struct popinjay_log_record record;

	g_assert_cmpint(popinjay_log_line_read((const void *)line,
					       strlen(line), &record), ==,
			POPINJAY_LOG_LINE_RECORD);
	popinjay_log_story_add(story, &record);
}

static char *told(const struct popinjay_log_story_result *result)
{
	const struct popinjay_log_story_line *line;
	GString *str = g_string_new(NULL);
	const char *note;

	array_foreach(&result->lines, line) {
		time_t time = line->usecs / 1000000;
		struct tm *tm = gmtime(&time);

		g_string_append_printf(str, "%02d:%02d %s\n", tm->tm_hour,
				       tm->tm_min, line->text);
		for (const char *const *p = line->details;
		     p != NULL && *p != NULL; p++)
			g_string_append_printf(str, "- %s\n", *p);
	}
	if (array_count(&result->notes) > 0)
		g_string_append(str, "--\n");
	array_foreach_elem(&result->notes, note)
		g_string_append_printf(str, "%s\n", note);
	return g_string_free(str, FALSE);
}

static void tell(const struct popinjay_log_story_settings *set,
		 const char *const *records, const char *const *expected)
{
	struct popinjay_log_story *story = popinjay_log_story_init(set);
	pool_t pool = pool_alloconly_create("test", 4096);
	g_autofree char *text = NULL;
	g_autoptr(GString) want = g_string_new(NULL);

	for (unsigned int i = 0; i < LINES_MAX && records[i] != NULL; i++)
		add(story, records[i]);
	text = told(popinjay_log_story_tell(story, pool));
	for (unsigned int i = 0; i < LINES_MAX && expected[i] != NULL; i++)
		g_string_append_printf(want, "%s\n", expected[i]);
	g_assert_cmpstr(text, ==, want->str);
	popinjay_log_story_deinit(&story);
	pool_unref(&pool);
}

static void test_story(const void *data)
{
	const struct story_case *c = data;
	const struct popinjay_log_story_settings set = {
		.user = "alice", .uidl = c->uidl, .message_id = c->message_id
	};

	tell(&set, c->records, c->told);
}

#endif
