/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the saved UIDLs of a mailbox on disk. */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "str.h"
#include "ioloop.h"
#include "mail-storage.h"
#include "control-file.h"
#include "uidl-saved.h"
#include "uidl-store.h"

struct popinjay_uidl_store {
	struct popinjay_control_file *file;
	struct mailbox *box;

	/* NULL if there is no file */
	struct popinjay_uidl_saved *saved;
	/* of the file, that are whole lines */
	uoff_t whole_size;
	/* why the file cannot be used, or NULL */
	char *fault;
	unsigned int generation;
};

struct popinjay_uidl_store *popinjay_uidl_store_create(struct mailbox *box)
{
	struct popinjay_uidl_store *store =
		i_new(struct popinjay_uidl_store, 1);

	store->box = box;
	store->file = popinjay_control_file_create(box,
		POPINJAY_UIDL_STORE_NAME);
	return store;
}

void popinjay_uidl_store_free(struct popinjay_uidl_store **_store)
{
	struct popinjay_uidl_store *store = *_store;

	if (store == NULL)
		return;
	*_store = NULL;

	popinjay_control_file_free(&store->file);
	popinjay_uidl_saved_free(&store->saved);
	i_free(store->fault);
	i_free(store);
}

const char *popinjay_uidl_store_path(const struct popinjay_uidl_store *store)
{
	return popinjay_control_file_path(store->file);
}

unsigned int
popinjay_uidl_store_generation(const struct popinjay_uidl_store *store)
{
	return store->generation;
}

struct popinjay_uidl_saved *
popinjay_uidl_store_get(const struct popinjay_uidl_store *store)
{
	return store->saved;
}

/* The same as popinjay_uidl_store_refresh(), whatever the faults are. */
static int
store_refresh(struct popinjay_uidl_store *store, const char **error_r)
{
	buffer_t *data = buffer_create_dynamic(default_pool, 4096);
	const char *fault;
	int ret;

	ret = popinjay_control_file_read(store->file, data, error_r);
	if (ret > 0) {
		popinjay_uidl_saved_free(&store->saved);
		i_free(store->fault);
		store->whole_size = 0;
		store->generation++;
	}
	if (ret > 0 && popinjay_control_file_exists(store->file)) {
		store->saved = popinjay_uidl_saved_create();
		store->whole_size = popinjay_uidl_saved_parse(store->saved,
			data->data, data->used);
		if (popinjay_uidl_saved_faults(store->saved, &fault) > 0)
			store->fault = i_strdup(fault);
	}
	buffer_free(&data);
	return ret;
}

int popinjay_uidl_store_refresh(struct popinjay_uidl_store *store,
				const char **error_r)
{
	int ret = store_refresh(store, error_r);

	if (ret >= 0 && store->fault != NULL) {
		/* other UIDLs than the saved ones would make clients download
		   everything again: an administrator has to decide */
		*error_r = t_strdup_printf("%s is damaged: %s",
			popinjay_uidl_store_path(store), store->fault);
		return -1;
	}
	return ret;
}

int popinjay_uidl_store_lock(struct popinjay_uidl_store *store,
			     const char **error_r)
{
	int ret;

	if (popinjay_control_file_lock(store->file, error_r) < 0)
		return -1;
	ret = popinjay_uidl_store_refresh(store, error_r);
	if (ret < 0)
		popinjay_uidl_store_unlock(store);
	return ret;
}

int popinjay_uidl_store_lock_damaged(struct popinjay_uidl_store *store,
				     const char **error_r)
{
	if (popinjay_control_file_lock(store->file, error_r) < 0)
		return -1;
	if (store_refresh(store, error_r) < 0) {
		popinjay_uidl_store_unlock(store);
		return -1;
	}
	return 0;
}

int popinjay_uidl_store_lock_create(struct popinjay_uidl_store *store,
				    const char **error_r)
{
	if (popinjay_uidl_store_lock(store, error_r) < 0)
		return -1;
	if (store->saved == NULL &&
	    popinjay_uidl_store_write(store, popinjay_uidl_saved_create(),
				      error_r) < 0) {
		popinjay_uidl_store_unlock(store);
		return -1;
	}
	return 0;
}

void popinjay_uidl_store_unlock(struct popinjay_uidl_store *store)
{
	popinjay_control_file_unlock(store->file);
}

void popinjay_uidl_store_get_view(const struct popinjay_uidl_store *store,
				  struct popinjay_uidl_view *view_r)
{
	struct mailbox_status status;

	mailbox_get_open_status(store->box, STATUS_UIDVALIDITY |
				STATUS_UIDNEXT, &status);
	view_r->now = ioloop_time;
	view_r->uidvalidity = status.uidvalidity;
	view_r->uidnext = status.uidnext;
}

int popinjay_uidl_store_append(struct popinjay_uidl_store *store,
			       const string_t *lines, bool sync,
			       const char **error_r)
{
	if (popinjay_control_file_append(store->file, store->whole_size, lines,
					 sync, error_r) < 0)
		return -1;
	store->whole_size += str_len(lines);
	return 0;
}

struct store_pieces {
	const struct popinjay_uidl_saved *saved;
	struct popinjay_uidl_view view;
	unsigned int pos;
};

static bool store_more(void *context, string_t *text)
{
	struct store_pieces *pieces = context;

	return popinjay_uidl_saved_write_more(pieces->saved, &pieces->view,
		&pieces->pos, text, POPINJAY_CONTROL_FILE_PIECE_BYTES);
}

int popinjay_uidl_store_write(struct popinjay_uidl_store *store,
			      struct popinjay_uidl_saved *saved,
			      const char **error_r)
{
	struct store_pieces pieces = { .saved = saved };
	uoff_t size;
	int ret;

	popinjay_uidl_store_get_view(store, &pieces.view);
	ret = popinjay_control_file_replace(store->file, store_more, &pieces,
					    &size, error_r);
	if (ret == 0) {
		if (saved != store->saved)
			popinjay_uidl_saved_free(&store->saved);
		store->saved = saved;
		store->whole_size = size;
		i_free(store->fault);
	} else if (saved != store->saved) {
		popinjay_uidl_saved_free(&saved);
	}
	return ret;
}

int popinjay_uidl_store_write_first(struct popinjay_uidl_store *store,
				    popinjay_control_file_more_t *more,
				    void *context, const char **error_r)
{
	uoff_t size;
	int ret;

	i_assert(store->saved == NULL);
	ret = popinjay_control_file_replace(store->file, more, context, &size,
					    error_r);
	popinjay_control_file_forget(store->file);
	return ret;
}

int popinjay_uidl_store_read_raw(struct popinjay_uidl_store *store,
				 struct popinjay_uidl_saved **saved_r,
				 const char **error_r)
{
	struct popinjay_control_file *file =
		popinjay_control_file_create(store->box,
					     POPINJAY_UIDL_STORE_NAME);
	buffer_t *data = buffer_create_dynamic(default_pool, 4096);
	int ret;

	ret = popinjay_control_file_read(file, data, error_r);
	if (ret > 0) {
		ret = popinjay_control_file_exists(file) ? 1 : 0;
		*saved_r = popinjay_uidl_saved_create();
		if (ret > 0) {
			(void)popinjay_uidl_saved_parse(*saved_r, data->data,
							data->used);
		}
	}
	buffer_free(&data);
	popinjay_control_file_free(&file);
	return ret;
}

int popinjay_uidl_store_keep_broken(struct popinjay_uidl_store *store,
				    const char **error_r)
{
	return popinjay_control_file_keep_broken(store->file, error_r);
}
