/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: messages in trouble on disk. */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "mail-storage-private.h"
#include "control-file.h"
#include "trouble.h"
#include "trouble-store.h"

static void
store_warn(struct mailbox *box, const char *what, const char *error)
{
	e_warning(box->event, "popinjay: The list of messages that do not get "
		  "through couldn't be %s: %s", what, error);
}

/* Returns what is in trouble, nothing if that can't be told. */
static struct popinjay_trouble *
store_read(struct mailbox *box, struct popinjay_control_file *file)
{
	struct popinjay_trouble *trouble;
	struct mailbox_status status;
	buffer_t *data = buffer_create_dynamic(default_pool, 512);
	const char *error;
	int ret;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	trouble = popinjay_trouble_create(status.uidvalidity);
	ret = popinjay_control_file_read(file, data, &error);
	if (ret > 0 && popinjay_control_file_exists(file) &&
	    popinjay_trouble_parse(trouble, data->data, data->used,
				   &error) < 0) {
		error = t_strdup_printf("%s: %s: it is started anew",
			popinjay_control_file_path(file), error);
		ret = -1;
	}
	if (ret < 0)
		store_warn(box, "read", error);
	buffer_free(&data);
	return trouble;
}

struct popinjay_trouble *popinjay_trouble_store_read(struct mailbox *box)
{
	struct popinjay_control_file *file =
		popinjay_control_file_create(box, POPINJAY_TROUBLE_STORE_NAME);
	struct popinjay_trouble *trouble = store_read(box, file);

	popinjay_control_file_free(&file);
	return trouble;
}

static bool store_more(void *context, string_t *text)
{
	const struct popinjay_trouble *trouble = context;

	popinjay_trouble_write(trouble, text);
	return FALSE;
}

void popinjay_trouble_store_change(struct mailbox *box,
				   popinjay_trouble_change_t *change,
				   void *context)
{
	struct popinjay_control_file *file =
		popinjay_control_file_create(box, POPINJAY_TROUBLE_STORE_NAME);
	struct popinjay_trouble *trouble;
	const char *error;
	uoff_t size;

	if (popinjay_control_file_lock(file, &error) < 0)
		store_warn(box, "saved", error);
	else {
		trouble = store_read(box, file);
		if (change(context, trouble) &&
		    popinjay_control_file_replace(file, store_more, trouble,
						  &size, &error) < 0)
			store_warn(box, "saved", error);
		popinjay_trouble_free(&trouble);
	}
	popinjay_control_file_free(&file);
}
