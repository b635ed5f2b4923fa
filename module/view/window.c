/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the floor of a view that shows only what is new. */

#include "lib.h"
#include "array.h"
#include "time-util.h"
#include "views.h"
#include "window.h"

struct look {
	const struct popinjay_view *view;
	const struct popinjay_window_mailbox *mailbox;
	/* received from then on is inside */
	time_t since;
	/* the first message that the saved floor does not hide */
	unsigned int first;
	unsigned int lookups;
	/* messages that are outside may stand above the floor */
	bool more:1;
};

struct popinjay_window
popinjay_window_stricter(const struct popinjay_window *window1,
			 const struct popinjay_window *window2)
{
	struct popinjay_window window = *window1;

	if (window2->age_secs > 0 && (window.age_secs == 0 ||
				      window2->age_secs < window.age_secs))
		window.age_secs = window2->age_secs;
	if (window2->messages > 0 && (window.messages == 0 ||
				      window2->messages < window.messages))
		window.messages = window2->messages;
	return window;
}

/* Returns the place of the first message from uid on. */
static unsigned int
find_uid(const struct popinjay_window_mailbox *mailbox, uint32_t uid)
{
	unsigned int low = 0, high = mailbox->count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (mailbox->uids[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Returns a floor that hides the messages before this place. */
static uint32_t
floor_at(const struct popinjay_window_mailbox *mailbox, unsigned int idx)
{
	if (idx == 0)
		return 1;
	return idx < mailbox->count ? mailbox->uids[idx] :
		mailbox->uids[idx - 1] + 1;
}

static uint32_t
floor_by_number(const struct look *look, unsigned int messages)
{
	unsigned int idx = look->mailbox->count, shown = 0;

	while (idx > look->first) {
		if (popinjay_view_hides(look->view,
				look->mailbox->uids[idx - 1]) !=
		    POPINJAY_VIEW_HIDDEN_KEEP && ++shown > messages)
			return floor_at(look->mailbox, idx);
		idx--;
	}
	return look->view->floor;
}

static bool is_inside(struct look *look, unsigned int idx)
{
	time_t date;

	look->lookups++;
	return !look->mailbox->received(look->mailbox->context, idx, &date) ||
		date >= look->since;
}

/* Returns the place of the lowest message inside that is above no row of
   messages outside. */
static unsigned int look_downward(struct look *look, unsigned int end)
{
	unsigned int idx, found = look->mailbox->count, outside = 0;

	for (idx = found; idx > end; idx--) {
		if (outside == POPINJAY_WINDOW_FIRST_LOOKUPS)
			break;
		if (is_inside(look, idx - 1)) {
			found = idx - 1;
			outside = 0;
		} else {
			outside++;
		}
	}
	return found;
}

static uint32_t floor_by_age(struct look *look)
{
	bool is_first = look->view->used == 0;
	unsigned int idx = look->first, most = is_first ?
		POPINJAY_WINDOW_FIRST_LOOKUPS : POPINJAY_WINDOW_LOOKUPS;

	while (idx < look->mailbox->count) {
		if (look->lookups == most) {
			if (is_first)
				idx = look_downward(look, idx);
			else
				look->more = TRUE;
			break;
		}
		if (is_inside(look, idx))
			break;
		idx++;
	}
	return I_MAX(look->view->floor, floor_at(look->mailbox, idx));
}

/* Returns TRUE if a floor hides more than half of what was shown last time, or
   of what would be shown. */
static bool hides_most(const struct look *look, uint32_t floor)
{
	unsigned int idx, all = 0, hidden = 0, last_all = 0, last_hidden = 0;
	uint32_t uid;

	for (idx = look->first; idx < look->mailbox->count; idx++) {
		uid = look->mailbox->uids[idx];
		if (popinjay_view_hides(look->view, uid) !=
		    POPINJAY_VIEW_SHOWN)
			continue;
		all++;
		if (uid < floor)
			hidden++;
		if (uid > look->view->shown_uid)
			continue;
		last_all++;
		if (uid < floor)
			last_hidden++;
	}
	return hidden > all / 2 || last_hidden > last_all / 2;
}

static bool
is_in_doubt(const struct look *look, time_t age_secs, time_t now,
	    uint32_t floor)
{
	const struct popinjay_view *view = look->view;

	return view->used != 0 && floor > view->floor &&
		now - view->used > I_MAX(age_secs, POPINJAY_VIEW_USED_SECS) &&
		(look->more || hides_most(look, floor));
}

static const char *
t_doubt(const struct popinjay_view *view, time_t now, uint32_t floor)
{
	return t_strdup_printf(
		"View %s was last used at %s, and the clock says it is %s: "
		"the window would hide most of what it shows, for good "
		"(everything below UID %u instead of %u). It hides nothing "
		"more until a session at least a day later agrees. Check the "
		"clock of this host",
		view->id, t_strfgmtime("%Y-%m-%dT%H:%M:%SZ", view->used),
		t_strfgmtime("%Y-%m-%dT%H:%M:%SZ", now), floor,
		view->floor);
}

void popinjay_window_look(const struct popinjay_window *window,
			  const struct popinjay_view *view,
			  const struct popinjay_window_mailbox *mailbox,
			  time_t now, struct popinjay_window_result *result_r)
{
	struct look look = {
		.view = view,
		.mailbox = mailbox,
		.since = now - window->age_secs,
		.first = find_uid(mailbox, view->floor)
	};
	uint32_t floor;

	i_zero(result_r);
	result_r->floor = view->floor;
	if (window->messages > 0)
		result_r->floor = floor_by_number(&look, window->messages);
	if (window->age_secs == 0)
		return;
	floor = floor_by_age(&look);
	result_r->lookups = look.lookups;
	if (!is_in_doubt(&look, window->age_secs, now, floor)) {
		result_r->floor = I_MAX(result_r->floor, floor);
		return;
	}
	if (view->doubted == 0 || now < view->doubted) {
		result_r->doubted = now;
		result_r->error = t_doubt(view, now, floor);
	} else if (now - view->doubted < POPINJAY_VIEW_AGREE_SECS) {
		result_r->doubted = view->doubted;
	} else {
		result_r->floor = I_MAX(result_r->floor, floor);
	}
}

bool popinjay_window_apply(struct popinjay_view *view,
			   const struct popinjay_window_result *result)
{
	bool changed = view->doubted != result->doubted;

	view->doubted = result->doubted;
	return popinjay_view_raise(view, result->floor) || changed;
}
