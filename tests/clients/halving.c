/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A mail client that finds new mail as fetchmail does with "fastuidl". */

#include "model.h"

#include <stdlib.h>

#define HALVING_MIN 8
#define SEEN 's'

/* Is the message seen? Returns -1 if the server does not tell. */
static int is_seen(struct model *model, unsigned int msn, char **uidl_r)
{
	g_autofree char *reply = model_ask(model, "UIDL %u", msn);
	const char *space;

	*uidl_r = NULL;
	if (reply == NULL)
		return -1;
	space = strchr(reply, ' ');
	g_assert_nonnull(space);
	*uidl_r = g_strdup(space + 1);
	return g_hash_table_contains(model->uidls, *uidl_r);
}

/* Returns the first message to look at, or 0 if the server did not tell. */
static unsigned int first_unseen(struct model *model, unsigned int count)
{
	unsigned int seen = 0, unseen = count + 1;

	while (seen + 1 < unseen) {
		unsigned int middle = (seen + unseen) / 2;
		g_autofree char *uidl = NULL;
		int ret = is_seen(model, middle, &uidl);

		if (ret < 0)
			return 0;
		if (ret > 0)
			seen = middle;
		else
			unseen = middle;
	}
	return unseen;
}

static void fetch_from(struct model *model, unsigned int msn,
		       unsigned int count)
{
	for (; msn <= count; msn++) {
		g_autofree char *uidl = NULL;
		int ret = is_seen(model, msn, &uidl);

		if (ret < 0)
			return;
		if (ret > 0)
			continue;
		if (model_retr(model, msn)) {
			g_hash_table_insert(model->uidls,
					    g_steal_pointer(&uidl),
					    GINT_TO_POINTER(SEEN));
		} else if (model->end == MODEL_LOST) {
			return;
		}
	}
}

enum model_end halving_poll(const struct client_account *account)
{
	struct model model;
	g_autofree char *stat = NULL;

	if (model_open(&model, account) && model_login(&model) &&
	    (stat = model_ask(&model, "STAT")) != NULL) {
		unsigned int count = (unsigned int)strtoul(stat, NULL, 10);
		unsigned int first = count < HALVING_MIN ? 1 :
			first_unseen(&model, count);

		if (first > 0)
			fetch_from(&model, first, count);
	}
	return model_close(&model);
}
