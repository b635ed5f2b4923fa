/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -line: what is a command, and what is refused. */

#include "lib.h"
#include "command-line.h"

#include <glib.h>

#define BYTES(str) str, sizeof(str) - 1
#define CONTROL "Control character in command."
#define MISSING "Missing command name."
#define EIGHT_BIT "8-bit character in command name."

struct line_case {
	const char *path;
	const char *line;
	size_t line_size;
	/* either these or the error */
	const char *name, *args;
	const char *error;
};

static const struct line_case line_cases[] = {
	{ "name", BYTES("STAT"), "STAT", "", NULL },
	{ "one-letter", BYTES("x"), "X", "", NULL },
	{ "lower-case", BYTES("retr 1"), "RETR", "1", NULL },
	{ "mixed-case", BYTES("uIdL"), "UIDL", "", NULL },
	{ "args-keep-case", BYTES("FOO Bar"), "FOO", "Bar", NULL },
	{ "two-args", BYTES("TOP 1 2"), "TOP", "1 2", NULL },
	{ "spaces-before-args", BYTES("TOP   1  2"), "TOP", "1  2", NULL },
	{ "spaces-after-args", BYTES("LIST 1  "), "LIST", "1  ", NULL },
	{ "space-after-name", BYTES("QUIT "), "QUIT", "", NULL },
	{ "spaces-after-name", BYTES("QUIT   "), "QUIT", "", NULL },
	{ "colon", BYTES("FOO:BAR"), "FOO:BAR", "", NULL },
	{ "percent", BYTES("%s%n %s"), "%S%N", "%s", NULL },
	{ "8bit-args", BYTES("XFOO \x80\xff\xc3\xa9"),
	  "XFOO", "\x80\xff\xc3\xa9", NULL },

	{ "empty", BYTES(""), NULL, NULL, MISSING },
	{ "one-space", BYTES(" "), NULL, NULL, MISSING },
	{ "space-first", BYTES(" STAT"), NULL, NULL, MISSING },
	{ "nul", BYTES("\0"), NULL, NULL, CONTROL },
	{ "nul-in-name", BYTES("ST\0AT"), NULL, NULL, CONTROL },
	{ "nul-after-name", BYTES("STAT\0"), NULL, NULL, CONTROL },
	{ "nul-in-args", BYTES("LIST 1\0 2"), NULL, NULL, CONTROL },
	{ "nul-at-end", BYTES("LIST 1\0"), NULL, NULL, CONTROL },
	{ "cr", BYTES("STAT\r"), NULL, NULL, CONTROL },
	{ "lf", BYTES("LIST 1\n2"), NULL, NULL, CONTROL },
	{ "tab", BYTES("LIST\t1"), NULL, NULL, CONTROL },
	{ "8bit-name", BYTES("ST\xc3\x84T"), NULL, NULL, EIGHT_BIT },
	{ "8bit-first", BYTES("\x80 a"), NULL, NULL, EIGHT_BIT },
};

struct args_case {
	const char *path;
	const char *args;
	unsigned int argc;
	const char *argv[5];
};

static const struct args_case args_cases[] = {
	{ "none", "", 0, { NULL } },
	{ "spaces", "   ", 0, { NULL } },
	{ "one", "1", 1, { "1", NULL } },
	{ "two", "1 2", 2, { "1", "2", NULL } },
	{ "many-spaces", "1   2  3", 3, { "1", "2", "3", NULL } },
	{ "space-first", "  1", 1, { "1", NULL } },
	{ "space-last", "1 2  ", 2, { "1", "2", NULL } },
	{ "8bit", "\xff \x80", 2, { "\xff", "\x80", NULL } },
};

static void test_line(gconstpointer data)
{
	const struct line_case *c = data;
	struct popinjay_command_line line;
	const char *error = NULL;
	/* of exactly this size: the line has no NUL behind it */
	g_autofree char *copy = g_malloc(I_MAX(c->line_size, 1));
	int ret;

	memcpy(copy, c->line, c->line_size);
	T_BEGIN {
		ret = popinjay_command_line_parse(copy, c->line_size,
						  &line, &error);
		if (c->error != NULL) {
			g_assert_cmpint(ret, ==, -1);
			g_assert_cmpstr(error, ==, c->error);
		} else {
			g_assert_cmpint(ret, ==, 0);
			g_assert_cmpstr(line.name, ==, c->name);
			g_assert_cmpstr(line.args, ==, c->args);
		}
	} T_END;
}

/* Every byte in every place: what is accepted is all there. */
static void test_every_byte(void)
{
	unsigned int byte, pos;

	for (byte = 0; byte < 256; byte++) {
		for (pos = 0; pos < 8; pos++) T_BEGIN {
			char text[] = "NAME args";
			struct popinjay_command_line line;
			const char *error;
			bool control = byte < 0x20 || byte == 0x7f;
			bool in_name = pos <= 4, ok;

			text[pos] = byte;
			ok = !control && !(in_name && byte >= 0x80) &&
				!(pos == 0 && byte == ' ');
			g_assert_cmpint(popinjay_command_line_parse(
				text, 9, &line, &error), ==, ok ? 0 : -1);
			if (ok && !in_name && byte != ' ') {
				g_assert_cmpstr(line.name, ==, "NAME");
				g_assert_cmpstr(line.args, ==, text + 5);
			}
		} T_END;
	}
}

static void test_args(gconstpointer data)
{
	const struct args_case *c = data;
	pool_t pool = pool_alloconly_create("test args", 256);
	const char *const *argv;
	unsigned int i, argc = 99;

	argv = popinjay_args_split(pool, c->args, &argc);
	g_assert_cmpuint(argc, ==, c->argc);
	for (i = 0; i < argc; i++)
		g_assert_cmpstr(argv[i], ==, c->argv[i]);
	g_assert_null(argv[argc]);
	pool_unref(&pool);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(line_cases); i++) {
		g_autofree char *path = g_strconcat(
			"/command-line/", line_cases[i].path, NULL);
		g_test_add_data_func(path, &line_cases[i], test_line);
	}
	g_test_add_func("/command-line/every-byte", test_every_byte);
	for (i = 0; i < N_ELEMENTS(args_cases); i++) {
		g_autofree char *path = g_strconcat(
			"/args/", args_cases[i].path, NULL);
		g_test_add_data_func(path, &args_cases[i], test_args);
	}
	ret = g_test_run();
	lib_deinit();
	return ret;
}
