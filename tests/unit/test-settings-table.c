/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manual and the example files have the settings that settings-table.h has,
   no more and no less, and say of them what is true; so do those of secrets. */

#include "lib.h"
#include "fixture.h"
#include "secret-config.h"

#define MANUAL "doc/popinjay.7"
#define SECRET_MANUAL "doc/popinjay-secret.7"

struct row {
	const char *name;
	/* what the manual says after "default: "; "" for what is not set */
	char *default_text;
	/* words that the manual has to use, with colons between them */
	char *words;
};

static char *time_text(unsigned int secs)
{
	const unsigned int hour = 60 * 60, day = 24 * hour;

	if (secs == 0)
		return g_strdup("0");
	if (secs > day && secs % day == 0)
		return g_strdup_printf("%u days", secs / day);
	if (secs % hour == 0)
		return g_strdup_printf("%u hours", secs / hour);
	return g_strdup_printf("%u mins", secs / 60);
}

static const struct row *get_rows(gsize *count_r)
{
	static struct row rows[100];
	static gsize count = 0;

	*count_r = count;
	if (count > 0)
		return rows;
#define ROW(name, default_text, words) \
	g_assert_cmpuint(count, <, G_N_ELEMENTS(rows)); \
	rows[count++] = (struct row){ #name, default_text, words };
#define STR(name, default_value) \
	ROW(name, g_strdup(default_value), NULL)
#define TEMPLATE STR
#define ENUM(name, default_value, others) \
	ROW(name, g_strdup(default_value), g_strdup(default_value ":" others))
#define BOOL(name, default_value) \
	ROW(name, g_strdup(default_value ? "yes" : "no"), NULL)
#define MAYBE_BOOL(name) \
	ROW(name, g_strdup(""), g_strdup("yes:no"))
#define TIME(name, default_secs, min_secs, max_secs) \
	ROW(name, time_text(default_secs), time_text(max_secs))
#define UINT(name, default_value, max, unit) \
	ROW(name, g_strdup_printf("%u", (unsigned int)(default_value)), \
	    g_strdup_printf("%s:%u", unit, (unsigned int)(max)))
#include "settings-table.h"
	*count_r = count;
	return rows;
}

/* What a man page says, without its markup. */
static char *plain_text(const char *roff)
{
	g_autoptr(GRegex) macros = g_regex_new("^\\.[BI]R? |[\"]",
					       G_REGEX_MULTILINE, 0, NULL);
	g_autofree char *text = g_regex_replace_literal(macros, roff, -1, 0,
							"", 0, NULL);
	g_autoptr(GString) str = g_string_new(text);

	g_string_replace(str, "\\-", "-", 0);
	g_string_replace(str, "\\~", " ", 0);
	g_string_replace(str, "\n", " ", 0);
	return g_string_free(g_steal_pointer(&str), FALSE);
}

/* The settings that a section of a manual describes, behind its other text. */
static char **manual_items(const char *manual, const char *heading)
{
	g_autofree char *page = fixture_read_source(manual);
	char *start = strstr(page, heading), *end;
	char **items;

	g_assert_nonnull(start);
	end = strstr(start + 1, "\n.S");
	g_assert_nonnull(end);
	*end = '\0';
	items = g_strsplit(start, "\n.TP\n", -1);
	for (char **p = items; *p != NULL; p++) {
		char *text = plain_text(*p);

		g_free(*p);
		*p = text;
	}
	return items;
}

static gboolean default_is(const char *said, const char *wanted)
{
	if (*wanted != '\0')
		return g_str_equal(said, wanted);
	return g_str_equal(said, "none") || g_str_equal(said, "not known") ||
		g_str_has_prefix(said, "Dovecot's ") ||
		g_str_has_prefix(said, "what ");
}

static gboolean has_word(const char *text, const char *word)
{
	g_autofree char *escaped = g_regex_escape_string(word, -1);
	g_autofree char *regex = g_strdup_printf("\\b%s\\b", escaped);

	return g_regex_match_simple(regex, text, 0, 0);
}

static void test_manual(void)
{
	g_auto(GStrv) items = manual_items(MANUAL, "\n.SH SETTINGS\n");
	gsize count;
	const struct row *rows = get_rows(&count);

	for (gsize i = 0; i < count; i++) {
		g_autoptr(GRegex) regex = g_regex_new(
			"^(\\S+) +\\(default: ([^)]*)\\) ", 0, 0, NULL);
		g_autoptr(GMatchInfo) match = NULL;
		g_autofree char *name = NULL, *said = NULL;
		g_auto(GStrv) words = NULL;

		g_assert_nonnull(items[i + 1]);
		if (items[i + 1] == NULL)
			break;
		g_regex_match(regex, items[i + 1], 0, &match);
		name = g_match_info_fetch(match, 1);
		said = g_match_info_fetch(match, 2);
		g_assert_cmpstr(name, ==, rows[i].name);
		/* all others would be wrong, too */
		if (g_strcmp0(name, rows[i].name) != 0)
			break;
		if (!default_is(said, rows[i].default_text)) {
			g_test_fail();
			g_test_message(MANUAL": %s: the default is '%s', not '"
				       "%s'", name, rows[i].default_text,
				       said);
		}
		if (rows[i].words == NULL)
			continue;
		words = g_strsplit(rows[i].words, ":", -1);
		for (char **p = words; *p != NULL; p++) {
			if (has_word(items[i + 1], *p))
				continue;
			g_test_fail();
			g_test_message(MANUAL": %s: no word of %s", name, *p);
		}
	}
	g_assert_cmpuint(g_strv_length(items), ==, count + 1);
}

static gboolean is_known(const char *name)
{
	gsize count;
	const struct row *rows = get_rows(&count);

	for (gsize i = 0; i < count; i++) {
		if (g_str_equal(rows[i].name, name))
			return TRUE;
	}
	/* those of secrets, events, and our module for logins */
	return g_str_has_prefix(name, "popinjay_secret") ||
		g_str_has_prefix(name, "popinjay_auth_") ||
		g_str_has_suffix(name, "_finished") ||
		g_str_equal(name, "popinjay_uidl_refused") ||
		g_str_equal(name, "popinjay_message_trouble") ||
		g_str_equal(name, "popinjay_login");
}

/* Nobody is told of a setting that there is not, nor of such a variable in the
   environment of 2.3's login process. */
static void test_names(void)
{
	static const char *const docs[] = {
		"NEWS", "README.md", MANUAL, "doc/popinjay-log.7",
		"doc/popinjay-secret.7", "doc/popinjay-uidl.7",
		"doc/doveadm-popinjay-check.1", "doc/doveadm-popinjay-log.1",
		"doc/dovecot-2.3.conf.ext", "doc/dovecot-2.4.conf.ext",
		"doc/large-site-2.3.conf.ext", "doc/large-site-2.4.conf.ext"
	};

	for (gsize i = 0; i < G_N_ELEMENTS(docs); i++) {
		g_autofree char *text = fixture_read_source(docs[i]);
		g_autoptr(GRegex) regex = g_regex_new(
			"\\b(popinjay_access_log\\w*|popinjay_\\w+"
			"(?= ?(\\\\~)?=|[`),;]| \\(default))",
			G_REGEX_CASELESS, 0, NULL);
		g_autoptr(GMatchInfo) match = NULL;

		g_regex_match(regex, text, 0, &match);
		while (g_match_info_matches(match)) {
			g_autofree char *word = g_match_info_fetch(match, 1);
			g_autofree char *name = g_ascii_strdown(word, -1);

			if (!is_known(name)) {
				g_test_fail();
				g_test_message("%s: there is no %s", docs[i],
					       word);
			}
			g_match_info_next(match, NULL);
		}
	}
}

/* The example files have all settings. */
static void test_examples(gconstpointer data)
{
	const char *path = data;
	g_autofree char *text = fixture_read_source(path);
	gsize count;
	const struct row *rows = get_rows(&count);

	for (gsize i = 0; i < count; i++) {
		if (has_word(text, rows[i].name))
			continue;
		g_test_fail();
		g_test_message("%s has no %s", path, rows[i].name);
	}
}

/* Those of secrets are few, and of another language in each version: so they
   have no rows. The parser tells what it knows. */
static void test_secrets(void)
{
	g_auto(GStrv) items = manual_items(SECRET_MANUAL, "\n.SS Settings\n");
	pool_t pool = pool_alloconly_create("test", 1024);
	struct popinjay_secret_config config;
	const char *error;
	g_autoptr(GString) names = g_string_new("");
	g_autofree char *age = NULL, *age_secs = NULL;

	g_assert_cmpint(popinjay_secret_config_parse("nosuch = 1", pool,
						     &config, &error), <, 0);
	for (char **p = items + 1; *p != NULL; p++) {
		g_string_append_printf(names, "%s%.*s", p == items + 1 ?
				       ": use " : p[1] == NULL ? " or " : ", ",
				       (int)strcspn(*p, " "), *p);
	}
	/* 2.4 has times with units */
	g_string_append(names, "_secs");
	if (!g_str_has_suffix(error, names->str)) {
		g_test_fail();
		g_test_message(SECRET_MANUAL"%s, but: %s", names->str, error);
	}

	g_assert_cmpint(popinjay_secret_config_parse("dict = d\nkey_file = k",
						     pool, &config, &error),
			==, 0);
	g_assert_cmpstr(config.separator, ==, "");
	g_assert_true(g_str_has_prefix(items[3], "separator  (none) "));
	age = g_strdup_printf("apop_max_age  (%u mins) ",
			      config.apop_max_age_secs / 60);
	age_secs = g_strdup_printf("apop_max_age_secs  (%u).",
				   config.apop_max_age_secs);
	g_assert_true(g_str_has_prefix(items[4], age));
	g_assert_nonnull(strstr(items[4], age_secs));
	pool_unref(&pool);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	g_test_add_func("/settings-table/manual", test_manual);
	g_test_add_func("/settings-table/names", test_names);
	g_test_add_data_func("/settings-table/example-2.3",
			     "doc/dovecot-2.3.conf.ext", test_examples);
	g_test_add_data_func("/settings-table/example-2.4",
			     "doc/dovecot-2.4.conf.ext", test_examples);
	g_test_add_func("/settings-table/secrets", test_secrets);
	lib_init();
	ret = g_test_run();
	lib_deinit();
	return ret;
}
