/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -digest: which differences of two headers count and which do not,
   and that pieces make no difference. */

#include "lib.h"
#include "header-digest.h"

#include <glib.h>

static char *digest(const char *mail, gsize size, gsize piece,
		    char **message_id_r)
{
	struct popinjay_header_digest d;
	char hash[POPINJAY_HEADER_HASH_LEN + 1];
	const char *message_id;
	gsize pos, len;

	popinjay_header_digest_init(&d);
	for (pos = 0; pos < size; pos += len) {
		len = MIN(piece, size - pos);
		if (!popinjay_header_digest_more(&d, mail + pos, len))
			break;
	}
	message_id = popinjay_header_digest_result(&d, hash);
	if (message_id_r != NULL)
		*message_id_r = g_strdup(message_id);
	return g_strdup(hash);
}

static char *hash_of(const char *mail)
{
	return digest(mail, strlen(mail), G_MAXSIZE, NULL);
}

/* The exact hash: with another one, lists made before would match nothing. */
static void test_known(void)
{
	g_autofree char *hash = hash_of("From: a@b\r\nSubject: Hi  there\r\n"
					" you\r\nX-UID: 5\r\n\r\nBody");
	g_autofree char *sum = g_compute_checksum_for_string(
		G_CHECKSUM_SHA256, "from:a@b\nsubject:Hithereyou\n", -1);

	g_assert_cmpuint(strlen(hash), ==, POPINJAY_HEADER_HASH_LEN);
	g_assert_true(g_str_has_prefix(sum, hash));
}

static void test_same(void)
{
	static const char *const pairs[][2] = {
		/* line ends */
		{ "A: b\nC: d\n\nx", "A: b\r\nC: d\r\n\r\ny" },
		{ "A: b\nC: d\n\nx", "A: b\r\r\nC: d\r\n\r\n" },
		/* the body, and whether there is one */
		{ "A: b\n\nx", "A: b\n\n" },
		{ "A: b\n\nx", "A: b\n" },
		{ "A: b\n\nx", "A: b" },
		/* fields that servers add */
		{ "A: b\n\n", "Status: RO\nA: b\nX-Status: F\nX-UID: 12\n"
		  "X-UIDL: abc\nX-Keywords: Junk\nContent-Length: 5\n"
		  "X-IMAPbase: 1 2\n Junk\nX-IMAP: 1 2\nLines: 8\n\n" },
		{ "A: b\n\n", "Return-Path: <x@y>\nA: b\n\n" },
		{ "A: b\n\n", "X-Mozilla-Status: 0001\nX-MOZILLA-STATUS2: 0\n"
		  "X-Mozilla-Keys:\nA: b\n\n" },
		/* folding, white space, case of the name */
		{ "A: b c\n\n", "A: b\n c\n\n" },
		{ "A: b c\n\n", "A:b\r\n\tc  \r\n\r\n" },
		{ "A: b\n\n", "A: b\n \t \n\n" },
		{ "Subject: b\n\n", "SUBJECT: b\n\n" },
		/* mbox's line, and others that are none */
		{ "A: b\n\n", "From a@b Mon Nov 23 00:02:36 2026\nA: b\n\n" },
		{ "A: b\n\n", "A: b\nrubbish\n continued: too\n\n" },
		{ "A: b\n\n", ": no name\nA: b\n\n" },
		{ "A: b\n\n", "A: b\nB C: d\n\n" },
		/* characters that some server replaces */
		{ "A: \xc3\xa4\xc3\xb6 b\n\n", "A: ? b\n\n" },
		{ "A: \xe4\n\n", "A: ???\n\n" },
		{ "A: \x01\n\n", "A: \x80\n\n" },
		{ NULL, NULL }
	};

	for (unsigned int i = 0; pairs[i][0] != NULL; i++) {
		g_autofree char *a = hash_of(pairs[i][0]);
		g_autofree char *b = hash_of(pairs[i][1]);

		if (strcmp(a, b) != 0)
			g_test_fail_printf("pair %u differs", i);
	}
}

static void test_different(void)
{
	static const char *const mails[] = {
		"A: b\n\n", "A: c\n\n", "B: b\n\n", "A: b\nC: d\n\n",
		"C: d\nA: b\n\n", "A: bC: d\n\n", "A: b\nA: b\n\n", "A:\n\n",
		"Aa: b\n\n", "A: b?\n\n", "A: ?b\n\n", "A: B\n\n",
		"A: b\nC:\n\n",
		"A: b\nstatu: x\n\n", "A: b\nstatuss: x\n\n", NULL
	};
	g_autoptr(GHashTable) seen =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (unsigned int i = 0; mails[i] != NULL; i++) {
		if (!g_hash_table_add(seen, hash_of(mails[i])))
			g_test_fail_printf("mail %u is as another", i);
	}
}

/* Without a field there is nothing to find a message by. */
static void test_none(void)
{
	static const char *const mails[] = {
		"", "\n", "\r\n\r\nA: b\n", "no field\n\nA: b\n",
		"Status: x\n\n", NULL
	};
	g_autofree char *long_name = g_strnfill(77, 'x');
	g_autofree char *mail = g_strconcat(long_name, ": y\n\n", NULL);
	g_autofree char *hash = hash_of(mail), *hash76 = hash_of(mail + 1);

	g_assert_cmpstr(hash, ==, "");
	g_assert_cmpstr(hash76, !=, "");
	for (unsigned int i = 0; mails[i] != NULL; i++) {
		g_autofree char *none = hash_of(mails[i]);

		g_assert_cmpstr(none, ==, "");
	}
}

/* Does it have a field that no two messages have alike? */
static void test_telling(void)
{
	static const struct {
		const char *mail;
		gboolean telling;
	} cases[] = {
		{ "Subject: Hi\nFrom: a@b\n\nDate: now\n", FALSE },
		{ "Date: now\n\n", TRUE },
		{ "A: b\r\nMESSAGE-ID:\r\n <1@x>\r\n\r\n", TRUE },
		{ "Received: by x\nA: b\n\n", TRUE },
		{ "Date:\nMessage-ID: \n \nReceived: \xc3\xa4\nA: b\n\n",
		  FALSE },
		{ "X-Date: now\nDated: now\n\n", FALSE },
		{ "Status: x\nDate\n : now\n\n", FALSE },
		{ "", FALSE }
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct popinjay_header_digest d;
		char hash[POPINJAY_HEADER_HASH_LEN + 1];

		popinjay_header_digest_init(&d);
		(void)popinjay_header_digest_more(&d, cases[i].mail,
						  strlen(cases[i].mail));
		(void)popinjay_header_digest_result(&d, hash);
		if (d.telling != cases[i].telling)
			g_test_fail_printf("mail %u", i);
	}
}

static void test_message_id(void)
{
	static const struct {
		const char *mail, *id;
	} cases[] = {
		{ "Message-ID: <1@x>\n\n", "<1@x>" },
		{ "A: b\r\nMESSAGE-id:\r\n <1@x>\r\nC: d\r\n\r\n", "<1@x>" },
		{ "Message-ID: <1@x>", "<1@x>" },
		{ "Message-ID: <1@x>\nMessage-ID: <2@x>\n\n", "<1@x>" },
		{ "Message-ID:\nMessage-ID: <2@x>\n\n", "<2@x>" },
		{ "Message-ID: < 1 @ x >\n\n", "<1@x>" },
		{ "Message-ID: <\xc3\xa4@x>\nMessage-ID: <2@x>\n\n", NULL },
		{ "Message-ID: <what?@x>\n\n", NULL },
		{ "A: b\n\nMessage-ID: <1@x>\n\n", NULL },
		{ "", NULL }
	};
	g_autofree char *filler = g_strnfill(500, 'm');
	g_autofree char *longest = g_strconcat("Message-ID: ", filler, NULL);
	g_autofree char *longer = g_strconcat(longest, "m", NULL);
	g_autofree char *longest_id = NULL, *longer_id = NULL;

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *id = NULL;

		g_free(digest(cases[i].mail, strlen(cases[i].mail), 3, &id));
		g_assert_cmpstr(id, ==, cases[i].id);
	}
	g_free(digest(longest, strlen(longest), 100, &longest_id));
	g_free(digest(longer, strlen(longer), 100, &longer_id));
	g_assert_cmpstr(longest_id, ==, filler);
	g_assert_cmpstr(longer_id, ==, NULL);
}

/* Random bytes, of which many are those that matter, in random pieces. */
static void test_pieces(void)
{
	static const char bytes[] = "\n\n\r :?Amessage-id:\t\xc3\x01<>";

	for (unsigned int i = 0; i < 3000; i++) {
		gsize size = g_test_rand_int_range(0, 700);
		g_autofree char *mail = g_malloc(size + 1);
		g_autofree char *whole = NULL, *pieces = NULL;
		g_autofree char *whole_id = NULL, *pieces_id = NULL;

		for (gsize j = 0; j < size; j++) {
			mail[j] = bytes[g_test_rand_int_range(
				0, sizeof(bytes))];
		}
		whole = digest(mail, size, G_MAXSIZE, &whole_id);
		pieces = digest(mail, size, g_test_rand_int_range(1, 9),
				&pieces_id);
		g_assert_cmpstr(whole, ==, pieces);
		g_assert_cmpstr(whole_id, ==, pieces_id);
	}
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/header-digest/known", test_known);
	g_test_add_func("/header-digest/same", test_same);
	g_test_add_func("/header-digest/different", test_different);
	g_test_add_func("/header-digest/none", test_none);
	g_test_add_func("/header-digest/telling", test_telling);
	g_test_add_func("/header-digest/message-id", test_message_id);
	g_test_add_func("/header-digest/pieces", test_pieces);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
