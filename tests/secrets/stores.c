/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stores of app secrets that tests run on: SQLite, files, and private
   servers of Redis and PostgreSQL on 127.0.0.1. */

#define _GNU_SOURCE
#include "secrets.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *path_of(const struct secrets *s, const char *name)
{
	return g_build_filename(s->dir, name, NULL);
}

void secrets_write_file(const char *path, const char *text, mode_t mode)
{
	g_autoptr(GError) error = NULL;

	if (!g_file_set_contents(path, text, -1, &error))
		g_error("%s", error->message);
	g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

/* The first block of the man page, from .nf to .fi, that has text in it; as it
   is shown, without its indentation. */
char *secrets_man_block(const char *text)
{
	g_autofree char *page = NULL;
	g_auto(GStrv) lines = NULL;
	g_autoptr(GString) block = g_string_new(NULL);
	gboolean in_block = FALSE;

	if (!g_file_get_contents(POPINJAY_SRCDIR"/doc/popinjay-secret.7",
				 &page, NULL, NULL))
		g_error("doc/popinjay-secret.7 cannot be read");
	lines = g_strsplit(page, "\n", -1);
	for (char **p = lines; *p != NULL; p++) {
		if (strcmp(*p, ".nf") == 0) {
			in_block = TRUE;
			g_string_truncate(block, 0);
		} else if (strcmp(*p, ".fi") == 0) {
			if (strstr(block->str, text) != NULL)
				return g_string_free(g_steal_pointer(&block),
						     FALSE);
			in_block = FALSE;
		} else if (in_block) {
			g_string_append_printf(block, "%s\n",
				g_str_has_prefix(*p, "    ") ? *p + 4 : *p);
			g_string_replace(block, "\\-", "-", 0);
		}
	}
	g_error("doc/popinjay-secret.7 has no block with %s", text);
}

static char *schema(void)
{
	return secrets_man_block("CREATE TABLE popinjay_secrets");
}

/* A server must not outlive the test, however that ends, and PostgreSQL
   refuses to be root. */
static void become_server_user(gpointer data)
{
	const struct passwd *pw = data;

	if (pw != NULL && (setgid(pw->pw_gid) < 0 || setgroups(0, NULL) < 0 ||
			   setuid(pw->pw_uid) < 0))
		_exit(127);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* NULL: the caller */
static const struct passwd *server_user(enum secrets_store store)
{
	const struct passwd *pw;

	if (store != SECRETS_PGSQL || geteuid() != 0)
		return NULL;
	if ((pw = getpwnam("postgres")) == NULL)
		g_error("there is no user postgres");
	return pw;
}

static void run(enum secrets_store store, const char *const *argv)
{
	g_autofree char *out = NULL, *err = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	if (!g_spawn_sync("/", (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
			  become_server_user, (gpointer)server_user(store),
			  &out, &err, &status, &error))
		g_error("%s: %s", argv[0], error->message);
	if (status != 0)
		g_error("%s: %s", argv[0], err);
}

void secrets_remove(const char *dir)
{
	const char *const argv[] = { "rm", "-rf", "--", dir, NULL };

	run(SECRETS_FS, argv);
}

static void start_server(struct secrets *s, const char *const *argv)
{
	g_autofree char *log = path_of(s, "store/server.log");
	g_autoptr(GError) error = NULL;
	int fd = g_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	GPid pid;

	g_assert_cmpint(fd, >=, 0);
	if (!g_spawn_async_with_fds("/", (char **)argv, NULL,
				    G_SPAWN_SEARCH_PATH |
				    G_SPAWN_DO_NOT_REAP_CHILD,
				    become_server_user,
				    (gpointer)server_user(s->store), &pid, -1,
				    fd, fd, &error))
		g_error("%s", error->message);
	close(fd);
	s->server_pid = pid;
}

/* Run the command until what it prints begins with answer. */
static void
wait_server(struct secrets *s, const char *const *argv, const char *answer)
{
	for (unsigned int i = 0; ; i++) {
		g_autofree char *out = NULL;

		if (g_spawn_sync("/", (char **)argv, NULL,
				 G_SPAWN_SEARCH_PATH |
				 G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out,
				 NULL, NULL, NULL) &&
		    g_str_has_prefix(out, answer))
			break;
		if (i > 20 * fixture_timeout_secs())
			g_error("%s: no answer on port %u", argv[0],
				s->server_port);
		g_usleep(50 * 1000);
	}
}

static void stop_server(struct secrets *s, int signum)
{
	int status;

	g_assert_cmpint(kill(s->server_pid, signum), ==, 0);
	g_assert_cmpint(waitpid(s->server_pid, &status, 0), ==, s->server_pid);
	s->server_pid = 0;
}

/* --- Redis --- */

static void redis_start(struct secrets *s)
{
	g_autofree char *store = path_of(s, "store");
	g_autofree char *port = g_strdup_printf("%u", s->server_port);
	const char *const argv[] = {
		"redis-server", "--bind", "127.0.0.1", "--port", port,
		"--dir", store, "--appendonly", "yes", NULL
	};
	const char *const ping[] = { "redis-cli", "-p", port, "ping", NULL };

	start_server(s, argv);
	wait_server(s, ping, "PONG");
}

/* --- PostgreSQL --- */

/* Its programs are in no PATH. */
static char *pgsql_program(const char *name)
{
	const char *const top = "/usr/lib/postgresql";
	g_autoptr(GDir) dir = g_dir_open(top, 0, NULL);
	const char *version;

	while (dir != NULL && (version = g_dir_read_name(dir)) != NULL) {
		char *path = g_build_filename(top, version, "bin", name, NULL);

		if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
			return path;
		g_free(path);
	}
	return g_strdup(name);
}

static void pgsql_start(struct secrets *s)
{
	g_autofree char *postgres = pgsql_program("postgres");
	g_autofree char *psql = pgsql_program("psql");
	g_autofree char *data = path_of(s, "store/pgsql");
	g_autofree char *port = g_strdup_printf("%u", s->server_port);
	const char *const argv[] = {
		postgres, "-D", data, "-p", port, "-c",
		"listen_addresses=127.0.0.1", "-c",
		"unix_socket_directories=", "-c", "fsync=off", NULL
	};
	const char *const ask[] = {
		psql, "-h", "127.0.0.1", "-p", port, "-U", "popinjay", "-d",
		"postgres", "-Atc", "SELECT 'yes'", NULL
	};

	start_server(s, argv);
	wait_server(s, ask, "yes");
}

static void pgsql_init(struct secrets *s)
{
	g_autofree char *initdb = pgsql_program("initdb");
	g_autofree char *psql = pgsql_program("psql");
	g_autofree char *data = path_of(s, "store/pgsql");
	g_autofree char *port = g_strdup_printf("%u", s->server_port);
	const char *const make[] = {
		initdb, "-D", data, "-U", "popinjay", "-A", "trust", "-N",
		"-E", "UTF8", "--locale=C", NULL
	};
	g_autofree char *sql = schema();
	const char *const tables[] = {
		psql, "-h", "127.0.0.1", "-p", port, "-U", "popinjay", "-d",
		"postgres", "-c", sql, NULL
	};

	run(s->store, make);
	pgsql_start(s);
	run(s->store, tables);
}

/* --- any --- */

static void sqlite_init(struct secrets *s)
{
	g_autofree char *db = path_of(s, "store/db");
	g_autofree char *tables = schema();
	g_autofree char *sql = g_strconcat("PRAGMA journal_mode=WAL;\n",
					   tables, NULL);
	const char *const argv[] = { "sqlite3", db, sql, NULL };

	run(s->store, argv);
	g_assert_cmpint(g_chmod(db, 0666), ==, 0);
}

void secrets_store_init(struct secrets *s)
{
	g_autofree char *store_dir = path_of(s, "store");

	g_assert_cmpint(g_mkdir(store_dir, 0777), ==, 0);
	g_assert_cmpint(g_chmod(store_dir, 0777), ==, 0);
	s->server_port = g_random_int_range(30001, 32000);
	switch (s->store) {
	case SECRETS_SQLITE:
		sqlite_init(s);
		break;
	case SECRETS_FS:
		break;
	case SECRETS_REDIS:
		redis_start(s);
		break;
	case SECRETS_PGSQL:
		pgsql_init(s);
		break;
	}
}

static char *config_2_3(const struct secrets *s)
{
	g_autofree char *conf = path_of(s, "sql.conf");
	g_autofree char *maps = secrets_man_block("map {");
	g_autofree char *text = NULL;

	switch (s->store) {
	case SECRETS_SQLITE:
		text = g_strdup_printf("connect = %s/store/db\n%s", s->dir,
				       maps);
		secrets_write_file(conf, text, 0644);
		return g_strdup_printf("  popinjay = sqlite:%s\n", conf);
	case SECRETS_FS:
		return g_strdup_printf("  popinjay = "
				       "fs:posix:prefix=%s/store/\n", s->dir);
	case SECRETS_REDIS:
		return g_strdup_printf("  popinjay = redis:host=127.0.0.1:"
				       "port=%u\n", s->server_port);
	case SECRETS_PGSQL:
		text = g_strdup_printf("connect = host=127.0.0.1 port=%u "
				       "user=popinjay dbname=postgres\n%s",
				       s->server_port, maps);
		secrets_write_file(conf, text, 0644);
		return g_strdup_printf("  popinjay = pgsql:%s\n", conf);
	}
	g_assert_not_reached();
}

static char *config_2_4(const struct secrets *s)
{
	g_autofree char *sqlite = secrets_man_block("sql_driver = sqlite");
	g_autofree char *db = path_of(s, "store/db");
	g_autoptr(GString) text = g_string_new(sqlite);
	const char *maps = strstr(sqlite, "dict_map ");

	switch (s->store) {
	case SECRETS_SQLITE:
		g_string_replace(text, "/var/lib/popinjay/db", db, 1);
		return g_string_free(g_steal_pointer(&text), FALSE);
	case SECRETS_FS:
		return g_strdup_printf(
			"driver = fs\n"
			"fs posix {\n"
			"  prefix = %s/store/\n"
			"}\n", s->dir);
	case SECRETS_REDIS:
		return g_strdup_printf(
			"driver = redis\n"
			"redis_host = 127.0.0.1\n"
			"redis_port = %u\n", s->server_port);
	case SECRETS_PGSQL:
		return g_strdup_printf(
			"driver = sql\n"
			"sql_driver = pgsql\n"
			"pgsql 127.0.0.1 {\n"
			"  parameters {\n"
			"    port = %u\n"
			"    user = popinjay\n"
			"    dbname = postgres\n"
			"  }\n"
			"}\n%s", s->server_port, maps);
	}
	g_assert_not_reached();
}

char *secrets_store_config(const struct secrets *s)
{
	return fixture_dovecot_version() < 20400 ?
		config_2_3(s) : config_2_4(s);
}

void secrets_store_stop(struct secrets *s)
{
	g_autofree char *store = path_of(s, "store");
	g_autofree char *away = path_of(s, "away");

	switch (s->store) {
	case SECRETS_REDIS:
		stop_server(s, SIGTERM);
		return;
	case SECRETS_PGSQL:
		/* it does not wait for its clients */
		stop_server(s, SIGINT);
		return;
	case SECRETS_SQLITE:
		g_assert_cmpint(rename(store, away), ==, 0);
		break;
	case SECRETS_FS:
		g_assert_cmpint(rename(store, away), ==, 0);
		/* a directory that is not there is an empty store: so let it
		   be none */
		secrets_write_file(store, "", 0644);
		break;
	}
}

void secrets_store_start(struct secrets *s)
{
	g_autofree char *store = path_of(s, "store");
	g_autofree char *away = path_of(s, "away");

	switch (s->store) {
	case SECRETS_REDIS:
		redis_start(s);
		return;
	case SECRETS_PGSQL:
		pgsql_start(s);
		return;
	case SECRETS_SQLITE:
	case SECRETS_FS:
		(void)unlink(store);
		g_assert_cmpint(rename(away, store), ==, 0);
		break;
	}
}
