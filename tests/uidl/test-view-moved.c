/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A mailbox that gets another UIDVALIDITY: popinjay-views hides the same
   messages under their new uids, before popinjay-uidl forgets the old ones. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAIL_COUNT 8
#define MAIL_BYTES 300
/* where an mbox has its control files */
#define CONTROL ".imap/INBOX/"

static struct fixture *f;

static char *control_path(const char *user, const char *name)
{
	g_autofree char *dir = fixture_mail_dir(f, user);

	return g_build_filename(dir, name, NULL);
}

static char *read_control(const char *user, const char *name)
{
	g_autofree char *path = control_path(user, name);
	char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		g_error("There is no %s", path);
	return text;
}

/* All uids and UIDVALIDITY are forgotten. */
static void forget_uids(const char *user)
{
	static const char *const names[] = {
		"dovecot-uidlist", "dovecot.index", "dovecot.index.log",
		"dovecot.index.cache"
	};
	g_autofree char *dir = fixture_mail_dir(f, user);

	for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL);

		(void)g_unlink(path);
	}
}

/* ... and there is another UIDVALIDITY. */
static void lose_uids(const char *user)
{
	unsigned int before = uidl_validity(f, user);

	forget_uids(user);
	g_assert_cmpuint(uidl_validity(f, user), !=, before);
}

static const char *uid_of(char *const *uids, char *const *guids,
			  const char *guid)
{
	for (unsigned int i = 0; guids[i] != NULL; i++) {
		if (strcmp(guids[i], guid) == 0)
			return uids[i];
	}
	g_error("There is no message %s", guid);
}

/* popinjay-uidl has the uid of each message as it is now. */
static void assert_saved(const char *user, char *const *uids,
			 char *const *guids)
{
	g_autofree char *text = read_control(user, "popinjay-uidl");
	g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

	for (unsigned int i = 0; uids[i] != NULL; i++) {
		g_autofree char *start = g_strdup_printf("%s %s ", uids[i],
							 guids[i]);
		gboolean found = FALSE;

		for (unsigned int j = 1; lines[j] != NULL; j++)
			found |= g_str_has_prefix(lines[j], start);
		if (!found)
			g_error("No \"%s\" in %s", start, text);
	}
}

/* The file hides what it hid, and no more. */
static void assert_views(const char *user, const char *windowed,
			 const char *kept)
{
	g_auto(GStrv) uids = uidl_fetch(f, user, "uid");
	g_auto(GStrv) guids = uidl_fetch(f, user, "guid");
	g_autofree char *text = read_control(user, "popinjay-views");
	unsigned int uidvalidity = uidl_validity(f, user);
	g_autofree char *begin = g_strdup_printf(
		"popinjay-views 1 1\n0123abcd uidvalidity=%u floor=1 ",
		uidvalidity);
	g_autofree char *end = g_strdup_printf(" window=%s keep=%s\n",
		uid_of(uids, guids, windowed), uid_of(uids, guids, kept));

	if (!g_str_has_prefix(text, begin) || !g_str_has_suffix(text, end))
		g_error("Not \"%s...%s\": %s", begin, end, text);
	assert_saved(user, uids, guids);
}

static void save_all(const char *user)
{
	g_free(uidl_tool(f, NULL, 0, "freeze", "-u", user, NULL));
}

static void test_uidvalidity(void)
{
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *path = control_path(user, "popinjay-views");
	g_autofree char *text = NULL, *lock = NULL;
	g_auto(GStrv) before = NULL, after = NULL, guids = NULL;
	unsigned int uidvalidity;

	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	before = uidl_list(f, user);
	g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "expunge", "-u",
		user, "mailbox", "INBOX", "uid", "1:2", NULL), ==, 0);
	guids = uidl_fetch(f, user, "guid");
	uidvalidity = uidl_validity(f, user);
	/* of uids 3 to 8, the floor hides 3; 6 is kept */
	text = g_strdup_printf("popinjay-views 1 1\n"
		"0123abcd uidvalidity=%u floor=4 shown=8 "
		"used=2026-11-29T20:15:00Z keep=6\n", uidvalidity);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	fixture_give(f, user, path);

	lose_uids(user);
	/* nobody has saved anything since */
	g_clear_pointer(&text, g_free);
	text = read_control(user, "popinjay-views");
	g_assert_nonnull(strstr(text, "floor=4"));

	/* a session has something to save */
	numbered_deliver(f, user, 9, 9, MAIL_BYTES);
	after = uidl_list(f, user);
	g_assert_cmpuint(g_strv_length(after), ==, 7);
	assert_views(user, guids[0], guids[3]);

	/* once more, and doveadm is the first one */
	lose_uids(user);
	numbered_deliver(f, user, 10, 10, MAIL_BYTES);
	save_all(user);
	assert_views(user, guids[0], guids[3]);

	/* UIDLs are what they were */
	g_clear_pointer(&after, g_strfreev);
	after = uidl_list(f, user);
	for (unsigned int i = 2; i < MAIL_COUNT; i++)
		g_assert_true(g_strv_contains((const char *const *)after,
					      before[i]));
	lock = control_path(user, "popinjay-views.lock");
	g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
}

/* A damaged file is nobody's business who only saves UIDLs. */
static void test_damaged(void)
{
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *path = control_path(user, "popinjay-views");
	g_autofree char *text = NULL;
	g_auto(GStrv) before = NULL, after = NULL;

	numbered_deliver(f, user, 1, 3, MAIL_BYTES);
	before = uidl_list(f, user);
	g_assert_true(g_file_set_contents(path, "damaged\n", -1, NULL));
	fixture_give(f, user, path);
	lose_uids(user);
	numbered_deliver(f, user, 4, 4, MAIL_BYTES);
	after = uidl_list(f, user);
	for (unsigned int i = 0; i < 3; i++)
		g_assert_true(g_strv_contains((const char *const *)after,
					      before[i]));
	text = read_control(user, "popinjay-views");
	g_assert_cmpstr(text, ==, "damaged\n");
}

/* --- Messages that come before anybody has seen the new UIDVALIDITY --- */

static gboolean is_in_ranges(const char *ranges, unsigned int uid)
{
	g_auto(GStrv) all = g_strsplit(ranges, ",", 0);

	for (unsigned int i = 0; all[i] != NULL; i++) {
		unsigned int first, last;

		if (sscanf(all[i], "%u:%u", &first, &last) < 2)
			last = first = (unsigned int)strtoul(all[i], NULL, 10);
		if (first <= uid && uid <= last)
			return TRUE;
	}
	return FALSE;
}

/* Of all messages, the view hides those up to this number, and no other. */
static void assert_keeps_up_to(const char *user, const char *views_path,
			       unsigned int last, unsigned int count)
{
	g_auto(GStrv) lines = uidl_fetch(f, user, "uid hdr.x-number");
	g_autofree char *text = NULL, *of_now = NULL;
	const char *keep;

	g_assert_true(g_file_get_contents(views_path, &text, NULL, NULL));
	of_now = g_strdup_printf(" uidvalidity=%u ", uidl_validity(f, user));
	if (strstr(text, of_now) == NULL)
		g_error("Not%s: %s", of_now, text);
	keep = strstr(text, " keep=");
	keep = keep == NULL ? "" : keep + strlen(" keep=");
	g_assert_cmpuint(g_strv_length(lines), ==, count);
	for (unsigned int i = 0; lines[i] != NULL; i++) {
		unsigned int uid, number;

		g_assert_cmpint(sscanf(lines[i], "%u %u", &uid, &number), ==,
				2);
		if (is_in_ranges(keep, uid) !=
		    (number <= last))
			g_error("mail %u with uid %u: %s", number, uid, text);
	}
}

/* Write views of which one has kept many uids, and these messages. */
static void keep_many(const char *user, const char *path)
{
	g_autofree char *text = g_strdup_printf("popinjay-views 1 1\n"
		"0123abcd uidvalidity=%u floor=1 shown=8 "
		"used=2026-11-29T20:15:00Z keep=1:1000\n",
		uidl_validity(f, user));

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	fixture_give(f, user, path);
}

static void copy_control(const char *from, const char *to, const char *name)
{
	g_autofree char *text = read_control(from, name);
	g_autofree char *path = control_path(to, name);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* dovecot-lda is the first one; it saves no UIDL. */
static void test_delivered(void)
{
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *path = control_path(user, "popinjay-views");

	numbered_deliver(f, user, 1, 4, MAIL_BYTES);
	g_strfreev(uidl_list(f, user));
	keep_many(user, path);
	forget_uids(user);
	for (unsigned int i = 5; i <= 7; i++) {
		g_autoptr(GBytes) mail = numbered_mail(i, MAIL_BYTES);

		fixture_deliver(f, user, g_bytes_get_data(mail, NULL),
				g_bytes_get_size(mail));
	}
	g_strfreev(uidl_list(f, user));
	assert_keeps_up_to(user, path, 4, 7);
}

/* doveadm backup is the first one, and it saves UIDLs by the new uids before
   anybody can read the messages. Nothing is left of what was there but what
   Popinjay knew of it. */
static void test_brought(void)
{
	g_autofree char *old = fixture_user(f, "mbox");
	g_autofree char *user = fixture_user(f, "mbox");
	g_autofree char *source = fixture_user(f, "maildir");
	g_autofree char *old_path = control_path(old, CONTROL "popinjay-views");
	g_autofree char *path = control_path(user, CONTROL "popinjay-views");
	g_autofree char *mail_dir = fixture_mail_dir(f, user);
	g_autofree char *dir = control_path(user, CONTROL);
	g_auto(GStrv) uids = NULL;
	GString *err = NULL;

	numbered_deliver(f, old, 1, 4, MAIL_BYTES);
	g_strfreev(uidl_list(f, old));
	keep_many(old, old_path);
	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	copy_control(old, user, CONTROL "popinjay-uidl");
	copy_control(old, user, CONTROL "popinjay-views");
	fixture_give(f, user, mail_dir);

	numbered_deliver(f, source, 5, 8, MAIL_BYTES);
	g_strfreev(uidl_list(f, source));
	while (uidl_validity(f, source) == uidl_validity(f, old))
		lose_uids(source);
	if (fixture_doveadm(f, NULL, NULL, &err, "backup", "-R", "-u", user,
			    "doveadm", "-c", f->config_file, "dsync-server",
			    "-u", source, NULL) != 0)
		g_error("doveadm backup: %s", err->str);
	g_string_free(err, TRUE);
	uids = uidl_fetch(f, user, "uid");
	g_assert_cmpstr(uids[0], ==, "1");
	g_assert_cmpuint(uidl_validity(f, user), !=, uidl_validity(f, old));
	numbered_deliver(f, user, 9, 9, MAIL_BYTES);
	save_all(user);
	assert_keeps_up_to(user, path, 0, 5);
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
		"popinjay_uidl_format", "%{uid}.%{uidvalidity}", NULL);
	const struct fixture_options options = { .config = config };
	int ret;

	g_test_init(&argc, &argv, NULL);
	f = fixture_new(&options);
	g_test_add_func("/view-moved/uidvalidity", test_uidvalidity);
	g_test_add_func("/view-moved/damaged", test_damaged);
	g_test_add_func("/view-moved/delivered", test_delivered);
	g_test_add_func("/view-moved/brought", test_brought);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/view-moved", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
