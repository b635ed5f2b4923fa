/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: sessions that were opened with an app secret. */

#include "feature.h"
#include "mail-user.h"
#include "read-only.h"

#define FIELD_PREFIX "popinjay_secret_"

const char *popinjay_secret_get(const struct mail_user *user, const char *name)
{
	const char *const *fieldp = user->userdb_fields;
	size_t prefix_len = strlen(FIELD_PREFIX), len = strlen(name);

	for (; fieldp != NULL && *fieldp != NULL; fieldp++) {
		if (strncmp(*fieldp, FIELD_PREFIX, prefix_len) == 0 &&
		    strncmp(*fieldp + prefix_len, name, len) == 0 &&
		    (*fieldp)[prefix_len + len] == '=')
			return *fieldp + prefix_len + len + 1;
	}
	return NULL;
}

static enum popinjay_before
read_only_before(struct popinjay_request *request, void *state ATTR_UNUSED)
{
	const struct mail_user *user =
		popinjay_session_user(popinjay_request_session(request));

	if (strcmp(popinjay_request_name(request), "DELE") != 0 ||
	    popinjay_secret_get(user, "read_only") == NULL)
		return POPINJAY_BEFORE_GO_ON;
	(void)popinjay_reply_err(request, "SYS/PERM",
				 "This secret may read mail but not delete it");
	return POPINJAY_BEFORE_REFUSE;
}

const struct popinjay_feature popinjay_read_only_feature = {
	.name = "read-only secret",
	.before = read_only_before
};
