/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the documentation says of app secrets is true: each way to set them up
   that README.md, the man page and the example configuration have lets somebody
   log in, as it stands there. */

#include "secrets/secrets.h"

#include <glib/gstdio.h>
#include <pwd.h>
#include <unistd.h>

#define REFUSED "-ERR [AUTH] Authentication failed."
#define TEMP "-ERR [SYS/TEMP] "
#define EXAMPLE_KEY_FILE "/etc/dovecot/popinjay.keys"
#define EXAMPLE_STORE "/var/lib/popinjay/"
#define EXAMPLE_FILE "/etc/dovecot/popinjay-secret.conf.ext"

/* The block of README.md whose fence says name. */
static char *readme_block(const char *name)
{
	g_autofree char *text = fixture_read_source("README.md");
	g_autofree char *fence = g_strdup_printf("\n```%s\n", name);
	const char *start = strstr(text, fence), *end;

	g_assert_nonnull(start);
	start += strlen(fence);
	end = strstr(start, "```");
	g_assert_nonnull(end);
	return g_strndup(start, end - start);
}

/* Use paths of the test's own, and who runs it where that is not root. */
static char *localize(const char *text, const char *dir)
{
	const struct passwd *pw = geteuid() == 0 ? NULL : getpwuid(geteuid());
	g_autofree char *user = g_strconcat("user = ", pw == NULL ? "dovecot" :
					    pw->pw_name, NULL);
	g_autofree char *key_file = g_build_filename(dir, "keys", NULL);
	g_autofree char *store = g_strconcat(dir, "/store/", NULL);
	g_autofree char *file = g_build_filename(dir, "secret.conf", NULL);
	const char *const names[][2] = {
		{ EXAMPLE_KEY_FILE, key_file },
		{ EXAMPLE_STORE, store },
		{ EXAMPLE_FILE, file },
		{ "user = dovecot", user }
	};
	g_autoptr(GString) s = g_string_new(text);

	for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++)
		g_string_replace(s, names[i][0], names[i][1], 0);
	return g_string_free(g_steal_pointer(&s), FALSE);
}

/* Whoever may use a site's own dict socket, it is nobody we need to be. */
static const char other_dict_socket[] =
	"service dict {\n"
	"  unix_listener dict {\n"
	"    mode = 0\n"
	"  }\n"
	"}\n";

/* Start a private Dovecot with the passdb of the text, and the file of 2.3. */
static struct secrets *
start_configuration(const char *passdb, const char *file, const char *mechs)
{
	struct secrets *s = g_new0(struct secrets, 1);
	char *dir = g_dir_make_tmp("popinjay-docs-XXXXXX", NULL);
	g_autofree char *store = g_build_filename(dir, "store", NULL);
	g_autofree char *keys = g_build_filename(dir, "keys", NULL);
	g_autofree char *conf = g_build_filename(dir, "secret.conf", NULL);
	g_autofree char *local_file = localize(file, dir);
	g_autoptr(GString) head = g_string_new(NULL);
	g_autofree char *local = localize(passdb, dir);
	g_autofree char *config = g_strconcat(mechs, other_dict_socket, NULL);
	const char *settings[] = { "popinjay_secret_config", conf, NULL };
	struct fixture_options options = {
		.password = FIXTURE_PASSWORD_HASH, .config = config
	};

	s->dir = dir;
	s->store = SECRETS_FS;
	g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
	g_assert_cmpint(g_mkdir(store, 0777), ==, 0);
	g_assert_cmpint(g_chmod(store, 0777), ==, 0);
	secrets_write_file(keys, "k1 000102030405060708090a0b0c0d0e0f"
			   "101112131415161718191a1b1c1d1e1f current\n", 0600);
	secrets_write_file(conf, local_file, 0644);
	g_string_append(head, local);
	if (fixture_is_2_3()) {
		options.settings = settings;
		/* the default path is not this test's */
		if (strstr(head->str, "args = ") == NULL) {
			g_autofree char *args = g_strdup_printf(
				"driver = popinjay\n  args = %s", conf);

			g_string_replace(head, "driver = popinjay", args, 1);
		}
	}
	options.config_head = head->str;
	s->f = fixture_new(&options);
	fixture_user_add(s->f, "joe");
	return s;
}

static void check_says(struct secrets *s, const char *text)
{
	g_autoptr(GString) out = NULL;

	g_assert_cmpint(fixture_doveadm(s->f, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, 0);
	g_assert_nonnull(strstr(out->str, text));
}

static void
try_configuration(const char *passdb, const char *file, const char *mechs)
{
	struct secrets *s = start_configuration(passdb, file, mechs);
	g_autofree char *text = NULL;

	check_says(s, "the dict answers; no secret has been made in it yet\n");
	text = secrets_add(s, "joe", NULL, "-l", "phone", "-m",
			   "plain,apop,scram-sha-256", NULL);
	check_says(s, "the dict answers\n");
	for (unsigned int i = 0; i < 3; i++) {
		static const char *const names[] = {
			"PLAIN", "APOP", "SCRAM-SHA-256"
		};
		g_autofree char *reply = secrets_login(s, POP3_STLS, names[i],
						       "joe", text, NULL);

		g_assert_cmpstr(reply, ==, "+OK Logged in.");
	}
	secrets_free(s);
}

static char *ask_sasl(struct pop3 *pop3)
{
	g_autoptr(GString) capa = NULL;
	const char *sasl;

	pop3_send(pop3, "CAPA");
	capa = pop3_multiline(pop3);
	sasl = strstr(capa->str, "\r\nSASL ");
	g_assert_nonnull(sasl);
	return g_strndup(sasl + 2, strcspn(sasl + 2, "\r"));
}

/* What is said after login is what is said before it. */
static void
try_capa(const char *passdb, const char *file, const char *mechs)
{
	struct secrets *s = start_configuration(passdb, file, mechs);
	struct pop3 *pop3 = pop3_connect(s->f, POP3_STLS);
	g_autofree char *before = ask_sasl(pop3), *after = NULL;

	g_assert_nonnull(strstr(before, "SCRAM-SHA-256"));
	pop3_login(pop3, "joe");
	after = ask_sasl(pop3);
	g_assert_cmpstr(after, ==, before);
	pop3_quit(pop3, "Logging out.");
	secrets_free(s);
}

static void test_readme(void)
{
	g_autofree char *passdb = readme_block(fixture_is_2_3() ?
		"dovecot-2.3-secrets" : "dovecot-2.4-secrets");
	g_autofree char *file = readme_block("secrets-2.3-file");
	g_autofree char *mechs = readme_block("secrets-mechanisms");
	g_autofree char *capa = fixture_is_2_3() ?
		readme_block("secrets-2.3-capa") : g_strdup("");
	g_autofree char *all = g_strconcat(mechs, capa, NULL);

	try_configuration(passdb, file, all);
	try_capa(passdb, file, all);
}

static void test_man(void)
{
	g_autofree char *mechs = readme_block("secrets-mechanisms");
	g_autofree char *passdb = secrets_man_block(fixture_is_2_3() ?
		"args = "EXAMPLE_FILE : "passdb popinjay {");
	g_autofree char *file = secrets_man_block("dict = proxy:");

	try_configuration(passdb, file, mechs);
}

/* The recipe "No password of the account in POP3" in place of the passdb. */
static void test_recipe(void)
{
	g_autofree char *mechs = readme_block("secrets-mechanisms");
	g_autofree char *passdb = secrets_man_block(fixture_is_2_3() ?
		"args = "EXAMPLE_FILE : "passdb popinjay {");
	g_autofree char *file = secrets_man_block("dict = proxy:");
	g_autofree char *recipe = secrets_man_block(fixture_is_2_3() ?
		"args = "EXAMPLE_FILE"\n  result_failure" :
		"passdb popinjay {\n  result_failure");
	const char *rest = strstr(passdb, "\n}\n");
	g_autofree char *config = NULL, *text = NULL;
	struct secrets *s;

	g_assert_true(g_str_has_prefix(passdb, "passdb "));
	g_assert_nonnull(rest);
	config = g_strconcat(recipe, rest + 3, NULL);
	s = start_configuration(config, file, mechs);
	text = secrets_add(s, "joe", NULL, "-l", "phone", NULL);
	for (unsigned int i = 0; i < 2; i++) {
		g_autofree char *right = secrets_login(s, POP3_TLS, "PLAIN",
						       "joe", text, NULL);
		g_autofree char *wrong = secrets_login(s, POP3_TLS, "PLAIN",
			"joe", FIXTURE_PASSWORD, NULL);
		g_autofree char *other = secrets_login(s, POP3_TLS, "PLAIN",
			"bob", FIXTURE_PASSWORD, NULL);

		if (i == 0) {
			g_assert_cmpstr(right, ==, "+OK Logged in.");
			g_assert_cmpstr(wrong, ==, REFUSED);
			g_assert_cmpstr(other, ==, REFUSED);
			fixture_log_allow(s->f, "popinjay|dict");
			secrets_store_stop(s);
		} else {
			g_assert_true(g_str_has_prefix(right, TEMP));
			g_assert_true(g_str_has_prefix(wrong, TEMP));
			g_assert_true(g_str_has_prefix(other, TEMP));
		}
	}
	secrets_free(s);
}

static void test_file(void)
{
	g_autofree char *text = fixture_read_source(
		fixture_is_2_3() ? "doc/dovecot-2.3.conf.ext" :
				   "doc/dovecot-2.4.conf.ext");
	g_autofree char *mechs = readme_block("secrets-mechanisms");
	g_autofree char *file = readme_block("secrets-2.3-file");
	const char *start = strstr(text, "\n#passdb ");
	g_auto(GStrv) lines = NULL;
	g_autofree char *passdb = NULL;

	g_assert_nonnull(start);
	lines = g_strsplit(start + 1, "\n", -1);
	for (char **p = lines; *p != NULL; p++) {
		if (**p == '#')
			memmove(*p, *p + 1, strlen(*p));
	}
	passdb = g_strjoinv("\n", lines);
	try_configuration(passdb, file, mechs);
}

/* A service of its own keeps the store from a socket that all may write to. */
static void test_own_service(void)
{
	g_autofree char *mechs = readme_block("secrets-mechanisms");
	g_autofree char *passdb = secrets_man_block("args = "EXAMPLE_FILE);
	g_autofree char *service = secrets_man_block("service dict-popinjay {");
	g_autofree char *file = secrets_man_block("dict = proxy:");
	g_autofree char *config = NULL, *text = NULL, *reply = NULL;
	GString *err = NULL;
	struct secrets *s;

	if (!fixture_is_2_3()) {
		g_test_skip("all dict processes of 2.4 have the same dicts");
		return;
	}
	strstr(passdb, "\n}\n")[3] = '\0';
	config = g_strconcat(passdb, service, "service dict {\n"
			     "  unix_listener dict-open {\n"
			     "    mode = 0666\n  }\n}\n", NULL);
	s = start_configuration(config, file, mechs);
	text = secrets_add(s, "joe", NULL, "-l", "phone", NULL);
	reply = secrets_login(s, POP3_TLS, "PLAIN", "joe", text, NULL);
	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	g_assert_cmpint(fixture_doveadm(s->f, NULL, NULL, &err, "popinjay",
					"secret", "add", "-u", "joe", "-l",
					"tablet", NULL), ==, 0);
	g_assert_cmpstr(err->str, ==, "");
	g_string_free(err, TRUE);
	fixture_log_allow(s->f, "No dictionaries configured");
	g_assert_cmpint(fixture_doveadm(s->f, NULL, NULL, NULL, "dict", "get",
					"proxy:dict-open:popinjay",
					"shared/popinjay/secrets/joe", NULL),
			!=, 0);
	g_free(fixture_log_wait(s->f, 0, "No dictionaries configured"));
	secrets_free(s);
}

/* --- the key --- */

/* The first time they make a key, and never again another one. */
static void try_key_commands(const char *text)
{
	g_autofree char *dir = g_dir_make_tmp("popinjay-docs-XXXXXX", NULL);
	g_autofree char *local = localize(text, dir);
	g_autofree char *keys = g_build_filename(dir, "keys", NULL);
	g_autofree char *first = NULL;
	/* others prepare the directory */
	char *install = strstr(local, "\ninstall ");
	struct stat st;

	if (install != NULL)
		install[1] = '\0';
	for (unsigned int i = 0; i < 2; i++) {
		const char *const argv[] = { "sh", "-c", local, NULL };
		g_autofree char *err = NULL, *made = NULL;
		int status;

		g_assert_true(g_spawn_sync("/", (char **)argv, NULL,
					   G_SPAWN_SEARCH_PATH, NULL, NULL,
					   NULL, &err, &status, NULL));
		g_assert_true((status == 0) == (i == 0));
		g_assert_true(g_file_get_contents(keys, &made, NULL, NULL));
		g_assert_true(g_regex_match_simple(
			"^k1 [0-9a-f]{64} current\n$", made, 0, 0));
		if (i == 0)
			first = g_steal_pointer(&made);
		else
			g_assert_cmpstr(made, ==, first);
	}
	g_assert_cmpint(g_stat(keys, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	secrets_remove(dir);
}

static void test_key_commands(void)
{
	g_autofree char *readme = readme_block("secrets-shell");
	g_autofree char *man = secrets_man_block("openssl rand");

	try_key_commands(readme);
	try_key_commands(man);
}

/* --- who took my mail? --- */

/* What differs from run to run: times, and the address. */
static char *without_details(const char *text)
{
	static const char *const changes[][2] = {
		{ "\\w{3} +\\d+ \\w{3} \\d+ at \\d+:\\d+", "DATE" },
		{ "^\\w{3} \\d\\d:\\d\\d\\b", "TIME" },
		{ ", \\d+ \\w+ after\\b", ", SOME TIME after" },
		{ "\\b\\d+\\.\\d+\\.\\d+\\.\\d+\\b", "ADDRESS" }
	};
	char *result = g_strdup(text);

	for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
		g_autofree char *old = result;
		g_autoptr(GRegex) regex = g_regex_new(changes[i][0],
			G_REGEX_MULTILINE, 0, NULL);

		result = g_regex_replace_literal(regex, old, -1, 0,
						 changes[i][1], 0, NULL);
	}
	return result;
}

/* The answer that README.md shows. */
static char *readme_answer(void)
{
	static const char question[] = "    # doveadm popinjay log explain "
		"-u alice --message-id a@example.org\n";
	g_autofree char *text = fixture_read_source("README.md");
	const char *p = strstr(text, question);
	g_autoptr(GString) answer = g_string_new(NULL);

	g_assert_nonnull(p);
	p += strlen(question);
	while (g_str_has_prefix(p, "    ") || *p == '\n') {
		p += strspn(p, " ");
		g_string_append_len(answer, p, strchr(p, '\n') + 1 - p);
		p = strchr(p, '\n') + 1;
	}
	/* an empty line ends the block */
	g_string_truncate(answer, answer->len - 1);
	return g_string_free(g_steal_pointer(&answer), FALSE);
}

/* A device with an app secret downloads a mail, and deletes it later. */
static void test_explain(void)
{
	g_autofree char *config = g_strdup_printf(
		"auth_mechanisms = plain apop\n%s"
		"popinjay_access_log_events = session message\n%s",
		fixture_is_2_3() ? "plugin {\n" : "",
		fixture_is_2_3() ? "}\n" : "");
	struct secrets *s = secrets_new(SECRETS_FS, FALSE, config);
	g_autofree char *filler = g_strnfill(850, 'x');
	g_autofree char *mail = g_strdup_printf(
		"Message-ID: <a@example.org>\r\n\r\n%s", filler);
	g_autofree char *secret = NULL, *want = NULL, *told = NULL;
	g_autofree char *answer = readme_answer();
	g_autoptr(GString) out = NULL;

	fixture_user_add(s->f, "alice");
	fixture_deliver(s->f, "alice", mail, 850);
	secret = secrets_add(s, "alice", NULL, "-l", "office-printer", "-m",
			     "apop", "-t", "no", NULL);
	for (unsigned int i = 0; i < 2; i++) {
		gsize since = fixture_log_size(s->f);
		struct pop3 *pop3;
		g_autofree char *reply = secrets_login(s, POP3_CLEAR, "APOP",
						       "alice", secret, &pop3);

		g_assert_cmpstr(reply, ==, "+OK Logged in.");
		if (i == 0) {
			pop3_send(pop3, "RETR 1");
			g_string_free(pop3_multiline(pop3), TRUE);
			pop3_quit(pop3, "Logging out.");
		} else {
			pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
			pop3_quit(pop3, "Logging out, messages deleted.");
		}
		g_free(fixture_log_wait(s->f, since,
					"popinjay_session_finished"));
	}
	g_assert_cmpint(fixture_doveadm(s->f, NULL, &out, NULL, "popinjay",
					"log", "explain", "-u", "alice",
					"--message-id", "a@example.org", NULL),
			==, 0);
	told = without_details(out->str);
	want = without_details(answer);
	g_assert_cmpstr(told, ==, want);
	secrets_free(s);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/docs/readme", test_readme);
	g_test_add_func("/docs/man", test_man);
	g_test_add_func("/docs/recipe", test_recipe);
	g_test_add_func("/docs/file", test_file);
	g_test_add_func("/docs/own-service", test_own_service);
	g_test_add_func("/docs/key-commands", test_key_commands);
	g_test_add_func("/docs/explain", test_explain);
	return g_test_run();
}
