/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process and doveadm: what differs between Dovecots for a dict. */

#include "lib.h"
#include "dict.h"
#include "compat-dict.h"

#ifdef POPINJAY_HAVE_DICT_OP_SETTINGS

static const struct dict_op_settings op_settings;

int popinjay_dict_lookup(struct dict *dict, pool_t pool, const char *key,
			 const char **value_r, const char **error_r)
{
	return dict_lookup(dict, &op_settings, pool, key, value_r, error_r);
}

void popinjay_dict_lookup_async(struct dict *dict, const char *key,
				dict_lookup_callback_t *callback,
				void *context)
{
	/* the macro of that name wants the context's type */
	(dict_lookup_async)(dict, &op_settings, key, callback, context);
}

static struct dict_iterate_context *
iterate(struct dict *dict, const char *path, enum dict_iterate_flags flags)
{
	return dict_iterate_init(dict, &op_settings, path, flags);
}

struct dict_transaction_context *popinjay_dict_begin(struct dict *dict)
{
	return dict_transaction_begin(dict, &op_settings);
}

#else

int popinjay_dict_lookup(struct dict *dict, pool_t pool, const char *key,
			 const char **value_r, const char **error_r)
{
	return dict_lookup(dict, pool, key, value_r, error_r);
}

void popinjay_dict_lookup_async(struct dict *dict, const char *key,
				dict_lookup_callback_t *callback,
				void *context)
{
	(dict_lookup_async)(dict, key, callback, context);
}

static struct dict_iterate_context *
iterate(struct dict *dict, const char *path, enum dict_iterate_flags flags)
{
	return dict_iterate_init(dict, path, flags);
}

struct dict_transaction_context *popinjay_dict_begin(struct dict *dict)
{
	return dict_transaction_begin(dict);
}

#endif

struct dict_iterate_context *
popinjay_dict_iterate(struct dict *dict, const char *path, unsigned int limit)
{
	struct dict_iterate_context *iter =
		iterate(dict, path, DICT_ITERATE_FLAG_NO_VALUE);

	dict_iterate_set_limit(iter, limit);
	return iter;
}

void popinjay_dict_hide_values(
	struct dict_transaction_context *trans ATTR_UNUSED)
{
#ifdef POPINJAY_HAVE_DICT_HIDE_LOG_VALUES
	dict_transaction_set_hide_log_values(trans, TRUE);
#endif
}

void popinjay_dict_set_async(struct dict *dict, const char *key,
			     const char *value)
{
	struct dict_transaction_context *trans;
#ifdef POPINJAY_HAVE_DICT_OP_NO_SLOWNESS_WARNING
	const struct dict_op_settings set = { .no_slowness_warning = TRUE };

	trans = dict_transaction_begin(dict, &set);
#else
	trans = popinjay_dict_begin(dict);
	dict_transaction_no_slowness_warning(trans);
#endif
	dict_set(trans, key, value);
	dict_transaction_commit_async_nocallback(&trans);
}
