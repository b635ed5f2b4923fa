/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of the fields of records, the JSON Schema and the manual page say
   the same. */

#include "lib.h"
#include "cases.h"
#include "log-fields.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <string.h>

#define SCHEMA_FILE POPINJAY_SRCDIR "/doc/popinjay-log.schema.json"
#define MAN_PAGE_FILE POPINJAY_SRCDIR "/doc/popinjay-log.7"
#define REF_PREFIX "#/definitions/"

#define KINDS_OF_MESSAGES (POPINJAY_RECORD_RETR | POPINJAY_RECORD_TOP | \
	POPINJAY_RECORD_DELE | POPINJAY_RECORD_EXPUNGE)

static const struct schema_case {
	/* a definition of the schema, and the kinds of records it is for */
	const char *path, *event;
	unsigned int kinds;
} schema_cases[] = {
	{ "session", POPINJAY_LOG_SESSION_FINISHED, POPINJAY_RECORD_SESSION },
	{ "retrieved", POPINJAY_LOG_MESSAGE_FINISHED,
	  POPINJAY_RECORD_RETR | POPINJAY_RECORD_TOP },
	{ "deleted", POPINJAY_LOG_MESSAGE_FINISHED,
	  POPINJAY_RECORD_DELE | POPINJAY_RECORD_EXPUNGE },
	{ "command", POPINJAY_LOG_COMMAND_FINISHED, POPINJAY_RECORD_COMMAND },
	{ "login", POPINJAY_LOG_LOGIN_FINISHED, POPINJAY_RECORD_LOGIN }
};

static const struct man_case {
	/* the event whose section it is, and the kinds of records of it */
	const char *path;
	unsigned int kinds;
} man_cases[] = {
	{ POPINJAY_LOG_SESSION_FINISHED, POPINJAY_RECORD_SESSION },
	{ POPINJAY_LOG_MESSAGE_FINISHED, KINDS_OF_MESSAGES },
	{ POPINJAY_LOG_COMMAND_FINISHED, POPINJAY_RECORD_COMMAND },
	{ POPINJAY_LOG_LOGIN_FINISHED, POPINJAY_RECORD_LOGIN }
};

static char *read_file(const char *path)
{
	g_autoptr(GError) error = NULL;
	char *text;

	if (!g_file_get_contents(path, &text, NULL, &error))
		g_error("%s", error->message);
	return text;
}

/* --- the schema --- */

/* What a property stands for, and the name of its definition or NULL. */
static JsonObject *
follow(JsonObject *definitions, JsonObject *property, const char **name_r)
{
	const char *ref;

	*name_r = NULL;
	if (!json_object_has_member(property, "$ref"))
		return property;
	ref = json_object_get_string_member(property, "$ref");
	g_assert_true(g_str_has_prefix(ref, REF_PREFIX));
	*name_r = ref + strlen(REF_PREFIX);
	return json_object_get_object_member(definitions, *name_r);
}

/* "integer", or "integer null" */
static char *property_type(JsonObject *definitions, JsonObject *property)
{
	g_autoptr(GString) types = g_string_new(NULL);
	const char *name;
	JsonArray *array;

	property = follow(definitions, property, &name);
	if (g_strcmp0(name, "time") == 0)
		return g_strdup("time");
	if (!json_object_has_member(property, "type")) {
		g_assert_true(json_object_has_member(property, "enum") ||
			      json_object_has_member(property, "const"));
		return g_strdup("string");
	}
	if (JSON_NODE_HOLDS_VALUE(json_object_get_member(property, "type")))
		return g_strdup(json_object_get_string_member(property,
							      "type"));
	array = json_object_get_array_member(property, "type");
	for (guint i = 0; i < json_array_get_length(array); i++) {
		g_string_append_printf(types, i == 0 ? "%s" : " %s",
			json_array_get_string_element(array, i));
	}
	return g_string_free(g_steal_pointer(&types), FALSE);
}

static char *field_type(const struct popinjay_log_field_info *info)
{
	static const char *const types[] = {
		[POPINJAY_FIELD_STR] = "string",
		[POPINJAY_FIELD_UINT] = "integer",
		[POPINJAY_FIELD_BOOL] = "boolean",
		[POPINJAY_FIELD_TIME] = "time"
	};

	return g_strconcat(types[info->type],
		(info->flags & POPINJAY_FIELD_MAY_BE_NULL) != 0 ? " null" :
		"", NULL);
}

static gboolean is_required(JsonObject *definition, const char *name)
{
	JsonArray *required = json_object_get_array_member(definition,
							   "required");

	for (guint i = 0; i < json_array_get_length(required); i++) {
		if (g_str_equal(json_array_get_string_element(required, i),
				name))
			return TRUE;
	}
	return FALSE;
}

static void test_schema(const void *data)
{
	const struct schema_case *c = data;
	g_autofree char *text = read_file(SCHEMA_FILE);
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonObject *definitions, *definition, *properties;
	guint count = 0;

	g_assert_true(json_parser_load_from_data(parser, text, -1, NULL));
	definitions = json_object_get_object_member(
		json_node_get_object(json_parser_get_root(parser)),
		"definitions");
	definition = json_object_get_object_member(definitions, c->path);
	properties = json_object_get_object_member(definition, "properties");
	g_assert_cmpstr(json_object_get_string_member(
		json_object_get_object_member(properties, "event"), "const"),
		==, c->event);
	for (guint i = 0; i < POPINJAY_LOG_FIELD_COUNT; i++) {
		const struct popinjay_log_field_info *info =
			&popinjay_log_fields[i];
		g_autofree char *expected = field_type(info), *type = NULL;
		gboolean always = (info->kinds & c->kinds) == c->kinds &&
			(info->flags & POPINJAY_FIELD_MAY_BE_ABSENT) == 0;

		g_test_message("%s", info->name);
		g_assert_cmpint(json_object_has_member(properties, info->name),
				==, (info->kinds & c->kinds) != 0);
		g_assert_cmpint(is_required(definition, info->name), ==,
				always);
		if ((info->kinds & c->kinds) == 0)
			continue;
		count++;
		type = property_type(definitions,
			json_object_get_object_member(properties, info->name));
		g_assert_cmpstr(type, ==, expected);
	}
	/* and none besides */
	g_assert_cmpuint(json_object_get_size(properties), ==, count);
}

/* --- the manual page --- */

/* Mark the fields that a part of the page, up to its next heading, has in the
   lines after each .TP. A name that is no field fails. */
static void
find_documented(const char *part, const char *part_end, gboolean *documented)
{
	g_autofree char *text = g_strndup(part, part_end - part);
	g_autoptr(GRegex) regex = g_regex_new("\\b[a-z_]+\\b", 0, 0, NULL);
	const char *p, *end;
	guint i;

	for (p = text; (p = strstr(p, "\n.TP\n")) != NULL; p = end) {
		g_autoptr(GMatchInfo) match = NULL;
		g_autofree char *item = NULL;

		p += strlen("\n.TP\n");
		end = strchr(p, '\n');
		/* what follows the macro */
		item = g_strndup(p, end - p);
		g_regex_match(regex, strchr(item, ' '), 0, &match);
		for (; g_match_info_matches(match);
		     g_match_info_next(match, NULL)) {
			g_autofree char *name = g_match_info_fetch(match, 0);

			for (i = 0; i < POPINJAY_LOG_FIELD_COUNT; i++) {
				if (g_str_equal(popinjay_log_fields[i].name,
						name))
					break;
			}
			if (i == POPINJAY_LOG_FIELD_COUNT)
				g_error("%s is no field", name);
			documented[i] = TRUE;
		}
	}
}

static void test_man_page(const void *data)
{
	static const char except_login[] = "\nAnd all but "
		POPINJAY_LOG_LOGIN_FINISHED ":\n";
	const struct man_case *c = data;
	g_autofree char *text = read_file(MAN_PAGE_FILE);
	g_autofree char *heading = g_strconcat("\n.SS ", c->path, "\n", NULL);
	const char *common = strstr(text, "\n.SH RECORDS\n");
	const char *of_sessions, *section;
	gboolean documented[POPINJAY_LOG_FIELD_COUNT] = { FALSE };

	g_assert_nonnull(common);
	of_sessions = strstr(common, except_login);
	g_assert_nonnull(of_sessions);
	section = strstr(of_sessions, heading);
	g_assert_nonnull(section);
	find_documented(common, of_sessions, documented);
	if (c->kinds != POPINJAY_RECORD_LOGIN) {
		find_documented(of_sessions, strstr(of_sessions, "\n.S"),
				documented);
	}
	find_documented(section, strstr(section + 1, "\n.S"), documented);
	for (guint i = 0; i < POPINJAY_LOG_FIELD_COUNT; i++) {
		g_test_message("%s", popinjay_log_fields[i].name);
		g_assert_cmpint(documented[i], ==,
			(popinjay_log_fields[i].kinds & c->kinds) != 0);
	}
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	ADD_CASES("/log-fields/schema/", schema_cases, test_schema);
	ADD_CASES("/log-fields/man-page/", man_cases, test_man_page);
	return g_test_run();
}
