/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -login, apop-replay: who may log in with which secret. */

#include "lib.h"
#include "hex-binary.h"
#include "str.h"
#include "apop-replay.h"
#include "secret-login.h"
#include "secret-text.h"
#include "secret-verifier.h"
#include "cases.h"

#include <glib.h>

#define NOW 1700000000

struct refusal_case {
	const char *path;
	time_t expires;
	enum popinjay_secret_mech mechs;
	const char *nets;
	bool tls_optional, read_only;

	const char *label, *ip, *service;
	bool tls;
	const char *refusal;
};

#define APOP POPINJAY_SECRET_MECH_APOP
#define PLAIN POPINJAY_SECRET_MECH_PLAIN
#define NETS "192.0.2.0/24,2001:db8::/32"
#define NET_REFUSAL "it does not allow the client's address"

static const struct refusal_case refusal_cases[] = {
	{ "all-well", NOW + 1, APOP, NETS, FALSE, TRUE, "phone", "192.0.2.255",
	  "pop3", TRUE, NULL },
	{ "never-expires", 0, APOP, "", FALSE, FALSE, NULL, "192.0.2.1",
	  "pop3", TRUE, NULL },
	{ "expires-now", NOW, APOP, "", FALSE, FALSE, NULL, "192.0.2.1",
	  "pop3", TRUE, "it has expired" },
	{ "expired", 1, APOP, "", FALSE, FALSE, NULL, "192.0.2.1", "pop3",
	  TRUE, "it has expired" },
	{ "mechanism", 0, PLAIN, "", FALSE, FALSE, NULL, "192.0.2.1", "pop3",
	  TRUE, "it does not allow the mechanism" },
	{ "label", 0, APOP, "", FALSE, FALSE, "laptop", "192.0.2.1", "pop3",
	  TRUE, "another secret was named" },
	{ "no-tls", 0, APOP, "", FALSE, FALSE, NULL, "192.0.2.1", "pop3",
	  FALSE, "it requires TLS" },
	{ "no-tls-allowed", 0, APOP, "", TRUE, FALSE, NULL, "192.0.2.1",
	  "pop3", FALSE, NULL },
	{ "below-network", 0, APOP, NETS, FALSE, FALSE, NULL, "192.0.1.255",
	  "pop3", TRUE, NET_REFUSAL },
	{ "above-network", 0, APOP, NETS, FALSE, FALSE, NULL, "192.0.3.0",
	  "pop3", TRUE, NET_REFUSAL },
	{ "ipv6", 0, APOP, NETS, FALSE, FALSE, NULL, "2001:db8:ffff::1",
	  "pop3", TRUE, NULL },
	{ "ipv6-other", 0, APOP, NETS, FALSE, FALSE, NULL, "2001:db9::1",
	  "pop3", TRUE, NET_REFUSAL },
	{ "ipv4-mapped", 0, APOP, NETS, FALSE, FALSE, NULL,
	  "::ffff:192.0.2.9", "pop3", TRUE, NULL },
	{ "ipv4-mapped-other", 0, APOP, NETS, FALSE, FALSE, NULL,
	  "::ffff:192.0.3.9", "pop3", TRUE, NET_REFUSAL },
	{ "single-host", 0, APOP, "192.0.2.1", FALSE, FALSE, NULL,
	  "192.0.2.1", "pop3", TRUE, NULL },
	{ "single-host-other", 0, APOP, "192.0.2.1", FALSE, FALSE, NULL,
	  "192.0.2.2", "pop3", TRUE, NET_REFUSAL },
	{ "no-address", 0, APOP, "0.0.0.0/0,::/0", FALSE, FALSE, NULL, NULL,
	  "pop3", TRUE, NET_REFUSAL },
	{ "read-only-imap", 0, APOP, "", FALSE, TRUE, NULL, "192.0.2.1",
	  "imap", TRUE, "it does not serve imap" },
	{ "imap", 0, APOP, "", FALSE, FALSE, NULL, "192.0.2.1", "imap", TRUE,
	  NULL },
};

static void test_refusal(gconstpointer data)
{
	const struct refusal_case *c = data;
	struct popinjay_secret secret = {
		.id = "00000001", .label = "phone", .created = 1,
		.expires = c->expires, .mechs = c->mechs, .nets = c->nets,
		.tls_optional = c->tls_optional,
		.delete_action = c->read_only ? POPINJAY_SECRET_DELETE_REFUSE :
			POPINJAY_SECRET_DELETE_NATIVE
	};
	struct popinjay_secret_login login = {
		.mech = APOP, .service = c->service, .tls = c->tls,
		.now = NOW, .label = c->label
	};

	if (c->ip != NULL)
		g_assert_cmpint(net_addr2ip(c->ip, &login.remote_ip), ==, 0);
	g_assert_cmpstr(popinjay_secret_login_refusal(&secret, &login), ==,
			c->refusal);
}

struct service_case {
	const char *path;
	/* 0: a record of before */
	enum popinjay_secret_service services;
	const char *service;
	const char *refusal;
};

#define POP3 POPINJAY_SECRET_SERVICE_POP3
#define SMTP POPINJAY_SECRET_SERVICE_SMTP
#define SUBMISSION POPINJAY_SECRET_SERVICE_SUBMISSION
#define ALL POPINJAY_SECRET_SERVICE_ALL

static const struct service_case service_cases[] = {
	{ "old", 0, "imap", NULL },
	{ "old-unknown", 0, "xmpp", NULL },
	{ "pop3", POP3, "pop3", NULL },
	{ "pop3-imap", POP3, "imap", "it does not serve imap" },
	{ "pop3-all", POP3, "all", "it does not serve all" },
	{ "pop3-none", POP3, "", "it does not serve " },
	{ "smtp-submission", SMTP, "submission",
	  "it does not serve submission" },
	{ "submission-smtp", SUBMISSION, "smtp", "it does not serve smtp" },
	{ "two", POP3 | SMTP, "smtp", NULL },
	{ "each-unknown", ALL - 1, "xmpp", "it does not serve xmpp" },
	{ "all", ALL, "imap", NULL },
	{ "all-unknown", ALL, "xmpp", NULL },
};

/* What Postfix calls secured is TLS, for a secret that names services. */
static void test_secured(void)
{
	static const struct {
		enum popinjay_secret_service services;
		const char *service;
		bool secured, served;
	} cases[] = {
		{ SMTP, "smtp", FALSE, FALSE },
		{ SMTP, "smtp", TRUE, TRUE },
		{ ALL, "smtp", TRUE, TRUE },
		{ SUBMISSION, "submission", TRUE, FALSE },
		{ POP3, "pop3", TRUE, FALSE },
		{ 0, "smtp", TRUE, FALSE },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct popinjay_secret secret = {
			.mechs = APOP, .nets = "",
			.services = cases[i].services
		};
		struct popinjay_secret_login login = {
			.mech = APOP, .service = cases[i].service,
			.secured = cases[i].secured
		};

		g_assert_cmpstr(popinjay_secret_login_refusal(&secret, &login),
				==, cases[i].served ? NULL :
				"it requires TLS");
	}
}

static void test_service(gconstpointer data)
{
	const struct service_case *c = data;
	struct popinjay_secret secret = {
		.mechs = APOP, .nets = "", .services = c->services
	};
	struct popinjay_secret_login login = {
		.mech = APOP, .service = c->service, .tls = TRUE
	};

	g_assert_cmpstr(popinjay_secret_login_refusal(&secret, &login), ==,
			c->refusal);
}

struct split_case {
	const char *path;
	const char *name, *separator;
	/* NULL: it does not split */
	const char *user, *label;
};

static const struct split_case split_cases[] = {
	{ "plain", "joe+phone", "+", "joe", "phone" },
	{ "domain", "joe+phone@example.com", "+", "joe@example.com", "phone" },
	{ "after-domain", "joe@example.com+phone", "+", "joe@example.com",
	  "phone" },
	{ "last", "joe+smith+phone", "+", "joe+smith", "phone" },
	{ "last-domain", "joe+smith+phone@a", "+", "joe+smith@a", "phone" },
	{ "long-separator", "joe--phone", "--", "joe", "phone" },
	{ "long-separator-thrice", "joe---phone", "--", "joe-", "phone" },
	{ "off", "joe+phone", "", NULL, NULL },
	{ "none", "joe", "+", NULL, NULL },
	{ "none-domain", "joe@example.com", "+", NULL, NULL },
	{ "no-user", "+phone", "+", NULL, NULL },
	{ "no-label", "joe+", "+", NULL, NULL },
	{ "no-label-domain", "joe+@example.com", "+", NULL, NULL },
	{ "bad-label", "joe+pho/ne", "+", NULL, NULL },
	{ "empty", "", "+", NULL, NULL },
	{ "at-only", "@", "+", NULL, NULL },
};

static void test_split(gconstpointer data)
{
	const struct split_case *c = data;
	const char *user = NULL, *label = NULL;
	bool split = popinjay_secret_login_split(c->name, c->separator, &user,
						 &label);

	g_assert_true(split == (c->user != NULL));
	g_assert_cmpstr(user, ==, c->user);
	g_assert_cmpstr(label, ==, c->label);
}

static void test_apop_vector(void)
{
	/* RFC 1939, APOP's example */
	const char *challenge = "<1896.697170952@dbc.mtview.ca.us>";
	string_t *digest = t_str_new(16);

	g_assert_cmpint(hex_to_binary("c4c9334bac560ecc979e58001b3e22fb",
				      digest), ==, 0);
	g_assert_true(popinjay_apop_matches(challenge, "tanstaaf",
					    str_data(digest)));
	g_assert_false(popinjay_apop_matches(challenge, "tanstaag",
					     str_data(digest)));
	g_assert_false(popinjay_apop_matches("<1@x>", "tanstaaf",
					     str_data(digest)));
}

static void test_apop_parse(void)
{
	static const char good[] = "<c>\0joe\0" "0123456789abcdef";
	const unsigned char *data = (const unsigned char *)good, *digest;
	size_t size = sizeof(good) - 1;
	const char *challenge;

	g_assert_cmpint(popinjay_apop_parse(data, size, &challenge, &digest),
			==, 0);
	g_assert_cmpstr(challenge, ==, "<c>");
	g_assert_cmpmem(digest, 16, "0123456789abcdef", 16);
	for (size_t i = 0; i < size; i++) {
		g_autofree unsigned char *cut = g_memdup2(data, i);

		g_assert_cmpint(popinjay_apop_parse(cut, i, &challenge,
						    &digest), ==, -1);
	}
	/* one byte more than a digest; with the NUL at its end */
	g_assert_cmpint(popinjay_apop_parse(data, size + 1, &challenge,
					    &digest), ==, -1);
}

#define CHALLENGE(secs) t_strdup_printf("<1a.1.%x.cmFuZG9t@host>", secs)

static void test_replay(void)
{
	struct popinjay_apop_replay *replay = popinjay_apop_replay_create(60);
	const char *first = CHALLENGE(NOW);

	g_assert_null(popinjay_apop_replay_use(replay, first, NOW));
	g_assert_cmpstr(popinjay_apop_replay_use(replay, first, NOW), ==,
			"the challenge was used before");
	g_assert_cmpstr(popinjay_apop_replay_use(replay, first, NOW + 60), ==,
			"the challenge was used before");
	g_assert_cmpstr(popinjay_apop_replay_use(replay, first, NOW + 61), ==,
			"the challenge is too old");
	g_assert_cmpuint(popinjay_apop_replay_count(replay), ==, 0);

	g_assert_null(popinjay_apop_replay_use(replay, CHALLENGE(NOW),
					       NOW + 60));
	g_assert_cmpstr(popinjay_apop_replay_use(replay, CHALLENGE(NOW + 2),
						 NOW), ==,
			"the challenge is from the future");
	g_assert_cmpstr(popinjay_apop_replay_use(replay, "<1.2.3>", NOW), ==,
			"the challenge is malformed");
	g_assert_cmpstr(popinjay_apop_replay_use(replay, "<1.2.x.r@h>", NOW),
			==, "the challenge is malformed");
	g_assert_cmpstr(popinjay_apop_replay_use(replay, "", NOW), ==,
			"the challenge is malformed");
	/* those that cannot be accepted are not kept */
	g_assert_cmpuint(popinjay_apop_replay_count(replay), ==, 1);
	popinjay_apop_replay_free(&replay);
	g_assert_null(replay);
}

/* pop3-login's clock may be a second ahead */
static void test_replay_ahead(void)
{
	struct popinjay_apop_replay *replay = popinjay_apop_replay_create(60);
	const char *ahead = CHALLENGE(NOW + 1);

	g_assert_null(popinjay_apop_replay_use(replay, ahead, NOW));
	g_assert_cmpstr(popinjay_apop_replay_use(replay, ahead, NOW + 61), ==,
			"the challenge was used before");
	popinjay_apop_replay_free(&replay);
}

static void test_replay_forgets(void)
{
	struct popinjay_apop_replay *replay = popinjay_apop_replay_create(60);

	for (unsigned int i = 0; i < 10000; i++) T_BEGIN {
		g_assert_null(popinjay_apop_replay_use(replay,
						       CHALLENGE(NOW + i),
						       NOW + i));
		g_assert_cmpuint(popinjay_apop_replay_count(replay), <=, 61);
	} T_END;
	g_assert_cmpuint(popinjay_apop_replay_count(replay), ==, 61);
	popinjay_apop_replay_free(&replay);
}

static void test_plain_matches(void)
{
	const char *text = popinjay_secret_text_generate();
	g_autofree char *upper = g_ascii_strup(text, -1);
	struct popinjay_secret secret = {
		.generated = TRUE, .scram_sha1 = "", .scram_sha256 = "",
		.plain = popinjay_verifier_plain_create(text)
	};

	g_assert_true(popinjay_secret_plain_matches(&secret, NULL, text));
	g_assert_true(popinjay_secret_plain_matches(&secret, NULL, upper));
	g_assert_false(popinjay_secret_plain_matches(&secret, NULL, ""));
	/* a recoverable one without verifier */
	secret.plain = "";
	g_assert_true(popinjay_secret_plain_matches(&secret, text, upper));
	g_assert_false(popinjay_secret_plain_matches(&secret, text, "x"));
	g_assert_false(popinjay_secret_plain_matches(&secret, NULL, text));
	/* one that a person typed is taken literally */
	secret.generated = FALSE;
	secret.scram_sha256 = popinjay_verifier_scram_create(
		POPINJAY_SCRAM_SHA256, "Typed", 4096);
	g_assert_true(popinjay_secret_plain_matches(&secret, NULL, "Typed"));
	g_assert_false(popinjay_secret_plain_matches(&secret, NULL, "typed"));
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	lib_init();
	ADD_CASES("/refusal/", refusal_cases, test_refusal);
	ADD_CASES("/service/", service_cases, test_service);
	g_test_add_func("/service/secured", test_secured);
	ADD_CASES("/split/", split_cases, test_split);
	g_test_add_func("/apop/rfc1939", test_apop_vector);
	g_test_add_func("/apop/parse", test_apop_parse);
	g_test_add_func("/apop/replay", test_replay);
	g_test_add_func("/apop/replay-ahead", test_replay_ahead);
	g_test_add_func("/apop/replay-forgets", test_replay_forgets);
	g_test_add_func("/plain/matches", test_plain_matches);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
