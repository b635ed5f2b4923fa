/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The UIDL of a message that cannot be read now is a stand-in for one session:
   nobody saves it, exports it, or hands it to dsync, and when no message can be
   read none is shown. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAIL_BYTES 300
#define STAND_IN "pj-"

static struct fixture *f;

static void reload(const char *reuse_and_save)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_format",
		"%{uid}", "popinjay_reuse_xuidl", reuse_and_save,
		"popinjay_uidl_save", reuse_and_save, NULL);

	if (f == NULL)
		f = fixture_new(NULL);
	fixture_reload(f, config);
	fixture_log_allow(f, "popinjay: UIDL of UID |Permission denied|"
			  "popinjay: Looking up the UIDLs failed|"
			  "couldn't be read");
}

/* A user whose mails have sizes that Dovecot knows, and who now gets UIDLs for
   which each has to be opened. */
static char *make_user(unsigned int count)
{
	char *user;

	reload("no");
	user = fixture_user(f, "maildir");
	numbered_deliver(f, user, 1, count, MAIL_BYTES);
	g_strfreev(uidl_list(f, user));
	reload("yes");
	return user;
}

/* Returns the file, which only root could find after this. */
static char *make_unreadable(const char *user, unsigned int number)
{
	char *path = numbered_find_file(f, user, number);

	g_assert_nonnull(path);
	g_assert_cmpint(g_chmod(path, 0), ==, 0);
	return path;
}

static void make_readable(const char *path)
{
	g_assert_cmpint(g_chmod(path, 0600), ==, 0);
}

/* Run doveadm with these arguments, and get what it printed in out_r. Its exit
   status is the value. */
#define run_doveadm(out_r, ...) ({ \
	GString *doveadm_out = NULL; \
	int doveadm_status = fixture_doveadm(f, NULL, &doveadm_out, NULL, \
					     "-f", "tab", __VA_ARGS__, NULL); \
	*(out_r) = g_string_free(doveadm_out, FALSE); \
	doveadm_status; \
})

static void test_one(void)
{
	g_autofree char *user = make_user(5), *text = NULL, *saved = NULL;
	g_autofree char *exported = NULL, *fetched = NULL, *path = NULL;
	g_autofree char *err = NULL, *file = NULL;
	g_auto(GStrv) uidls = NULL, again = NULL;

	file = make_unreadable(user, 3);
	uidls = uidl_list(f, user);
	g_assert_cmpuint(g_strv_length(uidls), ==, 5);
	g_assert_cmpstr(uidls[1], ==, "2");
	g_assert_true(g_str_has_prefix(uidls[2], STAND_IN));

	/* by a session, */
	path = uidl_tool_saved_file(f, user);
	g_assert_true(g_file_get_contents(path, &saved, NULL, NULL));
	g_assert_null(strstr(saved, STAND_IN));
	g_assert_nonnull(strstr(saved, "\n2 "));
	g_assert_null(strstr(saved, "\n3 "));
	/* by the tool, */
	text = uidl_tool_err(f, NULL, 75, &err, "freeze", "-u", user, NULL);
	g_assert_nonnull(strstr(err, "The message with UID 3 can't be read"));
	g_clear_pointer(&saved, g_free);
	g_assert_true(g_file_get_contents(path, &saved, NULL, NULL));
	g_assert_null(strstr(saved, STAND_IN));
	/* in a list, */
	exported = uidl_tool(f, NULL, 75, "export", "-u", user, NULL);
	g_assert_null(strstr(exported, STAND_IN));
	g_assert_nonnull(strstr(exported, "\n2\t"));
	/* or by dsync, which reads it as this does */
	g_assert_cmpint(run_doveadm(&fetched, "fetch", "-u", user,
				    "uid pop3.uidl", "mailbox", "INBOX"), !=,
			0);
	g_assert_null(strstr(fetched, STAND_IN));

	make_readable(file);
	again = uidl_list(f, user);
	g_assert_cmpstr(again[2], ==, "3");
	g_clear_pointer(&saved, g_free);
	g_assert_true(g_file_get_contents(path, &saved, NULL, NULL));
	g_assert_nonnull(strstr(saved, "\n3 "));
}

/* Of so few messages a missing disk is more likely than that each is bad. */
static void test_all(void)
{
	for (unsigned int count = 1; count <= 3; count++) {
		g_autofree char *user = make_user(count);
		g_autoptr(GPtrArray) files =
			g_ptr_array_new_with_free_func(g_free);
		g_auto(GStrv) uidls = NULL;
		struct pop3 *pop3;

		for (unsigned int i = 1; i <= count; i++)
			g_ptr_array_add(files, make_unreadable(user, i));
		pop3 = pop3_session(f, POP3_CLEAR, user);
		pop3_check(pop3, "UIDL", "-ERR [SYS/TEMP] The UIDLs can't be "
			   "listed now.");
		pop3_check(pop3, "UIDL 1", "-ERR [SYS/TEMP] The UIDLs can't be "
			   "listed now.");
		pop3_quit(pop3, "Logging out.");
		for (unsigned int i = 0; i < count; i++)
			make_readable(g_ptr_array_index(files, i));
		uidls = uidl_list(f, user);
		g_assert_cmpstr(uidls[0], ==, "1");
	}
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl-provisional/one", test_one);
	g_test_add_func("/uidl-provisional/all", test_all);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-provisional", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
