/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The recipes of popinjay-uidl(7) do what they say, as they stand there: only
   hosts and paths are put in their place. */

#include "numbered.h"
#include "uidl-list.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_COUNT 8
#define MAIL_BYTES 300
#define USER "alice"

static struct fixture *f, *old;

/* --- The man page --- */

static void replace(GString *text, const char *find, const char *with)
{
	if (g_string_replace(text, find, with, 0) == 0)
		g_error("there is no %s in the recipe", find);
}

/* The commands of a section, or of only its nth example (from 1). */
static GString *recipe(const char *section, unsigned int nth)
{
	g_autofree char *path = g_build_filename(POPINJAY_SRCDIR,
						 "doc/popinjay-uidl.7", NULL);
	g_autofree char *text = NULL;
	g_autofree char *title = g_strdup_printf(".SH \"%s\"", section);
	g_auto(GStrv) lines = NULL;
	GString *commands = g_string_new(NULL);
	gboolean in_section = FALSE, in_example = FALSE;
	unsigned int examples = 0;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL; line++) {
		if (g_str_has_prefix(*line, ".SH "))
			in_section = strcmp(*line, title) == 0;
		else if (strcmp(*line, ".nf") == 0 && in_section)
			in_example = nth == 0 || ++examples == nth;
		else if (strcmp(*line, ".fi") == 0)
			in_example = FALSE;
		else if (in_example)
			g_string_append_printf(commands, "%s\n", *line);
	}
	g_assert_cmpuint(commands->len, >, 0);
	g_string_replace(commands, "\\-", "-", 0);
	g_string_replace(commands, "\\e", "\\", 0);
	return commands;
}

/* Run the commands in the private directory, with doveadm's configuration.
   Returns what they wrote. */
static char *run(GString *commands)
{
	g_autofree char *script = g_strdup_printf(
		"doveadm() { command doveadm -c '%s' \"$@\"; }\n%s",
		f->config_file, commands->str);
	const char *const argv[] = { "sh", "-ec", script, NULL };
	GString *out, *err;
	int status = fixture_run(f, argv, NULL, &out, &err);

	if (status != 0)
		g_error("%s: status %d: %s", script, status, err->str);
	g_string_append(out, err->str);
	g_string_free(err, TRUE);
	g_string_free(commands, TRUE);
	return g_string_free(out, FALSE);
}

/* -A is all users that the passwd-file has; an ordinary user's has none. */
static void replace_all_users(GString *commands)
{
	g_autofree char *file = g_build_filename(f->dir, "all", NULL);
	g_autofree char *option = g_strconcat("-F ", file, NULL);

	if (geteuid() == 0)
		return;
	g_assert_true(g_file_set_contents(file, USER "\n", -1, NULL));
	replace(commands, "-A", option);
}

/* --- The recipes --- */

static void test_move(void)
{
	static const char old_config[] = "pop3_uidl_format = ";
	g_autofree char *format = g_strconcat(old_config, fixture_is_2_3() ?
		"%v.old.%u\n" : "%{uidvalidity}.old.%{uid}\n", NULL);
	g_autofree char *ca = g_strdup_printf("ssl_client_ca_file = %s\n",
					      old->ca_file);
	g_autofree char *config = uidl_config("new.%{uid}", NULL, NULL);
	g_autofree char *all = g_strconcat(config, ca, NULL);
	g_autofree char *password = g_build_filename(f->dir, "alice.password",
						     NULL);
	g_autofree char *host = g_strdup_printf("pop3s://127.0.0.1:%u",
						old->pop3s_port);
	g_autofree char *maildir = fixture_mail_dir(old, USER);
	g_autofree char *output = NULL;
	g_auto(GStrv) before = NULL, after = NULL;
	GString *commands = recipe("MOVE FROM ANOTHER SERVER", 0);

	fixture_reload(f, all);
	fixture_reload(old, format);
	fixture_user_add(old, USER);
	fixture_user_add(f, USER);
	numbered_deliver(old, USER, 1, MAIL_COUNT, MAIL_BYTES);
	/* mail that comes here later has other file names, and so GUIDs */
	fixture_user_add(f, "bob");
	numbered_deliver(f, "bob", 1, MAIL_COUNT, MAIL_BYTES);
	before = uidl_list(old, USER);
	g_assert_nonnull(strstr(before[0], ".old."));
	g_assert_true(g_file_set_contents(password, FIXTURE_PASSWORD "\n", -1,
					  NULL));
	g_assert_cmpint(chmod(password, 0600), ==, 0);

	replace(commands, "pop3s://old.example.com", host);
	replace(commands, "/srv/old/alice", maildir);
	output = run(commands);
	after = uidl_list(f, USER);
	g_assert_cmpuint(g_strv_length(after), ==, MAIL_COUNT);
	uidl_assert_same(after, before);
}

/* The mailbox is what test_move left. */
static void test_format(void)
{
	g_autofree char *config = uidl_config("second.%{uid}", NULL, NULL);
	g_autofree char *guid = uidl_config("%{guid}", NULL, NULL);
	g_autofree char *first = NULL, *second = NULL;
	g_auto(GStrv) before = NULL, after = NULL;
	/* bob has mail too, and is there to be asked only if we are root */
	const char *want = geteuid() == 0 ?
		"users would download 10 of 18 messages again" :
		"users would download 2 of 10 messages again";
	GString *commands;

	fixture_reload(f, config);
	numbered_deliver(f, USER, MAIL_COUNT + 1, MAIL_COUNT + 2, MAIL_BYTES);
	before = uidl_list(f, USER);
	commands = recipe("CHANGE THE FORMAT", 1);
	replace_all_users(commands);
	first = run(commands);
	if (strstr(first, want) == NULL)
		g_error("%s", first);
	commands = recipe("CHANGE THE FORMAT", 2);
	replace_all_users(commands);
	second = run(commands);
	if (strstr(second, "users would download 0 of ") == NULL)
		g_error("%s", second);

	fixture_reload(f, guid);
	after = uidl_list(f, USER);
	uidl_assert_same(after, before);
}

static void test_convert(void)
{
	static const char separator[] =
		"namespace inbox {\n  inbox = yes\n  separator = /\n}\n";
	g_autofree char *config = uidl_config("third.%{uid}", NULL, NULL);
	g_autofree char *before_config = g_strconcat(config, separator, NULL);
	const char *mdbox = fixture_is_2_3() ?
		"mail_location = mdbox:~/mdbox\n" :
		"mail_driver = mdbox\nmail_path = ~/mdbox\n";
	g_autofree char *home = fixture_home(f, USER);
	g_autofree char *storage = g_build_filename(home, "mdbox/storage",
						    NULL);
	g_autofree char *other = NULL, *all = NULL, *first = NULL;
	g_autofree char *second = NULL;
	g_auto(GStrv) before = NULL, after = NULL;
	GArray *numbers;

	fixture_reload(f, before_config);
	numbered_deliver(f, USER, MAIL_COUNT + 3, MAIL_COUNT + 4, MAIL_BYTES);
	before = uidl_list(f, USER);
	first = run(recipe("CONVERT THE STORAGE", 1));
	g_assert_true(g_file_test(storage, G_FILE_TEST_IS_DIR));
	g_free(first);
	first = run(recipe("CONVERT THE STORAGE", 2));
	if (!g_regex_match_simple("changed +bytes\\s+\\d+ +0 +0\\s*$",
				  first, 0, 0))
		g_error("not without changes: %s", first);

	/* another format too: nothing may depend on it */
	other = uidl_config("fourth.%{uid}", NULL, NULL);
	all = g_strconcat(other, separator, mdbox, NULL);
	fixture_reload(f, all);
	second = run(recipe("CONVERT THE STORAGE", 3));
	for (unsigned int i = 0; before[i] != NULL; i++)
		if (strstr(second, before[i]) == NULL)
			g_error("no %s in: %s", before[i], second);
	after = uidl_list(f, USER);
	uidl_assert_same(after, before);
	numbers = numbered_read(f, USER, MAIL_BYTES);
	g_assert_cmpuint(numbers->len, ==, MAIL_COUNT + 4);
	g_array_unref(numbers);
}

/* A mailbox that has been without Popinjay, where two messages share a UIDL. */
static void test_before(void)
{
	g_autofree char *xuidl = fixture_is_2_3() ?
		uidl_settings("popinjay_reuse_xuidl", "yes", NULL) :
		g_strdup("pop3_reuse_xuidl = yes\n");
	g_autofree char *diff = NULL, *check = NULL;
	GString *commands;

	fixture_reload(f, xuidl);
	/* -A made her home already; an ordinary user's had none */
	if (geteuid() != 0)
		fixture_user_add(f, "carol");
	numbered_deliver(f, "carol", 1, 1, MAIL_BYTES);
	for (unsigned int i = 0; i < 2; i++) {
		g_autofree char *mail = g_strdup_printf(
			"X-UIDL: double\nSubject: %u\n\nText.\n", i);

		fixture_deliver(f, "carol", mail, strlen(mail));
	}
	commands = recipe("BEFORE POPINJAY IS LOADED", 1);
	replace_all_users(commands);
	if (geteuid() != 0) {
		g_autofree char *file = g_build_filename(f->dir, "all", NULL);

		g_assert_true(g_file_set_contents(file, "carol\n", -1, NULL));
	}
	diff = run(commands);
	if (!g_regex_match_simple("carol +3 +2 +\\d+\\s", diff, 0, 0))
		g_error("not two of three messages: %s", diff);
	commands = recipe("BEFORE POPINJAY IS LOADED", 2);
	replace(commands, "alice", "carol");
	g_strchomp(commands->str);
	commands->len = strlen(commands->str);
	g_string_append(commands, " || test $? = 65");
	check = run(commands);
	if (strstr(check, "without Popinjay it is \"double\"") == NULL ||
	    strstr(check, "2 of 3 messages have another UIDL") == NULL)
		g_error("not two of three messages: %s", check);
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
	g_clear_pointer(&old, fixture_free);
}

int main(int argc, char *argv[])
{
	const struct fixture_options stock = { .stock = TRUE };
	int ret;

	g_test_init(&argc, &argv, NULL);
	/* each goes on where the one before it ended */
	g_test_add_func("/uidl-recipes/1-move", test_move);
	g_test_add_func("/uidl-recipes/2-format", test_format);
	g_test_add_func("/uidl-recipes/3-convert", test_convert);
	g_test_add_func("/uidl-recipes/4-before", test_before);
	g_test_add_func("/stop/uidl-recipes", test_stop);
	f = fixture_new(NULL);
	old = fixture_new(&stock);
	ret = g_test_run();
	test_stop();
	return ret;
}
