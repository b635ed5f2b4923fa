/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the file of keys that seal secrets. */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "hex-binary.h"
#include "safe-memset.h"
#include "strescape.h"
#include "secret-key.h"
#include "small-file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX_BYTES 65536
#define KEY_ID_MAX_LEN 32

struct popinjay_secret_keys {
	pool_t pool;
	ARRAY(struct popinjay_secret_key) keys;
	const char *current_id;
};

static bool is_key_id(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= KEY_ID_MAX_LEN &&
		strspn(id, "abcdefghijklmnopqrstuvwxyz"
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

static int
parse_line(struct popinjay_secret_keys *keys, const char *line,
	   const char **error_r)
{
	const char *const *words = t_strsplit_spaces(line, " \t\r");
	unsigned int count = str_array_length(words);
	struct popinjay_secret_key *key;
	buffer_t buf;
	int ret;

	if (count == 0 || words[0][0] == '#')
		return 0;
	if (count < 2 || count > 3 ||
	    (count == 3 && strcmp(words[2], "current") != 0)) {
		*error_r = "expected \"ID KEY\" or \"ID KEY current\"";
		return -1;
	}
	if (!is_key_id(words[0])) {
		*error_r = "the id of a key must be 1-32 letters, digits, "
			"\"-\" or \"_\"";
		return -1;
	}
	if (popinjay_secret_keys_find(keys, words[0]) != NULL) {
		*error_r = t_strdup_printf("key %s is defined twice",
					   words[0]);
		return -1;
	}
	if (strlen(words[1]) != POPINJAY_SECRET_KEY_BYTES * 2) {
		*error_r = "a key must be 64 hexadecimal digits";
		return -1;
	}
	if (count == 3 && keys->current_id != NULL) {
		*error_r = "two keys are marked as current";
		return -1;
	}

	key = array_append_space(&keys->keys);
	key->id = p_strdup(keys->pool, words[0]);
	buffer_create_from_data(&buf, key->key, sizeof(key->key));
	ret = hex_to_binary(words[1], &buf);
	if (ret < 0) {
		*error_r = "a key must be 64 hexadecimal digits";
		return -1;
	}
	if (count == 3)
		keys->current_id = key->id;
	return 0;
}

int popinjay_secret_keys_parse(const char *text,
			       struct popinjay_secret_keys **keys_r,
			       const char **error_r)
{
	struct popinjay_secret_keys *keys;
	const char *const *lines, *error;
	unsigned int i;
	pool_t pool;
	int ret = 0;

	pool = pool_alloconly_create_clean("popinjay secret keys", 1024);
	keys = p_new(pool, struct popinjay_secret_keys, 1);
	keys->pool = pool;
	p_array_init(&keys->keys, pool, 4);

	lines = t_strsplit(text, "\n");
	for (i = 0; lines[i] != NULL && ret == 0; i++) {
		ret = parse_line(keys, lines[i], &error);
		if (ret < 0)
			*error_r = t_strdup_printf("line %u: %s", i + 1, error);
	}
	if (ret == 0 && keys->current_id == NULL) {
		*error_r = "no key is marked as current: mark the newest";
		ret = -1;
	}
	if (ret < 0)
		popinjay_secret_keys_free(&keys);
	else
		*keys_r = keys;
	return ret;
}

static int read_text(int fd, buffer_t *text, const char **error_r)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		*error_r = t_strdup_printf("fstat() failed: %m");
		return -1;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
		*error_r = t_strdup_printf("It must be a file of mode 0600, "
			"but its mode is 0%o",
			(unsigned int)st.st_mode & 07777);
		return -1;
	}
	if (popinjay_small_file_read_fd(fd, KEY_FILE_MAX_BYTES, text,
					error_r) < 0)
		return -1;
	if (memchr(text->data, '\0', text->used) != NULL) {
		*error_r = "It contains NUL bytes";
		return -1;
	}
	return 0;
}

int popinjay_secret_keys_read(const char *path,
			      struct popinjay_secret_keys **keys_r,
			      const char **error_r)
{
	const char *error;
	buffer_t buf;
	char *text;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		*error_r = t_strdup_printf("%s: open() failed: %m", path);
		return -1;
	}
	/* one more byte for the reader, and a final NUL */
	text = i_malloc(KEY_FILE_MAX_BYTES + 2);
	buffer_create_from_data(&buf, text, KEY_FILE_MAX_BYTES + 1);
	ret = read_text(fd, &buf, &error);
	i_close_fd(&fd);
	if (ret == 0)
		ret = popinjay_secret_keys_parse(text, keys_r, &error);
	if (ret < 0)
		*error_r = t_strdup_printf("%s: %s", path, error);
	safe_memset(text, 0, KEY_FILE_MAX_BYTES + 2);
	i_free(text);
	return ret;
}

void popinjay_secret_keys_free(struct popinjay_secret_keys **_keys)
{
	struct popinjay_secret_keys *keys = *_keys;
	pool_t pool;

	if (keys == NULL)
		return;
	*_keys = NULL;
	/* the pool wipes what it frees */
	pool = keys->pool;
	pool_unref(&pool);
}

const struct popinjay_secret_key *
popinjay_secret_keys_current(const struct popinjay_secret_keys *keys)
{
	return popinjay_secret_keys_find(keys, keys->current_id);
}

const struct popinjay_secret_key *
popinjay_secret_keys_find(const struct popinjay_secret_keys *keys,
			  const char *id)
{
	const struct popinjay_secret_key *key;

	array_foreach(&keys->keys, key) {
		if (strcmp(key->id, id) == 0)
			return key;
	}
	return NULL;
}
