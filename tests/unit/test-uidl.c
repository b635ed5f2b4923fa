/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/uidl: what a UIDL may be, the fallbacks, and how a mailbox's UIDLs are
   made unique: cases one by one, then properties of random mailboxes. */

#include "lib.h"
#include "str.h"
#include "uidl.h"

#include <glib.h>

#define UIDVALIDITY 1700000000
#define MAX_MESSAGES 6

struct test_message {
	uint32_t uid;
	const char *guid;
	const char *uidl;
	bool permanent;
};

/* Messages as get_guid finds them, and what it was asked. */
struct test_mailbox {
	const struct test_message *messages;
	unsigned int count;
	/* how often each was asked for; may be NULL */
	unsigned int *asked;
	bool uids_ascend;
	uint32_t last_uid;
};

static int uid_cmp(const void *uid, const void *message)
{
	const uint32_t *uidp = uid;
	const struct test_message *messagep = message;

	return *uidp < messagep->uid ? -1 : *uidp > messagep->uid;
}

static const char *test_get_guid(void *context, uint32_t uid)
{
	static char guid[64];
	struct test_mailbox *box = context;
	const struct test_message *message =
		bsearch(&uid, box->messages, box->count, sizeof(*message),
			uid_cmp);

	g_assert_nonnull(message);
	if (box->asked != NULL)
		box->asked[message - box->messages]++;
	if (box->uids_ascend)
		g_assert_cmpuint(uid, >, box->last_uid);
	box->last_uid = uid;
	if (message->guid == NULL)
		return NULL;
	/* what was returned before is gone */
	g_assert_cmpuint(g_strlcpy(guid, message->guid, sizeof(guid)), <,
			 sizeof(guid));
	return guid;
}

static struct popinjay_uidl_set *resolve(struct test_mailbox *box)
{
	struct popinjay_uidl_set *set;
	unsigned int i;

	set = popinjay_uidl_set_create(box->count, UIDVALIDITY,
				       test_get_guid, box);
	for (i = 0; i < box->count; i++) {
		g_autofree char *uidl = g_strdup(box->messages[i].uidl);

		popinjay_uidl_set_add(set, box->messages[i].uid, uidl,
				      box->messages[i].permanent);
	}
	popinjay_uidl_set_resolve(set);
	return set;
}

static const char *
t_fallback(const char *guid, uint32_t uid, unsigned int level)
{
	string_t *str = t_str_new(64);

	popinjay_uidl_fallback(str, guid, UIDVALIDITY, uid, level);
	return str_c(str);
}

static void test_valid(void)
{
	g_autofree char *longest = g_strnfill(70, 'a');
	g_autofree char *too_long = g_strnfill(71, 'a');
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

static void test_set(gconstpointer data)
{
	const struct set_case *c = data;
	struct test_message messages[MAX_MESSAGES];
	unsigned int asked[MAX_MESSAGES] = { 0 };
	struct test_mailbox box = { .messages = messages, .asked = asked };
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
			g_assert_true(found->permanent ==
				      messages[i].permanent);
			/* it costs: only where it is needed, only once */
			g_assert_cmpuint(asked[i], ==, fallback ? 1 : 0);
		}
		popinjay_uidl_set_free(&set);
		g_assert_null(set);
		popinjay_uidl_set_free(&set);
	} T_END;
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

/* Random mailboxes in which few GUIDs and UIDLs lead to many collisions. With
   any_level, UIDLs may equal fallbacks of every level, and messages may lack a
   GUID. */
static unsigned int
random_messages(struct test_message *messages, unsigned int max_count,
		bool any_level)
{
	unsigned int i, count = g_test_rand_int_range(0, max_count + 1);
	unsigned int guids = g_test_rand_int_range(1, 20);
	unsigned int uidls = g_test_rand_int_range(1, 20);

	for (i = 0; i < count; i++) {
		unsigned int guid = g_test_rand_int_range(0, guids);
		unsigned int other_guid = g_test_rand_int_range(0, guids);

		messages[i].uid = i * 3 + 1;
		messages[i].guid = any_level && guid == 0 ? NULL :
			t_strdup_printf("g%u", guid);
		messages[i].permanent = g_test_rand_int_range(0, 4) == 0;
		switch (g_test_rand_int_range(0, 6)) {
		case 0:
			messages[i].uidl = NULL;
			break;
		case 1:
			messages[i].uidl = "in valid";
			break;
		case 2:
			messages[i].uidl = t_fallback(
				any_level && other_guid == 0 ? NULL :
				t_strdup_printf("g%u", other_guid),
				g_test_rand_int_range(0, count) * 3 + 1,
				any_level ? g_test_rand_int_range(1, 5) : 1);
			break;
		default:
			messages[i].uidl = t_strdup_printf(
				"u%d", g_test_rand_int_range(0, uidls));
		}
	}
	return count;
}

struct reference_claim {
	unsigned int idx;
	const char *uidl;
	bool permanent;
};

static const char *
t_candidate(const struct test_message *message, unsigned int level)
{
	return level == 0 ? message->uidl :
		t_fallback(message->guid, message->uid, level);
}

/* The rule of uidl.h word by word, looking at the messages in random order. */
static void
reference(const struct test_message *messages, unsigned int count,
	  unsigned int *levels_r)
{
	g_autoptr(GArray) claims =
		g_array_new(FALSE, FALSE, sizeof(struct reference_claim));
	unsigned int i, j, unchanged = 0;

	for (i = 0; i < count; i++) {
		struct reference_claim claim = { .idx = i };

		levels_r[i] = messages[i].uidl == NULL ||
			!popinjay_uidl_is_valid(messages[i].uidl) ? 1 : 0;
		claim.uidl = t_candidate(&messages[i], levels_r[i]);
		claim.permanent = messages[i].permanent && levels_r[i] == 0;
		g_array_append_val(claims, claim);
	}
	/* enough misses in a row, and a last look at each in turn */
	while (count > 0 && unchanged < count * 4) {
		const char *uidl;
		bool permanent;

		i = unchanged < count * 3 ?
			(unsigned int)g_test_rand_int_range(0, count) :
			unchanged - count * 3;
		uidl = t_candidate(&messages[i], levels_r[i]);
		permanent = messages[i].permanent && levels_r[i] == 0;
		unchanged++;
		for (j = 0; j < claims->len; j++) {
			struct reference_claim claim = g_array_index(
				claims, struct reference_claim, j);

			if (claim.idx == i || strcmp(claim.uidl, uidl) != 0 ||
			    (permanent && !claim.permanent))
				continue;
			claim.idx = i;
			claim.uidl = t_candidate(&messages[i], ++levels_r[i]);
			claim.permanent = FALSE;
			g_array_append_val(claims, claim);
			unchanged = 0;
			break;
		}
	}
}

static void test_random_reference(void)
{
	enum { MAX = 30 };
	const unsigned int rounds = g_test_thorough() ? 50000 : 3000;
	unsigned int i, j, levels_seen = 0;

	for (i = 0; i < rounds; i++) T_BEGIN {
		struct test_message messages[MAX];
		unsigned int levels[MAX], count;
		struct test_mailbox box = { .messages = messages };
		g_autoptr(GHashTable) seen =
			g_hash_table_new(g_str_hash, g_str_equal);
		struct popinjay_uidl_set *set;
		const struct popinjay_uidl *all;

		box.count = random_messages(messages, MAX, TRUE);
		reference(messages, box.count, levels);
		set = resolve(&box);
		all = popinjay_uidl_set_get(set, &count);
		for (j = 0; j < count; j++) {
			g_assert_cmpuint(all[j].level, ==, levels[j]);
			g_assert_cmpstr(all[j].uidl, ==, t_candidate(
				&messages[j], levels[j]));
			g_assert_true(popinjay_uidl_is_valid(all[j].uidl));
			g_assert_true(g_hash_table_add(
				seen, (void *)all[j].uidl));
			levels_seen |= 1U << levels[j];
		}
		popinjay_uidl_set_free(&set);
	} T_END;
	/* the mailboxes were random, but not harmless */
	g_assert_cmpuint(levels_seen & 0x0f, ==, 0x0f);
}

/* Put the same messages in another order: each keeps its level, and up to
   level 1 also its UIDL (above, the uid is part of it). */
static void test_random_order(void)
{
	enum { MAX = 30 };
	const unsigned int rounds = g_test_thorough() ? 50000 : 3000;
	unsigned int i, j;

	for (i = 0; i < rounds; i++) T_BEGIN {
		struct test_message messages[MAX], shuffled[MAX];
		unsigned int place[MAX];
		struct test_mailbox box1 = { .messages = messages };
		struct test_mailbox box2 = { .messages = shuffled };
		struct popinjay_uidl_set *set1, *set2;

		box1.count = box2.count = random_messages(messages, MAX, FALSE);
		for (j = 0; j < box1.count; j++) {
			unsigned int k = g_test_rand_int_range(0, j + 1);

			place[j] = place[k];
			place[k] = j;
		}
		for (j = 0; j < box1.count; j++) {
			shuffled[place[j]] = messages[j];
			shuffled[place[j]].uid = messages[place[j]].uid;
		}
		set1 = resolve(&box1);
		set2 = resolve(&box2);
		for (j = 0; j < box1.count; j++) {
			const struct popinjay_uidl *uidl1, *uidl2;

			uidl1 = popinjay_uidl_set_find(set1, messages[j].uid);
			uidl2 = popinjay_uidl_set_find(
				set2, messages[place[j]].uid);
			g_assert_cmpuint(uidl1->level, ==, uidl2->level);
			if (uidl1->level < 2) {
				g_assert_cmpstr(uidl1->uidl, ==, uidl2->uidl);
			}
		}
		popinjay_uidl_set_free(&set1);
		popinjay_uidl_set_free(&set2);
	} T_END;
}

/* Expunge a message: no other one has to leave the UIDL it has. */
static void test_random_expunge(void)
{
	enum { MAX = 30 };
	const unsigned int rounds = g_test_thorough() ? 50000 : 3000;
	unsigned int i, j;

	for (i = 0; i < rounds; i++) T_BEGIN {
		struct test_message messages[MAX];
		struct test_mailbox box = { .messages = messages };
		struct popinjay_uidl_set *before, *after;
		unsigned int gone;

		box.count = random_messages(messages, MAX, TRUE);
		before = resolve(&box);
		if (box.count > 0) {
			gone = g_test_rand_int_range(0, box.count--);
			memmove(messages + gone, messages + gone + 1,
				(box.count - gone) * sizeof(*messages));
		}
		after = resolve(&box);
		for (j = 0; j < box.count; j++) {
			g_assert_cmpuint(popinjay_uidl_set_find(
				after, messages[j].uid)->level, <=,
				popinjay_uidl_set_find(
					before, messages[j].uid)->level);
		}
		popinjay_uidl_set_free(&before);
		popinjay_uidl_set_free(&after);
	} T_END;
}

enum speed_mailbox { ALL_DIFFERENT, ALL_MISSING, ALL_EQUAL, CHAIN };

/* Milliseconds for a large mailbox; run with -m perf. */
static void test_speed(gconstpointer data)
{
	enum { COUNT = 100000 };
	enum speed_mailbox kind = GPOINTER_TO_UINT(data);
	g_autofree struct test_message *messages =
		g_new0(struct test_message, COUNT);
	struct test_mailbox box = { .messages = messages, .count = COUNT };
	pool_t pool = pool_alloconly_create("test speed", 1024);
	struct popinjay_uidl_set *set;
	double best_msecs = 1e9;
	unsigned int i;

	for (i = 0; i < COUNT; i++) T_BEGIN {
		messages[i].uid = i + 1;
		if (kind != CHAIN) {
			messages[i].guid = p_strdup_printf(
				pool, "%032x", (i + 1) * 2654435761U);
		}
		if (kind == ALL_DIFFERENT) {
			messages[i].uidl = p_strdup_printf(
				pool, "%08x4e7d1c3f", i);
		} else if (kind == ALL_EQUAL) {
			messages[i].uidl = "same";
		} else if (kind == CHAIN && i > 0) {
			/* each pushes the one before it, which pushes ... */
			messages[i].uidl = p_strdup(pool, t_fallback(
				NULL, i, 1));
		}
	} T_END;
	for (i = 0; i < 5; i++) {
		g_test_timer_start();
		set = resolve(&box);
		best_msecs = I_MIN(best_msecs, g_test_timer_elapsed() * 1000);
		popinjay_uidl_set_free(&set);
	}
	g_test_minimized_result(best_msecs, "%.1f ms", best_msecs);
	pool_unref(&pool);
}

int main(int argc, char *argv[])
{
	unsigned int i;
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uidl/valid", test_valid);
	g_test_add_func("/uidl/fallback-strings", test_fallback_strings);
	for (i = 0; i < N_ELEMENTS(set_cases); i++) {
		g_autofree char *path =
			g_strconcat("/uidl/set/", set_cases[i].path, NULL);
		g_test_add_data_func(path, &set_cases[i], test_set);
	}
	g_test_add_func("/uidl/find", test_find);
	g_test_add_func("/uidl/guid-order", test_guid_order);
	g_test_add_func("/uidl/random/reference", test_random_reference);
	g_test_add_func("/uidl/random/order", test_random_order);
	g_test_add_func("/uidl/random/expunge", test_random_expunge);
	if (g_test_perf()) {
		g_test_add_data_func("/uidl/speed/all-different",
				     GUINT_TO_POINTER(ALL_DIFFERENT),
				     test_speed);
		g_test_add_data_func("/uidl/speed/all-missing",
				     GUINT_TO_POINTER(ALL_MISSING),
				     test_speed);
		g_test_add_data_func("/uidl/speed/all-equal",
				     GUINT_TO_POINTER(ALL_EQUAL), test_speed);
		g_test_add_data_func("/uidl/speed/chain",
				     GUINT_TO_POINTER(CHAIN), test_speed);
	}
	ret = g_test_run();
	lib_deinit();
	return ret;
}
