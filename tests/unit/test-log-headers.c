/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -headers: what is found in the beginning of a message, cut anywhere,
   and what only looks like it. */

#include "lib.h"
#include "cases.h"
#include "log-headers.h"

#include <glib.h>

struct headers_case {
	const char *path;
	const char *mail;
	/* NULL: there is none */
	const char *message_id, *subject;
};

static const struct headers_case cases[] = {
	{ "both", "From: a@b\r\nMessage-ID: <a@b>\r\nSubject: Hi there\r\n"
	  "\r\nText", "<a@b>", "Hi there" },
	{ "lf", "Subject: Hi\nMessage-Id:<a@b>\n\nText\n", "<a@b>", "Hi" },
	{ "folded", "message-id:\r\n <a@b>\r\nSUBJECT: one\r\n\ttwo\r\n"
	  " three \r\n\r\n", "<a@b>", "one\ttwo three" },
	{ "space-before-colon", "Message-ID : <a@b>\r\n\r\n", "<a@b>", NULL },
	{ "first-counts", "Message-ID: <1@b>\r\nMessage-ID: <2@b>\r\n\r\n",
	  "<1@b>", NULL },
	{ "decoded", "Subject: =?utf-8?q?caf=C3=A9?= =?utf-8?b?IQ==?=\r\n\r\n",
	  NULL, "caf\xc3\xa9!" },
	{ "id-is-not-decoded", "Message-ID: =?utf-8?q?a?=\r\n\r\n",
	  "=?utf-8?q?a?=", NULL },
	{ "empty", "Message-ID:\r\nSubject: \r\n\r\n", "", "" },
	{ "no-blank-line", "Subject: Hi\r\nMessage-ID: <a@b>", "<a@b>", "Hi" },
	{ "body", "From: a@b\r\n\r\nMessage-ID: <a@b>\r\nSubject: x\r\n", NULL,
	  NULL },
	{ "no-header", "\r\nSubject: x\r\n", NULL, NULL },
	{ "in-another", "X-Was:\r\n Subject: x\r\n\tMessage-ID: y\r\n\r\n",
	  NULL, NULL },
	{ "longer-name", "Message-ID-Old: <a@b>\r\nSubjects: x\r\nSubject\r\n"
	  "\r\n", NULL, NULL },
	{ "nothing", "", NULL, NULL }
};

static void test_case(gconstpointer data)
{
	const struct headers_case *c = data;
	gsize size = strlen(c->mail);

	/* as if it were read in two pieces, with any size of the first */
	for (gsize first = 0; first <= size; first++) {
		/* nothing behind it may be touched */
		g_autofree unsigned char *piece = g_memdup2(c->mail, first);
		const char *id = NULL, *subject = NULL;
		pool_t pool = pool_alloconly_create("test headers", 256);

		if (!popinjay_log_headers_find(pool, piece, first, FALSE, &id,
					       &subject)) {
			g_assert_true(popinjay_log_headers_find(pool,
				(const unsigned char *)c->mail, size, TRUE,
				&id, &subject));
		}
		g_assert_cmpstr(id, ==, c->message_id);
		g_assert_cmpstr(subject, ==, c->subject);
		pool_unref(&pool);
	}
}

/* What is not wanted costs nothing and changes nothing. */
static void test_wanted(void)
{
	static const unsigned char mail[] =
		"Message-ID: <a@b>\r\nSubject: Hi\r\nX: y";
	pool_t pool = pool_alloconly_create("test headers", 256);
	const char *id = NULL, *subject = NULL;

	g_assert_true(popinjay_log_headers_find(pool, mail, sizeof(mail) - 1,
						FALSE, &id, NULL));
	g_assert_cmpstr(id, ==, "<a@b>");
	g_assert_true(popinjay_log_headers_find(pool, mail, sizeof(mail) - 1,
						FALSE, NULL, &subject));
	g_assert_cmpstr(subject, ==, "Hi");
	pool_unref(&pool);
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	ADD_CASES("/log-headers/", cases, test_case);
	g_test_add_func("/log-headers/wanted", test_wanted);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
