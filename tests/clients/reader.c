/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kinds of mail clients that read a mailbox day by day. */

#include "model.h"
#include "reader.h"

static gboolean
poll_thunderbird(const struct client_account *account, gboolean del)
{
	return thunderbird_poll(account, del, NULL) == MODEL_DONE;
}

static gboolean
poll_halving(const struct client_account *account, gboolean del)
{
	g_assert_false(del);
	return halving_poll(account) == MODEL_DONE;
}

static gboolean
poll_blind(const struct client_account *account, gboolean del)
{
	return blind_poll(account, account->messages, del) == MODEL_DONE;
}

const struct reader_kind reader_kinds[] = {
	{ "Thunderbird", NULL, poll_thunderbird, NULL, TRUE, TRUE, FALSE },
	{ "halving", NULL, poll_halving, NULL, TRUE, FALSE, TRUE },
	{ "blind", NULL, poll_blind, NULL, FALSE, TRUE, FALSE },
	{ "fetchmail", "fetchmail", NULL, "fastuidl 0", TRUE, TRUE, FALSE },
	{ "fetchmail-fastuidl", "fetchmail", NULL, "fastuidl 1", TRUE, FALSE,
	  TRUE },
	{ "getmail", "getmail", NULL, NULL, TRUE, TRUE, FALSE },
	{ "mpop", "mpop", NULL, NULL, TRUE, TRUE, FALSE },
	{ NULL, NULL, NULL, NULL, FALSE, FALSE, FALSE }
};

struct reader *reader_new(const struct reader_kind *kind, struct fixture *f,
			  const char *user)
{
	struct reader *reader = g_new0(struct reader, 1);

	reader->kind = kind;
	reader->fetched = g_hash_table_new(NULL, NULL);
	client_account_init(&reader->account, f, user, POP3_CLEAR);
	reader->account.options = kind->options;
	reader->account.only_new = TRUE;
	return reader;
}

gboolean reader_run(struct reader *reader, gboolean del)
{
	const struct reader_kind *kind = reader->kind;

	if (kind->program == NULL)
		return kind->poll(&reader->account, del);
	return client_fetch(client_program_find(kind->program),
			    &reader->account, del);
}

void reader_free(gpointer data)
{
	struct reader *reader = data;

	client_account_deinit(&reader->account);
	g_hash_table_unref(reader->fetched);
	g_free(reader);
}
