/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The collector's file: finds the lines that a mail process sends again, so
   that none is there twice. */

#include "lib.h"
#include "str.h"
#include "output.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#define RECORD "{\"event\":\"popinjay_session_finished\",\"record\":%u}"
#define MEGABYTE (1024 * 1024)

static char *dir, *path;

static void append(const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	g_assert_cmpint(fd, !=, -1);
	g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
	g_assert_cmpint(close(fd), ==, 0);
}

static void begin(void)
{
	g_unlink(path);
	output_init(path);
}

static void write_record(unsigned int number)
{
	g_autofree char *line = g_strdup_printf(RECORD "\n", number);

	g_assert_cmpint(output_write(line, strlen(line)), ==, 0);
}

static bool has_record(unsigned int number)
{
	g_autofree char *line = g_strdup_printf(RECORD, number);
	bool found;

	T_BEGIN {
		found = output_has_line(line);
	} T_END;
	return found;
}

/* Bytes that this process has read. */
static unsigned long long bytes_read(void)
{
	g_autofree char *io = NULL;

	g_assert_true(g_file_get_contents("/proc/self/io", &io, NULL, NULL));
	g_assert_true(g_str_has_prefix(io, "rchar: "));
	return g_ascii_strtoull(io + strlen("rchar: "), NULL, 10);
}

static void test_found(void)
{
	begin();
	g_assert_false(has_record(1));
	write_record(1);
	g_assert_true(has_record(1));
	write_record(2);
	g_assert_true(has_record(2));
	/* not a part of a line, nor one that is not whole */
	append("x" "{\"event\":\"popinjay_session_finished\",\"record\":3}\n",
	       strlen(RECORD) + 1);
	append("{\"event\":\"popinjay_session_finished\",\"record\":4}",
	       strlen(RECORD) - 1);
	g_assert_false(has_record(3));
	g_assert_false(has_record(4));
	write_record(5);
	g_assert_true(has_record(4));
	g_assert_true(has_record(5));
	output_deinit();
}

/* After a power cut a file may have NULs. */
static void test_nuls(void)
{
	static const char nuls[9000];

	begin();
	write_record(1);
	append(nuls, sizeof(nuls));
	write_record(2);
	append("{\"event\":\"popinjay_session_finished\",\"record\":3}\0x\n",
	       strlen(RECORD) + 2);
	write_record(4);
	g_assert_true(has_record(1));
	g_assert_true(has_record(2));
	g_assert_false(has_record(3));
	g_assert_true(has_record(4));
	output_deinit();
}

static void test_moved(void)
{
	g_autofree char *moved = g_strconcat(path, ".1", NULL);

	begin();
	write_record(1);
	g_assert_true(has_record(1));
	g_assert_cmpint(g_rename(path, moved), ==, 0);
	write_record(2);
	g_assert_true(has_record(1));
	g_assert_true(has_record(2));
	/* cut at its beginning, by copytruncate */
	g_assert_cmpint(truncate(path, 0), ==, 0);
	g_assert_false(has_record(2));
	write_record(3);
	g_assert_true(has_record(3));
	output_deinit();
	g_unlink(moved);
}

/* Thousands of records may be sent again, to a file of any size. */
static void test_cost(gconstpointer data)
{
	const char *what = data;
	g_autofree char *fill = g_malloc0(8 * MEGABYTE);
	unsigned long long before;

	begin();
	if (g_str_equal(what, "lines")) {
		for (gsize i = 0; i < 8 * MEGABYTE; i++)
			fill[i] = i % 300 == 299 ? '\n' : 'x';
	}
	append(fill, 8 * MEGABYTE);
	before = bytes_read();
	for (unsigned int i = 0; i < 5000; i++) {
		g_assert_false(has_record(i));
		write_record(i);
		g_assert_true(has_record(i));
	}
	g_assert_cmpuint(bytes_read() - before, <, 10 * MEGABYTE);
	output_deinit();
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	dir = g_dir_make_tmp("popinjay-XXXXXX", NULL);
	g_assert_nonnull(dir);
	path = g_build_filename(dir, "log", NULL);
	g_test_add_func("/collector-output/found", test_found);
	g_test_add_func("/collector-output/nuls", test_nuls);
	g_test_add_func("/collector-output/moved", test_moved);
	g_test_add_data_func("/collector-output/cost/lines", "lines",
			     test_cost);
	g_test_add_data_func("/collector-output/cost/nuls", "nuls",
			     test_cost);
	ret = g_test_run();
	g_unlink(path);
	g_rmdir(dir);
	g_free(path);
	g_free(dir);
	lib_deinit();
	return ret;
}
