/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_PASSDB_H
#define POPINJAY_PASSDB_H

#include "hash.h"
#include "passdb.h"
#include "secret-config.h"
#include "secret-record.h"

/* A passdb "popinjay" of the configuration. */
struct popinjay_passdb {
	struct passdb_module module;

	struct popinjay_secret_config config;
	/* NULL if the key file is not right, which the log said at start: then
	   nothing opens */
	struct popinjay_secret_keys *keys;
	/* a secret of nobody's, for users who are unknown */
	ARRAY_TYPE(popinjay_secret) dummies;

	struct popinjay_secret_store *store;
	struct popinjay_apop_replay *replay;
	/* why there is no store */
	const char *error;

	/* USER/ID of a secret -> when its use was last written */
	HASH_TABLE(char *, void *) used;
};

extern struct passdb_module_interface popinjay_passdb_interface;

#endif
