/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEW_SESSION_H
#define POPINJAY_VIEW_SESSION_H

#include "seq-range-array.h"

/* A session's view on disk: nothing is hidden from a client before the file
   says so. popinjay_view_moved_hook has to be set, and UIDLs to be saved
   (popinjay_uidl_save). */

struct mailbox;
struct popinjay_view;
struct popinjay_view_opening;
struct popinjay_view_store;

/* Begin a session as popinjay_view_open() says. The mailbox was synced just
   before. Takes the lock only if the file has to be written, once a day or when
   something new is hidden. What is to be logged as an error is. Returns 0; or
   -1 with the reason in error_r: the file cannot be used, and a view that may
   hide something must not show anything. *view_r lives until the next call. */
int popinjay_view_session_begin(struct popinjay_view_store *store,
				struct mailbox *box,
				const struct popinjay_view_opening *opening,
				const struct popinjay_view **view_r,
				const char **error_r);

/* Hide from the view what a client has deleted. It is on disk when this returns
   0; if it returns -1, with the reason in error_r, nothing is hidden. */
int popinjay_view_session_keep(struct popinjay_view_store *store,
			       struct mailbox *box,
			       const struct popinjay_view_opening *opening,
			       const ARRAY_TYPE(seq_range) *uids,
			       const char **error_r);

#endif
