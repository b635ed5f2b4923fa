/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* App secrets in a real Dovecot: each mechanism, each limit, and what must
   never get anybody in. */

#include "secrets/secrets.h"

#include <stdio.h>

#define REFUSED "-ERR [AUTH] Authentication failed."
#define ALL_MECHS "plain,apop,cram-md5,scram-sha-1,scram-sha-256"
#define MAIL "Subject: x\r\n\r\ntext\r\n"

static const char *const mechs[] = {
	"PLAIN", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"
};

static struct secrets *sqlite;

#define assert_accepted(s, security, mech, user, text) G_STMT_START { \
	g_autofree char *login_reply = \
		secrets_login(s, security, mech, user, text, NULL); \
	g_assert_cmpstr(login_reply, ==, "+OK Logged in."); \
} G_STMT_END
#define assert_refused(s, security, mech, user, text) G_STMT_START { \
	g_autofree char *login_reply = \
		secrets_login(s, security, mech, user, text, NULL); \
	g_assert_cmpstr(login_reply, ==, REFUSED); \
} G_STMT_END

/* --- mechanisms --- */

static void test_mechanism(gconstpointer data)
{
	const char *mech = data;
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "phone",
					    "-m", ALL_MECHS, NULL);
	g_autofree char *wrong = g_strdup(text);

	wrong[0] = wrong[0] == 'a' ? 'b' : 'a';
	assert_accepted(sqlite, POP3_STLS, mech, user, text);
	assert_accepted(sqlite, POP3_TLS, mech, user, text);
	/* it requires TLS */
	assert_refused(sqlite, POP3_CLEAR, mech, user, text);
	assert_refused(sqlite, POP3_STLS, mech, user, wrong);
	assert_refused(sqlite, POP3_STLS, mech, "nobody", text);
}

static void test_mechanism_clear(gconstpointer data)
{
	const char *mech = data;
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "scan",
					    "-m", mech, "-t", "no", NULL);

	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		/* a secret for this mechanism is for no other */
		if (strcmp(mechs[i], mech) == 0) {
			assert_accepted(sqlite, POP3_CLEAR, mechs[i], user,
					text);
		} else {
			assert_refused(sqlite, POP3_CLEAR, mechs[i], user,
				       text);
		}
	}
}

static void test_other_passdb(void)
{
	struct secrets *s = secrets_new(SECRETS_FS, TRUE, NULL);
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *text = NULL;

	/* without secrets nothing is changed */
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		assert_accepted(s, POP3_CLEAR, mechs[i], user,
				FIXTURE_PASSWORD);
		assert_refused(s, POP3_CLEAR, mechs[i], user, "wrong");
	}
	/* with one the account's password still is the site's to refuse */
	text = secrets_add(s, user, NULL, "-l", "phone", NULL);
	assert_accepted(s, POP3_STLS, "PLAIN", user, FIXTURE_PASSWORD);
	assert_accepted(s, POP3_STLS, "PLAIN", user, text);
	secrets_free(s);
}

static void test_several(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *old = secrets_add(sqlite, user, NULL, "-l", "old",
					   "-m", ALL_MECHS, NULL);
	g_autofree char *new = secrets_add(sqlite, user, NULL, "-l", "new",
					   "-m", ALL_MECHS, NULL);
	g_autofree char *named = g_strconcat(user, "+old", NULL);
	g_autofree char *other = g_strconcat(user, "+new", NULL);

	/* PLAIN and APOP take any of them, the others the newest */
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		assert_accepted(sqlite, POP3_STLS, mechs[i], user, new);
		if (i < 2)
			assert_accepted(sqlite, POP3_STLS, mechs[i], user, old);
		else
			assert_refused(sqlite, POP3_STLS, mechs[i], user, old);
		assert_accepted(sqlite, POP3_STLS, mechs[i], named, old);
		assert_refused(sqlite, POP3_STLS, mechs[i], other, old);
	}
	/* the newest that may be used */
	g_assert_cmpint(secrets_doveadm(sqlite, "set", user, NULL, NULL, "-m",
					"plain", "new", NULL), ==, 0);
	assert_accepted(sqlite, POP3_STLS, "CRAM-MD5", user, old);
	g_assert_cmpint(secrets_doveadm(sqlite, "revoke", user, NULL, NULL,
					"old", NULL), ==, 0);
	assert_refused(sqlite, POP3_STLS, "PLAIN", user, old);
	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, new);
}

static void test_typed_otherwise(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "phone",
					    NULL);
	g_autofree char *upper = g_ascii_strup(text, -1);
	g_auto(GStrv) groups = g_strsplit(text, "-", -1);
	g_autofree char *joined = g_strjoinv("", groups);

	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, upper);
	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, joined);
}

/* --- limits --- */

static void test_networks(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "phone",
					    "-m", ALL_MECHS, "-n",
					    "192.0.2.0/24", NULL);

	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++)
		assert_refused(sqlite, POP3_STLS, mechs[i], user, text);
	g_assert_cmpint(secrets_doveadm(sqlite, "set", user, NULL, NULL, "-n",
					"192.0.2.0/24, 127.0.0.0/8", "phone",
					NULL), ==, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++)
		assert_accepted(sqlite, POP3_STLS, mechs[i], user, text);
}

static void test_expired(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "phone",
					    "-m", ALL_MECHS, "-e", "1d", NULL);
	g_autofree char *value = NULL;

	assert_accepted(sqlite, POP3_STLS, "APOP", user, text);
	/* nobody makes it last longer by writing to the store */
	value = secrets_get_value(sqlite, user);
	g_strstr_len(value, -1, ";expires=")[9] = '9';
	secrets_set_value(sqlite, user, value);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		g_autofree char *reply = secrets_login(sqlite, POP3_STLS,
						       mechs[i], user, text,
						       NULL);

		g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
	}
	g_free(fixture_log_wait(sqlite->f, 0, "Error: .*secret [0-9a-f]{8} .*: "
				"it does not open with key k1"));
}

static void test_read_only(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *id = NULL, *line = NULL, *regex = NULL, *reply = NULL;
	g_autofree char *text = secrets_add(sqlite, user, &id, "-l", "archive",
					    "-r", "yes", NULL);
	gsize mark = fixture_log_size(sqlite->f);
	struct pop3 *pop3;

	fixture_deliver(sqlite->f, user, MAIL, strlen(MAIL));
	reply = secrets_login(sqlite, POP3_STLS, "SCRAM-SHA-256", user, text,
			      &pop3);
	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	pop3_send(pop3, "DELE 1");
	pop3_expect(pop3, "-ERR [SYS/PERM] This secret may read mail but not "
		    "delete it\r\n");
	pop3_send(pop3, "STAT");
	pop3_expect(pop3, "+OK 1 20\r\n");
	pop3_send(pop3, "QUIT");
	pop3_expect(pop3, "+OK Logging out.\r\n");
	pop3_close(pop3);
	regex = g_strdup_printf("session_finished.*\"secret_id\":\"%s\","
				"\"secret_label\":\"archive\"", id);
	line = fixture_log_wait(sqlite->f, mark, regex);
	g_assert_nonnull(strstr(line, "\"dele_count\":0"));

	/* and it is for this secret only */
	g_free(text);
	text = secrets_add(sqlite, user, NULL, "-l", "phone", NULL);
	g_free(reply);
	reply = secrets_login(sqlite, POP3_STLS, "PLAIN", user, text, &pop3);
	pop3_send(pop3, "DELE 1");
	pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	pop3_close(pop3);
}

/* --- APOP --- */

static void test_apop_replay(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "scan",
					    "-m", "apop", "-t", "no", NULL);
	struct pop3 *pop3 = pop3_connect(sqlite->f, POP3_CLEAR);
	struct pop3 *other = pop3_connect(sqlite->f, POP3_CLEAR);
	g_autofree char *digest = secrets_apop_digest(pop3, text);
	g_autofree char *wrong = secrets_apop_digest(pop3, "wrong");
	gsize mark = fixture_log_size(sqlite->f);

	/* another connection's challenge */
	pop3_send(other, "APOP %s %s", user, digest);
	pop3_expect(other, REFUSED"\r\n");
	pop3_close(other);
	/* a wrong guess uses up the challenge: the right digest is late */
	pop3_send(pop3, "APOP %s %s", user, wrong);
	pop3_expect(pop3, REFUSED"\r\n");
	pop3_send(pop3, "APOP %s %s", user, digest);
	pop3_expect(pop3, REFUSED"\r\n");
	pop3_close(pop3);
	g_free(fixture_log_wait(sqlite->f, mark, "refused: no secret matches"));
	g_free(fixture_log_wait(sqlite->f, mark, "refused: secret [0-9a-f]+ "
				"\\(scan\\): the challenge was used before"));
	assert_accepted(sqlite, POP3_CLEAR, "APOP", user, text);
}

static void test_apop_old(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "scan",
					    "-m", "apop", "-t", "no", NULL);
	struct pop3 *pop3 = pop3_connect(sqlite->f, POP3_CLEAR);
	g_autofree char *digest = secrets_apop_digest(pop3, text);

	/* the fixture's apop_max_age_secs is 3 */
	g_usleep(4100 * 1000);
	pop3_send(pop3, "APOP %s %s", user, digest);
	pop3_expect(pop3, REFUSED"\r\n");
	pop3_close(pop3);
	g_free(fixture_log_wait(sqlite->f, 0, "the challenge is too old"));
}

/* --- the store --- */

static void test_moved_record(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *thief = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, thief, NULL, "-l", "x",
					    "-m", ALL_MECHS, NULL);
	g_autofree char *value = secrets_get_value(sqlite, thief);

	secrets_set_value(sqlite, user, value);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		g_autofree char *reply = secrets_login(sqlite, POP3_STLS,
						       mechs[i], user, text,
						       NULL);

		g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
	}
	/* and doveadm overwrites nothing that it cannot read */
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"y", NULL), ==, 75);
	g_free(value);
	value = secrets_get_value(sqlite, user);
	g_assert_nonnull(strstr(value, ":1:1 "));
	/* the site's own passdb goes on */
	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, FIXTURE_PASSWORD);
}

static void test_last_use(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "phone",
					    NULL);
	g_autofree char *out = NULL;

	g_assert_cmpint(secrets_doveadm(sqlite, "show", user, NULL, &out,
					"phone", NULL), ==, 0);
	g_assert_true(g_str_has_suffix(out, "\tk1\t\t\t\tyes\n"));
	/* a wrong guess is no use, also where the mechanism finds out */
	assert_refused(sqlite, POP3_STLS, "SCRAM-SHA-256", user, "wrong");
	g_free(out);
	g_assert_cmpint(secrets_doveadm(sqlite, "show", user, NULL, &out,
					"phone", NULL), ==, 0);
	g_assert_true(g_str_has_suffix(out, "\tk1\t\t\t\tyes\n"));
	assert_accepted(sqlite, POP3_STLS, "SCRAM-SHA-256", user, text);
	for (unsigned int i = 0; ; i++) {
		g_free(out);
		g_assert_cmpint(secrets_doveadm(sqlite, "show", user, NULL,
						&out, "phone", NULL), ==, 0);
		if (g_str_has_suffix(out,
				     "Z\t127.0.0.1\tSCRAM-SHA-256\tyes\n"))
			break;
		g_assert_cmpuint(i, <, 50);
		g_usleep(100 * 1000);
	}
}

/* --- doveadm --- */

static void test_doveadm_errors(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *text = secrets_add(sqlite, user, NULL, "-l", "phone",
					    NULL);

	/* EX_DATAERR */
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"phone", NULL), ==, 65);
	g_assert_cmpint(secrets_doveadm(sqlite, "show", user, NULL, NULL,
					"laptop", NULL), ==, 65);
	g_assert_cmpint(secrets_doveadm(sqlite, "revoke", user, NULL, NULL,
					"laptop", NULL), ==, 65);
	/* only verifiers were kept, so it can do no more than it did */
	g_assert_cmpint(secrets_doveadm(sqlite, "set", user, NULL, NULL, "-m",
					"apop", "phone", NULL), ==, 65);
	/* EX_USAGE */
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL,
					NULL), ==, 64);
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"a b", NULL), ==, 64);
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"x", "-m", "ntlm", NULL), ==, 64);
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"x", "-n", "300.0.0.1", NULL), ==, 64);
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"x", "-e", "2020-01-01", NULL), ==, 64);
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"x", "-t", "maybe", NULL), ==, 64);
	g_assert_cmpint(secrets_doveadm(sqlite, "add", user, NULL, NULL, "-l",
					"x", "-w", "30", NULL), ==, 64);
	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, text);
}

static void test_doveadm_verify(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *id = NULL, *out = NULL, *expected = NULL;
	g_autofree char *text = secrets_add(sqlite, user, &id, "-l", "phone",
					    NULL);
	g_autofree char *line = g_strconcat(text, "\n", NULL);

	g_assert_cmpint(secrets_doveadm(sqlite, "verify", user, line, &out,
					NULL), ==, 0);
	expected = g_strdup_printf("id\tlabel\n%s\tphone\n", id);
	g_assert_cmpstr(out, ==, expected);
	line[3] = line[3] == 'a' ? 'b' : 'a';
	/* EX_NOPERM */
	g_assert_cmpint(secrets_doveadm(sqlite, "verify", user, line, NULL,
					NULL), ==, 77);
}

static void test_doveadm_import(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *file = g_strdup_printf(
		"# users\nroot:{SHA256}x:0:0::::\n%s:{PLAIN}Typed-1:5:5::::\n",
		user);

	g_assert_cmpint(secrets_doveadm(sqlite, "import", user, file, NULL,
					NULL), ==, 0);
	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, "Typed-1");
	assert_refused(sqlite, POP3_STLS, "PLAIN", user, "typed-1");
	assert_accepted(sqlite, POP3_STLS, "SCRAM-SHA-256", user, "Typed-1");
	assert_accepted(sqlite, POP3_STLS, "SCRAM-SHA-1", user, "Typed-1");
	/* nobody gets APOP for a secret of a person's */
	g_assert_cmpint(secrets_doveadm(sqlite, "import", user, file, NULL,
					"-l", "two", "-m", "apop", NULL),
			==, 65);
	/* EX_NOUSER: another's line is not for this one */
	g_assert_cmpint(secrets_doveadm(sqlite, "import", user,
					"x:{PLAIN}y\n", NULL, "-l", "three",
					NULL), ==, 67);
}

/* By way of the doveadm server, as from another host. */
static void test_doveadm_server(void)
{
	g_autofree char *user = fixture_user(sqlite->f, "maildir");
	g_autofree char *path = g_build_filename(sqlite->f->dir, "run",
						 "doveadm-server", NULL);
	g_autofree char *id = NULL, *out = NULL, *line = NULL, *shown = NULL;
	g_autofree char *file = g_strdup_printf("%s:{PLAIN}Typed-1\n", user);
	g_autofree char *text = secrets_add(sqlite, user, &id, "-S", path,
					    "-l", "phone", NULL);

	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, text);
	line = g_strconcat(text, "\n", NULL);
	g_assert_cmpint(secrets_doveadm(sqlite, "verify", user, line, &out,
					"-S", path, NULL), ==, 0);
	shown = g_strdup_printf("id\tlabel\n%s\tphone\n", id);
	g_assert_cmpstr(out, ==, shown);
	g_assert_cmpint(secrets_doveadm(sqlite, "import", user, file, NULL,
					"-S", path, NULL), ==, 0);
	assert_accepted(sqlite, POP3_STLS, "PLAIN", user, "Typed-1");
	g_assert_cmpint(secrets_doveadm(sqlite, "revoke", user, NULL, NULL,
					"-S", path, "imported", NULL), ==, 0);
	assert_refused(sqlite, POP3_STLS, "PLAIN", user, "Typed-1");
	g_free(out);
	g_assert_cmpint(secrets_doveadm(sqlite, "list", user, NULL, &out, "-S",
					path, NULL), ==, 0);
	g_assert_nonnull(strstr(out, "\tphone\t"));
	g_assert_null(strstr(out, "imported"));
	/* what is wrong comes back, too */
	fixture_log_allow(sqlite->f, "There is no secret imported, or more");
	g_assert_cmpint(secrets_doveadm(sqlite, "show", user, NULL, NULL, "-S",
					path, "imported", NULL), !=, 0);
}

static void test_cram_md5_vector(void)
{
	/* RFC 2195 section 2: the secret that the server has to look up */
	g_autofree char *response = secrets_cram_md5_response(
		"<1896.697170952@postoffice.reston.mci.net>", "tim",
		"tanstaaftanstaaf");

	g_assert_cmpstr(response, ==, "tim b913a602c7eda7a495b4e6e7334d3890");
}

/* --- secrets in the log --- */

static void test_log(void)
{
	/* all the debug that does not ask to see passwords */
	struct secrets *s = secrets_new(SECRETS_FS, FALSE,
		"auth_mechanisms = plain login apop cram-md5 scram-sha-1 "
		"scram-sha-256\n"
		"log_debug = event=* or category=*\n");
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "phone", "-m",
					    ALL_MECHS, NULL);
	g_autofree char *log = NULL, *encoded = NULL, *whole = NULL;
	g_autoptr(GString) err = NULL;
	g_autoptr(GString) hex = g_string_new(NULL);

	for (const char *p = text; *p != '\0'; p++)
		g_string_append_printf(hex, "%02x", (unsigned char)*p);
	encoded = g_base64_encode((const guchar *)text, strlen(text) / 3 * 3);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		assert_accepted(s, POP3_STLS, mechs[i], user, text);
		assert_refused(s, POP3_STLS, mechs[i], user, "wrong");
	}
	g_free(fixture_log_wait(s->f, 0, "popinjay: accepted: .*SCRAM-SHA-25"));
	/* nor by doveadm, but where it prints a new one */
	g_assert_cmpint(fixture_doveadm(s->f, NULL, NULL, &err, "-Dv",
					"popinjay", "secret", "set", "-u", user,
					"-e", "90d", "phone", NULL), ==, 0);
	g_assert_nonnull(strstr(err->str, "Debug"));
	log = fixture_log(s->f, 0);
	whole = g_strconcat(log, err->str, NULL);
	g_free(log);
	log = g_steal_pointer(&whole);
	g_assert_null(strstr(log, text));
	g_assert_null(strstr(log, hex->str));
	g_assert_null(strstr(log, encoded));
	/* the log is of that level */
	g_assert_nonnull(strstr(log, "client in: AUTH"));
	g_assert_nonnull(strstr(log, "Debug: dict(proxy)"));
	secrets_free(s);
}

int main(int argc, char *argv[])
{
	const struct secrets_options options = {
		.store = SECRETS_SQLITE, .fast_logins = TRUE
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	sqlite = secrets_new_with(&options);
	fixture_log_allow(sqlite->f, "The secrets of user");
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++) {
		g_autofree char *path = g_strconcat("/mechanism/tls/",
						    mechs[i], NULL);
		g_autofree char *clear = g_strconcat("/mechanism/only/",
						     mechs[i], NULL);

		g_test_add_data_func(path, mechs[i], test_mechanism);
		g_test_add_data_func(clear, mechs[i], test_mechanism_clear);
	}
	g_test_add_func("/mechanism/other-passdb", test_other_passdb);
	g_test_add_func("/mechanism/several", test_several);
	g_test_add_func("/mechanism/typed-otherwise", test_typed_otherwise);
	g_test_add_func("/limit/networks", test_networks);
	g_test_add_func("/limit/expired", test_expired);
	g_test_add_func("/limit/read-only", test_read_only);
	g_test_add_func("/apop/replay", test_apop_replay);
	g_test_add_func("/apop/old", test_apop_old);
	g_test_add_func("/store/moved-record", test_moved_record);
	g_test_add_func("/store/last-use", test_last_use);
	g_test_add_func("/doveadm/errors", test_doveadm_errors);
	g_test_add_func("/doveadm/verify", test_doveadm_verify);
	g_test_add_func("/doveadm/import", test_doveadm_import);
	g_test_add_func("/doveadm/server", test_doveadm_server);
	g_test_add_func("/mechanism/rfc2195", test_cram_md5_vector);
	g_test_add_func("/log/no-secret", test_log);
	ret = g_test_run();
	secrets_free(sqlite);
	return ret;
}
