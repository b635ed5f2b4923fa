/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the scripts tests/check and tests/demo do before they build: ask for
   what they need and no more, and get out of the way of a tree that was
   configured for an installation. And what tests/style says of a tree whose
   rooms know what they must not. */

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

static char *dir;

/* Run a shell command in dir. Returns its two outputs. */
static char *shell(const char *command, int *status_r)
{
	const char *const argv[] = { "/bin/bash", "-c", command, NULL };
	g_autofree char *out = NULL, *err = NULL;
	g_autoptr(GError) error = NULL;

	if (!g_spawn_sync(dir, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
			  &out, &err, status_r, &error))
		g_error("%s: %s", command, error->message);
	return g_strconcat(out, err, NULL);
}

static char *shell_good(const char *command)
{
	int status;
	char *output = shell(command, &status);

	if (!g_spawn_check_wait_status(status, NULL))
		g_error("%s: %s", command, output);
	return output;
}

static gboolean lists(const char *output, const char *package)
{
	g_autofree char *line = g_strdup_printf("\n  %s\n", package);

	return strstr(output, line) != NULL;
}

/* On a machine that has nothing. */
static void test_prepare(void)
{
	static const struct {
		const char *package;
		gboolean demo;
	} packages[] = {
		{ "gcc", TRUE }, { "automake", TRUE }, { "curl", TRUE },
		{ "fetchmail", TRUE }, { "openssl", TRUE },
		{ "valgrind", FALSE }, { "redis-server", FALSE },
		{ "rsyslog", FALSE }, { "mpop", FALSE }, { "strace", FALSE }
	};
	/* no path but that of what prepare itself runs */
	static const char prepare[] = "mkdir -p bin && "
		"for p in bash id awk sed readlink; do "
		"ln -sf $(command -v $p) bin/$p; done; "
		"sed 's|^PATH=.*|PATH='$PWD/bin'|' " POPINJAY_SRCDIR
		"/tests/prepare >prepare && "
		"POPINJAY_TEST_BROWSER=no PATH=$PWD/bin "
		"POPINJAY_TEST_SERVERS=$PWD/servers bash prepare ";
	g_autofree char *demo_command = g_strconcat(prepare, "demo", NULL);
	g_autofree char *check_command = g_strconcat(prepare, "check", NULL);
	g_autofree char *demo = NULL, *check = NULL;
	int status;

	demo = shell(demo_command, &status);
	g_assert_false(g_spawn_check_wait_status(status, NULL));
	check = shell(check_command, &status);
	g_assert_false(g_spawn_check_wait_status(status, NULL));
	for (unsigned int i = 0; i < G_N_ELEMENTS(packages); i++) {
		g_test_message("%s", packages[i].package);
		g_assert_cmpint(lists(demo, packages[i].package), ==,
				packages[i].demo);
		g_assert_true(lists(check, packages[i].package));
	}
	g_assert_null(strstr(demo, "cyrus"));
	g_assert_nonnull(strstr(check, "cyrus-pop3d (unpacked in "));
}

/* A tree of which this is a copy: where its sources are built from. */
static char *source_of(void)
{
	return shell_good("me=check; . tree/tests/build.sh; "
			  "use_source_copy_if_needed && echo -n $source");
}

static void test_configured_tree(void)
{
	g_autofree char *tree = g_build_filename(dir, "tree", NULL);
	g_autofree char *copy = g_build_filename(tree, "build", "source", NULL);
	g_autofree char *plain = NULL, *configured = NULL, *files = NULL;

	g_free(shell_good("mkdir -p tree/tests tree/module/.libs tree/build && "
			  "cp " POPINJAY_SRCDIR "/tests/build.sh tree/tests && "
			  "cd tree && touch -d 2020-01-02 configure && "
			  "touch module/a.c module/a.o module/.libs/a.so "
			  "build/old Makefile.am"));
	plain = source_of();
	g_assert_cmpstr(plain, ==, tree);

	g_free(shell_good("cd tree && touch config.status Makefile libtool"));
	configured = source_of();
	g_assert_cmpstr(configured, ==, copy);
	files = shell_good("cd tree/build/source && find . -type f | sort && "
			   "date -r configure +%F");
	g_assert_cmpstr(files, ==, "./Makefile.am\n./configure\n./module/a.c\n"
			"./tests/build.sh\n2020-01-02\n");
}

/* --- The house --- */

static const struct {
	/* lines put into a file behind its first */
	const char *path, *lines;
	/* what is said of it */
	const char *finding;
} house_cases[] = {
	{ "module/compat/template.c", "#include \"registry.h\"\n",
	  "module/compat/template.c:2: module/compat may not include "
		"module/base/registry.h" },
	{ "module/base/registry.c", "#  include \"uidl.h\"\n",
	  "module/base/registry.c:2: module/base may not include "
		"module/uidl/uidl.h" },
	{ "module/uidl/uidl.c", "\n#include \"session.h\"\n",
	  "module/uidl/uidl.c:3: module/uidl may not include "
		"module/pop3/session/session.h" },
	{ "module/log/record/record.c", "#include \"log-writer.h\"\n",
	  "module/log/record/record.c:2: module/log/record may not include "
		"module/log/sink/log-writer.h" },
	{ "module/pop3/command/list.c", "#include \"read-only.h\"\n",
	  "module/pop3/command/list.c:2: module/pop3/command may not include "
		"module/pop3/feature/read-only.h" },
	{ "module/base/key-file.h", "#include \"registry.h\"\n",
	  NULL },
	{ "module/base/registry.c", "#include \"key-file.h\"\n",
	  "module/base/registry.c:2: a circle: module/base/key-file -> "
		"module/base/registry -> module/base/key-file" },
	{ "module/uidl/uidl.c", "#define LOOK(client) client->cmd\n",
	  "module/uidl/uidl.c:2: struct client is for "
		"module/pop3/session/client.c" },
	{ "module/uidl/uidl.h", "#include \"pop3-common.h\"\n",
	  "module/uidl/uidl.h:2: struct client is for "
		"module/pop3/session/client.c" },
	{ "CONTRIBUTING.md", "`module/no-such`\n",
	  "CONTRIBUTING.md:2: there is no module/no-such" }
};

static char *house_findings(void)
{
	int status;
	g_autofree char *output = shell("house/tests/style", &status);

	return g_strconcat("\n", output, NULL);
}

static void test_house(void)
{
	g_autofree char *before = NULL;

	g_free(shell_good("mkdir house && cd " POPINJAY_SRCDIR " && "
			  "cp -r --parents CONTRIBUTING.md README.md doc "
			  "include m4 module tests/style tests/matrix "
			  "$OLDPWD/house"));
	before = house_findings();
	for (unsigned int i = 0; i < G_N_ELEMENTS(house_cases); i++) {
		g_autofree char *path = g_build_filename(dir, "house",
			house_cases[i].path, NULL);
		g_autofree char *text = NULL, *bad = NULL, *after = NULL;
		g_autofree char *line = g_strdup_printf("\n%s\n",
			house_cases[i].finding);
		const char *second;

		g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
		second = strchr(text, '\n') + 1;
		bad = g_strdup_printf("%.*s%s%s", (int)(second - text), text,
				      house_cases[i].lines, second);
		g_assert_true(g_file_set_contents(path, bad, -1, NULL));
		after = house_findings();
		if (house_cases[i].finding == NULL) {
			/* the next one makes it wrong */
			g_assert_cmpstr(after, ==, before);
			continue;
		}
		g_assert_null(strstr(before, line));
		if (strstr(after, line) == NULL) {
			g_test_fail();
			g_test_message("not said: %s; but: %s", line, after);
		}
		g_assert_true(g_file_set_contents(path, text, -1, NULL));
	}
}

int main(int argc, char *argv[])
{
	g_autofree char *remove = NULL;
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	dir = g_dir_make_tmp("popinjay-scripts-XXXXXX", NULL);
	g_assert_nonnull(dir);
	g_test_add_func("/scripts/prepare", test_prepare);
	g_test_add_func("/scripts/configured-tree", test_configured_tree);
	g_test_add_func("/scripts/house", test_house);
	ret = g_test_run();
	remove = g_strdup_printf("rm -rf -- %s", dir);
	g_free(shell_good(remove));
	g_free(dir);
	return ret;
}
