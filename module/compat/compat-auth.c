/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process: what differs between Dovecots. */

#include "auth-headers.h"
#ifndef POPINJAY_HAVE_POOL_EXTERNAL_REF
#  include "mech.h"
#endif
#include "compat-auth.h"

const char *popinjay_auth_service(const struct auth_request *request)
{
#ifdef POPINJAY_HAVE_AUTH_REQUEST_PROTOCOL
	return request->fields.protocol;
#else
	return request->fields.service;
#endif
}

bool popinjay_auth_is_tls(const struct auth_request *request)
{
#ifdef POPINJAY_HAVE_AUTH_REQUEST_CONN_SECURED
	return request->fields.conn_secured == AUTH_REQUEST_CONN_SECURED_TLS;
#else
	return request->fields.secured == AUTH_REQUEST_SECURED_TLS;
#endif
}

bool popinjay_auth_is_secured(const struct auth_request *request)
{
#ifdef POPINJAY_HAVE_AUTH_REQUEST_CONN_SECURED
	return request->fields.conn_secured != AUTH_REQUEST_CONN_SECURED_NONE;
#else
	return request->fields.secured != AUTH_REQUEST_SECURED_NONE;
#endif
}

int popinjay_auth_add_passdb_fields(struct auth_request *request)
{
#ifdef POPINJAY_HAVE_PASSDB_ARGS
	/* Dovecot adds default_fields and override_fields by itself */
	i_assert(request != NULL);
	return 0;
#else
	return auth_request_set_passdb_fields(request, NULL);
#endif
}

#ifdef POPINJAY_HAVE_POOL_EXTERNAL_REF

/* A request ends with its pool, and that unreferences, first of all, a pool
   that has no memory. */

struct watch {
	struct pool pool;

	struct auth_request *request;
	popinjay_auth_end_t *callback;
	void *context;
};

static const char *watch_get_name(pool_t pool ATTR_UNUSED)
{
	return "popinjay request";
}

static void watch_ref(pool_t pool ATTR_UNUSED)
{
}

static void watch_unref(pool_t *pool)
{
	/* pool is the first member */
	const struct watch *watch = (const struct watch *)*pool;

	*pool = NULL;
	watch->callback(watch->request, watch->context);
}

static const struct pool_vfuncs watch_vfuncs = {
	.get_name = watch_get_name,
	.ref = watch_ref,
	.unref = watch_unref
};

void popinjay_auth_request_at_end(struct auth_request *request,
				  popinjay_auth_end_t *callback,
				  void *context)
{
	struct watch *watch = p_new(request->pool, struct watch, 1);

	watch->pool.v = &watch_vfuncs;
	watch->request = request;
	watch->callback = callback;
	watch->context = context;
	pool_add_external_ref(request->pool, &watch->pool);
}

#else

/* Each request is freed by a function of its mechanism. So it gets a copy of
   the mechanism with a function of ours in front. */

struct watch {
	struct mech_module mech;
	const struct mech_module *original;

	popinjay_auth_end_t *callback;
	void *context;
};

static void watch_free(struct auth_request *request)
{
	/* mech is the first member */
	const struct watch *watch = (const struct watch *)request->mech;

	request->mech = watch->original;
	watch->callback(request, watch->context);
	request->mech->auth_free(request);
}

void popinjay_auth_request_at_end(struct auth_request *request,
				  popinjay_auth_end_t *callback,
				  void *context)
{
	struct watch *watch = p_new(request->pool, struct watch, 1);

	watch->original = request->mech;
	watch->mech = *request->mech;
	watch->mech.auth_free = watch_free;
	watch->callback = callback;
	watch->context = context;
	request->mech = &watch->mech;
}

#endif
