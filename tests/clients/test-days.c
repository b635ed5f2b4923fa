/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Days in the life of mailboxes that mail clients poll. Whatever is set, no
   client may get a mail twice, and each has, after its poll, all mails that it
   was to get, and no other.

   POPINJAY_DAYS says how many days (3), POPINJAY_DAYS_SEED what happens in them
   (1); see tests/clients/days. */

#include "box.h"
#include "numbered.h"
#include "reader.h"

#include <stdlib.h>

static struct fixture *the_fixture;

/* A mailbox, and who reads it. */
struct life {
	struct box *box;
	gboolean del;
	/* of struct reader */
	GPtrArray *readers;
	/* numbers of mails that are in the INBOX, but never to be shown
	   again */
	GHashTable *hidden;
};

static unsigned int get_number(const char *env, unsigned int otherwise)
{
	const char *value = g_getenv(env);

	return value == NULL ? otherwise :
		(unsigned int)strtoul(value, NULL, 10);
}

/* --- What is to be shown --- */

static gboolean is_hidden(const struct life *life, unsigned int number)
{
	return g_hash_table_contains(life->hidden, GUINT_TO_POINTER(number));
}

static void hide(struct life *life, unsigned int number)
{
	g_hash_table_add(life->hidden, GUINT_TO_POINTER(number));
}

static gboolean is_outside(const struct life *life, unsigned int i)
{
	const struct box *box = life->box;
	const struct site *site = box->site;
	unsigned int number = g_array_index(box->inbox, guint, i);

	return (site->window_messages > 0 &&
		box->inbox->len - i > site->window_messages) ||
		(site->window_days > 0 && box->day -
		 box_received(box, number) >= site->window_days);
}

/* Before the first mail inside the window, nothing is shown any more. */
static void hide_outside(struct life *life)
{
	const GArray *inbox = life->box->inbox;

	for (unsigned int i = 0; i < inbox->len && is_outside(life, i); i++)
		hide(life, g_array_index(inbox, guint, i));
}

static unsigned int count_shown(const struct life *life)
{
	const GArray *inbox = life->box->inbox;
	unsigned int count = 0;

	for (unsigned int i = 0; i < inbox->len; i++) {
		if (!is_hidden(life, g_array_index(inbox, guint, i)))
			count++;
	}
	return count;
}

/* What a client has deleted goes out of the INBOX, or stays and is hidden. */
static void remove_fetched(struct life *life, const struct reader *reader)
{
	GArray *inbox = life->box->inbox;

	for (unsigned int i = inbox->len; i-- > 0; ) {
		unsigned int number = g_array_index(inbox, guint, i);

		if (!g_hash_table_contains(reader->fetched,
					   GUINT_TO_POINTER(number)))
			continue;
		if (life->box->site->keep)
			hide(life, number);
		else
			g_array_remove_index(inbox, i);
	}
}

/* --- A poll --- */

static void say(const struct life *life, const struct reader *reader,
		const char *what, unsigned int number)
{
	g_test_message("day %u: %s %s mail %u", life->box->day,
		       reader->kind->name, what, number);
	g_test_fail();
}

/* Returns TRUE if the client says that all went well. */
static gboolean poll_once(struct life *life, struct reader *reader)
{
	g_autoptr(GArray) numbers = NULL;
	gboolean ok;

	reader->account.messages = count_shown(life);
	ok = reader_run(reader, life->del);
	numbers = client_take_numbers(&reader->account, BOX_MAIL_BYTES);
	for (unsigned int i = 0; i < numbers->len; i++) {
		unsigned int number = g_array_index(numbers, guint, i);

		if (!numbered_has(life->box->inbox, number) ||
		    is_hidden(life, number))
			say(life, reader, "was not to get", number);
		if (!g_hash_table_add(reader->fetched,
				      GUINT_TO_POINTER(number)))
			say(life, reader, "has twice", number);
	}
	if (life->del)
		remove_fetched(life, reader);
	/* an empty mailbox is a failure to some */
	return ok || reader->account.messages == 0;
}

static void poll(struct life *life, struct reader *reader)
{
	const struct box *box = life->box;
	gboolean ok;

	hide_outside(life);
	ok = poll_once(life, reader);
	/* a mail that cannot be read is behind the others only if that is
	   known */
	if (!ok && box->unreadable != 0)
		(void)poll_once(life, reader);
	else if (!ok)
		g_test_fail_printf("day %u: %s failed", box->day,
				   reader->kind->name);
	for (unsigned int i = 0; i < box->inbox->len; i++) {
		unsigned int number = g_array_index(box->inbox, guint, i);

		if (number != box->unreadable && !is_hidden(life, number) &&
		    !g_hash_table_contains(reader->fetched,
					   GUINT_TO_POINTER(number)))
			say(life, reader, "has not", number);
	}
}

/* --- Days --- */

static struct life *life_new(const struct site *site, gboolean del)
{
	struct life *life = g_new0(struct life, 1);

	life->box = box_new(the_fixture, site,
			    get_number("POPINJAY_DAYS_SEED", 1));
	life->del = del;
	life->readers = g_ptr_array_new_with_free_func(reader_free);
	life->hidden = g_hash_table_new(NULL, NULL);
	return life;
}

static void life_add_reader(struct life *life, const struct reader_kind *kind)
{
	g_ptr_array_add(life->readers,
			reader_new(kind, the_fixture, life->box->user));
}

/* Live it, and free it. */
static void life_run(struct life *life)
{
	unsigned int last_day = get_number("POPINJAY_DAYS", 3);

	while (life->box->day < last_day) {
		box_new_day(life->box);
		for (unsigned int i = 0; i < life->readers->len; i++) {
			if (box_random(life->box, 3) > 0)
				poll(life, life->readers->pdata[i]);
		}
	}
	/* in the end nothing is in trouble, and all come */
	box_mend(life->box);
	for (unsigned int i = 0; i < life->readers->len; i++)
		poll(life, life->readers->pdata[i]);
	/* or what the test forgets is not missed */
	box_check_inbox(life->box);
	box_free(life->box);
	g_ptr_array_unref(life->readers);
	g_hash_table_unref(life->hidden);
	g_free(life);
}

/* All who leave mail on the server share a mailbox. Where mail is in trouble,
   those who halve do not: what another client of the view has had goes back to
   its place, before what they have seen. */
static void test_together(gconstpointer data)
{
	struct life *life = life_new(data, FALSE);
	const struct reader_kind *kind = reader_kinds;

	for (; kind->name != NULL; kind++) {
		if (kind->keeps && !(life->box->site->trouble && kind->halves))
			life_add_reader(life, kind);
	}
	life_run(life);
}

/* Each has a mailbox of its own. */
static void each_alone(gconstpointer data, gboolean del)
{
	const struct reader_kind *kind = reader_kinds;

	for (; kind->name != NULL; kind++) {
		struct life *life;

		if (del ? !kind->deletes : !kind->keeps)
			continue;
		life = life_new(data, del);
		life_add_reader(life, kind);
		life_run(life);
	}
}

static void test_keeping(gconstpointer data)
{
	each_alone(data, FALSE);
}

static void test_deleting(gconstpointer data)
{
	each_alone(data, TRUE);
}

static void test_stop(void)
{
	g_clear_pointer(&the_fixture, fixture_free);
}

/* --- The whole --- */

static const struct site sites[] = {
	{ .name = "maildir", .storage = "maildir" },
	{ .name = "trouble", .storage = "maildir", .trouble = TRUE },
	{ .name = "mdbox-saved", .storage = "mdbox",
	  .settings = { "popinjay_uidl_save", "yes", NULL } }
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
		if (sites[i].trouble)
			add_test(&sites[i], "keeping", test_keeping);
		add_test(&sites[i], "deleting", test_deleting);
	}
	the_fixture = fixture_new(NULL);
	/* of messages that cannot be read for some days */
	fixture_log_allow(the_fixture, "Permission denied");
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/days", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
