/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unit test of uidl/uidl-plain: the uid of a UIDL that is made of it and the
   UIDVALIDITY. */

#include "lib.h"
#include "template.h"
#include "uidl-plain.h"

#include <glib.h>

enum { UID, UIDVALIDITY };

#define VALIDITY 0x6b0c5a94

static const struct popinjay_template_piece dovecots[] = {
	{ .variable = UID, .hex = TRUE, .min_digits = 8 },
	{ .variable = UIDVALIDITY, .hex = TRUE, .min_digits = 8 }
};
static const struct popinjay_template_piece uid_alone[] = {
	{ .variable = UID }
};
static const struct popinjay_template_piece twice[] = {
	{ .text = "a1" },
	{ .variable = UIDVALIDITY },
	{ .variable = UID },
	{ .text = "2" },
	{ .variable = UID, .hex = TRUE }
};

struct plain_case {
	const char *name;
	const struct popinjay_template_piece *pieces;
	unsigned int count;
	const char *uidl;
	/* 0 if it is none */
	uint32_t uid;
};

#define FORMAT(pieces) pieces, N_ELEMENTS(pieces)

static const struct plain_case cases[] = {
	{ "dovecots", FORMAT(dovecots), "000000026b0c5a94", 2 },
	{ "dovecots-large", FORMAT(dovecots), "fffffffe6b0c5a94", 4294967294 },
	{ "dovecots-other-validity", FORMAT(dovecots), "000000026b0c5a95", 0 },
	{ "dovecots-upper", FORMAT(dovecots), "0000000A6b0c5a94", 0 },
	{ "dovecots-short", FORMAT(dovecots), "00000002", 0 },
	{ "dovecots-long", FORMAT(dovecots), "0000000026b0c5a94", 0 },
	{ "dovecots-no-uid", FORMAT(dovecots), "000000006b0c5a94", 0 },
	{ "dovecots-empty", FORMAT(dovecots), "", 0 },
	{ "uid", FORMAT(uid_alone), "10", 10 },
	{ "uid-zero-before", FORMAT(uid_alone), "010", 0 },
	{ "uid-too-large", FORMAT(uid_alone), "4294967296", 0 },
	{ "uid-more-behind", FORMAT(uid_alone), "10a", 0 },
	/* digits of the UIDVALIDITY stand before it, others behind it */
	{ "twice", FORMAT(twice), "a11795971732222""2de", 222 },
	{ "twice-of-two", FORMAT(twice), "a11795971732222""2df", 0 }
};

static void test_parse(gconstpointer data)
{
	const struct plain_case *test = data;
	pool_t pool = pool_alloconly_create("plain", 128);
	const struct popinjay_uidl_plain *plain;
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	uint32_t uid = 0;

	plain = popinjay_uidl_plain_create(pool, test->pieces, test->count,
					   UID, UIDVALIDITY);
	g_assert_nonnull(plain);
	if (!popinjay_uidl_plain_parse(plain, VALIDITY, test->uidl, &uid))
		g_assert_cmpuint(test->uid, ==, 0);
	else {
		g_assert_cmpuint(uid, ==, test->uid);
		(void)popinjay_uidl_plain_write(plain, VALIDITY, uid, uidl);
		g_assert_cmpstr(uidl, ==, test->uidl);
	}
	pool_unref(&pool);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	lib_init();
	for (unsigned int i = 0; i < N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strconcat("/uidl-plain/",
						    cases[i].name, NULL);

		g_test_add_data_func(path, &cases[i], test_parse);
	}
	ret = g_test_run();
	lib_deinit();
	return ret;
}
