/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -reply: replies of POP3 servers, whole and in pieces, and URLs. */

#include "lib.h"
#include "net.h"
#include "pop3-reply.h"

#include <glib.h>

struct reader {
	GString *text;
	/* how many replies are to come */
	unsigned int left;
	/* they have more lines, if they are +OK */
	bool multiline;
};

static bool read_status(bool ok, const char *text, void *context)
{
	struct reader *reader = context;

	g_string_append_printf(reader->text, "%c%s|", ok ? '+' : '-', text);
	return ok && reader->multiline;
}

static void read_data(const void *data, size_t size, void *context)
{
	struct reader *reader = context;

	g_assert_cmpuint(size, >, 0);
	g_string_append_len(reader->text, data, size);
}

static bool read_end(void *context)
{
	struct reader *reader = context;

	g_string_append(reader->text, "|.");
	return --reader->left > 0;
}

static const struct popinjay_pop3_reply_vfuncs vfuncs = {
	.status = read_status, .data = read_data, .end = read_end
};

/* Returns what popinjay_pop3_reply_more() did at last, with the sum of what it
   took. */
static ssize_t read_replies(struct reader *reader, const char *data, gsize size,
			    gsize piece, const char **error_r)
{
	struct popinjay_pop3_reply reply;
	ssize_t ret, sum = 0;

	popinjay_pop3_reply_init(&reply, &vfuncs, reader);
	while ((gsize)sum < size && reader->left > 0) {
		gsize len = MIN(piece, size - sum);

		ret = popinjay_pop3_reply_more(&reply, data + sum, len,
					       error_r);
		if (ret < 0)
			return -1;
		sum += ret;
		if ((gsize)ret < len)
			break;
	}
	return sum;
}

static void test_replies(void)
{
	static const struct {
		const char *data;
		unsigned int count;
		bool multiline;
		const char *text;
		/* bytes after the replies */
		unsigned int rest;
	} cases[] = {
		{ "+OK\r\n", 1, FALSE, "+||.", 0 },
		{ "+OK hello  you \r\n", 1, FALSE, "+hello  you ||.", 0 },
		{ "-ERR [AUTH] no\r\n", 1, FALSE, "-[AUTH] no||.", 0 },
		{ "+OK\n", 1, FALSE, "+||.", 0 },
		{ "+OK a\r\n+OK b\r\nrest", 2, FALSE, "+a||.+b||.", 4 },
		{ "+OK\r\n1 a\r\n2 b\r\n.\r\n", 1, TRUE, "+|1 a\n2 b\n|.", 0 },
		{ "+OK\r\n.\r\n+OK\r\n.\r\n", 2, TRUE, "+||.+||.", 0 },
		{ "-ERR no\r\n+OK\r\n.\r\n", 2, TRUE, "-no||.+||.", 0 },
		{ "+OK\r\n..\r\n...a\r\n.b\r\n.\r\n", 1, TRUE,
		  "+|.\n..a\nb\n|.", 0 },
		{ "+OK\n1 a\n.\n", 1, TRUE, "+|1 a\n|.", 0 },
		{ "+OK\r\na\rb\r\r\n\r\n.\r\n", 1, TRUE,
		  "+|a\rb\r\n\n|.", 0 },
		{ "+OK\r\n.\r\r\n.\r\nx", 1, TRUE, "+|\r\n|.", 1 },
		{ "+OK\r\n.\ra\r\n.\r\n", 1, TRUE, "+|\ra\n|.", 0 }
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		gsize size = strlen(cases[i].data);

		for (gsize piece = 1; piece <= size; piece++) {
			struct reader reader = {
				g_string_new(NULL), cases[i].count,
				cases[i].multiline
			};
			const char *error = NULL;
			ssize_t ret = read_replies(&reader, cases[i].data, size,
						   piece, &error);

			g_assert_cmpstr(error, ==, NULL);
			g_assert_cmpstr(reader.text->str, ==, cases[i].text);
			/* it never takes what is not its own */
			g_assert_cmpint(ret, ==, size - cases[i].rest);
			g_string_free(reader.text, TRUE);
		}
	}
}

static void test_not_pop3(void)
{
	g_autofree char *filler = g_strnfill(POPINJAY_POP3_STATUS_MAX_LEN + 1,
					     'x');
	g_autofree char *long_line = g_strconcat("+OK ", filler, "\r\n", NULL);
	const char *const cases[] = {
		"* OK IMAP\r\n", "220 smtp\r\n", "\r\n", "+O\r\n", "-ER\r\n",
		"HTTP/1.1 200\r\n", long_line
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct reader reader = { g_string_new(NULL), 1, FALSE };
		const char *error = NULL;

		g_assert_cmpint(read_replies(&reader, cases[i],
					     strlen(cases[i]), 7, &error), ==,
				-1);
		g_assert_cmpstr(error, ==, "It does not speak POP3");
		g_string_free(reader.text, TRUE);
	}
}

static void test_listing(void)
{
	static const struct {
		const char *line;
		unsigned int msn;
		const char *rest;
	} cases[] = {
		{ "1 abc", 1, "abc" }, { "12  a b", 12, "a b" },
		{ "0 abc", 0, NULL }, { "1", 0, NULL }, { "1 ", 0, NULL },
		{ "x 1", 0, NULL }, { "-1 a", 0, NULL }, { "", 0, NULL },
		{ "99999999999 a", 0, NULL }
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		unsigned int msn;
		const char *rest;
		int ret = popinjay_pop3_listing_parse(cases[i].line, &msn,
						      &rest);

		g_assert_cmpint(ret, ==, cases[i].rest == NULL ? -1 : 0);
		if (ret == 0) {
			g_assert_cmpuint(msn, ==, cases[i].msn);
			g_assert_cmpstr(rest, ==, cases[i].rest);
		}
	}
}

static void test_url(void)
{
	static const struct {
		const char *url;
		/* "pop3s USER HOST PORT", or the error */
		const char *result;
	} cases[] = {
		{ "pop3s://mail.example.com", "1 - mail.example.com 995" },
		{ "pop3://mail.example.com/", "0 - mail.example.com 110" },
		{ "pop3s://bob@mail:9995", "1 bob mail 9995" },
		{ "pop3s://bob@example.com@mail",
		  "1 bob@example.com mail 995" },
		{ "pop3://a%20b%40c@127.0.0.1:1/", "0 a b@c 127.0.0.1 1" },
		{ "pop3s://bob@[::1]", "1 bob ::1 995" },
		{ "pop3s://[2001:db8::1]:2/", "1 - 2001:db8::1 2" },
		{ "imap://x", "It is not a URL like pop3s://user@host" },
		{ "mail.example.com",
		  "It is not a URL like pop3s://user@host" },
		{ "pop3s://", "Its host name is invalid" },
		{ "pop3s://bob@", "Its host name is invalid" },
		{ "pop3s://@mail", "Its user name is invalid" },
		{ "pop3s://a%0ab@mail", "Its user name is invalid" },
		{ "pop3s://a%0@mail", "Its user name is invalid" },
		{ "pop3s://a%zz@mail", "Its user name is invalid" },
		{ "pop3s://mail:0", "Its port is invalid" },
		{ "pop3s://mail:x", "Its port is invalid" },
		{ "pop3s://mail:99999", "Its port is invalid" },
		{ "pop3s://mail/inbox", "Its host name is invalid" },
		{ "pop3s://[::1", "Its host name is invalid" },
		{ "pop3s://bob:secret@mail", "A password does not belong "
		  "there: all users of this machine could see it" }
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		pool_t pool = pool_alloconly_create("test", 512);
		struct popinjay_pop3_url url;
		g_autofree char *result = NULL;
		const char *error;

		if (popinjay_pop3_url_parse(cases[i].url, pool, &url,
					    &error) < 0) {
			result = g_strdup(error);
		} else {
			result = g_strdup_printf("%d %s %s %u", url.pop3s,
				url.user == NULL ? "-" : url.user, url.host,
				url.port);
		}
		g_assert_cmpstr(result, ==, cases[i].result);
		pool_unref(&pool);
	}
}

/* Random bytes: pieces make no difference, and nothing is lost. */
static void test_fuzz(void)
{
	static const char bytes[] = "+OK \r\n\r\n..a-ER";

	for (unsigned int i = 0; i < 5000; i++) {
		gsize size = g_test_rand_int_range(5, 200);
		g_autofree char *data = g_malloc(size);
		struct reader whole = { g_string_new(NULL), 3, TRUE };
		struct reader pieces = { g_string_new(NULL), 3, TRUE };
		const char *error1 = NULL, *error2 = NULL;
		ssize_t ret1, ret2;

		memcpy(data, "+OK\r\n", 5);
		for (gsize j = 5; j < size; j++) {
			data[j] = bytes[g_test_rand_int_range(
				0, sizeof(bytes) - 1)];
		}
		ret1 = read_replies(&whole, data, size, size, &error1);
		ret2 = read_replies(&pieces, data, size,
				    g_test_rand_int_range(1, 7), &error2);
		g_assert_cmpint(ret1, ==, ret2);
		g_assert_cmpstr(error1, ==, error2);
		if (ret1 >= 0)
			g_assert_cmpstr(whole.text->str, ==, pieces.text->str);
		g_string_free(whole.text, TRUE);
		g_string_free(pieces.text, TRUE);
	}
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pop3-reply/replies", test_replies);
	g_test_add_func("/pop3-reply/not-pop3", test_not_pop3);
	g_test_add_func("/pop3-reply/listing", test_listing);
	g_test_add_func("/pop3-reply/url", test_url);
	g_test_add_func("/pop3-reply/fuzz", test_fuzz);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
