/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the UIDLs of a session's messages (RFC 1939 section 7), for
   UIDL and for whoever tells of a message. */

#include "session.h"
#include "pop3-settings.h"
#include "mail-storage-private.h"
#include "uidl-box.h"
#include "uidl-plain.h"
#include "uidl-show.h"
#include "uidls.h"

static const struct popinjay_uidl *
find_uidl(const struct popinjay_uidl_set *set, uint32_t seq, uint32_t uid)
{
	const struct popinjay_uidl *all;
	unsigned int count;

	/* normally the set has just the messages of the view */
	all = popinjay_uidl_set_get(set, &count);
	if (seq <= count && all[seq - 1].uid == uid)
		return &all[seq - 1];
	return popinjay_uidl_set_find(set, uid);
}

/* Dovecot's pop3_save_uidl: Maildir can keep a UIDL with the message. */
static void save_uidl(struct popinjay_uidls *uidls, uint32_t seq,
		      const struct popinjay_uidl *uidl)
{
	if (uidls->save_mail == NULL ||
	    uidl->rank != POPINJAY_UIDL_MADE || uidl->provisional)
		return;
	mail_set_seq(uidls->save_mail, seq);
	mail_update_pop3_uidl(uidls->save_mail, uidl->uidl);
}

size_t popinjay_uidls_write(struct popinjay_uidls *uidls,
			    const struct popinjay_message *message,
			    char dest[POPINJAY_UIDL_MAX_LEN + 1])
{
	const struct popinjay_uidl *uidl;
	size_t size;

	if (uidls->plain != NULL) {
		return popinjay_uidl_plain_write(uidls->plain,
						 uidls->uid_validity,
						 message->uid, dest);
	}
	uidl = find_uidl(uidls->set, message->seq, message->uid);
	if (uidl == NULL)
		return 0;
	save_uidl(uidls, message->seq, uidl);
	size = strlen(uidl->uidl);
	memcpy(dest, uidl->uidl, size + 1);
	return size;
}

static struct popinjay_uidl_box *
session_uidl_box(const struct popinjay_session *session)
{
	return popinjay_uidl_box(popinjay_session_mailbox(session));
}

static void find_plain(struct popinjay_session *session)
{
	session->uidl_plain_known = TRUE;
	session->uidl_plain =
		popinjay_client_settings(session->client)->pop3_save_uidl ?
		NULL : popinjay_uidl_box_get_plain(session_uidl_box(session));
}

int popinjay_uidls_show(struct popinjay_session *session,
			struct popinjay_uidls *uidls_r)
{
	struct popinjay_client *client = session->client;

	i_zero(uidls_r);
	find_plain(session);
	uidls_r->uid_validity = popinjay_client_uid_validity(client);
	uidls_r->plain = session->uidl_plain;
	if (uidls_r->plain == NULL &&
	    popinjay_uidl_show(session_uidl_box(session), &uidls_r->set) < 0)
		return -1;
	session->uidls_listed = TRUE;
	return 0;
}

void popinjay_uidls_save(struct popinjay_session *session,
			 struct popinjay_uidls *uidls)
{
	struct popinjay_client *client = session->client;

	if (popinjay_client_settings(client)->pop3_save_uidl) {
		uidls->save_mail =
			mail_alloc(popinjay_client_transaction(client), 0,
				   NULL);
	}
}

void popinjay_uidls_free(struct popinjay_uidls *uidls)
{
	if (uidls->save_mail != NULL)
		mail_free(&uidls->save_mail);
}

bool popinjay_uidls_get(struct popinjay_session *session,
			const struct popinjay_message *message,
			char dest[POPINJAY_UIDL_MAX_LEN + 1])
{
	struct popinjay_uidls uidls = {
		.uid_validity = popinjay_client_uid_validity(session->client)
	};

	if (!session->uidl_plain_known)
		find_plain(session);
	uidls.plain = session->uidl_plain;
	if (uidls.plain == NULL &&
	    (!session->uidls_listed ||
	     popinjay_uidl_box_get(session_uidl_box(session), &uidls.set) < 0))
		return FALSE;
	return popinjay_uidls_write(&uidls, message, dest) > 0;
}
