/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of random mailboxes, with popinjay_uidl_save: whatever is done to
   them, every UIDL is valid, unique, and its message's for ever. GLib prints
   the seed; --seed=SEED does the same again. */

#include "numbered.h"
#include "uidl-list.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAIL_BYTES 300
#define STEPS 14

static const char *const storages[] = { "maildir", "sdbox", "mdbox", "mbox" };

static struct fixture *the_fixture;

struct life {
	char *user;
	unsigned int last_number, last_shown;
	/* UIDL -> number of the mail that was shown with it, and may be gone */
	GHashTable *shown;
	/* there may be copies; some that were not there at the last check */
	gboolean has_copies, new_copies;
	gboolean converted;
};

static void doveadm(const char *what, const char *const *args)
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
		g_error("%s: %s", what, err->str);
	g_string_free(err, TRUE);
}

static void remove_indexes(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *child = g_build_filename(path, name, NULL);

		if (g_str_has_prefix(name, "dovecot.index") ||
		    g_str_has_prefix(name, "dovecot.map.index"))
			g_assert_cmpint(unlink(child), ==, 0);
		else if (g_file_test(child, G_FILE_TEST_IS_DIR))
			remove_indexes(child);
	}
}

/* Every mail that is there has the UIDL it has always had, and a new one has
   one that nobody ever had. Which copy of a mail is which cannot be told: one
   of them has a UIDL that was shown before, and if there are new copies, others
   may have new ones. */
static void check(struct life *life)
{
	g_auto(GStrv) uidls = uidl_list(the_fixture, life->user);
	g_autoptr(GArray) numbers = numbered_read(the_fixture, life->user,
						  MAIL_BYTES);
	g_autoptr(GHashTable) known = g_hash_table_new(NULL, NULL);

	g_assert_cmpuint(g_strv_length(uidls), ==, numbers->len);
	for (unsigned int i = 0; i < numbers->len; i++) {
		gpointer number = GUINT_TO_POINTER(
			g_array_index(numbers, unsigned int, i));
		gpointer shown = g_hash_table_lookup(life->shown, uidls[i]);

		if (shown != NULL && shown != number) {
			g_error("mail %u has the UIDL of mail %u: %s",
				GPOINTER_TO_UINT(number),
				GPOINTER_TO_UINT(shown), uidls[i]);
		}
		if (shown != NULL)
			g_hash_table_add(known, number);
	}
	for (unsigned int i = 0; i < numbers->len; i++) {
		unsigned int number = g_array_index(numbers, unsigned int, i);
		gpointer key = GUINT_TO_POINTER(number);

		if (g_hash_table_contains(life->shown, uidls[i]))
			continue;
		if (number <= life->last_shown && !(life->new_copies &&
		    g_hash_table_contains(known, key))) {
			g_error("mail %u has another UIDL: %s", number,
				uidls[i]);
		}
		g_hash_table_insert(life->shown, g_strdup(uidls[i]), key);
	}
	life->last_shown = life->last_number;
	life->new_copies = FALSE;
}

static void deliver(struct life *life)
{
	unsigned int count = g_test_rand_int_range(1, 4);

	numbered_deliver(the_fixture, life->user, life->last_number + 1,
			 life->last_number + count, MAIL_BYTES);
	life->last_number += count;
}

static void delete(struct life *life)
{
	struct pop3 *pop3 = pop3_session(the_fixture, POP3_CLEAR, life->user);
	g_autofree char *stat = pop3_ask(pop3, "STAT");
	unsigned int count = strtoul(stat + strlen("+OK "), NULL, 10);

	for (unsigned int i = 1; i <= count; i++) {
		if (g_test_rand_int_range(0, 4) != 0)
			continue;
		pop3_send(pop3, "DELE %u", i);
		pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	}
	g_free(pop3_ask(pop3, "QUIT"));
	pop3_close(pop3);
}

static void create_trash(const char *user)
{
	const char *const args[] = {
		"mailbox", "create", "-u", user, "Trash", NULL
	};

	doveadm("mailbox create", args);
}

/* doveadm copy or move */
static void
transfer(struct life *life, const char *how, const char *uid, const char *from,
	 const char *to)
{
	const char *const args[] = {
		how, "-u", life->user, to, "mailbox", from, "uid", uid, NULL
	};

	doveadm(how, args);
}

/* The uid of some message of the INBOX, NULL if there is none. */
static char *some_uid(struct life *life)
{
	g_auto(GStrv) uids = uidl_fetch(the_fixture, life->user, "uid");
	unsigned int count = g_strv_length(uids);

	return count == 0 ? NULL :
		g_strdup(uids[g_test_rand_int_range(0, (int)count)]);
}

static void copy(struct life *life)
{
	g_autofree char *uid = some_uid(life);

	if (uid == NULL)
		return;
	transfer(life, "copy", uid, "INBOX", "INBOX");
	life->has_copies = life->new_copies = TRUE;
}

/* A message leaves the INBOX and comes back, maybe behind others. */
static void move_out_and_back(struct life *life)
{
	g_autofree char *uid = some_uid(life);

	if (uid == NULL)
		return;
	transfer(life, "move", uid, "INBOX", "Trash");
	if (g_test_rand_bit()) {
		deliver(life);
		check(life);
	}
	transfer(life, "move", "1:*", "Trash", "INBOX");
}

static void reformat(struct life *life)
{
	/* A mailbox remembers the UIDLs of messages that are gone, but that
	   does not come along to another one: where uids begin anew as indexes
	   are lost there, these need the UIDVALIDITY. */
	static const char *const formats[] = {
		"%{guid}", "%{uidvalidity}-%{uid}", "c.%{uidvalidity}.%{uid}",
		"a.%{uid}", "b.%{uid}"
	};
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
		"popinjay_uidl_format",
		formats[g_test_rand_int_range(0, life->converted ? 3 : 5)],
		NULL);

	fixture_reload(the_fixture, config);
}

static void reindex(struct life *life)
{
	g_autofree char *dir = fixture_mail_dir(the_fixture, life->user);
	const char *const args[] = {
		"force-resync", "-u", life->user, "INBOX", NULL
	};

	remove_indexes(dir);
	if (g_str_has_suffix(life->user, "dbox"))
		doveadm("force-resync", args);
}

/* Returns FALSE if it saw messages change meanwhile, and wants to run again: a
   session's process may still be at its end. */
static gboolean try_backup(const char *from, const char *to)
{
	GString *err = NULL;
	int status = fixture_doveadm(the_fixture, NULL, NULL, &err, "backup",
		"-u", from, "-m", "INBOX", "doveadm", "-c",
		the_fixture->config_file, "dsync-server", "-u", to, NULL);

	if (status != 0 && status != 2)
		g_error("backup: status %d: %s", status, err->str);
	g_string_free(err, TRUE);
	return status == 0;
}

/* To another storage, at once or with what comes meanwhile in a second run.
   (Dovecot itself fails to bring copies to an mbox, and a second run there may
   find other messages than it expects.) */
static void convert(struct life *life)
{
	const char *storage = storages[g_test_rand_int_range(0,
		life->has_copies ? 3 : 4)];
	gboolean again = g_test_rand_bit() && strcmp(storage, "mbox") != 0;
	char *to = fixture_user(the_fixture, storage);
	unsigned int tries;

	life->converted = TRUE;
	reformat(life);
	g_test_message("to %s%s", to, again ? " and again" : "");
	for (tries = 0; !try_backup(life->user, to); tries++) {
		g_assert_cmpuint(tries, <, 10);
		g_free(to);
		to = fixture_user(the_fixture, storage);
	}
	if (again) {
		move_out_and_back(life);
		/* dsync has one UIDL for all copies of a message, and the first
		   run has given it to one of them: it must not go now */
		if (!life->has_copies)
			delete(life);
		deliver(life);
		check(life);
		for (tries = 0; !try_backup(life->user, to); tries++)
			g_assert_cmpuint(tries, <, 10);
	}
	create_trash(to);
	/* dsync has one UIDL for all copies of a message */
	life->new_copies = life->has_copies;
	g_free(life->user);
	life->user = to;
	/* nobody has been shown anything there yet */
	if (g_test_rand_bit()) {
		g_test_message("reindex");
		reindex(life);
	}
}

static void renumber(struct life *life)
{
	/* of ten digits, like the time that Dovecot takes: an mbox of 2.4.5
	   can't always write a shorter one in its place */
	g_autofree char *validity = g_strdup_printf("%d",
		g_test_rand_int_range(1000000000, G_MAXINT32));
	const char *const args[] = {
		"mailbox", "update", "-u", life->user, "--uid-validity",
		validity, "INBOX", NULL
	};

	doveadm("mailbox update", args);
}

static void test_life(gconstpointer storage)
{
	static void (*const steps[])(struct life *life) = {
		deliver, deliver, delete, copy, move_out_and_back, convert,
		reindex, renumber, reformat
	};
	static const char *const names[] = {
		"deliver", "deliver", "delete", "copy", "move out and back",
		"convert", "reindex", "renumber", "reformat"
	};
	struct life life = {
		.shown = g_hash_table_new_full(g_str_hash, g_str_equal,
					       g_free, NULL)
	};

	/* GLib begins each test with the same numbers */
	for (const char *p = storage; *p != '\0'; p++) {
		for (int skip = *p % 16; skip > 0; skip--)
			(void)g_test_rand_int();
	}
	if (the_fixture == NULL)
		the_fixture = fixture_new(NULL);
	reformat(&life);
	life.user = fixture_user(the_fixture, storage);
	create_trash(life.user);
	deliver(&life);
	check(&life);
	for (unsigned int i = 0; i < STEPS; i++) {
		int step = g_test_rand_int_range(0, G_N_ELEMENTS(steps));

		g_test_message("%s", names[step]);
		steps[step](&life);
		check(&life);
	}
	g_test_message("%u mails, %u UIDLs", life.last_number,
		       g_hash_table_size(life.shown));
	g_hash_table_unref(life.shown);
	g_free(life.user);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/uidl-life", test_life);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/uidl-life", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
