/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process: which secrets logged somebody in, and when. */

#include "auth-common.h"
#include "ioloop.h"
#include "popinjay-passdb.h"
#include "secret-record.h"
#include "store.h"
#include "used.h"

#define WRITE_INTERVAL_SECS 60
/* When there are more, those that may be written again are forgotten. */
#define USED_MAX 10000

struct watch {
	/* Dovecot has no hook for the end of a request, but it frees each one
	   through its mechanism. */
	struct mech_module mech;
	const struct mech_module *original;

	struct popinjay_passdb *db;
	struct event *event;
	const char *user, *id, *label;
};

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

void popinjay_used_init(struct popinjay_passdb *db)
{
	hash_table_create(&db->used, default_pool, 0, str_hash, strcmp);
}

static void forget(struct popinjay_passdb *db, bool all)
{
	struct hash_iterate_context *iter;
	char *key;
	void *value;

	iter = hash_table_iterate_init(db->used);
	while (hash_table_iterate(iter, db->used, &key, &value)) {
		if (all || ioloop_time - (time_t)POINTER_CAST_TO(value, size_t)
		    >= WRITE_INTERVAL_SECS) {
			hash_table_remove(db->used, key);
			i_free(key);
		}
	}
	hash_table_iterate_deinit(&iter);
}

void popinjay_used_deinit(struct popinjay_passdb *db)
{
	if (!hash_table_is_created(db->used))
		return;
	forget(db, TRUE);
	hash_table_destroy(&db->used);
}

/* Returns TRUE if it is time to write down the secret's use. */
static bool used_is_due(struct popinjay_passdb *db, const char *user,
			const char *id)
{
	const char *name = t_strconcat(user, "/", id, NULL);
	char *key;
	void *value;

	if (hash_table_lookup_full(db->used, name, &key, &value)) {
		if (ioloop_time - (time_t)POINTER_CAST_TO(value, size_t) <
		    WRITE_INTERVAL_SECS)
			return FALSE;
		hash_table_update(db->used, key, POINTER_CAST(ioloop_time));
		return TRUE;
	}
	if (hash_table_count(db->used) >= USED_MAX)
		forget(db, FALSE);
	key = i_strdup(name);
	hash_table_insert(db->used, key, POINTER_CAST(ioloop_time));
	return TRUE;
}

static void
request_accepted(struct auth_request *request, const struct watch *watch)
{
	const char *ip = request->fields.remote_ip.family == 0 ? "-" :
		net_ip2addr(&request->fields.remote_ip);
	const char *mech = request->fields.mech_name;

	event_add_category(watch->event, &event_category_popinjay);
	event_add_str(watch->event, "secret_id", watch->id);
	event_add_str(watch->event, "secret_label", watch->label);
	event_set_name(watch->event, "popinjay_auth_accepted");
	e_info(watch->event, "popinjay: accepted: user=<%s>, secret %s (%s), "
	       "method=%s, rip=%s", watch->user, watch->id, watch->label, mech,
	       ip);
	if (watch->db->store != NULL &&
	    used_is_due(watch->db, watch->user, watch->id)) {
		popinjay_secret_store_set_used(watch->db->store, watch->user,
			watch->id, t_strdup_printf("%jd %s %s",
				(intmax_t)ioloop_time, ip, mech));
	}
}

static void request_free(struct auth_request *request)
{
	/* mech is the first member */
	const struct watch *watch = (const struct watch *)request->mech;
	struct event *event = watch->event;

	if (request->fields.successful) T_BEGIN {
		request_accepted(request, watch);
	} T_END;
	event_unref(&event);
	request->mech = watch->original;
	request->mech->auth_free(request);
}

void popinjay_used_watch(struct auth_request *request,
			 struct popinjay_passdb *db, const char *user,
			 const struct popinjay_secret *secret)
{
	struct watch *watch;

	if (request->mech == NULL) {
		/* no login */
		return;
	}
	watch = p_new(request->pool, struct watch, 1);
	watch->original = request->mech;
	watch->mech = *request->mech;
	watch->mech.auth_free = request_free;
	watch->db = db;
	watch->event = event_create(request->event);
	watch->user = p_strdup(request->pool, user);
	watch->id = p_strdup(request->pool, secret->id);
	watch->label = p_strdup(request->pool, secret->label);
	request->mech = &watch->mech;
}
