/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay secret: what it prints in doveadm's formats, and what it
   does to many users at once. */

#include "secrets/secrets.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

static struct secrets *s;

static char *run(const char *format, const char *input, const char *const *args)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autoptr(GBytes) bytes = input == NULL ? NULL :
		g_bytes_new_static(input, strlen(input));
	GString *out, *err;

	g_ptr_array_add(argv, (char *)"doveadm");
	g_ptr_array_add(argv, (char *)"-c");
	g_ptr_array_add(argv, s->f->config_file);
	if (format != NULL) {
		g_ptr_array_add(argv, (char *)"-f");
		g_ptr_array_add(argv, (char *)format);
	}
	g_ptr_array_add(argv, (char *)"popinjay");
	g_ptr_array_add(argv, (char *)"secret");
	for (; *args != NULL; args++)
		g_ptr_array_add(argv, (char *)*args);
	g_ptr_array_add(argv, NULL);
	if (fixture_run(s->f, (const char *const *)argv->pdata, bytes, &out,
			&err) != 0)
		g_error("%s", err->str);
	g_string_free(err, TRUE);
	return g_string_free(out, FALSE);
}

#define RUN(format, input, ...) \
	run(format, input, (const char *const []){ __VA_ARGS__, NULL })

/* --- formats --- */

/* The JSON has the names and values of the tabs. */
static void check_json(const char *json, char *const *names, char *const *rows)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonArray *array;

	if (!json_parser_load_from_data(parser, json, -1, NULL))
		g_error("no JSON: %s", json);
	array = json_node_get_array(json_parser_get_root(parser));
	g_assert_cmpuint(json_array_get_length(array), ==,
			 g_strv_length((char **)rows));
	for (guint i = 0; rows[i] != NULL; i++) {
		JsonObject *row = json_array_get_object_element(array, i);
		g_auto(GStrv) values = g_strsplit(rows[i], "\t", -1);

		g_assert_cmpuint(json_object_get_size(row), ==,
				 g_strv_length((char **)names));
		for (guint j = 0; names[j] != NULL; j++) {
			/* Dovecot's own column is Username elsewhere */
			g_autofree char *name = g_ascii_strdown(names[j], -1);

			g_assert_cmpstr(json_object_get_string_member(row,
					name), ==, values[j]);
		}
	}
}

/* The table has a line of names, and one for each row. What is empty is a "-"
   in newer Dovecots. */
static void check_table(const char *table, const char *tabs)
{
	g_auto(GStrv) lines = g_strsplit(tabs, "\n", -1);
	g_autoptr(GString) pattern = g_string_new("^");

	for (char **p = lines; *p != NULL && **p != '\0'; p++) {
		g_auto(GStrv) values = g_strsplit(*p, "\t", -1);

		for (char **value = values; *value != NULL; value++) {
			g_autofree char *quoted = g_regex_escape_string(*value,
									-1);

			g_string_append_printf(pattern, "%s *",
				*quoted == '\0' ? "-?" : quoted);
		}
		g_string_append(pattern, "\\n");
	}
	g_string_append(pattern, "$");
	if (!g_regex_match_simple(pattern->str, table, 0, 0))
		g_error("no %s in: %s", pattern->str, table);
}

/* Run a command that changes nothing in each format; its tabs have this first
   line. */
static void
check_formats(const char *header, const char *input, const char *const *args)
{
	g_autofree char *tabs = run("tab", input, args);
	g_autofree char *json = run("json", input, args);
	g_autofree char *table = run("table", input, args);
	g_autofree char *without = run(NULL, input, args);
	g_auto(GStrv) names = g_strsplit(header, "\t", -1);
	g_auto(GStrv) rows = NULL;

	g_assert_true(g_str_has_suffix(tabs, "\n"));
	tabs[strlen(tabs) - 1] = '\0';
	rows = g_strsplit(tabs, "\n", -1);
	g_assert_cmpstr(rows[0], ==, header);
	g_assert_cmpuint(g_strv_length(rows), >, 1);
	check_json(json, names, rows + 1);
	check_table(table, tabs);
	/* which is also the default */
	g_assert_cmpstr(without, ==, table);
}

#define CHECK_FORMATS(header, input, ...) \
	check_formats(header, input, \
		      (const char *const []){ __VA_ARGS__, NULL })

static void test_formats(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *added = RUN("json", NULL, "add", "-u", user, "-l",
				     "phone");
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autofree char *line = NULL, *table = NULL;
	JsonObject *row;

	g_assert_true(json_parser_load_from_data(parser, added, -1, NULL));
	row = json_array_get_object_element(json_node_get_array(
		json_parser_get_root(parser)), 0);
	g_assert_cmpuint(json_object_get_size(row), ==, 4);
	g_assert_cmpstr(json_object_get_string_member(row, "label"), ==,
			"phone");
	g_assert_cmpuint(strlen(json_object_get_string_member(row, "id")), ==,
			 8);
	line = g_strconcat(json_object_get_string_member(row, "secret"), "\n",
			   NULL);
	/* as the README shows it */
	table = RUN(NULL, NULL, "add", "-u", user, "-l", "scanner", "-t", "no",
		    "-n", "192.0.2.7,2001:db8::/32", "-e", "90d");
	g_assert_true(g_regex_match_simple("^id +label +secret +services *\n"
		"[0-9a-f]{8} scanner [a-z0-9-]{34} pop3 *\n$", table, 0, 0));

	CHECK_FORMATS("id\tlabel\tcreated\texpires\tmechanisms\t"
		      "services\tnetworks\ttls\tdelete\tlast_used\taccount",
		      NULL, "list", "-u", user);
	CHECK_FORMATS("id\tlabel\torigin\tcreated\texpires\tmechanisms\t"
		      "services\tnetworks\ttls\tdelete\tkey\t"
		      "last_used\tlast_ip\t"
		      "last_mechanism\taccount", NULL,
		      "show", "-u", user, "scanner");
	/* what it was given is that of this very secret */
	CHECK_FORMATS("id\tlabel", line, "verify", "-u", user);
	CHECK_FORMATS("moved\tsecrets", NULL, "rekey", "-u", user);
}

/* --- many users --- */

/* All users: those in the file get a secret, those that have it already do not
   get another one, and one who cannot have it keeps nobody else from it. */
static void test_import_all(void)
{
	static const char file[] =
		"# all\n\nalice:{PLAIN}Typed-1\nbob:{SHA256}x\n"
		"carol:{PLAIN}\xc3\xa9\n"
		"dave:{cleartext}Typed-4\nno line\nnobody:{PLAIN}Typed-5\n"
		":{PLAIN}Typed-6\n";
	static const struct {
		const char *user, *password;
	} users[] = {
		{ "alice", "Typed-1" }, { "dave", "Typed-4" }
	};
	g_autoptr(GBytes) input = g_bytes_new_static(file, strlen(file));
	g_autoptr(GString) again = NULL, err = NULL;
	g_autofree char *out = NULL;

	/* EX_DATAERR, as carol's is not ASCII */
	g_assert_cmpint(secrets_doveadm(s, "import", NULL, file, &out, "-A",
					NULL), ==, 65);
	g_assert_true(g_regex_match_simple("^Username\tid\tlabel\tservices\n"
		"alice\t[0-9a-f]{8}\timported\tpop3\n"
		"dave\t[0-9a-f]{8}\timported\tpop3\n$", out, 0, 0));
	for (unsigned int i = 0; i < G_N_ELEMENTS(users); i++) {
		g_autofree char *reply = NULL;

		fixture_user_add(s->f, users[i].user);
		reply = secrets_login(s, POP3_TLS, "PLAIN", users[i].user,
				      users[i].password, NULL);
		g_assert_cmpstr(reply, ==, "+OK Logged in.");
	}
	g_assert_cmpint(fixture_doveadm(s->f, input, &again, &err, "-f", "tab",
		"popinjay", "secret", "import", "-A", NULL), ==, 65);
	g_assert_cmpstr(again->str, ==, "Username\tid\tlabel\tservices\n");
	g_assert_nonnull(strstr(err->str, "Warning: Left out 3 lines that "
		"are not user:{PLAIN}password (hashes cannot be imported); "
		"the first is line 4\n"));
	CHECK_FORMATS("Username\tid\tlabel\tcreated\texpires\tmechanisms\t"
		      "services\tnetworks\ttls\tdelete\tlast_used\taccount",
		      NULL, "list", "-A");
}

/* A table has no titles where an error comes instead of rows. */
static void test_titles(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *socket = g_build_filename(s->f->dir, "run",
						   "doveadm-server", NULL);
	const char *const failing[][6] = {
		{ "show", "-u", user, "nosuch" },
		{ "add", "-u", user },
		{ "verify", "-u", user },
		/* a server has the table made here */
		{ "show", "-S", socket, "-u", user, "nosuch" },
		{ "add", "-S", socket, "-u", user },
	};
	g_autofree char *none = RUN(NULL, NULL, "list", "-u", user);
	g_autofree char *none_sent = RUN(NULL, NULL, "list", "-u", user, "-S",
					 socket);

	fixture_log_allow(s->f, "There is no secret nosuch|Give the secret a "
			  "label");
	g_assert_true(g_str_has_prefix(none, "id "));
	g_assert_cmpstr(none, ==, none_sent);
	for (unsigned int i = 0; i < G_N_ELEMENTS(failing); i++) {
		const char *const *a = failing[i];
		g_autoptr(GString) out = NULL, err = NULL;

		g_assert_cmpint(fixture_doveadm(s->f, NULL, &out, &err,
			"popinjay", "secret", a[0], a[1], a[2], a[3], a[4],
			a[5], NULL), !=, 0);
		g_assert_cmpstr(out->str, ==, "");
		g_assert_cmpstr(err->str, !=, "");
	}
}

/* --- standard input --- */

static void test_large_input(void)
{
	static const struct {
		size_t bytes;
		int status;
		const char *error;
	} cases[] = {
		{ 4096, 77, "No secret matches" },
		{ 4097, 65, "Standard input has more than 4096 bytes\n" },
		{ 1000000, 65, "Standard input has more than 4096 bytes\n" },
	};
	g_autofree char *user = fixture_user(s->f, "maildir");

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strnfill(cases[i].bytes, 'x');
		g_autoptr(GBytes) input = g_bytes_new(text, cases[i].bytes);
		g_autoptr(GString) err = NULL;

		g_assert_cmpint(fixture_doveadm(s->f, input, NULL, &err,
			"popinjay", "secret", "verify", "-u", user, NULL), ==,
			cases[i].status);
		g_assert_nonnull(strstr(err->str, cases[i].error));
	}
}

/* --- revoke --- */

/* Whatever the store: with files, there is none of a secret never used. */
static void test_revoke(gconstpointer data)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = GPOINTER_TO_INT(data), .fast_logins = TRUE
	};
	g_autofree char *user = NULL, *text = NULL, *reply = NULL, *out = NULL;
	g_autofree char *value = NULL, *restored = NULL;

	if (options.store != SECRETS_SQLITE)
		s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	g_free(secrets_add(s, user, NULL, "-l", "unused", NULL));
	text = secrets_add(s, user, NULL, "-l", "used", NULL);
	g_assert_cmpint(secrets_doveadm(s, "revoke", user, NULL, NULL,
					"unused", NULL), ==, 0);
	reply = secrets_login(s, POP3_TLS, "PLAIN", user, text, NULL);
	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	value = secrets_get_value(s, user);
	g_assert_cmpint(secrets_doveadm(s, "revoke", user, NULL, NULL, "used",
					NULL), ==, 0);
	g_assert_cmpint(secrets_doveadm(s, "list", user, NULL, &out, NULL),
			==, 0);
	g_assert_cmpstr(out, ==, "id\tlabel\tcreated\texpires\tmechanisms\t"
			"services\tnetworks\ttls\tdelete\tlast_used\t"
			"account\n");
	/* from where and when it was used is forgotten, too: it would stand
	   there if the secret came back */
	secrets_set_value(s, user, value);
	g_assert_cmpint(secrets_doveadm(s, "show", user, NULL, &restored,
					"used", NULL), ==, 0);
	g_assert_nonnull(strstr(restored, "used"));
	g_assert_null(strstr(restored, "127.0.0.1"));
	if (s != shared)
		secrets_free(s);
	s = shared;
}

/* --- who gets at the store --- */

static char *add_stderr(const char *label)
{
	GString *err = NULL;

	g_assert_cmpint(fixture_doveadm(s->f, NULL, NULL, &err, "popinjay",
					"secret", "add", "-u", "alice", "-l",
					label, NULL), ==, 0);
	return g_string_free(err, FALSE);
}

/* Everybody may ask the dict processes for what they have. */
static void test_open_socket(void)
{
	static const char warning[] = "run/dict of service dict can be written "
		"to by everybody, who could bring revoked secrets back";
	struct secrets *shared = s;
	g_autofree char *none = add_stderr("one"), *some = NULL;
	g_autoptr(GString) checked = NULL;
	const struct secrets_options options = {
		.store = SECRETS_FS,
		.config = "service dict {\n  unix_listener dict {\n"
			"    mode = 0666\n  }\n"
			/* names of sections may be long */
			"  unix_listener dict-of-a-program-that-has-a-name-"
			"which-is-longer-than-anybody-needs {\n"
			"    mode = 0600\n  }\n}\n"
	};

	g_assert_cmpstr(none, ==, "");
	s = secrets_new_with(&options);
	some = add_stderr("one");
	g_assert_nonnull(strstr(some, "Warning: "));
	g_assert_nonnull(strstr(some, warning));
	(void)fixture_doveadm(s->f, NULL, &checked, NULL, "popinjay", "check",
			      NULL);
	g_assert_nonnull(strstr(checked->str, warning));
	secrets_free(s);
	s = shared;
}

/* --- what it is no business of --- */

/* The commands run as root: no plugin of mail's is to work there with what is
   the user's. */
static void test_no_plugins(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS,
		.config = fixture_is_2_3() ?
			"mail_plugins = $mail_plugins last_login\n"
			"plugin {\n  last_login_dict = file:%h/last\n}\n" :
			"mail_plugins {\n  last_login = yes\n}\n"
			"last_login {\n  dict file {\n"
			"    path = %{home}/last\n  }\n}\n"
	};
	struct secrets *shared = s;
	g_autofree char *text = NULL, *home = NULL, *path = NULL;

	s = secrets_new_with(&options);
	fixture_user_add(s->f, "alice");
	home = fixture_home(s->f, "alice");
	path = g_build_filename(home, "last", NULL);
	text = secrets_add(s, "alice", NULL, "-l", "one", NULL);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	pop3_quit(pop3_session(s->f, POP3_TLS, "alice"), "Logging out.");
	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	secrets_free(s);
	s = shared;
}

/* --- doveadm popinjay check --- */

static char *check_all(int status)
{
	GString *out = NULL;

	g_assert_cmpint(fixture_doveadm(s->f, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, status);
	return g_string_free(out, FALSE);
}

/* A key file that auth will not take is told before auth reads it again. */
static void test_check(void)
{
	g_autofree char *good = check_all(0), *bad = NULL;

	g_assert_true(g_regex_match_simple("^ok +app secrets: \\S+ can be "
		"read, and the dict answers$", good, G_REGEX_MULTILINE, 0));
	g_assert_null(strstr(good, "The passdb popinjay comes after"));
	g_assert_true(g_regex_match_simple("^ok +\\S+/libauthdb_popinjay\\.so: "
		".*, loaded by auth$", good, G_REGEX_MULTILINE, 0));
	g_assert_cmpint(g_chmod(s->key_file, 0644), ==, 0);
	bad = check_all(78);
	g_assert_cmpint(g_chmod(s->key_file, 0600), ==, 0);
	g_assert_true(g_regex_match_simple("^error +app secrets: key_file: .*; "
		"no secret can log in$", bad, G_REGEX_MULTILINE, 0));
}

/* Dovecot refuses joe+phone unless it is told that + may be in a name. */
static void test_check_separator(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS,
		.config = "auth_username_chars = "
			"abcdefghijklmnopqrstuvwxyz0123456789.-_@\n"
	};
	struct secrets *shared = s;
	g_autofree char *good = check_all(0), *bad = NULL;

	g_assert_null(strstr(good, "separator"));
	s = secrets_new_with(&options);
	bad = check_all(0);
	g_assert_true(g_regex_match_simple("^warning +app secrets: separator "
		"\\+ is not in auth_username_chars: ", bad,
		G_REGEX_MULTILINE, 0));
	secrets_free(s);
	s = shared;
}

/* root may ask the store, which helps nobody: the auth process has to. */
static void test_check_as_auth(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS,
		.config = "service dict {\n  unix_listener dict {\n"
			"    mode = 0600\n    group =\n  }\n}\n"
	};
	struct secrets *shared = s;
	g_autofree char *text = NULL, *reply = NULL, *checked = NULL;

	if (geteuid() != 0) {
		g_test_skip("all processes are those of one user");
		return;
	}
	s = secrets_new_with(&options);
	fixture_user_add(s->f, "alice");
	text = secrets_add(s, "alice", NULL, "-l", "one", NULL);
	fixture_log_allow(s->f, "Permission denied");
	reply = secrets_login(s, POP3_TLS, "PLAIN", "alice", text, NULL);
	g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP]"));
	checked = check_all(78);
	g_assert_true(g_regex_match_simple("^error +app secrets: User \\S+ of "
		"service auth cannot ask the dict: .*Permission denied.*; no "
		"secret can log in$", checked, G_REGEX_MULTILINE, 0));
	secrets_free(s);
	s = shared;
}

int main(int argc, char *argv[])
{
	const struct secrets_options options = {
		.store = SECRETS_SQLITE, .fast_logins = TRUE
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	s = secrets_new_with(&options);
	g_test_add_func("/secret-commands/formats", test_formats);
	g_test_add_func("/secret-commands/import-all", test_import_all);
	g_test_add_func("/secret-commands/titles", test_titles);
	g_test_add_func("/secret-commands/large-input", test_large_input);
	g_test_add_data_func("/secret-commands/revoke/sqlite",
			     GINT_TO_POINTER(SECRETS_SQLITE), test_revoke);
	g_test_add_data_func("/secret-commands/revoke/fs",
			     GINT_TO_POINTER(SECRETS_FS), test_revoke);
	g_test_add_func("/secret-commands/no-plugins", test_no_plugins);
	g_test_add_func("/secret-commands/check", test_check);
	g_test_add_func("/secret-commands/check-as-auth", test_check_as_auth);
	g_test_add_func("/secret-commands/check-separator",
			test_check_separator);
	g_test_add_func("/secret-commands/open-socket", test_open_socket);
	ret = g_test_run();
	secrets_free(s);
	return ret;
}
