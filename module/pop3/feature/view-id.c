/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: whose view of the INBOX a session has. */

#include "feature.h"
#include "mail-user.h"
#include "read-only.h"
#include "view-id.h"
#include "views.h"

static bool is_master(const struct mail_user *user)
{
	const char *const *fieldp = user->userdb_fields;

	for (; fieldp != NULL && *fieldp != NULL; fieldp++) {
		if (strncmp(*fieldp, "master_user=", 12) == 0 ||
		    strncmp(*fieldp, "master=", 7) == 0)
			return TRUE;
	}
	return FALSE;
}

const char *popinjay_view_id(const struct popinjay_session *session)
{
	const struct mail_user *user = popinjay_session_user(session);
	const char *id;

	if (is_master(user))
		return NULL;
	id = popinjay_secret_get(user, "id");
	return id != NULL && popinjay_view_id_is_valid(id) ? id :
		POPINJAY_VIEW_ACCOUNT;
}
