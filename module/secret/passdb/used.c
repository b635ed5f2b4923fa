/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process: logs and stores which secrets let somebody in, and logs
   those that did not where the mechanism decides. */

#include "auth-headers.h"
#include "auth-fields.h"
#include "hash.h"
#include "ioloop.h"
#include "compat-auth.h"
#include "secret-record.h"
#include "store.h"
#include "used.h"

#define WRITE_INTERVAL_SECS 60
/* With more, those that are due to be written again are forgotten. */
#define USED_MAX 10000

struct popinjay_used {
	/* requests may end after the passdb is gone */
	unsigned int refcount;
	/* NULL once the passdb is gone */
	struct popinjay_secret_store *store;
	/* USER/ID of a secret -> when its use was last written */
	HASH_TABLE(char *, void *) times;
};

struct watch {
	struct popinjay_used *used;
	struct event *event;
	const char *user, *id, *label;
};

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

struct popinjay_used *popinjay_used_create(struct popinjay_secret_store *store)
{
	struct popinjay_used *used = i_new(struct popinjay_used, 1);

	used->refcount = 1;
	used->store = store;
	hash_table_create(&used->times, default_pool, 0, str_hash, strcmp);
	return used;
}

static void forget(struct popinjay_used *used, bool all)
{
	struct hash_iterate_context *iter;
	char *key;
	void *value;

	iter = hash_table_iterate_init(used->times);
	while (hash_table_iterate(iter, used->times, &key, &value)) {
		if (all || ioloop_time - (time_t)POINTER_CAST_TO(value, size_t)
		    >= WRITE_INTERVAL_SECS) {
			hash_table_remove(used->times, key);
			i_free(key);
		}
	}
	hash_table_iterate_deinit(&iter);
}

static void used_unref(struct popinjay_used *used)
{
	i_assert(used->refcount > 0);
	if (--used->refcount > 0)
		return;
	forget(used, TRUE);
	hash_table_destroy(&used->times);
	i_free(used);
}

void popinjay_used_free(struct popinjay_used **_used)
{
	struct popinjay_used *used = *_used;

	if (used == NULL)
		return;
	*_used = NULL;
	used->store = NULL;
	used_unref(used);
}

/* Returns TRUE if it is time to store the use of the secret. */
static bool
used_is_due(struct popinjay_used *used, const char *user, const char *id)
{
	const char *name = t_strconcat(user, "/", id, NULL);
	char *key;
	void *value;

	if (hash_table_lookup_full(used->times, name, &key, &value)) {
		if (ioloop_time - (time_t)POINTER_CAST_TO(value, size_t) <
		    WRITE_INTERVAL_SECS)
			return FALSE;
		hash_table_update(used->times, key, POINTER_CAST(ioloop_time));
		return TRUE;
	}
	if (hash_table_count(used->times) >= USED_MAX)
		forget(used, FALSE);
	key = i_strdup(name);
	hash_table_insert(used->times, key, POINTER_CAST(ioloop_time));
	return TRUE;
}

/* Returns TRUE if the request still has the fields that our passdb set. They
   are gone if it failed after all, such as by allow_nets among its fields; then
   another passdb may have let the client in. */
static bool
is_watched(const struct auth_request *request, const struct watch *watch)
{
	struct auth_fields *reply = request->fields.userdb_reply;

	return reply != NULL &&
		null_strcmp(auth_fields_find(reply, "popinjay_secret_id"),
			    watch->id) == 0;
}

/* Returns TRUE if the client was let in, and by this secret. */
static bool
was_accepted(const struct auth_request *request, const struct watch *watch)
{
	const struct auth_request_fields *fields = &request->fields;

	return fields->successful && is_watched(request, watch) &&
		!auth_fields_exists(fields->extra_fields, "nologin");
}

static const char *remote_ip(const struct auth_request *request)
{
	return request->fields.remote_ip.family == 0 ? "-" :
		net_ip2addr(&request->fields.remote_ip);
}

static void
log_end(struct auth_request *request, const struct watch *watch,
	const char *name, const char *what, const char *reason)
{
	struct event *event = watch->event;

	event_add_category(event, &event_category_popinjay);
	event_add_str(event, "secret_id", watch->id);
	event_add_str(event, "secret_label", watch->label);
	event_set_name(event, name);
	e_info(event, "popinjay: %s: user=<%s>, secret %s (%s), method=%s, "
	       "rip=%s%s", what, watch->user, watch->id, watch->label,
	       request->fields.mech_name, remote_ip(request), reason);
}

static void
request_accepted(struct auth_request *request, const struct watch *watch)
{
	struct popinjay_used *used = watch->used;

	log_end(request, watch, "popinjay_auth_accepted", "accepted", "");
	if (used->store != NULL && used_is_due(used, watch->user, watch->id)) {
		popinjay_secret_store_set_used(used->store, watch->user,
			watch->id, t_strdup_printf("%jd %s %s",
				(intmax_t)ioloop_time, remote_ip(request),
				request->fields.mech_name));
	}
}

/* Returns TRUE if the secret would have let the client in, but the client
   answered the mechanism's challenge with another one. Requests that are
   aborted or time out are not finished. */
static bool
was_wrong(const struct auth_request *request, const struct watch *watch)
{
	return request->state == AUTH_REQUEST_STATE_FINISHED &&
		!request->fields.successful && request->passdb_success &&
		!request->failed && !request->internal_failure &&
		!request->policy_refusal && is_watched(request, watch);
}

static void
request_refused(struct auth_request *request, const struct watch *watch)
{
	static const char reason[] =
		"the client's answer to the challenge is wrong";

	event_add_str(watch->event, "mechanism", request->fields.mech_name);
	event_add_str(watch->event, "reason", reason);
	log_end(request, watch, "popinjay_auth_refused", "refused",
		t_strconcat(": ", reason, NULL));
}

static void request_end(struct auth_request *request, void *context)
{
	struct watch *watch = context;

	T_BEGIN {
		if (was_accepted(request, watch))
			request_accepted(request, watch);
		else if (was_wrong(request, watch))
			request_refused(request, watch);
	} T_END;
	event_unref(&watch->event);
	used_unref(watch->used);
}

void popinjay_used_watch(struct auth_request *request,
			 struct popinjay_used *used, const char *user,
			 const struct popinjay_secret *secret)
{
	struct watch *watch;

	if (request->fields.mech_name == NULL) {
		/* not a login */
		return;
	}
	watch = p_new(request->pool, struct watch, 1);
	watch->used = used;
	used->refcount++;
	watch->event = event_create(request->event);
	watch->user = p_strdup(request->pool, user);
	watch->id = p_strdup(request->pool, secret->id);
	watch->label = p_strdup(request->pool, secret->label);
	popinjay_auth_request_at_end(request, request_end, watch);
}
