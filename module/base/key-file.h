/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_KEY_FILE_H
#define POPINJAY_KEY_FILE_H

#define POPINJAY_KEY_MIN_BYTES 16
#define POPINJAY_KEY_MAX_BYTES 4096

/* Append the key in a file to key: the whole file except a final newline.
   Returns 0, or -1 with the reason, which does not name the file, in
   error_r. */
int popinjay_key_file_read(const char *path, buffer_t *key,
			   const char **error_r);

/* Returns the first half of the HMAC-SHA256 of text with key as 32 hex digits,
   in the data stack. Different texts do not get the same digits by chance. */
const char *popinjay_key_hmac(const buffer_t *key, const char *text);

/* Wipe the key, free it and set *key to NULL. Does nothing if it is NULL. */
void popinjay_key_free(buffer_t **key);

#endif
