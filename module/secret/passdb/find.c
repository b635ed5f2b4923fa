/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process: finds out which of a user's secrets the client has. */

#include "auth-headers.h"
#include "auth.h"
#include "auth-settings.h"
#include "popinjay-passdb.h"

static bool
secret_matches(const struct popinjay_attempt *attempt,
	       const struct popinjay_secret *secret, const char *text)
{
	if (attempt->password != NULL) {
		return popinjay_secret_plain_matches(secret, text,
						     attempt->password);
	}
	if (attempt->challenge != NULL) {
		return text != NULL && secret->generated &&
			popinjay_apop_matches(attempt->challenge, text,
					      attempt->digest);
	}
	/* the mechanism decides */
	return TRUE;
}

static const char *
secret_str(const struct popinjay_secret *secret, const char *what)
{
	return t_strdup_printf("secret %s (%s): %s", secret->id, secret->label,
			       what);
}

void popinjay_find_secret(const struct popinjay_passdb *db, const char *user,
			  const struct popinjay_attempt *attempt,
			  const ARRAY_TYPE(popinjay_secret) *secrets,
			  struct popinjay_finding *finding)
{
	const struct popinjay_secret *secret;
	const char *text, *refusal, *error, *untried = NULL;
	unsigned int slow_count = 0;

	i_zero(finding);
	array_foreach(secrets, secret) {
		if (popinjay_secret_open(secret, db->keys, user, &text,
					 &error) < 0) {
			finding->damage = secret_str(secret, error);
			continue;
		}
		refusal = attempt->refusal != NULL ? attempt->refusal :
			popinjay_secret_login_refusal(secret, &attempt->login);
		if (attempt->password != NULL &&
		    popinjay_secret_plain_is_slow(secret, text)) {
			/* Guessing must not keep the only auth process busy
			   with secrets that are refused anyway. */
			if (refusal != NULL ||
			    ++slow_count > POPINJAY_SECRETS_TYPED_MAX) {
				untried = secret_str(secret, refusal != NULL ?
					refusal : "too many imported ones");
				continue;
			}
		}
		if (!secret_matches(attempt, secret, text))
			continue;
		if (refusal == NULL) {
			finding->secret = secret;
			finding->text = text;
		} else {
			finding->refusal = secret_str(secret, refusal);
			finding->limited = TRUE;
		}
	}
	if (finding->refusal == NULL) {
		finding->refusal = untried == NULL ? "no secret matches" :
			t_strconcat("no secret matches; not tried: ", untried,
				    NULL);
	}
}

const char *popinjay_label_refusal(const struct auth_request *request,
				   const char *user)
{
	struct auth_request *mutable_request = (struct auth_request *)request;
	const struct auth_passdb *passdb =
		auth_request_get_auth(mutable_request)->passdbs;
	const struct auth_passdb_settings *set;

	for (; passdb != NULL && passdb != request->passdb;
	     passdb = passdb->next) {
		set = passdb->set;
		if (set->deny || *set->username_filter != '\0' ||
		    (strcmp(set->result_success, "return-ok") != 0 &&
		     strcmp(set->result_success, "return") != 0)) {
			return "a passdb before this one does more than "
				"accept users, and does not understand names "
				"with a label";
		}
	}
	if (passdb == NULL)
		return "master users cannot use labels";
	set = passdb->set;
	if (*set->username_filter != '\0' &&
	    !auth_request_username_accepted(
		t_strsplit_spaces(set->username_filter, " ,"), user))
		return "username_filter does not accept the user";
	return NULL;
}
