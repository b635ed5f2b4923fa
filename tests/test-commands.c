/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The commands that doveadm knows and those of the documentation are the
   same. */

#include "fixture.h"

#include <string.h>
#include <sysexits.h>

static struct fixture *f;

/* What "doveadm popinjay" prints: a command in each line, with its options. */
static GPtrArray *known_commands(char **help_r)
{
	static const char start[] = "doveadm popinjay ";
	GPtrArray *commands = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) lines = NULL;
	GString *help = NULL;

	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, &help, "popinjay", NULL),
			==, EX_USAGE);
	lines = g_strsplit(help->str, "\n", -1);
	for (char **p = lines; *p != NULL; p++) {
		const char *name = *p + strlen(start);

		if (!g_str_has_prefix(*p, start))
			continue;
		/* up to its options */
		g_ptr_array_add(commands, g_strchomp(g_strndup(name,
			strcspn(name, "[-<"))));
	}
	g_assert_cmpuint(commands->len, >, 10);
	*help_r = g_string_free(help, FALSE);
	return commands;
}

static gboolean has_command(GPtrArray *commands, const char *name)
{
	return g_ptr_array_find_with_equal_func(commands, name, g_str_equal,
						NULL);
}

/* The page that "man doveadm-popinjay-GROUP" shows. */
static char *command_page(const char *command)
{
	g_autofree char *path = g_strdup_printf("doc/doveadm-popinjay-%.*s.1",
		(int)strcspn(command, " "), command);
	char *text = fixture_read_source(path);
	const char *name = strstr(text, "\n.so man7/");

	if (name != NULL) {
		g_autofree char *file = g_strndup(name + strlen("\n.so man7/"),
			strcspn(name + strlen("\n.so man7/"), "\n"));

		g_free(path);
		path = g_strconcat("doc/", file, NULL);
		g_free(text);
		text = fixture_read_source(path);
	}
	return text;
}

/* Of "doveadm popinjay X Y" there is such a command, or "X" alone is one and Y
   is the next word of a sentence. */
static void assert_commands(GPtrArray *commands, const char *doc)
{
	g_autofree char *text = fixture_read_source(doc);
	g_autoptr(GRegex) regex = g_regex_new("doveadm popinjay (\\w+) (\\w+)",
					      0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;

	g_regex_match(regex, text, 0, &match);
	for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
		g_autofree char *first = g_match_info_fetch(match, 1);
		g_autofree char *second = g_match_info_fetch(match, 2);
		g_autofree char *both = g_strjoin(" ", first, second, NULL);

		if (!has_command(commands, first) &&
		    !has_command(commands, both)) {
			g_test_fail();
			g_test_message("%s: there is no \"doveadm popinjay "
				       "%s\"", doc, both);
		}
	}
}

/* Returns the line of the help that is about the command. */
static char *usage_of(const char *help, const char *command)
{
	g_autofree char *start = g_strconcat("doveadm popinjay ", command, " ",
					     NULL);
	const char *line = strstr(help, start);

	g_assert_nonnull(line);
	line += strlen(start);
	return g_strndup(line, strcspn(line, "\n"));
}

static void assert_described(const char *help, const char *command)
{
	/* those of all of Dovecot's mail commands */
	static const char *const common[] = { "-u", "-A", "-S", "-F", NULL };
	g_autofree char *page = command_page(command);
	g_autofree char *usage = usage_of(help, command);
	g_autofree char *name = g_strdup_printf("doveadm popinjay %s\\b",
						command);
	g_autoptr(GRegex) regex = g_regex_new("(?<![\\w-])-[\\w-]+", 0, 0,
					      NULL);
	g_autoptr(GMatchInfo) match = NULL;

	if (!g_regex_match_simple(name, page, 0, 0)) {
		g_test_fail();
		g_test_message("no page describes \"doveadm popinjay %s\"",
			       command);
		return;
	}
	g_regex_match(regex, usage, 0, &match);
	for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
		g_autofree char *option = g_match_info_fetch(match, 0);
		g_auto(GStrv) parts = g_strsplit(option, "-", -1);
		/* as pages write it */
		g_autofree char *escaped = g_strjoinv("\\-", parts);

		if (!g_strv_contains(common, option) &&
		    strstr(page, escaped) == NULL) {
			g_test_fail();
			g_test_message("the page of \"doveadm popinjay %s\" "
				       "has no %s", command, option);
		}
	}
}

static void test_documented(void)
{
	static const char *const docs[] = {
		"README.md", "doc/popinjay.7", "doc/popinjay-log.7",
		"doc/popinjay-secret.7", "doc/popinjay-uidl.7",
		"doc/doveadm-popinjay-check.1", "doc/doveadm-popinjay-log.1"
	};
	g_autofree char *help = NULL;
	g_autoptr(GPtrArray) commands = known_commands(&help);

	for (unsigned int i = 0; i < commands->len; i++)
		assert_described(help, commands->pdata[i]);
	for (unsigned int i = 0; i < G_N_ELEMENTS(docs); i++)
		assert_commands(commands, docs[i]);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/commands/documented", test_documented);
	f = fixture_new(NULL);
	ret = g_test_run();
	fixture_free(f);
	return ret;
}
