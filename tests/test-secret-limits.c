/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A secret that is made in the place of an old one, and keeps its limits. */

#include "secrets/secrets.h"

static struct secrets *s;

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
	g_test_add_func("/secret-limits/replaces", test_replaces);
	g_test_add_func("/secret-limits/replaces-errors", test_replaces_errors);
	g_test_add_func("/secret-limits/replaces-imported",
			test_replaces_imported);
	ret = g_test_run();
	secrets_free(s);
	return ret;
}
