/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_AUTH_HEADERS_H
#define POPINJAY_AUTH_HEADERS_H

/* Dovecot's headers for a passdb: include this instead of auth-common.h and
   passdb.h. */

#include "auth-common.h"

#ifdef POPINJAY_WRONG_SASL_SERVER_H

/* Dovecot 2.4.2 to 2.4.4 install two headers named sasl-server.h into one
   folder, and the one of the login process is what is left. passdb.h needs the
   other one, of lib-sasl: this is what it uses of it. */
#  define SASL_SERVER_H
#  include "sasl-common.h"

struct sasl_passdb_result;
struct sasl_server_instance;
struct sasl_server_mech;
struct sasl_server_request;

struct sasl_server_req_ctx {
	const struct sasl_server_mech *mech;
	const char *mech_name;
	struct sasl_server_request *request;
};

typedef void
sasl_server_passdb_callback_t(struct sasl_server_req_ctx *rctx,
			      const struct sasl_passdb_result *result);

#endif

#include "passdb.h"

#endif
