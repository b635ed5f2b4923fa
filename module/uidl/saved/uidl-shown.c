/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: the file that says what a mailbox last showed. */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "control-file.h"
#include "uidl-drift.h"
#include "uidl-shown.h"

int popinjay_uidl_shown_read(struct mailbox *box,
			     struct popinjay_uidl_drift **shown_r,
			     bool *damaged_r, const char **error_r)
{
	struct popinjay_control_file *file =
		popinjay_control_file_create(box, POPINJAY_UIDL_SHOWN_NAME);
	buffer_t *data = buffer_create_dynamic(default_pool, 1024);
	int ret;

	*shown_r = NULL;
	*damaged_r = FALSE;
	ret = popinjay_control_file_read(file, data, error_r);
	if (ret > 0 && !popinjay_control_file_exists(file))
		ret = 0;
	if (ret > 0 && popinjay_uidl_drift_parse(data->data, data->used,
						 shown_r) < 0) {
		*error_r = t_strdup_printf("%s is damaged",
			popinjay_control_file_path(file));
		*damaged_r = TRUE;
		ret = -1;
	}
	buffer_free(&data);
	popinjay_control_file_free(&file);
	return ret;
}

static bool shown_more(void *context, string_t *text)
{
	const struct popinjay_uidl_drift *shown = context;

	popinjay_uidl_drift_write(shown, text);
	return FALSE;
}

int popinjay_uidl_shown_write(struct mailbox *box,
			      const struct popinjay_uidl_drift *shown,
			      const char **error_r)
{
	struct popinjay_control_file *file =
		popinjay_control_file_create(box, POPINJAY_UIDL_SHOWN_NAME);
	uoff_t size;
	int ret;

	ret = popinjay_control_file_lock(file, error_r);
	if (ret == 0) {
		ret = popinjay_control_file_replace(file, shown_more,
			(void *)shown, &size, error_r);
	}
	popinjay_control_file_free(&file);
	return ret;
}
