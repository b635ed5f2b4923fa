/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl, on every storage: what it prints, what it changes and
   what it refuses. What comes from other servers, test-uidl-source tests. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MAIL_COUNT 5
#define MAIL_BYTES 300

static struct fixture *f;

static void reload(const char *format, const char *more)
{
	g_autofree char *config = uidl_config(format, NULL, NULL);
	g_autofree char *all = g_strconcat(config, more, NULL);

	fixture_reload(f, all);
}

static char *user_with_mails(const char *storage)
{
	char *user = fixture_user(f, storage);

	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	return user;
}

/* --- list --- */

static char **list_sizes(const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GString) reply = NULL;
	GPtrArray *sizes = g_ptr_array_new();
	g_auto(GStrv) lines = NULL;

	pop3_send(pop3, "LIST");
	reply = pop3_multiline(pop3);
	pop3_quit(pop3, "Logging out.");
	lines = g_strsplit(reply->str, "\r\n", -1);
	for (unsigned int i = 1; strcmp(lines[i], ".") != 0; i++)
		g_ptr_array_add(sizes, g_strdup(strchr(lines[i], ' ') + 1));
	g_ptr_array_add(sizes, NULL);
	return (char **)g_ptr_array_free(sizes, FALSE);
}

/* It says what a session shows. */
static void test_list(gconstpointer storage)
{
	static const char *const titles[] = { "uidl", "size", "guid", "uid" };
	g_autofree char *user = NULL, *output = NULL;
	g_auto(GStrv) sources = NULL;
	char **want[4];

	reload("a.%{uid}", NULL);
	user = user_with_mails(storage);
	output = uidl_tool(f, NULL, 0, "list", "-u", user, NULL);
	want[0] = uidl_list(f, user);
	want[1] = list_sizes(user);
	want[2] = uidl_fetch(f, user, "guid");
	want[3] = uidl_fetch(f, user, "uid");
	for (unsigned int i = 0; i < G_N_ELEMENTS(titles); i++) {
		g_auto(GStrv) column = uidl_tool_column(output, titles[i]);

		g_assert_cmpuint(g_strv_length(column), ==, MAIL_COUNT);
		uidl_assert_same(column, want[i]);
		g_strfreev(want[i]);
	}
	sources = uidl_tool_column(output, "source");
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		g_assert_cmpstr(sources[i], ==, "format");
}

/* Through a doveadm server it is the same. */
static void test_server(void)
{
	g_autofree char *user = NULL, *list = NULL, *by_server = NULL;
	g_autofree char *socket = g_build_filename(f->dir, "run",
						   "doveadm-server", NULL);
	g_autofree char *frozen = NULL, *exported = NULL, *imported = NULL;

	reload("a.%{uid}", NULL);
	user = user_with_mails("mdbox");
	list = uidl_tool(f, NULL, 0, "list", "-u", user, NULL);
	by_server = uidl_tool(f, NULL, 0, "list", "-S", socket, "-u", user,
			      NULL);
	g_assert_cmpstr(by_server, ==, list);
	exported = uidl_tool(f, NULL, 0, "export", "-S", socket, "-u", user,
			     NULL);
	frozen = uidl_tool(f, NULL, 0, "freeze", "-S", socket, "-u", user,
			   NULL);
	uidl_assert_row(frozen, "messages", "5", "saved", "5", NULL);
	imported = uidl_tool(f, exported, 0, "import", "-n", "-S", socket,
			     "-u", user, NULL);
	uidl_assert_row(imported, "matched", "5", "saved", "0", NULL);
}

/* --- export and import --- */

/* The mails 5, 4, ... 1 and 6 in another storage get their old UIDLs. */
static void test_import(gconstpointer storage)
{
	g_autofree char *from = NULL, *to = NULL, *list = NULL, *out = NULL;
	g_auto(GStrv) old = NULL, before = NULL, same = NULL, after = NULL;

	reload("old.%{uid}", NULL);
	from = user_with_mails(strcmp(storage, "maildir") == 0 ? "mdbox" :
			       "maildir");
	old = uidl_list(f, from);
	list = uidl_tool(f, NULL, 0, "export", "-u", from, NULL);

	reload("new.%{uid}", NULL);
	to = fixture_user(f, storage);
	for (unsigned int i = MAIL_COUNT; i > 0; i--)
		numbered_deliver(f, to, i, i, MAIL_BYTES);
	numbered_deliver(f, to, 6, 6, MAIL_BYTES);
	before = uidl_list(f, to);

	out = uidl_tool(f, list, 0, "import", "-n", "-u", to, NULL);
	uidl_assert_row(out, "messages", "6", "listed", "5", "matched", "5",
			"saved", "5", "kept", "0", "ambiguous", "0", "invalid",
			"0", "left", "0", NULL);
	same = uidl_list(f, to);
	uidl_assert_same(same, before);
	g_free(out);
	out = uidl_tool(f, list, 0, "import", "-u", to, NULL);
	uidl_assert_row(out, "matched", "5", "saved", "5", NULL);
	after = uidl_list(f, to);
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		g_assert_cmpstr(after[i], ==, old[MAIL_COUNT - 1 - i]);
	g_assert_cmpstr(after[MAIL_COUNT], ==, before[MAIL_COUNT]);
	/* once more, there is nothing to do */
	g_free(out);
	out = uidl_tool(f, list, 0, "import", "-u", to, NULL);
	uidl_assert_row(out, "matched", "5", "saved", "0", "kept", "0", NULL);
}

/* What has a saved UIDL keeps it, unless it is to be replaced; and no UIDL is
   taken from another message. */
static void test_import_kept(void)
{
	g_autofree char *user = NULL, *list = NULL, *out = NULL;
	g_autofree char *other = NULL;
	g_auto(GStrv) uidls = NULL, replaced = NULL;

	reload("a.%{uid}", NULL);
	user = user_with_mails("sdbox");
	out = uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL);
	g_free(out);
	list = uidl_tool(f, NULL, 0, "export", "-u", user, NULL);
	/* mail 1 is to get the UIDL that mail 2 has, which goes to no other */
	other = g_strdup(strstr(list, "a.1\t"));
	*strchr(other, '\n') = '\0';
	memcpy(other, "a.2", 3);
	g_free(list);
	list = g_strdup_printf("uidl\tsize\theader\tmessage_id\tguid\n%s\n",
			       other);
	out = uidl_tool(f, list, 0, "import", "-u", user, NULL);
	uidl_assert_row(out, "listed", "1", "matched", "1", "saved", "0",
			"kept", "1", NULL);
	g_free(out);
	out = uidl_tool(f, list, 0, "import", "-r", "-u", user, NULL);
	uidl_assert_row(out, "matched", "1", "saved", "0", "kept", "1", NULL);
	uidls = uidl_list(f, user);
	g_assert_cmpstr(uidls[0], ==, "a.1");
	g_assert_cmpstr(uidls[1], ==, "a.2");

	memcpy(strstr(list, "a.2"), "a.9", 3);
	g_free(out);
	out = uidl_tool(f, list, 0, "import", "--replace", "-u", user, NULL);
	uidl_assert_row(out, "matched", "1", "saved", "1", "kept", "0", NULL);
	replaced = uidl_list(f, user);
	g_assert_cmpstr(replaced[0], ==, "a.9");
	g_assert_cmpstr(replaced[1], ==, "a.2");
}

/* Mails that are the same to the byte or in the header, UIDLs that are none,
   and mails that there are not. */
static void test_import_left(void)
{
	static const char twin[] = "Subject: twin\n\nThe same.\n";
	static const char note[] = "Subject: note\n\nGone by now.\n";
	static const char later[] = "Subject: note\n\nCame later.\n";
	static const char *const told[] = {
		"UIDL old.4: There is no such message",
		"UIDL old.6: It is not clear which message it is",
		"UIDL not valid: No client may be shown such a UIDL"
	};
	g_autofree char *from = NULL, *to = NULL, *list = NULL, *all = NULL;
	g_autofree char *out = NULL;
	g_auto(GStrv) before = NULL, after = NULL;
	g_autoptr(GBytes) bytes = NULL;
	GString *verbose;

	reload("old.%{uid}", NULL);
	from = user_with_mails("maildir");
	fixture_deliver(f, from, twin, strlen(twin));
	fixture_deliver(f, from, twin, strlen(twin));
	fixture_deliver(f, from, note, strlen(note));
	list = uidl_tool(f, NULL, 0, "export", "-u", from, NULL);
	all = g_strconcat(list, "not valid\t9\t\t<number-5@example.com>\t\n",
			  NULL);
	reload("new.%{uid}", NULL);
	to = fixture_user(f, "mdbox");
	numbered_deliver(f, to, 1, 3, MAIL_BYTES);
	fixture_deliver(f, to, twin, strlen(twin));
	fixture_deliver(f, to, twin, strlen(twin));
	fixture_deliver(f, to, later, strlen(later));
	before = uidl_list(f, to);
	bytes = g_bytes_new(all, strlen(all));
	g_assert_cmpint(fixture_doveadm(f, bytes, NULL, &verbose, "-v",
		"popinjay", "uidl", "import", "-n", "-u", to, NULL), ==, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(told); i++) {
		if (strstr(verbose->str, told[i]) == NULL)
			g_error("no \"%s\" in: %s", told[i], verbose->str);
	}
	g_string_free(verbose, TRUE);
	out = uidl_tool(f, all, 0, "import", "-u", to, NULL);
	uidl_assert_row(out, "messages", "6", "listed", "9", "matched", "3",
			"saved", "3", "ambiguous", "2", "invalid", "1", "left",
			"3", NULL);
	after = uidl_list(f, to);
	g_assert_cmpstr(after[2], ==, "old.3");
	g_assert_cmpstr(after[3], ==, before[3]);
	g_assert_cmpstr(after[4], ==, before[4]);
	g_assert_cmpstr(after[5], ==, before[5]);
}

/* One list of several users. */
static void test_import_users(void)
{
	char *from[] = { NULL, NULL, NULL };
	g_autofree char *list = NULL, *file = NULL, *out = NULL, *err = NULL;
	g_autofree char *one = NULL;
	g_auto(GStrv) names = NULL, saved = NULL, listed = NULL;
	g_auto(GStrv) before0 = NULL, before1 = NULL, after0 = NULL;
	g_auto(GStrv) after1 = NULL;

	reload("a.%{uid}", NULL);
	from[0] = user_with_mails("maildir");
	from[1] = user_with_mails("mdbox");
	before0 = uidl_list(f, from[0]);
	before1 = uidl_list(f, from[1]);
	file = uidl_tool_user_file(f, from);
	list = uidl_tool(f, NULL, 0, "export", "-F", file, NULL);
	names = uidl_tool_column(list, "username");
	g_assert_cmpuint(g_strv_length(names), ==, 2 * MAIL_COUNT);
	g_assert_cmpstr(names[0], ==, from[0]);
	g_assert_cmpstr(names[MAIL_COUNT], ==, from[1]);

	reload("b.%{uid}", NULL);
	out = uidl_tool(f, list, 0, "import", "-F", file, NULL);
	saved = uidl_tool_column(out, "saved");
	listed = uidl_tool_column(out, "listed");
	for (unsigned int i = 0; i < 2; i++) {
		g_assert_cmpstr(listed[i], ==, "5");
		g_assert_cmpstr(saved[i], ==, "5");
	}
	after0 = uidl_list(f, from[0]);
	after1 = uidl_list(f, from[1]);
	uidl_assert_same(after0, before0);
	uidl_assert_same(after1, before1);

	/* a list that says of nobody whose it is would be taken for each's */
	one = uidl_tool(f, NULL, 0, "export", "-u", from[0], NULL);
	g_free(uidl_tool_err(f, one, 65, &err, "import", "-F", file, NULL));
	g_assert_nonnull(strstr(err, "The list has no column username, so it "
				"is of one user: use -u"));
	g_free(from[0]);
	g_free(from[1]);
}

static void test_import_bad(void)
{
	static const struct {
		const char *list, *error;
	} cases[] = {
		{ "", "The list: There is no line that names the columns" },
		{ "uidl\tsize\nx\n",
		  "The list: Line 2: It has 1 columns, not 2" }
	};
	g_autofree char *user = NULL;

	reload("a.%{uid}", NULL);
	user = user_with_mails("maildir");
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *err = NULL;

		g_free(uidl_tool_err(f, cases[i].list, 65, &err, "import",
				     "-u", user, NULL));
		g_assert_nonnull(strstr(err, cases[i].error));
	}
}

/* One bad line, and nothing is done for anybody. */
static void test_import_bad_users(void)
{
	char *users[] = { NULL, NULL, NULL };
	g_autofree char *file = NULL, *list = NULL, *bad = NULL, *err = NULL;
	g_autofree char *out = NULL, *again = NULL;

	reload("a.%{uid}", NULL);
	users[0] = user_with_mails("maildir");
	users[1] = user_with_mails("mdbox");
	file = uidl_tool_user_file(f, users);
	list = uidl_tool(f, NULL, 0, "export", "-F", file, NULL);
	bad = g_strconcat(list, "a\tb\n", NULL);
	reload("b.%{uid}", NULL);
	out = uidl_tool_err(f, bad, 65, &err, "import", "-F", file, NULL);
	g_assert_null(strstr(out, "@"));
	g_assert_nonnull(strstr(err, "The list: Line 12: It has 2 columns"));
	g_assert_null(strstr(strstr(err, "The list: ") + 1, "The list: "));
	/* nothing was saved: it all can be now */
	again = uidl_tool(f, list, 0, "import", "-n", "-F", file, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		g_auto(GStrv) saved = uidl_tool_column(again, "saved");

		g_assert_cmpstr(saved[i], ==, "5");
		g_free(users[i]);
	}
}

/* A list without GUIDs. */
static char *without_guids(const char *list)
{
	g_auto(GStrv) lines = g_strsplit(list, "\n", -1);

	for (char **p = lines; *p != NULL; p++) {
		if (strrchr(*p, '\t') != NULL)
			*strrchr(*p, '\t') = '\0';
	}
	return g_strjoinv("\n", lines);
}

/* One message that cannot be read keeps no UIDL from the others. */
static void test_import_unreadable(void)
{
	g_autofree char *user = NULL, *list = NULL, *others = NULL, *out = NULL;
	g_autofree char *path = NULL, *err = NULL, *exported = NULL;
	g_auto(GStrv) before = NULL, after = NULL, hashes = NULL;

	reload("a.%{uid}", NULL);
	user = user_with_mails("maildir");
	before = uidl_list(f, user);
	list = uidl_tool(f, NULL, 0, "export", "-u", user, NULL);
	others = without_guids(list);
	path = numbered_find_file(f, user, 2);
	g_assert_cmpint(chmod(path, 0), ==, 0);
	fixture_log_allow(f, "Permission denied");

	exported = uidl_tool_err(f, NULL, 75, &err, "export", "-u", user, NULL);
	hashes = uidl_tool_column(exported, "header");
	g_assert_cmpuint(g_strv_length(hashes), ==, MAIL_COUNT);
	g_assert_cmpstr(hashes[0], !=, "");
	g_assert_cmpstr(hashes[1], ==, "");
	g_assert_nonnull(strstr(err, "The message with UID 2 can't be read: "));
	g_free(g_steal_pointer(&err));

	reload("b.%{uid}", NULL);
	out = uidl_tool(f, others, 75, "import", "-n", "-u", user, NULL);
	uidl_assert_row(out, "messages", "5", "matched", "4", "left", "1",
			"unreadable", "1", NULL);
	g_free(out);
	out = uidl_tool_err(f, list, 75, &err, "import", "-u", user, NULL);
	uidl_assert_row(out, "messages", "5", "matched", "5", "saved", "5",
			"unreadable", "1", NULL);
	g_assert_nonnull(strstr(err, "The message with UID 2 can't be read: "));
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	after = uidl_list(f, user);
	uidl_assert_same(after, before);
}

/* The name of a file may be an order to a terminal. Dovecot's own errors tell
   it as it is, ours do not. */
static void test_control(void)
{
	g_autofree char *user = NULL, *path = NULL, *hostile = NULL;
	g_autofree char *list = NULL, *export = NULL, *err = NULL, *out = NULL;
	const char *line;
	g_auto(GStrv) guids = NULL, hashes = NULL;

	reload("a.%{uid}", NULL);
	user = user_with_mails("maildir");
	path = numbered_find_file(f, user, 2);
	hostile = g_strconcat(path, "\x9b" "31m\xc2\x9b", NULL);
	g_assert_cmpint(rename(path, hostile), ==, 0);
	list = uidl_tool(f, NULL, 0, "list", "-u", user, NULL);
	g_assert_null(strchr(list, '\x9b'));
	guids = uidl_tool_column(list, "guid");
	g_assert_cmpstr(guids[0], !=, "");
	g_assert_cmpstr(guids[1], ==, "");
	export = uidl_tool(f, NULL, 0, "export", "-u", user, NULL);
	g_assert_null(strchr(export, '\x9b'));
	hashes = uidl_tool_column(export, "header");
	g_assert_cmpstr(hashes[1], !=, "");

	g_assert_cmpint(chmod(hostile, 0), ==, 0);
	fixture_log_allow(f, "Permission denied");
	out = uidl_tool_err(f, NULL, 75, &err, "export", "-u", user, NULL);
	line = strstr(err, "The message with UID 2 can't be read: ");
	g_assert_nonnull(line);
	g_assert_nonnull(strstr(line, "?31m??"));
	g_assert_null(memchr(line, '\x9b', strcspn(line, "\n")));
}

/* --- diff --- */

/* The plugin is loaded for POP3 and doveadm alone, as the manual says. */
static void test_diff_location(void)
{
	const char *plugins = fixture_is_2_3() ?
		"mail_plugins =\n"
		"protocol pop3 {\n  mail_plugins = popinjay\n}\n"
		"protocol doveadm {\n  mail_plugins = popinjay\n}\n" :
		"mail_plugins {\n  popinjay = no\n}\n"
		"protocol pop3 {\n  mail_plugins {\n    popinjay = yes\n"
		"  }\n}\n"
		"protocol doveadm {\n  mail_plugins {\n    popinjay = yes\n"
		"  }\n}\n";
	g_autofree char *config = g_strconcat(plugins,
		"namespace inbox {\n  inbox = yes\n  separator = /\n}\n", NULL);
	g_autofree char *socket = g_build_filename(f->dir, "run",
						   "doveadm-server", NULL);
	g_autofree char *user = NULL;

	reload("a.%{uid}", config);
	user = user_with_mails("sdbox");
	g_free(uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL));
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "backup", "-u",
		user, "sdbox:~/other", NULL), ==, 0);
	/* a server asks for the settings anew */
	for (unsigned int i = 0; i < 2; i++) {
		const char *server = i == 0 ? NULL : "-S";
		g_autofree char *out = NULL, *other = NULL;

		out = uidl_tool(f, NULL, 0, "diff", "-u", user, "--location",
				"sdbox:~/other", server, socket, NULL);
		uidl_assert_row(out, "messages", "5", "changed", "0", NULL);
		other = uidl_tool(f, NULL, 0, "diff", "-u", user, "--location",
				  "sdbox:~/other", "-f", "b.%{uid}", "-w", "-W",
				  server, socket, NULL);
		uidl_assert_row(other, "messages", "5", "changed", "5", NULL);
	}
}

static void test_diff(gconstpointer storage)
{
	g_autofree char *user = NULL, *same = NULL, *other = NULL;
	g_autofree char *frozen = NULL, *without = NULL, *bytes = NULL;
	g_auto(GStrv) sizes = NULL;
	unsigned int sum = 0;

	reload("a.%{uid}", NULL);
	user = user_with_mails(storage);
	sizes = list_sizes(user);
	for (unsigned int i = 0; i < MAIL_COUNT; i++)
		sum += atoi(sizes[i]);
	bytes = g_strdup_printf("%u", sum);
	same = uidl_tool(f, NULL, 0, "diff", "-u", user, "-f", "a.%{uid}",
			 NULL);
	uidl_assert_row(same, "messages", "5", "changed", "0", "bytes", "0",
			NULL);
	other = uidl_tool(f, NULL, 0, "diff", "-u", user, "--format",
			  "b.%{uid}", NULL);
	uidl_assert_row(other, "messages", "5", "changed", "5", "bytes", bytes,
			NULL);
	/* what is saved stays, as long as it is there */
	g_free(uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL));
	frozen = uidl_tool(f, NULL, 0, "diff", "-u", user, "-f", "b.%{uid}",
			   NULL);
	uidl_assert_row(frozen, "changed", "0", NULL);
	without = uidl_tool(f, NULL, 0, "diff", "-u", user, "-f", "b.%{uid}",
			    "-w", "-W", NULL);
	uidl_assert_row(without, "changed", "5", "bytes", bytes, NULL);
}

/* Of all users, those hit hardest come first, and the sum is told. */
static void test_diff_users(void)
{
	char *users[] = { NULL, NULL, NULL, NULL };
	g_autofree char *file = NULL, *out = NULL, *err = NULL, *sum = NULL;
	g_auto(GStrv) names = NULL, changed = NULL, bytes = NULL;

	reload("a.%{uid}", NULL);
	users[0] = user_with_mails("maildir");
	users[1] = fixture_user(f, "sdbox");
	numbered_deliver(f, users[1], 1, 2, 5000);
	users[2] = user_with_mails("mbox");
	g_free(uidl_tool(f, NULL, 0, "freeze", "-u", users[2], NULL));
	file = uidl_tool_user_file(f, users);
	out = uidl_tool_err(f, NULL, 0, &err, "diff", "-F", file, "-f",
			    "b.%{uid}", NULL);
	names = uidl_tool_column(out, "username");
	changed = uidl_tool_column(out, "changed");
	bytes = uidl_tool_column(out, "bytes");
	g_assert_cmpuint(g_strv_length(names), ==, 2);
	g_assert_cmpstr(names[0], ==, users[1]);
	g_assert_cmpstr(changed[0], ==, "2");
	g_assert_cmpstr(names[1], ==, users[0]);
	g_assert_cmpstr(changed[1], ==, "5");
	sum = g_strdup_printf("2 of 3 users would download 7 of 12 messages "
		"again, %u bytes", atoi(bytes[0]) + atoi(bytes[1]));
	if (strstr(err, sum) == NULL)
		g_error("no \"%s\" in: %s", sum, err);
	for (unsigned int i = 0; i < 3; i++)
		g_free(users[i]);
}

/* On a terminal it says how far it has come. */
static void test_progress(void)
{
	char *users[] = { NULL, NULL, NULL };
	g_autofree char *file = NULL, *command = NULL, *shown = NULL;

	reload("a.%{uid}", NULL);
	users[0] = user_with_mails("maildir");
	users[1] = user_with_mails("sdbox");
	file = uidl_tool_user_file(f, users);
	command = g_strdup_printf(
		"doveadm -c '%s' popinjay uidl diff -F '%s' -f 'b.%%{uid}'",
		f->config_file, file);
	shown = fixture_run_on_terminal(f, command);
	if (strstr(shown, "#] 2 of 2 users\033[K\r\033[K") == NULL)
		g_error("no progress in: %s", shown);
	g_free(users[0]);
	g_free(users[1]);
}

static void test_diff_bad(void)
{
	g_autofree char *user = NULL, *none = NULL, *wrong = NULL;

	reload("a.%{uid}", NULL);
	user = user_with_mails("maildir");
	g_free(uidl_tool_err(f, NULL, 64, &none, "diff", "-u", user, NULL));
	g_assert_nonnull(strstr(none, "Give at least one option"));
	g_free(uidl_tool_err(f, NULL, 75, &wrong, "diff", "-u", user, "-f",
			     "no variable", NULL));
	g_assert_nonnull(strstr(wrong, "popinjay_uidl_format=no variable"));
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/uidl-tool/list", test_list);
	g_test_add_func("/uidl-tool/server", test_server);
	fixture_add_storage_tests("/uidl-tool/import", test_import);
	g_test_add_func("/uidl-tool/import/kept", test_import_kept);
	g_test_add_func("/uidl-tool/import/left", test_import_left);
	g_test_add_func("/uidl-tool/import/users", test_import_users);
	g_test_add_func("/uidl-tool/import/bad", test_import_bad);
	g_test_add_func("/uidl-tool/import/bad-users", test_import_bad_users);
	g_test_add_func("/uidl-tool/import/unreadable", test_import_unreadable);
	g_test_add_func("/uidl-tool/control", test_control);
	fixture_add_storage_tests("/uidl-tool/diff", test_diff);
	g_test_add_func("/uidl-tool/diff/location", test_diff_location);
	g_test_add_func("/uidl-tool/diff/users", test_diff_users);
	g_test_add_func("/uidl-tool/diff/bad", test_diff_bad);
	g_test_add_func("/uidl-tool/diff/progress", test_progress);
	g_test_add_func("/stop/uidl-tool", test_stop);
	f = fixture_new(NULL);
	ret = g_test_run();
	test_stop();
	return ret;
}
