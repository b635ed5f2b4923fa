/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the records of the access log go: Dovecot's log, files and the event.
   A file that cannot be written costs no mail. */

#include "access-record.h"
#include "pop3.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLIENTS 50
#define MAIL "Subject: mail\r\n\r\nRead it.\r\n"
#define EVENT "popinjay_session_finished"
/* not what Dovecot exports, which begins alike */
#define RECORD_LINE \
	": Info: \\{\"event\":\"" EVENT "\",\"time\":"

/* Where files for the tests can be: mail users may write here. */
static char *log_dir;

static char *log_path(const char *name)
{
	return g_build_filename(log_dir, name, NULL);
}

/* The setting popinjay_access_log with log_dir for each "%s". */
static char *format_log_path(const char *format)
{
	g_auto(GStrv) parts = g_strsplit(format, "%s", -1);

	return g_strjoinv(log_dir, parts);
}

static struct fixture *
fixture_with(const char *access_log, const char *config)
{
	g_autofree char *value = format_log_path(access_log);
	const char *const settings[] = {
		"popinjay_access_log", value,
		"popinjay_access_log_events", "session", NULL
	};
	const struct fixture_options options = {
		.settings = settings, .config = config
	};

	return fixture_new(&options);
}

/* A session that deletes the user's only mail. */
static void run_session(struct fixture *f, const char *user)
{
	struct pop3 *pop3;

	fixture_deliver(f, user, MAIL, strlen(MAIL));
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "DELE 1", "+OK Marked to be deleted.");
	pop3_quit(pop3, "Logging out, messages deleted.");
}

/* The records in the log of a Dovecot that has ended, and their number. */
static char **log_records(struct fixture *f, unsigned int count)
{
	g_autofree char *log = NULL;
	g_autoptr(GPtrArray) records = g_ptr_array_new();
	g_auto(GStrv) lines = NULL;

	g_assert_cmpint(f->pid, ==, 0);
	log = fixture_log(f, 0);
	lines = g_strsplit(log, "\n", -1);
	for (char **p = lines; *p != NULL; p++) {
		if (g_regex_match_simple(RECORD_LINE, *p, G_REGEX_RAW, 0)) {
			g_ptr_array_add(records, g_strdup(
				strstr(*p, ": Info: {") + strlen(": Info: ")));
		}
	}
	g_assert_cmpuint(records->len, ==, count);
	g_ptr_array_add(records, NULL);
	return (char **)g_ptr_array_steal(records, NULL);
}

/* --- Which sinks there are --- */

static void test_files(void)
{
	struct fixture *f = fixture_with("file:%s/a log file:%s/b", NULL);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *a = log_path("a"), *b = log_path("b");
	g_auto(GStrv) a_lines = NULL, b_lines = NULL, logged = NULL;
	struct stat st;
	gid_t gid;

	run_session(f, user);
	run_session(f, user);
	fixture_stop(f);
	a_lines = fixture_record_lines(a, 2);
	b_lines = fixture_record_lines(b, 2);
	logged = log_records(f, 2);
	for (unsigned int i = 0; i < 2; i++) {
		g_assert_cmpstr(a_lines[i], ==, b_lines[i]);
		g_assert_cmpstr(a_lines[i], ==, logged[i]);
	}
	/* who reads mail is nobody else's business */
	g_assert_cmpint(stat(a, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	g_assert_cmpint(st.st_uid, ==, fixture_user_uid(f, user, &gid));
	fixture_free(f);
}

static void test_only_file(void)
{
	struct fixture *f = fixture_with("file:%s/only", NULL);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *path = log_path("only");

	run_session(f, user);
	fixture_stop(f);
	g_strfreev(fixture_record_lines(path, 1));
	g_strfreev(log_records(f, 0));
	fixture_free(f);
}

static void test_none(void)
{
	struct fixture *f = fixture_with("none", NULL);
	g_autofree char *user = fixture_user(f, "maildir");

	run_session(f, user);
	fixture_stop(f);
	g_assert_cmpuint(fixture_log_count(f, 0, "Disconnected: Logged out"),
			 ==, 1);
	g_strfreev(log_records(f, 0));
	fixture_free(f);
}

/* When the file was moved away there is a new one, also for a session that
   began before. */
static void test_rotated(void)
{
	struct fixture *f = fixture_with("file:%s/current", NULL);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *path = log_path("current"), *old = log_path("old");
	struct pop3 *pop3;

	fixture_deliver(f, user, MAIL, strlen(MAIL));
	pop3 = pop3_session(f, POP3_CLEAR, user);
	pop3_check(pop3, "STAT", "+OK 1 27");
	pop3_quit(pop3_session(f, POP3_CLEAR, user), "Logging out.");
	g_strfreev(fixture_record_lines(path, 1));
	g_assert_cmpint(rename(path, old), ==, 0);
	pop3_quit(pop3, "Logging out.");
	fixture_stop(f);
	g_strfreev(fixture_record_lines(old, 1));
	g_strfreev(fixture_record_lines(path, 1));
	fixture_free(f);
}

/* --- Files that cannot be written --- */

struct bad_file {
	const char *name, *path;
	/* what the error says */
	const char *function, *reason;
};

/* log_dir for "%s" */
static const struct bad_file bad_files[] = {
	{ "full", "/dev/full", "write()", "No space left on device" },
	{ "no-directory", "%s/none/log", "open()",
	  "No such file or directory" },
	{ "directory", "%s", "open()", "Is a directory" },
	{ "not-ours", "%s/not-ours/log", "open()", "Permission denied" },
	{ "no-reader", "%s/fifo", "open()", "No such device or address" }
};

static void prepare_bad_files(void)
{
	g_autofree char *not_ours = log_path("not-ours");
	g_autofree char *fifo = log_path("fifo");

	/* as an ordinary user the mail user is who owns it */
	g_assert_cmpint(mkdir(not_ours, 0500), ==, 0);
	g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	g_assert_cmpint(chmod(fifo, 0666), ==, 0);
}

/* One Dovecot for all of them. */
static struct fixture *bad_fixture;

static void test_bad_file(gconstpointer data)
{
	const struct bad_file *bad = data;
	g_autofree char *good_name = g_strconcat("good-", bad->name, NULL);
	g_autofree char *good = log_path(good_name);
	g_autofree char *path = format_log_path(bad->path);
	g_autofree char *config = g_strdup_printf(
		"%spopinjay_access_log = file:%s file:%s log\n"
		"popinjay_access_log_events = session\n%s",
		fixture_is_2_3() ? "plugin {\n" : "", path, good,
		fixture_is_2_3() ? "}\n" : "");
	g_autofree char *quoted = g_regex_escape_string(path, -1);
	g_autofree char *function = g_regex_escape_string(bad->function, -1);
	g_autofree char *error = g_strdup_printf(
		": Error: popinjay_access_log=file:%s: %s failed: %s - "
		"its records go to this log$", quoted, function,
		bad->reason);
	g_autofree char *user = NULL;

	if (bad_fixture == NULL)
		bad_fixture = fixture_new(NULL);
	fixture_reload(bad_fixture, config);
	fixture_log_allow(bad_fixture, error);
	user = fixture_user(bad_fixture, "maildir");
	/* each session has a process of its own, which complains once */
	for (unsigned int i = 0; i < 2; i++) {
		gsize since = fixture_log_size(bad_fixture);

		/* the mail is deleted each time, or there would be two */
		run_session(bad_fixture, user);
		g_free(fixture_log_wait(bad_fixture, since, error));
		/* the sinks before and behind it are written */
		g_free(fixture_log_wait(bad_fixture, since, RECORD_LINE));
	}
	g_strfreev(fixture_record_lines(good, 2));
}

static void test_bad_file_errors(void)
{
	unsigned int sessions = 2 * G_N_ELEMENTS(bad_files);

	if (bad_fixture == NULL) {
		for (gsize i = 0; i < G_N_ELEMENTS(bad_files); i++)
			test_bad_file(&bad_files[i]);
	}
	fixture_stop(bad_fixture);
	g_assert_cmpuint(fixture_log_count(bad_fixture, 0, ": Error: "), ==,
			 sessions);
	g_strfreev(log_records(bad_fixture, sessions));
	g_clear_pointer(&bad_fixture, fixture_free);
}

/* --- Many sessions --- */

/* Hold sessions at once, which all end at once. */
static void run_clients(struct fixture *f, unsigned int count)
{
	struct pop3 *clients[CLIENTS];

	g_assert_cmpuint(count, <=, CLIENTS);
	for (unsigned int i = 0; i < count; i++) {
		g_autofree char *user = fixture_user(f, "maildir");

		clients[i] = pop3_session(f, POP3_CLEAR, user);
	}
	for (unsigned int i = 0; i < count; i++)
		pop3_send(clients[i], "NOOP\r\nSTAT\r\nQUIT");
	for (unsigned int i = 0; i < count; i++) {
		pop3_expect(clients[i], "+OK\r\n+OK 0 0\r\n"
			    "+OK Logging out.\r\n");
		pop3_expect_eof(clients[i]);
		pop3_close(clients[i]);
	}
}

static void test_concurrent(void)
{
	struct fixture *f = fixture_with("file:%s/concurrent", NULL);
	g_autofree char *path = log_path("concurrent");
	g_autoptr(GHashTable) seen =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_auto(GStrv) lines = NULL;

	run_clients(f, CLIENTS);
	fixture_stop(f);
	lines = fixture_record_lines(path, CLIENTS);
	for (char **p = lines; *p != NULL; p++) {
		JsonObject *record = fixture_record_parse(*p);

		g_assert_true(g_hash_table_add(seen, g_strdup(
			json_object_get_string_member(record, "user"))));
		record_expect(record, { "commands", 3 }, { "bytes_in", 18 });
		json_object_unref(record);
	}
	fixture_free(f);
}

static char *one_process_config(void)
{
	return g_strdup_printf(
		"service pop3 {\n%s = %s\nclient_limit = 100\n"
		"process_limit = 1\n}\n",
		fixture_is_2_3() ? "service_count" : "restart_request_count",
		fixture_is_2_3() ? "0" : "unlimited");
}

/* It complains anew after the file could be written again. */
static void test_one_process_again(void)
{
	g_autofree char *config = one_process_config();
	g_autofree char *dir = log_path("again");
	g_autofree char *path = log_path("again/log");
	struct fixture *f = fixture_with("file:%s/again/log", config);
	const char *error = "Error: popinjay_access_log=file:.*again/log: "
		"open\\(\\) failed: No such file or directory";

	fixture_log_allow(f, error);
	for (unsigned int i = 0; i < 2; i++) {
		gsize since = fixture_log_size(f);

		run_clients(f, 1);
		g_free(fixture_log_wait(f, since, error));
		g_assert_cmpint(mkdir(dir, 0777), ==, 0);
		g_assert_cmpint(chmod(dir, 0777), ==, 0);
		run_clients(f, 1);
		g_strfreev(fixture_record_lines(path, 1));
		g_assert_cmpint(unlink(path), ==, 0);
		g_assert_cmpint(rmdir(dir), ==, 0);
		/* not more often than once in a second */
		g_usleep(1100 * 1000);
	}
	fixture_stop(f);
	g_assert_cmpuint(fixture_log_count(f, 0, error), ==, 2);
	fixture_free(f);
}

/* One process serves many sessions, and complains once. */
static void test_one_process(void)
{
	static const char error[] = "Error: popinjay_access_log=file:/dev/full";
	g_autofree char *config = one_process_config();
	struct fixture *f = fixture_with("file:/dev/full log", config);
	g_auto(GStrv) lines = NULL;

	fixture_log_allow(f, error);
	run_clients(f, 10);
	run_clients(f, 10);
	fixture_stop(f);
	g_assert_cmpuint(fixture_log_count(f, 0, error), ==, 1);
	lines = log_records(f, 20);
	for (char **p = lines; *p != NULL; p++) {
		JsonObject *record = fixture_record_parse(*p);

		record_expect(record, { "commands", 3 }, { "bytes_in", 18 });
		json_object_unref(record);
	}
	fixture_free(f);
}

/* --- The event --- */

static gint64 time_usecs(const char *text)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);

	g_assert_nonnull(time);
	return g_date_time_to_unix(time) * G_USEC_PER_SEC +
		g_date_time_get_microsecond(time);
}

static void
check_field(const char *name, JsonNode *logged, JsonNode *exported)
{
	g_test_message("%s", name);
	if (JSON_NODE_HOLDS_NULL(logged)) {
		/* an event has no such field then */
		g_assert_null(exported);
		return;
	}
	g_assert_nonnull(exported);
	if (g_str_equal(name, "time")) {
		g_assert_cmpint(time_usecs(json_node_get_string(exported)), ==,
				time_usecs(json_node_get_string(logged)));
	} else if (json_node_get_value_type(logged) == G_TYPE_BOOLEAN) {
		g_assert_cmpint(json_node_get_int(exported), ==,
				json_node_get_boolean(logged));
	} else if (json_node_get_value_type(logged) == G_TYPE_INT64) {
		g_assert_cmpint(json_node_get_int(exported), ==,
				json_node_get_int(logged));
	} else {
		g_assert_cmpstr(json_node_get_string(exported), ==,
				json_node_get_string(logged));
	}
}

static gboolean has_string(JsonArray *array, const char *text)
{
	for (guint i = 0; i < json_array_get_length(array); i++) {
		if (g_str_equal(json_array_get_string_element(array, i), text))
			return TRUE;
	}
	return FALSE;
}

static void test_event(void)
{
	g_autofree char *config = fixture_exporter_config(EVENT);
	struct fixture *f = fixture_with("log", config);
	g_autofree char *user = fixture_user(f, "maildir");
	g_autofree char *line = NULL;
	JsonObject *record, *event, *fields;
	JsonArray *categories;
	g_autoptr(GList) names = NULL;

	run_session(f, user);
	line = fixture_log_wait(f, 0, RECORD_LINE);
	record = fixture_record_parse(strchr(line, '{'));
	event = fixture_exported(f, EVENT);
	record_expect_str(event, "event", EVENT);
	categories = json_object_get_array_member(event, "categories");
	g_assert_true(has_string(categories, "popinjay"));
	fields = json_object_get_object_member(event, "fields");
	names = json_object_get_members(record);
	for (GList *p = names; p != NULL; p = p->next) {
		if (!g_str_equal(p->data, "event")) {
			check_field(p->data,
				    json_object_get_member(record, p->data),
				    json_object_get_member(fields, p->data));
		}
	}
	json_object_unref(record);
	json_object_unref(event);
	fixture_free(f);
}

/* Who listens to events needs no log. */
static void test_event_without_log(void)
{
	g_autofree char *config = fixture_exporter_config(EVENT);
	struct fixture *f = fixture_with("none", config);
	g_autofree char *user = fixture_user(f, "maildir");
	JsonObject *event, *fields;

	run_session(f, user);
	event = fixture_exported(f, EVENT);
	fields = json_object_get_object_member(event, "fields");
	record_expect_str(fields, "user", user);
	record_expect_str(fields, "end", "quit");
	record_expect(fields, { "expunged_count", 1 }, { "commands", 2 });
	json_object_unref(event);
	fixture_stop(f);
	g_strfreev(log_records(f, 0));
	fixture_free(f);
}

/* --- All --- */

static void make_log_dir(void)
{
	g_autoptr(GError) error = NULL;

	log_dir = g_dir_make_tmp("popinjay-log-XXXXXX", &error);
	if (log_dir == NULL)
		g_error("%s", error->message);
	g_assert_cmpint(chmod(log_dir, 0777), ==, 0);
	prepare_bad_files();
}

static void remove_log_dir(void)
{
	const char *const argv[] = { "rm", "-rf", "--", log_dir, NULL };

	(void)g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
			   NULL, NULL, NULL, NULL, NULL, NULL);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sinks/files", test_files);
	g_test_add_func("/sinks/only-file", test_only_file);
	g_test_add_func("/sinks/none", test_none);
	g_test_add_func("/sinks/rotated", test_rotated);
	for (gsize i = 0; i < G_N_ELEMENTS(bad_files); i++) {
		g_autofree char *path = g_strdup_printf("/sinks/bad-file/%s",
							bad_files[i].name);

		g_test_add_data_func(path, &bad_files[i], test_bad_file);
	}
	g_test_add_func("/bad-file-errors/sinks", test_bad_file_errors);
	g_test_add_func("/sinks/concurrent", test_concurrent);
	g_test_add_func("/sinks/one-process", test_one_process);
	g_test_add_func("/sinks/one-process-again",
			test_one_process_again);
	g_test_add_func("/sinks/event", test_event);
	g_test_add_func("/sinks/event-without-log", test_event_without_log);
	make_log_dir();
	ret = g_test_run();
	remove_log_dir();
	return ret;
}
