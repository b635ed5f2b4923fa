/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a secret allows of the INBOX: -d, -r, and --replaces, which makes a new
   secret with the limits of an old one. */

#include "secrets/secrets.h"

#include <string.h>

static struct secrets *s;

static int add(GString **err_r, const char *user, const char *const *args)
{
	const char *const none = NULL, *const *a = args;

	*err_r = NULL;
	while (*a != NULL)
		a++;
	g_assert_cmpint(a - args, <=, 6);
	a = args;
	return fixture_doveadm(s->f, NULL, NULL, err_r, "popinjay", "secret",
		"add", "-u", user, "-l", "x", a[0], a[1], a[2], a[3], a[4],
		a[5], none);
}

static void test_errors(void)
{
	static const struct {
		const char *args[7];
		const char *error;
	} cases[] = {
		{ { "-d", "keep" }, "delete must be native or refuse" },
		{ { "-d", "" }, "delete must be native or refuse" },
		{ { "-r", "maybe" }, "read-only must be yes or no" },
		{ { "-r", "yes", "-d", "native" },
		  "-r yes means -d refuse: give only one of -r and -d" },
		{ { "-r", "no", "-d", "refuse" },
		  "-r no means -d native: give only one of -r and -d" },
		{ { "-d", "refuse", "-s", "imap" }, "can serve pop3 only" },
		{ { "-d", "refuse", "-s", "pop3,imap" },
		  "can serve pop3 only" },
		{ { "-n", "192.0.2.0/33" }, "Invalid network '192.0.2.0/33'" },
		{ { "-n", "2001:db8::/32,192.0.2" },
		  "Invalid network '192.0.2': an IPv4 address has four" },
		{ { "-n", "10/8" }, "Invalid network '10/8': " }
	};
	g_autofree char *user = fixture_user(s->f, "maildir");

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) err = NULL;

		/* EX_USAGE */
		g_assert_cmpint(add(&err, user, cases[i].args), ==, 64);
		if (strstr(err->str, cases[i].error) == NULL)
			g_error("%s", err->str);
	}
	g_assert_null(secrets_get_value(s, user));
}

/* list shows these for the secret that the user has. */
static void check_shown(const char *user, const char *expected)
{
	g_autofree char *out = NULL;
	g_auto(GStrv) lines = NULL, names = NULL, values = NULL;

	g_assert_cmpint(secrets_doveadm(s, "list", user, NULL, &out, NULL),
			==, 0);
	lines = g_strsplit(out, "\n", -1);
	names = g_strsplit(lines[0], "\t", -1);
	values = g_strsplit(lines[1], "\t", -1);
	g_assert_cmpstr(names[8], ==, "delete");
	g_assert_cmpstr(values[8], ==, expected);
}

static void test_shown(void)
{
	static const struct {
		const char *args[7];
		const char *shown;
	} cases[] = {
		{ { NULL }, "native" },
		{ { "-d", "native" }, "native" },
		{ { "-r", "no" }, "native" },
		{ { "-d", "refuse" }, "refuse" },
		{ { "-r", "yes" }, "refuse" },
		{ { "-r", "yes", "-d", "refuse" }, "refuse" }
	};
	g_autofree char *user = fixture_user(s->f, "maildir");

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) err = NULL;

		g_assert_cmpint(add(&err, user, cases[i].args), ==, 0);
		check_shown(user, cases[i].shown);
		g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL,
						"-d", "native", "x", NULL),
				==, 0);
		check_shown(user, "native");
		g_assert_cmpint(secrets_doveadm(s, "revoke", user, NULL, NULL,
						"x", NULL), ==, 0);
	}
}

/* --- --replaces --- */

static void assert_login(const char *user, const char *text, gboolean expected)
{
	g_autofree char *reply = secrets_login(s, POP3_TLS, "PLAIN", user, text,
					       NULL);

	g_assert_cmpint(g_str_has_prefix(reply, "+OK"), ==, expected);
}

static void test_replaces(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *id = NULL, *new_id = NULL, *out = NULL;
	g_autofree char *old = secrets_add(s, user, &id, "-l", "phone", "-s",
					   "pop3,smtp", "-n", "127.0.0.1",
					   "-m", "plain,apop", NULL);
	g_autofree char *other = secrets_add(s, user, NULL, "-l", "laptop",
					     NULL);
	g_autofree char *text = NULL, *renamed = NULL, *regex = NULL;

	assert_login(user, old, TRUE);
	text = secrets_add(s, user, &new_id, "--replaces", "Phone", NULL);
	g_assert_cmpstr(new_id, ==, id);
	g_assert_cmpstr(text, !=, old);
	assert_login(user, old, FALSE);
	assert_login(user, other, TRUE);
	/* the limits stay, and it was not used yet */
	g_assert_cmpint(secrets_doveadm(s, "show", user, NULL, &out, "phone",
					NULL), ==, 0);
	regex = g_strdup_printf("\n%s\tphone\tgenerated\t[^\t]+\tnever\tPLAIN,"
		"APOP\tpop3,smtp\t127.0.0.1\tyes\t[^\n]*\tk1\t\t\t\tyes\n$",
		id);
	if (!g_regex_match_simple(regex, out, 0, 0))
		g_error("%s", out);
	assert_login(user, text, TRUE);

	/* what is given changes */
	renamed = secrets_add(s, user, NULL, "--replaces", id, "-l", "tablet",
			      "-n", "192.0.2.1", NULL);
	assert_login(user, text, FALSE);
	assert_login(user, renamed, FALSE);
	g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL, "-n", "",
					"tablet", NULL), ==, 0);
	assert_login(user, renamed, TRUE);
}

static void test_replaces_errors(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "phone", NULL);
	g_autofree char *other = secrets_add(s, user, NULL, "-l", "laptop",
					     NULL);
	g_autofree char *before = secrets_get_value(s, user), *after = NULL;

	/* EX_DATAERR: there is none, and a label that another one has */
	g_assert_cmpint(secrets_doveadm(s, "add", user, NULL, NULL,
					"--replaces", "tablet", NULL), ==, 65);
	g_assert_cmpint(secrets_doveadm(s, "add", user, NULL, NULL,
					"--replaces", "phone", "-l", "laptop",
					NULL), ==, 65);
	after = secrets_get_value(s, user);
	g_assert_cmpstr(after, ==, before);
	assert_login(user, text, TRUE);
}

/* Sealed with the key of the fixture. */
#define EXPIRED \
	"popinjay-secrets:1:1 id=5f0c1d2e;label=phone;created=1700000000;" \
	"expires=1700000001;mechs=PLAIN,APOP;nets=;services=pop3;flags=g;" \
	"plain=;scram-sha-1=;scram-sha-256=;key=k1;" \
	"seal=EBESExQVFhcYGRobDcfwfGSiSMq5WDtuaRJEIuMieyNjqiGG" \
	"yoqPVG15Lb8z0aJPEeNRuqXmW/mAZgEgfV8="

/* A new one that had expired would be of no use. */
static void test_replaces_expired(void)
{
	static const char user[] = "jack";
	g_autofree char *after = NULL, *text = NULL;

	fixture_user_add(s->f, user);
	secrets_set_value(s, user, EXPIRED);
	/* EX_DATAERR */
	g_assert_cmpint(secrets_doveadm(s, "add", user, NULL, NULL,
					"--replaces", "phone", NULL), ==, 65);
	after = secrets_get_value(s, user);
	g_assert_cmpstr(after, ==, EXPIRED);
	text = secrets_add(s, user, NULL, "--replaces", "phone", "-e", "never",
			   NULL);
	assert_login(user, text, TRUE);
}

/* A password that a person chose is replaced by one that is generated. */
static void test_replaces_imported(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *file = g_strdup_printf("%s:{PLAIN}Typed-1\n", user);
	g_autofree char *text = NULL;

	g_assert_cmpint(secrets_doveadm(s, "import", user, file, NULL, NULL),
			==, 0);
	assert_login(user, "Typed-1", TRUE);
	text = secrets_add(s, user, NULL, "--replaces", "imported", "-m",
			   "plain,apop", NULL);
	assert_login(user, "Typed-1", FALSE);
	assert_login(user, text, TRUE);
}

int main(int argc, char *argv[])
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	s = secrets_new_with(&options);
	g_test_add_func("/secret-limits/errors", test_errors);
	g_test_add_func("/secret-limits/shown", test_shown);
	g_test_add_func("/secret-limits/replaces", test_replaces);
	g_test_add_func("/secret-limits/replaces-errors", test_replaces_errors);
	g_test_add_func("/secret-limits/replaces-expired",
			test_replaces_expired);
	g_test_add_func("/secret-limits/replaces-imported",
			test_replaces_imported);
	ret = g_test_run();
	secrets_free(s);
	return ret;
}
