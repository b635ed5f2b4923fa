/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process and doveadm: users' secrets in a dict. */

#include "lib.h"
#include "dict.h"
#include "unichar.h"
#include "secret-settings.h"
#include "store.h"

#define KEY_SECRETS DICT_PATH_SHARED"popinjay/secrets/"
/* Where each user is a file, this is what a file's name may have. */
#define NAME_MAX_BYTES 255
#define KEY_USED DICT_PATH_SHARED"popinjay/used/"

struct popinjay_secret_store {
	struct dict *dict;
};

struct store_lookup {
	popinjay_secret_store_callback_t *callback;
	void *context;
};

static const struct dict_op_settings op_settings;

bool popinjay_secret_store_user_is_valid(const char *user)
{
	const char *escaped, *p;

	for (p = user; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == '\x7f')
			return FALSE;
	}
	escaped = dict_escape_string(user);
	return *user != '\0' && strlen(escaped) <= NAME_MAX_BYTES &&
		strcmp(user, ".") != 0 && strcmp(user, "..") != 0 &&
		uni_utf8_str_is_valid(user);
}

static const char *secrets_key(const char *user)
{
	return t_strconcat(KEY_SECRETS, dict_escape_string(user), NULL);
}

static const char *used_key(const char *user, const char *id)
{
	return t_strconcat(KEY_USED, dict_escape_string(user), "/", id, NULL);
}

int popinjay_secret_store_init(const char *uri, const char *base_dir,
			       struct event *event_parent,
			       struct popinjay_secret_store **store_r,
			       const char **error_r)
{
	struct dict *dict;

	if (popinjay_secret_dict_init(uri, base_dir, event_parent, &dict,
				      error_r) < 0)
		return -1;
	*store_r = i_new(struct popinjay_secret_store, 1);
	(*store_r)->dict = dict;
	return 0;
}

void popinjay_secret_store_deinit(struct popinjay_secret_store **_store)
{
	struct popinjay_secret_store *store = *_store;

	if (store == NULL)
		return;
	*_store = NULL;
	dict_wait(store->dict);
	dict_deinit(&store->dict);
	i_free(store);
}

static void
store_lookup_callback(const struct dict_lookup_result *result,
		      struct store_lookup *lookup)
{
	lookup->callback(result->ret, result->value, result->error,
			 lookup->context);
	i_free(lookup);
}

void popinjay_secret_store_lookup_async(struct popinjay_secret_store *store,
					const char *user,
					popinjay_secret_store_callback_t *func,
					void *context)
{
	struct store_lookup *lookup = i_new(struct store_lookup, 1);

	lookup->callback = func;
	lookup->context = context;
	dict_lookup_async(store->dict, &op_settings, secrets_key(user),
			  store_lookup_callback, lookup);
}

int popinjay_secret_store_lookup(struct popinjay_secret_store *store,
				 pool_t pool, const char *user,
				 const char **value_r, const char **error_r)
{
	*error_r = NULL;
	return dict_lookup(store->dict, &op_settings, pool, secrets_key(user),
			   value_r, error_r);
}

static int
set_or_unset(struct popinjay_secret_store *store, const char *key,
	     const char *value, const char **error_r)
{
	struct dict_transaction_context *trans;

	trans = dict_transaction_begin(store->dict, &op_settings);
	popinjay_secret_dict_hide_values(trans);
	if (value == NULL)
		dict_unset(trans, key);
	else
		dict_set(trans, key, value);
	return dict_transaction_commit(&trans, error_r) < 0 ? -1 : 0;
}

int popinjay_secret_store_set(struct popinjay_secret_store *store,
			      const char *user, const char *value,
			      const char **error_r)
{
	return set_or_unset(store, secrets_key(user), value, error_r);
}

void popinjay_secret_store_set_used(struct popinjay_secret_store *store,
				    const char *user, const char *id,
				    const char *value)
{
	popinjay_secret_dict_set_async(store->dict, used_key(user, id), value);
}

int popinjay_secret_store_get_used(struct popinjay_secret_store *store,
				   pool_t pool, const char *user,
				   const char *id, const char **value_r,
				   const char **error_r)
{
	*error_r = NULL;
	return dict_lookup(store->dict, &op_settings, pool, used_key(user, id),
			   value_r, error_r);
}

int popinjay_secret_store_unset_used(struct popinjay_secret_store *store,
				     const char *user, const char *id,
				     const char **error_r)
{
	const char *value;
	int ret;

	/* dict-fs cannot remove what is not there */
	ret = popinjay_secret_store_get_used(store, pool_datastack_create(),
					     user, id, &value, error_r);
	return ret <= 0 ? ret :
		set_or_unset(store, used_key(user, id), NULL, error_r);
}
