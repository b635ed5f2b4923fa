/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* : what a UIDL may be, the fallbacks, and how a mailbox's UIDLs are
   made unique, case by case. */

#include "uidl-mailbox.h"

#define MAX_MESSAGES 6

static void test_valid(void)
{
	g_autofree char *longest = g_strnfill(495, 'a');
	g_autofree char *too_long = g_strnfill(496, 'a');
	g_autofree char *short_one = g_strnfill(70, 'a');
	g_autofree char *long_one = g_strnfill(71, 'a');
	char one[2] = "";
	unsigned int chr;

	for (chr = 1; chr < 256; chr++) {
		one[0] = chr;
		g_assert_true(popinjay_uidl_is_valid(one) ==
			      (chr >= 0x21 && chr <= 0x7e));
	}
	g_assert_false(popinjay_uidl_is_valid(""));
	g_assert_true(popinjay_uidl_is_valid("0000000a4e7d1c3f"));
	g_assert_true(popinjay_uidl_is_valid("a.b"));
	g_assert_false(popinjay_uidl_is_valid("a b"));
	g_assert_false(popinjay_uidl_is_valid("a "));
	g_assert_false(popinjay_uidl_is_valid("a\r\n."));
	g_assert_false(popinjay_uidl_is_valid("a\xc3\xa9"));
	g_assert_true(popinjay_uidl_is_valid(longest));
	g_assert_false(popinjay_uidl_is_valid(too_long));
	g_assert_true(popinjay_uidl_is_short(short_one));
	g_assert_false(popinjay_uidl_is_short(long_one));
}

/* The exact strings: were they to change with an update of Popinjay, clients
   would download those messages again. */
static void test_fallback_strings(void)
{
	static const struct {
		const char *guid;
		uint32_t uidvalidity, uid;
		unsigned int level;
		const char *uidl;
	} cases[] = {
		{ "guid-a", 5, 7, 1,
		  "pj-e01816f574645a0e421efc6848287f91" },
		{ "guid-a", 6, 8, 1,
		  "pj-e01816f574645a0e421efc6848287f91" },
		{ "guid-b", 5, 7, 1,
		  "pj-0ffa306b443a79be5836abdb2f970c7f" },
		{ "guid-a", 5, 7, 2,
		  "pj-c38d4addf9d30bbe9b17fcb0d6d60ab1" },
		{ "guid-a", 6, 7, 2,
		  "pj-c38d4addf9d30bbe9b17fcb0d6d60ab1" },
		{ "guid-a", 5, 8, 2,
		  "pj-3497036e5e34091e2141a364f41183c4" },
		{ NULL, 5, 7, 1,
		  "pj-0cc938e1750c6aeb82e3a8db29811a58" },
		{ "", 5, 7, 1,
		  "pj-0cc938e1750c6aeb82e3a8db29811a58" },
		{ NULL, 6, 7, 1,
		  "pj-d052ddd63f8ee4a1661973596bb03fc6" },
		{ NULL, 5, 8, 1,
		  "pj-7c4b7d8d1064d7204908c526bea0e6f4" },
		{ NULL, 5, 7, 2,
		  "pj-d9efd485443e2ef15e1fc551a6179ac0" },
		{ NULL, 4294967295U, 4294967295U, 3,
		  "pj-fead211a2930c502f3a8379af537771f" },
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(cases); i++) T_BEGIN {
		string_t *str = t_str_new(64);

		str_append(str, "before ");
		popinjay_uidl_fallback(str, cases[i].guid,
				       cases[i].uidvalidity, cases[i].uid,
				       cases[i].level);
		g_assert_cmpstr(str_c(str), ==, t_strconcat(
			"before ", cases[i].uidl, NULL));
		g_assert_cmpuint(str_len(str) - strlen("before "), ==, 35);
		g_assert_true(popinjay_uidl_is_valid(cases[i].uidl));
	} T_END;
}

/* In a case, "=1 g" as a UIDL stands for the fallback of level 1 of the GUID
   g, "=2 g 5" for that of level 2 of uid 5, "=1 - 5" for one without GUID. */
static const char *t_expand(const char *uidl)
{
	const char *const *args;

	if (uidl == NULL || uidl[0] != '=')
		return uidl;
	args = t_strsplit(uidl + 1, " ");
	return t_fallback(strcmp(args[1], "-") == 0 ? NULL : args[1],
			  args[2] == NULL ? 0 : atoi(args[2]), atoi(args[0]));
}

struct set_case {
	const char *path;
	struct test_message messages[MAX_MESSAGES];
	const char *result[MAX_MESSAGES];
};

static const struct set_case set_cases[] = {
	{ "empty", { { 0 } }, { NULL } },
	{ "one", { { 1, "g", "a", FALSE } }, { "a" } },
	{ "all-different",
	  { { 1, "g", "a", FALSE }, { 7, "h", "b", TRUE } },
	  { "a", "b" } },
	{ "case-matters",
	  { { 1, "g", "a", FALSE }, { 2, "h", "A", FALSE } },
	  { "a", "A" } },
	{ "missing", { { 1, "g", NULL, FALSE } }, { "=1 g" } },
	{ "invalid",
	  { { 1, "g", "", FALSE }, { 2, "h", "a b", FALSE },
	    { 3, "i", "\xff", TRUE } },
	  { "=1 g", "=1 h", "=1 i" } },
	{ "no-guid",
	  { { 1, NULL, NULL, FALSE }, { 2, "", NULL, FALSE } },
	  { "=1 - 1", "=1 - 2" } },
	{ "same-guid",
	  { { 1, "g", NULL, FALSE }, { 2, "h", NULL, FALSE },
	    { 3, "g", NULL, FALSE } },
	  { "=2 g 1", "=1 h", "=2 g 3" } },
	{ "two-equal",
	  { { 1, "g", "a", FALSE }, { 2, "h", "b", FALSE },
	    { 3, "i", "a", FALSE } },
	  { "=1 g", "b", "=1 i" } },
	{ "three-equal",
	  { { 1, "g", "a", FALSE }, { 2, "h", "a", FALSE },
	    { 3, "i", "a", FALSE } },
	  { "=1 g", "=1 h", "=1 i" } },
	{ "copies",
	  { { 1, "g", "a", FALSE }, { 2, "g", "a", FALSE } },
	  { "=2 g 1", "=2 g 2" } },
	/* one of the two is level 1 already when the other gets there */
	{ "copy-at-other-level",
	  { { 1, "g", "a", FALSE }, { 2, "h", "a", FALSE },
	    { 3, "g", NULL, FALSE } },
	  { "=2 g 1", "=1 h", "=2 g 3" } },

	{ "permanent-stays",
	  { { 1, "g", "a", FALSE }, { 2, "h", "a", TRUE },
	    { 3, "i", "a", FALSE } },
	  { "=1 g", "a", "=1 i" } },
	{ "permanent-stays/first",
	  { { 1, "g", "a", TRUE }, { 2, "h", "a", FALSE } },
	  { "a", "=1 h" } },
	{ "permanent-twice",
	  { { 1, "g", "a", TRUE }, { 2, "h", "a", TRUE },
	    { 3, "i", "a", FALSE } },
	  { "=1 g", "=1 h", "=1 i" } },
	{ "permanent-twice/apart",
	  { { 1, "g", "a", TRUE }, { 2, "h", "a", FALSE },
	    { 3, "i", "a", TRUE } },
	  { "=1 g", "=1 h", "=1 i" } },
	/* copies that the storage gives one, or doveadm backup */
	{ "permanent-copies",
	  { { 1, "g", "a", TRUE }, { 2, "g", "a", TRUE },
	    { 3, "g", "a", TRUE }, { 4, "h", "a", FALSE } },
	  { "a", "=2 g 2", "=2 g 3", "=1 h" } },
	{ "permanent-copies/and-another",
	  { { 1, "g", "a", TRUE }, { 2, "g", "a", TRUE },
	    { 3, "h", "a", TRUE } },
	  { "=2 g 1", "=2 g 2", "=1 h" } },
	{ "permanent-copies/no-guid",
	  { { 1, NULL, "a", TRUE }, { 2, NULL, "a", TRUE } },
	  { "=1 - 1", "=1 - 2" } },
	/* a copy of a message whose fallback was saved */
	{ "permanent-is-fallback",
	  { { 1, "g", "=1 g", TRUE }, { 2, "g", NULL, FALSE } },
	  { "=1 g", "=2 g 2" } },
	/* what was permanent and is invalid has no more rights */
	{ "permanent-invalid",
	  { { 1, "g", "a b", TRUE }, { 2, "h", "=1 g", FALSE } },
	  { "=2 g 1", "=1 h" } },

	{ "hostile/level-1",
	  { { 1, "g", NULL, FALSE }, { 2, "h", "=1 g", FALSE } },
	  { "=2 g 1", "=1 h" } },
	{ "hostile/level-2",
	  { { 1, "g", NULL, FALSE }, { 2, "g", NULL, FALSE },
	    { 3, "h", "=2 g 1", FALSE } },
	  { "=3 g 1", "=2 g 2", "=1 h" } },
	{ "hostile/both-levels",
	  { { 1, "g", NULL, FALSE }, { 2, "h", "=1 g", FALSE },
	    { 3, "i", "=2 g 1", FALSE } },
	  { "=3 g 1", "=1 h", "=1 i" } },
	{ "hostile/no-guid",
	  { { 1, NULL, NULL, FALSE }, { 2, NULL, "=1 - 1", FALSE },
	    { 3, NULL, "=1 - 2", FALSE } },
	  { "=2 - 1", "=2 - 2", "=1 - 3" } },
	/* that two came to a value is not forgotten when both have left it */
	{ "hostile/lost-value",
	  { { 1, "g", "a", FALSE }, { 2, "h", "a", FALSE },
	    { 3, "i", "=1 g", FALSE }, { 4, "j", "=1 g", FALSE } },
	  { "=2 g 1", "=1 h", "=1 i", "=1 j" } },
};

static void check_set(const struct set_case *c, bool saved)
{
	struct test_message messages[MAX_MESSAGES];
	unsigned int asked[MAX_MESSAGES] = { 0 };
	struct test_mailbox box = {
		.messages = messages, .asked = asked, .saved = saved
	};
	struct popinjay_uidl_set *set;
	const struct popinjay_uidl *all;
	unsigned int i, count;

	T_BEGIN {
		memcpy(messages, c->messages, sizeof(messages));
		for (i = 0; i < MAX_MESSAGES && c->result[i] != NULL; i++)
			messages[i].uidl = t_expand(messages[i].uidl);
		box.count = i;

		set = resolve(&box);
		all = popinjay_uidl_set_get(set, &count);
		g_assert_cmpuint(count, ==, box.count);
		for (i = 0; i < count; i++) {
			const struct popinjay_uidl *found =
				popinjay_uidl_set_find(set, messages[i].uid);
			bool fallback = c->result[i][0] == '=' &&
				g_strcmp0(messages[i].uidl,
					  t_expand(c->result[i])) != 0;

			g_assert_true(found == &all[i]);
			g_assert_cmpuint(found->uid, ==, messages[i].uid);
			g_assert_cmpstr(found->uidl, ==,
					t_expand(c->result[i]));
			g_assert_true(found->replaced == fallback);
			g_assert_cmpuint(found->level, ==, !fallback ? 0 :
					 c->result[i][1] - '0');
			g_assert_true((found->rank != POPINJAY_UIDL_MADE) ==
				      messages[i].permanent);
			/* it costs: only where it is needed, only once */
			g_assert_cmpuint(asked[i], ==, fallback ||
					 found->guid != NULL ? 1 : 0);
			g_assert_true(fallback || messages[i].permanent ||
				      asked[i] == 0);
		}
		popinjay_uidl_set_free(&set);
		g_assert_null(set);
		popinjay_uidl_set_free(&set);
	} T_END;
}

static void test_set(gconstpointer data)
{
	check_set(data, FALSE);
	check_set(data, TRUE);
}

static void test_find(void)
{
	static const struct test_message messages[] = {
		{ 3, NULL, "a", FALSE }, { 5, NULL, "b", FALSE },
		{ 4294967295U, NULL, "c", FALSE },
	};
	static const uint32_t others[] = { 0, 1, 2, 4, 6, 4294967294U };
	struct test_mailbox box = { .messages = messages, .count = 3 };
	struct popinjay_uidl_set *set = resolve(&box);
	unsigned int i;

	g_assert_cmpstr(popinjay_uidl_set_find(set, 3)->uidl, ==, "a");
	g_assert_cmpstr(popinjay_uidl_set_find(set, 5)->uidl, ==, "b");
	g_assert_cmpstr(popinjay_uidl_set_find(set, 4294967295U)->uidl,
			==, "c");
	for (i = 0; i < N_ELEMENTS(others); i++)
		g_assert_null(popinjay_uidl_set_find(set, others[i]));
	popinjay_uidl_set_free(&set);
}

/* Storages find GUIDs fastest in the order of uids. */
static void test_guid_order(void)
{
	enum { COUNT = 40 };
	struct test_message messages[COUNT];
	struct test_mailbox box = {
		.messages = messages, .count = COUNT, .uids_ascend = TRUE
	};
	struct popinjay_uidl_set *set;
	unsigned int i;

	T_BEGIN {
		/* the equal ones are found from the middle to both ends */
		for (i = 0; i < COUNT; i++) {
			messages[i] = (struct test_message){
				.uid = i + 1,
				.guid = t_strdup_printf("%u", i),
				.uidl = t_strdup_printf(
					"x%u", i < COUNT / 2 ? i :
					COUNT - 1 - i),
			};
		}
		set = resolve(&box);
		g_assert_cmpuint(box.last_uid, ==, COUNT);
		popinjay_uidl_set_free(&set);
	} T_END;
}

/* What was saved is not copied: it lives as long as the set. */
static void test_held(void)
{
	pool_t pool = pool_alloconly_create("test saved", 1024);
	struct test_mailbox box = { .count = 0 };
	struct popinjay_uidl_set *set;
	const struct popinjay_uidl *all;
	unsigned int count;

	set = popinjay_uidl_set_create(2, UIDVALIDITY, test_get_guid, &box);
	popinjay_uidl_set_hold(set, pool);
	popinjay_uidl_set_add_saved(set, 3, p_strdup(pool, "saved"),
				    p_strdup(pool, "key"));
	popinjay_uidl_set_add_saved(set, 4, p_strdup(pool, "other"), NULL);
	pool_unref(&pool);
	popinjay_uidl_set_resolve(set);
	all = popinjay_uidl_set_get(set, &count);
	g_assert_cmpuint(count, ==, 2);
	g_assert_cmpstr(all[0].uidl, ==, "saved");
	g_assert_cmpstr(all[0].key, ==, "key");
	g_assert_cmpuint(all[0].rank, ==, POPINJAY_UIDL_SAVED);
	g_assert_cmpstr(all[1].uidl, ==, "other");
	g_assert_null(all[1].key);
	popinjay_uidl_set_free(&set);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl/set/held", test_held);
	g_test_add_func("/uidl/valid", test_valid);
	g_test_add_func("/uidl/fallback-strings", test_fallback_strings);
	for (i = 0; i < N_ELEMENTS(set_cases); i++) {
		g_autofree char *path =
			g_strconcat("/uidl/set/", set_cases[i].path, NULL);
		g_test_add_data_func(path, &set_cases[i], test_set);
	}
	g_test_add_func("/uidl/find", test_find);
	g_test_add_func("/uidl/guid-order", test_guid_order);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
