/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cyrus: its master process with pop3d and lmtpd, all below one directory. */

#define _GNU_SOURCE
#include "servers-private.h"
#include "pop3.h"

#include <gio/gunixsocketaddress.h>
#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIN "usr/lib/cyrus/bin"
#define SERVER_NAME "cyrus.example"

struct cyrus {
	struct fixture *f;
	char *package, *dir;
	pid_t pid;
	guint16 port;
	char **env;
};

static void
write_file(const char *dir, const char *name, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

static void
write_file(const char *dir, const char *name, const char *format, ...)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	if (!g_file_set_contents(path, text, -1, &error))
		g_error("%s", error->message);
}

/* Run a program of the package to its end. */
static void run(struct cyrus *cyrus, const char *const *argv)
{
	g_autofree char *err = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	if (!g_spawn_sync(cyrus->dir, (char **)argv, cyrus->env,
			  G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
			  NULL, NULL, NULL, &err, &status, &error) ||
	    !g_spawn_check_wait_status(status, &error))
		g_error("%s: %s %s", argv[0], error->message,
			err == NULL ? "" : err);
}

/* The users with their passwords, as SASL's library keeps them. */
static void make_users(struct cyrus *cyrus)
{
	g_autofree char *pattern = g_build_filename(
		cyrus->package, "usr/bin/db[0-9]*_load", NULL);
	glob_t found;

	write_file(cyrus->dir, "users",
		   "u1\\00" SERVER_NAME "\\00userPassword\n" FIXTURE_PASSWORD
		   "\nu2\\00" SERVER_NAME "\\00userPassword\n" FIXTURE_PASSWORD
		   "\nu3\\00" SERVER_NAME "\\00userPassword\n" FIXTURE_PASSWORD
		   "\n");
	if (glob(pattern, 0, NULL, &found) != 0)
		g_error("there is no %s", pattern);
	run(cyrus, (const char *const[]){
		found.gl_pathv[0], "-T", "-t", "hash", "-f", "users",
		"sasldb2", NULL
	});
	globfree(&found);
}

static void make_config(struct cyrus *cyrus)
{
	const char *dir = cyrus->dir;
	/* root's services become somebody else */
	const char *user = geteuid() == 0 ? "nobody" :
		getpwuid(geteuid())->pw_name;

	write_file(dir, "imapd.conf",
		   "configdirectory: %s/conf\n"
		   "partition-default: %s/spool\n"
		   "defaultpartition: default\n"
		   "servername: " SERVER_NAME "\n"
		   "admins: cyrus\n"
		   "allowplaintext: yes\n"
		   "sasl_pwcheck_method: auxprop\n"
		   "sasl_auxprop_plugin: sasldb\n"
		   "sasl_sasldb_path: %s/sasldb2\n"
		   "sasl_mech_list: PLAIN\n"
		   "virtdomains: off\n"
		   "autocreate_quota: -1\n"
		   "lmtpsocket: %s/run/lmtp\n"
		   "mboxname_lockpath: %s/run/lock\n"
		   "proc_path: %s/run/proc\n"
		   "duplicatesuppression: no\n"
		   "cyrus_user: %s\n", dir, dir, dir, dir, dir, dir, user);
	write_file(dir, "cyrus.conf",
		   "START {\n}\n"
		   "SERVICES {\n"
		   " pop3 cmd=\"%s/" BIN "/pop3d -C %s/imapd.conf\""
		   " listen=\"127.0.0.1:%u\" prefork=0\n"
		   " lmtp cmd=\"%s/" BIN "/lmtpd -a -C %s/imapd.conf\""
		   " listen=\"%s/run/lmtp\" prefork=0\n"
		   "}\n"
		   "EVENTS {\n}\n", cyrus->package, dir, cyrus->port,
		   cyrus->package, dir, dir);
}

static guint16 free_port(void)
{
	g_autoptr(GSocketListener) listener = g_socket_listener_new();

	return g_socket_listener_add_any_inet_port(listener, NULL, NULL);
}

/* Runs in the forked child. */
static void child_setup(gpointer data G_GNUC_UNUSED)
{
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static void start(struct cyrus *cyrus)
{
	g_autofree char *master = g_build_filename(cyrus->package,
						   BIN "/master", NULL);
	const char *const argv[] = {
		master, "-C", "imapd.conf", "-M", "cyrus.conf", "-p", "pid",
		"-D", NULL
	};
	g_autoptr(GError) error = NULL;

	if (!g_spawn_async(cyrus->dir, (char **)argv, cyrus->env,
			   G_SPAWN_DO_NOT_REAP_CHILD |
			   G_SPAWN_STDOUT_TO_DEV_NULL |
			   G_SPAWN_STDERR_TO_DEV_NULL, child_setup, NULL,
			   &cyrus->pid, &error))
		g_error("%s: %s", master, error->message);
}

struct cyrus *cyrus_new(struct fixture *f)
{
	static const char *const subdirs[] = { "conf", "spool", "run" };
	struct cyrus *cyrus = g_new0(struct cyrus, 1);
	g_autofree char *library_path = NULL, *give = NULL;

	cyrus->f = f;
	cyrus->package = servers_dir("cyrus-pop3d", BIN "/pop3d");
	library_path = servers_library_path(cyrus->package);
	cyrus->env = g_environ_setenv(g_get_environ(), "LD_LIBRARY_PATH",
				      library_path, TRUE);
	cyrus->dir = g_build_filename(f->dir, "cyrus-XXXXXX", NULL);
	g_assert_nonnull(g_mkdtemp(cyrus->dir));
	g_assert_cmpint(chmod(cyrus->dir, 0755), ==, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(subdirs); i++) {
		g_autofree char *path = g_build_filename(cyrus->dir,
							 subdirs[i], NULL);

		g_assert_cmpint(mkdir(path, 0755), ==, 0);
	}
	cyrus->port = free_port();
	make_config(cyrus);
	make_users(cyrus);
	if (geteuid() == 0) {
		run(cyrus, (const char *const[]){
			"chown", "-R", "nobody", ".", NULL
		});
	}
	start(cyrus);
	return cyrus;
}

void cyrus_free(struct cyrus *cyrus)
{
	(void)kill(-cyrus->pid, SIGTERM);
	(void)waitpid(cyrus->pid, NULL, 0);
	g_strfreev(cyrus->env);
	g_free(cyrus->package);
	g_free(cyrus->dir);
	g_free(cyrus);
}

guint16 cyrus_port(const struct cyrus *cyrus)
{
	return cyrus->port;
}

/* It makes a mailbox when its user first logs in. Waits for the server. */
void cyrus_user(struct cyrus *cyrus, const char *user)
{
	struct fixture other = *cyrus->f;
	gint64 end = g_get_monotonic_time() +
		(gint64)fixture_timeout_secs() * G_USEC_PER_SEC;
	struct pop3 *pop3 = NULL;
	g_autofree char *user_reply = NULL, *pass_reply = NULL;

	other.pop3_port = cyrus->port;
	while ((pop3 = pop3_open(&other, POP3_CLEAR, NULL)) == NULL) {
		if (g_get_monotonic_time() > end)
			g_error("Cyrus does not answer");
		g_usleep(20000);
	}
	user_reply = pop3_ask(pop3, "USER %s", user);
	pass_reply = pop3_ask(pop3, "PASS %s", FIXTURE_PASSWORD);
	if (!g_str_has_prefix(pass_reply, "+OK"))
		g_error("Cyrus: %s", pass_reply);
	g_free(pop3_ask(pop3, "QUIT"));
	pop3_close(pop3);
}

/* Returns FALSE if the reply is 554, which is about the mail. */
static gboolean expect(GDataInputStream *input, const char *code)
{
	for (;;) {
		g_autofree char *line = g_data_input_stream_read_line(
			input, NULL, NULL, NULL);

		if (line != NULL && g_str_has_prefix(line, "554"))
			return FALSE;
		if (line == NULL || !g_str_has_prefix(line, code))
			g_error("lmtpd: %s", line);
		if (line[3] != '-')
			return TRUE;
	}
}

static void say(GOutputStream *output, const void *data, gsize size)
{
	g_autoptr(GError) error = NULL;

	if (!g_output_stream_write_all(output, data, size, NULL, NULL, &error))
		g_error("lmtpd: %s", error->message);
}

gboolean cyrus_deliver(struct cyrus *cyrus, const char *user, GBytes *mail)
{
	g_autofree char *path = g_build_filename(cyrus->dir, "run/lmtp", NULL);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnection) connection = NULL;
	g_autoptr(GDataInputStream) input = NULL;
	g_autoptr(GString) wire = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *rcpt = g_strdup_printf("RCPT TO:<%s>\r\n", user);
	const char *const commands[] = {
		"LHLO localhost\r\n", "MAIL FROM:<sender@example.com>\r\n",
		rcpt
	};
	GOutputStream *output;
	gboolean taken;
	gsize size;
	const char *data = g_bytes_get_data(mail, &size);

	connection = g_socket_client_connect(
		client, G_SOCKET_CONNECTABLE(address), NULL, &error);
	if (connection == NULL)
		g_error("%s: %s", path, error->message);
	input = g_data_input_stream_new(g_io_stream_get_input_stream(
		G_IO_STREAM(connection)));
	output = g_io_stream_get_output_stream(G_IO_STREAM(connection));
	expect(input, "220");
	for (unsigned int i = 0; i < G_N_ELEMENTS(commands); i++) {
		say(output, commands[i], strlen(commands[i]));
		expect(input, "250");
	}
	say(output, "DATA\r\n", 6);
	expect(input, "354");
	wire = pop3_mail_on_wire(data, size);
	say(output, wire->str, wire->len);
	taken = expect(input, "250");
	say(output, "QUIT\r\n", 6);
	return taken;
}

static char *find_index(const char *dir_path)
{
	g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
	char *found = NULL;
	const char *name;

	while (found == NULL && dir != NULL &&
	       (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(dir_path, name, NULL);

		if (strcmp(name, "1.") == 0)
			found = g_strdup(dir_path);
		else if (g_file_test(path, G_FILE_TEST_IS_DIR))
			found = find_index(path);
	}
	return found;
}

char *cyrus_dir(struct cyrus *cyrus)
{
	g_autofree char *spool = g_build_filename(cyrus->dir, "spool", NULL);
	char *dir = find_index(spool);

	if (dir == NULL)
		g_error("Cyrus has no mail in %s", spool);
	return dir;
}

static void
write_mail(const char *dir, unsigned int number, GBytes *mail)
{
	g_autofree char *path = g_strdup_printf("%s/%u.", dir, number);
	g_autoptr(GString) wire = NULL;
	g_autoptr(GError) error = NULL;
	gsize size;
	const char *data = g_bytes_get_data(mail, &size);

	wire = pop3_mail_on_wire(data, size);
	/* without the final ".", and such mails have no other */
	if (!g_file_set_contents(path, wire->str, wire->len - 3, &error))
		g_error("%s", error->message);
}

void cyrus_fill(struct cyrus *cyrus, const char *user, GBytes *const *mails,
		unsigned int count)
{
	g_autofree char *reconstruct = g_build_filename(cyrus->package,
						BIN "/reconstruct", NULL);
	g_autofree char *mailbox = g_strdup_printf("user/%s", user);
	g_autofree char *dir = NULL;

	g_assert_true(cyrus_deliver(cyrus, user, mails[0]));
	dir = cyrus_dir(cyrus);
	for (unsigned int i = 1; i < count; i++)
		write_mail(dir, i + 1, mails[i]);
	if (geteuid() == 0) {
		run(cyrus, (const char *const[]){
			"chown", "-R", "nobody", dir, NULL
		});
	}
	run(cyrus, (const char *const[]){
		reconstruct, "-C", "imapd.conf", mailbox, NULL
	});
}
