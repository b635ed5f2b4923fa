/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: views follow their messages to another UIDVALIDITY. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "uidl-renumber.h"
#include "views.h"
#include "view-moved.h"
#include "view-store.h"

static uint32_t get_uidvalidity(struct mailbox *box)
{
	struct mailbox_status status;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	return status.uidvalidity;
}

static bool moved_wanted(struct mailbox *box, bool numbered)
{
	struct popinjay_view_store *store = popinjay_view_store_create(box);
	struct popinjay_view *view;
	const char *error;
	bool wanted = FALSE;

	/* a file that cannot be read concerns those who hide something */
	if (popinjay_view_store_read(store, &error) > 0) {
		wanted = !numbered;
		array_foreach_elem(popinjay_views_get(
				popinjay_view_store_get(store)), view) {
			if (popinjay_view_store_map_from(store, view) != 0)
				wanted = TRUE;
		}
	}
	popinjay_view_store_free(&store);
	return wanted;
}

/* Returns TRUE if any view has changed. */
static bool
views_map(struct mailbox *box, struct popinjay_view_store *store,
	  const ARRAY_TYPE(popinjay_view_moved) *moved)
{
	uint32_t uidvalidity = get_uidvalidity(box);
	struct popinjay_view *view;
	uint32_t before, first_uid;
	bool changed = FALSE;

	array_foreach_elem(popinjay_views_get(popinjay_view_store_get(store)),
			   view) {
		first_uid = popinjay_view_store_map_from(store, view);
		if (first_uid == 0)
			continue;
		changed = TRUE;
		before = view->uidvalidity;
		if (!popinjay_view_map(view, uidvalidity, first_uid, moved)) {
			e_error(box->event, "popinjay: What POP3 view %s hid "
				"of the messages of UIDVALIDITY %u can't be "
				"found again at UIDVALIDITY %u, since "
				"popinjay-uidl has none of their UIDs. All is "
				"shown to it", view->id, before, uidvalidity);
		}
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
		struct popinjay_view_moved move = {
			one->old_uidvalidity, one->old_uid, one->new_uid
		};

		array_push_back(&moved, &move);
	}
	ret = popinjay_view_store_lock(store, error_r);
	if (ret > 0 && views_map(box, store, &moved))
		ret = popinjay_view_store_write(store, error_r);
	array_free(&moved);
	popinjay_view_store_free(&store);
	return ret < 0 ? -1 : 0;
}

const struct popinjay_uidl_renumber_hook popinjay_view_moved_hook = {
	.wanted = moved_wanted,
	.moved = moved_map
};
