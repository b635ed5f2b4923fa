/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two servers that doveadm sync keeps the same, both ways, and mail that comes
   to both of them: no client, of whichever server, sees the UIDL of one mail at
   another one, and both servers say the same. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAIL_BYTES 300
#define ROUNDS 8

static struct fixture *the_fixture;

/* One of the servers: a user of the fixture. */
struct side {
	char *user;
	/* UIDL -> number of the mail that clients were shown it for */
	GHashTable *shown;
};

struct pair {
	struct side sides[2];
	unsigned int last_number;
	/* number -> UIDL that both sides had after a sync */
	GHashTable *settled;
};

struct mode {
	const char *name, *format, *save;
	/* a mail that both have keeps its UIDL, also when it is out for a
	   while */
	gboolean lasts;
};

static const struct mode xuidl_mode = { "xuidl", NULL, "yes", TRUE };
static const struct mode other_mode = { "other", "%{guid}.other", "no", TRUE };
static const struct mode modes[] = {
	{ "default", NULL, "no", FALSE },
	{ "saved", NULL, "yes", TRUE },
	{ "guid", "%{guid}", "yes", TRUE }
};

static void reload(const struct mode *mode)
{
	g_autofree char *config = uidl_settings("popinjay_uidl_save",
		mode->save, "popinjay_uidl_format", mode->format,
		"popinjay_reuse_xuidl", mode == &xuidl_mode ? "yes" : NULL,
		NULL);

	if (the_fixture == NULL)
		the_fixture = fixture_new(NULL);
	fixture_reload(the_fixture, config);
}

static void doveadm(const char *const *args)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	GString *err = NULL;

	g_ptr_array_add(argv, (char *)"doveadm");
	g_ptr_array_add(argv, (char *)"-c");
	g_ptr_array_add(argv, the_fixture->config_file);
	for (; *args != NULL; args++)
		g_ptr_array_add(argv, (char *)*args);
	g_ptr_array_add(argv, NULL);
	if (fixture_run(the_fixture, (const char *const *)argv->pdata, NULL,
			NULL, &err) != 0)
		g_error("doveadm %s: %s", (char *)argv->pdata[3], err->str);
	g_string_free(err, TRUE);
}

/* Returns the UIDLs by the numbers of the mails (guint). Nobody is shown
   them. */
static GHashTable *look(const struct side *side)
{
	g_auto(GStrv) lines = uidl_fetch(the_fixture, side->user,
					 "pop3.uidl hdr.x-number");
	GHashTable *uidls = g_hash_table_new_full(NULL, NULL, NULL, g_free);

	for (char **line = lines; *line != NULL; line++) {
		char *tab = strchr(*line, '\t');
		unsigned int number;

		g_assert_nonnull(tab);
		number = (unsigned int)strtoul(tab + 1, NULL, 10);
		g_assert_cmpuint(number, >, 0);
		g_assert_true(g_hash_table_insert(uidls,
			GUINT_TO_POINTER(number),
			g_strndup(*line, tab - *line)));
	}
	return uidls;
}

/* No client of that side knows one of the UIDLs for another mail. */
static void check_shown(const struct side *side, GHashTable *uidls)
{
	GHashTableIter iter;
	gpointer number, uidl;

	g_hash_table_iter_init(&iter, uidls);
	while (g_hash_table_iter_next(&iter, &number, &uidl)) {
		gpointer known = g_hash_table_lookup(side->shown, uidl);

		if (known != NULL && known != number) {
			g_error("mail %u has a UIDL that clients of %s know as "
				"that of mail %u: %s",
				GPOINTER_TO_UINT(number), side->user,
				GPOINTER_TO_UINT(known), (char *)uidl);
		}
	}
}

/* A client lists one side. */
static void show(struct side *side)
{
	g_auto(GStrv) listed = uidl_list(the_fixture, side->user);
	g_autoptr(GHashTable) uidls = look(side);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter iter;
	gpointer number, uidl;

	check_shown(side, uidls);
	g_hash_table_iter_init(&iter, uidls);
	while (g_hash_table_iter_next(&iter, &number, &uidl)) {
		g_hash_table_add(seen, uidl);
		g_hash_table_insert(side->shown, g_strdup(uidl), number);
	}
	g_assert_cmpuint(g_strv_length(listed), ==, g_hash_table_size(seen));
	for (char **p = listed; *p != NULL; p++)
		g_assert_true(g_hash_table_contains(seen, *p));
}

static void deliver(struct pair *pair, unsigned int side, unsigned int count)
{
	numbered_deliver(the_fixture, pair->sides[side].user,
			 pair->last_number + 1, pair->last_number + count,
			 MAIL_BYTES);
	pair->last_number += count;
}

static void delete(struct side *side, unsigned int msn)
{
	struct pop3 *pop3 = pop3_session(the_fixture, POP3_CLEAR, side->user);

	pop3_send(pop3, "DELE %u", msn);
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* Returns FALSE if messages changed meanwhile: a session's process may still be
   at its end. */
static gboolean try_sync(const char *from, const char *to)
{
	GString *err = NULL;
	int status = fixture_doveadm(the_fixture, NULL, NULL, &err, "sync",
		"-u", from, "-m", "INBOX", "doveadm", "-c",
		the_fixture->config_file, "dsync-server", "-u", to, NULL);

	if (status != 0 && status != 2)
		g_error("sync: status %d: %s", status, err->str);
	g_string_free(err, TRUE);
	return status == 0;
}

/* Returns FALSE if Dovecot itself has to run once more: one side still has mail
   that the other one has not. */
static gboolean have_same_mail(GHashTable *first, GHashTable *second)
{
	GHashTableIter iter;
	gpointer number, uidl;

	g_hash_table_iter_init(&iter, first);
	while (g_hash_table_iter_next(&iter, &number, &uidl)) {
		if (!g_hash_table_contains(second, number))
			return FALSE;
	}
	return g_hash_table_size(first) == g_hash_table_size(second);
}

/* What both sides say after a sync, to clients of either. Returns FALSE as
   have_same_mail(). */
static gboolean check_synced(struct pair *pair, gboolean lasts)
{
	g_autoptr(GHashTable) first = look(&pair->sides[0]);
	g_autoptr(GHashTable) second = look(&pair->sides[1]);
	GHashTableIter iter;
	gpointer number, uidl;

	if (!have_same_mail(first, second))
		return FALSE;
	g_hash_table_iter_init(&iter, first);
	while (g_hash_table_iter_next(&iter, &number, &uidl)) {
		const char *other = g_hash_table_lookup(second, number);
		const char *before = g_hash_table_lookup(pair->settled, number);

		if (g_strcmp0(uidl, other) != 0) {
			g_error("mail %u has other UIDLs: %s - %s",
				GPOINTER_TO_UINT(number), (char *)uidl, other);
		}
		if (lasts && before != NULL)
			g_assert_cmpstr(uidl, ==, before);
		g_hash_table_insert(pair->settled, number, g_strdup(uidl));
	}
	for (unsigned int i = 0; i < 2; i++)
		check_shown(&pair->sides[i], first);
	return TRUE;
}

static void sync_both(struct pair *pair, gboolean lasts)
{
	unsigned int tries = 0;

	while (!try_sync(pair->sides[0].user, pair->sides[1].user) ||
	       !check_synced(pair, lasts)) {
		g_assert_cmpuint(++tries, <, 10);
		/* dsync takes sides for the same that only have as many
		   messages, the same next uid and as many changes */
		if (tries % 3 == 0)
			deliver(pair, 0, 1);
	}
}

static void pair_init(struct pair *pair, const char *storage)
{
	pair->last_number = 0;
	pair->settled = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	for (unsigned int i = 0; i < 2; i++) {
		pair->sides[i].user = fixture_user(the_fixture, storage);
		pair->sides[i].shown = g_hash_table_new_full(g_str_hash,
			g_str_equal, g_free, NULL);
	}
	deliver(pair, 0, 1);
	sync_both(pair, FALSE);
	show(&pair->sides[0]);
	show(&pair->sides[1]);
}

static void pair_free(struct pair *pair)
{
	g_hash_table_unref(pair->settled);
	for (unsigned int i = 0; i < 2; i++) {
		g_free(pair->sides[i].user);
		g_hash_table_unref(pair->sides[i].shown);
	}
}

/* A mail comes to each side, which gives it the same uid. */
static void test_conflict(const struct mode *mode, const char *storage)
{
	struct pair pair;

	reload(mode);
	pair_init(&pair, storage);
	g_test_message("one side shows it");
	deliver(&pair, 0, 1);
	deliver(&pair, 1, 1);
	show(&pair.sides[0]);
	sync_both(&pair, mode->lasts);
	g_test_message("both sides show it");
	deliver(&pair, 1, 2);
	deliver(&pair, 0, 1);
	show(&pair.sides[0]);
	show(&pair.sides[1]);
	sync_both(&pair, mode->lasts);
	g_test_message("one side has shown and deleted it");
	deliver(&pair, 0, 1);
	deliver(&pair, 1, 1);
	show(&pair.sides[0]);
	show(&pair.sides[1]);
	delete(&pair.sides[0], pair.last_number - 1);
	sync_both(&pair, mode->lasts);
	show(&pair.sides[0]);
	show(&pair.sides[1]);
	sync_both(&pair, mode->lasts);
	pair_free(&pair);
}

static void deliver_with_xuidl(struct pair *pair, unsigned int side)
{
	unsigned int number = ++pair->last_number;
	g_autofree char *mail = g_strdup_printf("X-Number: %u\n"
		"X-UIDL: the-same\n\nMail %u.\n", number, number);

	fixture_deliver(the_fixture, pair->sides[side].user, mail,
			strlen(mail));
}

/* The file of saved UIDLs is damaged and mended, and so written anew. */
static void rewrite(const struct side *side)
{
	g_autofree char *command = g_strdup_printf(
		"find %s/home/%s -name popinjay-uidl | { read -r path && "
		"echo damage >>\"$path\"; }", the_fixture->dir, side->user);
	const char *const argv[] = { "sh", "-c", command, NULL };

	g_assert_cmpint(fixture_run(the_fixture, argv, NULL, NULL, NULL), ==,
			0);
	g_free(uidl_tool(the_fixture, NULL, 0, "check", "-r", "-u", side->user,
			 NULL));
}

/* Each side has shown the same UIDL that is made of no uid. */
static void test_same(const struct mode *mode, const char *storage)
{
	g_autoptr(GHashTable) uidls = NULL;
	GHashTableIter iter;
	gpointer uidl;
	struct pair pair;

	reload(mode);
	pair_init(&pair, storage);
	deliver_with_xuidl(&pair, 0);
	deliver_with_xuidl(&pair, 1);
	for (unsigned int i = 0; i < 2; i++) {
		show(&pair.sides[i]);
		g_assert_true(g_hash_table_contains(pair.sides[i].shown,
						    "the-same"));
	}
	sync_both(&pair, TRUE);
	show(&pair.sides[0]);
	show(&pair.sides[1]);
	sync_both(&pair, TRUE);
	/* no third mail gets it */
	rewrite(&pair.sides[0]);
	rewrite(&pair.sides[1]);
	deliver_with_xuidl(&pair, 0);
	sync_both(&pair, TRUE);
	uidls = look(&pair.sides[1]);
	g_hash_table_iter_init(&iter, uidls);
	while (g_hash_table_iter_next(&iter, NULL, &uidl))
		g_assert_cmpstr(uidl, !=, "the-same");
	pair_free(&pair);
}

/* What a sync in one direction brings to a side that has shown mail of its
   own. */
static void test_one_way(const struct mode *mode, const char *storage)
{
	g_autoptr(GHashTable) uidls = NULL;
	struct pair pair;
	GString *err = NULL;
	int status, tries = 0;

	reload(mode);
	pair_init(&pair, storage);
	deliver(&pair, 0, 2);
	deliver(&pair, 1, 3);
	show(&pair.sides[0]);
	show(&pair.sides[1]);
	delete(&pair.sides[1], 2);
	do {
		g_assert_cmpint(++tries, <, 10);
		status = fixture_doveadm(the_fixture, NULL, NULL, &err, "sync",
			"-1", "-u", pair.sides[0].user, "-m", "INBOX",
			"doveadm", "-c", the_fixture->config_file,
			"dsync-server", "-u", pair.sides[1].user, NULL);
		g_test_message("%s", err->str);
		g_string_free(err, TRUE);
	} while (status == 2);
	g_assert_cmpint(status, ==, 0);
	uidls = look(&pair.sides[1]);
	g_assert_cmpuint(g_hash_table_size(uidls), ==, 5);
	show(&pair.sides[1]);
	pair_free(&pair);
}

static char *saved_path(const struct side *side, const char *storage)
{
	g_autofree char *dir = fixture_mail_dir(the_fixture, side->user);

	return g_str_equal(storage, "maildir") ?
		g_build_filename(dir, "popinjay-uidl", NULL) :
		g_build_filename(dir, "mailboxes", "INBOX", "dbox-Mails",
				 "popinjay-uidl", NULL);
}

/* Nobody can tell which UIDLs clients know: a message that comes all the same
   has its UIDL, which the next run would not bring. */
static void test_unknown(const struct mode *mode, const char *storage)
{
	g_autoptr(GHashTable) first = NULL, second = NULL;
	g_autofree char *path = NULL;
	const char *said;
	struct pair pair;
	GString *err = NULL;
	GHashTableIter iter;
	gpointer number, uidl;

	reload(mode);
	pair_init(&pair, storage);
	path = saved_path(&pair.sides[1], storage);
	g_assert_true(g_file_set_contents(path, "damaged\n", -1, NULL));
	fixture_give(the_fixture, pair.sides[1].user, path);
	deliver(&pair, 0, 3);
	first = look(&pair.sides[0]);
	g_assert_cmpint(fixture_doveadm(the_fixture, NULL, NULL, &err, "sync",
		"-1", "-u", pair.sides[0].user, "-m", "INBOX", "doveadm", "-c",
		the_fixture->config_file, "dsync-server", "-u",
		pair.sides[1].user, NULL), ==, 0);
	said = strstr(err->str, "popinjay: Looking up the UIDLs failed");
	g_assert_nonnull(said);
	g_assert_null(strstr(said + 1, "popinjay: Looking up"));
	g_string_free(err, TRUE);

	g_assert_cmpint(unlink(path), ==, 0);
	reload(&modes[0]);
	second = look(&pair.sides[1]);
	g_assert_cmpuint(g_hash_table_size(second), ==, 4);
	g_hash_table_iter_init(&iter, first);
	while (g_hash_table_iter_next(&iter, &number, &uidl)) {
		if (GPOINTER_TO_UINT(number) > 1) {
			g_assert_cmpstr(g_hash_table_lookup(second, number),
					==, uidl);
		}
	}
	pair_free(&pair);
}

static void move_out_and_back(const struct side *side)
{
	g_auto(GStrv) uids = uidl_fetch(the_fixture, side->user, "uid");
	unsigned int count = g_strv_length(uids);
	const char *uid = count == 0 ? "1" :
		uids[g_test_rand_int_range(0, (int)count)];
	const char *const out[] = {
		"move", "-u", side->user, "Out", "mailbox", "INBOX", "uid",
		uid, NULL
	};
	const char *const back[] = {
		"move", "-u", side->user, "INBOX", "mailbox", "Out", "uid",
		"1:*", NULL
	};

	doveadm(out);
	doveadm(back);
}

static void random_side(struct pair *pair, unsigned int i)
{
	struct side *side = &pair->sides[i];
	g_autoptr(GHashTable) uidls = NULL;
	guint count;

	deliver(pair, i, (unsigned int)g_test_rand_int_range(0, 4));
	if (g_test_rand_bit())
		show(side);
	uidls = look(side);
	count = g_hash_table_size(uidls);
	if (count > 1 && g_test_rand_bit())
		delete(side, (unsigned int)g_test_rand_int_range(1, count + 1));
	if (g_test_rand_bit())
		deliver(pair, i, 1);
}

/* What may happen to both sides between syncs. */
static void test_random(const struct mode *mode, const char *storage)
{
	struct pair pair;

	reload(mode);
	pair_init(&pair, storage);
	for (unsigned int i = 0; i < 2; i++) {
		const char *const create[] = {
			"mailbox", "create", "-u", pair.sides[i].user, "Out",
			NULL
		};

		doveadm(create);
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		g_test_message("round %u", round);
		if (mode->lasts && g_test_rand_int_range(0, 3) == 0)
			move_out_and_back(&pair.sides[g_test_rand_bit()]);
		else {
			random_side(&pair, 0);
			random_side(&pair, 1);
		}
		sync_both(&pair, mode->lasts);
	}
	pair_free(&pair);
}

struct test {
	const struct mode *mode;
	const char *storage;
	void (*run)(const struct mode *mode, const char *storage);
};

static void test_run(gconstpointer data)
{
	const struct test *test = data;

	test->run(test->mode, test->storage);
}

static void
add_test(const char *name, const struct mode *mode, const char *storage,
	 void (*run)(const struct mode *mode, const char *storage))
{
	g_autofree char *path = g_strdup_printf("/uidl-replicas/%s/%s/%s",
						mode->name, name, storage);
	struct test *test = g_new0(struct test, 1);

	test->mode = mode;
	test->storage = storage;
	test->run = run;
	g_test_add_data_func_full(path, test, test_run, g_free);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	/* doveadm sync both ways into an mbox is not for every day */
	static const char *const storages[] = { "maildir", "sdbox", "mdbox" };
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(modes); i++) {
		for (unsigned int j = 0; j < G_N_ELEMENTS(storages); j++) {
			add_test("conflict", &modes[i], storages[j],
				 test_conflict);
			add_test("one-way", &modes[i], storages[j],
				 test_one_way);
		}
		add_test("random", &modes[i], "maildir", test_random);
	}
	for (unsigned int j = 0; j < G_N_ELEMENTS(storages); j++) {
		add_test("same", &xuidl_mode, storages[j], test_same);
		add_test("unknown", &other_mode, storages[j], test_unknown);
	}
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-replicas", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
