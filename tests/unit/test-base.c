/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -base: the small helpers that every family stands on. */

#include "lib.h"
#include "buffer.h"
#include "bit-set.h"
#include "fnv.h"
#include "hex-number.h"
#include "small-file.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <fcntl.h>
#include <unistd.h>

#define MAX_BYTES 10000

static char *file_create(size_t size)
{
	g_autofree char *text = g_malloc(size + 1);
	char *path;
	int fd = g_file_open_tmp("popinjay-XXXXXX", &path, NULL);

	g_assert_cmpint(fd, !=, -1);
	memset(text, 'x', size);
	g_assert_cmpint(write(fd, text, size), ==, (ssize_t)size);
	close(fd);
	return path;
}

static void test_file(const void *data)
{
	size_t size = *(const size_t *)data;
	g_autofree char *path = file_create(size);
	buffer_t *text = buffer_create_dynamic(default_pool, 16);
	const char *error = NULL;
	int ret;

	buffer_append(text, "before ", 7);
	errno = 0;
	ret = popinjay_small_file_read(path, MAX_BYTES, text, &error);
	if (size > MAX_BYTES) {
		g_assert_cmpint(errno, ==, EFBIG);
		g_assert_cmpint(ret, ==, -1);
		g_assert_cmpstr(error, ==, "It has more than 10000 bytes");
		g_assert_cmpmem(text->data, text->used, "before ", 7);
	} else {
		g_assert_cmpint(ret, ==, 0);
		g_assert_cmpuint(text->used, ==, 7 + size);
		g_assert_cmpmem(text->data, 7, "before ", 7);
		for (size_t i = 7; i < text->used; i++)
			g_assert_cmpint(((const char *)text->data)[i], ==, 'x');
	}
	buffer_free(&text);
	g_remove(path);
}

/* What is secret is read where it can be wiped. */
static void test_file_fixed_buffer(void)
{
	unsigned char space[5];
	const char *error;
	size_t size;

	for (size = 0; size < 7; size++) {
		g_autofree char *path = file_create(size);
		buffer_t data;

		buffer_create_from_data(&data, space, sizeof(space));
		g_assert_cmpint(popinjay_small_file_read(path, 4, &data,
							 &error), ==,
				size <= 4 ? 0 : -1);
		g_assert_cmpuint(data.used, ==, size <= 4 ? size : 0);
		g_remove(path);
	}
}

static void test_file_rest(void)
{
	g_autofree char *path = file_create(9);
	buffer_t *text = buffer_create_dynamic(default_pool, 16);
	const char *error;
	int fd = open(path, O_RDONLY);

	g_assert_cmpint(lseek(fd, 5, SEEK_SET), ==, 5);
	g_assert_cmpint(popinjay_small_file_read_fd(fd, 4, text, &error), ==,
			0);
	g_assert_cmpmem(text->data, text->used, "xxxx", 4);
	close(fd);
	buffer_free(&text);
	g_remove(path);
}

static void test_file_bad(void)
{
	buffer_t *text = buffer_create_dynamic(default_pool, 16);
	const char *error;

	g_assert_cmpint(popinjay_small_file_read("/nonexistent/file", 4, text,
						 &error), ==, -1);
	g_assert_cmpint(errno, ==, ENOENT);
	g_assert_cmpstr(error, ==, "open() failed: No such file or directory");
	g_assert_cmpint(popinjay_small_file_read("/", 4, text, &error), ==, -1);
	g_assert_cmpint(errno, ==, EISDIR);
	g_assert_cmpstr(error, ==, "read() failed: Is a directory");
	g_assert_cmpuint(text->used, ==, 0);
	buffer_free(&text);
}

static void test_bit_set(void)
{
	unsigned char bits[3] = { 0 };
	unsigned int i;

	g_assert_false(popinjay_bit_set_has(NULL, 16));
	for (i = 0; i < 17; i += 3)
		popinjay_bit_set_add(bits, i);
	popinjay_bit_set_add(bits, 3);
	for (i = 0; i < 17; i++)
		g_assert_true(popinjay_bit_set_has(bits, i) == (i % 3 == 0));
	/* Dovecot's order of bits */
	g_assert_cmpmem(bits, 3, "\x49\x92\x00", 3);
	popinjay_bit_set_remove(bits, 9);
	popinjay_bit_set_remove(bits, 10);
	g_assert_cmpmem(bits, 3, "\x49\x90\x00", 3);
}

/* Vectors of the Internet-Draft draft-eastlake-fnv, appendix C. */
static void test_fnv(void)
{
	uint64_t hash = popinjay_fnv(POPINJAY_FNV_START, "foo", 3);

	g_assert_cmphex(popinjay_fnv(POPINJAY_FNV_START, "", 0), ==,
			0xcbf29ce484222325);
	g_assert_cmphex(popinjay_fnv(POPINJAY_FNV_START, "a", 1), ==,
			0xaf63dc4c8601ec8c);
	g_assert_cmphex(popinjay_fnv(POPINJAY_FNV_START, "foobar", 6), ==,
			0x85944171f73967e8);
	g_assert_cmphex(popinjay_fnv(hash, "bar", 3), ==, 0x85944171f73967e8);
}

static void test_hex_number(void)
{
	static const struct {
		const char *text;
		unsigned int digits;
		int ret;
		uint32_t num;
	} cases[] = {
		{ "00", 2, 0, 0 },
		{ "7f", 2, 0, 0x7f },
		{ "7F", 2, 0, 0x7f },
		{ "7fff", 2, 0, 0x7f },
		{ "90AbcdEf", 8, 0, 0x90abcdef },
		{ "ffffffff", 8, 0, 0xffffffff },
		{ "", 2, -1, 0 },
		{ "7", 2, -1, 0 },
		{ "7g", 2, -1, 0 },
		{ "-1", 2, -1, 0 },
		{ "\xe4" "1", 2, -1, 0 },
	};
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint32_t num = 0;

		g_assert_cmpint(popinjay_hex_number(cases[i].text,
						    cases[i].digits, &num),
				==, cases[i].ret);
		g_assert_cmphex(num, ==, cases[i].num);
	}
}

int main(int argc, char *argv[])
{
	static const size_t sizes[] = {
		0, 1, 4095, 4096, 4097, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1,
		5 * MAX_BYTES
	};
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autofree char *path =
			g_strdup_printf("/base/file/%zu", sizes[i]);

		g_test_add_data_func(path, &sizes[i], test_file);
	}
	g_test_add_func("/base/file/fixed-buffer", test_file_fixed_buffer);
	g_test_add_func("/base/file/rest", test_file_rest);
	g_test_add_func("/base/file/bad", test_file_bad);
	g_test_add_func("/base/bit-set", test_bit_set);
	g_test_add_func("/base/fnv", test_fnv);
	g_test_add_func("/base/hex-number", test_hex_number);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
