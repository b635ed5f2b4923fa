/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages that can be opened, but not be read to their end. Where that shows
   before anything was sent, the reply is -ERR and the session goes on. A larger
   one is cut the first time; at the next try it is read to its end before its
   +OK, so a fault that has passed refuses no mail. */

#include "numbered.h"

#include <gio/gio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_BYTES 5000
#define LARGE_BYTES (100 * 1000)
/* where a stream of gzip has its data */
#define GZIP_HEADER_BYTES 10

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	struct fixture_options options = {
		.plugins = fixture_is_2_3() ? "zlib" : "mail_compress"
	};

	if (the_fixture != NULL)
		return the_fixture;
	the_fixture = fixture_new(&options);
	/* of the storage, and ours */
	fixture_log_allow(the_fixture, "Cached message size |"
			  "Deleting corrupted cache record|"
			  "Corrupted dbox file|read\\(.*\\) failed|"
			  "zlib.read\\(|gz trailer|Unexpectedly lost uid|"
			  "popinjay: (RETR|TOP) of message UID|"
			  "popinjay: (RETR|TOP): (Opening|Reading) message");
	return the_fixture;
}

/* The mails 1 to 3, whose sizes the index knows. */
static char *new_user(const char *storage, gsize size)
{
	struct fixture *f = get_fixture();
	char *user = fixture_user(f, storage);
	g_autoptr(GArray) numbers = NULL;

	numbered_deliver(f, user, 1, 3, size);
	numbers = numbered_read(f, user, size);
	g_assert_cmpuint(numbers->len, ==, 3);
	return user;
}

/* The last bytes of a file are taken away. Returns what it was. */
static GBytes *cut_file(const char *path, gsize cut)
{
	char *data;
	gsize size;

	g_assert_true(g_file_get_contents(path, &data, &size, NULL));
	g_assert_cmpuint(size, >, cut);
	g_assert_cmpint(truncate(path, (off_t)(size - cut)), ==, 0);
	return g_bytes_new_take(data, size);
}

static void mend_file(const char *path, GBytes *bytes)
{
	FILE *file = fopen(path, "r+");
	gsize size = g_bytes_get_size(bytes);

	g_assert_nonnull(file);
	g_assert_cmpuint(fwrite(g_bytes_get_data(bytes, NULL), 1, size, file),
			 ==, size);
	g_assert_cmpint(fclose(file), ==, 0);
}

/* RETR msn gives this mail. */
static void
check_mail(struct pop3 *pop3, unsigned int msn, unsigned int number, gsize size)
{
	g_autoptr(GString) reply = NULL;
	g_autofree char *error = NULL;

	pop3_send(pop3, "RETR %u", msn);
	reply = pop3_multiline(pop3);
	g_assert_cmpuint(numbered_check(reply, size, &error), ==, number);
	g_assert_cmpstr(error, ==, NULL);
}

/* Message 3 is refused, and the session goes on. */
static void check_refused(struct pop3 *pop3, gsize size)
{
	pop3_check(pop3, "RETR 3",
		   "-ERR [SYS/TEMP] Message 3 can't be read now.");
	pop3_check(pop3, "DELE 3", "-ERR [SYS/TEMP] Message 3 couldn't be "
		   "read, so it isn't deleted.");
	if (size > 0)
		check_mail(pop3, 2, 2, size);
}

/* Wait for the record of the session, and what it says of RETR. */
static void
check_logged(gsize since, const char *user, unsigned int retr_count)
{
	g_autofree char *regex = g_strdup_printf("\"user\":\"%s\",.*"
		"\"retr_count\":%u,.*\"unreadable_count\":1,.*"
		"\"end\":\"quit\"", user, retr_count);

	g_free(fixture_log_wait(get_fixture(), since, regex));
}

static void test_small(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user(storage, SMALL_BYTES);
	g_autofree char *path = numbered_find_file(f, user, 3);
	g_autoptr(GBytes) whole = cut_file(path, SMALL_BYTES / 2);
	gsize since = fixture_log_size(f);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	check_refused(pop3, SMALL_BYTES);
	pop3_quit(pop3, "Logging out.");
	check_logged(since, user, 1);
}

/* Cut once, it is not refused when it is whole again. */
static void test_large(gconstpointer storage)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = new_user(storage, LARGE_BYTES);
	g_autofree char *path = NULL;
	g_autoptr(GBytes) whole = NULL;
	g_autoptr(GString) reply = NULL;
	struct pop3 *pop3;
	gsize since;

	/* a new one, that nobody has fetched */
	numbered_deliver(f, user, 4, 4, LARGE_BYTES);
	path = numbered_find_file(f, user, 4);
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	g_free(pop3_ask(pop3, "LIST 4"));
	whole = cut_file(path, LARGE_BYTES / 4);
	pop3_send(pop3, "RETR 4\r\nQUIT");
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	pop3_close(pop3);
	g_assert_true(g_str_has_prefix(reply->str, "+OK "));
	g_assert_null(strstr(reply->str, "\r\n.\r\n"));
	g_free(fixture_log_wait(f, since, "popinjay_session_finished"));

	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "RETR 4",
		   "-ERR [SYS/TEMP] Message 4 can't be read now.");
	check_mail(pop3, 1, 1, LARGE_BYTES);
	pop3_quit(pop3, "Logging out.");
	check_logged(since, user, 1);

	mend_file(path, whole);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	check_mail(pop3, 4, 4, LARGE_BYTES);
	pop3_check(pop3, "DELE 4", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
}

static GBytes *compress(GBytes *mail)
{
	g_autoptr(GZlibCompressor) gzip =
		g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1);
	g_autoptr(GOutputStream) memory =
		g_memory_output_stream_new_resizable();
	g_autoptr(GOutputStream) stream =
		g_converter_output_stream_new(memory, G_CONVERTER(gzip));

	g_assert_true(g_output_stream_write_all(stream,
		g_bytes_get_data(mail, NULL), g_bytes_get_size(mail), NULL,
		NULL, NULL));
	g_assert_true(g_output_stream_close(stream, NULL, NULL));
	return g_memory_output_stream_steal_as_bytes(
		G_MEMORY_OUTPUT_STREAM(memory));
}

/* Not a byte can be had of a large message, as without its key. */
static void test_nothing(void)
{
	struct fixture *f = get_fixture();
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autoptr(GBytes) mail = numbered_mail(3, LARGE_BYTES);
	g_autoptr(GBytes) gzip = compress(mail);
	gsize size = g_bytes_get_size(gzip);
	g_autofree char *damaged = g_memdup2(g_bytes_get_data(gzip, NULL),
					     size);
	g_autofree char *name = g_strdup_printf(
		"cur/1800000000.M1P1.popinjay,S=%" G_GSIZE_FORMAT ",W=%"
		G_GSIZE_FORMAT ":2,", g_bytes_get_size(mail),
		g_bytes_get_size(mail));
	g_autofree char *path = g_build_filename(dir, name, NULL);
	struct pop3 *pop3;

	numbered_deliver(f, user, 1, 2, LARGE_BYTES);
	memset(damaged + GZIP_HEADER_BYTES, 0xff, 64);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "NOOP", "+OK");
	pop3_quit(pop3, "Logging out.");
	g_assert_true(g_file_set_contents(path, damaged, (gssize)size, NULL));
	fixture_give(f, user, path);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	check_refused(pop3, LARGE_BYTES);
	pop3_quit(pop3, "Logging out.");
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/read-fails/small/sdbox", "sdbox", test_small);
	g_test_add_data_func("/read-fails/small/mdbox", "mdbox", test_small);
	/* 2.4 finds it damaged when it opens it, and drops it from its index */
	if (fixture_is_2_3()) {
		g_test_add_data_func("/read-fails/large/sdbox", "sdbox",
				     test_large);
	}
	g_test_add_func("/read-fails/nothing", test_nothing);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/read-fails", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
