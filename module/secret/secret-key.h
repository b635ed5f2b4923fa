/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_KEY_H
#define POPINJAY_SECRET_KEY_H

/* The keys that seal secrets. A key file has a line for each key, "ID KEY" or
   "ID KEY current": ID is a name of letters, digits, "-" and "_", KEY is 64
   hexadecimal digits. Exactly one key is current. Empty lines and lines that
   begin with "#" are ignored. */

struct popinjay_secret_keys;

#define POPINJAY_SECRET_KEY_BYTES 32

struct popinjay_secret_key {
	const char *id;
	unsigned char key[POPINJAY_SECRET_KEY_BYTES];
};

/* Parse the text of a key file. Returns 0, or -1 with the reason, which names
   the line and holds no part of a key, in error_r. Free the keys. */
int popinjay_secret_keys_parse(const char *text,
			       struct popinjay_secret_keys **keys_r,
			       const char **error_r);

/* Read a key file, which only its owner may be able to read (mode 0600 or
   stricter). Returns 0, or -1 with the reason, which names the file, in
   error_r. */
int popinjay_secret_keys_read(const char *path,
			      struct popinjay_secret_keys **keys_r,
			      const char **error_r);

/* Wipe and free the keys and set *keys to NULL. Does nothing if it is NULL. */
void popinjay_secret_keys_free(struct popinjay_secret_keys **keys);

/* Returns the key that seals new records. */
const struct popinjay_secret_key *
popinjay_secret_keys_current(const struct popinjay_secret_keys *keys);

/* Returns the key of that id, or NULL if there is none. */
const struct popinjay_secret_key *
popinjay_secret_keys_find(const struct popinjay_secret_keys *keys,
			  const char *id);

#endif
