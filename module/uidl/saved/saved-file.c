/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the saved UIDLs of a mailbox on disk. */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "str.h"
#include "ioloop.h"
#include "mail-storage.h"
#include "control-file.h"
#include "saved-file.h"
#include "uidl-saved.h"

struct popinjay_saved_file {
	struct popinjay_control_file *text;
	struct mailbox *box;

	/* NULL if there is no file */
	struct popinjay_uidl_saved *saved;
	/* of the file, that are whole lines */
	uoff_t whole_size;
	/* of what stands at its end */
	uint32_t end_uidvalidity;
	/* why the file cannot be used, or NULL */
	char *fault;
	unsigned int generation;
};

struct popinjay_saved_file *popinjay_saved_file_create(struct mailbox *box)
{
	struct popinjay_saved_file *file =
		i_new(struct popinjay_saved_file, 1);

	file->box = box;
	file->text = popinjay_control_file_create(box,
						  POPINJAY_SAVED_FILE_NAME);
	return file;
}

void popinjay_saved_file_free(struct popinjay_saved_file **_file)
{
	struct popinjay_saved_file *file = *_file;

	if (file == NULL)
		return;
	*_file = NULL;

	popinjay_control_file_free(&file->text);
	popinjay_uidl_saved_free(&file->saved);
	i_free(file->fault);
	i_free(file);
}

const char *popinjay_saved_file_path(const struct popinjay_saved_file *file)
{
	return popinjay_control_file_path(file->text);
}

unsigned int
popinjay_saved_file_generation(const struct popinjay_saved_file *file)
{
	return file->generation;
}

struct popinjay_uidl_saved *
popinjay_saved_file_get(const struct popinjay_saved_file *file)
{
	return file->saved;
}

/* The same as popinjay_saved_file_refresh(), whatever the faults are. */
static int
saved_file_refresh(struct popinjay_saved_file *file, const char **error_r)
{
	buffer_t *data = buffer_create_dynamic(default_pool, 4096);
	const char *fault;
	int ret;

	ret = popinjay_control_file_read(file->text, data, error_r);
	if (ret > 0) {
		popinjay_uidl_saved_free(&file->saved);
		i_free(file->fault);
		file->whole_size = 0;
		file->generation++;
	}
	if (ret > 0 && popinjay_control_file_exists(file->text)) {
		file->saved = popinjay_uidl_saved_create();
		file->whole_size = popinjay_uidl_saved_parse(file->saved,
			data->data, data->used);
		file->end_uidvalidity = popinjay_uidl_saved_end(file->saved);
		if (popinjay_uidl_saved_faults(file->saved, &fault) > 0)
			file->fault = i_strdup(fault);
	}
	buffer_free(&data);
	return ret;
}

int popinjay_saved_file_refresh(struct popinjay_saved_file *file,
				const char **error_r)
{
	int ret = saved_file_refresh(file, error_r);

	if (ret >= 0 && file->fault != NULL) {
		/* other UIDLs than the saved ones would make clients download
		   everything again: an administrator has to decide */
		*error_r = t_strdup_printf("%s is damaged: %s",
			popinjay_saved_file_path(file), file->fault);
		return -1;
	}
	return ret;
}

int popinjay_saved_file_lock(struct popinjay_saved_file *file,
			     const char **error_r)
{
	int ret;

	if (popinjay_control_file_lock(file->text, error_r) < 0)
		return -1;
	ret = popinjay_saved_file_refresh(file, error_r);
	if (ret < 0)
		popinjay_saved_file_unlock(file);
	return ret;
}

int popinjay_saved_file_lock_damaged(struct popinjay_saved_file *file,
				     const char **error_r)
{
	if (popinjay_control_file_lock(file->text, error_r) < 0)
		return -1;
	if (saved_file_refresh(file, error_r) < 0) {
		popinjay_saved_file_unlock(file);
		return -1;
	}
	return 0;
}

int popinjay_saved_file_lock_create(struct popinjay_saved_file *file,
				    const char **error_r)
{
	if (popinjay_saved_file_lock(file, error_r) < 0)
		return -1;
	if (file->saved == NULL &&
	    popinjay_saved_file_write(file, popinjay_uidl_saved_create(),
				      error_r) < 0) {
		popinjay_saved_file_unlock(file);
		return -1;
	}
	return 0;
}

void popinjay_saved_file_unlock(struct popinjay_saved_file *file)
{
	popinjay_control_file_unlock(file->text);
}

void popinjay_saved_file_get_view(const struct popinjay_saved_file *file,
				  struct popinjay_uidl_view *view_r)
{
	struct mailbox_status status;

	mailbox_get_open_status(file->box, STATUS_UIDVALIDITY |
				STATUS_UIDNEXT, &status);
	view_r->now = ioloop_time;
	view_r->uidvalidity = status.uidvalidity;
	view_r->uidnext = status.uidnext;
}

static int append_text(struct popinjay_saved_file *file, const string_t *text,
		       bool sync, const char **error_r)
{
	if (popinjay_control_file_append(file->text, file->whole_size, text,
					 sync, error_r) < 0)
		return -1;
	file->whole_size += str_len(text);
	return 0;
}

int popinjay_saved_file_append(struct popinjay_saved_file *file,
			       uint32_t uidvalidity, const string_t *lines,
			       bool sync, const char **error_r)
{
	string_t *line;

	if (str_len(lines) > 0 && uidvalidity != file->end_uidvalidity) {
		line = t_str_new(32);
		popinjay_uidl_saved_write_uidvalidity(line, uidvalidity);
		if (append_text(file, line, FALSE, error_r) < 0)
			return -1;
		file->end_uidvalidity = uidvalidity;
	}
	return append_text(file, lines, sync, error_r);
}

struct saved_file_pieces {
	const struct popinjay_uidl_saved *saved;
	struct popinjay_uidl_view view;
	struct popinjay_uidl_saved_pos pos;
};

static bool saved_file_more(void *context, string_t *text)
{
	struct saved_file_pieces *pieces = context;

	return popinjay_uidl_saved_write_more(pieces->saved, &pieces->view,
		&pieces->pos, text, POPINJAY_CONTROL_FILE_PIECE_BYTES);
}

int popinjay_saved_file_write(struct popinjay_saved_file *file,
			      struct popinjay_uidl_saved *saved,
			      const char **error_r)
{
	struct saved_file_pieces pieces = { .saved = saved };
	uoff_t size;
	int ret;

	popinjay_saved_file_get_view(file, &pieces.view);
	ret = popinjay_control_file_replace(file->text, saved_file_more,
					    &pieces, &size, error_r);
	if (ret == 0) {
		if (saved != file->saved)
			popinjay_uidl_saved_free(&file->saved);
		file->saved = saved;
		file->whole_size = size;
		file->end_uidvalidity = pieces.pos.uidvalidity;
		i_free(file->fault);
	} else if (saved != file->saved) {
		popinjay_uidl_saved_free(&saved);
	}
	return ret;
}

int popinjay_saved_file_write_first(struct popinjay_saved_file *file,
				    popinjay_control_file_more_t *more,
				    void *context, const char **error_r)
{
	uoff_t size;
	int ret;

	i_assert(file->saved == NULL);
	ret = popinjay_control_file_replace(file->text, more, context, &size,
					    error_r);
	popinjay_control_file_forget(file->text);
	return ret;
}

int popinjay_saved_file_read_raw(struct popinjay_saved_file *file,
				 struct popinjay_uidl_saved **saved_r,
				 const char **error_r)
{
	struct popinjay_control_file *text =
		popinjay_control_file_create(file->box,
					     POPINJAY_SAVED_FILE_NAME);
	buffer_t *data = buffer_create_dynamic(default_pool, 4096);
	int ret;

	ret = popinjay_control_file_read(text, data, error_r);
	if (ret > 0) {
		ret = popinjay_control_file_exists(text) ? 1 : 0;
		*saved_r = popinjay_uidl_saved_create();
		if (ret > 0) {
			(void)popinjay_uidl_saved_parse(*saved_r, data->data,
							data->used);
		}
	}
	buffer_free(&data);
	popinjay_control_file_free(&text);
	return ret;
}

int popinjay_saved_file_keep_broken(struct popinjay_saved_file *file,
				    const char **error_r)
{
	return popinjay_control_file_keep_broken(file->text, error_r);
}
