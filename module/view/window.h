/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_WINDOW_H
#define POPINJAY_WINDOW_H

/* From which message on a view shows the INBOX, where only what is new is
   wanted: by age, by number, or both. All below this floor is hidden, all from
   it on is shown, whatever its date. The floor only rises:

   By number: it is the uid of the Nth newest message, by uid, of those that no
   client of the view has deleted.

   By age: it is the first uid whose received date is inside the window. Uids
   ascend in the order of arrival, received dates need not: a migration may
   bring them in any order, and a message that is moved by IMAP keeps its date.
   So no search by halving is right. Dates are looked at from the saved floor
   upward until the first one inside: those are the messages that have become
   too old since, and each is looked at once in the life of a view. Promised
   is:

   - A session looks at POPINJAY_WINDOW_LOOKUPS dates at most. Where that is not
     enough, the floor rises as far as was looked, and further next time: some
     messages that are too old are shown meanwhile.
   - A view that is used for the first time must not show 100,000 old messages.
     If the first POPINJAY_WINDOW_FIRST_LOOKUPS dates are all outside, it goes
     on from the newest message downward until so many in a row are outside; the
     floor is the lowest one inside that was seen. This costs as much as there
     is to be shown, and no more than that for what is old. Only here a message
     inside can be hidden: one that stands between two rows of so many that are
     outside, by uid, as when 10,000 old messages were imported on top of it
     into a mailbox that had 10,000 below it. Other views show it.
   - A date that is not known is inside.

   A rise by age is for good, so the clock is not trusted blindly: see
   popinjay_window_look(). */

#define POPINJAY_WINDOW_LOOKUPS 1000
#define POPINJAY_WINDOW_FIRST_LOOKUPS 10000

struct popinjay_view;

struct popinjay_window {
	/* 0: no limit */
	time_t age_secs;
	unsigned int messages;
};

struct popinjay_window_mailbox {
	/* of all messages, in ascending order */
	const uint32_t *uids;
	unsigned int count;
	/* Returns TRUE with when the message was received, or FALSE if that is
	   not known. idx is its place in uids. */
	bool (*received)(void *context, unsigned int idx, time_t *date_r);
	void *context;
};

struct popinjay_window_result {
	/* at least the saved floor */
	uint32_t floor;
	/* since when a rise by age is in doubt, or 0 */
	time_t doubted;
	/* dates that were looked at */
	unsigned int lookups;
	/* what to log as an error, once for each doubt, or NULL; in the data
	   stack */
	const char *error;
};

/* Returns the window that shows no more than either. */
struct popinjay_window
popinjay_window_stricter(const struct popinjay_window *window1,
			 const struct popinjay_window *window2);

/* Tell what a session now makes of the view's floor. Nothing is changed: apply
   it with popinjay_window_apply(), write the view, and then show messages.

   A rise by age is in doubt, and not taken, if the view was last used longer
   ago than the window is long, and more than a day ago, and the rise would hide
   more than half of what the view showed last time, or of what it would show
   now, or dates remain to be looked at: the clock may be ahead, and all would
   be hidden for good. The doubt ends when a later
   session finds no reason for it, or one at least POPINJAY_VIEW_AGREE_SECS
   later finds the same reason: then it is taken. A rise by number needs no
   clock. */
void popinjay_window_look(const struct popinjay_window *window,
			  const struct popinjay_view *view,
			  const struct popinjay_window_mailbox *mailbox,
			  time_t now, struct popinjay_window_result *result_r);

/* Change the view so. Returns TRUE if it has to be written before any message
   is shown. */
bool popinjay_window_apply(struct popinjay_view *view,
			   const struct popinjay_window_result *result);

#endif
