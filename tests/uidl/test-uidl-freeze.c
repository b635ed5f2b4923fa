/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl freeze: what is frozen stays, however many freeze it
   and however often they are killed. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <signal.h>
#include <stdlib.h>

#define MAIL_COUNT 5
#define MAIL_BYTES 300

static struct fixture *f;

static void reload(const char *format)
{
	g_autofree char *config = uidl_config(format, NULL, NULL);

	fixture_reload(f, config);
}

/* Another format changes nothing of what is frozen, and new mail gets it. */
static void test_freeze(gconstpointer storage)
{
	g_autofree char *user = NULL, *first = NULL, *again = NULL;
	g_autofree char *list = NULL;
	g_auto(GStrv) before = NULL, after = NULL, sources = NULL;

	reload("a.%{uid}");
	user = fixture_user(f, storage);
	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	before = uidl_list(f, user);
	first = uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL);
	uidl_assert_row(first, "messages", "5", "saved", "5", NULL);
	again = uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL);
	uidl_assert_row(again, "messages", "5", "saved", "0", NULL);

	reload("b.%{uid}");
	numbered_deliver(f, user, 6, 6, MAIL_BYTES);
	after = uidl_list(f, user);
	g_assert_cmpuint(g_strv_length(after), ==, MAIL_COUNT + 1);
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		g_assert_cmpstr(after[i], ==, before[i]);
	g_assert_cmpstr(after[MAIL_COUNT], ==, "b.6");
	list = uidl_tool(f, NULL, 0, "list", "-u", user, NULL);
	sources = uidl_tool_column(list, "source");
	g_assert_cmpstr(sources[0], ==, "saved");
	g_assert_cmpstr(sources[MAIL_COUNT], ==, "format");
}

/* Popinjay is removed: a Maildir goes on with what was frozen. */
static void test_removed(void)
{
	g_autofree char *user = NULL;
	g_auto(GStrv) before = NULL, after = NULL;

	reload("a.{uid}");
	user = fixture_user(f, "maildir");
	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	before = uidl_list(f, user);
	g_free(uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL));
	fixture_reload(f, fixture_is_2_3() ? "mail_plugins =\n" :
		       "mail_plugins {\n  popinjay = no\n}\n");
	after = uidl_list(f, user);
	g_assert_cmpstr(before[0], ==, "a.1");
	uidl_assert_same(after, before);
}

/* One on each storage; -A finds them by these names. */
static void make_users(gboolean named, char **users)
{
	static const char *const names[] = { "alice", "bob", "carol", "dave" };

	for (unsigned int i = 0; fixture_storages[i] != NULL; i++) {
		if (named) {
			users[i] = g_strdup_printf("%s@%s", names[i],
						   fixture_storages[i]);
			fixture_user_add(f, users[i]);
		} else {
			users[i] = fixture_user(f, fixture_storages[i]);
		}
		numbered_deliver(f, users[i], 1, MAIL_COUNT, MAIL_BYTES);
	}
}

struct run {
	const char *file;
	char *output;
};

static gpointer freeze_thread(gpointer data)
{
	struct run *run = data;

	run->output = uidl_tool(f, NULL, 0, "freeze", "-F", run->file, NULL);
	return NULL;
}

/* Several at once, over all users: each message is saved once, whoever does
   it, and sessions meanwhile see the same. */
static void test_freeze_at_once(void)
{
	enum { RUNS = 4 };
	char *users[] = { NULL, NULL, NULL, NULL, NULL };
	g_autofree char *file = NULL;
	struct run runs[RUNS];
	GThread *threads[RUNS];
	char **before[4];
	unsigned int saved = 0;

	reload("a.%{uid}");
	make_users(FALSE, users);
	for (unsigned int i = 0; i < 4; i++)
		before[i] = uidl_list(f, users[i]);
	file = uidl_tool_user_file(f, users);
	for (unsigned int i = 0; i < RUNS; i++) {
		runs[i].file = file;
		threads[i] = g_thread_new("freeze", freeze_thread, &runs[i]);
	}
	for (unsigned int i = 0; i < RUNS; i++) {
		g_auto(GStrv) counts = NULL, names = NULL;

		g_thread_join(threads[i]);
		counts = uidl_tool_column(runs[i].output, "saved");
		names = uidl_tool_column(runs[i].output, "username");
		g_assert_cmpuint(g_strv_length(counts), ==, 4);
		for (unsigned int j = 0; j < 4; j++) {
			g_assert_cmpstr(names[j], ==, users[j]);
			saved += atoi(counts[j]);
		}
		g_free(runs[i].output);
	}
	g_assert_cmpuint(saved, ==, 4 * MAIL_COUNT);
	reload("b.%{uid}");
	for (unsigned int i = 0; i < 4; i++) {
		g_auto(GStrv) after = uidl_list(f, users[i]);

		uidl_assert_same(after, before[i]);
		g_strfreev(before[i]);
		g_free(users[i]);
	}
}

/* Freeze the users that the options name, killed when it is about to sync
   something to disk for the nth time. Returns FALSE if it came to its end. */
static gboolean freeze_killed(const char *option, const char *file,
			      unsigned int nth)
{
	g_autofree char *inject = g_strdup_printf(
		"inject=fdatasync:signal=KILL:when=%u", nth);
	const char *const argv[] = {
		"strace", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync",
		"-e", inject, "doveadm", "-c", f->config_file, "popinjay",
		"uidl", "freeze", option, file, NULL
	};
	/* Dovecot looks whose a lock is when it is some seconds old */
	const char *const age_locks[] = {
		"find", f->dir, "-name", "*uidl*.lock", "-exec", "touch", "-d",
		"@0", "{}", ";", NULL
	};
	GString *err = NULL;
	int status = fixture_run(f, argv, NULL, NULL, &err);

	if (status != 0 && status != 128 + SIGKILL)
		g_error("status %d: %s", status, err->str);
	g_string_free(err, TRUE);
	g_assert_cmpint(fixture_run(f, age_locks, NULL, NULL, NULL), ==, 0);
	return status != 0;
}

/* A freeze of many users that is killed again and again, each time a bit
   later, goes on where it was, and each message keeps its UIDL. */
static void test_freeze_killed(gconstpointer option)
{
	gboolean all = g_str_equal(option, "-A");
	char *users[] = { NULL, NULL, NULL, NULL, NULL };
	char **before[4];
	g_autofree char *file = NULL;
	unsigned int kills = 0;

	reload("a.%{uid}");
	make_users(all, users);
	for (unsigned int i = 0; i < 4; i++)
		before[i] = uidl_list(f, users[i]);
	file = uidl_tool_user_file(f, users);
	while (freeze_killed(option, all ? NULL : file, kills + 1))
		kills++;
	g_test_message("killed %u times", kills);
	g_assert_cmpuint(kills, >=, 3);
	reload("b.%{uid}");
	for (unsigned int i = 0; i < 4; i++) {
		g_autofree char *again = uidl_tool(f, NULL, 0, "freeze", "-u",
						   users[i], NULL);
		g_auto(GStrv) after = uidl_list(f, users[i]);

		uidl_assert_row(again, "messages", "5", "saved", "0", NULL);
		uidl_assert_same(after, before[i]);
		g_strfreev(before[i]);
		g_free(users[i]);
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
	fixture_add_storage_tests("/uidl-freeze/one", test_freeze);
	g_test_add_func("/uidl-freeze/removed", test_removed);
	g_test_add_func("/uidl-freeze/at-once", test_freeze_at_once);
	g_test_add_data_func("/uidl-freeze/killed-file", "-F",
			     test_freeze_killed);
	g_test_add_data_func("/uidl-freeze/killed-all", "-A",
			     test_freeze_killed);
	g_test_add_func("/stop/uidl-freeze", test_stop);
	f = fixture_new(NULL);
	ret = g_test_run();
	test_stop();
	return ret;
}
