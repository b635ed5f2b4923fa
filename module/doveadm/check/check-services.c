/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay check: the service that writes the access log, and app
   secrets. */

#include "lib.h"
#include "ioloop.h"
#include "restrict-access.h"
#include "check.h"
#include "configuration.h"
#include "log-probe.h"
#include "log-protocol.h"
#include "secret-config.h"
#include "secret-key.h"
#include "secret-sockets.h"
#include "store.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *
service_setting(const struct check *check, const char *service,
		const char *name)
{
	return doveconf_find(&check->pop3, t_strdup_printf("service/%s/%s",
							   service, name));
}

/* In a child: become that user for good, with just the groups that Dovecot
   gives the service. */
static void become_service(const struct check *check, const char *service,
			   const struct passwd *pw)
{
	const char *name = service_setting(check, service, "group");
	const struct group *gr = *name == '\0' ? NULL : getgrnam(name);
	struct restrict_access_settings set;

	restrict_access_init(&set);
	set.uid = pw->pw_uid;
	set.gid = gr == NULL ? pw->pw_gid : gr->gr_gid;
	set.extra_groups = service_setting(check, service, "extra_groups");
	restrict_access(&set, RESTRICT_ACCESS_FLAG_ALLOW_ROOT, NULL);
}

/* --- popinjay-log --- */

/* In a child. Returns errno. */
static int try_to_write(const struct check *check, const struct passwd *pw,
			const char *path)
{
	const char *dir = t_strdup_until(path, strrchr(path, '/') + 1);
	int fd;

	if (pw != NULL)
		become_service(check, "popinjay-log", pw);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
	if (fd != -1 || (errno == ENOENT && access(dir, W_OK | X_OK) == 0))
		return 0;
	return errno;
}

/* Returns 0, or -1 with errno set if that user could not write the file. */
static int can_write(const struct check *check, const char *user,
		     const char *path)
{
	const struct passwd *pw = NULL;
	int status;
	pid_t pid;

	if (geteuid() == 0 && *user != '\0') {
		errno = 0;
		pw = getpwnam(user);
		if (pw == NULL) {
			if (errno == 0)
				errno = EINVAL;
			return -1;
		}
	}
	pid = fork();
	if (pid == 0)
		_exit(try_to_write(check, pw, path));
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	return errno == 0 ? 0 : -1;
}

static void check_log_socket(struct check *check, const char *what)
{
	const char *base_dir = doveconf_find(&check->pop3, "base_dir");
	const char *path = t_strconcat(base_dir, "/", POPINJAY_LOG_SOCKET,
				       NULL);
	struct stat st;

	if (popinjay_log_service_probe(path) == 0) {
		check_print(check, CHECK_OK, what, "it listens on %s", path);
	} else if (stat(t_strconcat(base_dir, "/master.pid", NULL), &st) < 0) {
		check_print(check, CHECK_WARNING, what,
			    "Dovecot is not running, so this was not tried");
	} else {
		check_print(check, CHECK_ERROR, what, "connect(%s) failed: %m; "
			"records go to Dovecot's log until Dovecot has been "
			"reloaded with a unix_listener popinjay-log in this "
			"service", path);
	}
}

void check_log_service(struct check *check)
{
	const char *what = "service popinjay-log";
	const char *user = service_setting(check, "popinjay-log", "user");
	bool by_env;
	const char *const *args = doveconf_log_service(&check->pop3, &by_env);
	const char *program = args[0];

	if (program == NULL)
		return;
	if (*program != '/') {
		program = t_strconcat(doveconf_find(&check->pop3,
						    "libexec_dir"),
				      "/", program, NULL);
	}
	check_module(check, program, what, by_env ?
		     "its records go to Dovecot's log" :
		     "Dovecot does not start");
	if (args[1] == NULL || *args[1] != '/' || args[2] != NULL) {
		check_print(check, CHECK_ERROR, what, "It needs the path of "
			"its file: executable = popinjay-log /PATH");
		return;
	}
	if (can_write(check, user, args[1]) < 0) {
		check_print(check, CHECK_ERROR, what, "%s cannot be written by "
			    "its user %s: %m", args[1],
			    *user == '\0' ? "root" : user);
		return;
	}
	check_log_socket(check, what);
}

/* --- app secrets --- */

static void check_passdb_order(struct check *check, const char *what)
{
	const char *before = check_find_passdb_before(check);

	if (before == NULL)
		return;
	check_print(check, CHECK_WARNING, what, "The passdb popinjay comes "
		"after the passdb %s, which sees every secret as a wrong "
		"password: that costs time, and can lock the account or the "
		"client's address. Put it before the others", before);
}

/* Returns 1 if the store answers and was ever written to, 0 if it only answers,
   or -1 with the reason in error_r. The user that is asked for need not have
   secrets. */
static int
ask_store(struct check *check, const struct popinjay_secret_config *config,
	  const char **error_r)
{
	struct popinjay_secret_store *store;
	const char *value;
	int ret;

	if (popinjay_secret_store_init(config->dict,
				       doveconf_find(&check->pop3, "base_dir"),
				       check->event, &store, error_r) < 0)
		return -1;
	ret = popinjay_secret_store_lookup(store, check->pool, "popinjay-check",
					   &value, error_r);
	if (ret >= 0) {
		ret = popinjay_secret_store_get_turn(store, check->pool,
						     &value, error_r);
	}
	popinjay_secret_store_deinit(&store);
	return ret;
}

/* Returns the user that Dovecot's auth process runs as. */
static const char *auth_user(const struct check *check)
{
	const char *user = service_setting(check, "auth", "user");

	/* the default names another setting: "$name", in 2.4 "$SET:name" */
	if (*user == '$') {
		user = strncmp(user, "$SET:", 5) == 0 ? user + 5 : user + 1;
		user = doveconf_find(&check->pop3, user);
	}
	return *user == '\0' ? "root" : user;
}

/* How the child ends if the store was never written to. */
#define NEVER_WRITTEN_STATUS 3

/* In a child. Writes why the store cannot be asked, or nothing, to fd. Returns
   the child's status. */
static int
ask_store_as_auth(struct check *check,
		  const struct popinjay_secret_config *config,
		  const struct passwd *pw, int fd)
{
	const char *error;
	int ret;

	/* the parent's epoll must not be shared */
	(void)io_loop_create();
	become_service(check, "auth", pw);
	ret = ask_store(check, config, &error);
	if (ret < 0 && write(fd, error, strlen(error)) < 0)
		i_fatal("write() failed: %m");
	return ret == 0 ? NEVER_WRITTEN_STATUS : 0;
}

/* Ask the store as the auth process, which may be refused what root is not.
   Returns as ask_store(). */
static int
check_store(struct check *check, const struct popinjay_secret_config *config,
	    const char *user, const char **error_r)
{
	const struct passwd *pw;
	char error[1024];
	ssize_t len;
	int fd[2], status;
	pid_t pid;

	if (geteuid() != 0)
		return ask_store(check, config, error_r);
	pw = getpwnam(user);
	if (pw == NULL) {
		*error_r = "There is no such user in the system";
		return -1;
	}
	if (pipe(fd) < 0) {
		*error_r = t_strdup_printf("pipe() failed: %m");
		return -1;
	}
	pid = fork();
	if (pid == 0)
		_exit(ask_store_as_auth(check, config, pw, fd[1]));
	i_close_fd(&fd[1]);
	len = read(fd[0], error, sizeof(error));
	i_close_fd(&fd[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || len < 0) {
		*error_r = t_strdup_printf("Asking in a process of "
			"its own failed: %m");
		return -1;
	}
	if (len == 0 && status == 0)
		return 1;
	if (len == 0 && WIFEXITED(status) &&
	    WEXITSTATUS(status) == NEVER_WRITTEN_STATUS)
		return 0;
	*error_r = len > 0 ? t_strndup(error, len) :
		t_strdup_printf("The process that asked ended with status %d",
				status);
	return -1;
}

static bool is_no_socket(const char *error)
{
	return strstr(error, "net_connect_unix(") != NULL &&
		strstr(error, strerror(ENOENT)) != NULL;
}

/* Dovecot refuses a name with another character before a passdb sees it. */
static void check_separator(struct check *check, const char *what,
			    const char *separator)
{
	const char *chars = doveconf_find(&check->pop3, "auth_username_chars");

	if (*chars == '\0' || separator[strspn(separator, chars)] == '\0')
		return;
	check_print(check, CHECK_WARNING, what, "separator %s is not in "
		    "auth_username_chars: no login name can name a secret; "
		    "add it there", separator);
}

void check_secrets(struct check *check)
{
	const char *what = "app secrets", *warning, *error;
	const char *path = check_find_passdb(check), *user = auth_user(check);
	struct popinjay_secret_config config;
	struct popinjay_secret_keys *keys;
	int ret;

	if (path == NULL)
		return;
	check_passdb_order(check, what);
	if (popinjay_secret_config_get(check->event, path, check->pool,
				       &config, &error) < 0) {
		check_print(check, CHECK_ERROR, what, "%s", error);
		return;
	}
	if (popinjay_secret_keys_read(config.key_file, &keys, &error) < 0) {
		check_print(check, CHECK_ERROR, what, "key_file: %s; no secret "
			    "can log in", error);
		return;
	}
	popinjay_secret_keys_free(&keys);
	check_separator(check, what, config.separator);
	ret = check_store(check, &config, user, &error);
	if (ret < 0) {
		check_print(check, CHECK_ERROR, what, "User %s of service auth "
			"cannot ask the dict: %s; no secret can log in%s",
			user, error, is_no_socket(error) ? ". Add a "
			"unix_listener of that name to service dict, and "
			"reload Dovecot" : "");
		return;
	}
	check_print(check, CHECK_OK, what, "%s can be read, and the dict "
		    "answers%s", config.key_file, ret > 0 ? "" :
		    "; no secret has been made in it yet");
	warning = secret_sockets_warning(&config);
	if (warning != NULL)
		check_print(check, CHECK_WARNING, what, "%s", warning);
}
