/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -drift: what counts as a change of UIDLs, and what does not. */

#include "lib.h"
#include "str.h"
#include "uidl.h"
#include "uidl-drift.h"

#include <glib.h>
#include <stdio.h>

#define MANY 5000

static const char *no_guid(void *context ATTR_UNUSED,
			   uint32_t uid ATTR_UNUSED)
{
	return NULL;
}

/* A set from "KEY=UIDL KEY=UIDL ..."; a message without KEY has none, and one
   with "!" behind it could not be read. */
static struct popinjay_uidl_set *set_of(const char *messages)
{
	struct popinjay_uidl_set *set;
	g_auto(GStrv) words = g_strsplit(messages, " ", -1);
	uint32_t uid = 0;

	set = popinjay_uidl_set_create(4, 5, no_guid, NULL);
	for (char **p = words; *p != NULL && **p != '\0'; p++) {
		g_auto(GStrv) parts = g_strsplit(*p, "=", 2);
		struct popinjay_uidl *message;

		message = popinjay_uidl_set_add(set, ++uid, parts[1],
						POPINJAY_UIDL_SAVED);
		popinjay_uidl_set_key(set, message, parts[0]);
	}
	popinjay_uidl_set_resolve(set);
	for (unsigned int i = 0; i < uid; i++) {
		if (g_str_has_suffix(words[i], "!"))
			popinjay_uidl_set_provisional(set, i + 1);
	}
	return set;
}

/* Messages first to last, which have the keys of their numbers. */
static struct popinjay_uidl_set *
set_of_many(unsigned int first, unsigned int last, unsigned int changed)
{
	struct popinjay_uidl_set *set;
	char key[64], uidl[64];

	set = popinjay_uidl_set_create(last, 5, no_guid, NULL);
	for (unsigned int i = first; i <= last; i++) {
		snprintf(key, sizeof(key), "guid-%u", i);
		snprintf(uidl, sizeof(uidl), "%u%s", i,
			 i % 100 < changed ? "-changed" : "");
		popinjay_uidl_set_key(set, popinjay_uidl_set_add(set, i, uidl,
			POPINJAY_UIDL_SAVED), key);
	}
	popinjay_uidl_set_resolve(set);
	return set;
}

static struct popinjay_uidl_drift_result
compare(struct popinjay_uidl_set *then, struct popinjay_uidl_set *now)
{
	struct popinjay_uidl_drift *drift = popinjay_uidl_drift_create(then,
								       NULL);
	struct popinjay_uidl_drift *read;
	struct popinjay_uidl_drift_result result;
	string_t *text = str_new(default_pool, 1024);

	/* by way of the file */
	popinjay_uidl_drift_write(drift, text);
	g_assert_cmpint(popinjay_uidl_drift_parse(str_data(text),
						  str_len(text), &read), ==,
			0);
	g_assert_true(popinjay_uidl_drift_equals(drift, read));
	popinjay_uidl_drift_compare(read, now, &result);
	popinjay_uidl_drift_free(&read);
	popinjay_uidl_drift_free(&drift);
	str_free(&text);
	return result;
}

static const struct compare_test {
	const char *name, *then, *now;
	unsigned int compared, changed;
} compare_tests[] = {
	{ "same", "a=1 b=2", "a=1 b=2", 2, 0 },
	{ "other-order", "a=1 b=2", "b=2 a=1", 2, 0 },
	{ "one-changed", "a=1 b=2", "a=1 b=3", 2, 1 },
	{ "all-changed", "a=1 b=2", "a=3 b=4", 2, 2 },
	{ "swapped", "a=1 b=2", "a=2 b=1", 2, 2 },
	{ "deleted", "a=1 b=2 c=3", "b=2", 1, 0 },
	{ "all-deleted", "a=1 b=2", "", 0, 0 },
	{ "all-new", "a=1 b=2", "c=3 d=4", 0, 0 },
	{ "new", "a=1", "a=1 b=2 c=3", 1, 0 },
	{ "was-empty", "", "a=1", 0, 0 },
	{ "deleted-new-and-changed", "a=1 b=2 c=3", "b=9 c=3 d=4", 2, 1 },
	{ "copies", "a=1 a=2", "a=1 a=2", 2, 0 },
	{ "copy-deleted", "a=1 a=2", "a=2", 1, 0 },
	{ "copy-new", "a=1", "a=1 a=2", 1, 0 },
	{ "copy-changed", "a=1 a=2", "a=1 a=3", 2, 1 },
	{ "no-key", "=1 a=2", "=3 a=2", 1, 0 },
	{ "unreadable", "a=1 b=2", "a=1 b=pj-2!", 1, 0 },
	{ "was-unreadable", "a=1 b=pj-2!", "a=1 b=2", 1, 0 }
};

static void test_compare(gconstpointer data)
{
	const struct compare_test *test = data;
	struct popinjay_uidl_set *then = set_of(test->then);
	struct popinjay_uidl_set *now = set_of(test->now);
	struct popinjay_uidl_drift_result result = compare(then, now);

	g_assert_cmpuint(result.compared, ==, test->compared);
	g_assert_cmpuint(result.changed, ==, test->changed);
	popinjay_uidl_set_free(&then);
	popinjay_uidl_set_free(&now);
}

/* What could not be read between two sessions is compared after them as if
   there had been no session between them. */
static const struct unreadable_test {
	const char *name, *first, *second, *third;
	unsigned int compared, changed;
} unreadable_tests[] = {
	{ "same", "a=1 b=2", "a=1 b=pj-2!", "a=1 b=2", 2, 0 },
	{ "changed", "a=1 b=2", "a=1 b=pj-2!", "a=1 b=3", 2, 1 },
	{ "no-key", "a=1 b=2", "a=1 =pj-2!", "a=1 b=3", 2, 1 },
	{ "first-and-last", "b=2 a=1 c=3", "a=x! b=4 c=y!", "a=1 b=4 c=3",
	  3, 0 },
	{ "all", "a=1 b=2", "=x! =y!", "a=3 b=2", 2, 1 },
	{ "readable-deleted", "a=1 b=2", "b=2", "a=3 b=2", 1, 0 }
};

static void test_unreadable(gconstpointer data)
{
	const struct unreadable_test *test = data;
	struct popinjay_uidl_set *first = set_of(test->first);
	struct popinjay_uidl_set *second = set_of(test->second);
	struct popinjay_uidl_set *third = set_of(test->third);
	struct popinjay_uidl_drift *shown, *then;
	struct popinjay_uidl_drift_result result;

	shown = popinjay_uidl_drift_create(first, NULL);
	then = popinjay_uidl_drift_create(second, shown);
	popinjay_uidl_drift_compare(then, third, &result);
	g_assert_cmpuint(result.compared, ==, test->compared);
	g_assert_cmpuint(result.changed, ==, test->changed);
	popinjay_uidl_drift_free(&then);
	popinjay_uidl_drift_free(&shown);
	popinjay_uidl_set_free(&third);
	popinjay_uidl_set_free(&second);
	popinjay_uidl_set_free(&first);
}

/* Of many messages a sample tells how many have changed, also when most have
   gone and as many have come. */
static void test_sample(void)
{
	static const unsigned int percents[] = { 0, 5, 20, 100 };
	struct popinjay_uidl_drift_result result;
	struct popinjay_uidl_drift *drift;
	struct popinjay_uidl_set *then = set_of_many(1, MANY, 0), *now;
	string_t *text = str_new(default_pool, 1024);

	drift = popinjay_uidl_drift_create(then, NULL);
	popinjay_uidl_drift_write(drift, text);
	g_assert_true(g_str_has_prefix(str_c(text),
				       "popinjay-uidl-shown 1 1000\n"));
	g_assert_cmpuint(str_len(text), ==, 27 + 18 * 1000);
	popinjay_uidl_drift_free(&drift);
	str_free(&text);

	for (unsigned int i = 0; i < G_N_ELEMENTS(percents); i++) {
		unsigned int expected = percents[i] * 10;

		now = set_of_many(1, MANY, percents[i]);
		result = compare(then, now);
		g_assert_cmpuint(result.compared, ==, 1000);
		g_assert_cmpuint(result.changed, >=, expected * 7 / 10);
		g_assert_cmpuint(result.changed, <=, expected * 13 / 10);
		popinjay_uidl_set_free(&now);
	}
	now = set_of_many(MANY - 500, MANY * 3, 0);
	result = compare(then, now);
	g_assert_cmpuint(result.compared, >, 60);
	g_assert_cmpuint(result.compared, <, 140);
	g_assert_cmpuint(result.changed, ==, 0);
	popinjay_uidl_set_free(&now);
	now = set_of_many(1, MANY * 3, 100);
	result = compare(then, now);
	g_assert_cmpuint(result.compared, ==, 1000);
	g_assert_cmpuint(result.changed, ==, 1000);
	popinjay_uidl_set_free(&now);
	popinjay_uidl_set_free(&then);
}

static void test_exceeds(void)
{
	static const struct {
		unsigned int compared, changed, limit;
		bool exceeds;
	} cases[] = {
		{ 0, 0, 1, FALSE }, { 100, 0, 1, FALSE }, { 100, 1, 1, FALSE },
		{ 100, 2, 1, TRUE }, { 1, 1, 50, TRUE }, { 1, 1, 99, TRUE },
		{ 1, 1, 100, FALSE }, { 3, 1, 33, TRUE }, { 3, 1, 34, FALSE },
		{ 1000, 1000, 99, TRUE }
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct popinjay_uidl_drift_result result = {
			.compared = cases[i].compared,
			.changed = cases[i].changed
		};

		g_assert_true(popinjay_uidl_drift_exceeds(&result,
			cases[i].limit) == cases[i].exceeds);
	}
}

static void test_parse(void)
{
	static const char good[] =
		"popinjay-uidl-shown 1 2\n0a0b0c0d 00000001\n"
		"ffffffff 00000002\n";
	static const char *const bad[] = {
		"", "\n", "x\n", "popinjay-uidl-shown 1 0",
		"popinjay-uidl-shown 2 0\n", "popinjay-uidl-shown 1 -1\n",
		"popinjay-uidl-shown 1 1001\n", "popinjay-uidl-shown 1 1\n",
		"popinjay-uidl-shown 1 0\n0a0b0c0d 00000001\n",
		"popinjay-uidl-shown 1 1\n0A0b0c0d 00000001\n",
		"popinjay-uidl-shown 1 1\n0a0b0c0d-00000001\n",
		"popinjay-uidl-shown 1 1\n0a0b0c0d 0000000x\n",
		"popinjay-uidl-shown 1 1\n0a0b0c0d 00000001 "
	};
	struct popinjay_uidl_drift *drift;

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) T_BEGIN {
		g_assert_cmpint(popinjay_uidl_drift_parse(bad[i],
			strlen(bad[i]), &drift), ==, -1);
	} T_END;
	/* cut anywhere it is none */
	for (size_t size = 0; size <= strlen(good); size++) T_BEGIN {
		int ret = popinjay_uidl_drift_parse(good, size, &drift);

		g_assert_cmpint(ret, ==, size == strlen(good) ? 0 : -1);
		if (ret == 0)
			popinjay_uidl_drift_free(&drift);
	} T_END;
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	g_test_init(&argc, &argv, NULL);
	lib_init();
	for (i = 0; i < G_N_ELEMENTS(compare_tests); i++) {
		g_autofree char *path = g_strconcat(
			"/uidl-drift/compare/", compare_tests[i].name, NULL);

		g_test_add_data_func(path, &compare_tests[i], test_compare);
	}
	for (i = 0; i < G_N_ELEMENTS(unreadable_tests); i++) {
		g_autofree char *path = g_strconcat(
			"/uidl-drift/unreadable/", unreadable_tests[i].name,
			NULL);

		g_test_add_data_func(path, &unreadable_tests[i],
				     test_unreadable);
	}
	g_test_add_func("/uidl-drift/sample", test_sample);
	g_test_add_func("/uidl-drift/exceeds", test_exceeds);
	g_test_add_func("/uidl-drift/parse", test_parse);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
