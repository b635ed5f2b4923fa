/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* App secrets when the store fails, comes back, or does not answer. */

#include "secrets/secrets.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_ERRORS "dict|popinjay|sqlite|store|redis|pgsql"
#define ALL_MECHS "plain,apop,cram-md5,scram-sha-1,scram-sha-256"

static const char *const mechs[] = {
	"PLAIN", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"
};

#define assert_accepted(s, security, mech, user, text) G_STMT_START { \
	g_autofree char *login_reply = \
		secrets_login(s, security, mech, user, text, NULL); \
	g_assert_cmpstr(login_reply, ==, "+OK Logged in."); \
} G_STMT_END

/* The dict of newer Dovecots waits half a minute for a PostgreSQL that is down,
   and our passdb for the dict as long as it has to. */
static gboolean failure_is_slow(const struct secrets *s)
{
	return s->store == SECRETS_PGSQL && fixture_dovecot_version() > 20319;
}

/* The PostgreSQL driver of Dovecot 2.3 uses a connection that it does not have
   when the dict process waits for look-ups while the server is away
   (driver_pgsql_wait()). The process dies, and clients get [SYS/TEMP] as they
   do anyway while the server is away. No other store may do that. */
static void check_dict_lives(struct secrets *s)
{
	unsigned int deaths = fixture_log_count(s->f, 0,
		"service\\(dict\\).*killed with signal");

	if (deaths > 0)
		g_test_message("the dict process died %u times", deaths);
	g_assert_true(deaths == 0 ||
		      (s->store == SECRETS_PGSQL && fixture_is_2_3()));
}

/* Dovecot does not connect anew for each login. */
static void wait_accepted(struct secrets *s, const char *user, const char *text)
{
	gint64 end = g_get_monotonic_time() +
		fixture_timeout_secs() * G_USEC_PER_SEC;

	for (;;) {
		g_autofree char *reply = secrets_login(s, POP3_TLS, "PLAIN",
						       user, text, NULL);

		if (strcmp(reply, "+OK Logged in.") == 0)
			break;
		g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		g_usleep(100 * 1000);
	}
}

static void test_store_stopped(gconstpointer data)
{
	const struct secrets_options options = {
		.store = GPOINTER_TO_INT(data), .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *user = fixture_user(s->f, "maildir");
	g_autofree char *text = secrets_add(s, user, NULL, "-l", "phone", "-m",
					    ALL_MECHS, NULL);

	fixture_log_allow(s->f, STORE_ERRORS);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++)
		assert_accepted(s, POP3_STLS, mechs[i], user, text);
	fixture_stop(s->f);
	secrets_store_stop(s);
	fixture_start(s->f);
	/* PLAIN and SCRAM-SHA-256 are one of each kind */
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs);
	     i += failure_is_slow(s) ? 4 : 1) {
		g_autofree char *reply = secrets_login(s, POP3_STLS, mechs[i],
						       user, text, NULL);

		g_assert_true(g_str_has_prefix(reply, "-ERR [SYS/TEMP] "));
	}
	/* the site's passdb goes on */
	assert_accepted(s, POP3_STLS, "PLAIN", user, FIXTURE_PASSWORD);
	if (!failure_is_slow(s)) {
		g_assert_cmpint(secrets_doveadm(s, "add", user, NULL, NULL,
						"-l", "x", NULL), ==, 75);
	}
	secrets_store_start(s);
	wait_accepted(s, user, text);
	for (unsigned int i = 0; i < G_N_ELEMENTS(mechs); i++)
		assert_accepted(s, POP3_STLS, mechs[i], user, text);
	check_dict_lives(s);
	secrets_free(s);
}

struct clients {
	struct secrets *s;
	const char *user, *text;
	gint stop;
	/* of logins by a secret: since they were last set to 0 */
	gint accepted, failed;
	/* neither of both; and logins by the site's password that failed */
	gint wrong;
};

/* Logs in by a secret until it is told to stop. */
static gpointer secret_thread(gpointer data)
{
	struct clients *c = data;

	for (unsigned int i = 0; !g_atomic_int_get(&c->stop); i++) {
		g_autofree char *reply = secrets_login(c->s, POP3_TLS,
			i % 2 == 0 ? "APOP" : "PLAIN", c->user, c->text, NULL);

		if (strcmp(reply, "+OK Logged in.") == 0)
			g_atomic_int_inc(&c->accepted);
		else if (g_str_has_prefix(reply, "-ERR [SYS/TEMP] "))
			g_atomic_int_inc(&c->failed);
		else {
			g_atomic_int_inc(&c->wrong);
			g_test_message("secret: %s", reply);
		}
	}
	return NULL;
}

/* The same by the password of another passdb, for a user without secrets. */
static gpointer password_thread(gpointer data)
{
	struct clients *c = data;

	while (!g_atomic_int_get(&c->stop)) {
		g_autofree char *reply = secrets_login(c->s, POP3_TLS, "PLAIN",
			"bob", FIXTURE_PASSWORD, NULL);

		if (strcmp(reply, "+OK Logged in.") != 0) {
			g_atomic_int_inc(&c->wrong);
			g_test_message("password: %s", reply);
		}
	}
	return NULL;
}

static void wait_count(gint *count, gint wanted)
{
	gint64 end = g_get_monotonic_time() +
		2 * fixture_timeout_secs() * G_USEC_PER_SEC;

	while (g_atomic_int_get(count) < wanted) {
		if (g_get_monotonic_time() > end)
			g_error("%d of %d logins", *count, wanted);
		g_usleep(10 * 1000);
	}
}

/* A server that goes away and comes back while people log in: a temporary
   failure, never a wrong password, and the other passdb goes on. */
static void test_store_restarted(gconstpointer data)
{
	const struct secrets_options options = {
		.store = GPOINTER_TO_INT(data), .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *text = secrets_add(s, "alice", NULL, "-l", "phone",
					    "-m", ALL_MECHS, NULL);
	struct clients c = { .s = s, .user = "alice", .text = text };
	GThread *threads[5];

	fixture_user_add(s->f, "alice");
	fixture_user_add(s->f, "bob");
	fixture_log_allow(s->f, STORE_ERRORS);
	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++) {
		threads[i] = g_thread_new("client", i < 2 ? password_thread :
					  secret_thread, &c);
	}
	for (unsigned int i = 0; i < (failure_is_slow(s) ? 1 : 2); i++) {
		g_atomic_int_set(&c.accepted, 0);
		wait_count(&c.accepted, 10);
		secrets_store_stop(s);
		/* each may take as long as we wait for a store */
		g_atomic_int_set(&c.failed, 0);
		wait_count(&c.failed, failure_is_slow(s) ? 3 : 10);
		secrets_store_start(s);
	}
	g_atomic_int_set(&c.accepted, 0);
	wait_count(&c.accepted, 10);
	g_atomic_int_set(&c.stop, 1);
	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	g_assert_cmpint(c.wrong, ==, 0);
	check_dict_lives(s);
	secrets_free(s);
}

struct waiting {
	struct secrets *s;
	const char *user, *text;
	gint ended, failed;
};

/* Logs in once, with the store asked. */
static gpointer waiting_thread(gpointer data)
{
	struct waiting *w = data;
	g_autofree char *reply = secrets_login(w->s, POP3_TLS, "PLAIN", w->user,
					       w->text, NULL);

	g_test_message("%s", reply);
	if (g_str_has_prefix(reply, "-ERR [SYS/TEMP] "))
		g_atomic_int_inc(&w->failed);
	g_atomic_int_inc(&w->ended);
	return NULL;
}

/* A store that takes connections and answers none: who waits for it waits at
   the same time as others, and holds up nobody who does not need it. */
static void test_store_hung(void)
{
	/* bob's passdb stands before ours */
	const struct secrets_options options = {
		.store = SECRETS_REDIS, .fast_logins = TRUE,
		.before = fixture_is_2_3() ?
			"passdb {\n  driver = static\n  username_filter = bob\n"
			"  args = password="FIXTURE_PASSWORD"\n}\n" :
			"passdb bob {\n  driver = static\n"
			"  username_filter = bob\n"
			"  passdb_static_password = "FIXTURE_PASSWORD"\n}\n"
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *text = secrets_add(s, "alice", NULL, "-l", "phone",
					    "-m", ALL_MECHS, NULL);
	struct waiting w = { .s = s, .user = "alice", .text = text };
	GThread *threads[20];
	unsigned int bob = 0;
	gint64 start;

	fixture_user_add(s->f, "alice");
	fixture_user_add(s->f, "bob");
	fixture_log_allow(s->f, STORE_ERRORS);
	assert_accepted(s, POP3_TLS, "PLAIN", "alice", text);
	g_assert_cmpint(kill(s->server_pid, SIGSTOP), ==, 0);
	start = g_get_monotonic_time();
	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("waiting", waiting_thread, &w);
	while (g_atomic_int_get(&w.ended) < (gint)G_N_ELEMENTS(threads)) {
		assert_accepted(s, POP3_TLS, "PLAIN", "bob", FIXTURE_PASSWORD);
		bob++;
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	g_assert_cmpint(kill(s->server_pid, SIGCONT), ==, 0);
	g_test_message("%u logins beside them in %.1f s", bob,
		       (g_get_monotonic_time() - start) / 1e6);
	g_assert_cmpint(w.failed, ==, G_N_ELEMENTS(threads));
	/* One after the other they would have taken 100 s, of which no client
	   here waits for more than 20; and bob would have logged in once for
	   each, at most. */
	g_assert_cmpuint(bob, >, 1);
	wait_accepted(s, "alice", text);
	check_dict_lives(s);
	secrets_free(s);
}

/* --- a dict process that hangs --- */

#define STUCK_USERS 3

/* The dict process hangs when it opens the record of that user. */
static char *stuck_path(struct secrets *s, unsigned int i)
{
	g_autofree char *name = g_strdup_printf("stuck%u", i);

	return g_build_filename(s->dir, "store", "popinjay", "secrets", name,
				NULL);
}

static void make_stuck(struct secrets *s)
{
	for (unsigned int i = 0; i < STUCK_USERS; i++) {
		g_autofree char *path = stuck_path(s, i);

		g_assert_cmpint(mkfifo(path, 0666), ==, 0);
		g_assert_cmpint(chmod(path, 0666), ==, 0);
	}
}

/* Let the dict processes go on. */
static void release(struct secrets *s)
{
	for (unsigned int i = 0; i < STUCK_USERS; i++) {
		g_autofree char *path = stuck_path(s, i);
		int fd = open(path, O_RDWR | O_CLOEXEC);

		g_assert_cmpint(fd, >=, 0);
		g_assert_cmpint(unlink(path), ==, 0);
		close(fd);
	}
}

/* One user's record hangs: that is no end of logins for all. */
static void test_dict_hung(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *text = secrets_add(s, "alice", NULL, "-l", "phone",
					    NULL);
	struct waiting stuck[STUCK_USERS];
	g_autofree char *names[STUCK_USERS] = { NULL };
	GThread *thread;
	gsize mark;

	fixture_user_add(s->f, "alice");
	fixture_log_allow(s->f, STORE_ERRORS);
	make_stuck(s);
	for (unsigned int i = 0; i < STUCK_USERS; i++) {
		names[i] = g_strdup_printf("stuck%u", i);
		stuck[i] = (struct waiting) {
			.s = s, .user = names[i], .text = text
		};
	}
	/* twice, as if there were no other login between them */
	(void)waiting_thread(&stuck[0]);
	mark = fixture_log_size(s->f);
	thread = g_thread_new("stuck", waiting_thread, &stuck[1]);
	g_free(fixture_log_wait(s->f, mark, "async.*secrets/stuck1"));
	/* it is being tried again: nobody waits for that */
	while (g_atomic_int_get(&stuck[1].ended) == 0)
		g_free(secrets_login(s, POP3_TLS, "PLAIN", "alice", text,
				     NULL));
	g_thread_join(thread);
	g_assert_cmpuint(fixture_log_count(s->f, mark, "user alice cannot be "
					   "used: .* is being tried again"), >,
			 0);
	/* nobody has killed a dict process */
	wait_accepted(s, "alice", text);
	(void)waiting_thread(&stuck[2]);
	assert_accepted(s, POP3_TLS, "PLAIN", "alice", text);
	for (unsigned int i = 0; i < STUCK_USERS; i++)
		g_assert_cmpint(stuck[i].failed, ==, 1);
	release(s);
	secrets_free(s);
}

/* --- what auth keeps of logins that it could not answer --- */

#define WAVE_COUNT 100

static int auth_pid(struct secrets *s)
{
	g_autoptr(GString) out = NULL;
	const char *p;

	g_assert_cmpint(fixture_doveadm(s->f, NULL, &out, NULL, "-f", "tab",
					"process", "status", "auth", NULL), ==,
			0);
	p = strstr(out->str, "\nauth\t");
	g_assert_nonnull(p);
	return atoi(p + strlen("\nauth\t"));
}

static gint64 auth_kilobytes(struct secrets *s)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status",
						auth_pid(s));
	g_autofree char *status = NULL;
	const char *p;

	g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
	p = strstr(status, "\nVmRSS:");
	g_assert_nonnull(p);
	return g_ascii_strtoll(p + strlen("\nVmRSS:"), NULL, 10);
}

/* Logins that all wait for the same. */
static void send_wave(struct secrets *s)
{
	struct pop3 *clients[WAVE_COUNT];

	for (unsigned int i = 0; i < WAVE_COUNT; i++) {
		clients[i] = pop3_connect(s->f, POP3_CLEAR);
		pop3_send(clients[i], "USER stuck0\r\nPASS x");
	}
	for (unsigned int i = 0; i < WAVE_COUNT; i++) {
		g_autoptr(GString) line = NULL;

		pop3_expect(clients[i], "+OK\r\n");
		line = pop3_read_line(clients[i], NULL);
		g_assert_true(g_str_has_prefix(line->str, "-ERR [SYS/TEMP] "));
		pop3_close(clients[i]);
	}
}

static void test_dict_hung_memory(void)
{
	const struct secrets_options options = {
		.store = SECRETS_FS, .fast_logins = TRUE
	};
	struct secrets *s = secrets_new_with(&options);
	g_autofree char *text = secrets_add(s, "alice", NULL, "-l", "phone",
					    NULL);
	gint64 before = 0, after = 0;

	fixture_user_add(s->f, "alice");
	fixture_log_allow(s->f, STORE_ERRORS);
	make_stuck(s);
	for (unsigned int i = 0; i < 4; i++) {
		send_wave(s);
		wait_accepted(s, "alice", text);
		after = auth_kilobytes(s);
		g_test_message("%" G_GINT64_FORMAT " kB", after);
		if (i == 0)
			before = after;
	}
	/* each of 300 would leave 3 kB or more */
	g_assert_cmpint(after - before, <, 400);
	release(s);
	secrets_free(s);
}

int main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/store/stopped/sqlite",
			     GINT_TO_POINTER(SECRETS_SQLITE),
			     test_store_stopped);
	g_test_add_data_func("/store/stopped/fs", GINT_TO_POINTER(SECRETS_FS),
			     test_store_stopped);
	g_test_add_data_func("/store/stopped/redis",
			     GINT_TO_POINTER(SECRETS_REDIS),
			     test_store_stopped);
	g_test_add_data_func("/store/stopped/pgsql",
			     GINT_TO_POINTER(SECRETS_PGSQL),
			     test_store_stopped);
	g_test_add_data_func("/store/restarted/redis",
			     GINT_TO_POINTER(SECRETS_REDIS),
			     test_store_restarted);
	g_test_add_data_func("/store/restarted/pgsql",
			     GINT_TO_POINTER(SECRETS_PGSQL),
			     test_store_restarted);
	g_test_add_func("/store/hung", test_store_hung);
	g_test_add_func("/store/hung/dict", test_dict_hung);
	g_test_add_func("/store/hung/memory", test_dict_hung_memory);
	return g_test_run();
}
