/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* configure ends with one clear line where the Dovecot it finds cannot be built
   for, instead of a build without what that Dovecot has. */

#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Run configure with an option (or "") for a copy of this Dovecot's headers
   after a shell command has changed them in the directory inc. It must fail.
   Returns what it printed. */
static char *configure(const char *change, const char *option)
{
	static const char script[] =
		"dovecot=${POPINJAY_DOVECOT:-/usr/lib/dovecot}/dovecot-config\n"
		"headers=$(sed -n 's/^dovecot_pkgincludedir=//p' "
		"\"$dovecot\")\n"
		"cp -r \"$headers\" inc && mkdir dovecot build &&\n"
		"sed \"s|$headers|$PWD/inc|g\" \"$dovecot\" "
		">dovecot/dovecot-config &&\n"
		"(cd inc && eval \"$0\") && cd build || exit 3\n"
		"exec " POPINJAY_SRCDIR "/configure --disable-tests "
		"--with-dovecot=\"$PWD/../dovecot\" $1\n";
	const char *const argv[] = {
		"/bin/sh", "-c", script, change, option, NULL
	};
	g_autofree char *dir = g_dir_make_tmp("popinjay-configure-XXXXXX",
					      NULL);
	g_autofree char *remove = g_strdup_printf("rm -rf -- %s", dir);
	g_autofree char *out = NULL, *err = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	g_assert_nonnull(dir);
	if (!g_spawn_sync(dir, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
			  &out, &err, &status, &error))
		g_error("%s", error->message);
	g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL,
						NULL));
	g_test_message("%s", err);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 1);
	return g_strconcat(out, err, NULL);
}

struct broken {
	const char *header, *family;
};

static const struct broken broken[] = {
	{ "dict.h", "the dict clients" },
	{ "mail-storage.h", "mail storage" },
	{ "pop3-client.h", "the pop3 process" },
	{ "passdb.h", "the auth process" },
	{ "doveadm-mail.h", "doveadm" }
};

static void test_broken(gconstpointer data)
{
	const struct broken *test = data;
	g_autofree char *change = g_strdup_printf(
		"[ -f %1$s ] && echo '#error out of order' >%1$s",
		test->header);
	g_autofree char *output = configure(change, "");
	g_autofree char *wanted = g_strdup_printf(
		"configure: error: Dovecot's headers of %s do not compile",
		test->family);

	g_assert_nonnull(strstr(output, wanted));
	g_assert_nonnull(strstr(output, "out of order"));
	g_assert_nonnull(strstr(output, test->header));
}

/* What tells 2.4.0 from what came after it is one function. */
static void test_2_4_0(void)
{
	g_autofree char *output = configure(
		"sed -i 's/settings_event_add_filter_name/no_&/' settings.h",
		"");

	g_assert_nonnull(strstr(output, "configure: error: this is Dovecot "
				"2.4.0, which Popinjay does not support"));
}

static void test_chartjs(void)
{
	g_autofree char *output = configure(":", "--with-chartjs=none.js");

	g_assert_nonnull(strstr(output, "configure: error: --with-chartjs: "
				"cannot read the file none.js"));
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(broken); i++) {
		g_autofree char *path = g_strconcat("/configure/broken/",
						    broken[i].header, NULL);

		g_test_add_data_func(path, &broken[i], test_broken);
	}
	g_test_add_func("/configure/chartjs", test_chartjs);
	if (!fixture_is_2_3())
		g_test_add_func("/configure/2.4.0", test_2_4_0);
	return g_test_run();
}
