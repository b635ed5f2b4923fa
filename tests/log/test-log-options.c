/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the settings let records tell, and how they write it. */

#include "pop3.h"
#include "record-schema.h"
#include "records.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAIL "Message-ID: <m@example.com>\r\nSubject: =?utf-8?q?caf=C3=A9?=" \
	"\r\n\r\nText.\r\n"
#define KEY "0123456789abcdef"

static struct fixture *f;
static char *log_dir;

/* Use settings, "name = value" lines, with a file for the records; returns its
   path. Each test has its own. */
static char *configure(const char *settings)
{
	static unsigned int count;
	g_autofree char *name = g_strdup_printf("log-%u", ++count);
	char *path = g_build_filename(log_dir, name, NULL);
	g_autofree char *config = g_strdup_printf(
		"%spopinjay_access_log = file:%s\n%s%s\n%s",
		fixture_is_2_3() ? "plugin {\n" : "", path,
		strstr(settings, "_events") != NULL ? "" :
		"popinjay_access_log_events = session message\n", settings,
		fixture_is_2_3() ? "}\n" : "");

	fixture_reload(f, config);
	return path;
}

static char *user_with_mail(const char *mail)
{
	char *user = fixture_user(f, "maildir");

	fixture_deliver(f, user, mail, strlen(mail));
	return user;
}

/* RETR 1, and QUIT. */
static void run_session(const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_send(pop3, "RETR 1");
	g_string_free(pop3_multiline(pop3), TRUE);
	pop3_quit(pop3, "Logging out.");
}

static char *read_log(const char *path, const char *last)
{
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;

	for (;;) {
		char *text = NULL;

		if (g_file_get_contents(path, &text, NULL, NULL) &&
		    strstr(text, last) != NULL &&
		    g_str_has_suffix(text, "\n"))
			return text;
		g_free(text);
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		g_usleep(20 * 1000);
	}
}

/* --- what is told --- */

static void test_events(void)
{
	static const struct {
		const char *value;
		/* the events of the records, in their order */
		const char *events[5];
	} cases[] = {
		{ "session", { "session" } },
		{ "message", { "message" } },
		{ "command", { "command", "command" } },
		{ "session message command",
		  { "command", "message", "command", "session" } },
		{ "session expunge", { "session" } }
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *setting = g_strdup_printf(
			"popinjay_access_log_events = %s", cases[i].value);
		g_autofree char *path = configure(setting);
		g_autofree char *user = user_with_mail(MAIL);
		g_autoptr(GPtrArray) records = NULL;
		unsigned int count =
			g_strv_length((char **)cases[i].events);

		run_session(user);
		records = records_in_file(path, count);
		for (unsigned int j = 0; j < count; j++)
			record_at(records, j, cases[i].events[j]);
	}
}

/* Unless settings say more: what is really gone, and what is known of it. */
static void test_default(void)
{
	static const gboolean fetched[] = { TRUE, TRUE, FALSE };
	g_autofree char *path = configure("# no popinjay_access_log_events");
	g_autofree char *user = user_with_mail(MAIL);
	g_autoptr(GPtrArray) records = NULL;
	struct pop3 *pop3;

	fixture_deliver(f, user, MAIL, strlen(MAIL));
	fixture_deliver(f, user, MAIL, strlen(MAIL));
	run_session(user);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_send(pop3, "RETR 2");
	g_string_free(pop3_multiline(pop3), TRUE);
	for (unsigned int i = 1; i <= 3; i++) {
		pop3_send(pop3, "DELE %u", i);
		pop3_expect(pop3, "+OK Marked to be deleted.\r\n");
	}
	pop3_quit(pop3, "Logging out, messages deleted.");

	records = records_in_file(path, 5);
	record_at(records, 0, "session");
	for (unsigned int i = 0; i < 3; i++) {
		JsonObject *record = record_at(records, 1 + i, "message");

		record_expect_str(record, "action", "expunge");
		record_expect(record, { "record", 1 + i }, { "msn", 1 + i });
		g_assert_cmpint(json_object_get_boolean_member(record,
				"fetched"), ==, fetched[i]);
		g_assert_true(json_object_has_member(record, "guid"));
	}
	record_expect_str(record_at(records, 2, "message"), "message_id",
			  "<m@example.com>");
	record_expect(record_at(records, 4, "session"), { "record", 4 });
}

static void test_headers(void)
{
	static const struct {
		const char *value, *message_id, *subject;
	} cases[] = {
		{ "none", NULL, NULL },
		{ "subject", NULL, "caf\xc3\xa9" },
		{ "message-id subject", "<m@example.com>", "caf\xc3\xa9" }
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *setting = g_strdup_printf(
			"popinjay_access_log_headers = %s", cases[i].value);
		g_autofree char *path = configure(setting);
		g_autofree char *user = user_with_mail(MAIL);
		g_autoptr(GPtrArray) records = NULL;
		JsonObject *record;

		run_session(user);
		records = records_in_file(path, 2);
		record = record_at(records, 0, "message");
		if (cases[i].message_id == NULL)
			g_assert_false(json_object_has_member(record,
							      "message_id"));
		else
			record_expect_str(record, "message_id",
					  cases[i].message_id);
		if (cases[i].subject == NULL)
			g_assert_false(json_object_has_member(record,
							      "subject"));
		else
			record_expect_str(record, "subject", cases[i].subject);
	}
}

/* Senders who want to write records. */
static void test_hostile_headers(void)
{
	static const struct {
		const char *mail, *message_id, *subject;
	} cases[] = {
		{ "Message-ID: <a\"},{\"event\":\"x>\r\nSubject: \\\"\r\n\r\n",
		  "<a\"},{\"event\":\"x>", "\\\"" },
		{ "Subject: =?utf-8?q?a=0Ab=0D=1B[2J?=\r\n\r\n", NULL,
		  "a b [2J" },
		{ "Message-ID: <\xff\xc0\x8a>\r\nSubject: \x1b[2J\x7f\r\n\r\n",
		  "<\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd>", "\x1b[2J\x7f" },
		{ "Message-ID:\r\n\r\n", "", NULL }
	};
	g_autofree char *path = configure(
		"popinjay_access_log_headers = message-id subject");
	g_autofree char *longest = g_strnfill(2000, 'x');
	g_autofree char *long_mail = g_strdup_printf(
		"Message-ID: <%s>\r\nSubject: x\r\n\r\n", longest);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autoptr(GPtrArray) records = NULL;
	struct pop3 *pop3;
	JsonObject *record;
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		fixture_deliver(f, user, cases[i].mail,
				strlen(cases[i].mail));
	}
	fixture_deliver(f, user, long_mail, strlen(long_mail));
	pop3 = pop3_session(f, POP3_CLEAR, user);
	for (i = 1; i <= G_N_ELEMENTS(cases) + 1; i++) {
		pop3_send(pop3, "TOP %u 0", i);
		g_string_free(pop3_multiline(pop3), TRUE);
	}
	pop3_quit(pop3, "Logging out.");
	records = records_in_file(path, G_N_ELEMENTS(cases) + 2);
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		record = record_at(records, i, "message");
		g_test_message("mail %u", i);
		if (cases[i].message_id != NULL)
			record_expect_str(record, "message_id",
					  cases[i].message_id);
		if (i != 1 && cases[i].subject != NULL)
			record_expect_str(record, "subject", cases[i].subject);
	}
	record = record_at(records, i, "message");
	g_assert_cmpuint(strlen(json_object_get_string_member(record,
						"message_id")), ==, 515);
}

/* --- commands --- */

struct command_case {
	const char *line;
	const char *name, *args, *outcome;
};

static const struct command_case command_cases[] = {
	{ "STAT", "STAT", "", "ok" },
	{ "retr 99", "RETR", "99", "bad" },
	{ "LIST a\"},{\\", "LIST", "a\"},{\\", "bad" },
	{ "UIDL \xff", "UIDL", "\xef\xbf\xbd", "bad" },
	{ "PASS hunter2-secret", NULL, NULL, "bad" },
	{ "USER hunter2-secret", NULL, NULL, "bad" },
	{ "AUTH PLAIN hunter2-secret", NULL, NULL, "bad" },
	{ "APOP alice hunter2-secret", NULL, NULL, "bad" },
	{ "hunter2-secret", NULL, NULL, "bad" },
	{ "", NULL, NULL, "bad" },
	{ "NO\tOP hunter2-secret", NULL, NULL, "bad" }
};

static const char *str(JsonObject *record, const char *name)
{
	return json_object_get_null_member(record, name) ? NULL :
		json_object_get_string_member(record, name);
}

static void test_commands(void)
{
	g_autofree char *path = configure(
		"popinjay_access_log_events = command session");
	g_autofree char *user = user_with_mail(MAIL);
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);
	g_autoptr(GPtrArray) records = NULL;
	g_autofree char *text = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(command_cases); i++)
		g_free(pop3_ask(pop3, "%s", command_cases[i].line));
	pop3_quit(pop3, "Logging out.");
	records = records_in_file(path, G_N_ELEMENTS(command_cases) + 2);
	for (gsize i = 0; i < G_N_ELEMENTS(command_cases); i++) {
		const struct command_case *test = &command_cases[i];
		JsonObject *record = record_at(records, i, "command");

		g_test_message("command %u", (unsigned int)i);
		g_assert_cmpstr(str(record, "name"), ==, test->name);
		g_assert_cmpstr(str(record, "args"), ==, test->args);
		record_expect_str(record, "outcome", test->outcome);
		record_expect(record, { "bytes_in", strlen(test->line) + 2 });
	}
	text = read_log(path, "session_finished");
	g_assert_null(strstr(text, "hunter2"));
	g_assert_null(strstr(text, "HUNTER2"));
}

/* --- privacy --- */

static char *hmac(const char *what, const char *value)
{
	g_autofree char *text = g_strconcat(what, ":", value, NULL);
	g_autofree char *hex = g_compute_hmac_for_string(G_CHECKSUM_SHA256,
		(const guchar *)KEY, strlen(KEY), text, -1);

	return g_strdup_printf("hmac:%.32s", hex);
}

static void test_privacy(void)
{
	g_autofree char *key_path = g_build_filename(log_dir, "key", NULL);
	g_autofree char *hash = g_strdup_printf(
		"popinjay_access_log_key_file = %s\n"
		"popinjay_access_log_events = session message command\n"
		"popinjay_access_log_anonymize = user=hash ip=hash", key_path);
	g_autofree char *cut = g_strdup_printf(
		"popinjay_access_log_key_file = %s\n"
		"popinjay_access_log_anonymize = user=cut ip=cut", key_path);
	g_autofree char *user = NULL, *user_hash = NULL, *ip_hash = NULL;
	g_autofree char *path = NULL, *text = NULL, *session = NULL;
	g_autofree char *session_hash = NULL, *cut_path = NULL;
	g_autofree char *login = NULL;
	g_autoptr(GPtrArray) records = NULL, cut_records = NULL;
	JsonObject *record;
	gsize since;

	g_assert_true(g_file_set_contents(key_path, KEY "\n", -1, NULL));
	g_assert_cmpint(chmod(key_path, 0644), ==, 0);
	user = user_with_mail(MAIL);
	user_hash = hmac("user", user);
	ip_hash = hmac("ip", "127.0.0.1");
	path = configure(hash);
	since = fixture_log_size(f);
	run_session(user);
	records = records_in_file(path, 4);
	/* not of the connection that configure() looked with */
	login = fixture_log_wait(f, since,
				 "pop3-login: .*user=<[^>].*session=<");
	session = g_strdup(strstr(login, "session=<") + strlen("session=<"));
	*strchr(session, '>') = '\0';
	session_hash = hmac("session", session);
	for (unsigned int i = 0; i < records->len; i++) {
		record = g_ptr_array_index(records, i);
		record_expect_str(record, "user", user_hash);
		record_expect_str(record, "remote_ip", ip_hash);
		record_expect_str(record, "session", session_hash);
	}
	record = record_at(records, 3, "session");
	g_assert_true(json_object_get_null_member(record, "remote_port"));
	text = read_log(path, "session_finished");
	g_assert_null(strstr(text, user));
	g_assert_null(strstr(text, session));

	cut_path = configure(cut);
	run_session(user);
	cut_records = records_in_file(cut_path, 2);
	record = record_at(cut_records, 1, "session");
	record_expect_str(record, "user", "@maildir");
	record_expect_str(record, "remote_ip", "127.0.0.0/24");
	g_assert_true(g_str_has_prefix(json_object_get_string_member(
		record, "session"), "hmac:"));
}

/* --- logfmt --- */

static void test_logfmt(void)
{
	g_autofree char *path = configure(
		"popinjay_access_log_format = logfmt\n"
		"popinjay_access_log_headers = message-id subject");
	g_autofree char *user = user_with_mail(
		"Message-ID: <m@x>\r\nSubject: a \"b\" = c\r\n\r\n");
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	run_session(user);
	text = read_log(path, "session_finished");
	lines = g_strsplit(g_strchomp(text), "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 2);
	for (char **p = lines; *p != NULL; p++) {
		g_assert_true(g_regex_match_simple(
			"^event=popinjay_\\w+_finished time=\\S+Z"
			"( [a-z_]+=([^\\s\"=]+|\"([^\"\\\\]|\\\\.)*\"))+$", *p,
			0, 0));
	}
	g_assert_nonnull(strstr(lines[0], " action=retr complete=true msn=1 "));
	g_assert_nonnull(strstr(lines[0], " message_id=<m@x> "
				"subject=\"a \\\"b\\\" = c\""));
	g_assert_null(strstr(lines[0], "null"));
	g_assert_nonnull(strstr(lines[1], " tls=false mechanism=PLAIN "));
	g_assert_nonnull(strstr(lines[1], " end=quit"));
}

/* A UIDL with all that JSON escapes and UIDLs may have. */
static void test_hostile_uidl(void)
{
	static const struct {
		const char *format, *uidl;
	} cases[] = {
		{ "json", ",\"uidl\":\"1\\\"\\\\x=\"," },
		{ "logfmt", " uidl=\"1\\\"\\\\x=\" " }
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *settings = g_strdup_printf(
			"popinjay_access_log_format = %s\n"
			"popinjay_uidl_format = %s{uid}\"\\x=",
			cases[i].format, fixture_is_2_3() ? "%%" : "%");
		g_autofree char *path = configure(settings);
		g_autofree char *user = user_with_mail(MAIL);
		g_autofree char *text = NULL;
		g_auto(GStrv) lines = NULL;
		struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

		pop3_check(pop3, "UIDL 1", "+OK 1 1\"\\x=");
		pop3_send(pop3, "RETR 1");
		g_string_free(pop3_multiline(pop3), TRUE);
		pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
		pop3_quit(pop3, "Logging out, messages deleted.");
		text = read_log(path, "session_finished");
		lines = g_strsplit(g_strchomp(text), "\n", -1);
		/* retr, dele, expunge and the session's */
		g_assert_cmpuint(g_strv_length(lines), ==, 4);
		for (unsigned int j = 0; j < 3; j++) {
			if (strstr(lines[j], cases[i].uidl) == NULL)
				g_error("no %s in: %s", cases[i].uidl,
					lines[j]);
			if (i == 0)
				record_schema_check_lines(lines[j]);
		}
	}
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/options/events", test_events);
	g_test_add_func("/options/default", test_default);
	g_test_add_func("/options/headers", test_headers);
	g_test_add_func("/options/hostile-headers", test_hostile_headers);
	g_test_add_func("/options/commands", test_commands);
	g_test_add_func("/options/privacy", test_privacy);
	g_test_add_func("/options/logfmt", test_logfmt);
	g_test_add_func("/options/hostile-uidl", test_hostile_uidl);
	f = fixture_new(NULL);
	log_dir = g_build_filename(f->dir, "records", NULL);
	g_assert_cmpint(mkdir(log_dir, 0777), ==, 0);
	g_assert_cmpint(chmod(log_dir, 0777), ==, 0);
	ret = g_test_run();
	g_clear_pointer(&f, fixture_free);
	g_free(log_dir);
	return ret;
}
