/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: what each view hides of the INBOX, in memory. */

#include "lib.h"
#include "array.h"
#include "views-private.h"

#include <ctype.h>

#define ID_MAX_LEN 64

struct popinjay_views *popinjay_views_create(void)
{
	pool_t pool = pool_alloconly_create("popinjay views", 1024);
	struct popinjay_views *views = p_new(pool, struct popinjay_views, 1);

	views->pool = pool;
	i_array_init(&views->views, 8);
	return views;
}

static void view_free(struct popinjay_view *view)
{
	array_free(&view->window);
	array_free(&view->keep);
}

void popinjay_views_clear(struct popinjay_views *views)
{
	struct popinjay_view *view;

	array_foreach_elem(&views->views, view)
		view_free(view);
	array_clear(&views->views);
}

void popinjay_views_free(struct popinjay_views **_views)
{
	struct popinjay_views *views = *_views;

	if (views == NULL)
		return;
	*_views = NULL;

	popinjay_views_clear(views);
	array_free(&views->views);
	pool_unref(&views->pool);
}

const ARRAY_TYPE(popinjay_view) *
popinjay_views_get(const struct popinjay_views *views)
{
	return &views->views;
}

bool popinjay_view_id_is_valid(const char *id)
{
	size_t len = strlen(id), i;

	for (i = 0; i < len; i++) {
		if (!i_isalnum(id[i]) && strchr("-_.", id[i]) == NULL)
			return FALSE;
	}
	return len > 0 && len <= ID_MAX_LEN;
}

/* Returns TRUE with the place of the view, or FALSE with where it would be. */
static bool
views_lookup(const struct popinjay_views *views, const char *id,
	     unsigned int *idx_r)
{
	struct popinjay_view *const *all;
	unsigned int i, count;
	int cmp = 1;

	all = array_get(&views->views, &count);
	for (i = 0; i < count; i++) {
		cmp = strcmp(all[i]->id, id);
		if (cmp >= 0)
			break;
	}
	*idx_r = i;
	return i < count && cmp == 0;
}

struct popinjay_view *
popinjay_views_find(const struct popinjay_views *views, const char *id)
{
	unsigned int idx;

	return !views_lookup(views, id, &idx) ? NULL :
		array_idx_elem(&views->views, idx);
}

struct popinjay_view *
popinjay_views_add(struct popinjay_views *views, const char *id,
		   uint32_t uidvalidity)
{
	struct popinjay_view *view;
	unsigned int idx;

	if (views_lookup(views, id, &idx))
		return array_idx_elem(&views->views, idx);
	i_assert(popinjay_view_id_is_valid(id));
	view = p_new(views->pool, struct popinjay_view, 1);
	view->id = p_strdup(views->pool, id);
	view->uidvalidity = uidvalidity;
	view->floor = 1;
	view->unknown = "";
	i_array_init(&view->window, 8);
	i_array_init(&view->keep, 8);
	array_insert(&views->views, idx, &view, 1);
	return view;
}

static void views_remove_idx(struct popinjay_views *views, unsigned int idx)
{
	view_free(array_idx_elem(&views->views, idx));
	array_delete(&views->views, idx, 1);
}

bool popinjay_views_remove(struct popinjay_views *views, const char *id)
{
	unsigned int idx;

	if (!views_lookup(views, id, &idx))
		return FALSE;
	views_remove_idx(views, idx);
	return TRUE;
}

/* --- One view --- */

enum popinjay_view_hidden
popinjay_view_hides(const struct popinjay_view *view, uint32_t uid)
{
	if (seq_range_exists(&view->keep, uid))
		return POPINJAY_VIEW_HIDDEN_KEEP;
	if (uid < view->floor || seq_range_exists(&view->window, uid))
		return POPINJAY_VIEW_HIDDEN_WINDOW;
	return POPINJAY_VIEW_SHOWN;
}

void popinjay_view_keep(struct popinjay_view *view, uint32_t uid)
{
	seq_range_array_add(&view->keep, uid);
}

bool popinjay_view_raise(struct popinjay_view *view, uint32_t floor)
{
	if (floor <= view->floor)
		return FALSE;
	view->floor = floor;
	/* what the floor hides needs no range */
	seq_range_array_remove_range(&view->window, 1, floor - 1);
	return TRUE;
}

bool popinjay_view_use(struct popinjay_view *view, time_t now,
		       uint32_t shown_uid)
{
	/* a clock that went back is followed, or nothing would be doubted
	   until it is where it was */
	if (view->doubted != 0 ||
	    (now >= view->used && now - view->used < POPINJAY_VIEW_USED_SECS))
		return FALSE;
	view->used = now;
	view->shown_uid = I_MAX(view->shown_uid, shown_uid);
	return TRUE;
}

bool popinjay_view_reset(struct popinjay_view *view, uint32_t uid)
{
	bool changed = view->doubted != 0;

	uid = I_MAX(uid, 1);
	view->doubted = 0;
	if (uid < view->floor) {
		view->floor = uid;
		changed = TRUE;
	}
	return seq_range_array_remove_range(&view->window, uid,
					    UINT32_MAX) > 0 || changed;
}

static uint32_t ranges_max(const ARRAY_TYPE(seq_range) *ranges)
{
	const struct seq_range *all;
	unsigned int count;

	all = array_get(ranges, &count);
	return count == 0 ? 0 : all[count - 1].seq2;
}

/* Returns the highest uid that is known to have been there. */
static uint32_t view_known_uid(const struct popinjay_view *view)
{
	uint32_t uid = I_MAX(view->shown_uid, view->floor - 1);

	uid = I_MAX(uid, ranges_max(&view->window));
	return I_MAX(uid, ranges_max(&view->keep));
}

uint32_t popinjay_view_map_from(const struct popinjay_view *view,
				uint32_t uidvalidity, uint32_t uidnext)
{
	if (view->uidvalidity != uidvalidity)
		return 1;
	return view_known_uid(view) >= uidnext ? uidnext : 0;
}

bool popinjay_view_map(struct popinjay_view *view, uint32_t uidvalidity,
		       uint32_t first_uid,
		       const ARRAY_TYPE(popinjay_view_moved) *moved)
{
	const struct popinjay_view_moved *move;
	ARRAY_TYPE(seq_range) window, keep;
	uint32_t shown_uid = view->shown_uid < first_uid ? view->shown_uid : 0;
	bool known = FALSE;

	i_assert(uidvalidity == view->uidvalidity || first_uid == 1);

	i_array_init(&window, 8);
	i_array_init(&keep, 8);
	array_foreach(moved, move) {
		if (move->old_uidvalidity != view->uidvalidity)
			continue;
		known = TRUE;
		if (move->old_uid < first_uid || move->new_uid == 0)
			continue;
		if (move->old_uid <= view->shown_uid)
			shown_uid = I_MAX(shown_uid, move->new_uid);
		switch (popinjay_view_hides(view, move->old_uid)) {
		case POPINJAY_VIEW_SHOWN:
			break;
		case POPINJAY_VIEW_HIDDEN_WINDOW:
			seq_range_array_add(&window, move->new_uid);
			break;
		case POPINJAY_VIEW_HIDDEN_KEEP:
			seq_range_array_add(&keep, move->new_uid);
			break;
		}
	}
	view->uidvalidity = uidvalidity;
	view->floor = I_MIN(view->floor, first_uid);
	view->shown_uid = shown_uid;
	seq_range_array_remove_range(&view->window, first_uid, UINT32_MAX);
	seq_range_array_remove_range(&view->keep, first_uid, UINT32_MAX);
	seq_range_array_merge(&view->window, &window);
	seq_range_array_merge(&view->keep, &keep);
	array_free(&keep);
	array_free(&window);
	return known;
}

/* Returns the lowest uid above another one, or UINT32_MAX. */
static uint32_t
first_above(const uint32_t *uids, unsigned int count, uint32_t uid)
{
	unsigned int low = 0, high = count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (uids[mid] > uid)
			high = mid;
		else
			low = mid + 1;
	}
	return low < count ? uids[low] : UINT32_MAX;
}

void popinjay_view_join_ranges(struct popinjay_view *view,
			       const uint32_t *uids, unsigned int count,
			       uint32_t uidnext)
{
	ARRAY_TYPE(seq_range) joined;
	const struct seq_range *range;
	uint32_t prev = 0;

	i_array_init(&joined, 8);
	array_foreach(&view->keep, range) {
		/* nothing may come between them any more */
		if (prev > 0 && range->seq1 <= uidnext &&
		    first_above(uids, count, prev) > range->seq1 - 1)
			seq_range_array_add_range(&joined, prev, range->seq1);
		prev = range->seq2;
	}
	seq_range_array_merge(&view->keep, &joined);
	array_free(&joined);
}
