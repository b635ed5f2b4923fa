/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEW_OPEN_H
#define POPINJAY_VIEW_OPEN_H

#include "seq-range-array.h"
#include "window.h"

/* What a session does with its view, in the order that keeps the promise: no
   message that the view has shown and then not shown is ever shown to it
   again. The caller holds the lock of the file, has read it, and writes it
   where it is told to, before a client sees anything. */

struct popinjay_view;
struct popinjay_views;

struct popinjay_view_opening {
	const char *view_id;
	/* as the settings want it now */
	struct popinjay_window window;

	time_t now;
	uint32_t uidvalidity, uidnext;
	struct popinjay_window_mailbox mailbox;
};

/* Begin a session: raise the floor, note the use. Views
   that popinjay_view_map_from() asks for have been mapped. *view_r tells what
   is hidden until the end of the session, or NULL if nothing is: the view then
   needs no line in the file. *error_r gets what to log as an error, or NULL.
   Returns TRUE if the file has to be written. */
bool popinjay_view_open(struct popinjay_views *views,
			const struct popinjay_view_opening *opening,
			const struct popinjay_view **view_r,
			const char **error_r);

/* Hide these uids, that a client has deleted and that stay, from the view.
   Returns TRUE, and the file has to be written; or FALSE if the view has got
   another UIDVALIDITY since the session began. */
bool popinjay_view_keep_all(struct popinjay_views *views,
			    const struct popinjay_view_opening *opening,
			    const ARRAY_TYPE(seq_range) *uids);

#endif
