/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the documentation says is true: the example configurations of doc/ and
   README.md run as they stand there, and the man page has the settings, UIDL
   variables and log fields that there are, no more and no less. */

#include "access-record.h"
#include "pop3.h"

#include <stdio.h>
#include <sys/stat.h>

#define MAIL "Subject: docs\r\n\r\nText.\r\n"

/* The paths of the examples, and what they are here. */
#define EXAMPLE_KEY_FILE "/etc/dovecot/popinjay-uidl.key"
#define EXAMPLE_LOG_KEY_FILE "/etc/dovecot/popinjay-log.key"
#define EXAMPLE_LOG_DIR "/var/log/popinjay/"

/* Undo what the fixture's own configuration says about Popinjay. */
#define NOTHING_2_3 "mail_plugins =\nplugin {\n" \
	"  popinjay_sasl_mechanisms =\n  popinjay_disable_plaintext_auth =\n}\n"
#define NOTHING_2_4 "mail_plugins {\n  popinjay = no\n}\n"

static struct fixture *f;

/* --- Examples --- */

/* Put text in the place of each match. */
static void replace(char **text, const char *pattern, const char *with)
{
	g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0,
					      NULL);
	char *replaced = g_regex_replace(regex, *text, -1, 0, with, 0, NULL);

	g_assert_nonnull(replaced);
	g_free(*text);
	*text = replaced;
}

/* Use the example as the configuration, with paths of this test. */
static void configure(const char *example)
{
	g_autofree char *key_file = g_build_filename(f->dir, "uidl.key", NULL);
	g_autofree char *log_dir = g_strconcat(f->dir, "/access/", NULL);
	g_autofree char *text = g_strconcat(fixture_is_2_3() ? NOTHING_2_3 :
					    NOTHING_2_4, example, NULL);

	replace(&text, EXAMPLE_KEY_FILE, key_file);
	replace(&text, EXAMPLE_LOG_KEY_FILE, key_file);
	replace(&text, EXAMPLE_LOG_DIR, log_dir);
	fixture_reload(f, text);
}

/* What a session shows of a configuration. */
struct seen {
	gboolean popinjay, implementation, hmac, doveadm_same, file;
};

static gboolean doveadm_shows(const char *user, const char *uidl)
{
	GString *out = NULL;
	gboolean ret;

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "fetch", "-u",
					user, "pop3.uidl", "ALL", NULL), ==, 0);
	ret = strstr(out->str, uidl) != NULL;
	g_string_free(out, TRUE);
	return ret;
}

static struct seen hold_session(void)
{
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *file = g_strconcat(f->dir, "/access/", user, ".log",
					    NULL);
	gsize since = fixture_log_size(f);
	struct seen seen = { .popinjay = FALSE };
	struct pop3 *pop3;
	g_autofree char *uidl = NULL;
	GString *capa;

	fixture_deliver(f, user, MAIL, strlen(MAIL));
	pop3 = pop3_session(f, POP3_STLS, user);
	pop3_send(pop3, "CAPA");
	capa = pop3_multiline(pop3);
	seen.implementation = strstr(capa->str, "\r\nIMPLEMENTATION ") != NULL;
	/* stock Dovecot has neither after login */
	seen.popinjay = strstr(capa->str, "\r\nUSER\r\n") != NULL &&
		strstr(capa->str, "\r\nSASL PLAIN LOGIN\r\n") != NULL;
	g_string_free(capa, TRUE);
	uidl = pop3_ask(pop3, "UIDL 1");
	seen.hmac = g_regex_match_simple("^\\+OK 1 [0-9a-f]{32}$", uidl, 0, 0);
	pop3_quit(pop3, "Logging out.");

	seen.doveadm_same = doveadm_shows(user, uidl + strlen("+OK 1 "));
	g_free(fixture_log_wait(f, since, "Disconnected: Logged out"));
	if (seen.popinjay) {
		g_free(fixture_log_wait(f, since, "\"event\":\"popinjay_session"
					"_finished\".*\"end\":\"quit\""));
	}
	seen.file = g_file_test(file, G_FILE_TEST_EXISTS);
	return seen;
}

/* Its part about app secrets is tests/test-secret-docs's. */
static char *example_file(void)
{
	char *text = fixture_read_source(fixture_is_2_3() ?
					 "doc/dovecot-2.3.conf.ext" :
					 "doc/dovecot-2.4.conf.ext");

	*strstr(text, "\n# App secrets: ") = '\0';
	return text;
}

/* Without any example there is no Popinjay: else the others show nothing. */
static void test_none(void)
{
	struct seen seen;

	configure("");
	seen = hold_session();
	g_assert_false(seen.popinjay);
	g_assert_false(seen.hmac);
}

static void test_file(void)
{
	g_autofree char *text = example_file();
	struct seen seen;

	configure(text);
	seen = hold_session();
	g_assert_true(seen.popinjay);
	g_assert_false(seen.implementation);
	g_assert_false(seen.hmac);
	/* stock doveadm shows none that is not stored */
	g_assert_false(seen.doveadm_same);
	g_assert_false(seen.file);
}

/* The same with all that a "#" hides. */
static void test_file_whole(void)
{
	g_autofree char *text = example_file();
	struct seen seen;

	replace(&text, "^( *)#(popinjay_|protocol | +mail_plugins | +popinjay "
		"| *\\}$)", "\\1\\2");
	configure(text);
	seen = hold_session();
	g_assert_true(seen.popinjay);
	g_assert_true(seen.implementation);
	g_assert_true(seen.hmac);
	g_assert_true(seen.doveadm_same);
	g_assert_true(seen.file);
}

/* The blocks of README.md in the language of this Dovecot: the first is enough
   alone, the others add to it. */
static void test_readme(void)
{
	g_autofree char *text = fixture_read_source("README.md");
	g_autofree char *fence = g_strdup_printf("\n```%s\n",
		fixture_is_2_3() ? "dovecot-2.3" : "dovecot-2.4");
	g_autoptr(GString) blocks = g_string_new(NULL);
	unsigned int count = 0;
	struct seen seen;

	for (const char *p = text; (p = strstr(p, fence)) != NULL;) {
		const char *end = strstr(p += strlen(fence), "```");

		g_assert_nonnull(end);
		g_string_append_len(blocks, p, end - p);
		configure(blocks->str);
		seen = hold_session();
		g_assert_true(seen.popinjay);
		g_assert_cmpint(seen.hmac, ==, count > 0);
		g_assert_cmpint(seen.doveadm_same, ==, count > 0);
		count++;
	}
	g_assert_cmpuint(count, ==, 2);
}

/* --- The man page --- */

static int compare_names(gconstpointer p1, gconstpointer p2)
{
	return strcmp(*(const char *const *)p1, *(const char *const *)p2);
}

/* The first group of each match, sorted, each once, separated by spaces. */
static char *find_names(const char *text, const char *pattern)
{
	g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0,
					      NULL);
	g_autoptr(GMatchInfo) match = NULL;
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

	g_regex_match(regex, text, 0, &match);
	for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
		char *name = g_match_info_fetch(match, 1);

		if (g_ptr_array_find_with_equal_func(names, name, g_str_equal,
						     NULL))
			g_free(name);
		else
			g_ptr_array_add(names, name);
	}
	g_assert_cmpuint(names->len, >, 0);
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return g_strjoinv(" ", (char **)names->pdata);
}

/* What a section of a man page describes: the lines after each .TP. */
static char *man_items(const char *page, const char *heading)
{
	g_autofree char *text = fixture_read_source(page);
	g_autoptr(GString) items = g_string_new(NULL);
	g_autofree char *section = NULL;
	const char *start = strstr(text, heading), *end;

	g_assert_nonnull(start);
	start += strlen(heading);
	end = strstr(start, "\n.S");
	section = g_strndup(start, end - start);
	for (const char *p = section; (p = strstr(p, "\n.TP\n")) != NULL;) {
		const char *item = strchr(p + strlen("\n.TP\n"), ' ');

		p = strchr(item, '\n');
		g_string_append_len(items, item, p - item);
	}
	return g_string_free(g_steal_pointer(&items), FALSE);
}

/* Dovecot's log of a login under a setting that is wrong. */
static char *refusal(const char *setting)
{
	g_autofree char *config = g_strdup_printf(
		fixture_is_2_3() ? "plugin {\n  %s\n}\n" : "%s\n", setting);
	g_autofree char *user = fixture_user(f, "maildir");
	gsize since = fixture_log_size(f);
	struct pop3 *pop3;

	fixture_reload(f, config);
	pop3 = pop3_connect(f, POP3_STLS);
	pop3_send(pop3, "USER %s", user);
	pop3_expect(pop3, "+OK\r\n");
	pop3_send(pop3, "PASS %s", FIXTURE_PASSWORD);
	/* as the man page has it */
	pop3_expect(pop3, "-ERR [SYS/PERM] The server's configuration for "
		    "this mailbox is wrong.\r\n");
	pop3_expect_eof(pop3);
	pop3_close(pop3);
	return fixture_log_wait(f, since, "Error: popinjay: .*popinjay_");
}

static char *known_settings(void)
{
	g_autofree char *line = NULL;
	GString *out = NULL;
	char *names;

	if (fixture_is_2_3()) {
		line = refusal("popinjay_nosuch = 1");
		return find_names(strstr(line, "there are: "),
				  "(popinjay_\\w+)");
	}
	g_assert_cmpint(fixture_run(f, (const char *const[]){
		"doveconf", "-a", "-c", f->config_file, NULL
	}, NULL, &out, NULL), ==, 0);
	names = find_names(out->str, "^(popinjay_(?!secret)\\w+) =");
	g_string_free(out, TRUE);
	return names;
}

/* What they are tests/unit/test-settings-table compares with the rows of the
   source. */
static void test_man_settings(void)
{
	g_autofree char *items = man_items("doc/popinjay.7",
					   ".SH SETTINGS\n");
	g_autofree char *documented = find_names(items, "(popinjay_\\w+)");
	g_autofree char *known = known_settings();

	g_assert_cmpstr(documented, ==, known);
}

static void test_man_variables(void)
{
	g_autofree char *items = man_items("doc/popinjay.7",
					    ".SS UIDL VARIABLES\n");
	g_autofree char *documented = find_names(items, "%\\{(\\w+)\\}");
	g_auto(GStrv) names = g_strsplit(documented, " ", -1);
	const char *percent = fixture_is_2_3() ? "%%" : "%";
	g_autofree char *setting = g_strdup_printf(
		"popinjay_uidl_format = %s{nosuch}", percent);
	g_autofree char *line = refusal(setting);
	const char *list = strstr(line, "(variables: ");
	g_autofree char *known = NULL;

	g_assert_nonnull(list);
	known = find_names(list + strlen("(variables:"), "\\b(\\w+)[,)]");
	g_assert_cmpstr(documented, ==, known);

	/* each of them is good for something, beside one that is enough */
	for (char **p = names; *p != NULL; p++) {
		g_autofree char *example = g_strdup_printf(
			"%spopinjay_uidl_format = %s{uid}.%s{%s}\n"
			"popinjay_uidl_key_file = " EXAMPLE_KEY_FILE "\n%s",
			fixture_is_2_3() ?
			"mail_plugins = popinjay\nplugin {\n" :
			"mail_plugins {\n  popinjay = yes\n}\n",
			percent, percent, *p, fixture_is_2_3() ? "}\n" : "");
		g_autofree char *user = fixture_user(f,
			g_str_equal(*p, "md5") ? "mbox" : "maildir");
		struct pop3 *pop3;

		configure(example);
		fixture_deliver(f, user, MAIL, strlen(MAIL));
		pop3 = pop3_session(f, POP3_CLEAR, user);
		g_free(setting);
		setting = pop3_ask(pop3, "UIDL 1");
		if (!g_regex_match_simple("^\\+OK 1 1\\.\\S+$", setting, 0,
					  0)) {
			g_test_fail();
			g_test_message("%%{%s}: %s", *p, setting);
		}
		pop3_quit(pop3, "Logging out.");
	}
}

/* The kinds of records that the schema has, one of each event. */
static const char *const record_kinds[] = {
	"session", "retrieved", "command", "login"
};

/* The definitions of the schema. */
static JsonObject *schema_definitions(JsonParser *parser)
{
	g_autofree char *text =
		fixture_read_source("doc/popinjay-log.schema.json");

	g_assert_true(json_parser_load_from_data(parser, text, -1, NULL));
	return json_object_get_object_member(
		json_node_get_object(json_parser_get_root(parser)),
		"definitions");
}

/* What a recipe takes out of records, all of them must have. */
static void assert_fields(const char *recipe, const char *regex)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonObject *definitions = schema_definitions(parser);
	g_autofree char *names = find_names(recipe, regex);
	g_auto(GStrv) fields = g_strsplit(names, " ", -1);

	for (gsize i = 0; i < G_N_ELEMENTS(record_kinds); i++) {
		JsonObject *kind = json_object_get_object_member(
			definitions, record_kinds[i]);

		for (char **p = fields; *p != NULL; p++) {
			g_assert_true(json_object_has_member(
				json_object_get_object_member(kind,
							      "properties"),
				*p));
		}
	}
}

/* The part of the page under a heading. */
static char *man_part(const char *page, const char *heading)
{
	g_autofree char *text = fixture_read_source(page);
	const char *start = strstr(text, heading), *end;

	g_assert_nonnull(start);
	end = strstr(start + 1, "\n.S");
	g_assert_nonnull(end);
	return g_strndup(start, end - start);
}

/* No Debian package has these programs. But fields and times are ours. */
static void test_man_forwarding(void)
{
	static const char page[] = "doc/popinjay-log.7";
	static const char layout[] =
		"layouts: ['2006\\-01\\-02T15:04:05.999999Z']\n";
	g_autofree char *loki = man_part(page, ".SS Loki\n");
	g_autofree char *elastic = man_part(page, ".SS Elasticsearch\n");

	assert_fields(loki, "\\b([a-z_]+) = \"\"");
	assert_fields(loki, "source = \"([a-z_]+)\"");
	/* the object that filebeat puts the fields into */
	g_assert_nonnull(strstr(elastic, "ndjson: {target: popinjay}\n"));
	assert_fields(elastic, "field: popinjay\\.([a-z_]+)");
	/* Go's way to write what the schema demands of times */
	g_assert_nonnull(strstr(loki, "\"RFC3339Nano\"\n"));
	g_assert_nonnull(strstr(elastic, layout));
}

/* --- All --- */

/* The log of all the tests before must be without errors. */
static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

static void make_files(void)
{
	g_autofree char *key_file = g_build_filename(f->dir, "uidl.key", NULL);
	g_autofree char *log_dir = g_build_filename(f->dir, "access", NULL);

	g_assert_true(g_file_set_contents(key_file, "0123456789abcdef\n", -1,
					  NULL));
	g_assert_cmpint(chmod(key_file, 0644), ==, 0);
	g_assert_cmpint(mkdir(log_dir, 0777), ==, 0);
	g_assert_cmpint(chmod(log_dir, 0777), ==, 0);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/docs/examples/none", test_none);
	g_test_add_func("/docs/examples/file", test_file);
	g_test_add_func("/docs/examples/file-whole", test_file_whole);
	g_test_add_func("/docs/examples/readme", test_readme);
	g_test_add_func("/docs/man/settings", test_man_settings);
	g_test_add_func("/docs/man/uidl-variables", test_man_variables);
	g_test_add_func("/docs/man/forwarding", test_man_forwarding);
	g_test_add_func("/docs/stop/log", test_stop);

	f = fixture_new(NULL);
	fixture_log_allow(f,
			  "Error: popinjay: .*popinjay_(nosuch|uidl_format)");
	make_files();
	ret = g_test_run();
	g_clear_pointer(&f, fixture_free);
	return ret;
}
