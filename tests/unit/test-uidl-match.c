/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -match: which message a row of a list of UIDLs stands for, case by
   case, and for random mailboxes that no wrong one is ever taken. */

#include "lib.h"
#include "uidl-match.h"

#include <glib.h>
#include <stdio.h>
#include <time.h>

#define MAX_ITEMS 8
#define NO_SIZE UOFF_T_MAX
/* the hash of a header that other messages may have too */
#define COMMON "common"
/* the GUID of a message that could not be read begins with it */
#define UNREAD '!'

struct case_message {
	uint32_t uid;
	const char *guid, *hash, *message_id;
	uoff_t size;
};

struct match_case {
	const char *name;
	/* { uidl, guid, hash, message_id, size } */
	struct popinjay_uidl_row rows[MAX_ITEMS];
	struct case_message messages[MAX_ITEMS];
	/* a letter for each row: the kind of match */
	const char *matches;
	/* for each message the number of its row from 1, or - */
	const char *found;
};

/* In the order of enum popinjay_uidl_match. */
static const char letters[] = "-aidghsm";

static const struct match_case cases[] = {
	{ "nothing", { { NULL } }, { { 0 } }, "", "" },
	{ "no messages", { { "u1", "g", "h", "m", 1, NULL } }, { { 0 } },
	  "-", "" },
	{ "no rows", { { NULL } }, { { 1, "g", "h", "m", 1 } }, "", "-" },
	{ "each by its key",
	  { { "u1", "g1", NULL, NULL, NO_SIZE, NULL },
	    { "u2", NULL, "h2", NULL, NO_SIZE, NULL },
	    { "u3", NULL, NULL, "m3", 3, NULL },
	    { "u4", NULL, NULL, "m3", NO_SIZE, NULL },
	    { "u5", NULL, NULL, NULL, 3, NULL } },
	  { { 1, "g1", "h1", "m1", 1 }, { 2, "g2", "h2", "m2", 2 },
	    { 3, "g3", "h3", "m3", 3 } },
	  "ghm--", "123" },
	{ "the order of both does not matter",
	  { { "u3", NULL, "h3", NULL, 1, NULL },
	    { "u1", NULL, "h1", NULL, 1, NULL },
	    { "u2", NULL, "h2", NULL, 1, NULL } },
	  { { 1, "g1", "h1", "m1", 1 }, { 2, "g2", "h2", "m2", 2 },
	    { 3, "g3", "h3", "m3", 3 } },
	  "hhh", "231" },
	{ "a GUID says more than a hash",
	  { { "u1", "g1", "h2", NULL, 1, NULL },
	    { "u2", "g2", "h1", NULL, 1, NULL } },
	  { { 1, "g1", "h1", NULL, 1 },
	    { 2, "g2", "h2", NULL, 1 } },
	  "gg", "12" },
	{ "two headers that are the same",
	  { { "u1", NULL, "h", "m", 5, NULL },
	    { "u2", NULL, "h", "m", 5, NULL } },
	  { { 1, "g1", "h", "m", 5 }, { 2, "g2", "h", "m", 5 } },
	  "aa", "--" },
	{ "one row, two messages it could be",
	  { { "u1", NULL, "h", "m", 5, NULL } },
	  { { 1, "g1", "h", "m", 5 }, { 2, "g2", "h", "m", 5 } },
	  "a", "--" },
	{ "two rows that could be one message",
	  { { "u1", NULL, "h", "m", 5, NULL },
	    { "u2", NULL, "h", "m", 5, NULL } },
	  { { 1, "g1", "h", "m", 5 } }, "aa", "-" },
	{ "the size parts what the header does not",
	  { { "u1", NULL, "h", NULL, 5, NULL },
	    { "u2", NULL, "h", NULL, 6, NULL } },
	  { { 1, "g1", "h", NULL, 6 }, { 2, "g2", "h", NULL, 5 } },
	  "ss", "21" },
	{ "the size parts some of them",
	  { { "u1", NULL, "h", NULL, 5, NULL },
	    { "u2", NULL, "h", NULL, 5, NULL },
	    { "u3", NULL, "h", NULL, 6, NULL } },
	  { { 1, "g1", "h", NULL, 6 }, { 2, "g2", "h", NULL, 5 },
	    { 3, "g3", "h", NULL, 5 } },
	  "aas", "3--" },
	{ "a header that was changed",
	  { { "u1", NULL, "old", "m1", 5, NULL },
	    { "u2", NULL, "old", "m2", 5, NULL } },
	  { { 1, "g1", "new1", "m1", 5 },
	    { 2, "g2", "new2", "m2", 6 } },
	  "m-", "1-" },
	{ "what is matched still counts against others",
	  { { "u1", NULL, "h1", "m", 5, NULL },
	    { "u2", NULL, "hx", "m", 5, NULL } },
	  { { 1, "g1", "h1", "m", 5 }, { 2, "g2", "h2", "m", 5 } },
	  "ha", "1-" },
	{ "a message that another row has",
	  { { "u1", "g1", "hx", NULL, 5, NULL },
	    { "u2", NULL, "h1", NULL, 5, NULL } },
	  { { 1, "g1", "h1", NULL, 5 } }, "ga", "1" },
	{ "copies share a GUID and are matched in order",
	  { { "u1", "g", NULL, NULL, 5, NULL },
	    { "x", "y", NULL, NULL, 5, NULL },
	    { "u2", "g", NULL, NULL, 5, NULL },
	    { "u3", "g", NULL, NULL, 5, NULL } },
	  { { 1, "g", "h", NULL, 5 }, { 2, "z", "h", NULL, 5 },
	    { 3, "g", "h", NULL, 5 }, { 4, "g", "h", NULL, 5 } },
	  "g-gg", "1-34" },
	{ "more copies than rows",
	  { { "u1", "g", NULL, NULL, 5, NULL } },
	  { { 1, "g", "h", NULL, 5 }, { 3, "g", "h", NULL, 5 } },
	  "a", "--" },
	{ "a common header, of another size",
	  { { "u1", NULL, COMMON, NULL, 5, NULL } },
	  { { 1, "g1", COMMON, NULL, 6 } }, "-", "-" },
	{ "a common header, of an unknown size",
	  { { "u1", NULL, COMMON, NULL, NO_SIZE, NULL } },
	  { { 1, "g1", COMMON, NULL, 6 } }, "-", "-" },
	{ "a common header, of the same size",
	  { { "u1", NULL, COMMON, NULL, 5, NULL },
	    { "u2", NULL, COMMON, NULL, 6, NULL },
	    { "u3", "g3", COMMON, NULL, 7, NULL } },
	  { { 1, "g1", COMMON, NULL, 6 }, { 2, "g3", COMMON, NULL, 8 } },
	  "-sg", "23" },
	{ "UIDLs that are none",
	  { { "a b", NULL, "h1", NULL, 5, NULL },
	    { "", NULL, "h2", NULL, 5, NULL },
	    { "u\x80", NULL, "h3", NULL, 5, NULL } },
	  { { 1, NULL, "h1", NULL, 5 }, { 2, NULL, "h2", NULL, 5 },
	    { 3, NULL, "h3", NULL, 5 } },
	  "iii", "---" },
	{ "UIDLs that are there twice",
	  { { "u", NULL, "h1", NULL, 5, NULL },
	    { "v", NULL, "h2", NULL, 5, NULL },
	    { "u", NULL, "h3", NULL, 5, NULL },
	    { "u", NULL, "h4", NULL, 5, NULL } },
	  { { 1, NULL, "h1", NULL, 5 }, { 2, NULL, "h2", NULL, 5 },
	    { 3, NULL, "h3", NULL, 5 } },
	  "dhdd", "-2-" },
	{ "a row that is of no use still counts against others",
	  { { "u", NULL, "h", NULL, 5, NULL },
	    { "b c", NULL, "h", NULL, 5, NULL } },
	  { { 1, NULL, "h", NULL, 5 } }, "ai", "-" },
	{ "a copy whose UIDL is of no use keeps its place",
	  { { "bad one", "g", NULL, NULL, 5, NULL },
	    { "u2", "g", NULL, NULL, 5, NULL } },
	  { { 1, "g", "h", NULL, 5 }, { 3, "g", "h", NULL, 5 } },
	  "ig", "-2" },
	{ "a message that could not be read, by its GUID",
	  { { "u1", "!1", "h1", "m1", 5, NULL },
	    { "u2", "g2", COMMON, "m2", 5, NULL } },
	  { { 1, "!1", NULL, NULL, NO_SIZE }, { 2, "g2", COMMON, "m2", 5 } },
	  "gg", "12" },
	{ "a message that could not be read, and headers that tell enough",
	  { { "u1", NULL, "h1", "m1", 5, NULL },
	    { "u2", NULL, "h2", "m2", 5, NULL } },
	  { { 1, "!1", NULL, NULL, NO_SIZE }, { 2, "g2", "h2", "m2", 5 } },
	  "-h", "-2" },
	{ "a message that could not be read, and another of its size",
	  { { "u1", NULL, COMMON, "m1", 5, NULL },
	    { "u2", NULL, COMMON, "m2", 6, NULL } },
	  { { 1, "!1", NULL, NULL, 5 }, { 2, "g2", COMMON, "m1", 5 },
	    { 3, "g3", COMMON, "m2", 6 } },
	  "as", "--2" },
	{ "a message that could not be read, of any size",
	  { { "u1", NULL, "old", "m1", 5, NULL } },
	  { { 1, "!1", NULL, NULL, NO_SIZE }, { 2, "g2", "new", "m1", 5 } },
	  "a", "--" },
	{ "two messages that could not be read, of two sizes",
	  { { "u1", NULL, "old", "m1", 5, NULL },
	    { "u2", NULL, "old", "m2", 8, NULL } },
	  { { 1, "!1", NULL, NULL, 9 }, { 2, "g2", "new", "m1", 5 },
	    { 3, "!3", NULL, NULL, 8 }, { 4, "g4", "new", "m2", 8 } },
	  "ma", "-1--" }
};

static void test_case(gconstpointer data)
{
	const struct match_case *c = data;
	struct popinjay_uidl_message messages[MAX_ITEMS];
	enum popinjay_uidl_match matches[MAX_ITEMS];
	unsigned int row_count = strlen(c->matches);
	unsigned int message_count = strlen(c->found);

	G_STATIC_ASSERT(sizeof(letters) - 1 == POPINJAY_UIDL_MATCH_COUNT);
	for (unsigned int i = 0; i < message_count; i++) {
		const struct case_message *message = &c->messages[i];

		messages[i] = (struct popinjay_uidl_message){
			.uid = message->uid,
			.guid = message->guid,
			.hash = message->hash,
			.message_id = message->message_id,
			.size = message->size,
			.common_header =
				g_strcmp0(message->hash, COMMON) == 0,
			.unread = message->guid != NULL &&
				message->guid[0] == UNREAD
		};
	}
	popinjay_uidl_match(c->rows, row_count, messages, message_count,
			    matches);
	for (unsigned int i = 0; i < row_count; i++) {
		char letter = letters[matches[i]];

		if (letter != c->matches[i])
			g_test_fail_printf("row %u: %c", i + 1, letter);
	}
	for (unsigned int i = 0; i < message_count; i++) {
		char found = messages[i].row == NULL ? '-' :
			'1' + (messages[i].row - c->rows);

		if (found != c->found[i])
			g_test_fail_printf("message %u: %c", i + 1, found);
	}
}

/* A message and the row that another server had of it; what is known of either
   is a matter of luck. */
static void random_pair(unsigned int number, struct popinjay_uidl_row *row,
			struct popinjay_uidl_message *message)
{
	/* few different headers, so that many messages are alike */
	unsigned int header = g_test_rand_int_range(0, 12);
	const char *guid = t_strdup_printf("g%u", number);
	const char *hash = t_strdup_printf("h%u", header);
	const char *id = t_strdup_printf("m%u", header / 2);

	i_zero(row);
	i_zero(message);
	row->size = message->size = 100 + header % 3;
	row->uidl = t_strdup_printf("u%u", number);
	message->uid = number + 1;
	message->guid = guid;
	message->hash = hash;
	message->message_id = id;
	if (g_test_rand_int_range(0, 4) == 0)
		row->guid = guid;
	if (g_test_rand_int_range(0, 4) > 0)
		row->hash = hash;
	if (g_test_rand_bit())
		row->message_id = id;
	if (g_test_rand_int_range(0, 4) == 0)
		row->size = UOFF_T_MAX;
}

/* Rows and messages come and go at random. What is matched is either right, or
   the message could be told from the right one by nothing in the list: then no
   other message and no other row may look the same. */
static void test_random(void)
{
	enum { N = 14 };

	for (unsigned int i = 0; i < 4000; i++) T_BEGIN {
		struct popinjay_uidl_row rows[N];
		struct popinjay_uidl_message messages[N];
		enum popinjay_uidl_match matches[N];
		unsigned int count = 0, kept = 0, found = 0;

		for (unsigned int j = 0; j < N; j++) {
			random_pair(j, &rows[count], &messages[kept]);
			/* a message that went, or came later */
			if (g_test_rand_int_range(0, 6) > 0)
				count++;
			if (g_test_rand_int_range(0, 6) > 0)
				kept++;
		}
		popinjay_uidl_match(rows, count, messages, kept, matches);
		for (unsigned int j = 0; j < kept; j++) {
			const struct popinjay_uidl_row *row = messages[j].row;
			unsigned int same = 0;

			if (row == NULL)
				continue;
			found++;
			g_assert_true(popinjay_uidl_match_is_found(
				matches[row - rows]));
			if (atoi(row->uidl + 1) + 1 == (int)messages[j].uid)
				continue;
			/* the right one is not there, or is no better */
			for (unsigned int k = 0; k < kept; k++) {
				if (row->hash != NULL && strcmp(
				    row->hash, messages[k].hash) == 0 &&
				    messages[k].size == messages[j].size)
					same++;
			}
			g_assert_cmpuint(same, <=, 1);
			g_assert_true(row->guid == NULL || strcmp(
				row->guid, messages[j].guid) != 0);
		}
		/* each found message has a row of its own */
		for (unsigned int j = 0; j < count; j++) {
			if (popinjay_uidl_match_is_found(matches[j]))
				found--;
		}
		g_assert_cmpuint(found, ==, 0);
	} T_END;
}

/* Seconds of CPU time to match so many rows and messages. All their Message-IDs
   may have the same hash, by the str_hash() of most versions of Dovecot. */
static double match_secs(unsigned int count, bool same_hash)
{
	struct popinjay_uidl_row *rows = g_new0(struct popinjay_uidl_row,
						count);
	struct popinjay_uidl_message *messages =
		g_new0(struct popinjay_uidl_message, count);
	enum popinjay_uidl_match *matches =
		g_new(enum popinjay_uidl_match, count);
	pool_t pool = pool_alloconly_create("test", 64*1024);
	clock_t start;
	double secs;

	for (unsigned int i = 0; i < count; i++) {
		char id[33];

		snprintf(id, sizeof(id), "%032u", i);
		for (unsigned int bit = 0; same_hash && bit < 16; bit++) {
			memcpy(id + 2 * bit, ((i >> bit) & 1) == 0 ? "aR" :
			       "bB", 2);
		}
		rows[i].uidl = p_strdup_printf(pool, "u%u", i);
		rows[i].message_id = p_strdup(pool, id);
		rows[i].size = 5;
		messages[i].uid = i + 1;
		messages[i].message_id = rows[i].message_id;
		messages[i].size = 5;
	}
	start = clock();
	popinjay_uidl_match(rows, count, messages, count, matches);
	secs = (double)(clock() - start) / CLOCKS_PER_SEC;
	g_assert_cmpuint(matches[count - 1], ==, POPINJAY_UIDL_MATCH_ID_SIZE);
	pool_unref(&pool);
	g_free(matches);
	g_free(messages);
	g_free(rows);
	return secs;
}

/* Whoever sends mail chooses its Message-ID: it must not be able to make us
   slow. */
static void test_hostile(void)
{
	enum { COUNT = 16000 };
	double harmless = match_secs(COUNT, FALSE);
	double hostile = match_secs(COUNT, TRUE);

	g_test_message("%.3f s, %.3f s", harmless, hostile);
	g_assert_cmpfloat(hostile, <, 10 * harmless + 0.2);
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/uidl-match/%s",
							cases[i].name);

		g_test_add_data_func(path, &cases[i], test_case);
	}
	g_test_add_func("/uidl-match/random", test_random);
	g_test_add_func("/uidl-match/hostile", test_hostile);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
