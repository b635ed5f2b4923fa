/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -files and log-reader: which files are a log, in which order, and
   their records. */

#include "lib.h"
#include "array.h"
#include "compression.h"
#include "cases.h"
#include "log-reader.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

struct log_dir {
	char *path;
	pool_t pool;
	ARRAY_TYPE(popinjay_log_file) files;
};

static void dir_init(struct log_dir *dir)
{
	dir->path = g_dir_make_tmp("popinjay-log-XXXXXX", NULL);
	g_assert_nonnull(dir->path);
	dir->pool = pool_alloconly_create("test", 1024);
	p_array_init(&dir->files, dir->pool, 4);
}

static void dir_deinit(struct log_dir *dir)
{
	g_autoptr(GDir) entries = g_dir_open(dir->path, 0, NULL);
	const char *name;

	popinjay_log_files_close(&dir->files);
	while ((name = g_dir_read_name(entries)) != NULL) {
		g_autofree char *path = g_build_filename(dir->path, name,
							 NULL);

		g_assert_cmpint(g_unlink(path), ==, 0);
	}
	g_assert_cmpint(g_rmdir(dir->path), ==, 0);
	g_free(dir->path);
	pool_unref(&dir->pool);
}

/* A record whose number is also its time. */
static char *record(unsigned int number)
{
	return g_strdup_printf("{\"event\":\"popinjay_session_finished\","
		"\"time\":\"2024-02-29T%02u:%02u:%02u.000000Z\","
		"\"session\":\"s\",\"record\":%u,\"user\":\"alice\"}",
		12 + number / 3600, number / 60 % 60, number % 60, number);
}

static char *dir_file(struct log_dir *dir, const char *name)
{
	return g_build_filename(dir->path, name, NULL);
}

static void
dir_write_bytes(struct log_dir *dir, const char *name, const GString *text)
{
	g_autofree char *path = dir_file(dir, name);

	g_assert_true(g_file_set_contents(path, text->str, text->len, NULL));
}

static void dir_write(struct log_dir *dir, const char *name, const char *text)
{
	g_autoptr(GString) str = g_string_new(text);

	dir_write_bytes(dir, name, str);
}

static const char *const compressors[][2] = {
	{ ".gz", "gzip" }, { ".bz2", "bzip2" }, { ".zst", "zstd" }
};

/* Returns TRUE if a file of that name cannot be compressed here, or not be read
   by this Dovecot. */
static gboolean skip_compressed(const char *name)
{
	const struct compression_handler *handler;

	if (compression_lookup_handler_from_ext(name, &handler) == 0) {
		g_test_skip("Dovecot was built without its compression");
		return TRUE;
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(compressors); i++) {
		g_autofree char *path =
			g_find_program_in_path(compressors[i][1]);

		if (path == NULL &&
		    g_str_has_suffix(name, compressors[i][0])) {
			g_test_skip("its compressor is not installed");
			return TRUE;
		}
	}
	return FALSE;
}

/* A file with every step-th record from first to last. If its name has an
   extension of a compressed file, it is compressed. */
static void dir_write_some(struct log_dir *dir, const char *name,
			   unsigned int first, unsigned int last,
			   unsigned int step)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *path = dir_file(dir, name);

	for (unsigned int i = first; i <= last; i += step) {
		g_autofree char *line = record(i);

		g_string_append_printf(text, "%s\n", line);
	}
	dir_write(dir, name, text->str);
	for (unsigned int i = 0; i < G_N_ELEMENTS(compressors); i++) {
		g_autofree char *command = NULL;
		int status;

		if (!g_str_has_suffix(name, compressors[i][0]))
			continue;
		command = g_strdup_printf("sh -c \"%s -c <'%s' >'%s.new' && "
			"mv '%s.new' '%s'\"", compressors[i][1], path, path,
			path, path);
		g_assert_true(g_spawn_command_line_sync(command, NULL, NULL,
							&status, NULL));
		g_assert_cmpint(status, ==, 0);
	}
}

static void dir_write_records(struct log_dir *dir, const char *name,
			      unsigned int first, unsigned int last)
{
	dir_write_some(dir, name, first, last, 1);
}

static void dir_open(struct log_dir *dir, const char *name, time_t since)
{
	g_autofree char *path = dir_file(dir, name);
	const char *error;

	if (popinjay_log_files_open_rotated(dir->pool, path, since,
					    &dir->files, &error) < 0)
		g_error("%s", error);
	popinjay_log_files_sort(&dir->files);
}

/* Read all, and check that the records are numbered from first to last. */
static struct popinjay_log_counts
expect_records(struct log_dir *dir, unsigned int first, unsigned int last)
{
	struct popinjay_log_reader *reader =
		popinjay_log_reader_init(&dir->files);
	const struct popinjay_log_record *rec;
	struct popinjay_log_counts counts;
	const char *error;
	int ret;

	while ((ret = popinjay_log_reader_next(reader, &rec, &error)) > 0) {
		g_assert_cmpuint(popinjay_log_record_num(rec,
				 POPINJAY_LOG_RECORD), ==, first);
		first++;
	}
	g_assert_cmpint(ret, ==, 0);
	g_assert_cmpuint(first, ==, last + 1);
	counts = *popinjay_log_reader_counts(reader);
	popinjay_log_reader_deinit(&reader);
	g_assert_cmpuint(counts.bytes_read, ==, counts.bytes_total);
	return counts;
}

static void test_one(void)
{
	struct log_dir dir;
	struct popinjay_log_counts counts;

	dir_init(&dir);
	dir_write_records(&dir, "mail.log", 1, 5000);
	dir_open(&dir, "mail.log", 0);
	counts = expect_records(&dir, 1, 5000);
	g_assert_cmpuint(counts.lines, ==, 5000);
	g_assert_cmpuint(counts.records, ==, 5000);
	g_assert_cmpuint(counts.damaged, ==, 0);
	g_assert_cmpuint(counts.first_usecs, ==,
			 G_GUINT64_CONSTANT(1709208001000000));
	dir_deinit(&dir);
}

struct rotated_case {
	const char *path;
	/* the log, and then its parts from the oldest on */
	const char *names[5];
};

static const struct rotated_case rotated_cases[] = {
	{ "numbers", { "mail.log", "mail.log.10", "mail.log.2", "mail.log.1",
		       "mail.log" } },
	{ "gzip", { "mail.log", "mail.log.3.gz", "mail.log.2.gz",
		    "mail.log.1", "mail.log" } },
	{ "bzip2", { "mail.log", "mail.log.3.bz2", "mail.log.2.bz2",
		     "mail.log.1", "mail.log" } },
	{ "zstd", { "mail.log", "mail.log.3.zst", "mail.log.2.zst",
		    "mail.log.1", "mail.log" } },
	{ "dates", { "mail.log", "mail.log-20240226.gz",
		     "mail.log-20240227", "mail.log-20240228", "mail.log" } },
	{ "dates-before-extension", { "mail.log", "mail-20240226.log.gz",
		"mail-20240227.log", "mail-20240228.log", "mail.log" } },
	{ "dates-and-times", { "maillog", "maillog.2024-02-26T06:25",
		"maillog.2024-02-27_06.25.gz", "maillog-1709208001",
		"maillog" } },
	/* the name says nothing, the records do */
	{ "wrong-order", { "mail.log", "mail.log.1", "mail.log",
			   "mail.log.2.gz", "mail.log.3" } },
	{ "compressed-log", { "mail.log.gz", "mail.log.gz.3",
		"mail.log.gz.2", "mail.log.gz.1", "mail.log.gz" } },
};

static void test_rotated(const void *data)
{
	const struct rotated_case *c = data;
	struct log_dir dir;

	for (unsigned int i = 0; i < G_N_ELEMENTS(c->names); i++) {
		if (skip_compressed(c->names[i]))
			return;
	}
	dir_init(&dir);
	for (unsigned int i = 1; i < G_N_ELEMENTS(c->names); i++)
		dir_write_records(&dir, c->names[i], i * 100, i * 100 + 99);
	/* others that are no part of it */
	dir_write_records(&dir, "mail.log.old", 1, 2);
	dir_write_records(&dir, "mail.log.1.tmp", 1, 2);
	dir_write_records(&dir, "mail.log.err", 1, 2);
	dir_write_records(&dir, "xmail.log", 1, 2);
	dir_write_records(&dir, "mail", 1, 2);
	dir_write_records(&dir, "mail-x.log", 1, 2);
	dir_open(&dir, c->names[0], 0);
	g_assert_cmpuint(array_count(&dir.files), ==, 4);
	expect_records(&dir, 100, 499);
	dir_deinit(&dir);
}

/* The logs of three hosts, each with its own rotation. */
static void test_merged(void)
{
	struct popinjay_log_counts counts;
	struct log_dir dir;

	if (skip_compressed("mail.log.1.gz"))
		return;
	dir_init(&dir);
	dir_write_some(&dir, "mail.log.1.gz", 1, 900, 3);
	dir_write_some(&dir, "mail.log.2", 901, 3000, 3);
	dir_write_some(&dir, "mail.log.3", 2, 3000, 3);
	dir_write_some(&dir, "mail.log.4", 3, 300, 3);
	dir_write_some(&dir, "mail.log.5.gz", 303, 2400, 3);
	dir_write_some(&dir, "mail.log", 2403, 3000, 3);
	dir_open(&dir, "mail.log", 0);
	g_assert_cmpuint(array_count(&dir.files), ==, 6);
	counts = expect_records(&dir, 1, 3000);
	g_assert_cmpuint(counts.records, ==, 3000);
	dir_deinit(&dir);
}

/* While gzip works there are both, and mail.log.1.gz is not whole. */
static void test_being_compressed(void)
{
	struct log_dir dir;

	dir_init(&dir);
	dir_write_records(&dir, "mail.log.1", 1, 100);
	dir_write(&dir, "mail.log.1.gz", "\x1f\x8b\x08");
	dir_write_records(&dir, "mail.log", 101, 200);
	dir_open(&dir, "mail.log", 0);
	expect_records(&dir, 1, 200);
	dir_deinit(&dir);
}

/* Rotation between reading the directory and opening the file. */
static void test_same_file(void)
{
	g_autofree char *path1 = NULL, *path2 = NULL;
	struct log_dir dir;

	dir_init(&dir);
	dir_write_records(&dir, "mail.log", 1, 100);
	path1 = dir_file(&dir, "mail.log");
	path2 = dir_file(&dir, "mail.log.1");
	g_assert_cmpint(link(path1, path2), ==, 0);
	dir_open(&dir, "mail.log", 0);
	g_assert_cmpuint(array_count(&dir.files), ==, 1);
	expect_records(&dir, 1, 100);
	dir_deinit(&dir);
}

static void test_since(void)
{
	struct log_dir dir;

	dir_init(&dir);
	dir_write_records(&dir, "mail.log.1", 1, 100);
	dir_write_records(&dir, "mail.log", 101, 200);
	dir_open(&dir, "mail.log", time(NULL) + 3600);
	g_assert_cmpuint(array_count(&dir.files), ==, 0);
	dir_open(&dir, "mail.log", time(NULL) - 3600);
	expect_records(&dir, 1, 200);
	dir_deinit(&dir);
}

static void test_missing(void)
{
	struct log_dir dir;
	g_autofree char *path = NULL;
	const char *error = NULL;

	dir_init(&dir);
	path = dir_file(&dir, "mail.log");
	g_assert_cmpint(popinjay_log_files_open_rotated(dir.pool, path, 0,
					&dir.files, &error), ==, -1);
	g_assert_nonnull(strstr(error, path));
	g_assert_cmpint(popinjay_log_files_open(dir.pool, path, &dir.files,
						&error), ==, -1);
	g_assert_nonnull(strstr(error, path));
	g_assert_cmpint(popinjay_log_files_open(dir.pool, dir.path,
					&dir.files, &error), ==, -1);
	dir_deinit(&dir);
}

static void test_lines(void)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *first = record(1), *second = record(2);
	g_autofree char *third = record(3);
	struct popinjay_log_counts counts;
	struct log_dir dir;

	g_string_append_printf(text, "%s\n\n\n", first);
	/* a line that is longer than any buffer, with a record at its end */
	for (unsigned int i = 0; i < 1000000; i++)
		g_string_append_c(text, 'x');
	g_string_append_printf(text, "%s\n%s\r\nother\n", first, second);
	/* twice, and damaged */
	g_string_append_printf(text, "%s\n%.*s\n", second, 60, second);
	g_string_append_len(text, "\0\xff\n", 3);
	/* a last line that is whole but for its LF, and one that is not */
	g_string_append(text, third);

	dir_init(&dir);
	dir_write_bytes(&dir, "a", text);
	dir_open(&dir, "a", 0);
	counts = expect_records(&dir, 1, 3);
	g_assert_cmpuint(counts.lines, ==, 10);
	g_assert_cmpuint(counts.records, ==, 4);
	g_assert_cmpuint(counts.repeated, ==, 1);
	g_assert_cmpuint(counts.damaged, ==, 1);
	array_clear(&dir.files);

	g_string_truncate(text, text->len - 5);
	dir_write_bytes(&dir, "a", text);
	dir_open(&dir, "a", 0);
	counts = expect_records(&dir, 1, 2);
	g_assert_cmpuint(counts.damaged, ==, 1);
	dir_deinit(&dir);
}

/* The rest of a file that is damaged is lost; the next one is read. */
static void test_damaged_file(void)
{
	g_autofree char *path = NULL, *data = NULL;
	const struct popinjay_log_record *rec;
	struct popinjay_log_reader *reader;
	unsigned int records = 0, errors = 0;
	const char *error;
	struct log_dir dir;
	gsize size;
	int ret;

	if (skip_compressed("mail.log.2.gz"))
		return;
	dir_init(&dir);
	dir_write_records(&dir, "mail.log.2.gz", 1, 1000);
	dir_write_records(&dir, "mail.log", 1001, 2000);
	path = dir_file(&dir, "mail.log.2.gz");
	g_assert_true(g_file_get_contents(path, &data, &size, NULL));
	g_assert_true(g_file_set_contents(path, data, size / 2, NULL));
	dir_open(&dir, "mail.log", 0);
	reader = popinjay_log_reader_init(&dir.files);
	while ((ret = popinjay_log_reader_next(reader, &rec, &error)) != 0) {
		if (ret < 0) {
			g_assert_nonnull(strstr(error, path));
			errors++;
			continue;
		}
		records++;
	}
	g_assert_cmpuint(errors, ==, 1);
	g_assert_cmpuint(records, >, 1000);
	g_assert_cmpuint(records, <, 2000);
	popinjay_log_reader_deinit(&reader);
	dir_deinit(&dir);
}

/* Dovecot has a format of its own for lz4. */
static void test_unknown_compression(void)
{
	struct popinjay_log_reader *reader;
	const struct popinjay_log_record *rec;
	const char *error = NULL;
	struct log_dir dir;

	dir_init(&dir);
	dir_write(&dir, "mail.log.1.lz4", "\x04\x22\x4d\x18\x64\x40\xa7");
	dir_write_records(&dir, "mail.log", 1, 10);
	dir_open(&dir, "mail.log", 0);
	reader = popinjay_log_reader_init(&dir.files);
	g_assert_cmpint(popinjay_log_reader_next(reader, &rec, &error), ==,
			-1);
	g_assert_nonnull(strstr(error, "mail.log.1.lz4"));
	g_assert_nonnull(strstr(error, "lz4 -dc"));
	g_assert_cmpint(popinjay_log_reader_next(reader, &rec, &error), ==, 1);
	popinjay_log_reader_deinit(&reader);
	dir_deinit(&dir);
}

/* --- standard input that does not wait --- */

struct feeder {
	pid_t reader;
	int fd;
	char *data;
	gsize size;
	bool slept;
};

/* A thread that reads again and again is never seen asleep. */
static bool wait_until_asleep(pid_t thread)
{
	g_autofree char *path = g_strdup_printf("/proc/self/task/%d/stat",
						(int)thread);
	gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

	while (g_get_monotonic_time() < end) {
		g_autofree char *stat = NULL;

		g_usleep(5 * 1000);
		if (g_file_get_contents(path, &stat, NULL, NULL) &&
		    strstr(stat, ") S ") != NULL)
			return TRUE;
	}
	return FALSE;
}

/* One byte, a half, the rest; each when the reader waits for it. */
static gpointer feed(gpointer data)
{
	struct feeder *feeder = data;
	const gsize ends[] = { 1, feeder->size / 2, feeder->size };
	gsize pos = 0;

	feeder->slept = TRUE;
	for (unsigned int i = 0; i < G_N_ELEMENTS(ends); i++) {
		if (!wait_until_asleep(feeder->reader))
			feeder->slept = FALSE;
		g_assert_cmpint(write(feeder->fd, feeder->data + pos,
				      ends[i] - pos), ==, ends[i] - pos);
		pos = ends[i];
	}
	close(feeder->fd);
	return NULL;
}

/* Who started us may have made it so. */
static void test_nonblocking(gconstpointer name)
{
	struct feeder feeder = { .reader = getpid() };
	int fds[2], old_stdin = dup(STDIN_FILENO);
	g_autofree char *path = NULL;
	const char *error;
	struct log_dir dir;
	GThread *thread;

	if (skip_compressed(name))
		return;
	dir_init(&dir);
	dir_write_records(&dir, name, 1, 200);
	path = dir_file(&dir, name);
	g_assert_true(g_file_get_contents(path, &feeder.data, &feeder.size,
					  NULL));
	g_assert_cmpint(pipe(fds), ==, 0);
	g_assert_cmpint(fcntl(fds[0], F_SETFL, O_NONBLOCK), ==, 0);
	g_assert_cmpint(dup2(fds[0], STDIN_FILENO), ==, STDIN_FILENO);
	feeder.fd = fds[1];
	g_assert_cmpint(popinjay_log_files_open(dir.pool, "-", &dir.files,
						&error), ==, 0);
	thread = g_thread_new("feed", feed, &feeder);
	(void)expect_records(&dir, 1, 200);
	g_thread_join(thread);
	g_assert_true(feeder.slept);
	g_assert_cmpint(fcntl(fds[0], F_GETFL) & O_NONBLOCK, !=, 0);
	g_assert_cmpint(dup2(old_stdin, STDIN_FILENO), ==, STDIN_FILENO);
	close(old_stdin);
	close(fds[0]);
	g_free(feeder.data);
	dir_deinit(&dir);
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log-reader/one", test_one);
	ADD_CASES("/log-reader/rotated/", rotated_cases, test_rotated);
	g_test_add_func("/log-reader/merged", test_merged);
	g_test_add_func("/log-reader/being-compressed", test_being_compressed);
	g_test_add_func("/log-reader/same-file", test_same_file);
	g_test_add_func("/log-reader/since", test_since);
	g_test_add_func("/log-reader/missing", test_missing);
	g_test_add_func("/log-reader/lines", test_lines);
	g_test_add_func("/log-reader/unknown-compression",
			test_unknown_compression);
	g_test_add_func("/log-reader/damaged-file", test_damaged_file);
	g_test_add_data_func("/log-reader/nonblocking/plain", "stdin",
			     test_nonblocking);
	g_test_add_data_func("/log-reader/nonblocking/compressed", "stdin.gz",
			     test_nonblocking);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
