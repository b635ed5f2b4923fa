/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keys of HMACs: that of UIDLs and that of the access log. */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "hmac.h"
#include "safe-memset.h"
#include "sha2.h"
#include "key-file.h"

#include <fcntl.h>
#include <unistd.h>

/* 128 bits */
#define HMAC_USED_BYTES 16

int popinjay_key_file_read(const char *path, buffer_t *key,
			   const char **error_r)
{
	unsigned char data[POPINJAY_KEY_MAX_BYTES + 1];
	ssize_t ret;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		*error_r = t_strdup_printf("open() failed: %m");
		return -1;
	}
	ret = read(fd, data, sizeof(data));
	if (ret < 0) {
		*error_r = t_strdup_printf("read() failed: %m");
		i_close_fd(&fd);
		return -1;
	}
	i_close_fd(&fd);

	/* a final newline comes from the editor, not from whoever chose the
	   key */
	if (ret > 0 && data[ret - 1] == '\n')
		ret--;
	if (ret >= POPINJAY_KEY_MIN_BYTES && ret <= POPINJAY_KEY_MAX_BYTES)
		buffer_append(key, data, ret);
	safe_memset(data, 0, sizeof(data));
	if (ret < POPINJAY_KEY_MIN_BYTES || ret > POPINJAY_KEY_MAX_BYTES) {
		*error_r = t_strdup_printf("The key has %s than %d bytes",
			ret < POPINJAY_KEY_MIN_BYTES ? "less" : "more",
			ret < POPINJAY_KEY_MIN_BYTES ?
			POPINJAY_KEY_MIN_BYTES : POPINJAY_KEY_MAX_BYTES);
		return -1;
	}
	return 0;
}

const char *popinjay_key_hmac(const buffer_t *key, const char *text)
{
	const buffer_t *digest;

	digest = t_hmac_data(&hash_method_sha256, key->data, key->used, text,
			     strlen(text));
	return binary_to_hex(digest->data, HMAC_USED_BYTES);
}

void popinjay_key_free(buffer_t **_key)
{
	buffer_t *key = *_key;

	if (key == NULL)
		return;
	if (key->used > 0) {
		safe_memset(buffer_get_modifiable_data(key, NULL), 0,
			    key->used);
	}
	buffer_free(_key);
}
