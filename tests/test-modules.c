/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The modules as files: Dovecot finds their entry points by name, says nothing
   when NAME_version is missing, and shares one name space with all modules.
   test-mismatch has modules of another Dovecot. */

#define _GNU_SOURCE
#include "pop3.h"
#include "popinjay.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN "lib20_popinjay_plugin.so"

/* Symbols besides NAME_init, NAME_deinit and NAME_version that a module may
   have; those in popinjay.h come on top for PLUGIN. */
static const struct {
	const char *module, *symbol;
} more_symbols[] = {
	{ "libpopinjay_settings.so", "popinjay_settings_set_infos" },
	/* for our commands in doveadm */
	{ PLUGIN, "popinjay_uidl_api" },
	/* what version 2 of popinjay.h will have; for tests/plugin */
	{ PLUGIN, "popinjay_feature_register" },
	{ PLUGIN, "popinjay_feature_state" },
	{ PLUGIN, "popinjay_feature_unregister" },
	{ PLUGIN, "popinjay_request_resume" },
	{ PLUGIN, "popinjay_session_refuse" },
};

static char *output_of(const char *const *argv)
{
	g_autoptr(GError) error = NULL;
	char *out = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
			  NULL, &out, NULL, &status, &error) ||
	    !g_spawn_check_wait_status(status, &error))
		g_error("%s: %s", argv[0], error->message);
	return out;
}

/* Add the paths of all modules in dir and below it. */
static void find_modules(const char *path, GPtrArray *modules)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
	const char *name;

	if (dir == NULL)
		g_error("%s (make stage makes it)", error->message);
	while ((name = g_dir_read_name(dir)) != NULL) {
		char *file = g_build_filename(path, name, NULL);

		if (g_str_has_suffix(name, ".so"))
			g_ptr_array_add(modules, file);
		else {
			if (g_file_test(file, G_FILE_TEST_IS_DIR))
				find_modules(file, modules);
			g_free(file);
		}
	}
}

/* The name as Dovecot makes it of the file's: without "lib", digits and "_"
   at its front. */
static char *module_name(const char *file)
{
	g_autoptr(GRegex) regex =
		g_regex_new("^(?:lib)?(?:[0-9]+_)?(.*)\\.so$", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;

	g_assert_true(g_regex_match(regex, file, 0, &match));
	return g_match_info_fetch(match, 1);
}

static GHashTable *string_set(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* What the regex's first group finds in text. */
static GHashTable *find_all(const char *pattern, const char *text)
{
	g_autoptr(GRegex) regex =
		g_regex_new(pattern, G_REGEX_MULTILINE, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	GHashTable *found = string_set();

	g_regex_match(regex, text, 0, &match);
	while (g_match_info_matches(match)) {
		g_hash_table_add(found, g_match_info_fetch(match, 1));
		g_match_info_next(match, NULL);
	}
	return found;
}

/* The functions that popinjay.h declares. */
static GHashTable *public_functions(void)
{
	g_autofree char *text = NULL;
	GHashTable *functions;

	g_assert_true(g_file_get_contents(
		POPINJAY_SRCDIR "/include/popinjay.h", &text, NULL, NULL));
	functions = find_all("^POPINJAY_EXPORT [^;(]*\\b(popinjay_\\w+)\\(",
			     text);
	g_assert_cmpuint(g_hash_table_size(functions), >, 10);
	return functions;
}

static void test_symbols(gconstpointer data)
{
	const char *path = data;
	const char *const argv[] = {
		"nm", "-D", "-P", "--defined-only", path, NULL
	};
	static const char *const entry_points[] = { "init", "deinit",
						     "version" };
	g_autofree char *file = g_path_get_basename(path);
	g_autofree char *name = module_name(file);
	g_autofree char *out = output_of(argv);
	g_autoptr(GHashTable) symbols = find_all("^(\\S+) ", out);
	g_autoptr(GHashTable) allowed = g_str_equal(file, PLUGIN) ?
		public_functions() : string_set();
	GHashTableIter iter;
	gpointer symbol;

	for (unsigned int i = 0; i < G_N_ELEMENTS(entry_points); i++) {
		g_hash_table_add(allowed, g_strdup_printf(
			"%s_%s", name, entry_points[i]));
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(more_symbols); i++) {
		if (g_str_equal(file, more_symbols[i].module))
			g_hash_table_add(allowed,
					 g_strdup(more_symbols[i].symbol));
	}

	g_hash_table_iter_init(&iter, allowed);
	while (g_hash_table_iter_next(&iter, &symbol, NULL)) {
		if (!g_hash_table_contains(symbols, symbol)) {
			g_test_message("%s does not export %s", file,
				       (const char *)symbol);
			g_test_fail();
		}
	}
	g_hash_table_iter_init(&iter, symbols);
	while (g_hash_table_iter_next(&iter, &symbol, NULL)) {
		if (!g_hash_table_contains(allowed, symbol)) {
			g_test_message("%s exports %s, which is private", file,
				       (const char *)symbol);
			g_test_fail();
		}
	}
}

/* What a module uses and does not have is the host's. A function of ours that
   no file of the module has would end every session. */
static void test_undefined(gconstpointer data)
{
	const char *const argv[] = {
		"nm", "-D", "-P", "--undefined-only", data, NULL
	};
	g_autofree char *out = output_of(argv);
	g_autoptr(GHashTable) symbols = find_all("^(popinjay_\\S+) ", out);
	GHashTableIter iter;
	gpointer symbol;

	g_assert_nonnull(strstr(out, " U"));
	g_hash_table_iter_init(&iter, symbols);
	while (g_hash_table_iter_next(&iter, &symbol, NULL)) {
		g_test_message("there is no %s", (const char *)symbol);
		g_test_fail();
	}
}

/* A second copy of Dovecot's libraries in a process would be a disaster. */
static void test_no_libdovecot(gconstpointer data)
{
	const char *const argv[] = { "readelf", "-d", data, NULL };
	g_autofree char *out = output_of(argv);
	g_autoptr(GHashTable) needed =
		find_all("\\(NEEDED\\).*\\[([^]]+)\\]", out);
	g_autoptr(GHashTable) search =
		find_all("\\((RPATH|RUNPATH)\\)", out);
	GHashTableIter iter;
	gpointer library;

	/* readelf's words are as they are looked for here */
	g_assert_nonnull(strstr(out, "(SONAME)"));
	g_hash_table_iter_init(&iter, needed);
	while (g_hash_table_iter_next(&iter, &library, NULL)) {
		if (g_str_has_prefix(library, "libdovecot")) {
			g_test_message("linked with %s",
				       (const char *)library);
			g_test_fail();
		}
	}
	g_assert_cmpuint(g_hash_table_size(search), ==, 0);
}

/* Two builds in different folders give the same bytes. */
static void test_build_path(gconstpointer data)
{
	static const char *const dirs[] = {
		POPINJAY_SRCDIR "/module/", POPINJAY_BUILDDIR
	};
	g_autofree char *text = NULL;
	gsize size;

	g_assert_true(g_file_get_contents(data, &text, &size, NULL));
	for (unsigned int i = 0; i < G_N_ELEMENTS(dirs); i++)
		g_assert_null(memmem(text, size, dirs[i], strlen(dirs[i])));
}

/* Nor is the name of a build folder within the sources in them: its flag is the
   one that counts. A cache of the compiler does not look at these flags, so
   they are looked at here instead of what they make. */
static void test_build_name(void)
{
	const char *inner =
		strlen(POPINJAY_BUILDDIR) > strlen(POPINJAY_SRCDIR) ?
		POPINJAY_BUILDDIR : POPINJAY_SRCDIR;
	g_autofree char *last = g_strdup_printf("-prefix-map=%s=.\n", inner);
	g_autofree char *makefile = NULL;

	g_assert_true(g_file_get_contents(POPINJAY_BUILDDIR "/Makefile",
					  &makefile, NULL, NULL));
	g_assert_nonnull(strstr(makefile, last));
}

/* The page of a report has the Chart.js, or none, that configure was told last,
   whatever the age of that file. */
static void test_chartjs(void)
{
	const char *const argv[] = {
		"make", "-C", POPINJAY_BUILDDIR, "-n", "-W", "Makefile",
		"module/doveadm/log/log-page-data.c", NULL
	};
	g_autofree char *out = output_of(argv);

	g_assert_nonnull(strstr(out, "page/embed "));
}

/* --- What is installed besides --- */

static void test_no_libtool_files(void)
{
	const char *const argv[] = {
		"find", POPINJAY_BUILDDIR "/stage", "-name", "*.la", NULL
	};
	g_autofree char *out = output_of(argv);

	g_assert_cmpstr(out, ==, "");
}

static void test_pkg_config(void)
{
	const char *const api_version[] = {
		"pkg-config", "--variable=api_version", POPINJAY_PC, NULL
	};
	const char *const includedir[] = {
		"pkg-config", "--variable=includedir", POPINJAY_PC, NULL
	};
	g_autofree char *version = output_of(api_version);
	g_autofree char *dir = g_strchomp(output_of(includedir));
	g_autofree char *header = g_strconcat(POPINJAY_BUILDDIR "/stage", dir,
					      "/popinjay/popinjay.h", NULL);

	g_assert_cmpint(atoi(version), ==, POPINJAY_API_VERSION);
	g_assert_true(g_file_test(header, G_FILE_TEST_IS_REGULAR));
}

/* Nothing of ours is left, and no empty directory. */
static void test_uninstall(void)
{
	g_autofree char *dir = g_dir_make_tmp("popinjay-XXXXXX", NULL);
	g_autofree char *destdir = g_strconcat("DESTDIR=", dir, NULL);
	const char *const copy[] = {
		"cp", "-a", POPINJAY_BUILDDIR "/stage/.", dir, NULL
	};
	const char *const uninstall[] = {
		"make", "-s", "-C", POPINJAY_BUILDDIR, "uninstall", destdir,
		NULL
	};
	const char *const find[] = { "find", dir, "-name", "*popinjay*", "!",
		"-path", dir, NULL };
	const char *const rm[] = { "rm", "-rf", dir, NULL };
	g_autofree char *left = NULL;

	g_free(output_of(copy));
	g_free(output_of(uninstall));
	left = output_of(find);
	g_assert_cmpstr(left, ==, "");
	g_free(output_of(rm));
}

int main(int argc, char *argv[])
{
	g_autoptr(GPtrArray) modules = g_ptr_array_new_with_free_func(g_free);

	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	find_modules(POPINJAY_MODULEDIR, modules);
	g_assert_cmpuint(modules->len, >, 0);
	for (unsigned int i = 0; i < modules->len; i++) {
		const char *path = modules->pdata[i];
		g_autofree char *name = g_path_get_basename(path);
		g_autofree char *symbols =
			g_strdup_printf("/modules/%s/symbols", name);
		g_autofree char *undefined =
			g_strdup_printf("/modules/%s/undefined", name);
		g_autofree char *libraries =
			g_strdup_printf("/modules/%s/libraries", name);

		g_autofree char *build_path =
			g_strdup_printf("/modules/%s/build-path", name);

		g_test_add_data_func(symbols, path, test_symbols);
		g_test_add_data_func(build_path, path, test_build_path);
		g_test_add_data_func(undefined, path, test_undefined);
		g_test_add_data_func(libraries, path, test_no_libdovecot);
	}
	g_test_add_func("/build/name", test_build_name);
	g_test_add_func("/build/chartjs", test_chartjs);
	g_test_add_func("/install/libtool-files", test_no_libtool_files);
	g_test_add_func("/install/pkg-config", test_pkg_config);
	g_test_add_func("/install/uninstall", test_uninstall);
	return g_test_run();
}
