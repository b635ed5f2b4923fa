/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_DICT_H
#define POPINJAY_COMPAT_DICT_H

/* What differs between Dovecots for the clients of a dict. Include it behind
   dict.h. */

/* Look a key up. Returns 1 with its value, 0 if it is not there, or -1 with the
   reason in error_r. */
int popinjay_dict_lookup(struct dict *dict, pool_t pool, const char *key,
			 const char **value_r, const char **error_r);

/* Look a key up without waiting for it. */
void popinjay_dict_lookup_async(struct dict *dict, const char *key,
				dict_lookup_callback_t *callback,
				void *context);

/* Begin to list at most limit keys below path, without values. */
struct dict_iterate_context *
popinjay_dict_iterate(struct dict *dict, const char *path, unsigned int limit);

/* Begin a transaction. */
struct dict_transaction_context *popinjay_dict_begin(struct dict *dict);

/* Keep the values that are set out of debug logs, where Dovecot can. */
void popinjay_dict_hide_values(struct dict_transaction_context *trans);

/* Set a key without waiting for it, and without a warning if it takes long. */
void popinjay_dict_set_async(struct dict *dict, const char *key,
			     const char *value);

#endif
