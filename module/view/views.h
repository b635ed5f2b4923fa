/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEWS_H
#define POPINJAY_VIEWS_H

#include "seq-range-array.h"
#include "time-units.h"

/* What each view hides of the INBOX, as the text of its file and in memory. A
   view is what one login sees: an app secret, by its id, or all devices that
   log in with the account's password, which share the view "account".

   The file is

       popinjay-views 1 COUNT
       ID FIELD=VALUE FIELD=VALUE ...
       ...

   COUNT is the number of views, a line for each in the order of their ids, with
   a FIELD at most once:

       uidvalidity  the UIDVALIDITY that all uids of this line belong to
       floor        no lower uid is shown
       shown        the highest uid that was shown, as far as known; 0: none
       used         when it was last used, or up to a day before that; absent
                    if it never was
       doubted      when a rise of the floor was first doubted, see window.h;
                    absent unless one is
       window       other uids that the window hides: those that the floor hid
                    under an earlier UIDVALIDITY; absent if there are none
       keep         uids that stay in the INBOX though a client of this view
                    has deleted them; absent if there are none

   A time is in UTC: 2026-11-29T20:15:00Z. uids are ranges in ascending order:
   1:5,7,9:100000.

   A file that is not so is damaged and nothing in it is used: to guess would
   hide mail, or show what was hidden. Another version than 1 is an error too.
   A later version of Popinjay may add fields which this one can do without if
   their names begin with "x-": they are written back as they were read. Other
   unknown fields are damage.

   What is hidden stays hidden: a floor only rises and ranges only grow, except
   by popinjay_view_reset(). No view goes by itself, however long nobody has
   used it: that would show all again, and by a wrong clock to those who use it.
   Whoever changes a view has it on disk before a client sees the change. */

#define POPINJAY_VIEW_ACCOUNT "account"

/* A view that is used is written for that alone once in so long. */
#define POPINJAY_VIEW_USED_SECS SECS_IN_DAY
/* For a window, the clock is believed if two sessions at least so far apart
   agree. */
#define POPINJAY_VIEW_AGREE_SECS SECS_IN_DAY

struct popinjay_views;

enum popinjay_view_hidden {
	POPINJAY_VIEW_SHOWN = 0,
	POPINJAY_VIEW_HIDDEN_WINDOW,
	POPINJAY_VIEW_HIDDEN_KEEP
};

struct popinjay_view {
	const char *id;
	uint32_t uidvalidity;
	uint32_t floor;
	uint32_t shown_uid;
	/* 0: never, or not in doubt */
	time_t used, doubted;
	ARRAY_TYPE(seq_range) window, keep;
	/* unknown fields with a space before each, "" if there are none */
	const char *unknown;
};
ARRAY_DEFINE_TYPE(popinjay_view, struct popinjay_view *);

/* Where a message is that had a uid of some UIDVALIDITY. */
struct popinjay_view_moved {
	/* 0 if nobody knows */
	uint32_t old_uidvalidity;
	uint32_t old_uid;
	/* 0 if it is gone */
	uint32_t new_uid;
};
ARRAY_DEFINE_TYPE(popinjay_view_moved, struct popinjay_view_moved);

/* --- The file --- */

/* Returns no views. */
struct popinjay_views *popinjay_views_create(void);
/* Free them and set *views to NULL. Does nothing if it is NULL. */
void popinjay_views_free(struct popinjay_views **views);

/* Parse the text of a file into views, which is empty. Returns 0, or -1 with
   the reason in error_r, and views is empty still. */
int popinjay_views_parse(struct popinjay_views *views, const void *data,
			 size_t size, const char **error_r);
/* Append the text of the file to dest. */
void popinjay_views_write(const struct popinjay_views *views, string_t *dest);

/* --- All views --- */

/* Returns all views in the order of their ids. The next call that adds or
   removes one changes it. */
const ARRAY_TYPE(popinjay_view) *
popinjay_views_get(const struct popinjay_views *views);

/* Returns TRUE if a view may have this id: 1 to 64 letters, digits, "-", "_"
   and ".". */
bool popinjay_view_id_is_valid(const char *id);

/* Returns the view, or NULL if there is none of this id. */
struct popinjay_view *
popinjay_views_find(const struct popinjay_views *views, const char *id);
/* Returns the view; one that there was not hides nothing. id has to be
   valid. */
struct popinjay_view *
popinjay_views_add(struct popinjay_views *views, const char *id,
		   uint32_t uidvalidity);
/* Returns TRUE if there was such a view. */
bool popinjay_views_remove(struct popinjay_views *views, const char *id);

/* --- One view --- */

/* Returns whether the view hides a uid, and by what. Keep comes first. */
enum popinjay_view_hidden
popinjay_view_hides(const struct popinjay_view *view, uint32_t uid);

/* Hide a uid that a client has deleted. */
void popinjay_view_keep(struct popinjay_view *view, uint32_t uid);
/* Hide all uids below floor. Returns TRUE if the floor was lower. */
bool popinjay_view_raise(struct popinjay_view *view, uint32_t floor);

/* A view was used now and showed no higher uid than shown_uid, 0 if none.
   Returns TRUE if that is worth writing. A rise in doubt leaves the last use
   as it was: the doubt is about the clock. */
bool popinjay_view_use(struct popinjay_view *view, time_t now,
		       uint32_t shown_uid);

/* Show again what the window hides from uid on; what a client has deleted stays
   hidden. A rise in doubt is forgotten. Returns TRUE if anything changed. */
bool popinjay_view_reset(struct popinjay_view *view, uint32_t uid);

/* Returns 0 if the view knows this mailbox, or the first uid that may be of
   another message than the view knows: popinjay_view_map() has to come first.
   At another uidvalidity that is 1. It is uidnext, which has to be read later
   than the view was, if the view knows of a higher uid: then the mailbox is
   older than the view, as when it was restored from a backup. That can only be
   seen until as many messages have come again. */
uint32_t popinjay_view_map_from(const struct popinjay_view *view,
				uint32_t uidvalidity, uint32_t uidnext);

/* Uids from first_uid on are of other messages now; moved tells where those
   that were found again are, in any order. These are hidden if they were, by
   what they were; what was not found is shown, and so is what had its uid at
   another UIDVALIDITY than the view's, or at one that nobody knows. At another
   uidvalidity first_uid is 1, and so is the new floor. Returns TRUE if moved
   has any uid of the view's UIDVALIDITY. */
bool popinjay_view_map(struct popinjay_view *view, uint32_t uidvalidity,
		       uint32_t first_uid,
		       const ARRAY_TYPE(popinjay_view_moved) *moved);

/* Join ranges of keep with no message between them, so that they do not become
   many. uids are those of all messages in ascending order, and no message comes
   with a uid below uidnext. Hides no message that was not hidden. */
void popinjay_view_join_ranges(struct popinjay_view *view,
			       const uint32_t *uids, unsigned int count,
			       uint32_t uidnext);

#endif
