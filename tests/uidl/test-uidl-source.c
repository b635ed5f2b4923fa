/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay uidl export --from: lists taken from a POP3 server, which is
   the private Dovecot itself, and who gets a password. Other servers are in
   test-uidl-move. */

#include "numbered.h"
#include "uidl-list.h"
#include "uidl-tool.h"
#include "servers-private.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define MAIL_COUNT 150
#define MAIL_BYTES 300

static struct fixture *f;

static void reload(const char *ca_file)
{
	g_autofree char *ca = ca_file == NULL ? g_strdup("") :
		g_strdup_printf("ssl_client_ca_file = %s\n", ca_file);
	g_autofree char *config = uidl_config("a.%{uid}", NULL, NULL);
	g_autofree char *all = g_strconcat(config, ca, NULL);

	fixture_reload(f, all);
}

/* A file of root's that nobody else can read. */
static char *secret_file(const char *name, const char *text)
{
	char *path = g_build_filename(f->dir, name, NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	return path;
}

static char *url(const char *scheme, const char *user)
{
	return g_strdup_printf("%s://%s%s127.0.0.1:%u", scheme,
			       user == NULL ? "" : user,
			       user == NULL ? "" : "@",
			       strcmp(scheme, "pop3s") == 0 ? f->pop3s_port :
			       f->pop3_port);
}

/* What POP3 tells is what Dovecot itself knows: the hash above all. */
static void test_same(gconstpointer storage)
{
	static const char *const titles[] = {
		"uidl", "size", "header", "message_id"
	};
	g_autofree char *user = NULL, *from = NULL, *by_pop3 = NULL;
	g_autofree char *own = NULL, *password = NULL;

	reload(f->ca_file);
	password = secret_file("password", FIXTURE_PASSWORD "\n");
	user = fixture_user(f, storage);
	numbered_deliver(f, user, 1, MAIL_COUNT, MAIL_BYTES);
	from = url("pop3s", NULL);
	by_pop3 = uidl_tool(f, NULL, 0, "export", "-u", user, "-f", from, "-p",
			    password, NULL);
	own = uidl_tool(f, NULL, 0, "export", "-u", user, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(titles); i++) {
		g_auto(GStrv) a = uidl_tool_column(by_pop3, titles[i]);
		g_auto(GStrv) b = uidl_tool_column(own, titles[i]);

		g_assert_cmpuint(g_strv_length(a), ==, MAIL_COUNT);
		uidl_assert_same(a, b);
		g_assert_cmpstr(a[0], !=, "");
	}
}

/* The user of the URL, STLS, a file with the passwords of many. */
static void test_stls(void)
{
	g_autofree char *user = NULL, *other = NULL, *from = NULL, *out = NULL;
	g_autofree char *passwords = NULL, *text = NULL;
	g_auto(GStrv) uidls = NULL;
	gsize since;

	reload(f->ca_file);
	user = fixture_user(f, "maildir");
	other = fixture_user(f, "maildir");
	numbered_deliver(f, other, 1, 2, MAIL_BYTES);
	text = g_strdup_printf("nobody:else\n%s:%s\n", other,
			       FIXTURE_PASSWORD);
	passwords = secret_file("passwords", text);
	from = url("pop3", other);
	since = fixture_log_size(f);
	out = uidl_tool(f, NULL, 0, "export", "-u", user, "--from", from, "-P",
			passwords, NULL);
	uidls = uidl_tool_column(out, "uidl");
	g_assert_cmpuint(g_strv_length(uidls), ==, 2);
	g_assert_cmpstr(uidls[1], ==, "a.2");
	g_free(fixture_log_wait(f, since, "(Login|Logged in): user=.*, TLS, "));
}

static void expect_error(const char *user, const char *from,
			 const char *option, const char *file, int status,
			 const char *error)
{
	g_autofree char *err = NULL;

	g_free(uidl_tool_err(f, NULL, status, &err, "export", "-u", user, "-f",
			     from, option, file, NULL));
	if (strstr(err, error) == NULL)
		g_error("%s: no \"%s\" in: %s", from, error, err);
}

static void test_refused(void)
{
	g_autofree char *user = NULL, *password = NULL, *wrong = NULL;
	g_autofree char *passwords = NULL, *pop3s = NULL, *pop3 = NULL;
	g_autofree char *secret = NULL, *nothing = NULL;
	gsize since;

	user = fixture_user(f, "maildir");
	password = secret_file("password", FIXTURE_PASSWORD);
	wrong = secret_file("wrong", "not this one\n");
	passwords = secret_file("passwords", "nobody:else\n");
	pop3s = url("pop3s", NULL);
	pop3 = url("pop3", NULL);

	/* a certificate that nobody vouches for gets no password */
	reload(NULL);
	since = fixture_log_size(f);
	expect_error(user, pop3s, "-p", password, 75, "TLS failed: ");
	expect_error(user, pop3, "-p", password, 75, "TLS failed: ");
	g_assert_cmpuint(fixture_log_count(f, since,
					   "(Login|Logged in): user="), ==, 0);

	reload(f->ca_file);
	expect_error(user, pop3s, "-p", wrong, 75,
		     "It refuses the password: [AUTH] Authentication failed.");
	expect_error(user, pop3s, "-P", passwords, 75,
		     "The passwords file has no line ");
	expect_error(user, pop3s, "-p", "/nonexistent", 64,
		     "/nonexistent) failed: ");
	expect_error(user, pop3s, "-o", "x", 75, "There is no password");
	secret = g_strdup_printf("pop3s://u:secret@127.0.0.1:%u",
				 f->pop3s_port);
	expect_error(user, secret, "-p", password, 75,
		     "A password does not belong there");
	expect_error(user, "pop3://127.0.0.1:1", "-p", password, 75,
		     "connect() failed: Connection refused");
	expect_error(user, "nonsense", "-p", password, 75, "from=nonsense: Use "
		     "pop3s://USER@HOST");
	nothing = g_build_filename("courier:", f->dir, NULL);
	expect_error(user, nothing, "-p", password, 75,
		     "failed: No such file or directory");
}

/* --- A server that says whatever the test wants --- */

struct script_line {
	/* "" for the greeting; a line that is not here ends the connection */
	const char *command, *reply;
};

/* a reply that has no end */
static const char endless[] = "+OK\r\n";
static const char endless_sizes[] = "+OK \r\n";

static void send_endless(int fd, gboolean sizes)
{
	g_autofree char *filler = g_strnfill(71, sizes ? '0' : 'x');
	g_autoptr(GString) block = g_string_new(NULL);

	for (unsigned int msn = 1; ; msn++) {
		g_string_append_printf(block, "%u %s\r\n", msn, filler);
		if (block->len < 64 * 1024)
			continue;
		if (send(fd, block->str, block->len, MSG_NOSIGNAL) < 0)
			return;
		g_string_truncate(block, 0);
	}
}

static gboolean
script_run(GThreadedSocketService *service G_GNUC_UNUSED,
	   GSocketConnection *connection, GObject *source G_GNUC_UNUSED,
	   gpointer data)
{
	const struct script_line *script = data, *line = script;
	int fd = g_socket_get_fd(g_socket_connection_get_socket(connection));
	char command[512], byte;
	gsize len = 0;

	servers_set_blocking(fd);
	do {
		(void)send(fd, line->reply, strlen(line->reply), MSG_NOSIGNAL);
		if (line->reply == endless || line->reply == endless_sizes)
			send_endless(fd, line->reply == endless_sizes);
		for (len = 0; recv(fd, &byte, 1, 0) == 1 && byte != '\n';) {
			if (len < sizeof(command) - 1 && byte != '\r')
				command[len++] = byte;
		}
		command[len] = '\0';
		for (line = script; line->command != NULL; line++) {
			if (strcmp(line->command, command) == 0)
				break;
		}
	} while (len > 0 && line->command != NULL);
	return TRUE;
}

#define LOGIN(capa) \
	{ "", "+OK\r\n" }, { "CAPA", capa }, { "USER u", "+OK\r\n" }, \
	{ "PASS " FIXTURE_PASSWORD, "+OK\r\n" }

#define LONG_55 "0123456789abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRS"
#define LONG_495 LONG_55 LONG_55 LONG_55 LONG_55 LONG_55 LONG_55 LONG_55 \
	LONG_55 LONG_55

/* No CAPA, no PIPELINING, TOPs that fail, a UIDL that is too long, and no
   answer to QUIT. */
static const struct script_line plain_script[] = {
	LOGIN("-ERR what?\r\n"),
	{ "UIDL", "+OK\r\n1 a\r\n3 b\r\n4 "LONG_495"c\r\n.\r\n" },
	{ "LIST", "+OK\r\n1 10\r\n2 5\r\n3 20 more\r\n.\r\n" },
	{ "TOP 1 0", "+OK\r\nMessage-ID: <1@x>\r\n..dot: x\r\n\r\n.\r\n" },
	{ "TOP 3 0", "-ERR not now\r\n" },
	{ "TOP 4 0", "-ERR nor now\r\n" },
	{ NULL, NULL }
};
/* Somebody in between adds a reply to what comes behind STLS. */
static const struct script_line stls_script[] = {
	{ "", "+OK\r\n" }, { "CAPA", "+OK\r\nSTLS\r\n.\r\n" },
	{ "STLS", "+OK\r\n+OK\r\n.\r\n" }, { NULL, NULL }
};
static const struct script_line imap_script[] = {
	{ "", "* OK IMAP4rev1\r\n" }, { NULL, NULL }
};
static const struct script_line order_script[] = {
	LOGIN("-ERR\r\n"), { "UIDL", "+OK\r\n2 a\r\n1 b\r\n.\r\n" },
	{ NULL, NULL }
};
static const struct script_line lost_script[] = {
	LOGIN("-ERR\r\n"), { "UIDL", "+OK\r\n1 a\r\n.\r\n" }, { NULL, NULL }
};
static const struct script_line no_uidl_script[] = {
	LOGIN("-ERR\r\n"), { "UIDL", "-ERR no \x01 UIDL\r\n" }, { NULL, NULL }
};
static const struct script_line endless_script[] = {
	LOGIN("-ERR\r\n"), { "UIDL", endless }, { NULL, NULL }
};
static const struct script_line endless_capa_script[] = {
	LOGIN(endless), { NULL, NULL }
};
static const struct script_line endless_list_script[] = {
	LOGIN("-ERR\r\n"), { "UIDL", "+OK\r\n1 a\r\n.\r\n" },
	{ "LIST", endless_sizes }, { NULL, NULL }
};
static const struct script_line endless_top_script[] = {
	LOGIN("-ERR\r\n"), { "UIDL", "+OK\r\n1 a\r\n.\r\n" },
	{ "LIST", "+OK\r\n1 10\r\n.\r\n" }, { "TOP 1 0", endless },
	{ NULL, NULL }
};
/* What a terminal would obey. */
static const struct script_line control_script[] = {
	LOGIN("-ERR\r\n"),
	{ "UIDL", "+OK\r\n1 a\r\n2 b\x9b" "31m\r\n3 c\xc2\x9b\r\n"
	  "4 d\x1b[m\r\n.\r\n" },
	{ "LIST", "+OK\r\n.\r\n" },
	{ "TOP 1 0", "+OK\r\nMessage-ID: <\x9b" "31m>\r\n\r\n.\r\n" },
	{ "TOP 2 0", "-ERR\r\n" }, { "TOP 3 0", "-ERR\r\n" },
	{ "TOP 4 0", "-ERR\r\n" }, { NULL, NULL }
};

static void test_script(void)
{
	static const struct {
		const struct script_line *script;
		/* NULL: all goes well */
		const char *error;
	} cases[] = {
		{ plain_script, NULL },
		{ stls_script, "It sent more than its reply to STLS" },
		{ imap_script, "It does not speak POP3" },
		{ order_script, "Its reply to UIDL is invalid" },
		{ lost_script, "Connection lost: " },
		{ no_uidl_script, "It refuses the UIDL: no ? UIDL" },
		{ endless_script, "Its list of messages is larger than 256 "
		  "MB" },
		{ endless_capa_script, "Its reply to CAPA is larger than 64 "
		  "kB" },
		{ endless_list_script, "Its reply to LIST is larger than " },
		{ endless_top_script, "Its reply to TOP is larger than 65536 "
		  "kB" }
	};
	g_autofree char *user = fixture_user(f, "maildir"), *password = NULL;

	reload(NULL);
	password = secret_file("password", FIXTURE_PASSWORD "\n");
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		guint16 port;
		GSocketService *service = servers_service_new(
			G_CALLBACK(script_run), (void *)cases[i].script,
			&port);
		g_autofree char *from = g_strdup_printf(
			"pop3://u@127.0.0.1:%u", port);
		g_autofree char *out = NULL, *err = NULL;

		out = uidl_tool_err(f, NULL, cases[i].error == NULL ? 0 : 75,
				    &err, "export", "-u", user, "-f", from,
				    "-p", password, NULL);
		if (cases[i].error != NULL &&
		    strstr(err, cases[i].error) == NULL)
			g_error("no \"%s\" in: %s", cases[i].error, err);
		if (cases[i].error == NULL) {
			g_assert_nonnull(strstr(out, "\na\t10\t"));
			g_assert_nonnull(strstr(out, "\t<1@x>\t\n"));
			g_assert_nonnull(strstr(out, "\nb\t20\t\t\t\n"));
			g_assert_nonnull(strstr(out, "\n"LONG_495"...\t\t"));
			g_assert_nonnull(strstr(err, "The header of 2 of 3 "
						"messages could not be read"));
		}
		servers_service_free(service);
	}
}

/* What a server sends reaches no terminal as it is, and what is left out is
   told. */
static void test_control(void)
{
	static const char *const told[] = {
		"No client may be shown the UIDL \"b?31m\": it is not in the "
		"list",
		"\"c??\"", "\"d?[m\""
	};
	g_autofree char *user = fixture_user(f, "maildir"), *password = NULL;
	g_autofree char *from = NULL, *out = NULL, *err = NULL;
	g_auto(GStrv) uidls = NULL, ids = NULL;
	GSocketService *service;
	guint16 port;

	reload(NULL);
	password = secret_file("password", FIXTURE_PASSWORD "\n");
	service = servers_service_new(G_CALLBACK(script_run),
				      (void *)control_script, &port);
	from = g_strdup_printf("pop3://u@127.0.0.1:%u", port);
	out = uidl_tool_err(f, NULL, 65, &err, "export", "-u", user, "-f",
			    from, "-p", password, NULL);
	servers_service_free(service);
	uidls = uidl_tool_column(out, "uidl");
	ids = uidl_tool_column(out, "message_id");
	g_assert_cmpuint(g_strv_length(uidls), ==, 1);
	g_assert_cmpstr(uidls[0], ==, "a");
	g_assert_cmpstr(ids[0], ==, "");
	for (unsigned int i = 0; i < G_N_ELEMENTS(told); i++) {
		if (strstr(err, told[i]) == NULL)
			g_error("no \"%s\" in: %s", told[i], err);
	}
}

/* A Maildir of another Dovecot: with the UIDLs that it had stored, and those
   that its format makes. */
static void test_dovecot(void)
{
	g_autofree char *user = NULL, *dir = NULL, *from = NULL, *out = NULL;
	g_autofree char *uidlist = NULL, *text = NULL, *stored = NULL;
	g_autofree char *own = NULL, *old_format = NULL, *made = NULL;
	g_auto(GStrv) uidls = NULL, headers = NULL, own_headers = NULL;
	unsigned int validity;
	const char *second;

	reload(NULL);
	user = fixture_user(f, "maildir");
	numbered_deliver(f, user, 1, 3, MAIL_BYTES);
	own = uidl_tool(f, NULL, 0, "export", "-u", user, NULL);
	own_headers = uidl_tool_column(own, "header");
	validity = uidl_validity(f, user);
	dir = fixture_mail_dir(f, user);
	uidlist = g_build_filename(dir, "dovecot-uidlist", NULL);
	g_assert_true(g_file_get_contents(uidlist, &text, NULL, NULL));
	second = strstr(text, "\n2 ") + 3;
	stored = g_strdup_printf("%.*sPstored.2 %s", (int)(second - text),
				 text, second);
	g_assert_true(g_file_set_contents(uidlist, stored, -1, NULL));
	fixture_give(f, user, uidlist);

	from = g_strconcat("dovecot:", dir, NULL);
	old_format = g_strdup(fixture_is_2_3() ? "%v.%u" :
			      "%{uidvalidity}.%{uid}");
	out = uidl_tool(f, NULL, 0, "export", "-u", user, "-f", from, "-o",
			old_format, NULL);
	uidls = uidl_tool_column(out, "uidl");
	headers = uidl_tool_column(out, "header");
	g_assert_cmpuint(g_strv_length(uidls), ==, 3);
	made = g_strdup_printf("%u.1", validity);
	g_assert_cmpstr(uidls[0], ==, made);
	g_assert_cmpstr(uidls[1], ==, "stored.2");
	uidl_assert_same(headers, own_headers);
}

static void test_stop(void)
{
	g_clear_pointer(&f, fixture_free);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	fixture_add_storage_tests("/uidl-source/same", test_same);
	g_test_add_func("/uidl-source/stls", test_stls);
	g_test_add_func("/uidl-source/refused", test_refused);
	g_test_add_func("/uidl-source/script", test_script);
	g_test_add_func("/uidl-source/control", test_control);
	g_test_add_func("/uidl-source/dovecot", test_dovecot);
	g_test_add_func("/stop/uidl-source", test_stop);
	f = fixture_new(NULL);
	ret = g_test_run();
	test_stop();
	return ret;
}
