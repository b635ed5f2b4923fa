/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* view/view-open: what must hold whatever happens. Sessions of several views
   meet deliveries, deletions, moves, conversions, other settings, clocks that
   jump, crashes, and files that are gone or damaged.

   - No message that a view has shown and then not shown is shown to it again.
   - No message is hidden without a reason: its client has deleted it, it is
     too old by the clock of the session, or enough newer ones are shown. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "saved-text.h"
#include "views.h"
#include "view-open.h"

#include <glib.h>

#define DAY SECS_IN_DAY
#define NOW 1795983300
#define VIEWS 3

static const char *const view_ids[VIEWS] = { "account", "0123abcd", "later" };

enum seen { NEVER, SHOWN, HIDDEN };

struct message {
	uint32_t uid, guid;
	time_t received;
	/* by each view */
	enum seen seen[VIEWS];
	bool kept[VIEWS];
	/* It was moved out and in, and there was a conversion, with no session
	   between: whether it is the one that was there before is not to be
	   told. */
	bool unclear[VIEWS];
};

struct world {
	/* in the order of uids */
	GArray *messages;
	uint32_t uidvalidity, uidnext, guidnext;
	/* what the clock of sessions says, and how much it is ahead */
	time_t now, ahead, ahead_since;

	struct popinjay_window windows[VIEWS];
	bool keeps[VIEWS];

	/* popinjay-uidl, and the UIDVALIDITY when a session saved it last */
	GString *saved;
	uint32_t saved_uidvalidity;
	/* popinjay-views, NULL if there is none */
	char *file;
	/* what happened, for a case that fails */
	GString *story;
	unsigned int shown, hidden, mapped, doubted;
};

static void G_GNUC_PRINTF(2, 3) tell(struct world *w, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	g_string_append_vprintf(w->story, fmt, args);
	va_end(args);
	g_string_append_c(w->story, '\n');
}

static struct message *message_at(struct world *w, unsigned int i)
{
	return &g_array_index(w->messages, struct message, i);
}

static unsigned int chance(unsigned int count)
{
	return g_test_rand_int_range(0, count);
}

/* --- What happens to the mailbox --- */

static void deliver(struct world *w, time_t received, const uint32_t *guid)
{
	struct message message = {
		.uid = w->uidnext++,
		.guid = guid == NULL ? w->guidnext++ : *guid,
		.received = received
	};

	g_array_append_val(w->messages, message);
	tell(w, "uid %u comes, received %ld days ago", message.uid,
	     (long)(w->now - received) / DAY);
}

static void event_deliver(struct world *w)
{
	unsigned int count = 1 + chance(4);

	while (count-- > 0)
		deliver(w, w->now - chance(DAY), NULL);
}

/* A migration, or old mail that is moved in. */
static void event_append(struct world *w)
{
	unsigned int count = 1 + chance(5);

	while (count-- > 0)
		deliver(w, w->now - (time_t)chance(100 * DAY), NULL);
}

static void event_expunge(struct world *w)
{
	unsigned int count = 1 + chance(3);

	while (count-- > 0 && w->messages->len > 0) {
		unsigned int i = chance(w->messages->len);

		tell(w, "uid %u is expunged", message_at(w, i)->uid);
		g_array_remove_index(w->messages, i);
	}
}

/* Out of the INBOX and back: its GUID is the same, and it is a new message. */
static void event_move(struct world *w)
{
	struct message message;
	unsigned int i;

	if (w->messages->len == 0)
		return;
	i = chance(w->messages->len);
	message = *message_at(w, i);
	tell(w, "uid %u is moved out and in", message.uid);
	g_array_remove_index(w->messages, i);
	deliver(w, message.received, &message.guid);
	if (w->saved_uidvalidity != w->uidvalidity) {
		memset(message_at(w, w->messages->len - 1)->unclear, 1,
		       sizeof(message.unclear));
	}
}

/* doveadm sync brings a message and saves its UIDL: it cannot tell at which
   UIDVALIDITY. */
static void event_sync(struct world *w)
{
	deliver(w, w->now - chance(DAY), NULL);
	saved_text_append(w->saved, 0, w->uidnext - 1, w->guidnext - 1);
}

/* A conversion: all get other uids, in another order. Whoever looks for one
   finds it by what is saved. */
static void event_convert(struct world *w)
{
	struct popinjay_uidl_saved *saved = saved_text_read(w->saved->str);
	unsigned int i;

	w->uidvalidity++;
	tell(w, "UIDVALIDITY is %u", w->uidvalidity);
	for (i = 0; i < w->messages->len; i++) {
		struct message *message = message_at(w, i), swap;
		unsigned int j = chance(3) == 0 ? chance(i + 1) : i;

		if (!saved_text_has(saved, message->guid, w->uidvalidity - 1,
				    message->uid)) {
			/* no session has saved it: it is a new one */
			memset(message->seen, 0, sizeof(message->seen));
			memset(message->kept, 0, sizeof(message->kept));
			memset(message->unclear,
			       saved_text_has(saved, message->guid, 0, 0),
			       sizeof(message->unclear));
		}
		swap = *message;
		*message = *message_at(w, j);
		*message_at(w, j) = swap;
	}
	popinjay_uidl_saved_free(&saved);
	w->uidnext = 1 + chance(5);
	for (i = 0; i < w->messages->len; i++) {
		tell(w, "uid %u is %u now", message_at(w, i)->uid, w->uidnext);
		message_at(w, i)->uid = w->uidnext;
		w->uidnext += 1 + chance(3);
	}
}

/* All is as it was some time ago: what came since is gone, and the next ones
   get its uids. */
static void event_restore(struct world *w)
{
	unsigned int keep = chance(w->messages->len + 1);

	g_array_set_size(w->messages, keep);
	w->uidnext = keep == 0 ? 1 : message_at(w, keep - 1)->uid + 1;
	tell(w, "uidnext is %u again", w->uidnext);
}

static void event_settings(struct world *w)
{
	unsigned int v = chance(VIEWS);

	w->windows[v].age_secs = chance(2) == 0 ? 0 :
		(time_t)(1 + chance(40)) * DAY;
	w->windows[v].messages = chance(2) == 0 ? 0 : 1 + chance(8);
	w->keeps[v] = chance(2) == 0;
	tell(w, "%s: age %ld days, %u messages, keep %u", view_ids[v],
	     (long)w->windows[v].age_secs / DAY, w->windows[v].messages,
	     w->keeps[v]);
}

static void event_time(struct world *w)
{
	w->now += chance(10) == 0 ? chance(40 * DAY) : chance(3 * DAY);
	/* somebody sets it right in the end */
	if (w->now - w->ahead_since > 15 * DAY)
		w->ahead = 0;
}

static void event_clock(struct world *w)
{
	w->ahead_since = w->now;
	w->ahead = chance(2) == 0 ? 0 :
		(time_t)g_test_rand_int_range(-100, 500) * DAY;
	tell(w, "the clock is %ld days ahead", (long)w->ahead / DAY);
}

/* --- The file --- */

static void forget_all(struct world *w)
{
	for (unsigned int i = 0; i < w->messages->len; i++) {
		struct message *message = message_at(w, i);

		memset(message->seen, 0, sizeof(message->seen));
		memset(message->kept, 0, sizeof(message->kept));
	}
}

/* Views begin anew. */
static void event_lose_file(struct world *w)
{
	tell(w, "the file is gone");
	g_clear_pointer(&w->file, g_free);
	forget_all(w);
}

static void write_file(struct world *w, const struct popinjay_views *views)
{
	string_t *text = t_str_new(512);

	popinjay_views_write(views, text);
	g_free(w->file);
	w->file = g_strdup(str_c(text));
	tell(w, "%s", w->file);
}

static struct popinjay_views *read_file(struct world *w)
{
	struct popinjay_views *views = popinjay_views_create();
	const char *error;

	if (w->file != NULL && popinjay_views_parse(views, w->file,
			strlen(w->file), &error) < 0)
		g_error("%s: %s", error, w->file);
	return views;
}

/* A session under a damaged file shows nothing; the file is mended. */
static void event_damage(struct world *w)
{
	struct popinjay_views *views = popinjay_views_create();
	const char *error;
	size_t size;

	if (w->file != NULL) {
		size = chance(strlen(w->file));
		g_assert_cmpint(popinjay_views_parse(views, w->file, size,
						     &error), ==, -1);
		g_assert_cmpuint(array_count(popinjay_views_get(views)), ==, 0);
	}
	popinjay_views_free(&views);
}

/* Find what is saved of each message: NULL if there is nothing. */
static struct popinjay_uidl_entry **
match_saved(struct world *w, struct popinjay_uidl_saved *saved)
{
	struct popinjay_uidl_entry **entries =
		t_new(struct popinjay_uidl_entry *, w->messages->len + 1);
	bool *rest = t_new(bool, w->messages->len + 1);
	const struct message *message;
	unsigned int i;

	for (i = 0; i < w->messages->len; i++) {
		message = message_at(w, i);
		entries[i] = popinjay_uidl_saved_find(saved, w->uidvalidity,
			message->uid, t_saved_key(message->guid), &rest[i]);
	}
	for (i = 0; i < w->messages->len; i++) {
		message = message_at(w, i);
		if (rest[i])
			entries[i] = popinjay_uidl_saved_find_rest(saved,
				t_saved_key(message->guid));
	}
	return entries;
}

/* Give all entries their uids of now, and save what is not saved yet. */
static void save_uidls(struct world *w)
{
	const struct popinjay_uidl_view view = {
		w->now, w->uidvalidity, w->uidnext
	};
	struct popinjay_uidl_saved *saved = saved_text_read(w->saved->str);
	struct popinjay_uidl_entry **entries = match_saved(w, saved);
	string_t *text = t_str_new(1024);
	unsigned int i;

	for (i = 0; i < w->messages->len; i++)
		saved_text_set(saved, entries[i], w->uidvalidity,
			       message_at(w, i)->uid, message_at(w, i)->guid);
	popinjay_uidl_saved_write(saved, &view, text);
	g_string_assign(w->saved, str_c(text));
	w->saved_uidvalidity = w->uidvalidity;
	popinjay_uidl_saved_free(&saved);
}

/* Find messages again by what is saved, as whoever is about to rewrite it
   does. */
static bool map_views(struct world *w, struct popinjay_views *views)
{
	struct popinjay_uidl_saved *saved = saved_text_read(w->saved->str);
	struct popinjay_uidl_entry **entries = match_saved(w, saved);
	ARRAY_TYPE(popinjay_view_moved) moved;
	struct popinjay_view *view;
	bool mapped = FALSE;
	uint32_t first_uid;
	unsigned int i;

	t_array_init(&moved, 32);
	for (i = 0; i < w->messages->len; i++) {
		if (entries[i] != NULL) {
			struct popinjay_view_moved move = {
				entries[i]->uidvalidity, entries[i]->uid,
				message_at(w, i)->uid
			};

			array_push_back(&moved, &move);
		}
	}
	array_foreach_elem(popinjay_views_get(views), view) {
		first_uid = popinjay_view_map_from(view, w->uidvalidity,
						   w->uidnext);
		if (first_uid == 0)
			continue;
		(void)popinjay_view_map(view, w->uidvalidity, first_uid,
					&moved);
		w->mapped++;
		mapped = TRUE;
	}
	popinjay_uidl_saved_free(&saved);
	return mapped;
}

/* --- A session, in which there may be another one --- */

static bool test_received(void *context, unsigned int idx, time_t *date_r)
{
	struct world *w = context;

	*date_r = message_at(w, idx)->received;
	return TRUE;
}

/* Returns TRUE if the view may begin to hide a message. */
static bool
may_hide(struct world *w, unsigned int v, unsigned int idx, time_t now)
{
	const struct popinjay_window *window = &w->windows[v];
	const struct message *message = message_at(w, idx);
	unsigned int i, newer = 0;

	for (i = idx + 1; i < w->messages->len; i++) {
		if (!message_at(w, i)->kept[v])
			newer++;
	}
	return message->kept[v] ||
		(window->age_secs > 0 &&
		 message->received < now - window->age_secs) ||
		(window->messages > 0 && newer >= window->messages);
}

static void fail(struct world *w, unsigned int v, const struct message *message,
		 const char *what)
{
	g_printerr("%s", w->story->str);
	g_error("%s: uid %u %s", view_ids[v], message->uid, what);
}

/* killed: the client does not see it any more. */
static void
check_shown(struct world *w, unsigned int v, const struct popinjay_view *view,
	    time_t now, bool killed)
{
	for (unsigned int i = 0; i < w->messages->len; i++) {
		struct message *message = message_at(w, i);
		bool shown = view == NULL ||
			popinjay_view_hides(view, message->uid) ==
			POPINJAY_VIEW_SHOWN;

		if (shown && message->seen[v] == HIDDEN)
			fail(w, v, message, "comes back");
		if (!shown && message->seen[v] != HIDDEN &&
		    !message->unclear[v] && !may_hide(w, v, i, now))
			fail(w, v, message, "is hidden without a reason");
		if (shown && killed)
			continue;
		if (shown)
			w->shown++;
		else if (message->seen[v] == SHOWN)
			w->hidden++;
		message->seen[v] = shown ? SHOWN : HIDDEN;
		message->unclear[v] = FALSE;
	}
}

/* The client deletes some of what it was shown. */
static void
client_deletes(struct world *w, unsigned int v,
	       const struct popinjay_view_opening *opening)
{
	ARRAY_TYPE(seq_range) uids;
	struct popinjay_views *views;
	unsigned int i;

	t_array_init(&uids, 8);
	for (i = w->messages->len; i > 0; i--) {
		struct message *message = message_at(w, i - 1);

		if (message->seen[v] != SHOWN || chance(4) != 0)
			continue;
		tell(w, "%s deletes uid %u", view_ids[v], message->uid);
		if (w->keeps[v]) {
			message->kept[v] = TRUE;
			seq_range_array_add(&uids, message->uid);
		}
	}
	if (array_count(&uids) > 0) {
		/* another session may have written since */
		views = read_file(w);
		g_assert_true(popinjay_view_keep_all(views, opening, &uids));
		write_file(w, views);
		popinjay_views_free(&views);
	}
	if (w->keeps[v])
		return;
	for (i = w->messages->len; i > 0; i--) {
		if (message_at(w, i - 1)->seen[v] == SHOWN && chance(4) == 0)
			g_array_remove_index(w->messages, i - 1);
	}
}

static void session(struct world *w, unsigned int v, bool alone)
{
	uint32_t *uids = t_new(uint32_t, w->messages->len + 1);
	struct popinjay_view_opening opening = {
		.view_id = view_ids[v],
		.window = w->windows[v],
		.now = w->now + w->ahead,
		.uidvalidity = w->uidvalidity,
		.uidnext = w->uidnext,
		.mailbox = { uids, w->messages->len, test_received, w }
	};
	struct popinjay_views *views = read_file(w);
	const struct popinjay_view *view;
	const char *error;
	unsigned int i;
	bool write;

	for (i = 0; i < w->messages->len; i++)
		uids[i] = message_at(w, i)->uid;
	tell(w, "session of %s", view_ids[v]);
	if (map_views(w, views))
		write_file(w, views);
	save_uidls(w);
	write = popinjay_view_open(views, &opening, &view, &error);
	if (error != NULL)
		w->doubted++;
	if (chance(20) == 0) {
		tell(w, "killed before it writes");
	} else {
		if (write)
			write_file(w, views);
		bool killed = chance(20) == 0;

		if (killed)
			tell(w, "killed before it shows anything");
		check_shown(w, v, view, opening.now, killed);
		if (!alone && chance(3) == 0) {
			event_deliver(w);
			session(w, chance(VIEWS), TRUE);
		}
		if (!killed && chance(3) == 0)
			client_deletes(w, v, &opening);
	}
	popinjay_views_free(&views);
}

static const struct event {
	unsigned int weight;
	void (*happens)(struct world *w);
} events[] = {
	{ 20, event_deliver }, { 12, event_sync }, { 3, event_append },
	{ 4, event_expunge }, { 4, event_move }, { 1, event_convert },
	{ 4, event_settings }, { 15, event_time }, { 2, event_clock },
	{ 2, event_damage }
};

static void one_event(struct world *w)
{
	unsigned int i, all = 0, weight;

	for (i = 0; i < N_ELEMENTS(events); i++)
		all += events[i].weight;
	weight = chance(all);
	for (i = 0; weight >= events[i].weight; i++)
		weight -= events[i].weight;
	events[i].happens(w);
}

static void world_free(struct world *w)
{
	g_array_unref(w->messages);
	g_string_free(w->saved, TRUE);
	g_string_free(w->story, TRUE);
	g_free(w->file);
}

/* What any session notices at once, so that it has to be the next one. */
static void rare_event(struct world *w)
{
	if (chance(2) == 0) {
		event_lose_file(w);
	} else {
		event_restore(w);
		session(w, chance(VIEWS), FALSE);
	}
}

static void test_random(void)
{
	const unsigned int worlds = g_test_thorough() ? 5000 : 100;
	unsigned int i, step, v;
	unsigned int shown = 0, hidden = 0, mapped = 0, doubted = 0;

	for (i = 0; i < worlds; i++) {
		struct world w = {
			.messages = g_array_new(FALSE, FALSE,
						sizeof(struct message)),
			.saved = g_string_new(NULL),
			.story = g_string_new(NULL),
			.uidvalidity = 5, .uidnext = 1, .guidnext = 1,
			.now = NOW
		};

		for (v = 0; v < VIEWS; v++)
			event_settings(&w);
		for (step = 0; step < 200; step++) T_BEGIN {
			one_event(&w);
			if (chance(100) == 0)
				rare_event(&w);
			if (chance(2) == 0)
				session(&w, chance(VIEWS), FALSE);
		} T_END;
		shown += w.shown;
		hidden += w.hidden;
		mapped += w.mapped;
		doubted += w.doubted;
		world_free(&w);
	}
	g_test_message("shown %u, hidden %u, mapped %u, doubted %u", shown,
		       hidden, mapped, doubted);
	/* it was not for nothing */
	g_assert_cmpuint(shown, >, worlds * 50);
	g_assert_cmpuint(hidden, >, worlds * 5);
	g_assert_cmpuint(mapped, >, worlds);
	g_assert_cmpuint(doubted, >, worlds / 20);
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/view/random", test_random);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
