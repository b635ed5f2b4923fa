/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_PASSDB_H
#define POPINJAY_PASSDB_H

#include "auth-headers.h"
#include "secret-config.h"
#include "secret-login.h"

/* A passdb "popinjay" in the configuration. */
struct popinjay_passdb {
	struct passdb_module module;
	/* finds its settings, NULL in 2.3 */
	struct event *event;

	struct popinjay_secret_config config;
	/* NULL if the key file is wrong, which was logged at start: then no
	   record opens */
	struct popinjay_secret_keys *keys;
	/* a value to work on for unknown users, to take the same time; NULL if
	   there are no keys */
	const char *dummy_value;

	struct popinjay_secret_store *store;
	struct popinjay_apop_replay *replay;
	struct popinjay_used *used;
	/* why there is no store, or NULL */
	const char *error;
};

/* What the client sent, and what it is judged by. */
struct popinjay_attempt {
	struct popinjay_secret_login login;
	/* of PLAIN, else NULL */
	const char *password;
	/* of APOP, else NULL */
	const char *challenge;
	const unsigned char *digest;
	/* why no secret at all is accepted, or NULL */
	const char *refusal;
};

struct popinjay_finding {
	/* the one that the client has, or that serves the mechanism */
	const struct popinjay_secret *secret;
	/* its text, or NULL if only verifiers are stored */
	const char *text;
	/* why secret is NULL */
	const char *refusal;
	/* refused by a limit of a secret that the client knows */
	bool limited;
	/* why a record could not be opened, or NULL */
	const char *damage;
};

extern struct passdb_module_interface popinjay_passdb_interface;

/* Find the secret that lets the attempt succeed. It always goes through all of
   the user's secrets. If several may serve, as the mechanism does not tell the
   client's password, it takes the newest. Strings are in the data stack. */
void popinjay_find_secret(const struct popinjay_passdb *db, const char *user,
			  const struct popinjay_attempt *attempt,
			  const ARRAY_TYPE(popinjay_secret) *secrets,
			  struct popinjay_finding *finding_r);

/* Returns NULL if the passdbs before ours would have treated user like the
   login name with its label, which is what they saw, or else why such a login
   is not safe. */
const char *popinjay_label_refusal(const struct auth_request *request,
				   const char *user);

#endif
