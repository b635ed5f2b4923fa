/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings and their effects: what CAPA says after login, which is what it said
   before (RFC 2449 section 5), and how long a client may be idle. */

#include "access-record.h"
#include "pop3.h"

#include <stdio.h>
#include <sys/socket.h>

#define IDLE_SECS 5
#define BIG_BYTES (16 * 1024 * 1024)
#define ALL_MECHANISMS "plain login cram-md5 digest-md5 scram-sha-1 " \
	"scram-sha-256 apop anonymous external"

static struct fixture *f;

/* --- CAPA --- */

struct capa_case {
	const char *name;
	const char *mechanisms;
	/* FALSE: disable_plaintext_auth, which 2.4 has the other way round */
	gboolean cleartext;
	/* the client's address; NULL: the server's, which makes any connection
	   a secure one */
	const char *source;
	/* TRUE to log in by CRAM-MD5 where the password may not be sent */
	gboolean cram_md5;
	enum pop3_security security;
	/* more of the configuration */
	const char *config;
	/* lines that must and must not be in it; NULL for none */
	const char *line, *no_line;
};

static const struct capa_case capa_cases[] = {
	{ "clear", "plain", TRUE, NULL, FALSE, POP3_CLEAR, "",
	  "USER", "SASL" },
	{ "stls", "plain", TRUE, NULL, FALSE, POP3_STLS, "", "USER", "STLS" },
	{ "tls", "plain", TRUE, NULL, FALSE, POP3_TLS, "", "USER", "STLS" },
	{ "two", "plain login", TRUE, NULL, FALSE, POP3_CLEAR, "",
	  "SASL PLAIN LOGIN", NULL },
	{ "other-order", "cram-md5 LOGIN Plain", TRUE, NULL, FALSE, POP3_CLEAR,
	  "", "USER", NULL },
	{ "all", ALL_MECHANISMS, TRUE, NULL, FALSE, POP3_CLEAR, "", "USER",
	  NULL },
	{ "all-tls", ALL_MECHANISMS, TRUE, NULL, FALSE, POP3_TLS, "", "USER",
	  NULL },
	{ "far", "plain cram-md5", TRUE, "127.0.0.2", FALSE, POP3_CLEAR, "",
	  "USER", NULL },
	{ "disabled-local", "plain cram-md5", FALSE, NULL, FALSE, POP3_CLEAR,
	  "", "USER", NULL },
	{ "disabled-local-cram", "plain cram-md5", FALSE, NULL, TRUE,
	  POP3_CLEAR, "", "USER", NULL },
	{ "disabled", "plain login cram-md5", FALSE, "127.0.0.2", TRUE,
	  POP3_CLEAR, "", "SASL CRAM-MD5", "USER" },
	{ "disabled-stls", "plain cram-md5", FALSE, "127.0.0.2", FALSE,
	  POP3_STLS, "", "USER", "STLS" },
	{ "disabled-tls", "plain cram-md5", FALSE, "127.0.0.2", FALSE,
	  POP3_TLS, "", "USER", "STLS" },
	{ "trusted", "plain cram-md5", FALSE, "127.0.0.2", FALSE, POP3_CLEAR,
	  "login_trusted_networks = 127.0.0.0/8\n", "USER", NULL },
	{ "no-tls", "plain cram-md5", TRUE, NULL, FALSE, POP3_CLEAR,
	  "ssl = no\n", "USER", "STLS" },
	{ "tls-required", "plain cram-md5", FALSE, NULL, TRUE, POP3_CLEAR,
	  "ssl = required\n", NULL, "STLS" },
	{ "tls-required-stls", "plain cram-md5", FALSE, "127.0.0.2", FALSE,
	  POP3_STLS, "ssl = required\n", "USER", "STLS" },
	{ "workaround", "plain", TRUE, NULL, FALSE, POP3_CLEAR,
	  "pop3_client_workarounds = outlook-no-nuls oe-ns-eoh\n", "USER",
	  NULL }
};

static char *capa_config(const struct capa_case *c, const char *settings)
{
	if (!fixture_is_2_3()) {
		return g_strdup_printf(
			"auth_mechanisms = %s\nauth_allow_cleartext = %s\n%s%s",
			c->mechanisms, c->cleartext ? "yes" : "no", c->config,
			settings);
	}
	return g_strdup_printf(
		"auth_mechanisms = %s\ndisable_plaintext_auth = %s\n%s"
		"plugin {\n"
		"  popinjay_sasl_mechanisms = $auth_mechanisms\n"
		"  popinjay_disable_plaintext_auth = $disable_plaintext_auth\n"
		"%s}\n", c->mechanisms, c->cleartext ? "no" : "yes", c->config,
		settings);
}

static void get_fixture(void)
{
	if (f == NULL)
		f = fixture_new(NULL);
}

static void log_in(struct pop3 *pop3, const char *user, gboolean cram_md5)
{
	g_autofree char *challenge = NULL, *digest = NULL, *response = NULL;
	g_autofree char *base64 = NULL;
	g_autofree guchar *decoded = NULL;
	gsize size;

	if (!cram_md5) {
		pop3_login(pop3, user);
		return;
	}
	challenge = pop3_ask(pop3, "AUTH CRAM-MD5");
	g_assert_true(g_str_has_prefix(challenge, "+ "));
	decoded = g_base64_decode(challenge + 2, &size);
	digest = g_compute_hmac_for_data(G_CHECKSUM_MD5,
		(const guchar *)FIXTURE_PASSWORD, strlen(FIXTURE_PASSWORD),
		decoded, size);
	response = g_strdup_printf("%s %s", user, digest);
	base64 = g_base64_encode((const guchar *)response, strlen(response));
	pop3_check(pop3, base64, "+OK Logged in.");
}

static GString *ask_capa(struct pop3 *pop3)
{
	pop3_send(pop3, "CAPA");
	return pop3_multiline(pop3);
}

static gboolean has_line(const GString *reply, const char *line)
{
	g_auto(GStrv) lines = g_strsplit(reply->str, "\r\n", -1);

	return g_strv_contains((const char *const *)lines, line);
}

/* After login all is there that was there before it, but STLS. */
static void assert_as_before(const GString *after, GString *before)
{
	static const char *const stls = "\r\nSTLS\r\n";
	const char *line = strstr(before->str, stls);

	if (line != NULL) {
		g_string_erase(before, line - before->str,
			       (gssize)strlen("\r\nSTLS"));
	}
	g_assert_cmpstr(after->str, ==, before->str);
}

static void test_capa(gconstpointer data)
{
	const struct capa_case *c = data;
	g_autofree char *config = capa_config(c, "");
	g_autofree char *user = NULL;
	g_autoptr(GString) before = NULL, after = NULL;
	struct pop3 *pop3;

	get_fixture();
	user = fixture_user(f, "maildir");
	fixture_reload(f, config);
	pop3_set_source(c->source);
	pop3 = pop3_connect(f, c->security);
	pop3_set_source(NULL);
	before = ask_capa(pop3);
	log_in(pop3, user, c->cram_md5);
	after = ask_capa(pop3);
	pop3_quit(pop3, "Logging out.");

	assert_as_before(after, before);
	g_assert_true(c->line == NULL || has_line(after, c->line));
	g_assert_false(c->no_line != NULL && has_line(after, c->no_line));
}

/* With popinjay_capability_implementation there is one line more. */
static void test_implementation(void)
{
	static const struct capa_case c = {
		.mechanisms = "plain login", .cleartext = TRUE, .config = ""
	};
	g_autofree char *config = capa_config(&c,
		"popinjay_capability_implementation = yes\n");
	g_autofree char *user = NULL;
	g_autoptr(GString) before = NULL, after = NULL;
	struct pop3 *pop3;

	get_fixture();
	user = fixture_user(f, "maildir");
	fixture_reload(f, config);
	pop3 = pop3_connect(f, POP3_CLEAR);
	before = ask_capa(pop3);
	pop3_login(pop3, user);
	after = ask_capa(pop3);
	pop3_quit(pop3, "Logging out.");

	g_string_truncate(before, before->len - strlen(".\r\n"));
	g_string_append(before, "IMPLEMENTATION Popinjay-" POPINJAY_VERSION
			"\r\n.\r\n");
	assert_as_before(after, before);
}

/* What Dovecot 2.3 does not tell a mail process cannot be known. Then CAPA says
   no more than is true for this client. */
static void test_untold(void)
{
	static const struct capa_case c = {
		.mechanisms = "plain login cram-md5", .cleartext = TRUE,
		.config = ""
	};
	g_autofree char *config = capa_config(&c, fixture_is_2_3() ?
		"popinjay_sasl_mechanisms =\n"
		"popinjay_disable_plaintext_auth =\n" : "");
	g_autofree char *user = NULL;
	g_autoptr(GString) before = NULL, after = NULL;
	struct pop3 *pop3;

	get_fixture();
	user = fixture_user(f, "maildir");
	fixture_reload(f, config);
	pop3 = pop3_connect(f, POP3_CLEAR);
	before = ask_capa(pop3);
	log_in(pop3, user, TRUE);
	after = ask_capa(pop3);
	pop3_quit(pop3, "Logging out.");
	if (fixture_is_2_3()) {
		g_string_replace(before, "SASL PLAIN LOGIN CRAM-MD5",
				 "SASL CRAM-MD5", 0);
	}
	assert_as_before(after, before);
}

/* --- popinjay_idle_timeout --- */

struct idle {
	struct fixture *f;
	char *user;
	struct pop3 *pop3;
	gsize since;
};

static struct idle *
idle_begin(struct fixture *idle_f, const void *mail, gsize size)
{
	struct idle *idle = g_new0(struct idle, 1);
	int buffer_size = 64 * 1024;

	idle->f = idle_f;
	idle->user = fixture_user(idle_f, "maildir");
	if (size > 0)
		fixture_deliver(idle_f, idle->user, mail, size);
	idle->since = fixture_log_size(idle_f);
	idle->pop3 = pop3_connect(idle_f, POP3_CLEAR);
	setsockopt(idle->pop3->fd, SOL_SOCKET, SO_RCVBUF, &buffer_size,
		   sizeof(buffer_size));
	pop3_login(idle->pop3, idle->user);
	return idle;
}

static void idle_end(struct idle *idle, const char *end, const char *reason)
{
	g_autofree char *pattern = g_strdup_printf(
		"pop3(\\(%s\\).*)?: Info: Disconnected: %s", idle->user,
		reason);
	JsonObject *record = fixture_record(idle->f, idle->since, idle->user);

	record_expect_str(record, "end", end);
	json_object_unref(record);
	g_free(fixture_log_wait(idle->f, idle->since, pattern));
	pop3_close(idle->pop3);
	g_free(idle->user);
	g_free(idle);
}

/* Clients of one time: silent; talking now and then; not reading; reading
   slowly. */
static void test_idle_timeout(void)
{
	static const char *const settings[] = {
		"popinjay_idle_timeout", G_STRINGIFY(IDLE_SECS) " secs", NULL
	};
	static const struct fixture_options options = { .settings = settings };
	struct fixture *idle_f = fixture_new(&options);
	g_autofree char *big = g_strnfill(BIG_BYTES, '\n');
	struct idle *talking = idle_begin(idle_f, NULL, 0);
	struct idle *deaf = idle_begin(idle_f, big, BIG_BYTES);
	struct idle *slow = idle_begin(idle_f, big, BIG_BYTES);
	struct idle *silent = idle_begin(idle_f, NULL, 0);
	g_autoptr(GString) got = NULL;
	gint64 start = g_get_monotonic_time(), elapsed, silent_ended = 0;

	pop3_send(deaf->pop3, "RETR 1");
	pop3_send(slow->pop3, "RETR 1");
	for (unsigned int i = 1; i <= IDLE_SECS * 15; i++) {
		g_usleep(100 * 1000);
		elapsed = g_get_monotonic_time() - start;
		for (unsigned int j = 0; j < 3; j++)
			(void)pop3_receive_for(slow->pop3, 0);
		if (silent_ended == 0 && !silent->pop3->eof &&
		    pop3_receive_for(silent->pop3, 0))
			silent_ended = elapsed;
		if (i % 12 == 0)
			pop3_check(talking->pop3, "NOOP", "+OK");
	}
	g_assert_cmpint(silent_ended, >=, (IDLE_SECS - 1) * G_USEC_PER_SEC);
	pop3_expect(silent->pop3, "-ERR Disconnected for inactivity.\r\n");
	pop3_expect_eof(silent->pop3);
	idle_end(silent, "timeout", "Inactivity - no input for \\d+ secs");

	/* what the kernel still had for it; the end of the mail is missing */
	got = pop3_read_to_eof(deaf->pop3, NULL);
	g_assert_cmpuint(got->len, <, BIG_BYTES);
	g_assert_false(g_str_has_suffix(got->str, "\r\n.\r\n"));
	idle_end(deaf, "timeout", "Client has not read server output for");

	g_assert_cmpuint(slow->pop3->received, <, BIG_BYTES);
	g_string_free(pop3_multiline(slow->pop3), TRUE);
	pop3_check(slow->pop3, "QUIT", "+OK Logging out.");
	pop3_expect_eof(slow->pop3);
	g_assert_cmpuint(slow->pop3->received, >, BIG_BYTES);
	idle_end(slow, "quit", "Logged out");

	pop3_check(talking->pop3, "QUIT", "+OK Logging out.");
	pop3_expect_eof(talking->pop3);
	idle_end(talking, "quit", "Logged out");
	fixture_free(idle_f);
}

/* --- All --- */

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(capa_cases); i++) {
		g_autofree char *path = g_strdup_printf("/capa/%s",
							capa_cases[i].name);

		g_test_add_data_func(path, &capa_cases[i], test_capa);
	}
	g_test_add_func("/capa/implementation", test_implementation);
	g_test_add_func("/capa/untold", test_untold);
	g_test_add_func("/idle-timeout/clients", test_idle_timeout);
	/* last, since a suite of its own: an error may come late */
	g_test_add_func("/stop/settings-good", test_stop);
	ret = g_test_run();
	test_stop();
	return ret;
}
