/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: views follow their messages to another UIDVALIDITY. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "uidl-renumber.h"
#include "views.h"
#include "view-moved.h"
#include "view-store.h"

/* Returns the first uid that is of another message than the view knows, or 0.
   If the UIDVALIDITY is the same, the session that asks for this has seen that
   the mailbox is older than the view. */
static uint32_t
map_from(struct mailbox *box, const struct popinjay_view *view, uint32_t uidls)
{
	struct mailbox_status status;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY | STATUS_UIDNEXT,
				&status);
	if (view->uidvalidity == status.uidvalidity &&
	    uidls != status.uidvalidity)
		return 0;
	return popinjay_view_map_from(view, status.uidvalidity,
				      status.uidnext);
}

static uint32_t get_uidvalidity(struct mailbox *box)
{
	struct mailbox_status status;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	return status.uidvalidity;
}

static bool moved_wanted(struct mailbox *box)
{
	struct popinjay_view_store *store = popinjay_view_store_create(box);
	const char *error;
	bool wanted;

	/* a file that cannot be read concerns those who hide something */
	wanted = popinjay_view_store_read(store, &error) > 0 &&
		popinjay_views_get_uidls(popinjay_view_store_get(store)) !=
		get_uidvalidity(box);
	popinjay_view_store_free(&store);
	return wanted;
}

/* Returns TRUE if any view has changed. */
static bool
views_map(struct mailbox *box, struct popinjay_views *views,
	  const ARRAY_TYPE(popinjay_view_moved) *moved)
{
	uint32_t uidls = popinjay_views_get_uidls(views);
	uint32_t uidvalidity = get_uidvalidity(box);
	ARRAY_TYPE(popinjay_view_moved) none;
	struct popinjay_view *view;
	uint32_t first_uid;
	bool changed = FALSE;

	t_array_init(&none, 1);
	array_foreach_elem(popinjay_views_get(views), view) {
		first_uid = map_from(box, view, uidls);
		if (first_uid == 0)
			continue;
		changed = TRUE;
		if (view->uidvalidity == uidls) {
			popinjay_view_map(view, uidvalidity, first_uid, moved);
			continue;
		}
		e_error(box->event, "popinjay: What POP3 view %s hid of the "
			"messages of UIDVALIDITY %u can't be found again at "
			"UIDVALIDITY %u: popinjay-uidl has the uids of %u. "
			"All is shown to it", view->id, view->uidvalidity,
			uidvalidity, uidls);
		popinjay_view_map(view, uidvalidity, 1, &none);
	}
	return changed;
}

static int
moved_map(struct mailbox *box, const ARRAY_TYPE(popinjay_uidl_moved) *all,
	  const char **error_r)
{
	struct popinjay_view_store *store = popinjay_view_store_create(box);
	ARRAY_TYPE(popinjay_view_moved) moved;
	const struct popinjay_uidl_moved *one;
	int ret;

	i_array_init(&moved, array_count(all) + 1);
	array_foreach(all, one) {
		struct popinjay_view_moved move = { one->old_uid,
						    one->new_uid };

		array_push_back(&moved, &move);
	}
	ret = popinjay_view_store_lock(store, error_r);
	if (ret > 0 && views_map(box, popinjay_view_store_get(store), &moved))
		ret = popinjay_view_store_write(store, error_r);
	array_free(&moved);
	popinjay_view_store_free(&store);
	return ret < 0 ? -1 : 0;
}

static int moved_renumbered(struct mailbox *box, const char **error_r)
{
	struct popinjay_view_store *store = popinjay_view_store_create(box);
	struct popinjay_views *views;
	int ret;

	ret = popinjay_view_store_lock(store, error_r);
	views = popinjay_view_store_get(store);
	if (ret > 0 &&
	    popinjay_views_get_uidls(views) != get_uidvalidity(box)) {
		popinjay_views_set_uidls(views, get_uidvalidity(box));
		ret = popinjay_view_store_write(store, error_r);
	}
	popinjay_view_store_free(&store);
	return ret < 0 ? -1 : 0;
}

const struct popinjay_uidl_renumber_hook popinjay_view_moved_hook = {
	.wanted = moved_wanted,
	.moved = moved_map,
	.renumbered = moved_renumbered
};
