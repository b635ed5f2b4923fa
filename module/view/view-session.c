/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: a session's view on disk. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "uidl-box.h"
#include "uidl-renumber.h"
#include "view-open.h"
#include "view-session.h"
#include "view-store.h"
#include "views.h"

/* Returns TRUE if the view knows the messages by other uids. */
static bool needs_map(struct popinjay_view_store *store,
		      const struct popinjay_view_opening *opening)
{
	const struct popinjay_view *view = popinjay_views_find(
		popinjay_view_store_get(store), opening->view_id);

	return view != NULL &&
		(view->uidvalidity != opening->uidvalidity ||
		 popinjay_view_store_map_from(store, view) != 0);
}

static int renumber(struct mailbox *box, const char **error_r)
{
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);

	if (ubox == NULL) {
		*error_r = "This mailbox has no UIDLs of Popinjay";
		return -1;
	}
	return popinjay_uidl_renumber(ubox, error_r);
}

/* Lock the file, which knows the messages by their uids of now when this
   returns 0. */
static int
session_lock(struct popinjay_view_store *store, struct mailbox *box,
	     const struct popinjay_view_opening *opening, const char **error_r)
{
	/* the lock of popinjay-uidl comes first */
	if (renumber(box, error_r) < 0 ||
	    popinjay_view_store_lock(store, error_r) < 0)
		return -1;
	if (!needs_map(store, opening))
		return 0;
	popinjay_view_store_unlock(store);
	*error_r = t_strdup_printf("The messages of %s have other UIDs since "
		"this session began", popinjay_view_store_path(store));
	return -1;
}

int popinjay_view_session_begin(struct popinjay_view_store *store,
				struct mailbox *box,
				const struct popinjay_view_opening *opening,
				const struct popinjay_view **view_r,
				const char **error_r)
{
	const char *error;
	int ret = 0;

	*view_r = NULL;
	if (popinjay_view_store_read(store, error_r) < 0)
		return -1;
	if (!needs_map(store, opening) &&
	    !popinjay_view_open(popinjay_view_store_get(store), opening,
				view_r, &error))
		return 0;

	*view_r = NULL;
	if (session_lock(store, box, opening, error_r) < 0)
		return -1;
	/* it was of what stood there without the lock */
	if (popinjay_view_open(popinjay_view_store_get(store), opening, view_r,
			       &error))
		ret = popinjay_view_store_write(store, error_r);
	popinjay_view_store_unlock(store);
	if (ret < 0)
		*view_r = NULL;
	else if (error != NULL)
		e_error(box->event, "popinjay: %s", error);
	return ret;
}

int popinjay_view_session_keep(struct popinjay_view_store *store,
			       struct mailbox *box,
			       const struct popinjay_view_opening *opening,
			       const ARRAY_TYPE(seq_range) *uids,
			       const char **error_r)
{
	int ret = -1;

	if (session_lock(store, box, opening, error_r) < 0)
		return -1;
	if (popinjay_view_keep_all(popinjay_view_store_get(store), opening,
				   uids))
		ret = popinjay_view_store_write(store, error_r);
	else
		*error_r = "The UIDVALIDITY has changed";
	popinjay_view_store_unlock(store);
	return ret;
}
