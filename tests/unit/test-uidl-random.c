/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* : what holds for any mailbox, tried on random ones, and how long a
   large one takes. */

#include "uidl-mailbox.h"

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

static bool
are_copies(const struct test_message *message1,
	   const struct test_message *message2)
{
	return message1->guid != NULL &&
		g_strcmp0(message1->guid, message2->guid) == 0;
}

/* All others to which the storage gives this UIDL are copies with a higher
   uid. */
static bool
is_first_copy(const struct test_message *messages, unsigned int count,
	      unsigned int idx)
{
	for (unsigned int i = 0; i < count; i++) {
		if (i != idx && messages[i].permanent &&
		    g_strcmp0(messages[i].uidl, messages[idx].uidl) == 0 &&
		    (i < idx || !are_copies(&messages[i], &messages[idx])))
			return FALSE;
	}
	return TRUE;
}

static bool
has_copy(const struct test_message *messages, unsigned int count,
	 unsigned int idx)
{
	for (unsigned int i = 0; i < count; i++) {
		if (i != idx && messages[i].permanent &&
		    are_copies(&messages[i], &messages[idx]))
			return TRUE;
	}
	return FALSE;
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
			    (permanent && !claim.permanent) ||
			    (permanent && is_first_copy(messages, count, i)))
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
		struct test_mailbox box = {
			.messages = messages, .saved = g_test_rand_bit()
		};
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
   level 1 also its UIDL (above, the uid is part of it); unless the storage has
   a UIDL for several copies, of which the lowest uid counts. */
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

			if (messages[j].permanent &&
			    has_copy(messages, box1.count, j))
				continue;
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
		struct test_mailbox box = {
			.messages = messages, .saved = g_test_rand_bit()
		};
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
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
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
