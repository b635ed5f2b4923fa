/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the capabilities whose "announced states" are "both" (RFC
   2449 section 6) are told after login as before it: SASL (RFC 5034) and USER
   among them. STLS is permitted before login only, and so told only there (RFC
   2595 section 4). */

#include "session.h"
#include "str.h"
#include "mail-user.h"
#include "popinjay-settings.h"
#include "login-capabilities.h"
#include "user.h"

/* Mechanisms that hand the password over as it is. */
static const char *const plaintext_mechanisms[] = { "PLAIN", "LOGIN", NULL };
/* Mechanisms that Dovecot never lists. */
static const char *const unlisted_mechanisms[] = {
	"APOP", "DOVECOT-TOKEN", NULL
};
/* Mechanisms that bind to the TLS channel (RFC 5802) end so. */
#define CHANNEL_BINDING_SUFFIX "-PLUS"

static bool cleartext_allowed(struct popinjay_session *session)
{
	const char *disable_plaintext_auth =
		session->puser->set->popinjay_disable_plaintext_auth;
	const char *used_mech = popinjay_session_user(session)->auth_mech;

	if (popinjay_client_is_secured(session->client) ||
	    strcasecmp(disable_plaintext_auth, "no") == 0)
		return TRUE;
	/* it was allowed to this client a moment ago */
	return used_mech != NULL &&
		str_array_icase_find(plaintext_mechanisms, used_mech);
}

/* Returns TRUE if Dovecot tells a client of this session, before its login, of
   the mechanism. */
static bool mechanism_is_listed(struct popinjay_session *session,
				bool cleartext, const char *mech)
{
	size_t len = strlen(mech), suffix_len = strlen(CHANNEL_BINDING_SUFFIX);

	if (len > suffix_len && !popinjay_client_is_tls(session->client) &&
	    strcmp(mech + len - suffix_len, CHANNEL_BINDING_SUFFIX) == 0)
		return FALSE;
	return !str_array_find(unlisted_mechanisms, mech) &&
		(cleartext || !str_array_find(plaintext_mechanisms, mech));
}

static void
add_sasl(struct popinjay_session *session, bool cleartext,
	 struct popinjay_capabilities *capabilities)
{
	const char *setting = session->puser->set->popinjay_sasl_mechanisms;
	const char *const *mechs;
	string_t *line = t_str_new(64);

	if (*setting == '\0') {
		/* not told, but the one that this client used is there */
		setting = popinjay_session_user(session)->auth_mech;
		if (setting == NULL)
			return;
	}
	str_append(line, "SASL");
	for (mechs = t_strsplit_spaces(setting, " "); *mechs != NULL; mechs++) {
		const char *mech = t_str_ucase(*mechs);

		if (!mechanism_is_listed(session, cleartext, mech))
			continue;
		str_append_c(line, ' ');
		str_append(line, mech);
	}
	popinjay_capabilities_add(capabilities, str_c(line));
}

static void login_capabilities(struct popinjay_session *session,
			       void *state ATTR_UNUSED,
			       struct popinjay_capabilities *capabilities)
{
	bool cleartext = cleartext_allowed(session);

	if (cleartext)
		popinjay_capabilities_add(capabilities, "USER");
	add_sasl(session, cleartext, capabilities);
	if (session->puser->set->popinjay_capability_implementation) {
		popinjay_capabilities_add(capabilities,
			"IMPLEMENTATION Popinjay-"POPINJAY_VERSION);
	}
}

const struct popinjay_feature popinjay_login_capabilities_feature = {
	.name = "capabilities of the login",
	.capabilities = login_capabilities
};
