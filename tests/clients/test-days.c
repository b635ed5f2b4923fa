/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Days in the life of mailboxes that mail clients poll, while mail comes and
   IMAP moves and deletes some. Whatever is set, no client may get a mail twice,
   and each has, after its poll, all mails that it was to get.

   POPINJAY_DAYS says how many days (3), POPINJAY_DAYS_SEED what happens in them
   (1); see tests/clients/days. */

#include "model.h"
#include "numbered.h"

#include <stdlib.h>

#define MAIL_BYTES 400
#define DAYS "3"
#define SEED "1"
/* More than fetchmail looks at without halving. */
#define FIRST_MAILS 9

/* A kind of client. */
struct kind {
	const char *name;
	/* NULL: poll is to be called */
	const char *program;
	gboolean (*poll)(const struct client_account *account, gboolean del);
	/* see struct client_account */
	const char *options;
	/* what it can do: leave mails on the server, and delete them */
	gboolean keeps, deletes;
};

/* What is set, and where mails are. */
struct site {
	const char *name, *storage;
	/* name, value, ..., NULL */
	const char *settings[9];
};

struct reader {
	const struct kind *kind;
	struct client_account account;
	/* numbers of the mails that it has fetched */
	GHashTable *fetched;
};

struct box {
	const struct site *site;
	char *user;
	gboolean del;
	/* of struct reader */
	GPtrArray *readers;
	/* numbers (guint) of the mails in the INBOX and in another mailbox */
	GArray *inbox, *elsewhere;
	unsigned int last_number;
	GRand *random;
};

static struct fixture *the_fixture;

/* --- Clients --- */

static gboolean
poll_thunderbird(const struct client_account *account, gboolean del)
{
	return thunderbird_poll(account, del, NULL) == MODEL_DONE;
}

static gboolean
poll_halving(const struct client_account *account, gboolean del)
{
	g_assert_false(del);
	return halving_poll(account) == MODEL_DONE;
}

static gboolean
poll_blind(const struct client_account *account, gboolean del)
{
	return blind_poll(account, account->messages, del) == MODEL_DONE;
}

static const struct kind kinds[] = {
	{ "Thunderbird", NULL, poll_thunderbird, NULL, TRUE, TRUE },
	{ "halving", NULL, poll_halving, NULL, TRUE, FALSE },
	{ "blind", NULL, poll_blind, NULL, FALSE, TRUE },
	{ "fetchmail", "fetchmail", NULL, "fastuidl 0", TRUE, TRUE },
	{ "fetchmail-fastuidl", "fetchmail", NULL, "fastuidl 1", TRUE, FALSE },
	{ "getmail", "getmail", NULL, NULL, TRUE, TRUE },
	{ "mpop", "mpop", NULL, NULL, TRUE, TRUE }
};

static gboolean reader_run(struct reader *reader, gboolean del)
{
	const struct kind *kind = reader->kind;

	if (kind->program == NULL)
		return kind->poll(&reader->account, del);
	return client_program_find(kind->program)->fetch(&reader->account, del);
}

static void reader_free(gpointer data)
{
	struct reader *reader = data;

	client_account_deinit(&reader->account);
	g_hash_table_unref(reader->fetched);
	g_free(reader);
}

/* --- Mailboxes --- */

static void box_add_reader(struct box *box, const struct kind *kind)
{
	struct reader *reader = g_new0(struct reader, 1);

	reader->kind = kind;
	reader->fetched = g_hash_table_new(NULL, NULL);
	client_account_init(&reader->account, the_fixture, box->user,
			    POP3_CLEAR);
	reader->account.options = kind->options;
	g_ptr_array_add(box->readers, reader);
}

static struct box *box_new(const struct site *site, gboolean del)
{
	struct box *box = g_new0(struct box, 1);
	const char *seed = g_getenv("POPINJAY_DAYS_SEED");

	box->site = site;
	box->user = fixture_user(the_fixture, site->storage);
	box->del = del;
	box->readers = g_ptr_array_new_with_free_func(reader_free);
	box->inbox = g_array_new(FALSE, FALSE, sizeof(guint));
	box->elsewhere = g_array_new(FALSE, FALSE, sizeof(guint));
	box->random = g_rand_new_with_seed(
		(guint32)strtoul(seed == NULL ? SEED : seed, NULL, 10));
	return box;
}

static void box_free(struct box *box)
{
	g_free(box->user);
	g_ptr_array_unref(box->readers);
	g_array_unref(box->inbox);
	g_array_unref(box->elsewhere);
	g_rand_free(box->random);
	g_free(box);
}

/* A number below limit. */
static unsigned int box_random(struct box *box, unsigned int limit)
{
	return (unsigned int)g_rand_int_range(box->random, 0, (gint32)limit);
}

/* --- What happens to mails --- */

static void box_deliver(struct box *box, unsigned int count)
{
	if (count == 0)
		return;
	numbered_deliver(the_fixture, box->user, box->last_number + 1,
			 box->last_number + count, MAIL_BYTES);
	while (count-- > 0) {
		box->last_number++;
		g_array_append_val(box->inbox, box->last_number);
	}
}

static void box_deliver_elsewhere(struct box *box)
{
	g_autoptr(GBytes) mail = numbered_mail(++box->last_number, MAIL_BYTES);

	g_assert_cmpint(fixture_doveadm(the_fixture, mail, NULL, NULL, "save",
		"-u", box->user, "-m", "Elsewhere", NULL), ==, 0);
	g_array_append_val(box->elsewhere, box->last_number);
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

	g_assert_cmpint(fixture_doveadm(the_fixture, NULL, NULL, NULL, "move",
		"-u", box->user, to, "mailbox", from, "header", "Message-ID",
		id, NULL), ==, 0);
}

static void box_expunge(struct box *box)
{
	g_autofree char *id = message_id(take_random(box, box->inbox));

	g_assert_cmpint(fixture_doveadm(the_fixture, NULL, NULL, NULL,
		"expunge", "-u", box->user, "mailbox", "INBOX", "header",
		"Message-ID", id, NULL), ==, 0);
}

/* What comes back from another mailbox would be a new message. */
static void box_change(struct box *box)
{
	if (box->inbox->len > 0 && box_random(box, 3) == 0)
		box_expunge(box);
	if (box->inbox->len > 0 && box_random(box, 3) == 0) {
		box_move(box, take_random(box, box->inbox), "INBOX",
			 "Archive");
	}
	if (box->elsewhere->len > 0 && box_random(box, 3) == 0) {
		unsigned int number = take_random(box, box->elsewhere);

		box_move(box, number, "Elsewhere", "INBOX");
		g_array_append_val(box->inbox, number);
	}
	if (box_random(box, 3) == 0)
		box_deliver_elsewhere(box);
}

/* --- What is asserted --- */

static void
reader_fail(const struct reader *reader, unsigned int day, const char *what,
	    unsigned int number)
{
	g_test_fail_printf("day %u: %s %s mail %u", day, reader->kind->name,
			   what, number);
}

static void take_new(struct box *box, struct reader *reader, unsigned int day)
{
	g_autoptr(GArray) numbers =
		client_take_numbers(&reader->account, MAIL_BYTES);

	for (unsigned int i = 0; i < numbers->len; i++) {
		unsigned int number = g_array_index(numbers, guint, i);

		if (!numbered_has(box->inbox, number))
			reader_fail(reader, day, "could not get", number);
		if (!g_hash_table_add(reader->fetched,
				      GUINT_TO_POINTER(number)))
			reader_fail(reader, day, "has twice", number);
	}
}

static void box_poll(struct box *box, struct reader *reader, unsigned int day)
{
	reader->account.messages = box->inbox->len;
	/* an empty mailbox is a failure to some */
	if (!reader_run(reader, box->del) && box->inbox->len > 0)
		g_test_fail_printf("day %u: %s failed", day,
				   reader->kind->name);
	take_new(box, reader, day);
	for (unsigned int i = 0; i < box->inbox->len; i++) {
		unsigned int number = g_array_index(box->inbox, guint, i);

		if (!g_hash_table_contains(reader->fetched,
					   GUINT_TO_POINTER(number)))
			reader_fail(reader, day, "has not", number);
	}
	if (box->del)
		g_array_set_size(box->inbox, 0);
}

/* What is in the INBOX is what there has to be: a test that forgets a mail
   would not miss it. */
static void box_check_inbox(struct box *box)
{
	g_autoptr(GString) out = NULL;
	g_autoptr(GRegex) regex = g_regex_new("x-number: ([0-9]+)",
					      G_REGEX_CASELESS, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	unsigned int count = 0;

	g_assert_cmpint(fixture_doveadm(the_fixture, NULL, &out, NULL, "fetch",
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

/* --- Days --- */

static unsigned int last_day(void)
{
	const char *days = g_getenv("POPINJAY_DAYS");

	return (unsigned int)strtoul(days == NULL ? DAYS : days, NULL, 10);
}

static void box_live(struct box *box)
{
	for (unsigned int day = 1; day <= last_day(); day++) {
		box_change(box);
		box_deliver(box, day == 1 ? FIRST_MAILS : box_random(box, 4));
		/* all come on the last day */
		for (unsigned int i = 0; i < box->readers->len; i++) {
			if (day == last_day() || box_random(box, 3) > 0)
				box_poll(box, box->readers->pdata[i], day);
		}
	}
	box_check_inbox(box);
}

static void box_begin(struct box *box)
{
	static const char *const mailboxes[] = { "Archive", "Elsewhere" };

	for (unsigned int i = 0; i < G_N_ELEMENTS(mailboxes); i++) {
		g_assert_cmpint(fixture_doveadm(the_fixture, NULL, NULL, NULL,
			"mailbox", "create", "-u", box->user, mailboxes[i],
			NULL), ==, 0);
	}
}

/* All who leave mail on the server share a mailbox. */
static void test_together(gconstpointer data)
{
	struct box *box = box_new(data, FALSE);

	for (unsigned int i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (kinds[i].keeps)
			box_add_reader(box, &kinds[i]);
	}
	box_begin(box);
	box_live(box);
	box_free(box);
}

/* Who deletes mail has a mailbox of its own. */
static void test_deleting(gconstpointer data)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(kinds); i++) {
		struct box *box;

		if (!kinds[i].deletes)
			continue;
		box = box_new(data, TRUE);
		box_add_reader(box, &kinds[i]);
		box_begin(box);
		box_live(box);
		box_free(box);
	}
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

static const struct site sites[] = {
	{ "maildir", "maildir", { NULL } },
	{ "mdbox-saved", "mdbox", { "popinjay_uidl_save", "yes", NULL } }
};

struct test {
	const struct site *site;
	GTestDataFunc func;
};

static void run_test(gconstpointer data)
{
	const struct test *test = data;
	g_autoptr(GString) config = g_string_new(NULL);

	for (const char *const *p = test->site->settings; *p != NULL; p += 2)
		g_string_append_printf(config, "%s = %s\n", p[0], p[1]);
	if (fixture_is_2_3()) {
		g_string_prepend(config, "plugin {\n");
		g_string_append(config, "}\n");
	}
	fixture_reload(the_fixture, config->str);
	test->func(test->site);
}

static void add_test(const struct site *site, const char *name,
		     GTestDataFunc func)
{
	struct test *test = g_new0(struct test, 1);
	g_autofree char *path = g_strdup_printf("/days/%s/%s", site->name,
						name);

	test->site = site;
	test->func = func;
	g_test_add_data_func_full(path, test, run_test, g_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(sites); i++) {
		add_test(&sites[i], "together", test_together);
		add_test(&sites[i], "deleting", test_deleting);
	}
	the_fixture = fixture_new(NULL);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/days", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
