/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What doveadm tells of our commands to those who ask it. */

#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sysexits.h>

static struct fixture *f;

#define LOG "doveadm popinjay log explain -u <user> [--uidl <uidl>]"
#define SECRET "doveadm popinjay secret add [-u <user>|-A] [-S <socket_path>] "
#define UIDL "doveadm popinjay uidl check [-u <user>|-A] [-S <socket_path>] " \
	"[-r] [-k]"
#define CHECK "doveadm popinjay check [-u <user>|-A|-F <file>]"

static const struct {
	/* behind "doveadm popinjay" */
	const char *args[2];
	/* on standard output, with status 0 */
	gboolean asked;
	/* what is there, and what is not */
	const char *has[3], *not[2];
} cases[] = {
	{ { "log", "--help" }, TRUE,
	  { LOG, "doveadm popinjay log report [-s <since>]",
	    "man doveadm-popinjay-log" }, { "secret", "uidl check" } },
	{ { "log" }, FALSE, { LOG }, { "secret" } },
	{ { "log", "-h" }, TRUE, { LOG }, { "secret" } },
	{ { "log", "explian" }, FALSE, { LOG }, { "secret" } },
	{ { "secret", "--help" }, TRUE, { SECRET, "[-l <label>]" }, { LOG } },
	{ { "uidl", "--help" }, TRUE, { UIDL }, { LOG } },
	{ { "--help" }, TRUE, { CHECK, LOG, SECRET }, { NULL } },
	{ { NULL }, FALSE, { CHECK, LOG, UIDL }, { NULL } },
	{ { "chekc" }, FALSE, { CHECK, LOG, UIDL }, { NULL } },
};

static void test_groups(void)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) out = NULL, err = NULL;
		const char *text;
		int status = fixture_doveadm(f, NULL, &out, &err, "popinjay",
			cases[i].args[0], cases[i].args[1], NULL);

		g_test_message("case %u", i);
		g_assert_cmpint(status, ==, cases[i].asked ? 0 : EX_USAGE);
		text = cases[i].asked ? out->str : err->str;
		g_assert_cmpstr(cases[i].asked ? err->str : out->str, ==, "");
		for (unsigned int j = 0; j < 3 && cases[i].has[j] != NULL; j++)
			g_assert_nonnull(strstr(text, cases[i].has[j]));
		for (unsigned int j = 0; j < 2 && cases[i].not[j] != NULL; j++)
			g_assert_null(strstr(text, cases[i].not[j]));
		g_assert_true(g_str_has_suffix(text, "\n"));
		g_assert_false(g_str_has_suffix(text, "\n\n"));
	}
}

/* Dovecot's own list has our commands once more than it needs, and no more. */
static void test_list(void)
{
	g_autoptr(GString) err = NULL;

	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, &err, NULL), !=, 0);
	g_assert_nonnull(strstr(err->str, "check|log|secret|uidl\n"));
}

/* "doveadm help" looks into one directory only. */
static void test_help(void)
{
	static const char script[] = "#!/bin/sh\necho $MANPATH/man1/$1.1\n";
	g_autofree char *man = g_build_filename(f->dir, "man", NULL);
	g_autofree char *old = g_strdup(g_getenv("PATH"));
	g_autofree char *path = g_strconcat(f->dir, ":", old, NULL);
	g_autofree char *page = NULL;
	g_autoptr(GString) out = NULL;

	g_assert_true(g_file_set_contents(man, script, -1, NULL));
	g_assert_cmpint(g_chmod(man, 0755), ==, 0);
	g_assert_true(g_setenv("PATH", path, TRUE));
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "help",
					"popinjay", NULL), ==, 0);
	g_assert_true(g_setenv("PATH", old, TRUE));
	page = g_strconcat(POPINJAY_BUILDDIR "/stage",
			   g_strchomp(out->str), NULL);
	if (!g_file_test(page, G_FILE_TEST_IS_REGULAR))
		g_error("there is no %s", page);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	f = fixture_new(NULL);
	g_test_add_func("/usage/groups", test_groups);
	g_test_add_func("/usage/list", test_list);
	g_test_add_func("/usage/help", test_help);
	ret = g_test_run();
	fixture_free(f);
	return ret;
}
