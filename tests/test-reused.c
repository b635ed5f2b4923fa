/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processes that serve many sessions, as the examples for large sites in doc/
   have them: users with different settings, whose commands come interleaved to
   one process, see and leave in the log just what each of them alone does with
   a process of its own; and the process does not grow. */

#include "access-record.h"
#include "pop3.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 4
/* at the same time; the example allows more */
#define CONCURRENT 6
#define WARM_UP_SESSIONS 40
#define BATCHES 5
#define BATCH_SESSIONS 70
#define BATCH_GROWTH_KIB 16
#define GROWTH_LIMIT_KIB 128

static const struct actor {
	const char *user, *storage;
	/* what the userdb says of the user; @ is the directory with keys */
	const char *fields;
	/* separated by "|"; the replies of those that end in "*" have several
	   lines */
	const char *commands;
	enum { LOGGED, UNLOGGED, REFUSED } kind;
} actors[] = {
	{ "guid", "maildir", "userdb_popinjay_uidl_format=%{guid}",
	  "CAPA*|STAT|UIDL*|RETR 1*|DELE 1|UIDL*|RSET|UIDL 1|QUIT",
	  LOGGED },
	{ "hmac-one", "maildir", "userdb_popinjay_uidl_format=%{hmac} "
	  "userdb_popinjay_uidl_key_file=@/one",
	  "UIDL*|TOP 2 1*|LIST*|UIDL 2|FOO|QUIT",
	  LOGGED },
	{ "hmac-two", "sdbox", "userdb_popinjay_uidl_format=%{hmac} "
	  "userdb_popinjay_uidl_key_file=@/two",
	  "STAT|UIDL*|RETR 3*|UIDL 3|DELE 9|QUIT",
	  LOGGED },
	{ "saved", "mdbox", "userdb_popinjay_uidl_save=yes",
	  "UIDL*|LIST 1|UIDL 2|RETR 2*|QUIT",
	  LOGGED },
	{ "reader", "maildir", "userdb_popinjay_secret_read_only=yes "
	  "userdb_popinjay_secret_id=abcdefgh "
	  "userdb_popinjay_secret_label=phone",
	  "STAT|DELE 1|RETR 1*|DELE 1|UIDL*|QUIT",
	  LOGGED },
	{ "stock", "maildir", "userdb_mail_plugins=notify",
	  "CAPA*|UIDL*|DELE 1|RSET|RETR 2*|QUIT", UNLOGGED },
	{ "silent", "sdbox", "userdb_popinjay_access_log=none "
	  "userdb_popinjay_capability_implementation=yes",
	  "CAPA*|LIST*|RETR 2*|QUIT", UNLOGGED },
	{ "xuidl", "maildir", "userdb_popinjay_reuse_xuidl=yes",
	  "DELE 1|UIDL*|TOP 3 0*|RSET|QUIT",
	  LOGGED },
	{ "refused", "maildir", "userdb_popinjay_uidl_format=%{hmac}", "",
	  REFUSED },
	/* the same settings as the first */
	{ "default", "maildir", "", "UIDL*|STAT|LAST|DELE 2|NOOP|RSET|QUIT",
	  LOGGED }
};

/* What of a record is the same each time. */
static const char *const fields[] = {
	"user", "messages", "message_bytes", "retr_count", "retr_bytes",
	"top_count", "top_bytes", "list_count", "list_bytes", "uidl_count",
	"uidl_bytes", "dele_count", "dele_bytes", "expunged_count",
	"secret_id", "uidl_fingerprint", "uidl_fingerprint_left", "bytes_in",
	"bytes_out", "commands", "errors", "end", "tls", "mechanism"
};

struct session {
	const struct actor *actor;
	struct pop3 *pop3;
	/* the commands that are left */
	char **commands;
	unsigned int next;
	GString *transcript;
};

static struct fixture *alone, *reused, *stock;
static char *key_dir;
/* what each of them saw and left behind alone */
static char *transcripts[G_N_ELEMENTS(actors)];
static char *records[G_N_ELEMENTS(actors)];

static gboolean is_2_3(void)
{
	return fixture_dovecot_version() < 20400;
}

/* --- The Dovecot --- */

static char *user_name(const struct actor *actor)
{
	return g_strdup_printf("%s@%s", actor->user, actor->storage);
}

static void write_key(const char *name)
{
	g_autofree char *path = g_build_filename(key_dir, name, NULL);
	g_autofree char *key = g_strdup_printf("the secret key %s", name);

	g_assert_true(g_file_set_contents(path, key, -1, NULL));
	g_assert_cmpint(chmod(path, 0644), ==, 0);
}

static void add_users(struct fixture *f)
{
	g_autofree char *path = g_build_filename(key_dir, "users", NULL);
	g_autoptr(GString) users = g_string_new(NULL);

	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++) {
		g_autofree char *user = user_name(&actors[i]);
		g_autoptr(GString) s = g_string_new(actors[i].fields);
		gid_t gid;
		uid_t uid = fixture_user_uid(f, user, &gid);

		/* userdb wants a % doubled, and so does plugin {} */
		g_string_replace(s, "%", is_2_3() ? "%%%%" : "%%", 0);
		g_string_replace(s, "@", key_dir, 0);
		g_string_append_printf(users, "%s::%u:%u::::%s\n", user, uid,
				       gid, s->str);
		fixture_user_add(f, user);
	}
	/* before anybody has been looked up in it */
	g_assert_true(g_file_set_contents(path, users->str, users->len, NULL));
	g_assert_cmpint(chmod(path, 0644), ==, 0);
}

static void deliver(struct fixture *f, const struct actor *actor)
{
	g_autofree char *user = user_name(actor);

	for (unsigned int msn = 1; msn <= 3; msn++) {
		g_autofree char *mail = g_strdup_printf(
			"Message-ID: <%u@%s>\nX-UIDL: of-%s-%u\n\n"
			"Mail %u of %s.\n.\n", msn, user, actor->user, msn,
			msn, user);

		fixture_deliver(f, user, mail, strlen(mail));
	}
}

static char *read_example(void)
{
	g_autofree char *path = g_strconcat(POPINJAY_SRCDIR,
		is_2_3() ? "/doc/large-site-2.3.conf.ext" :
		"/doc/large-site-2.4.conf.ext", NULL);
	char *text;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

static struct fixture *start(const char *config, gboolean is_stock)
{
	g_autofree char *path = g_build_filename(key_dir, "users", NULL);
	g_autofree char *head = g_strdup_printf(is_2_3() ?
		"userdb {\n  driver = passwd-file\n  args = %s\n}\n" :
		"userdb actors {\n  driver = passwd-file\n"
		"  passwd_file_path = %s\n}\n", path);
	struct fixture_options options = {
		.config_head = head, .config = config, .stock = is_stock
	};
	struct fixture *f = fixture_new(&options);

	fixture_log_allow(f, "pop3\\(refused@maildir\\).*: Error: popinjay: "
			  ".*popinjay_uidl_key_file");
	return f;
}

/* A Dovecot as it is by default. */
static void start_alone(void)
{
	g_autofree char *path = NULL;

	key_dir = g_dir_make_tmp("popinjay-reused-XXXXXX", NULL);
	g_assert_nonnull(key_dir);
	g_assert_cmpint(chmod(key_dir, 0755), ==, 0);
	write_key("one");
	write_key("two");
	path = g_build_filename(key_dir, "users", NULL);
	g_assert_true(g_file_set_contents(path, "", 0, NULL));

	alone = start(NULL, FALSE);
	add_users(alone);
	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++)
		deliver(alone, &actors[i]);
}

/* The same users on one with the example, but with one process, which a test
   can look into. */
static struct fixture *start_reused(gboolean is_stock)
{
	g_autofree char *example = read_example();
	g_autofree char *config = g_strconcat(example, "\nservice pop3 {\n"
		"  process_min_avail = 0\n  process_limit = 1\n}\n", NULL);
	struct fixture *f = start(config, is_stock);

	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++) {
		g_autofree char *user = user_name(&actors[i]);

		fixture_user_add(f, user);
		fixture_user_copy(alone, user, f, user);
	}
	return f;
}

/* --- Sessions --- */

static struct session *
session_begin(struct fixture *f, const struct actor *actor)
{
	struct session *session = g_new0(struct session, 1);
	g_autofree char *user = user_name(actor);

	session->actor = actor;
	session->transcript = g_string_new(NULL);
	session->commands = g_strsplit(actor->commands, "|", -1);
	session->pop3 = pop3_connect(f, POP3_CLEAR);
	pop3_send(session->pop3, "USER %s", user);
	pop3_expect(session->pop3, "+OK\r\n");
	pop3_send(session->pop3, "PASS %s", FIXTURE_PASSWORD);
	if (actor->kind == REFUSED) {
		pop3_expect(session->pop3, "-ERR [SYS/PERM] ");
		g_string_free(pop3_read_line(session->pop3, NULL), TRUE);
	} else {
		pop3_expect(session->pop3, "+OK Logged in.\r\n");
	}
	return session;
}

static const char *session_command(const struct session *session)
{
	return session->commands[session->next];
}

static void session_send(struct session *session)
{
	const char *command = session_command(session);

	pop3_send(session->pop3, "%.*s", (int)strcspn(command, "*"), command);
}

static void session_receive(struct session *session)
{
	gboolean multiline = g_str_has_suffix(session_command(session), "*");
	g_autoptr(GString) reply = multiline ? pop3_multiline(session->pop3) :
		pop3_read_line(session->pop3, NULL);

	g_assert_nonnull(reply);
	g_string_append_printf(session->transcript, "%s\n%s",
			       session_command(session), reply->str);
	session->next++;
}

static gboolean session_is_done(const struct session *session)
{
	return session_command(session) == NULL ||
		session->actor->kind == REFUSED;
}

/* Returns what the client saw. */
static char *session_end(struct session *session)
{
	char *transcript = g_string_free(session->transcript, FALSE);

	pop3_expect_eof(session->pop3);
	pop3_close(session->pop3);
	g_strfreev(session->commands);
	g_free(session);
	return transcript;
}

static char *summary(JsonObject *record)
{
	g_autoptr(GString) s = g_string_new(NULL);

	for (unsigned int i = 0; i < G_N_ELEMENTS(fields); i++) {
		JsonNode *node = json_object_get_member(record, fields[i]);
		g_autofree char *value =
			node == NULL ? NULL : json_to_string(node, FALSE);

		g_string_append_printf(s, "%s=%s ", fields[i],
				       value == NULL ? "" : value);
	}
	return g_string_free(g_steal_pointer(&s), FALSE);
}

/* Each of them alone, in processes that serve one session. */
static void test_alone(void)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++) {
		g_autofree char *user = user_name(&actors[i]);
		gsize since = fixture_log_size(alone);
		struct session *session = session_begin(alone,
								&actors[i]);

		while (!session_is_done(session)) {
			session_send(session);
			session_receive(session);
		}
		transcripts[i] = session_end(session);
		if (actors[i].kind != UNLOGGED) {
			JsonObject *record = fixture_record(alone, since, user);

			records[i] = summary(record);
			json_object_unref(record);
		}
	}
	/* else the comparison below would say little */
	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++) {
		for (unsigned int j = 0; j < i; j++) {
			g_assert_cmpstr(transcripts[i], !=, transcripts[j]);
			g_assert_true(records[i] == NULL ||
				!g_str_equal(records[i], records[j] == NULL ?
					     "" : records[j]));
		}
	}
	g_assert_nonnull(strstr(transcripts[4], "DELE 1\n-ERR [SYS/PERM] "));
	g_assert_null(strstr(transcripts[5], "SASL"));
	g_assert_nonnull(strstr(transcripts[6], "IMPLEMENTATION Popinjay-"));
	g_assert_nonnull(strstr(transcripts[7], "of-xuidl-2"));

	reused = start_reused(FALSE);
	stock = start_reused(TRUE);
}

/* Check the records after the mark against those of test_alone(). */
static void check_records(gsize since, unsigned int sessions)
{
	unsigned int logged = 0, counts[G_N_ELEMENTS(actors)] = { 0 };
	g_autofree char *log = NULL;
	g_auto(GStrv) lines = NULL;
	gint64 end = g_get_monotonic_time() +
		(gint64)fixture_timeout_secs() * G_USEC_PER_SEC;

	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++)
		logged += actors[i].kind == UNLOGGED ? 0 : sessions;
	while (fixture_log_count(reused, since, "session_finished") <
	       logged && g_get_monotonic_time() < end)
		g_usleep(10 * 1000);
	log = fixture_log(reused, since);
	lines = g_strsplit(log, "\n", -1);
	for (char **line = lines; *line != NULL; line++) {
		const char *json = strstr(*line, "{\"event\":\"popinjay_s");
		g_autofree char *got = NULL;
		JsonObject *record;
		unsigned int i;

		if (json == NULL)
			continue;
		record = fixture_record_parse(json);
		got = summary(record);
		for (i = 0; i < G_N_ELEMENTS(actors); i++) {
			g_autofree char *user = user_name(&actors[i]);

			if (g_str_equal(json_object_get_string_member(record,
							"user"), user))
				break;
		}
		g_assert_cmpuint(i, <, G_N_ELEMENTS(actors));
		g_assert_cmpstr(got, ==, records[i]);
		counts[i]++;
		json_object_unref(record);
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++) {
		g_assert_cmpuint(counts[i], ==,
				 actors[i].kind == UNLOGGED ? 0 : sessions);
	}
}

/* The one process that all logins after the mark came to. */
static pid_t the_process(struct fixture *f, gsize since)
{
	g_autofree char *first = user_name(&actors[0]);
	pid_t pid = fixture_session_pid(f, since, first);
	g_autofree char *others = g_strdup_printf(
		"pop3-login: .*: user=<.* mpid=(?!%d\\b)", (int)pid);

	g_assert_cmpuint(fixture_log_count(f, since, others), ==, 0);
	return pid;
}

/* Dovecot has nothing to say of the example, such as that a client_limit is too
   low. */
static void test_example(void)
{
	g_autofree char *path = g_build_filename(key_dir, "example", NULL);
	const char *const argv[] = { "doveconf", "-n", "-c", path, NULL };
	g_autofree char *before = NULL, *example = read_example();
	g_autofree char *config = NULL;
	GString *out = NULL, *err = NULL;

	g_assert_true(g_file_get_contents(alone->config_file, &before, NULL,
					  NULL));
	config = g_strconcat(before, example, NULL);
	g_assert_true(g_file_set_contents(path, config, -1, NULL));
	g_assert_cmpint(fixture_run(alone, argv, NULL, &out, &err), ==, 0);
	g_assert_cmpstr(err->str, ==, "");
	g_string_free(out, TRUE);
	g_string_free(err, TRUE);
}

/* All of them some times, in any order, with one command of each at a time. */
static void test_interleaved(void)
{
	unsigned int left[G_N_ELEMENTS(actors)], i, sessions = 0;
	struct session *running[CONCURRENT] = { NULL };
	unsigned int todo = ROUNDS * G_N_ELEMENTS(actors);
	gsize since;

	since = fixture_log_size(reused);
	for (i = 0; i < G_N_ELEMENTS(actors); i++)
		left[i] = ROUNDS;
	while (todo > 0 || sessions > 0) {
		unsigned int slot = g_test_rand_int_range(0, CONCURRENT);
		unsigned int other = g_test_rand_int_range(0, CONCURRENT);
		struct session *session = running[slot];

		if (session == NULL) {
			if (todo == 0)
				continue;
			do
				i = g_test_rand_int_range(0,
						G_N_ELEMENTS(actors));
			while (left[i] == 0);
			left[i]--;
			todo--;
			sessions++;
			running[slot] = session_begin(reused, &actors[i]);
			continue;
		}
		if (!session_is_done(session)) {
			/* two commands on their way, answered in any order */
			gboolean both = other != slot &&
				running[other] != NULL &&
				!session_is_done(running[other]);

			session_send(session);
			if (both) {
				session_send(running[other]);
				session_receive(running[other]);
			}
			session_receive(session);
		} else {
			g_autofree char *got = NULL;

			i = session->actor - actors;
			got = session_end(session);
			g_assert_cmpstr(got, ==, transcripts[i]);
			running[slot] = NULL;
			sessions--;
		}
	}
	check_records(since, ROUNDS);
	(void)the_process(reused, since);
}

/* --- Memory --- */

static unsigned int anonymous_kib(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *text = NULL;
	unsigned int kib;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "\nRssAnon:"));
	g_assert_cmpint(sscanf(strstr(text, "\nRssAnon:"), "\nRssAnon: %u",
			       &kib), ==, 1);
	return kib;
}

static void run_sessions(struct fixture *f, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct actor *actor = &actors[i % G_N_ELEMENTS(actors)];
		struct session *session;

		if (actor->kind == REFUSED && f->stock)
			continue;
		session = session_begin(f, actor);
		while (!session_is_done(session)) {
			session_send(session);
			session_receive(session);
		}
		g_free(session_end(session));
	}
}

/* How much the process grows in all batches, and at least in one of them. */
static int growth_kib(struct fixture *f, int *least_r)
{
	gsize since = fixture_log_size(f);
	int kib[1 + BATCHES];
	pid_t pid;

	*least_r = INT_MAX;
	run_sessions(f, WARM_UP_SESSIONS);
	pid = the_process(f, since);
	for (unsigned int i = 0; i <= BATCHES; i++) {
		kib[i] = (int)anonymous_kib(pid);
		g_test_message("%s: %d KiB", f->stock ? "stock" : "popinjay",
			       kib[i]);
		if (i > 0)
			*least_r = MIN(*least_r, kib[i] - kib[i - 1]);
		if (i < BATCHES)
			run_sessions(f, BATCH_SESSIONS);
	}
	g_assert_cmpint(the_process(f, since), ==, pid);
	return kib[BATCHES] - kib[0];
}

/* A process that keeps something of each session grows in each batch; one that
   does not may grow sometimes, as the ends of two sessions meet. Dovecot 2.4.1
   itself keeps more than a kilobyte of each. */
static void test_memory(void)
{
	int least, stock_least;
	int growth = growth_kib(reused, &least);
	int stock_growth = growth_kib(stock, &stock_least);

	g_test_message("%d KiB, stock %d", growth, stock_growth);
	if (least >= BATCH_GROWTH_KIB)
		g_assert_cmpint(growth, <, stock_growth + GROWTH_LIMIT_KIB);
}

/* The logs of all the tests before must be without errors. */
static void test_stop(void)
{
	const char *const argv[] = { "rm", "-rf", "--", key_dir, NULL };

	if (alone == NULL)
		return;
	fixture_stop_begin(alone);
	if (stock != NULL)
		fixture_stop_begin(stock);
	g_clear_pointer(&reused, fixture_free);
	g_clear_pointer(&stock, fixture_free);
	g_clear_pointer(&alone, fixture_free);
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
				   G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
				   NULL, NULL));
	for (unsigned int i = 0; i < G_N_ELEMENTS(actors); i++) {
		g_free(transcripts[i]);
		g_free(records[i]);
	}
	g_free(key_dir);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/reused/example", test_example);
	/* this is what the next is compared with */
	g_test_add_func("/reused/alone", test_alone);
	/* before a process has memory of many sessions at a time, which would
	   hide that it loses some */
	g_test_add_func("/reused/memory", test_memory);
	g_test_add_func("/reused/interleaved", test_interleaved);
	g_test_add_func("/stop/reused", test_stop);
	start_alone();
	ret = g_test_run();
	test_stop();
	return ret;
}
