/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What servers in the test program itself need, and a relay between a client
   and whichever server it is to talk to. */

#define _GNU_SOURCE
#include "servers-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* A service whose connections are served by threads of their own. */
static GSocketService *
start_service(GCallback run, gpointer data, guint16 *port_r)
{
	GSocketService *service = g_threaded_socket_service_new(32);
	g_autoptr(GInetAddress) ip =
		g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
	g_autoptr(GSocketAddress) address = g_inet_socket_address_new(ip, 0);
	g_autoptr(GSocketAddress) effective = NULL;
	g_autoptr(GError) error = NULL;

	if (!g_socket_listener_add_address(G_SOCKET_LISTENER(service), address,
					   G_SOCKET_TYPE_STREAM,
					   G_SOCKET_PROTOCOL_TCP, NULL,
					   &effective, &error))
		g_error("listen: %s", error->message);
	*port_r = g_inet_socket_address_get_port(
		G_INET_SOCKET_ADDRESS(effective));
	g_signal_connect(service, "run", run, data);
	g_socket_service_start(service);
	return service;
}

/* Connections are accepted by the default main context. */
static GThread *loop_thread;
static GMainLoop *loop;
static unsigned int loop_users;

static gpointer run_loop(gpointer data G_GNUC_UNUSED)
{
	g_main_loop_run(loop);
	return NULL;
}

static void loop_ref(void)
{
	if (loop_users++ > 0)
		return;
	loop = g_main_loop_new(NULL, FALSE);
	loop_thread = g_thread_new("loop", run_loop, NULL);
}

static void loop_unref(void)
{
	if (--loop_users > 0)
		return;
	g_main_loop_quit(loop);
	g_thread_join(loop_thread);
	g_main_loop_unref(loop);
}

GSocketService *
servers_service_new(GCallback run, gpointer data, guint16 *port_r)
{
	GSocketService *service = start_service(run, data, port_r);

	loop_ref();
	return service;
}

void servers_service_free(GSocketService *service)
{
	g_socket_service_stop(service);
	loop_unref();
	g_object_unref(service);
}

void servers_set_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		g_error("fcntl: %s", g_strerror(errno));
}

char *servers_dir(const char *package, const char *program)
{
	const char *dir = g_getenv("POPINJAY_TEST_SERVERS");
	char *path = g_build_filename(dir == NULL ?
		"/var/cache/popinjay-servers" : dir, package, NULL);
	g_autofree char *file = g_build_filename(path, program, NULL);

	if (!g_file_test(file, G_FILE_TEST_IS_EXECUTABLE))
		g_error("there is no %s: run tests/prepare", file);
	return path;
}

static void find_libraries(const char *dir_path, GString *path)
{
	g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
	gboolean has_library = FALSE;
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *file = g_build_filename(dir_path, name, NULL);

		if (g_file_test(file, G_FILE_TEST_IS_SYMLINK))
			has_library |= strstr(name, ".so") != NULL;
		else if (g_file_test(file, G_FILE_TEST_IS_DIR))
			find_libraries(file, path);
		else
			has_library |= strstr(name, ".so") != NULL;
	}
	if (has_library)
		g_string_append_printf(path, "%s:", dir_path);
}

char *servers_library_path(const char *dir)
{
	static const char *const roots[] = { "usr/lib", "lib" };
	GString *path = g_string_new(NULL);

	for (unsigned int i = 0; i < G_N_ELEMENTS(roots); i++) {
		g_autofree char *root = g_build_filename(dir, roots[i], NULL);

		if (g_file_test(root, G_FILE_TEST_IS_DIR))
			find_libraries(root, path);
	}
	return g_string_free(path, FALSE);
}

/* --- The relay --- */

struct relay {
	GSocketService *service;
	guint16 port;
	gint target;
};

/* Pass on what comes until one side ends. */
static void pass_on(int fd1, int fd2)
{
	struct pollfd fds[] = {
		{ .fd = fd1, .events = POLLIN }, { .fd = fd2, .events = POLLIN }
	};
	char buffer[16384];

	while (poll(fds, 2, -1) > 0) {
		for (unsigned int i = 0; i < 2; i++) {
			ssize_t ret;

			if (fds[i].revents == 0)
				continue;
			ret = recv(fds[i].fd, buffer, sizeof(buffer), 0);
			if (ret <= 0)
				return;
			if (send(fds[1 - i].fd, buffer, (size_t)ret,
				 MSG_NOSIGNAL) != ret)
				return;
		}
	}
}

static gboolean
relay_run(GThreadedSocketService *service G_GNUC_UNUSED,
	  GSocketConnection *connection, GObject *source G_GNUC_UNUSED,
	  gpointer data)
{
	struct relay *relay = data;
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnection) target = NULL;
	int fd1, fd2;

	target = g_socket_client_connect_to_host(client, "127.0.0.1",
		(guint16)g_atomic_int_get(&relay->target), NULL, NULL);
	if (target == NULL)
		return TRUE;
	fd1 = g_socket_get_fd(g_socket_connection_get_socket(connection));
	fd2 = g_socket_get_fd(g_socket_connection_get_socket(target));
	servers_set_blocking(fd1);
	servers_set_blocking(fd2);
	pass_on(fd1, fd2);
	return TRUE;
}

struct relay *relay_new(void)
{
	struct relay *relay = g_new0(struct relay, 1);

	relay->service = servers_service_new(G_CALLBACK(relay_run), relay,
					     &relay->port);
	return relay;
}

void relay_free(struct relay *relay)
{
	servers_service_free(relay->service);
	g_free(relay);
}

guint16 relay_port(const struct relay *relay)
{
	return relay->port;
}

void relay_set_target(struct relay *relay, guint16 port)
{
	g_atomic_int_set(&relay->target, port);
}
