/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users whose names are made to write a line of their own into the access
   log. */

#include "access-record.h"
#include "pop3.h"

/* --- Users who want to write a record of their own --- */

struct hostile_user {
	const char *name, *user;
	/* the user in the record; NULL if it is the same */
	const char *recorded;
};

#define FORGED "FORGED pop3(root)<1><a>: Info: " \
	"{\"event\":\"popinjay_session_finished\",\"user\":\"forged\"}"

static const struct hostile_user hostile_users[] = {
	{ "quotes", "a\"b'c`d", NULL },
	{ "backslashes", "a\\\\\"b\\", NULL },
	{ "fields", "a\",\"end\":\"forged\"}", NULL },
	{ "lf", "a\n" FORGED, NULL },
	{ "crlf", "a\"}\r\n" FORGED "\r\n", NULL },
	{ "log-protocol", "a\n\0016" "1 " FORGED "\n\001\003", NULL },
	{ "escapes", "a\\n" FORGED "\\u000a\\", NULL },
	{ "controls", "a\x1b[2J\t\x7f\b", NULL },
	{ "variables", "%s%n%u%{home}${x}", NULL },
	{ "utf8", "h\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x9c", NULL },
	{ "separators", "a\xc2\x85\xe2\x80\xa8" FORGED, NULL },
	{ "latin1", "h\xe9\xff", "h\xef\xbf\xbd\xef\xbf\xbd" },
	{ "overlong", "a\xc0\x8a" FORGED,
	  "a\xef\xbf\xbd\xef\xbf\xbd" FORGED }
};

static void log_in_as(struct fixture *f, const char *user, gsize size)
{
	g_autoptr(GString) token = g_string_new(NULL);
	g_autofree char *base64 = NULL;
	struct pop3 *pop3 = pop3_connect(f, POP3_CLEAR);

	g_string_append_c(token, '\0');
	g_string_append_len(token, user, (gssize)size);
	g_string_append_c(token, '\0');
	g_string_append(token, FIXTURE_PASSWORD);
	base64 = g_base64_encode((const guchar *)token->str, token->len);
	pop3_send(pop3, "AUTH PLAIN %s", base64);
	pop3_expect(pop3, "+OK Logged in.\r\n");
	pop3_quit(pop3, "Logging out.");
}

/* Everybody has the same home directory, and the log is a file in it. */
static struct fixture *get_fixture(char **log_path_r)
{
	struct fixture *f = fixture_new(NULL);
	gboolean is_2_3 = fixture_is_2_3();
	g_autofree char *home = fixture_home(f, "anybody");
	g_autofree char *path = g_build_filename(home, "access-log", NULL);
	g_autofree char *config = g_strdup_printf(
		"auth_username_chars =\nauth_username_format = %s\n"
		"mail_home = %s\n%spopinjay_access_log = log file:%s\n"
		"popinjay_access_log_events = session\n%s",
		is_2_3 ? "%u" : "%{user}", home, is_2_3 ? "plugin {\n" : "",
		path, is_2_3 ? "}\n" : "");

	fixture_user_add(f, "anybody");
	fixture_reload(f, config);
	*log_path_r = g_steal_pointer(&path);
	return f;
}

/* Dovecot puts user names into its log as they are, before ours is loaded: with
   auth_username_chars empty it is no safe place. Our record must be there,
   whole, at the end of one line. */
static void check_logged(struct fixture *f, const char *record)
{
	g_autofree char *quoted = g_regex_escape_string(record, -1);
	g_autofree char *pattern = g_strdup_printf(": %s$", quoted);

	g_assert_cmpuint(fixture_log_count(f, 0, pattern), ==, 1);
}

static void test_hostile_users(void)
{
	g_autofree char *path = NULL;
	struct fixture *f = get_fixture(&path);
	g_auto(GStrv) lines = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(hostile_users); i++) {
		gsize since = fixture_log_size(f);

		log_in_as(f, hostile_users[i].user,
			  strlen(hostile_users[i].user));
		/* the order of the records is to be that of the users */
		g_free(fixture_log_wait(f, since,
			"\\{\"event\":\"popinjay_session_finished\",\"time\""));
	}
	/* what Dovecot makes of line ends in names */
	fixture_log_allow(f, " pop3: Error: ");
	fixture_stop(f);
	lines = fixture_record_lines(path, G_N_ELEMENTS(hostile_users));
	for (gsize i = 0; i < G_N_ELEMENTS(hostile_users); i++) {
		const struct hostile_user *hostile = &hostile_users[i];
		JsonObject *record = fixture_record_parse(lines[i]);

		g_test_message("%s", hostile->name);
		g_assert_true(g_utf8_validate(lines[i], -1, NULL));
		record_expect_str(record, "user", hostile->recorded == NULL ?
				  hostile->user : hostile->recorded);
		record_expect_str(record, "end", "quit");
		json_object_unref(record);
		check_logged(f, lines[i]);
	}
	g_assert_cmpuint(fixture_log_count(f, 0, "^FORGED"), ==, 0);
	fixture_free(f);
}

/* A name is cut, so that Dovecot does not split the line. */
static void test_long_user(void)
{
	g_autofree char *path = NULL;
	struct fixture *f = get_fixture(&path);
	/* with 1000 a session does not come about in Dovecot 2.3 */
	g_autofree char *user = g_strnfill(900, 'x');
	g_auto(GStrv) lines = NULL;
	JsonObject *record;
	const char *recorded;

	log_in_as(f, user, strlen(user));
	fixture_stop(f);
	lines = fixture_record_lines(path, 1);
	check_logged(f, lines[0]);
	record = fixture_record_parse(lines[0]);
	recorded = json_object_get_string_member(record, "user");
	/* 512 bytes and an ellipsis */
	g_assert_cmpuint(strlen(recorded), ==, 515);
	g_assert_true(g_str_has_suffix(recorded, "x\xe2\x80\xa6"));
	record_expect_str(record, "end", "quit");
	json_object_unref(record);
	fixture_free(f);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/forgery/hostile-users", test_hostile_users);
	g_test_add_func("/forgery/long-user", test_long_user);
	return g_test_run();
}
