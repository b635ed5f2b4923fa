/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: what a session does with its view. */

#include "lib.h"
#include "array.h"
#include "views.h"
#include "view-open.h"

static uint32_t
highest_shown(const struct popinjay_view *view,
	      const struct popinjay_window_mailbox *mailbox)
{
	unsigned int idx = mailbox->count;

	while (idx > 0 && popinjay_view_hides(view, mailbox->uids[idx - 1]) !=
	       POPINJAY_VIEW_SHOWN)
		idx--;
	return idx == 0 ? 0 : mailbox->uids[idx - 1];
}

bool popinjay_view_open(struct popinjay_views *views,
			const struct popinjay_view_opening *opening,
			const struct popinjay_view **view_r,
			const char **error_r)
{
	struct popinjay_view *view;
	struct popinjay_window_result result;
	bool changed;

	*error_r = NULL;
	*view_r = NULL;
	view = popinjay_views_find(views, opening->view_id);
	if (view == NULL && opening->window.age_secs == 0 &&
	    opening->window.messages == 0)
		return FALSE;
	if (view == NULL) {
		view = popinjay_views_add(views, opening->view_id,
					  opening->uidvalidity);
	}
	i_assert(view->uidvalidity == opening->uidvalidity);

	popinjay_window_look(&opening->window, view, &opening->mailbox,
			     opening->now, &result);
	*error_r = result.error;
	changed = popinjay_window_apply(view, &result);
	if (popinjay_view_use(view, opening->now,
			      highest_shown(view, &opening->mailbox)))
		changed = TRUE;
	*view_r = view;
	return changed;
}

bool popinjay_view_keep_all(struct popinjay_views *views,
			    const struct popinjay_view_opening *opening,
			    const ARRAY_TYPE(seq_range) *uids)
{
	struct popinjay_view *view =
		popinjay_views_add(views, opening->view_id,
				   opening->uidvalidity);

	if (view->uidvalidity != opening->uidvalidity)
		return FALSE;
	seq_range_array_merge(&view->keep, uids);
	popinjay_view_join_ranges(view, opening->mailbox.uids,
				  opening->mailbox.count, opening->uidnext);
	(void)popinjay_view_use(view, opening->now,
				highest_shown(view, &opening->mailbox));
	return TRUE;
}
