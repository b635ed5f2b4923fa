/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the views of a mailbox on disk. */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "mail-storage-private.h"
#include "control-file.h"
#include "views.h"
#include "view-store.h"

/* An extension of Dovecot's index: its header says that there is a file. */
#define INDEX_EXT_NAME "popinjay-views"

struct index_header {
	uint32_t written;
};

struct popinjay_view_store {
	struct mailbox *box;
	struct popinjay_control_file *file;
	struct popinjay_views *views;
	uint32_t ext_id;
};

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

struct popinjay_view_store *popinjay_view_store_create(struct mailbox *box)
{
	struct popinjay_view_store *store =
		i_new(struct popinjay_view_store, 1);

	store->box = box;
	store->file = popinjay_control_file_create(box,
		POPINJAY_VIEW_STORE_NAME);
	store->views = popinjay_views_create();
	store->ext_id = mail_index_ext_register(box->index, INDEX_EXT_NAME,
		sizeof(struct index_header), 0, 0);
	return store;
}

void popinjay_view_store_free(struct popinjay_view_store **_store)
{
	struct popinjay_view_store *store = *_store;

	if (store == NULL)
		return;
	*_store = NULL;

	popinjay_control_file_free(&store->file);
	popinjay_views_free(&store->views);
	i_free(store);
}

const char *popinjay_view_store_path(const struct popinjay_view_store *store)
{
	return popinjay_control_file_path(store->file);
}

struct popinjay_views *
popinjay_view_store_get(const struct popinjay_view_store *store)
{
	return store->views;
}

/* --- What the index says of the file --- */

static bool index_says_written(const struct popinjay_view_store *store)
{
	const struct index_header *header;
	const void *data;
	size_t size;

	mail_index_get_header_ext(store->box->view, store->ext_id, &data,
				  &size);
	header = data;
	return size >= sizeof(*header) && header->written != 0;
}

static void index_set_written(struct popinjay_view_store *store, bool written)
{
	struct mail_index_transaction *trans;
	const struct index_header header = { .written = written ? 1 : 0 };

	trans = mail_index_transaction_begin(store->box->view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	mail_index_update_header_ext(trans, store->ext_id, 0, &header,
				     sizeof(header));
	if (mail_index_transaction_commit(&trans) < 0) {
		mailbox_set_index_error(store->box);
		e_warning(store->box->event, "popinjay: The index couldn't be "
			  "told of %s, whose loss would not be noticed: %s",
			  popinjay_view_store_path(store),
			  mailbox_get_last_internal_error(store->box, NULL));
	}
}

static void store_lost(struct popinjay_view_store *store)
{
	struct event *event = event_create(store->box->event);

	event_add_category(event, &event_category_popinjay);
	event_set_name(event, "popinjay_views_lost");
	e_error(event, "popinjay: %s is lost: what was hidden from POP3 "
		"clients is shown to them again, unless you restore the file "
		"from a backup before they log in",
		popinjay_view_store_path(store));
	event_unref(&event);
	/* once is enough */
	index_set_written(store, FALSE);
}

/* --- The file --- */

int popinjay_view_store_read(struct popinjay_view_store *store,
			     const char **error_r)
{
	/* asked first: who writes sets it last */
	bool written = index_says_written(store);
	buffer_t *data;
	const char *error;
	int ret;

	popinjay_views_free(&store->views);
	store->views = popinjay_views_create();
	/* the views as they are in memory may have been changed */
	popinjay_control_file_forget(store->file);
	data = buffer_create_dynamic(default_pool, 1024);
	ret = popinjay_control_file_read(store->file, data, error_r);
	if (ret > 0 && !popinjay_control_file_exists(store->file)) {
		ret = 0;
		if (written)
			store_lost(store);
	} else if (ret > 0 && popinjay_views_parse(store->views, data->data,
						   data->used, &error) < 0) {
		*error_r = t_strdup_printf("%s is damaged: %s",
			popinjay_view_store_path(store), error);
		ret = -1;
	}
	buffer_free(&data);
	return ret;
}

int popinjay_view_store_lock(struct popinjay_view_store *store,
			     const char **error_r)
{
	int ret;

	if (popinjay_control_file_lock(store->file, error_r) < 0)
		return -1;
	ret = popinjay_view_store_read(store, error_r);
	if (ret < 0)
		popinjay_view_store_unlock(store);
	return ret;
}

void popinjay_view_store_unlock(struct popinjay_view_store *store)
{
	popinjay_control_file_unlock(store->file);
}

/* Returns the next uid as far as any process knows, or UINT32_MAX if that
   cannot be told. */
static uint32_t current_uidnext(struct mailbox *box)
{
	struct mail_index_view *view;
	uint32_t uidnext;

	if (mail_index_is_in_memory(box->index) ||
	    mail_index_refresh(box->index) < 0)
		return UINT32_MAX;
	view = mail_index_view_open(box->index);
	uidnext = mail_index_get_header(view)->next_uid;
	mail_index_view_close(&view);
	return uidnext;
}

uint32_t popinjay_view_store_map_from(struct popinjay_view_store *store,
				      const struct popinjay_view *view)
{
	struct mailbox_status status;
	uint32_t uid;

	mailbox_get_open_status(store->box, STATUS_UIDVALIDITY |
				STATUS_UIDNEXT, &status);
	uid = popinjay_view_map_from(view, status.uidvalidity,
				     status.uidnext);
	/* only where it seems to be older than the view */
	if (uid != 0 && view->uidvalidity == status.uidvalidity) {
		uid = popinjay_view_map_from(view, status.uidvalidity,
					     current_uidnext(store->box));
	}
	return uid;
}

static bool store_more(void *context, string_t *text)
{
	const struct popinjay_views *views = context;

	popinjay_views_write(views, text);
	return FALSE;
}

int popinjay_view_store_write(struct popinjay_view_store *store,
			      const char **error_r)
{
	uoff_t size;

	if (popinjay_control_file_replace(store->file, store_more,
					  store->views, &size, error_r) < 0)
		return -1;
	if (!index_says_written(store))
		index_set_written(store, TRUE);
	return 0;
}

int popinjay_view_store_keep_broken(struct popinjay_view_store *store,
				    const char **error_r)
{
	return popinjay_control_file_keep_broken(store->file, error_r);
}
