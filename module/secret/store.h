/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_STORE_H
#define POPINJAY_SECRET_STORE_H

/* Where users' secrets are kept: a dict of any kind. The key
   shared/popinjay/secrets/USER has all secrets of a user (see secret-record.h),
   shared/popinjay/used/USER/ID the last use of one: seconds since 1970, the
   client's address and the mechanism. One key of the latter form, of no real
   user, says which host may change secrets. */

struct event;
struct popinjay_secret_store;

/* ret is 1 if the user has secrets (in value), 0 if not, -1 on error. */
typedef void
popinjay_secret_store_callback_t(int ret, const char *value,
				 const char *error, void *context);

/* Open the dict of that URI, or, where it is one of Dovecot's settings, the one
   that the event sees. Returns 0, or -1 with the reason in error_r. */
int popinjay_secret_store_init(const char *uri, const char *base_dir,
			       struct event *event_parent,
			       struct popinjay_secret_store **store_r,
			       const char **error_r);
/* Wait for what is under way, close it and set *store to NULL. Does nothing if
   it is NULL. */
void popinjay_secret_store_deinit(struct popinjay_secret_store **store);

/* Returns FALSE if a user of that name cannot have secrets, because the name is
   too long for a file name, or is not printable UTF-8. */
bool popinjay_secret_store_user_is_valid(const char *user);

/* A later answer counts as none, however long Dovecot's dict would wait. */
#define POPINJAY_SECRET_STORE_TIMEOUT_SECS 5

/* Look up a user's secrets. The callback is called once, perhaps before this
   returns, and with an error if there is no answer in time. After that, and
   until the store answers again, only one look-up at a time is tried, on a new
   connection; the others fail at once. */
void popinjay_secret_store_lookup_async(struct popinjay_secret_store *store,
					const char *user,
					popinjay_secret_store_callback_t *func,
					void *context);

/* The same, waiting for it. value_r is of pool. Returns 1 if the user has
   secrets, 0 if not, or -1 with the reason in error_r. */
int popinjay_secret_store_lookup(struct popinjay_secret_store *store,
				 pool_t pool, const char *user,
				 const char **value_r, const char **error_r);

/* Append the names of all users who have a key in the store to users_r, in no
   order. Strings are allocated from pool. Returns 0, or -1 with the reason in
   error_r; some dicts cannot list keys. */
int popinjay_secret_store_users(struct popinjay_secret_store *store,
				pool_t pool, ARRAY_TYPE(const_string) *users_r,
				const char **error_r);

/* Replace a user's secrets, or remove them if value is NULL. Returns 0, or -1
   with the reason in error_r. */
int popinjay_secret_store_set(struct popinjay_secret_store *store,
			      const char *user, const char *value,
			      const char **error_r);

/* Note that a secret was used, without waiting. */
void popinjay_secret_store_set_used(struct popinjay_secret_store *store,
				    const char *user, const char *id,
				    const char *value);
/* Look up when a secret was used. Returns as popinjay_secret_store_lookup(). */
int popinjay_secret_store_get_used(struct popinjay_secret_store *store,
				   pool_t pool, const char *user,
				   const char *id, const char **value_r,
				   const char **error_r);
/* Forget when a secret was used. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_secret_store_unset_used(struct popinjay_secret_store *store,
				     const char *user, const char *id,
				     const char **error_r);

/* Look up which host may change secrets. Returns as
   popinjay_secret_store_lookup(). */
int popinjay_secret_store_get_turn(struct popinjay_secret_store *store,
				   pool_t pool, const char **value_r,
				   const char **error_r);
/* Store which host may. Returns 0, or -1 with the reason in error_r. */
int popinjay_secret_store_set_turn(struct popinjay_secret_store *store,
				   const char *value, const char **error_r);

#endif
