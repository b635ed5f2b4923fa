/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: takes a POP3 session over from Dovecot after login, for RFC
   1939's TRANSACTION state, and sees it to its end. */

#include "session.h"
#include "pop3-settings.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "popinjay-settings.h"
#include "request.h"
#include "stages.h"
#include "takeover.h"
#include "uidl-sources.h"
#include "user.h"

static void session_ended(struct popinjay_session *session)
{
	popinjay_request_abort(session);
	popinjay_stages_session_end(session);
}

static const struct popinjay_client_handler session_handler = {
	.line = popinjay_request_run,
	.resume = popinjay_request_continue,
	.end = session_ended
};

static void session_reuse_xuidl(struct popinjay_session *session)
{
	struct popinjay_user *puser = session->puser;

	if (popinjay_client_settings(session->client)->pop3_reuse_xuidl &&
	    *puser->set->popinjay_reuse_xuidl == '\0' &&
	    *puser->set->popinjay_uidl_sources == '\0')
		popinjay_uidl_sources_add_xuidl(puser->uidl_sources);
}

void popinjay_session_created(struct popinjay_client *client)
{
	struct popinjay_user *puser =
		popinjay_user_get(popinjay_client_user(client));
	pool_t pool = popinjay_client_pool(client);
	struct popinjay_session *session;

	if (puser == NULL)
		return;
	session = p_new(pool, struct popinjay_session, 1);
	session->client = client;
	session->puser = puser;
	session->start_usecs = popinjay_clock_usecs();
	p_array_init(&session->unreadable, pool, 1);
	p_array_init(&session->kept, pool, 1);
	popinjay_stages_session_created(session);
	popinjay_client_attach(client, session, &session_handler);

	if (puser->error == NULL) {
		session_reuse_xuidl(session);
		return;
	}
	e_error(popinjay_client_event(client), "%s", puser->error);
	popinjay_client_refuse(client, "-ERR [SYS/PERM] "
		"The server's configuration for this mailbox is wrong.");
}

void popinjay_session_take_over(struct mail_user *user)
{
	struct popinjay_session *session = popinjay_session_find(user);

	if (session == NULL)
		return;
	if (session->puser->error != NULL) {
		popinjay_client_drop(session->client,
			POPINJAY_SESSION_END_REFUSED, "Refused by popinjay: "
			"the configuration is wrong");
	} else if (popinjay_client_take_over(session->client,
			session->puser->set->popinjay_idle_timeout_secs)) {
		popinjay_stages_session_begin(session);
	}
}
