/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A user's mailboxes, and what happens to them from day to day. */

#define _GNU_SOURCE
#include "box.h"
#include "numbered.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DAY_SECS (24 * 60 * 60)
/* More than fetchmail looks at without halving. */
#define FIRST_MAILS 9

struct box *box_new(struct fixture *f, const struct site *site, guint32 seed)
{
	static const char *const mailboxes[] = { "Archive", "Elsewhere" };
	struct box *box = g_new0(struct box, 1);

	box->f = f;
	box->site = site;
	box->user = fixture_user(f, site->storage);
	box->inbox = g_array_new(FALSE, FALSE, sizeof(guint));
	box->elsewhere = g_array_new(FALSE, FALSE, sizeof(guint));
	box->received = g_hash_table_new(NULL, NULL);
	box->random = g_rand_new_with_seed(seed);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mailboxes); i++) {
		g_assert_cmpint(fixture_doveadm(f, NULL, NULL, NULL, "mailbox",
			"create", "-u", box->user, mailboxes[i], NULL), ==, 0);
	}
	return box;
}

void box_free(struct box *box)
{
	g_free(box->user);
	g_array_unref(box->inbox);
	g_array_unref(box->elsewhere);
	g_hash_table_unref(box->received);
	g_rand_free(box->random);
	g_free(box);
}

unsigned int box_random(struct box *box, unsigned int limit)
{
	return (unsigned int)g_rand_int_range(box->random, 0, (gint32)limit);
}

/* --- What happens to mails --- */

static void box_add(struct box *box, GArray *numbers)
{
	unsigned int number = ++box->last_number;

	g_array_append_val(numbers, number);
	g_hash_table_insert(box->received, GUINT_TO_POINTER(number),
			    GUINT_TO_POINTER(box->day));
}

static void box_deliver(struct box *box, unsigned int count)
{
	if (count == 0)
		return;
	numbered_deliver(box->f, box->user, box->last_number + 1,
			 box->last_number + count, BOX_MAIL_BYTES);
	while (count-- > 0)
		box_add(box, box->inbox);
}

static void box_deliver_elsewhere(struct box *box)
{
	g_autoptr(GBytes) mail = NULL;

	box_add(box, box->elsewhere);
	mail = numbered_mail(box->last_number, BOX_MAIL_BYTES);
	g_assert_cmpint(fixture_doveadm(box->f, mail, NULL, NULL, "save",
		"-u", box->user, "-m", "Elsewhere", NULL), ==, 0);
}

/* Take a number out of an array. */
static unsigned int take_random(struct box *box, GArray *numbers)
{
	unsigned int i = box_random(box, numbers->len);
	unsigned int number = g_array_index(numbers, guint, i);

	g_array_remove_index(numbers, i);
	return number;
}

static char *message_id(unsigned int number)
{
	return g_strdup_printf("<number-%u@example.com>", number);
}

static void box_move(struct box *box, unsigned int number, const char *from,
		     const char *to)
{
	g_autofree char *id = message_id(number);

	g_assert_cmpint(fixture_doveadm(box->f, NULL, NULL, NULL, "move",
		"-u", box->user, to, "mailbox", from, "header", "Message-ID",
		id, NULL), ==, 0);
}

static void box_expunge(struct box *box)
{
	g_autofree char *id = message_id(take_random(box, box->inbox));

	g_assert_cmpint(fixture_doveadm(box->f, NULL, NULL, NULL,
		"expunge", "-u", box->user, "mailbox", "INBOX", "header",
		"Message-ID", id, NULL), ==, 0);
}

/* Dovecot cannot look for a mail among others that it cannot read. */
static gboolean box_chance(struct box *box, const GArray *numbers)
{
	return box_random(box, 3) == 0 && numbers->len > 0 &&
		box->unreadable == 0;
}

/* What comes back from another mailbox would be a new message. */
static void box_change(struct box *box)
{
	if (box_chance(box, box->inbox))
		box_expunge(box);
	if (box_chance(box, box->inbox)) {
		box_move(box, take_random(box, box->inbox), "INBOX",
			 "Archive");
	}
	if (box_chance(box, box->elsewhere)) {
		unsigned int number = take_random(box, box->elsewhere);

		box_move(box, number, "Elsewhere", "INBOX");
		g_array_append_val(box->inbox, number);
	}
	if (box_random(box, 3) == 0)
		box_deliver_elsewhere(box);
}

static void age_files(const char *dir)
{
	g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
	const char *name;

	while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		struct stat st;
		struct timespec times[2];

		if (lstat(path, &st) < 0)
			g_error("%s: %s", path, g_strerror(errno));
		times[0] = st.st_atim;
		times[1] = st.st_mtim;
		times[1].tv_sec -= DAY_SECS;
		if (utimensat(AT_FDCWD, path, times, 0) < 0)
			g_error("%s: %s", path, g_strerror(errno));
	}
}

/* A Maildir has the received date of a mail in its file's time. */
static void box_age(struct box *box)
{
	static const char *const subdirs[] = {
		"new", "cur", ".Elsewhere/new", ".Elsewhere/cur"
	};
	g_autofree char *dir = fixture_mail_dir(box->f, box->user);

	for (unsigned int i = 0; i < G_N_ELEMENTS(subdirs); i++) {
		g_autofree char *sub = g_build_filename(dir, subdirs[i], NULL);

		age_files(sub);
	}
}

void box_mend(struct box *box)
{
	g_autofree char *dir = fixture_mail_dir(box->f, box->user);
	const char *const argv[] = {
		"find", dir, "-type", "f", "-perm", "0", "-exec", "chmod",
		"600", "{}", "+", NULL
	};

	g_assert_cmpint(fixture_run(box->f, argv, NULL, NULL, NULL), ==, 0);
	box->unreadable = 0;
}

/* Now and then the last mail cannot be read, for one to three days. */
static void box_trouble(struct box *box)
{
	g_autofree char *path = NULL;

	if (box->unreadable != 0 && box->day >= box->readable_day) {
		box_mend(box);
	} else if (box_chance(box, box->inbox)) {
		box->unreadable = g_array_index(box->inbox, guint,
						box->inbox->len - 1);
		box->readable_day = box->day + 1 + box_random(box, 3);
		path = numbered_find_file(box->f, box->user, box->unreadable);
		g_assert_nonnull(path);
		g_assert_cmpint(chmod(path, 0), ==, 0);
	}
}

void box_new_day(struct box *box)
{
	if (++box->day > 1 && box->site->window_days > 0)
		box_age(box);
	box_change(box);
	box_deliver(box, box->day == 1 ? FIRST_MAILS : box_random(box, 4));
	if (box->site->trouble)
		box_trouble(box);
}

unsigned int box_received(const struct box *box, unsigned int number)
{
	gpointer day = g_hash_table_lookup(box->received,
					   GUINT_TO_POINTER(number));

	return GPOINTER_TO_UINT(day);
}

void box_check_inbox(struct box *box)
{
	g_autoptr(GString) out = NULL;
	g_autoptr(GRegex) regex = g_regex_new("x-number: ([0-9]+)",
					      G_REGEX_CASELESS, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	unsigned int count = 0;

	g_assert_cmpint(fixture_doveadm(box->f, NULL, &out, NULL, "fetch",
		"-u", box->user, "hdr.x-number", "mailbox", "INBOX", NULL), ==,
		0);
	g_regex_match(regex, out->str, 0, &match);
	for (; g_match_info_matches(match); count++) {
		g_autofree char *number = g_match_info_fetch(match, 1);

		if (!numbered_has(box->inbox,
				  (unsigned int)strtoul(number, NULL, 10)))
			g_test_fail_printf("mail %s is in the INBOX", number);
		g_match_info_next(match, NULL);
	}
	g_assert_cmpuint(count, ==, box->inbox->len);
}
