/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the auth process tells the administrator of logins by app secrets: lines
   of the log, and events that Dovecot's metrics count. */

#include "secrets/secrets.h"

#define REFUSED "-ERR [AUTH] Authentication failed."
#define ALL_MECHS "plain,apop,cram-md5,scram-sha-1,scram-sha-256"
/* how Dovecot begins a line of ours: with the passdb's name, and in 2.3 with
   user, address and session behind that */
#define OUR_PASSDB " popinjay(\\([^)]*\\))?: "
#define WRONG "the client's answer to the challenge is wrong"

#define METRICS \
	"metric accepted {\n" \
	"  filter = event=popinjay_auth_accepted and secret_label=phone\n" \
	"}\n" \
	"metric refused {\n" \
	"  filter = event=popinjay_auth_refused\n" \
	"}\n" \
	"metric refused_named {\n" \
	"  filter = event=popinjay_auth_refused and secret_label=phone and " \
		"category=popinjay\n" \
	"}\n" \
	"metric refused_cram {\n" \
	"  filter = event=popinjay_auth_refused and mechanism=CRAM-MD5\n" \
	"}\n" \
	"metric failed {\n" \
	"  filter = event=popinjay_auth_store_failed and mechanism=PLAIN\n" \
	"}\n"

static const char *const mechs[] = {
	"PLAIN", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"
};

static struct secrets *s;

/* Wait until the metric has counted as many. */
static void expect_count(const char *metric, unsigned int count)
{
	g_autofree char *line = g_strdup_printf("\n%s\tduration\t%u\n", metric,
						count);
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;

	for (;;) {
		g_autoptr(GString) out = NULL;

		g_assert_cmpint(fixture_doveadm(s->f, NULL, &out, NULL, "-f",
						"tab", "stats", "dump", "-f",
						"count", NULL), ==, 0);
		if (strstr(out->str, line) != NULL)
			return;
		if (g_get_monotonic_time() > end)
			g_error("no %u %s in: %s", count, metric, out->str);
		g_usleep(100 * 1000);
	}
}

/* Begin to log in by SCRAM, and give up. */
static void abort_login(const char *user)
{
	struct pop3 *pop3 = pop3_connect(s->f, POP3_TLS);
	g_autofree char *bare = g_strdup_printf("n,,n=%s,r=clientnonce", user);
	g_autofree char *first = g_base64_encode((const guchar *)bare,
						 strlen(bare));
	g_autofree char *line = pop3_ask(pop3, "AUTH SCRAM-SHA-256 %s", first);

	g_assert_true(g_str_has_prefix(line, "+ "));
	g_free(line);
	line = pop3_ask(pop3, "*");
	g_assert_true(g_str_has_prefix(line, "-ERR "));
	pop3_close(pop3);
}

/* Lines that Dovecot begins with the passdb's name do not say it again. */
static void assert_named_once(void)
{
	g_assert_cmpuint(fixture_log_count(s->f, 0, "popinjay(\\([^)]*\\))?: "
					   "popinjay: "), ==, 0);
}

static void test_events(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *id = NULL;
	g_autofree char *text = secrets_add(s, user, &id, "-l", "phone", "-m",
					    ALL_MECHS, NULL);
	g_autofree char *regex = g_strdup_printf(
		"popinjay: refused: user=<%s>, secret %s \\(phone\\), "
		"method=[A-Z0-9-]+, rip=127.0.0.1: "WRONG"$", user, id);

	abort_login(user);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		g_autofree char *reply = secrets_login(s, POP3_TLS, mechs[i],
						       user, text, NULL);
		g_autofree char *wrong = NULL;
		gsize mark = fixture_log_size(s->f);

		g_assert_cmpstr(reply, ==, "+OK Logged in.");
		wrong = secrets_login(s, POP3_TLS, mechs[i], user, "wrong",
				      NULL);
		g_assert_cmpstr(wrong, ==, REFUSED);
		/* for two of them our passdb sees that the guess is wrong, and
		   whose secret it was meant to be it cannot say */
		g_free(fixture_log_wait(s->f, mark, i < 2 ?
			OUR_PASSDB"refused: no secret matches$" : regex));
	}
	expect_count("accepted", 5);
	expect_count("refused", 5);
	expect_count("refused_named", 3);
	expect_count("refused_cram", 1);
	/* which would be more by now */
	g_assert_cmpuint(fixture_log_count(s->f, 0, regex), ==, 3);
	assert_named_once();
}

static void test_store_failed(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *reply = NULL;

	secrets_set_value(s, user, "damaged");
	reply = secrets_login(s, POP3_TLS, "PLAIN", user, "wrong", NULL);
	g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
	expect_count("failed", 1);
	g_free(fixture_log_wait(s->f, 0, OUR_PASSDB"The secrets of user \\S+ "
				"cannot be used: "));
	assert_named_once();
}

/* Without auth_verbose the log tells of a right secret that is refused, but of
   no guess. */
static void test_quiet(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = "auth_mechanisms = plain apop scram-sha-256\n"
			"auth_verbose = no\nauth_debug = no\n"
	};
	static const char *const refused[] = {
		"PLAIN", "APOP", "SCRAM-SHA-256"
	};
	g_autofree char *user = NULL, *id = NULL, *text = NULL, *regex = NULL;

	s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	text = secrets_add(s, user, &id, "-l", "phone", "-m",
			   "plain,apop,scram-sha-256", NULL);
	regex = g_strdup_printf("Info:.*"OUR_PASSDB"refused: secret %s "
				"\\(phone\\): .*TLS", id);
	for (unsigned int i = 0; i < G_N_ELEMENTS(refused); i++) {
		gsize mark = fixture_log_size(s->f);

		g_free(secrets_login(s, POP3_TLS, refused[i], user, "wrong",
				     NULL));
		g_free(secrets_login(s, POP3_CLEAR, refused[i], user, text,
				     NULL));
		g_free(fixture_log_wait(s->f, mark, regex));
		g_assert_cmpuint(fixture_log_count(s->f, mark, "refused: "),
				 ==, 1);
	}
	secrets_free(s);
	s = shared;
}

int main(int argc, char *argv[])
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = METRICS "auth_mechanisms = plain apop cram-md5 "
			"scram-sha-1 scram-sha-256\n"
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	s = secrets_new_with(&options);
	fixture_log_allow(s->f, "The secrets of user");
	g_test_add_func("/events/logins", test_events);
	g_test_add_func("/events/store-failed", test_store_failed);
	g_test_add_func("/events/quiet", test_quiet);
	ret = g_test_run();
	secrets_free(s);
	return ret;
}
