/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Secrets of accounts that were deleted: the userdb does not know their users,
   but whoever gets the address next must not be met by them. */

#include "secrets/secrets.h"

#include <glib/gstdio.h>

#define FIELDS \
	"id\tlabel\tcreated\texpires\tmechanisms\tservices\tnetworks\ttls\t" \
	"delete\tlast_used\taccount"
#define ROW(label, account) \
	"[0-9a-f]{8}\t" label "\t[0-9TZ:-]+\tnever\tPLAIN,SCRAM-SHA-1," \
	"SCRAM-SHA-256\tpop3\tall\tyes\tnative\t\t" account "\n"

static struct secrets *s;
static char *accounts;

/* Let the userdb know those users and no others. The list ends with NULL. */
static void set_accounts(const char *const *users)
{
	g_autoptr(GString) text = g_string_new(NULL);
	gid_t gid;

	for (; *users != NULL; users++) {
		uid_t uid = s == NULL ? 0 : fixture_user_uid(s->f, *users,
							     &gid);

		g_string_append_printf(text, "%s:{PLAIN}x:%u:%u::::\n", *users,
				       (unsigned int)uid, s == NULL ? 0 :
				       (unsigned int)gid);
	}
	secrets_write_file(accounts, text->str, 0644);
	/* Dovecot looks at it once a second */
	g_usleep(1100 * 1000);
}

#define SET_ACCOUNTS(...) \
	set_accounts((const char *const []){ __VA_ARGS__, NULL })

/* Run a command; its output has to be as the regular expression wants it. */
#define check_output(expected_ret, regex, command, user, input, ...) \
G_STMT_START { \
	g_autofree char *output = NULL; \
	int output_ret = secrets_doveadm(s, command, user, input, &output, \
					 __VA_ARGS__, NULL); \
	g_assert_cmpint(output_ret, ==, expected_ret); \
	if (!g_regex_match_simple("^" regex "$", output, 0, 0)) \
		g_error("%s: %s", command, g_strescape(output, NULL)); \
} G_STMT_END

static void start(enum secrets_store store)
{
	g_autofree char *before = g_strdup_printf(fixture_is_2_3() ?
		"userdb {\n"
		"  driver = passwd-file\n"
		"  args = %s\n"
		"  result_failure = return-fail\n"
		"}\n" :
		"userdb accounts {\n"
		"  driver = passwd-file\n"
		"  passwd_file_path = %s\n"
		"  result_failure = return-fail\n"
		"}\n", accounts);
	const struct secrets_options options = {
		.store = store, .fast_logins = TRUE, .before = before,
		.config = "auth_mechanisms = plain\n"
	};

	SET_ACCOUNTS(NULL);
	s = secrets_new_with(&options);
}

/* --- each store --- */

/* Two accounts are deleted. All that can be done with their secrets can be
   done, and nobody else is touched. */
static void test_store(gconstpointer data)
{
	g_autofree char *text = NULL, *line = NULL, *reply = NULL;
	g_autofree char *server = NULL;

	start(GPOINTER_TO_INT(data));
	SET_ACCOUNTS("joe", "jim", "ann");
	text = secrets_add(s, "joe", NULL, "-l", "phone", NULL);
	g_free(secrets_add(s, "joe", NULL, "-l", "scanner", NULL));
	g_free(secrets_add(s, "jim", NULL, "-l", "tablet", NULL));
	g_free(secrets_add(s, "ann", NULL, "-l", "laptop", NULL));
	check_output(0, "Username\t"FIELDS"\n"
		     "ann\t"ROW("laptop", "yes")
		     "jim\t"ROW("tablet", "yes")
		     "joe\t"ROW("phone", "yes")
		     "joe\t"ROW("scanner", "yes"), "list", NULL, NULL, "-A");

	SET_ACCOUNTS("ann");
	check_output(0, "Username\t"FIELDS"\n"
		     "ann\t"ROW("laptop", "yes")
		     "jim\t"ROW("tablet", "gone")
		     "joe\t"ROW("phone", "gone")
		     "joe\t"ROW("scanner", "gone"), "list", NULL, NULL, "-A");
	check_output(0, "Username\t"FIELDS"\n"
		     "jim\t"ROW("tablet", "gone")
		     "joe\t"ROW("phone", "gone")
		     "joe\t"ROW("scanner", "gone"), "list", "j*", NULL, NULL);
	check_output(0, FIELDS"\n"ROW("tablet", "gone"), "list", "jim", NULL,
		     NULL);
	/* and by way of the doveadm server, whose process goes on */
	server = g_build_filename(s->f->dir, "run", "doveadm-server", NULL);
	for (unsigned int i = 0; i < 2; i++) {
		check_output(0, FIELDS"\n"ROW("tablet", "gone"), "list", "jim",
			     NULL, "-S", server);
		check_output(0, FIELDS"\n"ROW("laptop", "yes"), "list", "ann",
			     NULL, "-S", server);
	}
	check_output(0, "id\t.*\taccount\n.*\tgone\n", "show", "joe", NULL,
		     "phone");
	line = g_strconcat(text, "\n", NULL);
	check_output(0, "id\tlabel\n[0-9a-f]{8}\tphone\n", "verify", "joe",
		     line, NULL);
	check_output(0, "", "set", "joe", NULL, "-s", "imap", "scanner");
	/* a secret is made for nobody */
	check_output(67, "id\tlabel\tsecret\tservices\n", "add", "joe",
		     NULL, "-l", "new");
	check_output(67, "id\tlabel\tservices\n", "import", "joe",
		     "joe:{PLAIN}Typed-1\n", NULL);

	check_output(0, "", "revoke", "joe", NULL, "scanner");
	check_output(0, "", "revoke", "jim", NULL, "--all");
	check_output(67, FIELDS"\n", "list", "jim", NULL, NULL);
	check_output(67, "", "revoke", "jim", NULL, "--all");
	check_output(67, "", "revoke", "nobody", NULL, "--all");
	check_output(0, "", "revoke", "ann", NULL, "--all");
	check_output(0, "", "revoke", "ann", NULL, "--all");
	check_output(0, "Username\t"FIELDS"\njoe\t"ROW("phone", "gone"),
		     "list", NULL, NULL, "-A");

	/* somebody else gets the address, and then is rid of it */
	SET_ACCOUNTS("joe");
	fixture_user_add(s->f, "joe");
	reply = secrets_login(s, POP3_TLS, "PLAIN", "joe", text, NULL);
	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	check_output(0, "", "revoke", "joe", NULL, "-a");
	g_free(reply);
	reply = secrets_login(s, POP3_TLS, "PLAIN", "joe", text, NULL);
	g_assert_cmpstr(reply, ==, "-ERR [AUTH] Authentication failed.");
	check_output(0, "Username\t"FIELDS"\n", "list", NULL, NULL, "-A");
	secrets_free(s);
	s = NULL;
}

/* --- a store that cannot list its users --- */

static void test_redis(void)
{
	g_autofree char *names = NULL;

	start(SECRETS_REDIS);
	SET_ACCOUNTS("joe", "ann");
	g_free(secrets_add(s, "joe", NULL, "-l", "phone", NULL));
	g_free(secrets_add(s, "ann", NULL, "-l", "laptop", NULL));
	SET_ACCOUNTS("ann");
	fixture_log_allow(s->f, "Unsupported operation");
	check_output(0, "Username\t"FIELDS"\nann\t"ROW("laptop", "yes"),
		     "list", NULL, NULL, "-A");
	names = g_build_filename(s->dir, "names", NULL);
	secrets_write_file(names, "ann\njoe\n", 0644);
	check_output(0, "Username\t"FIELDS"\nann\t"ROW("laptop", "yes")
		     "joe\t"ROW("phone", "gone"), "list", NULL, NULL, "-F",
		     names);
	check_output(0, "", "revoke", "joe", NULL, "--all");
	secrets_free(s);
	s = NULL;
}

/* --- keys --- */

/* A rekey of all users leaves nobody on the old key. */
static void test_rekey(void)
{
	g_autofree char *value = NULL;

	start(SECRETS_FS);
	SET_ACCOUNTS("joe");
	g_free(secrets_add(s, "joe", NULL, "-l", "phone", NULL));
	SET_ACCOUNTS(NULL);
	secrets_set_keys(s, "k1 000102030405060708090a0b0c0d0e0f"
			 "101112131415161718191a1b1c1d1e1f\n"
			 "k2 ff0102030405060708090a0b0c0d0e0f"
			 "101112131415161718191a1b1c1d1e1f current\n");
	check_output(0, "Username\tmoved\tsecrets\njoe\t1\t1\n", "rekey", NULL,
		     NULL, "-A");
	value = secrets_get_value(s, "joe");
	g_assert_nonnull(strstr(value, ";key=k2;"));
	secrets_free(s);
	s = NULL;
}

/* --- a userdb that fails --- */

/* Who cannot be asked for is not called gone. */
static void test_userdb_fails(void)
{
	start(SECRETS_FS);
	SET_ACCOUNTS("joe");
	g_free(secrets_add(s, "joe", NULL, "-l", "phone", NULL));
	fixture_log_allow(s->f, "nosuchuser");
	secrets_write_file(accounts, "joe:{PLAIN}x:1:1::::"
			   "userdb_uid=nosuchuser\n", 0644);
	g_usleep(1100 * 1000);
	check_output(75, FIELDS"\n", "list", "joe", NULL, NULL);
	check_output(75, "", "revoke", "joe", NULL, "--all");
	SET_ACCOUNTS("joe");
	check_output(0, FIELDS"\n"ROW("phone", "yes"), "list", "joe", NULL,
		     NULL);
	secrets_free(s);
	s = NULL;
}

/* --- errors --- */

static void test_errors(void)
{
	start(SECRETS_FS);
	SET_ACCOUNTS("joe");
	g_free(secrets_add(s, "joe", NULL, "-l", "phone", NULL));
	check_output(64, "", "revoke", "joe", NULL, "--all", "phone");
	check_output(64, "", "revoke", "joe", NULL, NULL);
	check_output(0, FIELDS"\n"ROW("phone", "yes"), "list", "joe", NULL,
		     NULL);
	secrets_free(s);
	s = NULL;
}

int main(int argc, char *argv[])
{
	char *dir = g_dir_make_tmp("popinjay-accounts-XXXXXX", NULL);
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
	accounts = g_build_filename(dir, "accounts", NULL);
	g_test_add_data_func("/gone/sqlite", GINT_TO_POINTER(SECRETS_SQLITE),
			     test_store);
	g_test_add_data_func("/gone/fs", GINT_TO_POINTER(SECRETS_FS),
			     test_store);
	g_test_add_func("/gone/redis", test_redis);
	g_test_add_func("/gone/rekey", test_rekey);
	g_test_add_func("/gone/userdb-fails", test_userdb_fails);
	g_test_add_func("/gone/errors", test_errors);
	ret = g_test_run();
	secrets_remove(dir);
	g_free(accounts);
	g_free(dir);
	return ret;
}
