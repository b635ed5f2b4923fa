/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Our passdb beside others, and beside userdb prefetch: whom it lets in, whom
   another one lets in, and what it does for a user it does not know. */

#include "secrets/secrets.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ALL_MECHS "plain,apop,cram-md5,scram-sha-1,scram-sha-256"

/* What our passdb says of a secret is no complete answer for userdb prefetch:
   the next userdb is asked. */
static void test_prefetch(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.before = fixture_is_2_3() ?
			"userdb {\n  driver = prefetch\n}\n" :
			"userdb prefetch {\n}\n"
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "phone", "-r",
					    "yes", "-m", ALL_MECHS, NULL);
	static const char *const mechs[] = {
		"PLAIN", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"
	};

	fixture_deliver(s->f, user, "Subject: a\n\nb\n", 14);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		struct pop3 *pop3 = NULL;
		g_autofree char *reply = NULL, *stat = NULL;

		reply = secrets_login(s, POP3_TLS, mechs[i], user, text,
				      &pop3);
		g_assert_cmpstr(reply, ==, "+OK Logged in.");
		/* it is that user's INBOX */
		stat = pop3_ask(pop3, "STAT");
		g_assert_true(g_str_has_prefix(stat, "+OK 1 "));
		pop3_quit(pop3, "Logging out.");
	}
	secrets_free(s);
}

/* A secret is the same text as the account's password, and a field of our
   passdb refuses it: who came in by the other passdb has not used it. */
static void test_used_by_other(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.fields = "allow_nets = 192.0.2.0/24"
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *file = g_strdup_printf("%s:{PLAIN}%s\n", user,
						FIXTURE_PASSWORD);
	g_autofree char *reply = NULL, *out = NULL;

	g_assert_cmpint(secrets_doveadm(s, "import", user, file, NULL, "-l",
					"same", NULL), ==, 0);
	reply = secrets_login(s, POP3_TLS, "PLAIN", user, FIXTURE_PASSWORD,
			      NULL);
	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	g_assert_cmpuint(fixture_log_count(s->f, 0, "popinjay: accepted"), ==,
			 0);
	g_assert_cmpint(secrets_doveadm(s, "show", user, NULL, &out, "same",
					NULL), ==, 0);
	g_assert_null(strstr(out, "127.0.0.1"));
	secrets_free(s);
}

/* --- What a guess costs --- */

static void clear(const char *count_file)
{
	g_assert_true(g_file_set_contents(count_file, "", 0, NULL));
	g_assert_cmpint(chmod(count_file, 0666), ==, 0);
}

/* Fail to log in. Returns what the auth process computed for it, a character
   each. */
static char *
guess(struct secrets *s, const char *mech, const char *user,
      const char *count_file)
{
	g_autofree char *reply = NULL;
	char *computed = NULL;

	clear(count_file);
	reply = secrets_login(s, POP3_TLS, mech, user,
			      "ew6h-k9vt-3ndc-xq8m-2gpa-7rjs-b4uf", NULL);
	g_assert_true(g_str_has_prefix(reply, "-ERR [AUTH] "));
	g_assert_true(g_file_get_contents(count_file, &computed, NULL, NULL));
	return computed;
}

/* Who guesses does not learn from the time it takes whether the user has a
   secret: the same is computed for one who has none. */
static void test_unknown_user(void)
{
	static const char *const mechs[] = { "PLAIN", "APOP", "CRAM-MD5" };
	g_autofree char *dir = g_dir_make_tmp("popinjay-count-XXXXXX", NULL);
	g_autofree char *count_file = g_build_filename(dir, "count", NULL);
	g_autofree char *wrapper = g_build_filename(dir, "auth", NULL);
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *libexec = fixture_libexec_dir(s->f);
	g_autofree char *script = g_strdup_printf(
		"#!/bin/sh\n"
		"COUNT_CRYPTO=%s LD_PRELOAD=%s exec %s/auth \"$@\"\n",
		count_file, POPINJAY_BUILDDIR"/tests/secrets/count-crypto.so",
		libexec);
	g_autofree char *config = g_strdup_printf(
		"auth_failure_delay = 0\n"
		"auth_mechanisms = plain apop cram-md5\n"
		"service auth {\n  executable = %s\n}\n", wrapper);
	g_autofree char *known = NULL, *unknown = NULL;

	g_assert_cmpint(chmod(dir, 0755), ==, 0);
	secrets_write_file(wrapper, script, 0755);
	clear(count_file);
	fixture_reload(s->f, config);
	known = fixture_user(s->f, "maildir");
	unknown = fixture_user(s->f, "maildir");
	g_free(secrets_add(s, known, NULL, "-l", "phone", "-m", ALL_MECHS,
			   NULL));
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		g_autofree char *for_known = guess(s, mechs[i], known,
						   count_file);
		g_autofree char *for_unknown = guess(s, mechs[i], unknown,
						     count_file);

		g_test_message("%s: %s, %s", mechs[i], for_known, for_unknown);
		g_assert_cmpuint(strlen(for_known), >, 0);
		g_assert_cmpstr(for_known, ==, for_unknown);
	}
	secrets_free(s);
	secrets_remove(dir);
}

/* doveadm popinjay check sees a passdb behind another one, and what is on disk
   is enough. */
static void test_order(void)
{
	struct fixture *f = fixture_new(NULL);
	FILE *file = fopen(f->config_file, "a");
	g_autoptr(GString) out = NULL;

	g_assert_nonnull(file);
	g_assert_cmpint(fputs(fixture_is_2_3() ?
		"passdb {\n  driver = popinjay\n  args = /none\n}\n" :
		"passdb popinjay {\n}\n", file), >=, 0);
	g_assert_cmpint(fclose(file), ==, 0);
	g_assert_cmpint(fixture_doveadm(f, NULL, &out, NULL, "popinjay",
					"check", NULL), ==, 78);
	g_assert_true(g_regex_match_simple("^warning +app secrets: The passdb "
		"popinjay comes after the passdb \\S+, which sees every "
		"secret as a wrong password: ", out->str, G_REGEX_MULTILINE,
		0));
	fixture_free(f);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/secret-passdbs/prefetch", test_prefetch);
	g_test_add_func("/secret-passdbs/used-by-other", test_used_by_other);
	g_test_add_func("/secret-passdbs/unknown-user", test_unknown_user);
	g_test_add_func("/secret-passdbs/order", test_order);
	return g_test_run();
}
