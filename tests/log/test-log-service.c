/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log: no record is lost and none is written twice,
   whatever happens to its file, to itself, or to who sends; and nobody else can
   send. */

#include "pop3.h"
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAIL "Message-ID: <m@example.com>\r\n\r\nText.\r\n"
#define MARKED "+OK Marked to be deleted."
#define RECORD_IN_LOG "popinjay-log: Info: \\{\"event\":|" \
	"pop3.*: Info: \\{\"event\":"

static struct fixture *f;
static char *log_path;

/* Start anew, with the collector and nothing in its file. */
static void begin(void)
{
	g_autofree char *config = NULL;

	if (f == NULL) {
		f = fixture_new(NULL);
		log_path = g_build_filename(f->dir, "access.log", NULL);
		config = collector_config(f, log_path);
		fixture_reload(f, config);
	}
	if (truncate(log_path, 0) < 0)
		g_assert_cmpint(errno, ==, ENOENT);
}

static char *user_with_mail(unsigned int count)
{
	char *user = fixture_user(f, "maildir");

	for (unsigned int i = 0; i < count; i++)
		fixture_deliver(f, user, MAIL, strlen(MAIL));
	return user;
}

/* Wait until the collector runs, which Dovecot may have put off after it was
   killed in its first moments. Its file is empty then. Returns its pid. */
static pid_t collector_wait(void)
{
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;
	g_autofree char *user = fixture_user(f, "maildir");
	struct stat st;

	do {
		pop3_quit(pop3_session(f, POP3_CLEAR, user), "Logging out.");
		/* longer than a session waits for the collector */
		for (unsigned int i = 0; i < 10; i++) {
			g_usleep(100 * 1000);
			if (stat(log_path, &st) == 0 && st.st_size > 0) {
				g_assert_cmpint(truncate(log_path, 0), ==, 0);
				return collector_pid(f);
			}
		}
	} while (g_get_monotonic_time() < end);
	g_error("the collector does not run");
}

/* A session with three records. */
static void run_session(const char *user)
{
	struct pop3 *pop3 = pop3_session(f, POP3_CLEAR, user);

	pop3_check(pop3, "DELE 1", MARKED);
	pop3_quit(pop3, "Logging out, messages deleted.");
}

static void test_file(void)
{
	g_autoptr(GPtrArray) records = NULL;
	g_autofree char *user = NULL;
	struct stat st;
	gsize since;

	begin();
	user = user_with_mail(1);
	since = fixture_log_size(f);
	run_session(user);
	records = records_in_file(log_path, 3);
	g_assert_cmpuint(records_check_sessions(records), ==, 1);
	record_expect_str(record_at(records, 0, "message"), "action", "dele");
	record_expect_str(record_at(records, 1, "message"), "action",
			  "expunge");
	record_expect_str(record_at(records, 2, "session"), "user", user);
	g_assert_cmpint(stat(log_path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	g_assert_cmpuint(fixture_log_count(f, since, RECORD_IN_LOG), ==, 0);
}

/* --- load --- */

/* Sessions at once, as root of four uids; as many records as there should
   be. */
static unsigned int run_clients(unsigned int count)
{
	static const char *const names[] = { "alice", "bob", "carol", "dave" };
	g_autofree struct pop3 **clients = g_new(struct pop3 *, count);
	static gboolean made;

	for (gsize i = 0; i < G_N_ELEMENTS(names) && !made; i++) {
		fixture_user_add(f, names[i]);
		for (unsigned int j = 0; j < 3; j++)
			fixture_deliver(f, names[i], MAIL, strlen(MAIL));
	}
	made = TRUE;
	for (unsigned int i = 0; i < count; i++) {
		clients[i] = pop3_session(f, POP3_CLEAR,
					  names[i % G_N_ELEMENTS(names)]);
	}
	for (unsigned int i = 0; i < count; i++)
		pop3_send(clients[i], "RETR 1\r\nRETR 2\r\nTOP 3 0\r\nQUIT");
	for (unsigned int i = 0; i < count; i++) {
		g_string_free(pop3_read_to_eof(clients[i], NULL), TRUE);
		pop3_close(clients[i]);
	}
	return count * 4;
}

static void test_many_uids(void)
{
	g_autoptr(GPtrArray) records = NULL;
	unsigned int count;

	begin();
	count = run_clients(100);
	records = records_in_file(log_path, count);
	g_assert_cmpuint(records_check_sessions(records), ==, 100);
}

static void test_many_messages(void)
{
	/* to delete them all takes a disk much longer */
	const unsigned int count = 10000, deleted = 500;
	g_autofree char *user = NULL;
	g_autoptr(GPtrArray) records = NULL;
	struct pop3 *pop3;
	g_autofree guint8 *seen = g_malloc0(count + 1);
	g_autoptr(GString) commands = g_string_new(NULL);
	GPtrArray *mails = g_ptr_array_new_with_free_func(
		(GDestroyNotify)g_bytes_unref);
	gsize since;

	begin();
	user = fixture_user(f, "maildir");
	for (unsigned int i = 1; i <= count; i++) {
		char *text = g_strdup_printf("Message-ID: <%u>\r\n\r\nx\r\n",
					     i);

		g_ptr_array_add(mails, g_bytes_new_take(text, strlen(text)));
		g_string_append_printf(commands, "RETR %u\r\n", i);
		if (i <= deleted)
			g_string_append_printf(commands, "DELE %u\r\n", i);
	}
	fixture_deliver_all(f, user, (GBytes *const *)mails->pdata, count);
	g_ptr_array_unref(mails);
	since = fixture_log_size(f);
	pop3 = pop3_session(f, POP3_CLEAR, user);
	g_assert_true(pop3_send_bytes(pop3, commands->str, commands->len,
				      NULL));
	/* each reply may take its time */
	for (unsigned int i = 1; i <= count; i++) {
		g_string_free(pop3_multiline(pop3), TRUE);
		if (i <= deleted)
			pop3_expect(pop3, MARKED "\r\n");
	}
	pop3_quit(pop3, "Logging out, messages deleted.");

	/* RETR, DELE and its removal, each once for each message */
	records = records_in_file(log_path, count + 2 * deleted + 1);
	g_assert_cmpuint(records_check_sessions(records), ==, 1);
	for (unsigned int i = 0; i < count + 2 * deleted; i++) {
		JsonObject *record = record_at(records, i, "message");
		const char *action =
			json_object_get_string_member(record, "action");
		gint64 msn = json_object_get_int_member(record, "msn");
		g_autofree char *id = g_strdup_printf("<%d>", (int)msn);
		guint8 bit = g_str_equal(action, "retr") ? 1 :
			g_str_equal(action, "dele") ? 2 : 4;

		g_assert_cmpint(seen[msn] & bit, ==, 0);
		seen[msn] |= bit;
		record_expect_str(record, "message_id", id);
	}
	for (unsigned int i = 1; i <= count; i++)
		g_assert_cmpint(seen[i], ==, i <= deleted ? 7 : 1);
	g_assert_cmpuint(fixture_log_count(f, since, RECORD_IN_LOG), ==, 0);
}

/* --- rotation --- */

struct rotation {
	gboolean stop;
	unsigned int count;
};

static gpointer rotate(gpointer data)
{
	struct rotation *rotation = data;

	while (!g_atomic_int_get(&rotation->stop)) {
		g_autofree char *to = g_strdup_printf("%s.%u", log_path,
						      rotation->count + 1);

		g_usleep(200 * 1000);
		if (rename(log_path, to) == 0) {
			rotation->count++;
			/* also by the signal, which is not needed */
			if (rotation->count % 2 == 0 && collector_pid(f) > 0)
				kill(collector_pid(f), SIGUSR1);
		}
	}
	return NULL;
}

static void test_rotation(void)
{
	struct rotation rotation = { FALSE, 0 };
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GPtrArray) records = NULL;
	GThread *thread;
	unsigned int count = 0, sessions = 0;

	begin();
	thread = g_thread_new("rotate", rotate, &rotation);
	for (; sessions < 80 || g_atomic_int_get(&rotation.count) < 3;
	     sessions += 20)
		count += run_clients(20);
	/* a last session whose records are known to be the last */
	count += run_clients(1);
	sessions++;
	g_usleep(300 * 1000);
	g_atomic_int_set(&rotation.stop, TRUE);
	g_thread_join(thread);
	for (unsigned int i = 1; i <= rotation.count + 1; i++) {
		g_autofree char *path = i > rotation.count ?
			g_strdup(log_path) :
			g_strdup_printf("%s.%u", log_path, i);
		g_autofree char *part = NULL;

		if (g_file_get_contents(path, &part, NULL, NULL)) {
			g_assert_true(*part == '\0' ||
				      g_str_has_suffix(part, "\n"));
			g_string_append(text, part);
			(void)unlink(path);
		}
	}
	records = records_parse(text->str, NULL);
	g_assert_cmpuint(records->len, ==, count);
	g_assert_cmpuint(records_check_sessions(records), ==, sessions);
	g_test_message("%u rotations, %u records", rotation.count, count);
}

/* --- the collector dies --- */

/* What a mail process says once when the records go to Dovecot's log. */
#define SERVICE_ERROR \
	"pop3.*: Error: popinjay_access_log=service: %s - its records go " \
	"to this log$"

static void expect_service_error(const char *why)
{
	g_autofree char *regex = g_strdup_printf(SERVICE_ERROR, why);

	fixture_log_allow(f, regex);
}

static void check_service_error(gsize since)
{
	g_autofree char *regex = g_strdup_printf(SERVICE_ERROR, ".*");

	g_free(fixture_log_wait(f, since, regex));
	g_assert_cmpuint(fixture_log_count(f, since, regex), ==, 1);
}

static gpointer kill_collector(gpointer data)
{
	struct rotation *rotation = data;

	while (!g_atomic_int_get(&rotation->stop)) {
		pid_t pid = collector_pid(f);

		if (pid > 0 && kill(pid, rotation->count % 2 == 0 ? SIGKILL :
				    SIGTERM) == 0)
			rotation->count++;
		g_usleep(150 * 1000);
	}
	return NULL;
}

static void test_killed(void)
{
	struct rotation killing = { FALSE, 0 };
	unsigned int count = 0, sessions = 0;
	GThread *thread;
	gsize since;

	begin();
	fixture_log_allow(f, "service\\(popinjay-log\\): child .* killed with "
			  "signal|service\\(popinjay-log\\): command startup "
			  "failed, throttling");
	expect_service_error(".*");
	since = fixture_log_size(f);
	thread = g_thread_new("kill", kill_collector, &killing);
	for (; sessions < 100 || g_atomic_int_get(&killing.count) < 5;
	     sessions += 20)
		count += run_clients(20);
	g_atomic_int_set(&killing.stop, TRUE);
	g_thread_join(thread);
	records_check_nothing_lost_killed(f, log_path, since, count, sessions);
	g_test_message("killed %u times", killing.count);
}

/* A collector that hangs keeps nobody waiting, and what is taken back from it
   it does not write later. */
static void test_hanging(void)
{
	g_autofree char *user = NULL;
	gint64 started;
	gsize since;
	pid_t pid;

	begin();
	user = user_with_mail(1);
	pid = collector_wait();
	g_assert_cmpint(pid, >, 0);
	g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
	expect_service_error("it does not answer");
	since = fixture_log_size(f);
	started = g_get_monotonic_time();
	run_session(user);
	g_assert_cmpint(g_get_monotonic_time() - started, <,
			G_USEC_PER_SEC / 2);
	g_free(fixture_log_wait(f, since,
				": Info: \\{.*popinjay_session_finished"));
	check_service_error(since);
	g_assert_cmpint(kill(pid, SIGCONT), ==, 0);
	records_check_nothing_lost(f, log_path, since, 3, 1);
	g_usleep(200 * 1000);
	records_check_nothing_lost(f, log_path, since, 3, 1);
}

/* Wait until the process waits for a lock on a file. */
static void wait_until_locked_out(pid_t pid)
{
	g_autofree char *pattern =
		g_strdup_printf("-> FLOCK +ADVISORY +WRITE %d ", pid);
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;
	g_autofree char *locks = NULL;

	do {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		g_usleep(10 * 1000);
		g_free(g_steal_pointer(&locks));
		g_assert_true(g_file_get_contents("/proc/locks", &locks, NULL,
						  NULL));
	} while (!g_regex_match_simple(pattern, locks, 0, 0));
}

/* Dovecot ends it while it waits for the lock: it writes first. */
static void test_ended(void)
{
	g_autofree char *user = NULL;
	pid_t pid;
	int fd;

	begin();
	user = user_with_mail(1);
	pid = collector_wait();
	fd = open(log_path, O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
	run_session(user);
	wait_until_locked_out(pid);
	g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
	g_usleep(50 * 1000);
	wait_until_locked_out(pid);
	close(fd);
	g_ptr_array_unref(records_in_file(log_path, 3));
}

/* --- forgery --- */

static const char forged[] = "VERSION\tpopinjay-log\t1\t0\n"
	"L\t1\t{\"event\":\"popinjay_session_finished\",\"user\":\"forged\"}\n";

static gboolean send_forged(const char *socket_path, gboolean orphan)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char reply[64];
	int fd;

	if (orphan) {
		/* the child of nobody here */
		if (fork() != 0)
			_exit(0);
		g_usleep(50 * 1000);
	}
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	g_strlcpy(addr.sun_path, socket_path, sizeof(addr.sun_path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return FALSE;
	/* the collector may have closed it already */
	return send(fd, forged, sizeof(forged) - 1, MSG_NOSIGNAL) < 0 ||
		read(fd, reply, sizeof(reply)) <= 0;
}

static void test_forged(void)
{
	g_autofree char *socket_path = g_build_filename(f->dir, "run",
							"popinjay-log", NULL);
	g_autofree char *user = NULL, *text = NULL;
	gid_t gid;
	uid_t uid;

	begin();
	user = user_with_mail(1);
	uid = fixture_user_uid(f, user, &gid);
	fixture_log_allow(f, "popinjay-log: Error: Refused records of process "
			  "[0-9]+ of uid [0-9]+: It is not a process of this "
			  "Dovecot");
	/* the mail user himself, in a shell; and a process that has lost its
	   parent */
	for (unsigned int i = 0; i < 2; i++) {
		gsize since = fixture_log_size(f);
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			if (geteuid() == 0 &&
			    (setgid(gid) < 0 || setuid(uid) < 0))
				_exit(2);
			_exit(send_forged(socket_path, i == 1) ? 0 : 1);
		}
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
		g_assert_cmpint(status, ==, 0);
		if (i == 0) {
			g_free(fixture_log_wait(f, since, "Refused records of "
						"process"));
		}
	}
	g_usleep(200 * 1000);
	run_session(user);
	g_ptr_array_unref(records_in_file(log_path, 3));
	g_assert_true(g_file_get_contents(log_path, &text, NULL, NULL));
	g_assert_null(strstr(text, "forged"));
}

/* --- no collector --- */

/* Returns where the sink's socket was. */
static char *begin_away(void)
{
	g_autofree char *config = NULL, *socket_path = NULL;

	begin();
	config = g_strdup_printf("%spopinjay_access_log = service\n"
				 "popinjay_access_log_events = session message"
				 "\n%s",
				 fixture_is_2_3() ? "plugin {\n" : "",
				 fixture_is_2_3() ? "}\n" : "");
	fixture_stop(f);
	fixture_start(f);
	fixture_reload(f, config);
	socket_path = g_build_filename(f->dir, "run", "popinjay-log", NULL);
	(void)unlink(socket_path);
	return g_steal_pointer(&socket_path);
}

static void test_away(void)
{
	g_autofree char *user = NULL, *socket_path = NULL;
	g_autoptr(GPtrArray) records = NULL;
	gsize since;

	socket_path = begin_away();
	user = user_with_mail(1);
	expect_service_error("connect\\(.*/popinjay-log\\) failed: No such "
			     "file or directory");
	since = fixture_log_size(f);
	run_session(user);
	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 3);
	check_service_error(since);
}

struct refuser {
	int fd;
	unsigned int count;
};

/* It ends connections when it has got something, as the collector does with
   those it takes for none of Dovecot's. */
static gpointer refuse(gpointer data)
{
	struct refuser *refuser = data;
	char buf[64];
	int fd;

	while ((fd = accept(refuser->fd, NULL, NULL)) != -1) {
		refuser->count++;
		(void)!read(fd, buf, sizeof(buf));
		close(fd);
	}
	return NULL;
}

static void test_refused(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct refuser refuser = { socket(AF_UNIX, SOCK_STREAM, 0), 0 };
	g_autofree char *user = NULL, *socket_path = NULL;
	g_autoptr(GPtrArray) records = NULL;
	GThread *thread;
	gsize since;

	socket_path = begin_away();
	user = user_with_mail(1);
	g_strlcpy(addr.sun_path, socket_path, sizeof(addr.sun_path));
	g_assert_cmpint(bind(refuser.fd, (struct sockaddr *)&addr,
			     sizeof(addr)), ==, 0);
	g_assert_cmpint(chmod(socket_path, 0666), ==, 0);
	g_assert_cmpint(listen(refuser.fd, 10), ==, 0);
	thread = g_thread_new("refuse", refuse, &refuser);
	expect_service_error("it closes connections without answering");
	since = fixture_log_size(f);
	run_session(user);
	records = records_of_session(f, since, user);
	g_assert_cmpuint(records->len, ==, 3);
	check_service_error(since);
	(void)shutdown(refuser.fd, SHUT_RDWR);
	g_thread_join(thread);
	close(refuser.fd);
	/* it is asked once more, as it might be a new one, and again after a
	   second */
	g_assert_cmpuint(refuser.count, >=, 2);
	g_assert_cmpuint(refuser.count, <, 20);
}

int main(int argc, char *argv[])
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/service/file", test_file);
	g_test_add_func("/service/many-uids", test_many_uids);
	g_test_add_func("/service/many-messages", test_many_messages);
	g_test_add_func("/service/rotation", test_rotation);
	g_test_add_func("/service/killed", test_killed);
	g_test_add_func("/service/hanging", test_hanging);
	g_test_add_func("/service/ended", test_ended);
	g_test_add_func("/service/forged", test_forged);
	g_test_add_func("/service/away", test_away);
	g_test_add_func("/service/refused", test_refused);
	ret = g_test_run();
	g_clear_pointer(&f, fixture_free);
	g_free(log_path);
	return ret;
}
