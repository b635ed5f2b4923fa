/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Holds each dialogue of tests/dialogues with a private Dovecot, on each
   storage: first with Popinjay, which must say exactly what the file expects,
   then with the same Dovecot without it. Where that says something else,
   tests/stock-differences must tell why; where it does not, that file must not
   claim so. */

#include "dialogue.h"

#include <stdio.h>
#include <stdlib.h>

/* Two private Dovecots with the same settings. */
struct pair {
	struct fixture *ours, *stock;
};

struct test_case {
	const struct dialogue *dialogue;
	const char *storage;
	/* what ours said; NULL until it was asked */
	GPtrArray *transcript;
	/* ours did not say what the dialogue expects, or not all of it */
	gboolean failed;
};

/* A line of tests/stock-differences. */
struct difference {
	unsigned int line;
	/* name of the dialogue, storages ("*": all), what was sent as a
	   pattern with * and ?, without the last CRLF */
	char *name, *storages, *sent;
	unsigned int version_min, version_end;
};

/* settings as text -> struct pair */
static GHashTable *pairs;
/* storage and mails as text -> user of the plain pair's stock Dovecot */
static GHashTable *templates;
static GPtrArray *dialogues, *cases, *differences;

/* --- Private Dovecots and mailboxes --- */

static struct pair *pair_get(const struct dialogue *dialogue)
{
	g_autofree char *settings = g_strjoinv("\n", dialogue->settings);
	g_autofree char *key = g_strconcat(settings, "\n\n", dialogue->config,
					   NULL);
	struct pair *pair = g_hash_table_lookup(pairs, key);
	struct fixture_options options = {
		.settings = (const char *const *)dialogue->settings,
		.config = dialogue->config,
		.fast_logins = TRUE
	};

	if (pair == NULL) {
		pair = g_new0(struct pair, 1);
		pair->ours = fixture_new(&options);
		options.stock = TRUE;
		pair->stock = fixture_new(&options);
		/* what is wrong there is not for this test to say */
		fixture_log_allow(pair->stock, "");
		g_hash_table_insert(pairs, g_steal_pointer(&key), pair);
	}
	return pair;
}

static void pair_free(gpointer data)
{
	struct pair *pair = data;

	fixture_free(pair->ours);
	fixture_free(pair->stock);
	g_free(pair);
}

/* A fresh user with the mails of the dialogue. They are delivered once for
   each storage, then copied: this is fast, and what depends on the time of
   delivery is the same for both sides. */
static char *user_make(const struct test_case *test, struct fixture *f)
{
	const struct dialogue plain = {
		.settings = (char *[]){ NULL }, .config = (char *)""
	};
	struct fixture *template_f = pair_get(&plain)->stock;
	g_autofree char *mails = g_strjoinv(" ", test->dialogue->mails);
	g_autofree char *key = g_strconcat(test->storage, " ", mails, NULL);
	char *user, *template = g_hash_table_lookup(templates, key);

	if (template == NULL) {
		template = fixture_user(template_f, test->storage);
		for (char **p = test->dialogue->mails; *p != NULL; p++) {
			g_autoptr(GBytes) mail = dialogue_mail(*p);
			gsize size;
			const void *data = g_bytes_get_data(mail, &size);

			fixture_deliver(template_f, template, data, size);
		}
		/* gives the mailbox its UIDVALIDITY */
		g_assert_cmpint(fixture_doveadm(template_f, NULL, NULL, NULL,
			"mailbox", "status", "-u", template, "messages",
			"INBOX", NULL), ==, 0);
		g_hash_table_insert(templates, g_steal_pointer(&key), template);
	}
	user = fixture_user(f, test->storage);
	fixture_user_copy(template_f, template, f, user);
	return user;
}

/* --- Ours --- */

static void check_log(const struct dialogue *dialogue, struct fixture *f,
		      gsize since)
{
	g_autofree char *error = NULL;

	for (char **p = dialogue->log_lines; *p != NULL; p++) {
		fixture_log_allow(f, *p);
		g_free(fixture_log_wait(f, since, *p));
	}
	error = fixture_log_error(f, since);
	if (error != NULL)
		g_test_fail_printf("unexpected in the log: %s", error);
}

static void test_ours(gconstpointer data)
{
	struct test_case *test = (void *)data;
	struct fixture *f = pair_get(test->dialogue)->ours;
	g_autofree char *user = user_make(test, f);
	gsize since = fixture_log_size(f);
	g_autofree char *failure = dialogue_run(test->dialogue, f, user,
						&test->transcript);

	test->failed = failure != NULL;
	if (test->failed) {
		fixture_log_print(f, since);
		g_test_fail_printf("%s: %s", test->storage, failure);
		return;
	}
	check_log(test->dialogue, f, since);
}

/* --- Stock --- */

static gboolean
difference_applies(const struct difference *difference,
		   const struct test_case *test, const struct fixture *f)
{
	g_auto(GStrv) storages = g_strsplit(difference->storages, " ", -1);

	return g_str_equal(difference->name, test->dialogue->name) &&
		f->version >= difference->version_min &&
		f->version < difference->version_end &&
		(g_str_equal(difference->storages, "*") ||
		 g_strv_contains((const char *const *)storages, test->storage));
}

/* Find the listed difference that covers an exchange. */
static struct difference *
difference_find(const struct test_case *test, const struct fixture *f,
		const char *sent)
{
	g_autofree char *line = g_strdup(sent);

	if (g_str_has_suffix(line, "\\r\\n"))
		line[strlen(line) - 4] = '\0';
	/* the list cannot show a space at either end */
	if (*line == ' ') {
		char *tail = g_strdup_printf("\\x20%s", line + 1);

		g_free(line);
		line = tail;
	}
	for (unsigned int i = 0; i < differences->len; i++) {
		struct difference *difference =
			g_ptr_array_index(differences, i);

		if (difference_applies(difference, test, f) &&
		    g_pattern_match_simple(difference->sent, line))
			return difference;
	}
	return NULL;
}

static char *exchange_text(const struct dialogue_exchange *exchange)
{
	g_autofree char *text = pop3_printable(exchange->received->str,
					       exchange->received->len);

	return g_strconcat(text, exchange->eof ? " (end)" : "", NULL);
}

/* Compare one exchange. Notes the listed difference it confirms in seen. */
static void
compare_exchange(const struct test_case *test, const struct fixture *f,
		 const struct dialogue_exchange *ours,
		 const struct dialogue_exchange *stock, GHashTable *seen)
{
	struct difference *difference;
	g_autofree char *ours_text = exchange_text(ours);
	g_autofree char *stock_text = exchange_text(stock);

	if (g_str_equal(ours_text, stock_text))
		return;
	difference = difference_find(test, f, ours->sent);
	if (difference != NULL)
		g_hash_table_add(seen, difference);
	else {
		g_test_message("a difference that is not listed: %s on %s\n"
			       "  sent: %s\n  ours: %s\n  stock: %s",
			       test->dialogue->name, test->storage, ours->sent,
			       ours_text, stock_text);
		g_test_fail();
	}
}

static void test_stock(gconstpointer data)
{
	struct test_case *test = (void *)data;
	struct fixture *f = pair_get(test->dialogue)->stock;
	g_autofree char *user = user_make(test, f);
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
	g_autoptr(GPtrArray) transcript = NULL;

	if (test->transcript == NULL)
		test_ours(test);
	if (test->failed) {
		g_test_fail_printf("nothing to compare with: the dialogue "
				   "failed with Popinjay");
		return;
	}
	transcript = dialogue_replay(test->dialogue, f, user,
				     test->transcript);
	for (unsigned int i = 0; i < transcript->len; i++) {
		compare_exchange(test, f,
				 g_ptr_array_index(test->transcript, i),
				 g_ptr_array_index(transcript, i), seen);
	}
	if (transcript->len < test->transcript->len &&
	    g_hash_table_size(seen) == 0)
		g_test_fail_printf("stock ended the connection");
	for (unsigned int i = 0; i < differences->len; i++) {
		struct difference *difference =
			g_ptr_array_index(differences, i);

		if (difference_applies(difference, test, f) &&
		    !g_hash_table_contains(seen, difference)) {
			g_test_message("stock-differences:%u: "
				       "no such difference on %s",
				       difference->line, test->storage);
			g_test_fail();
		}
	}
}

/* --- Stopping: the last error may come late --- */

static void test_stop(void)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, pairs);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct pair *pair = value;

		fixture_stop_begin(pair->ours);
		fixture_stop_begin(pair->stock);
	}
	g_hash_table_remove_all(templates);
	g_hash_table_remove_all(pairs);
}

/* --- Reading the files --- */

static unsigned int parse_version(const char *text)
{
	unsigned int major, minor, patch;

	if (sscanf(text, "%u.%u.%u", &major, &minor, &patch) != 3)
		g_error("stock-differences: %s is no version", text);
	return major * 10000 + minor * 100 + patch;
}

/* NAME | STORAGES | VERSIONS | SENT | WHY */
static void parse_difference(const char *line, unsigned int number)
{
	g_auto(GStrv) fields = g_strsplit(line, "|", 5);
	struct difference *difference = g_new0(struct difference, 1);

	if (g_strv_length(fields) != 5)
		g_error("stock-differences:%u: not five fields", number);
	for (char **p = fields; *p != NULL; p++)
		g_strstrip(*p);
	difference->line = number;
	difference->name = g_strdup(fields[0]);
	difference->storages = g_strdup(fields[1]);
	difference->version_end = G_MAXUINT;
	if (*fields[2] == '<')
		difference->version_end = parse_version(fields[2] + 1);
	else if (g_str_has_prefix(fields[2], ">="))
		difference->version_min = parse_version(fields[2] + 2);
	else if (!g_str_equal(fields[2], "*"))
		g_error("stock-differences:%u: versions", number);
	difference->sent = g_strdup(fields[3]);
	if (*fields[4] == '\0')
		g_error("stock-differences:%u: no reason", number);
	g_ptr_array_add(differences, difference);
}

static void read_differences(void)
{
	g_autofree char *path = g_build_filename(POPINJAY_SRCDIR, "tests",
						 "stock-differences", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	g_autoptr(GError) error = NULL;

	differences = g_ptr_array_new();
	if (!g_file_get_contents(path, &text, NULL, &error))
		g_error("%s", error->message);
	lines = g_strsplit(text, "\n", -1);
	for (unsigned int i = 0; lines[i] != NULL; i++) {
		if (*lines[i] != '\0' && *lines[i] != '#')
			parse_difference(lines[i], i + 1);
	}
}

static int compare_names(gconstpointer a, gconstpointer b)
{
	const struct dialogue *const *da = a, *const *db = b;

	return strcmp((*da)->name, (*db)->name);
}

static void read_dialogues(void)
{
	g_autofree char *path = g_build_filename(POPINJAY_SRCDIR, "tests",
						 "dialogues", NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
	const char *name;

	dialogues = g_ptr_array_new();
	if (dir == NULL)
		g_error("%s", error->message);
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		if (g_str_has_suffix(name, ".dialogue"))
			g_ptr_array_add(dialogues, dialogue_load(file));
	}
	g_ptr_array_sort(dialogues, compare_names);
}

/* A listed difference of a dialogue that does not exist is a mistake. */
static void check_differences(void)
{
	for (unsigned int i = 0; i < differences->len; i++) {
		struct difference *difference =
			g_ptr_array_index(differences, i);
		gboolean found = FALSE;

		for (unsigned int j = 0; j < dialogues->len && !found; j++) {
			const struct dialogue *dialogue =
				g_ptr_array_index(dialogues, j);

			found = g_str_equal(dialogue->name, difference->name);
		}
		if (!found)
			g_error("stock-differences:%u: no dialogue %s",
				difference->line, difference->name);
	}
}

static void add_tests(const char *prefix, GTestDataFunc func)
{
	for (unsigned int i = 0; i < cases->len; i++) {
		struct test_case *test = g_ptr_array_index(cases, i);
		g_autofree char *path =
			g_strdup_printf("/%s/%s/%s", prefix, test->storage,
					test->dialogue->name);

		g_test_add_data_func(path, test, func);
	}
}

static void make_cases(void)
{
	cases = g_ptr_array_new();
	for (unsigned int i = 0; i < dialogues->len; i++) {
		const struct dialogue *dialogue =
			g_ptr_array_index(dialogues, i);

		for (char **p = dialogue->storages; *p != NULL; p++) {
			struct test_case *test = g_new0(struct test_case, 1);

			test->dialogue = dialogue;
			test->storage = *p;
			g_ptr_array_add(cases, test);
		}
	}
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_set_nonfatal_assertions();
	pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
				      pair_free);
	templates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
					  g_free);
	read_dialogues();
	read_differences();
	check_differences();
	make_cases();
	add_tests("dialogue", test_ours);
	add_tests("stock", test_stock);
	g_test_add_func("/stop", test_stop);
	ret = g_test_run();
	/* if only some were asked for */
	test_stop();
	return ret;
}
