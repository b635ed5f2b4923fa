/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a secret lets its user log in: one that was made for POP3 opens neither
   IMAP, nor SMTP, nor ManageSieve. The auth process is asked as Dovecot's other
   servers and Postfix ask it. */

#include "secrets/secrets.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAIL "Subject: x\r\n\r\ntext\r\n"

static const char *const services[] = {
	"pop3", "imap", "smtp", "submission", "sieve", "lmtp", "other"
};
static const char *const mechs[] = { "PLAIN", "CRAM-MD5", "SCRAM-SHA-256" };

static struct secrets *s;

/* --- the auth process's protocol --- */

static FILE *auth_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *auth;
	char line[8192];

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(g_snprintf(addr.sun_path, sizeof(addr.sun_path),
				   "%s/run/auth-client", s->f->dir), <,
			sizeof(addr.sun_path));
	g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			==, 0);
	auth = fdopen(fd, "r+");
	g_assert_nonnull(auth);
	setvbuf(auth, NULL, _IONBF, 0);
	fprintf(auth, "VERSION\t1\t0\nCPID\t%d\n", (int)getpid());
	do
		g_assert_nonnull(fgets(line, sizeof(line), auth));
	while (strcmp(line, "DONE\n") != 0);
	return auth;
}

/* Say something to it. Returns the fields of what it answers. */
static char **auth_say(FILE *auth, const char *fmt, ...)
{
	char line[8192];
	va_list args;

	va_start(args, fmt);
	vfprintf(auth, fmt, args);
	va_end(args);
	g_assert_nonnull(fgets(line, sizeof(line), auth));
	return g_strsplit(g_strchomp(line), "\t", 3);
}

static char *base64(const char *data, gsize size)
{
	return g_base64_encode((const guchar *)data, size);
}

static char *first_response(const char *mech, const char *user,
			    const char *text)
{
	g_autoptr(GString) data = g_string_new(NULL);

	if (strcmp(mech, "PLAIN") == 0) {
		g_string_append_c(data, '\0');
		g_string_append(data, user);
		g_string_append_c(data, '\0');
		g_string_append(data, text);
	} else {
		g_string_printf(data, "n,,n=%s,r=clientnonce", user);
	}
	return base64(data->str, data->len);
}

/* Returns TRUE if the service lets the user in by the secret; by SCRAM, if it
   begins to, for which it needs one that serves. */
static gboolean
is_served(const char *service, const char *mech, const char *user,
	  const char *text)
{
	FILE *auth = auth_connect();
	g_auto(GStrv) reply = NULL;
	gboolean served;

	if (strcmp(mech, "CRAM-MD5") == 0) {
		g_autofree char *response = NULL, *encoded = NULL;
		g_autofree guchar *challenge = NULL;
		g_auto(GStrv) first = auth_say(auth,
			"AUTH\t1\tCRAM-MD5\tservice=%s\n", service);
		gsize size;

		g_assert_cmpstr(first[0], ==, "CONT");
		challenge = g_base64_decode(first[2], &size);
		challenge = g_realloc(challenge, size + 1);
		challenge[size] = '\0';
		response = secrets_cram_md5_response((char *)challenge, user,
						     text);
		encoded = base64(response, strlen(response));
		reply = auth_say(auth, "CONT\t1\t%s\n", encoded);
	} else {
		g_autofree char *response = first_response(mech, user, text);

		reply = auth_say(auth, "AUTH\t1\t%s\tservice=%s\tresp=%s\n",
				 mech, service, response);
	}
	served = strcmp(reply[0], "FAIL") != 0;
	if (served) {
		g_assert_cmpstr(reply[0], ==,
			strcmp(mech, "SCRAM-SHA-256") == 0 ? "CONT" : "OK");
	}
	fprintf(auth, "CANCEL\t1\n");
	fclose(auth);
	return served;
}

/* Check that the secret serves those services, which are separated by commas,
   and no others. */
static void
check_services(const char *user, const char *text, const char *expected)
{
	g_auto(GStrv) names = g_strsplit(expected, ",", -1);

	for (unsigned int i = 0; i < G_N_ELEMENTS(services); i++) {
		gboolean right = strcmp(expected, "all") == 0 ||
			g_strv_contains((const char *const *)names,
					services[i]);

		for (unsigned int j = 0; j < G_N_ELEMENTS(mechs); j++) {
			if (is_served(services[i], mechs[j], user, text) !=
			    right) {
				g_error("a secret for %s: %s to %s", expected,
					mechs[j], services[i]);
			}
		}
	}
}

/* Check what list and show say of the user's only secret. */
static void check_shown(const char *user, const char *expected)
{
	static const struct {
		const char *command, *label;
		unsigned int column;
	} commands[] = {
		{ "list", NULL, 5 }, { "show", "phone", 6 }
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(commands); i++) {
		g_autofree char *out = NULL;
		g_auto(GStrv) lines = NULL, names = NULL, values = NULL;

		g_assert_cmpint(secrets_doveadm(s, commands[i].command, user,
						NULL, &out, commands[i].label,
						NULL), ==, 0);
		lines = g_strsplit(out, "\n", -1);
		names = g_strsplit(lines[0], "\t", -1);
		values = g_strsplit(lines[1], "\t", -1);
		g_assert_cmpstr(names[commands[i].column], ==, "services");
		g_assert_cmpstr(values[commands[i].column], ==, expected);
	}
}

/* --- new secrets --- */

static void test_add(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *out = NULL, *other = NULL;
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "phone", "-t",
		"no", "-m", "plain,cram-md5,scram-sha-256", NULL);
	gsize mark = fixture_log_size(s->f);

	check_services(user, text, "pop3");
	check_shown(user, "pop3");
	/* the client is told what it is told of a wrong secret, the log why */
	g_free(fixture_log_wait(s->f, mark, "refused: secret "
				"[0-9a-f]{8} \\(phone\\): it does not serve "
				"submission$"));

	g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL, "-s",
					"smtp, IMAP", "phone", NULL), ==, 0);
	check_services(user, text, "imap,smtp");
	check_shown(user, "imap,smtp");
	g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL, "-s",
					"all", "phone", NULL), ==, 0);
	check_services(user, text, "all");
	check_shown(user, "all");

	other = fixture_user(s->f, "maildir");
	g_assert_cmpint(secrets_doveadm(s, "add", other, NULL, &out, "-l",
					"phone", "-s", "submission,pop3,sieve",
					NULL), ==, 0);
	g_assert_true(g_regex_match_simple(
		"^id\tlabel\tsecret\tservices\n"
		"[0-9a-f]{8}\tphone\t[a-z0-9-]{34}\t"
		"pop3,submission,sieve\n$", out, 0, 0));
}

/* The man page's recipe, as Postfix asks with and without TLS. */
static void test_postfix(void)
{
	static const struct {
		const char *service, *secured, *reply;
	} logins[] = {
		{ "smtp", "\tsecured", "OK" },
		{ "smtp", "", "FAIL" },
		{ "imap", "\tsecured=tls", "OK" },
		{ "submission", "\tsecured=tls", "FAIL" },
		{ "pop3", "\tsecured=tls", "FAIL" }
	};
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *recipe = secrets_man_block("-s imap,smtp");
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "phone", "-s",
					    "imap,smtp", NULL);
	g_autofree char *response = first_response("PLAIN", user, text);

	g_assert_nonnull(strstr(recipe, "-u joe"));
	for (unsigned int i = 0; i < G_N_ELEMENTS(logins); i++) {
		FILE *auth = auth_connect();
		g_auto(GStrv) reply = auth_say(auth,
			"AUTH\t1\tPLAIN\tservice=%s\tnologin\tlip=127.0.0.1"
			"\trip=127.0.0.1%s\tresp=%s\n", logins[i].service,
			logins[i].secured, response);

		g_assert_cmpstr(reply[0], ==, logins[i].reply);
		fclose(auth);
	}
}

static void test_errors(void)
{
	static const struct {
		const char *args[7];
		const char *error;
	} cases[] = {
		{ { "-s", "managesieve" }, "Unknown service managesieve: "
		  "use pop3,imap,smtp,submission,sieve,lmtp,all" },
		{ { "-s", "" }, "Give at least one service" },
		{ { "-s", "pop3,all" }, "The service all cannot be combined "
		  "with others" },
		{ { "-r", "yes", "-s", "imap" }, "A secret that may not delete "
		  "mail can serve pop3 only" },
		{ { "-r", "yes", "-s", "all" }, "A secret that may not delete "
		  "mail can serve pop3 only" },
		{ { "-m", "apop", "-s", "imap" }, "APOP is a mechanism of POP3 "
		  "only" }
	};
	g_autofree char *user = fixture_user(s->f, "maildir");

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *const *a = cases[i].args;
		g_autoptr(GString) err = NULL;

		/* EX_USAGE */
		g_assert_cmpint(fixture_doveadm(s->f, NULL, NULL, &err,
			"popinjay", "secret", "add", "-u", user, "-l", "x",
			a[0], a[1], a[2], a[3], NULL), ==, 64);
		if (strstr(err->str, cases[i].error) == NULL)
			g_error("%s", err->str);
	}
}

static void test_import(void)
{
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *file = g_strdup_printf("%s:{PLAIN}Typed-1\n", user);
	g_autofree char *out = NULL, *again = NULL;

	g_assert_cmpint(secrets_doveadm(s, "import", user, file, &out, "-l",
					"phone", "-t", "no", NULL), ==, 0);
	g_assert_true(g_str_has_suffix(out, "\tphone\tpop3\n"));
	g_assert_true(is_served("pop3", "PLAIN", user, "Typed-1"));
	g_assert_false(is_served("imap", "PLAIN", user, "Typed-1"));
	g_assert_cmpint(secrets_doveadm(s, "import", user, file, &again, "-l",
					"two", "-t", "no", "-s", "all", NULL),
			==, 0);
	g_assert_true(g_str_has_suffix(again, "\ttwo\tall\n"));
	g_assert_true(is_served("imap", "PLAIN", user, "Typed-1"));
}

/* --- records of before --- */

#define OLD_TEXT "p9hj-krys-3sfk-q4r5-xhv7-sm33-ydc8"
#define OLD_HEAD \
	"popinjay-secrets:1:1 id=5f0c1d2e;label=phone;created=1700000000;" \
	"expires=0;mechs=PLAIN,CRAM-MD5,SCRAM-SHA-256;nets=;"

/* As they were sealed, with the key of the fixture, before there were
   services. */
static const struct {
	const char *user, *value, *services;
} old_records[] = {
	{ "joe", OLD_HEAD "flags=tg;plain=5WJXpb0fJCnxL8U+rALGGA==,"
	  "f9v6zVyivF3P1eBXXz4na8bvLbU0mbJcs/ytdluPc4Q=;scram-sha-1=;"
	  "scram-sha-256=4096,7zRNwpUY4rg6i+VFEy639Q==,"
	  "AQ2tEnQ9AgdbsKVuALA+STGZC8xauBXjXeKm+GXAHfc=,"
	  "oOcLHElQ8egt0sjhCGnuiIRpMX2gvx3RMNqMBWgDVdY=;key=k1;"
	  "seal=l8YZ/ifKKqz5ldWpyZx+Zb+B99s+5r5h4R+eQHL1fzVEthUAVEb1Xu4TejBg"
	  "lD1i8ysNKzpIGgthyLQVhRk=", "all" },
	/* read-only ones never served anything but POP3 */
	{ "jim", OLD_HEAD "flags=trg;plain=aVzbNIsxDf6B10ZQkCGl2w==,"
	  "g6x8RzpO7l0aAD3KOMgf1oFrIYs+xGGRG1R1kWknYjc=;scram-sha-1=;"
	  "scram-sha-256=4096,dfaHZlYc872HKi+e57abWw==,"
	  "GT4LL+6PN9YWkSg7xvS7EthAjCIrmK5yeDRFVQH5TsQ=,"
	  "sjOiyziZkAAuhRt3CeT4jTlk/GIjhqgrNEw8LZQULDo=;key=k1;"
	  "seal=9Pllh2zrqjMUohbdX4vHNr7pQemYDMtzZGeO5u5iKQThIVkCCe/dUDD2hWzQ"
	  "EcAxe/YpSHvYQRafxgHhPm8=", "pop3" }
};

static void test_old_records(void)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(old_records); i++) {
		const char *user = old_records[i].user;
		g_autofree char *kept = NULL, *changed = NULL;

		fixture_user_add(s->f, user);
		secrets_set_value(s, user, old_records[i].value);
		check_services(user, OLD_TEXT, old_records[i].services);
		check_shown(user, old_records[i].services);

		/* another limit does not change what it serves */
		g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL,
						"-e", "90d", "phone", NULL),
				==, 0);
		kept = secrets_get_value(s, user);
		g_assert_null(strstr(kept, "services="));
		check_shown(user, old_records[i].services);
		g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL,
						"-r", "no", "phone", NULL),
				==, 0);
		check_shown(user, old_records[i].services);
		g_assert_cmpint(secrets_doveadm(s, "set", user, NULL, NULL,
						"-s", "pop3", "phone", NULL),
				==, 0);
		changed = secrets_get_value(s, user);
		g_assert_nonnull(strstr(changed, ";services=pop3;"));
		check_services(user, OLD_TEXT, "pop3");
	}
}

/* --- Dovecot's cache --- */

/* Log in by POP3. Returns the reply to DELE, and the record of the session. */
static char *dele_reply(const char *user, const char *text, char **record_r)
{
	gsize mark = fixture_log_size(s->f);
	struct pop3 *pop3;
	g_autofree char *regex = g_strdup_printf(
		"popinjay_session_finished.*\"user\":\"%s\"", user);
	g_autofree char *reply = secrets_login(s, POP3_TLS, "PLAIN", user,
					       text, &pop3);
	char *dele;

	g_assert_cmpstr(reply, ==, "+OK Logged in.");
	dele = pop3_ask(pop3, "DELE 1");
	g_free(pop3_ask(pop3, "RSET"));
	g_free(pop3_ask(pop3, "QUIT"));
	pop3_close(pop3);
	*record_r = fixture_log_wait(s->f, mark, regex);
	return dele;
}

/* An answer for one login is none for another, with a cache as without. */
static void test_cache(void)
{
	struct secrets *shared = s;
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = "auth_mechanisms = plain cram-md5 scram-sha-256\n"
			"auth_cache_size = 10 M\n"
	};
	g_autofree char *user = NULL, *text = NULL, *archive = NULL;
	g_autofree char *archive_id = NULL;

	s = secrets_new_with(&options);
	user = fixture_user(s->f, "maildir");
	fixture_deliver(s->f, user, MAIL, strlen(MAIL));
	text = secrets_add(s, user, NULL, "-l", "phone", "-t", "no", "-m",
			   "plain,cram-md5,scram-sha-256", NULL);
	archive = secrets_add(s, user, &archive_id, "-l", "archive", "-r",
			      "yes", NULL);
	for (unsigned int i = 0; i < 2; i++) {
		g_autofree char *reply = NULL, *record = NULL, *other = NULL;
		g_autofree char *other_record = NULL, *quoted = NULL;

		g_assert_true(is_served("pop3", "PLAIN", user, text));
		g_assert_false(is_served("imap", "PLAIN", user, text));
		g_assert_true(is_served("imap", "PLAIN", user,
					FIXTURE_PASSWORD));

		reply = dele_reply(user, archive, &record);
		g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/PERM] "));
		quoted = g_strdup_printf("\"secret_id\":\"%s\"", archive_id);
		g_assert_nonnull(strstr(record, quoted));
		other = dele_reply(user, FIXTURE_PASSWORD, &other_record);
		g_assert_cmpstr(other, ==, "+OK Marked to be deleted.");
		g_assert_null(strstr(other_record, "\"secret_id\":\""));
	}
	secrets_free(s);
	s = shared;
}

int main(int argc, char *argv[])
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE,
		.config = "auth_mechanisms = plain cram-md5 scram-sha-256\n"
	};
	int ret;

	g_test_init(&argc, &argv, NULL);
	s = secrets_new_with(&options);
	g_test_add_func("/services/add", test_add);
	g_test_add_func("/services/postfix", test_postfix);
	g_test_add_func("/services/errors", test_errors);
	g_test_add_func("/services/import", test_import);
	g_test_add_func("/services/old-records", test_old_records);
	g_test_add_func("/services/cache", test_cache);
	ret = g_test_run();
	secrets_free(s);
	return ret;
}
