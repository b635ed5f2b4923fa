/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_PASSDB_H
#define POPINJAY_PASSDB_H

#include "auth-headers.h"
#include "secret-config.h"
#include "secret-login.h"

/* A passdb "popinjay" of the configuration. */
struct popinjay_passdb {
	struct passdb_module module;
	/* finds its settings, NULL in 2.3 */
	struct event *event;

	struct popinjay_secret_config config;
	/* NULL if the key file is not right, which the log said at start: then
	   nothing opens */
	struct popinjay_secret_keys *keys;
	/* what the store could have of nobody, for users who are unknown;
	   NULL if there are no keys */
	const char *dummy_value;

	struct popinjay_secret_store *store;
	struct popinjay_apop_replay *replay;
	struct popinjay_used *used;
	/* why there is no store */
	const char *error;
};

/* What the client has shown, and what has to be judged by it. */
struct popinjay_attempt {
	struct popinjay_secret_login login;
	/* of PLAIN, else NULL */
	const char *password;
	/* of APOP, else NULL */
	const char *challenge;
	const unsigned char *digest;
	/* why no secret at all will do, or NULL */
	const char *refusal;
};

struct popinjay_finding {
	/* the secret that is the client's, or serves the mechanism */
	const struct popinjay_secret *secret;
	/* what it was opened to, or NULL */
	const char *text;
	/* why there is none */
	const char *refusal;
	/* that is not what the client knows, but a limit of the secret */
	bool limited;
	/* why a record could not be opened, or NULL */
	const char *damage;
};

extern struct passdb_module_interface popinjay_passdb_interface;

/* Look among the user's secrets for the one that lets the attempt succeed. It
   goes through all of them whatever it finds; of several that may serve, which
   is so when the client's password is not known here, it takes the newest.
   Strings are in the data stack. */
void popinjay_find_secret(const struct popinjay_passdb *db, const char *user,
			  const struct popinjay_attempt *attempt,
			  const ARRAY_TYPE(popinjay_secret) *secrets,
			  struct popinjay_finding *finding_r);

/* Returns NULL if the passdbs that were asked before db would have done the
   same for user as for the login name with a label that they saw, or else why
   such a login is not safe. */
const char *popinjay_label_refusal(const struct auth_request *request,
				   const char *user);

#endif
