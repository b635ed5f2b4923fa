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

static struct fixture *the_fixture;

struct life {
	char *user;
	unsigned int last_number;
	/* number of a mail -> its UIDL */
	GHashTable *uidls;
	/* UIDLs that were shown, of mails that are gone too */
	GHashTable *shown;
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
   one that nobody ever had. */
static void check(struct life *life)
{
	g_auto(GStrv) uidls = uidl_list(the_fixture, life->user);
	g_autoptr(GArray) numbers = numbered_read(the_fixture, life->user,
						  MAIL_BYTES);

	g_assert_cmpuint(g_strv_length(uidls), ==, numbers->len);
	for (unsigned int i = 0; i < numbers->len; i++) {
		gpointer number = GUINT_TO_POINTER(
			g_array_index(numbers, unsigned int, i));
		const char *known = g_hash_table_lookup(life->uidls, number);

		if (known != NULL) {
			g_assert_cmpstr(uidls[i], ==, known);
			continue;
		}
		g_assert_true(g_hash_table_add(life->shown,
					       g_strdup(uidls[i])));
		g_hash_table_insert(life->uidls, number, g_strdup(uidls[i]));
	}
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

static void convert(struct life *life)
{
	char *to = fixture_user(the_fixture,
		fixture_storages[g_test_rand_int_range(0, 4)]);
	const char *const args[] = {
		"backup", "-u", life->user, "doveadm", "-c",
		the_fixture->config_file, "dsync-server", "-u", to, NULL
	};

	g_test_message("to %s", to);
	doveadm("backup", args);
	g_free(life->user);
	life->user = to;
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

static void reformat(struct life *life G_GNUC_UNUSED)
{
	static const char *const formats[] = {
		"a.%{uid}", "%{guid}", "%{uidvalidity}-%{uid}", "b.%{uid}"
	};
	g_autofree char *config = uidl_settings("popinjay_uidl_save", "yes",
		"popinjay_uidl_format",
		formats[g_test_rand_int_range(0, G_N_ELEMENTS(formats))],
		NULL);

	fixture_reload(the_fixture, config);
}

static void test_life(gconstpointer storage)
{
	static void (*const steps[])(struct life *life) = {
		deliver, deliver, delete, convert, reindex, renumber, reformat
	};
	static const char *const names[] = {
		"deliver", "deliver", "delete", "convert", "reindex",
		"renumber", "reformat"
	};
	struct life life = {
		.uidls = g_hash_table_new_full(NULL, NULL, NULL, g_free),
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
	g_hash_table_unref(life.uidls);
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
