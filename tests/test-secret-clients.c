/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* App secrets with the mail clients that people use: each logs in with a
   secret by the mechanism it is told, over clear, STLS and POP3S, and gets the
   mail. */

#include "secrets/secrets.h"

#include <glib/gstdio.h>

#define MAIL "From: a@example.com\r\nSubject: for a client\r\n\r\n" \
	"Text of it.\r\n"
#define MAIL_TEXT "Text of it."
#define ALL_MECHS \
	"plain,apop,cram-md5,digest-md5,scram-sha-1,scram-sha-256"

enum program {
	FETCHMAIL,
	MPOP,
	CURL,
	POPLIB
};

struct client_case {
	enum program program;
	/* for the program */
	const char *mech;
	/* as Dovecot logs it */
	const char *method;
};

static const char *const program_names[] = {
	"fetchmail", "mpop", "curl", "poplib"
};

static const struct client_case cases[] = {
	{ FETCHMAIL, "apop", "APOP" },
	{ FETCHMAIL, "pop3", "PLAIN" },
	/* mpop 1.4.18 does not take the challenges of Dovecot's greeting for
	   any, whatever the passdb */
	{ MPOP, "cram-md5", "CRAM-MD5" },
	{ MPOP, "digest-md5", "DIGEST-MD5" },
	{ MPOP, "scram-sha-1", "SCRAM-SHA-1" },
	{ MPOP, "scram-sha-256", "SCRAM-SHA-256" },
	{ MPOP, "plain", "PLAIN" },
	{ MPOP, "user", "PLAIN" },
	{ CURL, "+APOP", "APOP" },
	{ CURL, "CRAM-MD5", "CRAM-MD5" },
	/* curl's DIGEST-MD5 does not take Dovecot's challenge */
	/* SCRAM is in curl only when it was built with GNU SASL */
	{ CURL, "PLAIN", "PLAIN" },
	{ CURL, "LOGIN", "LOGIN" },
	{ POPLIB, "apop", "APOP" },
	{ POPLIB, "user", "PLAIN" },
};

static const char *const security_names[] = { "clear", "stls", "pop3s" };

static const char poplib_script[] =
	"import poplib, ssl, sys\n"
	"mech, security, port, ca, user, password = sys.argv[1:]\n"
	"tls = ssl.create_default_context(cafile=ca)\n"
	"if security == 'pop3s':\n"
	"    pop = poplib.POP3_SSL('127.0.0.1', int(port), context=tls)\n"
	"else:\n"
	"    pop = poplib.POP3('127.0.0.1', int(port))\n"
	"    if security == 'stls':\n"
	"        pop.stls(context=tls)\n"
	"if mech == 'apop':\n"
	"    pop.apop(user, password)\n"
	"else:\n"
	"    pop.user(user)\n"
	"    pop.pass_(password)\n"
	"print('\\n'.join(line.decode() for line in pop.retr(1)[1]))\n"
	"pop.quit()\n";

static struct secrets *s;

static char *write_config(const char *dir, const char *text)
{
	char *path = g_build_filename(dir, "config", NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(g_chmod(path, 0600), ==, 0);
	return path;
}

static void
add_fetchmail(GPtrArray *argv, const struct client_case *c,
	      enum pop3_security security, guint16 port, const char *user,
	      const char *text, const char *dir)
{
	g_autofree char *config = NULL, *tls = NULL, *path = NULL;

	tls = security == POP3_CLEAR ? g_strdup("sslproto ''") :
		g_strdup_printf("%ssslproto 'TLS1.2+' sslcertck sslcertfile "
				"'%s' sslcommonname 'localhost'",
				security == POP3_TLS ? "ssl " : "",
				s->f->ca_file);
	config = g_strdup_printf("set no bouncemail\n"
		"poll 127.0.0.1 port %u proto %s auth %s"
		" no envelope\n"
		"user '%s' password '%s' %s\n"
		"mda 'cat'\nkeep fetchall\n",
		/* with any it would take CRAM-MD5 where it can */
		port, c->mech,
		strcmp(c->mech, "pop3") == 0 ? "password" : "any", user,
		text, tls);
	path = write_config(dir, config);
	g_ptr_array_add(argv, g_strdup("env"));
	g_ptr_array_add(argv, g_strconcat("HOME=", dir, NULL));
	g_ptr_array_add(argv, g_strdup("fetchmail"));
	g_ptr_array_add(argv, g_strdup("--silent"));
	g_ptr_array_add(argv, g_strdup("--fetchmailrc"));
	g_ptr_array_add(argv, g_steal_pointer(&path));
}

static void
add_mpop(GPtrArray *argv, const struct client_case *c,
	 enum pop3_security security, guint16 port, const char *user,
	 const char *text, const char *dir)
{
	g_autofree char *config = NULL, *tls = NULL, *path = NULL;

	tls = security == POP3_CLEAR ? g_strdup("tls off\n") :
		g_strdup_printf("tls on\ntls_starttls %s\ntls_trust_file %s\n",
				security == POP3_STLS ? "on" : "off",
				s->f->ca_file);
	config = g_strdup_printf("account default\nhost 127.0.0.1\nport %u\n"
		"user %s\npassword %s\nauth %s\n%skeep on\nonly_new off\n"
		"uidls_file %s/uidls\nreceived_header off\n"
		"delivery mda cat\n",
		port, user, text, c->mech, tls, dir);
	path = write_config(dir, config);
	g_ptr_array_add(argv, g_strdup("mpop"));
	g_ptr_array_add(argv, g_strdup("--quiet"));
	g_ptr_array_add(argv, g_strdup("--file"));
	g_ptr_array_add(argv, g_steal_pointer(&path));
}

static void
add_curl(GPtrArray *argv, const struct client_case *c,
	 enum pop3_security security, guint16 port, const char *user,
	 const char *text)
{
	g_ptr_array_add(argv, g_strdup("curl"));
	g_ptr_array_add(argv, g_strdup("-sS"));
	g_ptr_array_add(argv, g_strdup("--cacert"));
	g_ptr_array_add(argv, g_strdup(s->f->ca_file));
	if (security == POP3_STLS)
		g_ptr_array_add(argv, g_strdup("--ssl-reqd"));
	g_ptr_array_add(argv, g_strdup("--login-options"));
	g_ptr_array_add(argv, g_strconcat("AUTH=", c->mech, NULL));
	g_ptr_array_add(argv, g_strdup("-u"));
	g_ptr_array_add(argv, g_strdup_printf("%s:%s", user, text));
	g_ptr_array_add(argv, g_strdup_printf("%s://127.0.0.1:%u/1",
		security == POP3_TLS ? "pop3s" : "pop3", port));
}

static void
add_poplib(GPtrArray *argv, const struct client_case *c,
	   enum pop3_security security, guint16 port, const char *user,
	   const char *text)
{
	g_ptr_array_add(argv, g_strdup("python3"));
	g_ptr_array_add(argv, g_strdup("-c"));
	g_ptr_array_add(argv, g_strdup(poplib_script));
	g_ptr_array_add(argv, g_strdup(c->mech));
	g_ptr_array_add(argv, g_strdup(security_names[security]));
	g_ptr_array_add(argv, g_strdup_printf("%u", port));
	g_ptr_array_add(argv, g_strdup(s->f->ca_file));
	g_ptr_array_add(argv, g_strdup(user));
	g_ptr_array_add(argv, g_strdup(text));
}

/* Returns the program's exit status; *got_r says whether the mail came. */
static int
run_client(const struct client_case *c, enum pop3_security security,
	   const char *user, const char *text, gboolean *got_r)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
	guint16 port = security == POP3_TLS ? s->f->pop3s_port :
		s->f->pop3_port;
	g_autofree char *dir = g_dir_make_tmp("popinjay-client-XXXXXX", NULL);
	g_autoptr(GString) out = NULL, err = NULL;
	const char *const rm[] = { "rm", "-rf", "--", dir, NULL };
	int status;

	switch (c->program) {
	case FETCHMAIL:
		add_fetchmail(argv, c, security, port, user, text, dir);
		break;
	case MPOP:
		add_mpop(argv, c, security, port, user, text, dir);
		break;
	case CURL:
		add_curl(argv, c, security, port, user, text);
		break;
	case POPLIB:
		add_poplib(argv, c, security, port, user, text);
		break;
	}
	g_ptr_array_add(argv, NULL);
	status = fixture_run(s->f, (const char *const *)argv->pdata, NULL,
			     &out, &err);
	*got_r = strstr(out->str, MAIL_TEXT) != NULL;
	if (status != 0)
		g_test_message("%s", err->str);
	g_assert_cmpint(fixture_run(s->f, rm, NULL, NULL, NULL), ==, 0);
	return status;
}

/* An mpop that can bind SCRAM to the TLS connection does not use it there
   without. Returns TRUE if this is one. */
static gboolean mpop_has_plus(void)
{
	static const char *const argv[] = { "mpop", "--version", NULL };
	g_autoptr(GString) out = NULL;

	g_assert_cmpint(fixture_run(s->f, argv, NULL, &out, NULL), ==, 0);
	return strstr(out->str, "scram-sha-256-plus") != NULL;
}

static void test_client(gconstpointer data)
{
	const struct client_case *c = data;
	g_autofree char *plus_mech = g_strconcat(c->mech, "-plus", NULL);
	g_autofree char *plus_method = g_strconcat(c->method, "-PLUS", NULL);
	const struct client_case plus = { c->program, plus_mech, plus_method };
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "client",
					    "-m", ALL_MECHS, "-t", "no", NULL);
	g_autofree char *wrong = g_strdup(text);
	gboolean got;

	wrong[8] = wrong[8] == 'a' ? 'b' : 'a';
	fixture_deliver(s->f, user, MAIL, strlen(MAIL));
	for (unsigned int i = 0; i < G_N_ELEMENTS(security_names); i++) {
		g_autofree char *regex = NULL;
		gsize mark = fixture_log_size(s->f);

		g_test_message("%s", security_names[i]);
		if (c->program == MPOP && i != POP3_CLEAR &&
		    g_str_has_prefix(c->mech, "scram-") && mpop_has_plus())
			c = &plus;
		regex = g_strdup_printf("(Login|Logged in): user=<%s>, "
					"method=%s,", user, c->method);
		g_assert_cmpint(run_client(c, i, user, text, &got), ==, 0);
		g_assert_true(got);
		g_free(fixture_log_wait(s->f, mark, regex));
	}
	g_assert_cmpint(run_client(c, POP3_STLS, user, wrong, &got), !=, 0);
	g_assert_false(got);
}

int main(int argc, char *argv[])
{
	const struct secrets_options options = {
		.store = SECRETS_SQLITE, .fast_logins = TRUE,
		.config = fixture_dovecot_version() < 20400 ? NULL :
			"auth_mechanisms = plain login apop cram-md5 "
			"digest-md5 scram-sha-1 scram-sha-256 "
			"scram-sha-1-plus scram-sha-256-plus\n"
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	s = secrets_new_with(&options);
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/client/%s/%s",
			program_names[cases[i].program], cases[i].mech);

		g_test_add_data_func(path, &cases[i], test_client);
	}
	ret = g_test_run();
	secrets_free(s);
	return ret;
}
