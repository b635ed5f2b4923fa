/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any process: the keys of HMACs, for UIDLs and for the access log. */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "hmac.h"
#include "safe-memset.h"
#include "sha2.h"
#include "small-file.h"
#include "key-file.h"

/* 128 bits */
#define HMAC_USED_BYTES 16

int popinjay_key_file_read(const char *path, buffer_t *key,
			   const char **error_r)
{
	/* the key, a newline, and one byte more for the reader */
	unsigned char space[POPINJAY_KEY_MAX_BYTES + 2];
	buffer_t data;
	int ret;

	buffer_create_from_data(&data, space, sizeof(space));
	ret = popinjay_small_file_read(path, POPINJAY_KEY_MAX_BYTES + 1, &data,
				       error_r);
	/* a final newline comes from the editor, not from whoever chose the
	   key */
	if (data.used > 0 && space[data.used - 1] == '\n')
		buffer_set_used_size(&data, data.used - 1);
	if (ret == 0 && (data.used < POPINJAY_KEY_MIN_BYTES ||
			 data.used > POPINJAY_KEY_MAX_BYTES)) {
		*error_r = t_strdup_printf("The key has %s than %d bytes",
			data.used < POPINJAY_KEY_MIN_BYTES ? "less" : "more",
			data.used < POPINJAY_KEY_MIN_BYTES ?
			POPINJAY_KEY_MIN_BYTES : POPINJAY_KEY_MAX_BYTES);
		ret = -1;
	}
	if (ret == 0)
		buffer_append_buf(key, &data, 0, SIZE_MAX);
	safe_memset(space, 0, sizeof(space));
	return ret;
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
