/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: CAPA in the TRANSACTION state (RFC 2449 section 5). The
   capabilities whose "announced states" are "both" are told after login as
   before it: SASL (RFC 5034) and USER among them. STLS is permitted before
   login only, and so told only there (RFC 2595 section 4). */

#include "session.h"
#include "array.h"
#include "str.h"
#include "mail-user.h"
#include "pop3-capability.h"
#include "popinjay-settings.h"
#include "registration.h"
#include "user.h"

struct popinjay_capabilities {
	pool_t pool;
	ARRAY_TYPE(const_string) lines;
	unsigned int next;
};

/* Mechanisms that hand the password over as it is. */
static const char *const plaintext_mechanisms[] = { "PLAIN", "LOGIN", NULL };
/* Mechanisms that Dovecot never lists. */
static const char *const unlisted_mechanisms[] = {
	"APOP", "DOVECOT-TOKEN", NULL
};
/* Mechanisms that bind to the TLS channel (RFC 5802) end so. */
#define CHANNEL_BINDING_SUFFIX "-PLUS"

void popinjay_capabilities_add(struct popinjay_capabilities *capabilities,
			       const char *line)
{
	const char *const *linep;
	const char *p;

	if (*line == '\0')
		return;
	for (p = line; *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7e)
			return;
	}
	array_foreach(&capabilities->lines, linep) {
		if (strcmp(*linep, line) == 0)
			return;
	}
	line = p_strdup(capabilities->pool, line);
	array_push_back(&capabilities->lines, &line);
}

static bool cleartext_allowed(struct popinjay_session *session)
{
	const char *disable_plaintext_auth =
		session->puser->set->popinjay_disable_plaintext_auth;
	const char *used_mech = session->client->user->auth_mech;

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
		setting = session->client->user->auth_mech;
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

static void capabilities_collect(struct popinjay_session *session,
				 struct popinjay_capabilities *capabilities)
{
	const char *const *lines;
	bool cleartext = cleartext_allowed(session);

	lines = t_strsplit_spaces(POP3_CAPABILITY_REPLY, "\r\n");
	for (; *lines != NULL; lines++)
		popinjay_capabilities_add(capabilities, *lines);
	if (cleartext)
		popinjay_capabilities_add(capabilities, "USER");
	add_sasl(session, cleartext, capabilities);
	if (session->puser->set->popinjay_capability_implementation) {
		popinjay_capabilities_add(capabilities,
			"IMPLEMENTATION Popinjay-"POPINJAY_VERSION);
	}
	popinjay_capabilities_add_registered(session, capabilities);
}

static enum popinjay_outcome
capabilities_send(struct popinjay_request *request, void *context)
{
	struct popinjay_capabilities *capabilities = context;
	unsigned int count = array_count(&capabilities->lines);

	while (capabilities->next < count) {
		const char *line = array_idx_elem(&capabilities->lines,
						  capabilities->next++);

		if (!popinjay_send_line(request, line))
			return POPINJAY_OUTCOME_MORE;
	}
	return POPINJAY_OUTCOME_OK;
}

static enum popinjay_outcome command_capa(struct popinjay_request *request)
{
	struct popinjay_capabilities *capabilities;

	capabilities = p_new(request->pool, struct popinjay_capabilities, 1);
	p_array_init(&capabilities->lines, request->pool, 16);
	capabilities->pool = request->pool;
	capabilities_collect(request->session, capabilities);
	return popinjay_reply_multiline(request, capabilities_send, NULL,
					capabilities, "%s", "");
}

const struct popinjay_command popinjay_command_capa = {
	.name = "CAPA", .args_max = UINT_MAX, .handler = command_capa
};
