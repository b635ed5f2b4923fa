/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A mail client that does as Thunderbird. */

#include "model.h"

#include <stdlib.h>

/* In the map are only messages that were fetched. */
enum status {
	STATUS_KEEP = 'k',
	/* the user has deleted it */
	STATUS_DELETE = 'd'
};

struct message {
	unsigned int msn;
	char *uidl;
	/* 0: not in the map */
	int status;
};

static void message_free(gpointer data)
{
	struct message *message = data;

	g_free(message->uidl);
	g_free(message);
}

static gboolean has_capability(const char *capabilities, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(capabilities, "\n", -1);

	return g_strv_contains((const char *const *)lines, name);
}

/* Returns what has to be done, of struct message, and forgets all UIDLs that
   are not listed. What there is nothing to do about stays in the map. */
static GPtrArray *read_listing(struct model *model, char *listing, gboolean del)
{
	GPtrArray *todo = g_ptr_array_new_with_free_func(message_free);
	GHashTable *map = g_hash_table_new_full(g_str_hash, g_str_equal,
						g_free, NULL);
	g_auto(GStrv) lines = g_strsplit(listing, "\n", -1);

	for (char **line = lines; *line != NULL && **line != '\0'; line++) {
		char *uidl;
		unsigned int msn = (unsigned int)strtoul(*line, &uidl, 10);
		gpointer known = g_hash_table_lookup(model->uidls, ++uidl);
		int status = GPOINTER_TO_INT(known);
		struct message *message;

		if (status == STATUS_KEEP && !del) {
			g_hash_table_insert(map, g_strdup(uidl),
					    GINT_TO_POINTER(status));
			continue;
		}
		message = g_new0(struct message, 1);
		message->msn = msn;
		message->uidl = g_strdup(uidl);
		message->status = status;
		g_ptr_array_add(todo, message);
	}
	g_hash_table_unref(model->uidls);
	model->uidls = map;
	return todo;
}

static gboolean handle(struct model *model, const struct message *message,
		       gboolean del)
{
	g_autofree char *deleted = NULL;

	if (message->status == 0) {
		if (!model_retr(model, message->msn))
			return FALSE;
		if (!del) {
			g_hash_table_insert(model->uidls,
					    g_strdup(message->uidl),
					    GINT_TO_POINTER(STATUS_KEEP));
			return TRUE;
		}
	}
	deleted = model_ask(model, "DELE %u", message->msn);
	return deleted != NULL;
}

static void handle_all(struct model *model, GPtrArray *todo, gboolean del)
{
	unsigned int i = 0;

	while (i < todo->len && handle(model, todo->pdata[i], del))
		i++;
	/* Those that it did not come to are in the map again, except those that
	   it was to fetch: a message that was fetched, and whose DELE failed,
	   is one of them. */
	for (; i < todo->len; i++) {
		struct message *message = todo->pdata[i];

		if (message->status != 0) {
			g_hash_table_insert(model->uidls,
					    g_strdup(message->uidl),
					    GINT_TO_POINTER(message->status));
		}
	}
}

static void poll_after_login(struct model *model, const char *capabilities,
			     gboolean del)
{
	g_autofree char *stat = model_ask(model, "STAT");
	g_autofree char *list = NULL, *uidl = NULL;
	g_autoptr(GPtrArray) todo = NULL;

	if (stat == NULL)
		return;
	if (atoi(stat) == 0) {
		g_hash_table_remove_all(model->uidls);
		return;
	}
	if ((list = model_ask_lines(model, "LIST")) == NULL)
		return;
	if ((uidl = model_ask_lines(model, "UIDL")) == NULL) {
		/* or it would do without UIDLs from now on */
		g_assert_true(has_capability(capabilities, "UIDL"));
		return;
	}
	todo = read_listing(model, uidl, del);
	handle_all(model, todo, del);
}

enum model_end
thunderbird_poll(const struct client_account *account, gboolean del,
		 char **said_r)
{
	g_autofree char *capabilities = NULL;
	struct model model;

	if (model_open(&model, account) &&
	    (capabilities = model_ask_lines(&model, "CAPA")) != NULL &&
	    model_login(&model))
		poll_after_login(&model, capabilities, del);
	if (said_r != NULL)
		*said_r = g_steal_pointer(&model.said);
	return model_close(&model);
}

void thunderbird_delete_all(const struct client_account *account)
{
	g_autoptr(GHashTable) uidls = model_read_uidls(account);
	GHashTableIter iter;

	g_hash_table_iter_init(&iter, uidls);
	while (g_hash_table_iter_next(&iter, NULL, NULL)) {
		g_hash_table_iter_replace(&iter,
					  GINT_TO_POINTER(STATUS_DELETE));
	}
	model_write_uidls(account, uidls);
}

unsigned int thunderbird_known(const struct client_account *account)
{
	g_autoptr(GHashTable) uidls = model_read_uidls(account);

	return g_hash_table_size(uidls);
}
