/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process and doveadm: users' secrets in a dict. */

#include "lib.h"
#include "array.h"
#include "dict.h"
#include "hash.h"
#include "ioloop.h"
#include "lib-event.h"
#include "llist.h"
#include "unichar.h"
#include "compat-dict.h"
#include "secret-settings.h"
#include "store.h"

#define KEY_SECRETS DICT_PATH_SHARED"popinjay/secrets/"
/* The limit of a file name, for dicts where each user is a file. */
#define NAME_MAX_BYTES 255
#define KEY_USED DICT_PATH_SHARED"popinjay/used/"
/* It has the form of a secret's last use, because SQL dicts map no other. */
#define TURN_USER "@"
#define TURN_ID "changing"

/* A user who never has secrets. Iterating files in Dovecot 2.3.19 to 2.3.21
   starts again where it should end, so the iteration is bounded, and everything
   between two occurrences of this name is the whole list. Without any file it
   would loop endlessly in the dict process. */
#define LIST_USER "@"
#define LIST_VALUE "popinjay-secrets:1:0"
#define LIST_LIMIT 4000

HASH_TABLE_DEFINE_TYPE(users, const char *, const char *);

/* Each attempt to ask a store that hangs may leave another hanging dict process
   behind, so attempts get rarer. */
#define RETRY_MAX_SECS 60

struct popinjay_secret_store {
	/* what opens the dict */
	char *uri, *base_dir;
	struct event *event;

	/* NULL after it was given up */
	struct dict *dict;
	/* those waiting for an answer */
	struct store_lookup *lookups;
	/* look-ups that timed out since the last answer */
	unsigned int silences;
	/* if there were any: no look-up before this time */
	time_t retry_time;
};

struct store_lookup {
	struct store_lookup *prev, *next;
	struct popinjay_secret_store *store;
	struct timeout *to;

	/* NULL once it was called */
	popinjay_secret_store_callback_t *callback;
	void *context;
};

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

static int store_open(struct popinjay_secret_store *store, const char **error_r)
{
	if (store->dict != NULL)
		return 0;
	return popinjay_secret_dict_init(store->uri, store->base_dir,
					 store->event, &store->dict, error_r);
}

static void store_free(struct popinjay_secret_store *store)
{
	event_unref(&store->event);
	i_free(store->uri);
	i_free(store->base_dir);
	i_free(store);
}

int popinjay_secret_store_init(const char *uri, const char *base_dir,
			       struct event *event_parent,
			       struct popinjay_secret_store **store_r,
			       const char **error_r)
{
	struct popinjay_secret_store *store =
		i_new(struct popinjay_secret_store, 1);

	store->uri = i_strdup(uri);
	store->base_dir = i_strdup(base_dir);
	store->event = event_parent;
	if (store->event != NULL)
		event_ref(store->event);
	if (store_open(store, error_r) < 0) {
		store_free(store);
		return -1;
	}
	*store_r = store;
	return 0;
}

void popinjay_secret_store_deinit(struct popinjay_secret_store **_store)
{
	struct popinjay_secret_store *store = *_store;

	if (store == NULL)
		return;
	*_store = NULL;
	if (store->silences > 0)
		popinjay_secret_dict_abort(&store->dict);
	if (store->dict != NULL) {
		dict_wait(store->dict);
		dict_deinit(&store->dict);
	}
	store_free(store);
}

/* --- looking up without waiting --- */

static void
lookup_end(struct store_lookup *lookup, struct store_lookup **list, int ret,
	   const char *value, const char *error)
{
	popinjay_secret_store_callback_t *callback = lookup->callback;

	DLLIST_REMOVE(list, lookup);
	timeout_remove(&lookup->to);
	lookup->callback = NULL;
	T_BEGIN {
		callback(ret, value, error, lookup->context);
	} T_END;
}

static void
lookup_callback(const struct dict_lookup_result *result, void *context)
{
	struct store_lookup *lookup = context;
	struct popinjay_secret_store *store = lookup->store;

	if (lookup->callback != NULL) {
		store->silences = 0;
		lookup_end(lookup, &store->lookups, result->ret, result->value,
			   result->error);
	}
	i_free(lookup);
}

/* Everything else on this connection waits behind what hangs, and whatever came
   later would, too. */
static void lookup_timeout(struct store_lookup *lookup)
{
	struct popinjay_secret_store *store = lookup->store;
	struct store_lookup *list = store->lookups;
	struct dict *dict = store->dict;
	const char *error = t_strdup_printf(
		"the store did not answer in %u seconds",
		POPINJAY_SECRET_STORE_TIMEOUT_SECS);

	store->lookups = NULL;
	store->dict = NULL;
	store->retry_time = ioloop_time;
	if (store->silences > 0) {
		store->retry_time += I_MIN(RETRY_MAX_SECS,
			POPINJAY_SECRET_STORE_TIMEOUT_SECS <<
			I_MIN(store->silences - 1, 8));
	}
	store->silences++;
	while (list != NULL)
		lookup_end(list, &list, -1, NULL, error);
	/* frees them */
	popinjay_secret_dict_abort(&dict);
	if (store->dict == NULL)
		store->dict = dict;
}

/* Returns NULL, or why the store must not be asked now. After a look-up timed
   out, the next one alone tries a new connection. */
static const char *silence_error(const struct popinjay_secret_store *store)
{
	if (store->silences == 0)
		return NULL;
	if (store->lookups != NULL)
		return "the store did not answer and is being tried again";
	if (ioloop_time >= store->retry_time)
		return NULL;
	return t_strdup_printf("the store did not answer and will be tried "
		"again in %u seconds",
		(unsigned int)(store->retry_time - ioloop_time));
}

void popinjay_secret_store_lookup_async(struct popinjay_secret_store *store,
					const char *user,
					popinjay_secret_store_callback_t *func,
					void *context)
{
	const char *error = silence_error(store);
	struct store_lookup *lookup;

	if (error != NULL || store_open(store, &error) < 0) {
		func(-1, NULL, error, context);
		return;
	}
	lookup = i_new(struct store_lookup, 1);
	lookup->store = store;
	lookup->callback = func;
	lookup->context = context;
	DLLIST_PREPEND(&store->lookups, lookup);
	lookup->to = timeout_add(POPINJAY_SECRET_STORE_TIMEOUT_SECS * 1000,
				 lookup_timeout, lookup);
	popinjay_dict_lookup_async(store->dict, secrets_key(user),
				   lookup_callback, lookup);
}

/* --- the others wait for the answer --- */

int popinjay_secret_store_lookup(struct popinjay_secret_store *store,
				 pool_t pool, const char *user,
				 const char **value_r, const char **error_r)
{
	*error_r = NULL;
	return popinjay_dict_lookup(store->dict, pool, secrets_key(user),
				    value_r, error_r);
}

static int
set_or_unset(struct popinjay_secret_store *store, const char *key,
	     const char *value, const char **error_r)
{
	struct dict_transaction_context *trans;

	trans = popinjay_dict_begin(store->dict);
	popinjay_dict_hide_values(trans);
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
	const char *error;

	/* the next look-up logs why it cannot be opened */
	if (store_open(store, &error) == 0) {
		popinjay_dict_set_async(store->dict, used_key(user, id),
					value);
	}
}

int popinjay_secret_store_get_used(struct popinjay_secret_store *store,
				   pool_t pool, const char *user,
				   const char *id, const char **value_r,
				   const char **error_r)
{
	*error_r = NULL;
	return popinjay_dict_lookup(store->dict, pool, used_key(user, id),
				    value_r, error_r);
}

int popinjay_secret_store_unset_used(struct popinjay_secret_store *store,
				     const char *user, const char *id,
				     const char **error_r)
{
	const char *value;
	int ret;

	/* dict-fs cannot remove what does not exist */
	ret = popinjay_secret_store_get_used(store, pool_datastack_create(),
					     user, id, &value, error_r);
	return ret <= 0 ? ret :
		set_or_unset(store, used_key(user, id), NULL, error_r);
}

int popinjay_secret_store_get_turn(struct popinjay_secret_store *store,
				   pool_t pool, const char **value_r,
				   const char **error_r)
{
	return popinjay_secret_store_get_used(store, pool, TURN_USER, TURN_ID,
					      value_r, error_r);
}

int popinjay_secret_store_set_turn(struct popinjay_secret_store *store,
				   const char *value, const char **error_r)
{
	return set_or_unset(store, used_key(TURN_USER, TURN_ID), value,
			    error_r);
}

/* --- all users --- */

/* List at most limit keys. Returns how many there were, or -1. *rounds_r is how
   often LIST_USER was among them. */
static int
list_round(struct popinjay_secret_store *store, pool_t pool,
	   unsigned int limit, HASH_TABLE_TYPE(users) users,
	   unsigned int *rounds_r, const char **error_r)
{
	struct dict_iterate_context *iter;
	const char *key, *value, *user;
	unsigned int count = 0;

	*rounds_r = 0;
	iter = popinjay_dict_iterate(store->dict, KEY_SECRETS, limit);
	while (dict_iterate(iter, &key, &value)) T_BEGIN {
		i_assert(strncmp(key, KEY_SECRETS, strlen(KEY_SECRETS)) == 0);
		user = dict_unescape_string(key + strlen(KEY_SECRETS));
		count++;
		if (strcmp(user, LIST_USER) == 0)
			(*rounds_r)++;
		else if (hash_table_lookup(users, user) == NULL) {
			user = p_strdup(pool, user);
			hash_table_insert(users, user, user);
		}
	} T_END;
	return dict_iterate_deinit(&iter, error_r) < 0 ? -1 : (int)count;
}

int popinjay_secret_store_users(struct popinjay_secret_store *store,
				pool_t pool, ARRAY_TYPE(const_string) *users_r,
				const char **error_r)
{
	HASH_TABLE_TYPE(users) users;
	struct hash_iterate_context *iter;
	const char *value, *key;
	unsigned int limit = LIST_LIMIT, rounds;
	int ret;

	/* this also makes sure that there is something to list */
	ret = popinjay_secret_store_lookup(store, pool_datastack_create(),
					   LIST_USER, &value, error_r);
	if (ret < 0 ||
	    (ret == 0 && popinjay_secret_store_set(store, LIST_USER, LIST_VALUE,
						   error_r) < 0))
		return -1;
	hash_table_create(&users, default_pool, 0, str_hash, strcmp);
	while ((ret = list_round(store, pool, limit, users, &rounds,
				 error_r)) >= 0 &&
	       (unsigned int)ret >= limit && rounds < 2)
		limit *= 4;
	if (ret >= 0) {
		iter = hash_table_iterate_init(users);
		while (hash_table_iterate(iter, users, &key, &value))
			array_push_back(users_r, &key);
		hash_table_iterate_deinit(&iter);
	}
	hash_table_destroy(&users);
	return ret < 0 ? -1 : 0;
}
