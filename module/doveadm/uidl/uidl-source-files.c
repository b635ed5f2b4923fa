/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: UIDLs from the files of Courier, Cyrus and another Dovecot. It runs
   as the mail user, who may have put anything there. */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "hash.h"
#include "istream.h"
#include "str.h"
#include "header-digest.h"
#include "popinjay-settings.h"
#include "template.h"
#include "uidl-foreign.h"
#include "uidl-source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_MAX_BYTES (256 * 1024 * 1024)
#define HEADER_MAX_BYTES (1024 * 1024)

enum {
	VARIABLE_UID,
	VARIABLE_UIDVALIDITY,
	VARIABLE_FILENAME,
	VARIABLE_GUID,

	VARIABLE_COUNT
};

static const struct popinjay_variable variables[] = {
	[VARIABLE_UID] = { "uid", 'u', "4711" },
	[VARIABLE_UIDVALIDITY] = { "uidvalidity", 'v', "1700000123" },
	[VARIABLE_FILENAME] = { "filename", 'f', "1700000123.M1P2.host" },
	[VARIABLE_GUID] = { "guid", 'g', "0123456789abcdef0123456789abcdef" },
	{ NULL, '\0', NULL }
};

struct files_reader {
	const char *dir;
	pool_t pool;
	ARRAY_TYPE(popinjay_uidl_row) *rows;
	/* of dovecot: what makes UIDLs that are not stored */
	struct popinjay_template *template;

	/* the name of a message without flags -> its path */
	pool_t paths_pool;
	HASH_TABLE(const char *, const char *) paths;
	/* the first error in a callback */
	const char *error;
};

/* --- Files --- */

/* Read a whole file. Returns 0, or -1 with the reason in error_r. */
static int read_file(const char *path, size_t max_bytes, buffer_t **data_r,
		     const char **error_r)
{
	struct istream *input = i_stream_create_file(path, IO_BLOCK_SIZE);
	const unsigned char *data;
	size_t size;
	int ret = 0;

	*data_r = buffer_create_dynamic(default_pool, 64*1024);
	while (i_stream_read_more(input, &data, &size) > 0) {
		size = I_MIN(size, max_bytes - (*data_r)->used);
		if (size == 0)
			break;
		buffer_append(*data_r, data, size);
		i_stream_skip(input, size);
	}
	if (input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s", path,
					   i_stream_get_error(input));
		ret = -1;
	} else if ((*data_r)->used == max_bytes) {
		*error_r = t_strdup_printf("%s is too large", path);
		ret = -1;
	}
	i_stream_unref(&input);
	if (ret < 0)
		buffer_free(data_r);
	return ret;
}

/* What the message's file says of its header. */
static void
row_read_header(struct popinjay_uidl_row *row, const char *path, pool_t pool)
{
	struct popinjay_header_digest *digest;
	char hash[POPINJAY_HEADER_HASH_LEN + 1];
	const unsigned char *data;
	const char *message_id;
	struct istream *input;
	size_t size, sum = 0;
	bool more = TRUE;

	input = i_stream_create_file(path, 4096);
	digest = t_new(struct popinjay_header_digest, 1);
	popinjay_header_digest_init(digest);
	while (more && i_stream_read_more(input, &data, &size) > 0) {
		more = popinjay_header_digest_more(digest, data, size);
		i_stream_skip(input, size);
		sum += size;
		if (sum > HEADER_MAX_BYTES)
			break;
	}
	if (input->stream_errno == 0 && sum <= HEADER_MAX_BYTES) {
		message_id = popinjay_header_digest_result(digest, hash);
		row->hash = p_strdup_empty(pool, hash);
		row->message_id = p_strdup(pool, message_id);
	}
	i_stream_unref(&input);
}

/* --- Maildir --- */

static int
scan_maildir(struct files_reader *reader, const char *subdir,
	     const char **error_r)
{
	const char *dir = t_strconcat(reader->dir, "/", subdir, NULL);
	const char *name, *path;
	struct dirent *d;
	DIR *dirp;

	dirp = opendir(dir);
	if (dirp == NULL) {
		*error_r = t_strdup_printf("opendir(%s) failed: %m", dir);
		return -1;
	}
	while ((d = readdir(dirp)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		path = p_strconcat(reader->paths_pool, subdir, "/", d->d_name,
				   NULL);
		T_BEGIN {
			name = p_strdup(reader->paths_pool,
					t_strcut(d->d_name, ':'));
		} T_END;
		hash_table_update(reader->paths, name, path);
	}
	closedir(dirp);
	return 0;
}

static int make_uidl(struct files_reader *reader,
		     const struct popinjay_uidl_foreign *message,
		     const char *guid, const char **uidl_r)
{
	const char *values[VARIABLE_COUNT];
	string_t *uidl = t_str_new(64);
	const char *error;

	values[VARIABLE_UID] = dec2str(message->uid);
	values[VARIABLE_UIDVALIDITY] = dec2str(message->uidvalidity);
	values[VARIABLE_FILENAME] = message->filename;
	values[VARIABLE_GUID] = guid;
	if (popinjay_template_expand(reader->template, values, uidl,
				     &error) < 0) {
		reader->error = p_strdup(reader->pool, error);
		return -1;
	}
	*uidl_r = str_c(uidl);
	return 0;
}

/* A message of a Maildir that the server's file names. */
static void add_message(const struct popinjay_uidl_foreign *message,
			void *context)
{
	struct files_reader *reader = context;
	struct popinjay_uidl_row *row;
	const char *path, *uidl = message->uidl, *guid = message->guid;

	path = hash_table_lookup(reader->paths, message->filename);
	if (path == NULL) {
		/* has been deleted */
		return;
	}
	if (guid == NULL)
		guid = message->filename;
	if (uidl == NULL && make_uidl(reader, message, guid, &uidl) < 0)
		return;
	row = array_append_space(reader->rows);
	row->uidl = p_strdup(reader->pool, uidl);
	row->guid = p_strdup(reader->pool, guid);
	row->size = message->size;
	row_read_header(row, t_strconcat(reader->dir, "/", path, NULL),
			reader->pool);
}

static int read_maildir(struct files_reader *reader, const char *kind,
			const char **error_r)
{
	bool courier = strcmp(kind, "courier") == 0;
	const char *error, *path = t_strconcat(reader->dir, "/",
		courier ? "courierpop3dsizelist" : "dovecot-uidlist", NULL);
	buffer_t *data;
	int ret;

	if (scan_maildir(reader, "new", error_r) < 0 ||
	    scan_maildir(reader, "cur", error_r) < 0 ||
	    read_file(path, INDEX_MAX_BYTES, &data, error_r) < 0)
		return -1;
	ret = courier ?
		popinjay_courier_parse(data->data, data->used, add_message,
				       reader, &error) :
		popinjay_uidlist_parse(data->data, data->used, add_message,
				       reader, &error);
	buffer_free(&data);
	if (ret < 0) {
		*error_r = t_strdup_printf("%s: %s", path, error);
		return -1;
	}
	return 0;
}

/* --- Cyrus --- */

static int uint32_cmp(const uint32_t *u1, const uint32_t *u2)
{
	return *u1 == *u2 ? 0 : (*u1 < *u2 ? -1 : 1);
}

/* Find the uids of the message files. */
static int scan_cyrus(struct files_reader *reader, ARRAY_TYPE(uint32_t) *uids,
		      const char **error_r)
{
	struct dirent *d;
	uint32_t uid;
	DIR *dirp;

	dirp = opendir(reader->dir);
	if (dirp == NULL) {
		*error_r = t_strdup_printf("opendir(%s) failed: %m",
					   reader->dir);
		return -1;
	}
	while ((d = readdir(dirp)) != NULL) {
		if (popinjay_cyrus_filename_parse(d->d_name, &uid))
			array_push_back(uids, &uid);
	}
	closedir(dirp);
	array_sort(uids, uint32_cmp);
	return 0;
}

/* Messages that were deleted and not yet removed are there too: they match
   nothing. */
static int read_cyrus(struct files_reader *reader, const char **error_r)
{
	const char *error, *path = t_strconcat(reader->dir, "/cyrus.index",
					       NULL);
	unsigned char header[POPINJAY_CYRUS_HEADER_BYTES];
	struct popinjay_uidl_row *row;
	ARRAY_TYPE(uint32_t) uids;
	const uint32_t *uid;
	uint32_t uidvalidity;
	struct stat st;
	ssize_t ret;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	ret = read(fd, header, sizeof(header));
	if (ret < 0)
		*error_r = t_strdup_printf("read(%s) failed: %m", path);
	i_close_fd(&fd);
	if (ret < 0)
		return -1;
	if (popinjay_cyrus_parse(header, ret, &uidvalidity, &error) < 0) {
		*error_r = t_strdup_printf("%s: %s", path, error);
		return -1;
	}

	t_array_init(&uids, 1024);
	if (scan_cyrus(reader, &uids, error_r) < 0)
		return -1;
	array_foreach(&uids, uid) T_BEGIN {
		path = t_strdup_printf("%s/%u.", reader->dir, *uid);
		row = array_append_space(reader->rows);
		row->uidl = p_strdup_printf(reader->pool, "%u.%u", uidvalidity,
					    *uid);
		/* Cyrus stores messages with CRLF */
		row->size = stat(path, &st) < 0 ? UOFF_T_MAX :
			(uoff_t)st.st_size;
		row_read_header(row, path, reader->pool);
	} T_END;
	return 0;
}

int uidl_source_read_files(const struct uidl_source *source,
			   struct mail_user *user, const char *kind,
			   const char *dir, pool_t pool,
			   ARRAY_TYPE(popinjay_uidl_row) *rows,
			   const char **error_r)
{
	struct files_reader reader = { .dir = dir, .pool = pool, .rows = rows };
	const char *format = source->old_format, *error;
	int ret;

	if (strcmp(kind, "cyrus") == 0)
		return read_cyrus(&reader, error_r);
	if (format == NULL)
		format = popinjay_settings_get_native_uidl_format(user);
	if (strcmp(kind, "dovecot") == 0 &&
	    popinjay_template_parse(format, variables, &reader.template,
				    &error) < 0) {
		*error_r = t_strdup_printf("The old format %s: %s", format,
					   error);
		return -1;
	}
	reader.paths_pool = pool_alloconly_create("popinjay maildir", 64*1024);
	hash_table_create(&reader.paths, reader.paths_pool, 0, str_hash,
			  strcmp);
	ret = read_maildir(&reader, kind, error_r);
	if (ret == 0 && reader.error != NULL) {
		*error_r = t_strdup_printf("The old format %s: %s", format,
					   reader.error);
		ret = -1;
	}
	hash_table_destroy(&reader.paths);
	pool_unref(&reader.paths_pool);
	popinjay_template_free(&reader.template);
	return ret;
}
