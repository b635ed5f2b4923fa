/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UIDL_MAILBOX_H
#define UIDL_MAILBOX_H

/* For the tests of uidl/uidl: a mailbox that is an array. */

#include "lib.h"
#include "str.h"
#include "uidl.h"

#include <glib.h>

#define UIDVALIDITY 1700000000

struct test_message {
	uint32_t uid;
	const char *guid;
	const char *uidl;
	bool permanent;
};

/* Messages as get_guid finds them, and what it was asked. */
struct test_mailbox {
	const struct test_message *messages;
	unsigned int count;
	/* how often each was asked for; may be NULL */
	unsigned int *asked;
	/* we saved what is permanent, instead of the storage */
	bool saved;
	bool uids_ascend;
	uint32_t last_uid;
};

static inline int uid_cmp(const void *uid, const void *message)
{
	const uint32_t *uidp = uid;
	const struct test_message *messagep = message;

	return *uidp < messagep->uid ? -1 : *uidp > messagep->uid;
}

static inline const char *
test_get_guid(void *context, uint32_t uid)
{
	static char guid[64];
	struct test_mailbox *box = context;
	const struct test_message *message =
		bsearch(&uid, box->messages, box->count, sizeof(*message),
			uid_cmp);

	g_assert_nonnull(message);
	if (box->asked != NULL)
		box->asked[message - box->messages]++;
	if (box->uids_ascend)
		g_assert_cmpuint(uid, >, box->last_uid);
	box->last_uid = uid;
	if (message->guid == NULL)
		return NULL;
	/* what was returned before is gone */
	g_assert_cmpuint(g_strlcpy(guid, message->guid, sizeof(guid)), <,
			 sizeof(guid));
	return guid;
}

static inline struct popinjay_uidl_set *
resolve(struct test_mailbox *box)
{
	struct popinjay_uidl_set *set;
	unsigned int i;

	set = popinjay_uidl_set_create(box->count, UIDVALIDITY,
				       test_get_guid, box);
	for (i = 0; i < box->count; i++) {
		g_autofree char *uidl = g_strdup(box->messages[i].uidl);

		popinjay_uidl_set_add(set, box->messages[i].uid, uidl,
			!box->messages[i].permanent ? POPINJAY_UIDL_MADE :
			box->saved ? POPINJAY_UIDL_SAVED :
			POPINJAY_UIDL_STORED);
	}
	popinjay_uidl_set_resolve(set);
	return set;
}

static inline const char *
t_fallback(const char *guid, uint32_t uid, unsigned int level)
{
	string_t *str = t_str_new(64);

	popinjay_uidl_fallback(str, guid, UIDVALIDITY, uid, level);
	return str_c(str);
}

#endif
