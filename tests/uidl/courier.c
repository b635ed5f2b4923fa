/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Courier's POP3 server.

   courierpop3d is what Courier's login process becomes after PASS: its first
   line is the reply to that. All that is about mail is in it. The login process
   itself works with system paths only, so the dialogue before PASS is ours. */

#define _GNU_SOURCE
#include "servers-private.h"

#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "usr/lib/courier/courier/courierpop3d"

struct courier {
	struct fixture *f;
	char *program, *library_path, *dir;
	uid_t uid;
	gid_t gid;
	GSocketService *service;
	guint16 port;
	unsigned int next_mail;
};

/* One byte at a time: what follows PASS is courierpop3d's. */
static gboolean read_line(int fd, char *line, gsize size)
{
	gsize len = 0;

	while (len < size - 1 && recv(fd, line + len, 1, 0) == 1) {
		if (line[len++] == '\n') {
			line[len] = '\0';
			g_strchomp(line);
			return TRUE;
		}
	}
	return FALSE;
}

static void say(int fd, const char *text)
{
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Returns the user who has logged in, or NULL. */
static char *login(int fd)
{
	g_autofree char *user = NULL;
	char line[512];

	say(fd, "+OK Hello there.\r\n");
	while (read_line(fd, line, sizeof(line))) {
		if (g_ascii_strcasecmp(line, "CAPA") == 0) {
			say(fd, "+OK Here's what I can do:\r\nTOP\r\nUSER\r\n"
			    "PIPELINING\r\nUIDL\r\n.\r\n");
		} else if (g_ascii_strncasecmp(line, "USER ", 5) == 0) {
			g_free(user);
			user = g_strdup(line + 5);
			say(fd, "+OK Password required.\r\n");
		} else if (user != NULL &&
			   strcmp(line, "PASS " FIXTURE_PASSWORD) == 0) {
			return g_steal_pointer(&user);
		} else if (g_ascii_strcasecmp(line, "QUIT") == 0) {
			say(fd, "+OK Better luck next time.\r\n");
			break;
		} else {
			say(fd, "-ERR Login failed.\r\n");
		}
	}
	return NULL;
}

struct courier_child {
	struct courier *courier;
	int fd;
};

/* Runs in the forked child: system calls only. */
static void child_setup(gpointer data)
{
	struct courier_child *child = data;

	(void)dup2(child->fd, STDIN_FILENO);
	(void)dup2(child->fd, STDOUT_FILENO);
	if (geteuid() == 0) {
		if (setgroups(0, NULL) < 0 || setgid(child->courier->gid) < 0 ||
		    setuid(child->courier->uid) < 0)
			_exit(1);
	}
}

static gboolean
courier_run(GThreadedSocketService *service G_GNUC_UNUSED,
	    GSocketConnection *connection, GObject *source G_GNUC_UNUSED,
	    gpointer data)
{
	struct courier *courier = data;
	GSocket *sock = g_socket_connection_get_socket(connection);
	struct courier_child child = { courier, g_socket_get_fd(sock) };
	const char *argv[] = { courier->program, NULL, NULL };
	g_autofree char *user = NULL, *maildir = NULL;
	g_auto(GStrv) env = NULL;
	g_autoptr(GError) error = NULL;
	GPid pid;

	servers_set_blocking(child.fd);
	user = login(child.fd);
	if (user == NULL)
		return TRUE;
	maildir = courier_maildir(courier, user);
	argv[1] = maildir;
	env = g_environ_setenv(env, "AUTHENTICATED", user, TRUE);
	env = g_environ_setenv(env, "AUTHADDR", user, TRUE);
	env = g_environ_setenv(env, "MAILDIR", maildir, TRUE);
	env = g_environ_setenv(env, "TCPREMOTEIP", "127.0.0.1", TRUE);
	env = g_environ_setenv(env, "TCPREMOTEPORT", "1", TRUE);
	env = g_environ_setenv(env, "LD_LIBRARY_PATH", courier->library_path,
			       TRUE);
	if (!g_spawn_async(courier->dir, (char **)argv, env,
			   G_SPAWN_DO_NOT_REAP_CHILD |
			   G_SPAWN_STDERR_TO_DEV_NULL |
			   G_SPAWN_CHILD_INHERITS_STDIN |
			   G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
			   child_setup, &child, &pid, &error))
		g_error("courierpop3d: %s", error->message);
	(void)waitpid(pid, NULL, 0);
	return TRUE;
}

struct courier *courier_new(struct fixture *f)
{
	struct courier *courier = g_new0(struct courier, 1);
	g_autofree char *dir = servers_dir("courier-pop", PROGRAM);

	courier->f = f;
	courier->program = g_build_filename(dir, PROGRAM, NULL);
	courier->library_path = servers_library_path(dir);
	courier->uid = fixture_user_uid(f, "anybody", &courier->gid);
	courier->dir = g_build_filename(f->dir, "courier-XXXXXX", NULL);
	g_assert_nonnull(g_mkdtemp(courier->dir));
	g_assert_cmpint(chmod(courier->dir, 0755), ==, 0);
	fixture_give(f, "anybody", courier->dir);
	courier->service = servers_service_new(G_CALLBACK(courier_run),
					       courier, &courier->port);
	return courier;
}

void courier_free(struct courier *courier)
{
	servers_service_free(courier->service);
	g_free(courier->program);
	g_free(courier->library_path);
	g_free(courier->dir);
	g_free(courier);
}

guint16 courier_port(const struct courier *courier)
{
	return courier->port;
}

char *courier_maildir(struct courier *courier, const char *user)
{
	static const char *const subdirs[] = { "cur", "new", "tmp" };
	char *maildir = g_build_filename(courier->dir, user, NULL);

	if (g_file_test(maildir, G_FILE_TEST_IS_DIR))
		return maildir;
	for (unsigned int i = 0; i < G_N_ELEMENTS(subdirs); i++) {
		g_autofree char *path = g_build_filename(maildir, subdirs[i],
							 NULL);

		g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
	}
	fixture_give(courier->f, "anybody", maildir);
	return maildir;
}

void courier_deliver(struct courier *courier, const char *user, GBytes *mail)
{
	g_autofree char *maildir = courier_maildir(courier, user);
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	gsize size;
	const char *data = g_bytes_get_data(mail, &size);

	courier->next_mail++;
	path = g_strdup_printf("%s/new/%u.M%uP1.courier", maildir,
			       1600000000 + courier->next_mail,
			       courier->next_mail);
	if (!g_file_set_contents(path, data, (gssize)size, &error))
		g_error("%s", error->message);
	fixture_give(courier->f, "anybody", path);
}
