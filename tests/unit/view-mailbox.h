/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIEW_MAILBOX_H
#define VIEW_MAILBOX_H

/* For the tests of view/: a mailbox with a control directory of its own. What
   is asked of Dovecot's storage is answered here. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "unlink-directory.h"
#include "master-service.h"
#include "mail-storage-private.h"
#include "views.h"
#include "view-store.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UIDVALIDITY 5

/* --- In place of Dovecot's storage --- */

static char *control_dir;
static bool has_control_dir;
/* the header of the extension */
static uint32_t index_written;
static unsigned int index_commits;
static bool index_fails;
static uint32_t uidvalidity;
/* as the mailbox was synced, and as the index on disk has it */
static uint32_t uidnext;
static struct mail_index_header current_header;
static bool index_in_memory;
/* what was logged */
static GString *logged;

int mailbox_get_path_to(struct mailbox *box, enum mailbox_list_path_type type,
			const char **path_r)
{
	g_assert_cmpint(type, ==, MAILBOX_LIST_PATH_TYPE_CONTROL);
	*path_r = control_dir;
	return has_control_dir ? 1 : 0;
}

const struct mailbox_permissions *mailbox_get_permissions(struct mailbox *box)
{
	static struct mailbox_permissions perm = {
		.file_create_mode = 0600, .dir_create_mode = 0700,
		.file_create_gid = (gid_t)-1
	};

	return &perm;
}

unsigned int mail_storage_get_lock_timeout(struct mail_storage *storage,
					   unsigned int secs)
{
	return secs;
}

unsigned int master_service_get_client_limit(struct master_service *service)
{
	return 1;
}

void mailbox_get_open_status(struct mailbox *box,
			     enum mailbox_status_items items,
			     struct mailbox_status *status_r)
{
	i_zero(status_r);
	status_r->uidvalidity = uidvalidity;
	status_r->uidnext = uidnext;
}

void mailbox_set_index_error(struct mailbox *box)
{
}

const char *mailbox_get_last_internal_error(struct mailbox *box,
					    enum mail_error *error_r)
{
	return "no space left";
}

bool mail_index_is_in_memory(struct mail_index *index)
{
	return index_in_memory;
}

int mail_index_refresh(struct mail_index *index)
{
	return 0;
}

#undef mail_index_view_open
struct mail_index_view *
mail_index_view_open(struct mail_index *index, const char *source_filename,
		     unsigned int source_linenum)
{
	return (struct mail_index_view *)&current_header;
}

void mail_index_view_close(struct mail_index_view **view)
{
	*view = NULL;
}

const struct mail_index_header *
mail_index_get_header(struct mail_index_view *view)
{
	g_assert_true(view == (struct mail_index_view *)&current_header);
	return &current_header;
}

uint32_t mail_index_ext_register(struct mail_index *index, const char *name,
				 uint32_t hdr_size, uint16_t record_size,
				 uint16_t record_align)
{
	g_assert_cmpstr(name, ==, "popinjay-views");
	g_assert_cmpuint(hdr_size, ==, sizeof(index_written));
	g_assert_cmpuint(record_size, ==, 0);
	return 3;
}

void mail_index_get_header_ext(struct mail_index_view *view, uint32_t ext_id,
			       const void **data_r, size_t *data_size_r)
{
	g_assert_cmpuint(ext_id, ==, 3);
	*data_r = &index_written;
	/* there is none before the first commit */
	*data_size_r = index_commits == 0 ? 0 : sizeof(index_written);
}

static uint32_t index_new;

struct mail_index_transaction *
mail_index_transaction_begin(struct mail_index_view *view,
			     enum mail_index_transaction_flags flags)
{
	return (struct mail_index_transaction *)&index_new;
}

void mail_index_update_header_ext(struct mail_index_transaction *trans,
				  uint32_t ext_id, size_t offset,
				  const void *data, size_t size)
{
	g_assert_cmpuint(offset, ==, 0);
	g_assert_cmpuint(size, ==, sizeof(index_new));
	memcpy(&index_new, data, size);
}

#undef mail_index_transaction_commit
int mail_index_transaction_commit(struct mail_index_transaction **trans)
{
	*trans = NULL;
	if (index_fails)
		return -1;
	index_written = index_new;
	index_commits++;
	return 0;
}

static void ATTR_FORMAT(2, 0)
log_handler(const struct failure_context *ctx, const char *format,
	    va_list args)
{
	g_string_append_printf(logged, "%s: ",
		ctx->type == LOG_TYPE_WARNING ? "W" : "E");
	g_string_append_vprintf(logged, format, args);
	g_string_append_c(logged, '\n');
}

/* --- A mailbox for each test --- */

static struct mailbox box;
static struct mail_storage storage;
static struct mail_storage_settings set;

static inline void setup(void)
{
	has_control_dir = TRUE;
	control_dir = g_dir_make_tmp("popinjay-view-XXXXXX", NULL);
	index_written = 0;
	index_commits = 0;
	index_fails = FALSE;
	uidvalidity = UIDVALIDITY;
	uidnext = current_header.next_uid = 100;
	index_in_memory = FALSE;
	logged = g_string_new(NULL);
	storage.set = &set;
	box.storage = &storage;
	box.event = event_create(NULL);
	i_set_error_handler(log_handler);
}

static inline void teardown(void)
{
	const char *error;

	if (unlink_directory(control_dir, UNLINK_DIRECTORY_FLAG_RMDIR,
			     &error) < 0)
		g_error("%s", error);
	event_unref(&box.event);
	g_string_free(logged, TRUE);
	g_clear_pointer(&control_dir, g_free);
}

static inline const char *t_path(const char *name)
{
	return t_strconcat(control_dir, "/", name, NULL);
}

static inline void assert_file(const char *name, const char *text)
{
	g_autofree char *data = NULL;

	if (!g_file_get_contents(t_path(name), &data, NULL, NULL))
		data = NULL;
	g_assert_cmpstr(data, ==, text);
}

static inline void write_file(const char *name, const char *text)
{
	g_assert_true(g_file_set_contents(t_path(name), text, -1, NULL));
}

static inline void assert_logged(const char *text)
{
	g_assert_cmpstr(logged->str, ==, text);
	g_string_truncate(logged, 0);
}

#endif
