/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Maildir files whose names tell other sizes than they have: a script changed
   them, or cp made them. They are whole, so a client gets them, in one session,
   and they keep their UIDLs. What is smaller than its name says may have lost
   its end: it is not deleted in the session that notices. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <gio/gio.h>
#include <stdio.h>
#include <unistd.h>

#define MAIL_COUNT 3
#define MAIL_BYTES 6000

#define LYING_PREFIX "180000000"
#define SMALLER_REPLY "-ERR [SYS/TEMP] Message 1 is smaller than its " \
	"recorded size, so it isn't deleted in this session."

static struct fixture *the_fixture;

static struct fixture *get_fixture(void)
{
	const struct fixture_options options = {
		.plugins = fixture_is_2_3() ? "zlib" : "mail_compress"
	};

	if (the_fixture == NULL)
		the_fixture = fixture_new(&options);
	return the_fixture;
}

struct lie {
	const char *name;
	/* what the names tell more than is true; 0: they tell no S= or W= */
	int size_more, virtual_size_more;
	gboolean tells_true_size;
	gboolean compressed, saved;
	const char *config;
	/* a message may have lost its end */
	gboolean smaller;
};

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

static gsize virtual_size(GBytes *mail)
{
	gsize size, virtual_size;
	const char *bytes = g_bytes_get_data(mail, &size);

	virtual_size = size;
	for (gsize i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			virtual_size++;
	}
	return virtual_size;
}

/* The file that was just delivered: the only one with a true name. */
static char *find_delivered(const char *mail_dir)
{
	g_autofree char *path = g_build_filename(mail_dir, "new", NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	g_assert_nonnull(dir);
	do {
		name = g_dir_read_name(dir);
		g_assert_nonnull(name);
	} while (g_str_has_prefix(name, LYING_PREFIX));
	return g_build_filename(path, name, NULL);
}

static void deliver(const char *user, unsigned int number,
		    const struct lie *lie)
{
	struct fixture *f = get_fixture();
	g_autofree char *dir = fixture_mail_dir(f, user);
	g_autofree char *old = NULL, *path = NULL;
	g_autoptr(GBytes) mail = numbered_mail(number, MAIL_BYTES);
	g_autoptr(GBytes) file = lie->compressed ? compress(mail) :
		g_bytes_ref(mail);
	g_autoptr(GString) name = g_string_new(NULL);

	fixture_deliver(f, user, g_bytes_get_data(file, NULL),
			g_bytes_get_size(file));
	old = find_delivered(dir);
	g_string_printf(name, LYING_PREFIX "%u.M%uP1.popinjay", number,
			number);
	if (lie->size_more != 0 || lie->tells_true_size) {
		g_string_append_printf(name, ",S=%u",
			(unsigned int)g_bytes_get_size(mail) + lie->size_more);
	}
	if (lie->virtual_size_more != 0) {
		g_string_append_printf(name, ",W=%u",
			(unsigned int)virtual_size(mail) +
			lie->virtual_size_more);
	}
	path = g_build_filename(dir, "new", name->str, NULL);
	g_assert_cmpint(rename(old, path), ==, 0);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **file_names(const char *user)
{
	g_autofree char *dir_path = fixture_mail_dir(get_fixture(), user);
	GPtrArray *names = g_ptr_array_new();

	for (unsigned int i = 0; i < 2; i++) {
		g_autofree char *path = g_build_filename(dir_path,
			i == 0 ? "new" : "cur", NULL);
		g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
		const char *name;

		g_assert_nonnull(dir);
		while ((name = g_dir_read_name(dir)) != NULL) {
			g_ptr_array_add(names,
				g_strndup(name, strcspn(name, ":")));
		}
	}
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

static void retr(struct pop3 *pop3, unsigned int msn, unsigned int want)
{
	g_autoptr(GString) reply = NULL;
	g_autofree char *error = NULL;
	unsigned int number;

	pop3_send(pop3, "RETR %u", msn);
	reply = pop3_multiline(pop3);
	number = numbered_check(reply, MAIL_BYTES, &error);
	g_assert_cmpstr(error, ==, NULL);
	g_assert_cmpuint(number, ==, want);
}

static void assert_one_warning(const char *user, gsize since,
			       unsigned int uid)
{
	g_autofree char *regex = g_strdup_printf(
		"pop3\\(%s\\).*Warning: popinjay: RETR: Message UID %u "
		"\\(GUID " LYING_PREFIX "%u.[^ ]+\\) has [0-9]+ bytes.*, not "
		"the [0-9]+ ", user, uid, uid);

	g_free(fixture_log_wait(get_fixture(), since, regex));
	g_assert_cmpuint(fixture_log_count(get_fixture(), since, regex), ==, 1);
}

static void test_lie(gconstpointer data)
{
	const struct lie *lie = data;
	struct fixture *f = get_fixture();
	g_autofree char *settings = uidl_settings("popinjay_uidl_save",
		lie->saved ? "yes" : "no", NULL);
	g_autofree char *config = g_strconcat(settings, lie->config, NULL);
	g_autofree char *user = NULL;
	g_auto(GStrv) uidls = NULL, names = NULL, uidls_after = NULL;
	g_auto(GStrv) names_after = NULL;
	struct pop3 *pop3;
	gsize since;

	fixture_reload(f, config);
	user = fixture_user(f, "maildir");
	for (unsigned int number = 1; number <= MAIL_COUNT; number++)
		deliver(user, number, lie);
	names = file_names(user);
	uidls = uidl_list(f, user);

	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	for (unsigned int msn = 1; msn <= MAIL_COUNT; msn++)
		retr(pop3, msn, msn);
	if (lie->smaller) {
		pop3_check(pop3, "DELE 1", SMALLER_REPLY);
		pop3_check(pop3, "RSET", "+OK");
		pop3_check(pop3, "DELE 1", SMALLER_REPLY);
	}
	pop3_quit(pop3, "Logging out.");
	for (unsigned int uid = 1; uid <= MAIL_COUNT; uid++)
		assert_one_warning(user, since, uid);

	/* for this client and for any other */
	uidls_after = uidl_list(f, user);
	uidl_assert_same(uidls, uidls_after);
	names_after = file_names(user);
	uidl_assert_same(names, names_after);

	/* the next session may delete, also what it fetches again */
	pop3 = pop3_session(f, POP3_CLEAR, user);
	retr(pop3, 1, 1);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_check(pop3, "DELE 2", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
	pop3 = pop3_session(f, POP3_CLEAR, user);
	retr(pop3, 1, 3);
	pop3_quit(pop3, "Logging out.");
}

/* No session can tell the next one that it has noticed: none refuses. */
static void test_no_index(void)
{
	static const struct lie larger = { .size_more = 1000 };
	struct fixture *f = get_fixture();
	const char *config = fixture_is_2_3() ?
		"mail_location = maildir:~/Mail:INDEX=MEMORY\n" :
		"mail_index_path = MEMORY\n";
	g_autofree char *user = NULL;
	struct pop3 *pop3;

	fixture_reload(f, config);
	user = fixture_user(f, "maildir");
	deliver(user, 1, &larger);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	retr(pop3, 1, 1);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* The commands that read the messages do not mend them either. */
static void test_commands(void)
{
	static const struct lie lies[] = {
		{ .size_more = 1000 }, { .size_more = -1000 },
		{ .size_more = 1000, .virtual_size_more = 1010 }
	};
	struct fixture *f = get_fixture();
	g_autofree char *user = NULL, *list = NULL, *again = NULL;
	g_auto(GStrv) names = NULL, names_after = NULL;

	fixture_reload(f, NULL);
	user = fixture_user(f, "maildir");
	for (unsigned int i = 0; i < G_N_ELEMENTS(lies); i++)
		deliver(user, i + 1, &lies[i]);
	names = file_names(user);
	list = uidl_tool(f, NULL, 0, "export", "-u", user, NULL);
	g_free(uidl_tool(f, list, 0, "import", "-u", user, NULL));
	again = uidl_tool(f, NULL, 0, "export", "-u", user, NULL);
	g_assert_cmpstr(again, ==, list);
	names_after = file_names(user);
	uidl_assert_same(names, names_after);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	static const struct lie lies[] = {
		{ .name = "larger", .size_more = 1000, .smaller = TRUE },
		{ .name = "larger-saved", .size_more = 1000, .saved = TRUE,
		  .smaller = TRUE },
		{ .name = "smaller", .size_more = -1000 },
		{ .name = "both-larger", .size_more = 1000,
		  .virtual_size_more = 1010, .smaller = TRUE },
		{ .name = "both-smaller", .size_more = -1000,
		  .virtual_size_more = -1010, .saved = TRUE },
		{ .name = "virtual-larger", .tells_true_size = TRUE,
		  .virtual_size_more = 1 },
		{ .name = "virtual-smaller", .tells_true_size = TRUE,
		  .virtual_size_more = -1 },
		{ .name = "compressed-larger", .size_more = 1000,
		  .compressed = TRUE, .smaller = TRUE },
		{ .name = "compressed-smaller", .size_more = -1000,
		  .compressed = TRUE, .saved = TRUE },
		{ .name = "broken-sizes", .size_more = 1000,
		  .virtual_size_more = 1000,
		  .config = "maildir_broken_filename_sizes = yes\n" },
		/* Dovecot looks for the sizes itself */
		{ .name = "flag", .size_more = 1000, .smaller = TRUE,
		  .config = "pop3_deleted_flag = POP3Deleted\n" },
		{ .name = "fast", .size_more = 1000, .smaller = TRUE,
		  .config = "pop3_fast_size_lookups = yes\n" }
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(lies); i++) {
		g_autofree char *path = g_strconcat("/lying-size/",
						    lies[i].name, NULL);

		g_test_add_data_func(path, &lies[i], test_lie);
	}
	g_test_add_func("/lying-size/no-index", test_no_index);
	g_test_add_func("/lying-size/commands", test_commands);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/lying-size", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
