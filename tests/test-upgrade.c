/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An upgrade of Dovecot: no client may download its mail again. Mailboxes and
   their UIDLs that an older Dovecot left are opened with this one, under what
   has become of the format in this one's language; and this one leaves its own
   for a newer one.

   They lie in the directory POPINJAY_TEST_MAILBOXES, which tests/matrix hands
   from one Dovecot to the next: VERSION/STORAGE is a user's home, VERSION/uidls
   a key file with the UIDLs by format and storage. VERSION/saved/STORAGE has
   UIDLs that Popinjay saved, and that no format makes; in the key file their
   format is "saved". */

#include "uidl-list.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY "a key of the test, over 16 bytes"

struct format {
	const char *name;
	/* What is in the configuration of 2.3, and the same in 2.4. */
	const char *config_2_3, *config_2_4;
	/* the only storage that has it, or NULL */
	const char *storage;
	/* Dovecot itself does not have it */
	gboolean ours;
};

static const struct format formats[] = {
	{ .name = "default", .config_2_3 = "", .config_2_4 = "" },
	{ .name = "hexadecimal",
	  .config_2_3 = "pop3_uidl_format = %08Xv%08Xu",
	  .config_2_4 = "pop3_uidl_format = "
		"%{uidvalidity | hex(8)}%{uid | hex(8)}" },
	{ .name = "hexadecimal-short",
	  .config_2_3 = "pop3_uidl_format = %Xv.%Xu",
	  .config_2_4 = "pop3_uidl_format = "
		"%{uidvalidity | hex}.%{uid | hex}" },
	{ .name = "decimal",
	  .config_2_3 = "pop3_uidl_format = %v.%u",
	  .config_2_4 = "pop3_uidl_format = %{uidvalidity}.%{uid}" },
	{ .name = "decimal-padded",
	  .config_2_3 = "pop3_uidl_format = UID%010u-%v",
	  .config_2_4 = "pop3_uidl_format = UID%{uid | lfill(10)}-"
		"%{uidvalidity}" },
	{ .name = "guid",
	  .config_2_3 = "pop3_uidl_format = %g",
	  .config_2_4 = "pop3_uidl_format = %{guid}" },
	{ .name = "header-md5", .storage = "mbox",
	  .config_2_3 = "pop3_uidl_format = %m",
	  .config_2_4 = "pop3_uidl_format = %{md5}" },
	{ .name = "file-name", .storage = "maildir",
	  .config_2_3 = "pop3_uidl_format = %f",
	  .config_2_4 = "pop3_uidl_format = %{filename}" },
	{ .name = "file-name-md5", .storage = "maildir",
	  .config_2_3 = "pop3_uidl_format = %Mf",
	  .config_2_4 = "pop3_uidl_format = %{filename | md5 | hexlify}" },
	/* plugin {} wants a % doubled */
	{ .name = "guid-hash", .ours = TRUE,
	  .config_2_3 = "plugin {\n  popinjay_uidl_format = "
		"%%{sha256;truncate=128:guid}\n}",
	  .config_2_4 = "popinjay_uidl_format = "
		"%{guid | sha256 | truncate(bits=128) | hexlify}" },
	{ .name = "hmac", .ours = TRUE,
	  .config_2_3 = "plugin {\n  popinjay_uidl_format = %%{hmac}\n}",
	  .config_2_4 = "popinjay_uidl_format = %{hmac}" }
};

/* Those of which there may be mailboxes, the oldest first. */
static const char *const versions[] = {
	"2.3.19", "2.3.21", "2.4.1", "2.4.5"
};

static const char *mailboxes;
static char *key_file;

static char *this_version(void)
{
	unsigned int version = fixture_dovecot_version();

	return g_strdup_printf("%u.%u.%u", version / 10000,
			       version / 100 % 100, version % 100);
}

static unsigned int version_number(const char *name)
{
	unsigned int major, minor, patch;

	if (sscanf(name, "%u.%u.%u", &major, &minor, &patch) != 3)
		g_error("%s is no version", name);
	return major * 10000 + minor * 100 + patch;
}

static struct fixture *fixture_with(gboolean stock)
{
	const char *const settings[] = {
		"popinjay_uidl_key_file", key_file, NULL
	};
	const struct fixture_options options = {
		.stock = stock, .settings = stock ? NULL : settings
	};

	return fixture_new(&options);
}

static void format_set(struct fixture *f, const struct format *format)
{
	g_test_message("format %s", format->name);
	fixture_reload(f, fixture_is_2_3() ? format->config_2_3 :
		       format->config_2_4);
}

static gboolean
format_has(const struct format *format, const char *storage)
{
	return format->storage == NULL ||
		strcmp(format->storage, storage) == 0;
}

/* The user's UIDLs, each behind its message number. */
static char **user_uidls(struct fixture *f, const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_auto(GStrv) lines = NULL;
	GString *reply;
	guint count;

	pop3_send(pop3, "UIDL");
	reply = pop3_multiline(pop3);
	pop3_quit(pop3, "Logging out.");
	lines = g_strsplit(reply->str, "\r\n", -1);
	g_string_free(reply, TRUE);

	/* without the status line, the "." and what is behind it */
	count = g_strv_length(lines);
	g_assert_cmpuint(count, >, 3);
	g_assert_cmpstr(lines[count - 2], ==, ".");
	g_clear_pointer(&lines[count - 2], g_free);
	g_clear_pointer(&lines[count - 1], g_free);
	return g_strdupv(lines + 1);
}

static void run(const char *const *argv)
{
	g_autoptr(GError) error = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
			  NULL, NULL, NULL, &status, &error) ||
	    !g_spawn_check_wait_status(status, &error))
		g_error("%s: %s", argv[0], error->message);
}

static void copy_home(const char *from, const char *to)
{
	g_autofree char *all = g_strconcat(from, "/.", NULL);
	const char *const argv[] = { "cp", "-a", all, to, NULL };

	if (g_mkdir_with_parents(to, 0700) < 0)
		g_error("mkdir(%s): %s", to, g_strerror(errno));
	run(argv);
}

/* --- What we leave --- */

/* Five mails, of which the second is gone again. */
static char *make_mailbox(struct fixture *f, const char *storage)
{
	char *user = fixture_user(f, storage);
	struct pop3 *pop3;

	for (unsigned int i = 1; i <= 5; i++) {
		g_autofree char *mail = g_strdup_printf(
			"Message-ID: <%u@example.com>\r\nSubject: %u\r\n\r\n"
			"Mail %u.\r\n", i, i, i);

		fixture_deliver(f, user, mail, strlen(mail));
	}
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "DELE 2");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
	return user;
}

static void record_formats(struct fixture *f, GHashTable *users,
			   gboolean ours, GKeyFile *uidls)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(formats); i++) {
		if (formats[i].ours != ours)
			continue;
		format_set(f, &formats[i]);
		for (const char *const *s = fixture_storages; *s != NULL; s++) {
			g_auto(GStrv) lines = NULL;

			if (!format_has(&formats[i], *s))
				continue;
			lines = user_uidls(f, g_hash_table_lookup(users, *s));
			g_assert_cmpuint(g_strv_length(lines), ==, 4);
			g_key_file_set_string_list(uidls, formats[i].name, *s,
				(const char *const *)lines, 4);
		}
	}
}

/* Mailboxes whose UIDLs were saved when they were shown. */
static void leave_saved(struct fixture *f, const char *dir, GKeyFile *uidls)
{
	g_autofree char *config = uidl_settings(
		"popinjay_uidl_save", "yes",
		"popinjay_uidl_format", "saved.%{uid}", NULL);

	fixture_reload(f, config);
	for (const char *const *s = fixture_storages; *s != NULL; s++) {
		g_autofree char *to = g_build_filename(dir, "saved", *s, NULL);
		g_autofree char *user = make_mailbox(f, *s);
		g_autofree char *home = fixture_home(f, user);
		g_auto(GStrv) lines = user_uidls(f, user);

		g_assert_cmpstr(lines[3], ==, "4 saved.5");
		g_key_file_set_string_list(uidls, "saved", *s,
			(const char *const *)lines, 4);
		copy_home(home, to);
	}
}

static void test_leave(void)
{
	g_autofree char *version = this_version();
	g_autoptr(GHashTable) users = NULL;
	g_autoptr(GHashTable) our_users = NULL;
	g_autoptr(GKeyFile) uidls = g_key_file_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = NULL, *new_dir = NULL, *file = NULL;
	struct fixture *stock, *f;

	if (mailboxes == NULL) {
		g_test_skip("POPINJAY_TEST_MAILBOXES, the directory for them, "
			    "is not set; tests/matrix sets it");
		return;
	}
	users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	our_users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
					  g_free);
	stock = fixture_with(TRUE);
	for (const char *const *s = fixture_storages; *s != NULL; s++)
		g_hash_table_insert(users, (char *)*s, make_mailbox(stock, *s));
	record_formats(stock, users, FALSE, uidls);
	fixture_stop(stock);

	f = fixture_with(FALSE);
	for (const char *const *s = fixture_storages; *s != NULL; s++) {
		char *user = fixture_user(f, *s);

		fixture_user_copy(stock, g_hash_table_lookup(users, *s), f,
				  user);
		g_hash_table_insert(our_users, (char *)*s, user);
	}
	record_formats(f, our_users, TRUE, uidls);
	new_dir = g_strdup_printf("%s/.%s.%d", mailboxes, version,
				  (int)getpid());
	leave_saved(f, new_dir, uidls);
	fixture_free(f);

	dir = g_build_filename(mailboxes, version, NULL);
	for (const char *const *s = fixture_storages; *s != NULL; s++) {
		g_autofree char *to = g_build_filename(new_dir, *s, NULL);
		g_autofree char *home = fixture_home(
			stock, g_hash_table_lookup(users, *s));

		copy_home(home, to);
	}
	fixture_free(stock);
	file = g_build_filename(new_dir, "uidls", NULL);
	if (!g_key_file_save_to_file(uidls, file, &error))
		g_error("%s", error->message);
	run((const char *const[]) { "rm", "-rf", dir, NULL });
	if (rename(new_dir, dir) < 0)
		g_error("rename(%s): %s", dir, g_strerror(errno));
}

/* --- What we find --- */

static void
compare_uidls(struct fixture *f, const char *user, GKeyFile *uidls,
	      const char *format, const char *storage)
{
	g_auto(GStrv) lines = user_uidls(f, user);
	g_auto(GStrv) old_lines = NULL;
	g_autoptr(GError) error = NULL;

	old_lines = g_key_file_get_string_list(uidls, format, storage, NULL,
					       &error);
	if (old_lines == NULL)
		g_error("%s", error->message);
	g_test_message("storage %s", storage);
	for (unsigned int i = 0; old_lines[i] != NULL; i++)
		g_assert_cmpstr(lines[i], ==, old_lines[i]);
}

/* A user whose home is what was left there. */
static char *found_user(struct fixture *f, const char *dir, const char *storage)
{
	g_autofree char *from = g_build_filename(dir, storage, NULL);
	char *user = fixture_user(f, storage);
	g_autofree char *home = fixture_home(f, user);

	copy_home(from, home);
	fixture_give(f, user, home);
	return user;
}

static void compare_mailboxes(const char *dir, GKeyFile *uidls)
{
	struct fixture *f = fixture_with(FALSE);
	g_autofree char *saved_dir = g_build_filename(dir, "saved", NULL);
	g_autoptr(GHashTable) users = NULL;

	users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	for (const char *const *s = fixture_storages; *s != NULL; s++) {
		g_autofree char *user = found_user(f, saved_dir, *s);

		compare_uidls(f, user, uidls, "saved", *s);
		g_hash_table_insert(users, (char *)*s, found_user(f, dir, *s));
	}

	for (unsigned int i = 0; i < G_N_ELEMENTS(formats); i++) {
		if (!g_key_file_has_group(uidls, formats[i].name))
			continue;
		format_set(f, &formats[i]);
		for (const char *const *s = fixture_storages; *s != NULL; s++) {
			if (!format_has(&formats[i], *s))
				continue;
			compare_uidls(f, g_hash_table_lookup(users, *s), uidls,
				      formats[i].name, *s);
		}
	}

	/* and still when new mail has come */
	format_set(f, &formats[0]);
	for (const char *const *s = fixture_storages; *s != NULL; s++) {
		const char *user = g_hash_table_lookup(users, *s);

		fixture_deliver(f, user, "Subject: new\r\n\r\nNew.\r\n", 24);
		compare_uidls(f, user, uidls, formats[0].name, *s);
	}
	fixture_free(f);
}

static void test_find(gconstpointer data)
{
	const char *version = data;
	g_autofree char *dir = NULL, *file = NULL;
	g_autoptr(GKeyFile) uidls = g_key_file_new();
	g_autoptr(GError) error = NULL;

	if (version_number(version) >= fixture_dovecot_version()) {
		g_test_skip("this Dovecot is not newer");
		return;
	}
	if (mailboxes != NULL) {
		dir = g_build_filename(mailboxes, version, NULL);
		file = g_build_filename(dir, "uidls", NULL);
	}
	if (dir == NULL || !g_file_test(dir, G_FILE_TEST_IS_DIR)) {
		g_test_skip("there is no mailbox of it; the tests leave one "
			    "when they run on it with POPINJAY_TEST_MAILBOXES, "
			    "as in tests/matrix");
		return;
	}
	if (!g_key_file_load_from_file(uidls, file, G_KEY_FILE_NONE, &error))
		g_error("%s: %s", file, error->message);
	if (!g_key_file_has_group(uidls, "saved")) {
		g_test_skip("what there is was left by older tests: run these "
			    "on it once more");
		return;
	}
	compare_mailboxes(dir, uidls);
}

int main(int argc, char *argv[])
{
	g_autoptr(GError) error = NULL;
	int fd, ret;

	g_test_init(&argc, &argv, NULL);
	mailboxes = g_getenv("POPINJAY_TEST_MAILBOXES");
	fd = g_file_open_tmp("popinjay-key-XXXXXX", &key_file, &error);
	if (fd < 0)
		g_error("%s", error->message);
	if (write(fd, KEY, strlen(KEY)) != (ssize_t)strlen(KEY) ||
	    fchmod(fd, 0644) < 0)
		g_error("%s: %s", key_file, g_strerror(errno));
	close(fd);

	for (unsigned int i = 0; i < G_N_ELEMENTS(versions); i++) {
		g_autofree char *path = g_strdup_printf("/upgrade/from/%s",
							versions[i]);

		g_test_add_data_func(path, versions[i], test_find);
	}
	g_test_add_func("/upgrade/leave", test_leave);
	ret = g_test_run();
	unlink(key_file);
	return ret;
}
