/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The processes that make records: which sinks are failing. */

#include "lib.h"
#include "hash.h"
#include "time-util.h"
#include "log-trouble.h"

#define REPEAT_USECS (1000 * 1000)
/* each user may have a file */
#define SINKS_MAX 1000

struct trouble {
	char *sink;
	bool told;
	uint64_t told_usecs;
};

static HASH_TABLE(char *, struct trouble *) troubles;

static struct trouble *trouble_get(const char *sink)
{
	struct trouble *trouble;

	if (hash_table_is_created(troubles) &&
	    hash_table_count(troubles) == SINKS_MAX)
		popinjay_log_trouble_deinit();
	if (!hash_table_is_created(troubles)) {
		hash_table_create(&troubles, default_pool, 0, str_hash,
				  strcmp);
	}
	trouble = hash_table_lookup(troubles, sink);
	if (trouble == NULL) {
		trouble = i_new(struct trouble, 1);
		trouble->sink = i_strdup(sink);
		hash_table_insert(troubles, trouble->sink, trouble);
	}
	return trouble;
}

bool popinjay_log_trouble_begins(const char *sink)
{
	struct trouble *trouble = trouble_get(sink);
	uint64_t now = i_microseconds();

	if (trouble->told || (trouble->told_usecs != 0 &&
			      now - trouble->told_usecs < REPEAT_USECS))
		return FALSE;
	trouble->told = TRUE;
	trouble->told_usecs = now;
	return TRUE;
}

void popinjay_log_trouble_ends(const char *sink)
{
	struct trouble *trouble = !hash_table_is_created(troubles) ? NULL :
		hash_table_lookup(troubles, sink);

	if (trouble != NULL)
		trouble->told = FALSE;
}

void popinjay_log_trouble_deinit(void)
{
	struct hash_iterate_context *iter;
	struct trouble *trouble;
	char *sink;

	if (!hash_table_is_created(troubles))
		return;
	iter = hash_table_iterate_init(troubles);
	while (hash_table_iterate(iter, troubles, &sink, &trouble)) {
		i_free(trouble->sink);
		i_free(trouble);
	}
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&troubles);
}
