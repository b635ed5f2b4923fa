/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages that end before their size, or whose stream fails: a client must
   never get the final ".", or it would delete a mail of which it has a part. On
   Maildir, what the file has is all there is: that is not deleted. */

#include "numbered.h"

#include <gio/gio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAIL_BYTES (100 * 1000)
#define CUT_BYTES (30 * 1000)
/* More than sockets hold. */
#define BIG_MAIL_BYTES (24 * 1000 * 1000)
#define LZ4_CHUNK_BYTES (64 * 1024)

/* The storage's own complaints about what is done to its files here. */
#define DAMAGE_REGEX "Cached message size |Deleting corrupted cache record|" \
	"Corrupted dbox file|Maildir filename has wrong |" \
	"read\\(.*\\) failed|cached message size "
#define OUR_REGEX "popinjay: (RETR|TOP) of message UID \\d+ \\(GUID "
/* What Dovecot 2.4, which sometimes sees the damage when it opens a message,
   and then we say on top of that. */
#define DAMAGE_AT_OPEN_REGEX "Unexpectedly lost uid|" \
	"popinjay: (RETR|TOP): Opening message UID \\d+ \\(GUID "
#define REFUSED(msn) "-ERR [SYS/TEMP] Message " msn " can't be read now.\r\n"
#define REFUSED_ALL(msn) REFUSED(msn) "-ERR [SYS/TEMP] Message " msn \
	" couldn't be read, so it isn't deleted.\r\n+OK Logging out.\r\n"
#define SMALLER_REPLY "-ERR [SYS/TEMP] Message 3 is smaller than its " \
	"recorded size, so it isn't deleted in this session.\r\n"

static struct fixture *ours, *stock;

/* Every byte of the answer is one of the mail's, in its order, and the end of
   it is missing. */
static void assert_cut(const GString *reply, unsigned int number, gsize size)
{
	g_autoptr(GBytes) mail = numbered_mail(number, size);
	g_autoptr(GString) wire =
		pop3_mail_on_wire(g_bytes_get_data(mail, NULL),
				  g_bytes_get_size(mail));
	const char *got = strstr(reply->str, "\r\n");
	gsize len;

	g_assert_true(g_str_has_prefix(reply->str, "+OK"));
	g_assert_nonnull(got);
	got += 2;
	len = reply->len - (gsize)(got - reply->str);
	g_assert_cmpuint(len, <, wire->len - 3);
	g_assert_cmpmem(got, len, wire->str, len);
	g_assert_false(g_str_has_suffix(reply->str, "\r\n.\r\n"));
}

/* A file of a Maildir is what there is of the message. It is sent as the whole,
   but not deleted: it should be larger. */
static void
assert_smaller(const GString *reply, const char *user, gsize since,
	       const char *command)
{
	static const char *const end = "\r\n.\r\n" SMALLER_REPLY
		"+OK Logging out.\r\n";
	g_autoptr(GBytes) mail = numbered_mail(3, MAIL_BYTES);
	gsize size = g_bytes_get_size(mail) - CUT_BYTES, wire_len;
	g_autoptr(GString) wire =
		pop3_mail_on_wire(g_bytes_get_data(mail, NULL), size);
	const char *got = strstr(reply->str, "\r\n");
	g_autofree char *warning = g_strdup_printf("pop3\\(%s\\).*Warning: "
		"popinjay: %s: Message UID 3 \\(GUID [^ ]+\\) has [0-9]+ bytes"
		".* not the [0-9]+ .* not deleted in this session", user,
		command);

	g_assert_true(g_str_has_prefix(reply->str, "+OK"));
	g_assert_nonnull(got);
	g_assert_true(g_str_has_suffix(reply->str, end));
	/* all of the mail but the line that the cut ended */
	wire_len = reply->len - (gsize)(got + 2 - reply->str) - strlen(end);
	g_assert_cmpuint(wire_len, <=, wire->len);
	g_assert_cmpuint(wire_len, >, wire->len - 10);
	g_assert_cmpmem(got + 2, wire_len, wire->str, wire_len);
	g_free(fixture_log_wait(ours, since, warning));
}

/* Dovecot 2.4 may find the damage before a byte is sent. Returns TRUE if this
   is what it did with RETR or TOP of message 3, and then also with the DELE
   that followed. */
static gboolean was_refused(const GString *reply)
{
	if (fixture_dovecot_version() < 20400 ||
	    !g_str_has_prefix(reply->str, "-ERR"))
		return FALSE;
	g_assert_cmpstr(reply->str, ==, REFUSED_ALL("3"));
	return TRUE;
}

/* A user with three mails whose sizes the index knows. */
static char *user_with_mails(struct fixture *f, const char *storage)
{
	char *user = fixture_user(f, storage);
	g_autoptr(GArray) numbers = NULL;

	numbered_deliver(f, user, 1, 3, MAIL_BYTES);
	numbers = numbered_read(f, user, MAIL_BYTES);
	g_assert_cmpuint(numbers->len, ==, 3);
	return user;
}

/* "Logged in." comes before the mailbox is opened. */
static struct pop3 *open_session(const char *user)
{
	struct pop3 *pop3 = pop3_session(ours, POP3_CLEAR, user);

	pop3_send(pop3, "NOOP");
	pop3_expect(pop3, "+OK\r\n");
	return pop3;
}

static void cut_file(struct fixture *f, const char *user, goffset new_size)
{
	g_autofree char *path = numbered_find_file(f, user, 3);
	struct stat st;

	g_assert_nonnull(path);
	g_assert_cmpint(stat(path, &st), ==, 0);
	if (new_size < 0)
		new_size = st.st_size + new_size;
	g_assert_cmpint(truncate(path, new_size), ==, 0);
}

static char *mail_guid(struct fixture *f, const char *user, unsigned int uid)
{
	g_autofree char *query = g_strdup_printf("%u", uid);
	GString *out = NULL;
	char *guid;

	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "fetch", "-u",
					user, "guid", "mailbox", "INBOX",
					"uid", query, NULL), ==, 0);
	g_assert_true(g_str_has_prefix(out->str, "guid: "));
	guid = g_strndup(out->str + 6, strcspn(out->str + 6, "\n"));
	g_string_free(out, TRUE);
	return guid;
}

/* The log must name the message and the session's access log line tell that
   nothing was deleted. In sdbox and mdbox the GUID stands behind the message,
   where nothing is any more. */
static void assert_logged(const char *user, gsize since, const char *command,
			  const char *guid)
{
	g_autofree char *quoted = g_regex_escape_string(guid, -1);
	g_autofree char *error = g_strdup_printf(
		"popinjay: %s of message UID 3 \\(GUID (%s|%s)\\) failed: ",
		command, quoted, g_str_has_suffix(user, "dbox") ? "unknown" :
		quoted);
	g_autofree char *access = g_strdup_printf("\"user\":\"%s\","
		".*\"dele_count\":0,.*\"expunged_count\":0,.*\"end\":\"error\"",
		user);

	g_free(fixture_log_wait(ours, since, error));
	g_free(fixture_log_wait(ours, since, access));
}

static void assert_refusal_logged(const char *user, gsize since,
				  const char *command)
{
	g_autofree char *error = g_strdup_printf(
		"popinjay: %s: Opening message UID 3 \\(GUID [^ ]+\\) "
		"failed: .", command);
	g_autofree char *access = g_strdup_printf("\"user\":\"%s\","
		".*\"retr_count\":0,.*\"top_count\":0,.*\"dele_count\":0,"
		".*\"expunged_count\":0,.*\"end\":\"quit\"", user);

	g_free(fixture_log_wait(ours, since, error));
	g_free(fixture_log_wait(ours, since, access));
}

struct cut_test {
	const char *storage;
	/* cut it after the session has begun */
	gboolean in_session;
};

static void test_retr(gconstpointer data)
{
	const struct cut_test *test = data;
	g_autofree char *user = user_with_mails(ours, test->storage);
	g_autofree char *guid = mail_guid(ours, user, 3);
	g_autofree char *file = NULL;
	g_autoptr(GString) reply = NULL;
	gsize since = fixture_log_size(ours);
	struct pop3 *pop3;

	if (!test->in_session)
		cut_file(ours, user, -CUT_BYTES);
	pop3 = open_session(user);
	if (test->in_session)
		cut_file(ours, user, -CUT_BYTES);
	/* a client that does not wait for the end of the mail */
	pop3_send(pop3, "RETR 3\r\nDELE 3\r\nQUIT");
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	pop3_close(pop3);
	if (was_refused(reply))
		assert_refusal_logged(user, since, "RETR");
	else if (g_str_equal(test->storage, "maildir"))
		assert_smaller(reply, user, since, "RETR");
	else {
		assert_cut(reply, 3, MAIL_BYTES);
		assert_logged(user, since, "RETR", guid);
	}
	file = numbered_find_file(ours, user, 3);
	g_assert_nonnull(file);
}

/* What ours is better than: if this fails one day, stock Dovecot has mended
   it. */
static void test_stock(gconstpointer data)
{
	const struct cut_test *test = data;
	g_autofree char *user = user_with_mails(stock, test->storage);
	g_autoptr(GArray) numbers = NULL;
	g_autoptr(GString) reply = NULL;
	struct pop3 *pop3;

	cut_file(stock, user, -CUT_BYTES);
	pop3 = pop3_session(stock, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 3");
	reply = pop3_read_multiline(pop3, NULL);
	g_assert_nonnull(reply);
	if (fixture_dovecot_version() >= 20400 &&
	    g_str_has_suffix(test->storage, "dbox")) {
		/* mended in this storage */
		g_assert_true(g_str_has_prefix(reply->str, "-ERR "));
		pop3_quit(pop3, "Logging out.");
		return;
	}
	g_assert_cmpuint(reply->len, <, MAIL_BYTES - CUT_BYTES / 2);
	g_assert_true(g_str_has_suffix(reply->str, "\r\n.\r\n"));
	pop3_send(pop3, "DELE 3");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
	numbers = numbered_read(stock, user, MAIL_BYTES);
	g_assert_cmpuint(numbers->len, ==, 2);
}

/* TOP needs only a part of the message: it fails when that part is short. */
static void test_top(gconstpointer data)
{
	const struct cut_test *test = data;
	g_autofree char *user = user_with_mails(ours, test->storage);
	g_autofree char *guid = mail_guid(ours, user, 3);
	g_autoptr(GString) whole = NULL, part = NULL;
	gsize since = fixture_log_size(ours);
	struct pop3 *pop3 = open_session(user);

	cut_file(ours, user, -CUT_BYTES);
	pop3_send(pop3, "TOP 3 10");
	whole = pop3_read_multiline(pop3, NULL);
	g_assert_nonnull(whole);
	pop3_send(pop3, "TOP 3 1000000\r\nDELE 3\r\nQUIT");
	part = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(part);
	pop3_close(pop3);
	if (was_refused(part)) {
		g_assert_cmpstr(whole->str, ==, REFUSED("3"));
		assert_refusal_logged(user, since, "TOP");
		return;
	}
	g_assert_nonnull(strstr(whole->str, "\r\n..Line 10 of mail 3:"));
	g_assert_null(strstr(whole->str, "\r\nLine 11 of mail 3:"));
	if (g_str_equal(test->storage, "maildir")) {
		assert_smaller(part, user, since, "TOP");
		return;
	}
	assert_cut(part, 3, MAIL_BYTES);
	assert_logged(user, since, "TOP", guid);
}

/* Nothing but some of the header is left. */
static void test_header(void)
{
	g_autofree char *user = user_with_mails(ours, "maildir");
	struct pop3 *pop3 = open_session(user);

	cut_file(ours, user, 40);
	pop3_send(pop3, "TOP 3 0\r\nDELE 3");
	pop3_expect(pop3, "+OK\r\nFrom: sender@example.com\r\n"
		    "Date: Mon, 05 J\r\n.\r\n" SMALLER_REPLY);
	pop3_quit(pop3, "Logging out.");
}

/* The file is cut while the client reads. */
static void test_while_sending(gconstpointer data)
{
	const struct cut_test *test = data;
	g_autofree char *user = fixture_user(ours, test->storage);
	g_autoptr(GString) reply = NULL;
	gsize since = fixture_log_size(ours);
	struct pop3 *pop3;

	numbered_deliver(ours, user, 3, 3, BIG_MAIL_BYTES);
	pop3 = open_session(user);
	pop3_send(pop3, "RETR 1\r\nDELE 1\r\nQUIT");
	g_assert_true(pop3_receive(pop3, NULL));
	cut_file(ours, user, BIG_MAIL_BYTES - CUT_BYTES);
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	assert_cut(reply, 3, BIG_MAIL_BYTES);
	g_assert_cmpuint(reply->len, >, BIG_MAIL_BYTES / 2);
	pop3_close(pop3);
	g_free(fixture_log_wait(ours, since, "RETR of message UID 1 \\(GUID"));
}

/* The file grows while the client reads: nobody knows what the message is. */
static void test_grows(void)
{
	g_autofree char *user = fixture_user(ours, "maildir");
	g_autofree char *path = NULL;
	g_autoptr(GString) reply = NULL;
	gsize since = fixture_log_size(ours);
	struct pop3 *pop3;
	FILE *file;

	numbered_deliver(ours, user, 3, 3, BIG_MAIL_BYTES);
	pop3 = open_session(user);
	path = numbered_find_file(ours, user, 3);
	pop3_send(pop3, "RETR 1\r\nDELE 1\r\nQUIT");
	g_assert_true(pop3_receive(pop3, NULL));
	file = fopen(path, "a");
	g_assert_nonnull(file);
	g_assert_cmpint(fputs("One line more.\n", file), >=, 0);
	g_assert_cmpint(fclose(file), ==, 0);
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	g_assert_true(g_str_has_suffix(reply->str, "One line more.\r\n"));
	pop3_close(pop3);
	g_free(fixture_log_wait(ours, since, "RETR of message UID 1 \\(GUID.*"
				" bytes when it was opened"));
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

/* A compressed mail with a damaged middle: the stream itself fails. */
static void test_damaged_compressed(void)
{
	const struct fixture_options options = {
		.plugins = fixture_dovecot_version() < 20400 ?
			"zlib" : "mail_compress"
	};
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autoptr(GBytes) mail = numbered_mail(1, MAIL_BYTES * 10);
	g_autoptr(GBytes) gzip = compress(mail);
	gsize size = g_bytes_get_size(gzip), mail_size = g_bytes_get_size(mail);
	g_autofree char *damaged = g_memdup2(g_bytes_get_data(gzip, NULL),
					     size);
	g_autofree char *path = NULL, *sized = NULL;
	g_autoptr(GArray) numbers = NULL;
	g_autoptr(GString) reply = NULL;
	struct pop3 *pop3;

	fixture_log_allow(f, "zlib.read\\(");
	fixture_log_allow(f, DAMAGE_REGEX);
	fixture_log_allow(f, OUR_REGEX "|" DAMAGE_AT_OPEN_REGEX);
	/* whole, it is read well */
	fixture_deliver(f, user, g_bytes_get_data(gzip, NULL), size);
	path = g_build_filename(f->dir, "home", user, "Mail", "new",
				"1700000001.M1P1.popinjay", NULL);
	sized = g_strdup_printf("%s,S=%" G_GSIZE_FORMAT, path, mail_size);
	g_assert_cmpint(rename(path, sized), ==, 0);
	numbers = numbered_read(f, user, MAIL_BYTES * 10);
	g_assert_cmpuint(numbers->len, ==, 1);

	g_free(sized);
	sized = g_strdup_printf("%s/home/%s/Mail/cur/1700000001.M1P1.popinjay,"
				"S=%" G_GSIZE_FORMAT ":2,S", f->dir, user,
				mail_size);
	for (unsigned int i = 0; i < 16; i++)
		damaged[size / 2 + i] ^= 0x55;
	g_assert_true(g_file_set_contents(sized, damaged, (gssize)size, NULL));
	fixture_give(f, user, sized);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 1\r\nDELE 1\r\nQUIT");
	reply = pop3_read_to_eof(pop3, NULL);
	g_assert_nonnull(reply);
	if (fixture_dovecot_version() > 20401) {
		/* it looks for the size before a byte is sent */
		g_assert_cmpstr(reply->str, ==, REFUSED_ALL("1"));
	} else {
		g_assert_cmpuint(reply->len, >, MAIL_BYTES);
		g_assert_false(g_str_has_suffix(reply->str, "\r\n.\r\n"));
		g_assert_null(strstr(reply->str, "+OK Marked"));
	}
	pop3_close(pop3);
	g_free(fixture_log_wait(f, 0, OUR_REGEX "|" DAMAGE_AT_OPEN_REGEX));
	g_assert_true(g_file_test(sized, G_FILE_TEST_EXISTS));
	fixture_free(f);
}

/* One chunk of an lz4 file: literals only. */
static void add_lz4_chunk(GByteArray *file, const guint8 *data, guint size)
{
	g_autoptr(GByteArray) chunk = g_byte_array_new();
	guint left = size - 15;
	guint32 chunk_size;

	g_byte_array_append(chunk, (const guint8 *)"\xf0", 1);
	for (; left >= 255; left -= 255)
		g_byte_array_append(chunk, (const guint8 *)"\xff", 1);
	g_byte_array_append(chunk, &(guint8){ left }, 1);
	g_byte_array_append(chunk, data, size);
	chunk_size = GUINT32_TO_BE(chunk->len);
	g_byte_array_append(file, (const guint8 *)&chunk_size, 4);
	g_byte_array_append(file, chunk->data, chunk->len);
}

/* As Dovecot writes it. Where the last chunk begins is put into *last_r. */
static GByteArray *compress_lz4(GBytes *mail, goffset *last_r)
{
	static const char header[] = "Dovecot-LZ4\x0d\x2a\x9b\xc5\0\1\0";
	GByteArray *file = g_byte_array_new();
	gsize size, done, chunk_size;
	const guint8 *data = g_bytes_get_data(mail, &size);

	g_byte_array_append(file, (const guint8 *)header, sizeof(header));
	for (done = 0; done < size; done += chunk_size) {
		*last_r = file->len;
		chunk_size = MIN(size - done, LZ4_CHUNK_BYTES);
		add_lz4_chunk(file, data + done, (guint)chunk_size);
	}
	return file;
}

/* Its name tells flags, and more with some versions. */
static char *only_file(struct fixture *f, const char *user)
{
	g_autofree char *path = g_build_filename(f->dir, "home", user, "Mail",
						 "cur", NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	g_assert_nonnull(dir);
	name = g_dir_read_name(dir);
	g_assert_nonnull(name);
	return g_build_filename(path, name, NULL);
}

/* An lz4 file that has lost its last chunks: nothing in what is left tells. */
static void test_cut_lz4(void)
{
	const struct fixture_options options = {
		.plugins = fixture_dovecot_version() < 20400 ?
			"zlib" : "mail_compress"
	};
	struct fixture *f = fixture_new(&options);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autoptr(GBytes) mail = numbered_mail(1, MAIL_BYTES);
	goffset last = 0;
	g_autoptr(GByteArray) lz4 = compress_lz4(mail, &last);
	g_autofree char *path = NULL, *sized = NULL;
	g_autoptr(GArray) numbers = NULL;

	fixture_log_allow(f, DAMAGE_REGEX "|" OUR_REGEX);
	fixture_deliver(f, user, lz4->data, lz4->len);
	path = g_build_filename(f->dir, "home", user, "Mail", "new",
				"1700000001.M1P1.popinjay", NULL);
	sized = g_strdup_printf("%s,S=%" G_GSIZE_FORMAT, path,
				g_bytes_get_size(mail));
	g_assert_cmpint(rename(path, sized), ==, 0);
	numbers = numbered_read(f, user, MAIL_BYTES);
	g_assert_cmpuint(numbers->len, ==, 1);

	g_free(sized);
	sized = only_file(f, user);
	g_assert_cmpint(truncate(sized, last), ==, 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
		g_autoptr(GString) reply = NULL;

		pop3_send(pop3, "RETR 1\r\nDELE 1\r\nQUIT");
		reply = pop3_read_to_eof(pop3, NULL);
		g_assert_nonnull(reply);
		pop3_close(pop3);
		assert_cut(reply, 1, MAIL_BYTES);
		g_assert_cmpuint(reply->len, >, LZ4_CHUNK_BYTES);
	}
	g_assert_true(g_file_test(sized, G_FILE_TEST_EXISTS));
	fixture_free(f);
}

static void test_stop(void)
{
	g_clear_pointer(&ours, fixture_free);
	g_clear_pointer(&stock, fixture_free);
}

static void add_storage_tests(const char *storage)
{
	struct cut_test *before = g_new0(struct cut_test, 1);
	struct cut_test *in_session = g_new0(struct cut_test, 1);
	const struct {
		const char *name;
		struct cut_test *data;
		GTestDataFunc func;
	} tests[] = {
		{ "retr", before, test_retr },
		{ "retr-in-session", in_session, test_retr },
		{ "top", before, test_top },
		{ "while-sending", before, test_while_sending },
		{ "stock", before, test_stock }
	};

	before->storage = in_session->storage = storage;
	in_session->in_session = TRUE;
	for (unsigned int i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("/short-read/%s/%s",
			storage, tests[i].name);

		g_test_add_data_func(path, tests[i].data, tests[i].func);
	}
}

int main(int argc, char *argv[])
{
	const struct fixture_options stock_options = { .stock = TRUE };
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (const char *const *p = fixture_storages; *p != NULL; p++)
		add_storage_tests(*p);
	g_test_add_func("/short-read/maildir/header", test_header);
	g_test_add_func("/short-read/maildir/grows-while-sending", test_grows);
	g_test_add_func("/short-read/maildir/damaged-compressed",
			test_damaged_compressed);
	g_test_add_func("/short-read/maildir/cut-lz4", test_cut_lz4);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/short-read", test_stop);

	ours = fixture_new(NULL);
	stock = fixture_new(&stock_options);
	fixture_log_allow(ours, DAMAGE_REGEX);
	fixture_log_allow(ours, OUR_REGEX);
	fixture_log_allow(stock, DAMAGE_REGEX);
	if (fixture_dovecot_version() >= 20400) {
		fixture_log_allow(ours, DAMAGE_AT_OPEN_REGEX);
		fixture_log_allow(stock, DAMAGE_AT_OPEN_REGEX);
	}
	ret = g_test_run();
	test_stop();
	return ret;
}
