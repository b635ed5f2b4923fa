/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* : the rules one by one. fuzz-wire.c looks for what is not here. */

#include "lib.h"
#include "wire.h"

#include <glib.h>

#define ALL UOFF_T_MAX
#define BYTES(str) str, sizeof(str) - 1
/* 76 characters, as MIME encoders write them */
#define BASE64_LINE \
	"VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZy4g" \
	"VGhlIHF1aWNrIGIu"

enum {
	NUL = 0x01,	/* outlook-no-nuls */
	EOH = 0x02,	/* oe-ns-eoh */
};

struct wire_case {
	const char *name;
	const char *in;
	size_t in_size;
	uoff_t body_lines;
	unsigned int flags;
	const char *out;
	size_t out_size;
	uoff_t virtual_bytes;
	/* of in; what is left if TOP stopped early */
	size_t left_bytes;
};

static const struct wire_case cases[] = {
	{ "empty", BYTES(""), ALL, 0, BYTES("\r\n"), 0, 0 },
	{ "empty/eoh", BYTES(""), ALL, EOH, BYTES("\r\n\r\n"), 0, 0 },
	{ "lf", BYTES("A: b\n\nc\n"), ALL, 0,
	  BYTES("A: b\r\n\r\nc\r\n"), 11, 0 },
	{ "crlf", BYTES("A: b\r\n\r\nc\r\n"), ALL, 0,
	  BYTES("A: b\r\n\r\nc\r\n"), 11, 0 },
	{ "lf-and-crlf", BYTES("A: b\r\n\nc\r\nd\n"), ALL, 0,
	  BYTES("A: b\r\n\r\nc\r\nd\r\n"), 14, 0 },
	{ "one-lf", BYTES("\n"), ALL, EOH, BYTES("\r\n"), 2, 0 },
	{ "one-cr", BYTES("\r"), ALL, EOH, BYTES("\r\r\n"), 1, 0 },
	{ "bare-cr", BYTES("a\rb\r\r\nc\r"), ALL, 0,
	  BYTES("a\rb\r\r\nc\r\r\n"), 8, 0 },
	{ "lf-cr", BYTES("a\n\rb\n"), ALL, EOH, BYTES("a\r\n\rb\r\n"), 7, 0 },
	{ "no-last-lf", BYTES("A: b\n\nc"), ALL, 0,
	  BYTES("A: b\r\n\r\nc\r\n"), 9, 0 },
	{ "no-last-lf/crlf", BYTES("A: b\r\n\r\nc\r"), ALL, 0,
	  BYTES("A: b\r\n\r\nc\r\r\n"), 10, 0 },
	{ "8bit", BYTES("\xff\x80\n"), ALL, NUL, BYTES("\xff\x80\r\n"), 4, 0 },

	{ "dot", BYTES("\n.\n..\n.a\n"), ALL, 0,
	  BYTES("\r\n..\r\n...\r\n..a\r\n"), 13, 0 },
	{ "dot/crlf", BYTES("\r\n.\r\n..\r\n"), ALL, 0,
	  BYTES("\r\n..\r\n...\r\n"), 9, 0 },
	{ "dot/first", BYTES(".\na"), ALL, 0, BYTES("..\r\na\r\n"), 4, 0 },
	{ "dot/first-twice", BYTES(".."), ALL, 0, BYTES("...\r\n"), 2, 0 },
	{ "dot/last", BYTES("\n."), ALL, 0, BYTES("\r\n..\r\n"), 3, 0 },
	{ "dot/inside", BYTES("a.\n.b."), ALL, 0,
	  BYTES("a.\r\n..b.\r\n"), 7, 0 },
	{ "dot/after-cr", BYTES("a\r.\n\r.\n"), ALL, 0,
	  BYTES("a\r.\r\n\r.\r\n"), 9, 0 },
	{ "dot/after-nul", BYTES("\n\0.\n"), ALL, 0,
	  BYTES("\r\n\0.\r\n"), 6, 0 },

	{ "nul", BYTES("\0a\0\0\nb\0"), ALL, 0,
	  BYTES("\0a\0\0\r\nb\0\r\n"), 8, 0 },
	{ "nul/replaced", BYTES("\0a\0\0\nb\0"), ALL, NUL,
	  BYTES("\x80""a\x80\x80\r\nb\x80\r\n"), 8, 0 },
	/* a NUL is a byte of its line: what follows it begins no line, so
	   here there is no body */
	{ "nul/before-lf", BYTES("a\n\0\nb\n"), 0, EOH,
	  BYTES("a\r\n\0\r\nb\r\n\r\n"), 9, 0 },

	{ "eoh/headers-only", BYTES("A: b\n"), ALL, EOH,
	  BYTES("A: b\r\n\r\n"), 6, 0 },
	{ "eoh/unended", BYTES("A: b"), ALL, EOH,
	  BYTES("A: b\r\n\r\n"), 4, 0 },
	{ "eoh/off", BYTES("A: b\n"), ALL, 0, BYTES("A: b\r\n"), 6, 0 },
	{ "eoh/body", BYTES("A: b\n\n"), ALL, EOH,
	  BYTES("A: b\r\n\r\n"), 8, 0 },
	{ "eoh/top", BYTES("A: b\n"), 0, EOH, BYTES("A: b\r\n\r\n"), 6, 0 },

	{ "top/0", BYTES("A: b\nC: d\n\ne\nf\n"), 0, 0,
	  BYTES("A: b\r\nC: d\r\n\r\n"), 14, 4 },
	{ "top/0-crlf", BYTES("A: b\r\n\r\ne\r\n"), 0, 0,
	  BYTES("A: b\r\n\r\n"), 8, 3 },
	{ "top/1", BYTES("A: b\n\ne\nf\n"), 1, 0,
	  BYTES("A: b\r\n\r\ne\r\n"), 11, 2 },
	{ "top/all", BYTES("A: b\n\ne\nf\n"), 2, 0,
	  BYTES("A: b\r\n\r\ne\r\nf\r\n"), 14, 0 },
	{ "top/more", BYTES("A: b\n\ne\nf"), 9, 0,
	  BYTES("A: b\r\n\r\ne\r\nf\r\n"), 12, 0 },
	{ "top/empty-lines", BYTES("\n\n\n\n"), 2, 0,
	  BYTES("\r\n\r\n\r\n"), 6, 1 },
	{ "top/dots", BYTES(".\n\n.\n.\n"), 1, 0,
	  BYTES("..\r\n\r\n..\r\n"), 8, 2 },
	{ "top/no-body", BYTES("A: b\nC: d\n"), 0, 0,
	  BYTES("A: b\r\nC: d\r\n"), 12, 0 },
	{ "top/cr-begins-body", BYTES("A: b\n\rc\nd\ne\n"), 1, 0,
	  BYTES("A: b\r\n\rc\r\nd\r\n"), 13, 2 },
	{ "top/cr-does-not-end-line", BYTES("A: b\n\nc\rd\ne\n"), 1, 0,
	  BYTES("A: b\r\n\r\nc\rd\r\n"), 13, 2 },
	{ "top/largest", BYTES("A: b\n\nc\n"), ALL - 1, 0,
	  BYTES("A: b\r\n\r\nc\r\n"), 11, 0 },
};

/* Encode with pieces of these sizes at most and check everything. */
static void
check_pieces(const struct wire_case *c, size_t in_piece, size_t out_piece)
{
	struct popinjay_wire wire;
	unsigned char end[POPINJAY_WIRE_FINISH_MAX_BYTES];
	g_autofree unsigned char *out = g_malloc(out_piece);
	g_autoptr(GByteArray) result = g_byte_array_new();
	const unsigned char *in = (const unsigned char *)c->in;
	size_t pos = 0, out_used;

	popinjay_wire_init(&wire, c->body_lines, (c->flags & NUL) != 0);
	while (pos < c->in_size && !popinjay_wire_is_done(&wire)) {
		pos += popinjay_wire_encode(&wire, in + pos,
					    I_MIN(in_piece, c->in_size - pos),
					    out, out_piece, &out_used);
		g_assert_cmpuint(out_used, >, 0);
		g_byte_array_append(result, out, out_used);
	}
	g_byte_array_append(result, end,
			    popinjay_wire_finish(&wire, (c->flags & EOH) != 0,
						 end));
	g_assert_cmpmem(result->data, result->len, c->out, c->out_size);
	g_assert_cmpuint(wire.virtual_bytes, ==, c->virtual_bytes);
	g_assert_cmpuint(wire.consumed_bytes, ==, c->in_size - c->left_bytes);
	g_assert_cmpuint(pos, ==, c->in_size - c->left_bytes);
}

static void test_case(gconstpointer data)
{
	const struct wire_case *c = data;
	size_t in_piece, out_piece;

	for (in_piece = 1; in_piece <= c->in_size + 1; in_piece++) {
		for (out_piece = 1; out_piece <= c->out_size + 1; out_piece++)
			check_pieces(c, in_piece, out_piece);
	}
}

static void test_done(void)
{
	static const unsigned char message[] = "\na\nb\n";
	struct popinjay_wire wire;
	unsigned char out[32];
	size_t out_used;

	popinjay_wire_init(&wire, 1, FALSE);
	g_assert_false(popinjay_wire_is_done(&wire));
	g_assert_cmpuint(popinjay_wire_encode(&wire, message, 2, out,
					      sizeof(out), &out_used), ==, 2);
	g_assert_false(popinjay_wire_is_done(&wire));
	g_assert_cmpuint(popinjay_wire_encode(&wire, message + 2, 3, out,
					      sizeof(out), &out_used), ==, 1);
	g_assert_cmpmem(out, out_used, "\r\n", 2);
	g_assert_true(popinjay_wire_is_done(&wire));
	/* what comes after the end is not wanted */
	g_assert_cmpuint(popinjay_wire_encode(&wire, message + 3, 2, out,
					      sizeof(out), &out_used), ==, 0);
	g_assert_cmpuint(out_used, ==, 0);

	popinjay_wire_init(&wire, ALL, FALSE);
	(void)popinjay_wire_encode(&wire, message, 5, out, sizeof(out),
				   &out_used);
	g_assert_false(popinjay_wire_is_done(&wire));
}

static void test_no_room(void)
{
	struct popinjay_wire wire;
	unsigned char out[1] = { 'x' };
	size_t out_used = 9;

	popinjay_wire_init(&wire, ALL, FALSE);
	g_assert_cmpuint(popinjay_wire_encode(
		&wire, (const unsigned char *)".", 1, out, 0, &out_used),
		==, 0);
	g_assert_cmpuint(out_used, ==, 0);
	g_assert_cmpuint(out[0], ==, 'x');
	g_assert_cmpuint(popinjay_wire_encode(&wire, NULL, 0, out, 1,
					      &out_used), ==, 0);
	g_assert_cmpuint(out_used, ==, 0);
	g_assert_cmpuint(wire.virtual_bytes, ==, 0);
}

/* GB/s of stored mail; run with -m perf. */
static void test_speed(gconstpointer line)
{
	enum { MESSAGE_BYTES = 1024*1024, PIECE_BYTES = 32*1024, ROUNDS = 500 };
	g_autoptr(GString) message = g_string_new("Subject: speed\n\n");
	g_autofree unsigned char *out = g_malloc(PIECE_BYTES);
	struct popinjay_wire wire;
	double secs;
	int i;

	while (message->len < MESSAGE_BYTES)
		g_string_append(message, line);
	g_test_timer_start();
	for (i = 0; i < ROUNDS; i++) {
		const unsigned char *in = (const unsigned char *)message->str;
		size_t left = message->len;

		popinjay_wire_init(&wire, ALL, FALSE);
		while (left > 0) {
			size_t out_used, size = popinjay_wire_encode(
				&wire, in, I_MIN(left, PIECE_BYTES),
				out, PIECE_BYTES, &out_used);
			in += size;
			left -= size;
		}
	}
	secs = g_test_timer_elapsed();
	g_test_maximized_result(message->len * (double)ROUNDS / secs / 1e9,
				"%.2f GB/s",
				message->len * (double)ROUNDS / secs / 1e9);
}

int main(int argc, char *argv[])
{
	unsigned int i;

	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < N_ELEMENTS(cases); i++) {
		g_autofree char *path =
			g_strconcat("/wire/", cases[i].name, NULL);
		g_test_add_data_func(path, &cases[i], test_case);
	}
	g_test_add_func("/wire/done", test_done);
	g_test_add_func("/wire/no-room", test_no_room);
	if (g_test_perf()) {
		g_test_add_data_func("/wire/speed/base64-lf",
				     BASE64_LINE "\n", test_speed);
		g_test_add_data_func("/wire/speed/base64-crlf",
				     BASE64_LINE "\r\n", test_speed);
		g_test_add_data_func("/wire/speed/short-lines",
				     "> a\n", test_speed);
	}
	return g_test_run();
}
