/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A fuzzer for wire: random messages, cut at random places on both sides,
   against the rules written down one line of mail at a time.

   fuzz-wire [SECONDS [SEED]]: every case has its own seed, counted up from
   SEED; SECONDS 0 runs the one case of SEED. Prints TAP. tests/fuzz/run has
   libFuzzer choose the messages instead. */

#include "lib.h"
#include "wire.h"

#include <glib.h>
#include <stdio.h>

#define SMALL_MESSAGE_BYTES 120
#define LARGE_MESSAGE_BYTES 20000

struct fuzz_case {
	GByteArray *message;
	uoff_t body_lines;
	bool replace_nuls;
	bool end_of_headers;
};

struct fuzz_result {
	GByteArray *wire;
	uoff_t consumed_bytes, virtual_bytes;
};

static void put(GByteArray *dest, const char *str)
{
	g_byte_array_append(dest, (const guint8 *)str, strlen(str));
}

/* What has to be sent, by the book:
   - a line ends with LF; it is sent with CRLF, whether it had the CR or not;
   - a line that begins with a dot is sent with one more (RFC 1939, 3);
   - the body begins with the first line that is empty or begins with CR; TOP
     sends the header, that line, and body_lines more (RFC 1939, 7);
   - a message always ends with CRLF, if need be with one it did not have. */
static void
reference(const struct fuzz_case *c, struct fuzz_result *result)
{
	const guint8 *msg = c->message->data;
	guint pos = 0, line_end;
	bool in_body = FALSE, ended = TRUE;
	uoff_t sent_body_lines = 0;

	while (pos < c->message->len) {
		guint8 before_end = '\0';

		for (line_end = pos; line_end < c->message->len; line_end++) {
			if (msg[line_end] == '\n')
				break;
			before_end = msg[line_end];
		}
		ended = line_end < c->message->len;

		if (msg[pos] == '\n' || msg[pos] == '\r')
			in_body = TRUE;
		if (msg[pos] == '.')
			put(result->wire, ".");
		for (; pos < line_end; pos++) {
			guint8 byte = msg[pos];

			if (byte == '\0' && c->replace_nuls)
				byte = 0x80;
			g_byte_array_append(result->wire, &byte, 1);
			result->virtual_bytes++;
		}
		if (!ended)
			break;
		pos++;
		put(result->wire, before_end == '\r' ? "\n" : "\r\n");
		result->virtual_bytes += before_end == '\r' ? 1 : 2;
		if (in_body && c->body_lines != UOFF_T_MAX &&
		    sent_body_lines++ == c->body_lines)
			break;
	}
	result->consumed_bytes = pos;
	if (!ended || c->message->len == 0)
		put(result->wire, "\r\n");
	if (!in_body && c->end_of_headers)
		put(result->wire, "\r\n");
}

static size_t random_piece(GRand *rand)
{
	switch (g_rand_int_range(rand, 0, 4)) {
	case 0:
		return 1;
	case 1:
		return g_rand_int_range(rand, 1, 5);
	case 2:
		return g_rand_int_range(rand, 1, 100);
	default:
		return g_rand_int_range(rand, 1, LARGE_MESSAGE_BYTES);
	}
}

static void
encode(const struct fuzz_case *c, GRand *rand, struct fuzz_result *result)
{
	struct popinjay_wire wire;
	unsigned char end[POPINJAY_WIRE_FINISH_MAX_BYTES];
	size_t pos = 0;

	popinjay_wire_init(&wire, c->body_lines, c->replace_nuls);
	while (pos < c->message->len && !popinjay_wire_is_done(&wire)) {
		size_t in_piece = random_piece(rand);
		size_t in_size = I_MIN(in_piece, c->message->len - pos);
		size_t out_size = random_piece(rand), out_used, consumed;
		/* of exactly these sizes, for ASan and valgrind to watch */
		g_autofree unsigned char *in = g_malloc(in_size);
		g_autofree unsigned char *out = g_malloc(out_size);

		memcpy(in, c->message->data + pos, in_size);
		consumed = popinjay_wire_encode(&wire, in, in_size,
						out, out_size, &out_used);
		g_assert_cmpuint(consumed, <=, in_size);
		g_assert_cmpuint(out_used, <=, out_size);
		g_assert_true(consumed == in_size || out_used == out_size ||
			      popinjay_wire_is_done(&wire));
		g_assert_cmpuint(out_used, >, 0);
		g_byte_array_append(result->wire, out, out_used);
		pos += consumed;
	}
	g_assert_cmpuint(wire.consumed_bytes, ==, pos);
	g_byte_array_append(result->wire, end,
			    popinjay_wire_finish(&wire, c->end_of_headers,
						 end));
	result->consumed_bytes = wire.consumed_bytes;
	result->virtual_bytes = wire.virtual_bytes;
}

static void G_GNUC_NORETURN
fail(const struct fuzz_case *c, const struct fuzz_result *expected,
     const struct fuzz_result *got, guint32 seed)
{
	const struct fuzz_result *results[] = { expected, got };
	unsigned int i;

	printf("not ok 1 - wire equals its reference\n");
	printf("# fuzz-wire 0 %u\n", seed);
	printf("# body_lines=%"PRIuUOFF_T" replace_nuls=%d end_of_headers=%d\n",
	       c->body_lines, c->replace_nuls, c->end_of_headers);
	for (i = 0; i < N_ELEMENTS(results); i++) {
		g_autofree char *str = NULL;

		g_byte_array_append(results[i]->wire, (const guint8 *)"", 1);
		str = g_uri_escape_bytes(results[i]->wire->data,
					 results[i]->wire->len - 1,
					 " :<>()[]/");
		printf("# %s: consumed=%"PRIuUOFF_T" virtual=%"PRIuUOFF_T
		       " wire=%s\n", i == 0 ? "expected" : "got",
		       results[i]->consumed_bytes, results[i]->virtual_bytes,
		       str);
	}
	/* libFuzzer keeps the input of what aborts */
	fflush(stdout);
	abort();
}

/* Encode the message, cut at random places, and compare. Frees the message. */
static void
check_case(struct fuzz_case *c, GRand *rand, guint32 seed)
{
	struct fuzz_result expected = { .wire = g_byte_array_new() };
	struct fuzz_result got = { .wire = g_byte_array_new() };

	reference(c, &expected);
	encode(c, rand, &got);
	if (expected.wire->len != got.wire->len ||
	    (got.wire->len > 0 && memcmp(expected.wire->data, got.wire->data,
					 got.wire->len) != 0) ||
	    expected.consumed_bytes != got.consumed_bytes ||
	    expected.virtual_bytes != got.virtual_bytes)
		fail(c, &expected, &got, seed);

	g_byte_array_unref(expected.wire);
	g_byte_array_unref(got.wire);
	g_byte_array_unref(c->message);
}

#ifdef POPINJAY_LIBFUZZER

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

/* A byte of flags, one of lines, two that say how the message is cut, and the
   message. */
int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
	g_autoptr(GRand) rand = NULL;
	struct fuzz_case c = { .body_lines = UOFF_T_MAX };

	if (size < 4)
		return 0;
	rand = g_rand_new_with_seed(data[2] << 8 | data[3]);
	c.replace_nuls = (data[0] & 1) != 0;
	c.end_of_headers = (data[0] & 2) != 0;
	if ((data[0] & 4) != 0)
		c.body_lines = data[1];
	c.message = g_byte_array_new();
	g_byte_array_append(c.message, data + 4, size - 4);
	check_case(&c, rand, 0);
	return 0;
}

#else

static guint8 random_byte(GRand *rand)
{
	static const char special[] = { '\n', '\n', '\r', '.', '\0', 'a' };

	if (g_rand_int_range(rand, 0, 20) == 0)
		return g_rand_int_range(rand, 0, 256);
	return special[g_rand_int_range(rand, 0, sizeof(special))];
}

static void random_message(GRand *rand, GByteArray *message)
{
	static const char *const tokens[] = {
		"\n", "\r\n", "\r", "\n\n", "\r\n\r\n", ".", "..", "\n.\n",
		"Subject: a", "some text"
	};
	guint size;

	if (g_rand_int_range(rand, 0, 50) > 0)
		size = g_rand_int_range(rand, 0, SMALL_MESSAGE_BYTES);
	else
		size = g_rand_int_range(rand, 0, LARGE_MESSAGE_BYTES);
	while (message->len < size) {
		if (g_rand_boolean(rand)) {
			guint8 byte = random_byte(rand);
			g_byte_array_append(message, &byte, 1);
		} else {
			put(message, tokens[g_rand_int_range(
				rand, 0, N_ELEMENTS(tokens))]);
		}
	}
}

static void run_case(guint32 seed)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	struct fuzz_case c = {
		.message = g_byte_array_new(),
		.body_lines = UOFF_T_MAX,
		.replace_nuls = g_rand_boolean(rand),
		.end_of_headers = g_rand_boolean(rand),
	};

	if (g_rand_boolean(rand))
		c.body_lines = g_rand_int_range(rand, 0, 12);
	random_message(rand, c.message);
	check_case(&c, rand, seed);
}

int main(int argc, char *argv[])
{
	gint64 secs = argc > 1 ? g_ascii_strtoll(argv[1], NULL, 10) : 2;
	guint32 seed = argc > 2 ?
		g_ascii_strtoull(argv[2], NULL, 10) : 1;
	gint64 end_usecs = g_get_monotonic_time() + secs * G_USEC_PER_SEC;
	guint32 first_seed = seed;

	printf("1..1\n# seed %u, %"G_GINT64_FORMAT" s\n", seed, secs);
	do {
		run_case(seed++);
	} while (g_get_monotonic_time() < end_usecs);
	printf("ok 1 - wire equals its reference in %u cases\n",
	       seed - first_seed);
	return 0;
}

#endif
