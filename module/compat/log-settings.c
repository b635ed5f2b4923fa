/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the settings of the access log. They are those of pop3, and of a
   service, which doveadm's own configuration does not have: doveconf knows. */

#include "lib.h"
#include "execv-const.h"
#include "str.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "log-settings.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef POPINJAY_HAVE_SETTINGS_GET
#  define OUR_SECTION ""
#  define service_settings_get master_service_get_service_settings
#else
#  define OUR_SECTION "plugin/"
#  define service_settings_get master_service_settings_get
#endif

#define SERVICE_SECTION "service/popinjay-log/"

static const char *dovecot_info_log(pool_t pool)
{
	const struct master_service_settings *set =
		service_settings_get(master_service);

	return p_strdup(pool, *set->info_log_path != '\0' ?
			set->info_log_path : set->log_path);
}

/* It is where doveadm is, unless this is a doveadm that Dovecot has started. */
static const char *doveconf_path(void)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe));
	const char *path, *end;

	if (len > 0 && (size_t)len < sizeof(exe)) {
		path = t_strndup(exe, len);
		end = strrchr(path, '/');
		path = t_strconcat(t_strdup_until(path, end), "/doveconf",
				   NULL);
		if (access(path, X_OK) == 0)
			return path;
	}
	return "doveconf";
}

static void doveconf_exec(int fd)
{
	const char *const argv[] = {
		doveconf_path(),
		"-c", master_service_get_config_path(master_service),
		"-f", "protocol=pop3",
		OUR_SECTION"popinjay_access_log",
		OUR_SECTION"popinjay_access_log_key_file",
		SERVICE_SECTION"executable",
		NULL
	};

	if (dup2(fd, STDOUT_FILENO) < 0)
		i_fatal("dup2() failed: %m");
	execvp_const(argv[0], argv);
}

/* What it says: lines of "name = value", perhaps within sections. */
static int doveconf_run(string_t *output, const char **error_r)
{
	char buf[1024];
	ssize_t ret;
	int fd[2], status;
	pid_t pid;

	if (pipe(fd) < 0) {
		*error_r = t_strdup_printf("pipe() failed: %m");
		return -1;
	}
	pid = fork();
	if (pid == 0)
		doveconf_exec(fd[1]);
	i_close_fd(&fd[1]);
	while ((ret = read(fd[0], buf, sizeof(buf))) > 0)
		str_append_data(output, buf, ret);
	i_close_fd(&fd[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0) {
		*error_r = "doveconf, which tells the settings, failed";
		return -1;
	}
	return 0;
}

static void settings_parse_line(pool_t pool, const char *line,
				struct popinjay_log_settings *set)
{
	const char *value = strstr(line, " = "), *name, *p;
	const char *const *args;

	if (value == NULL)
		return;
	name = t_strdup_until(line, value);
	value += strlen(" = ");
	while ((p = strpbrk(name, "/ ")) != NULL)
		name = p + 1;
	if (strcmp(name, "popinjay_access_log") == 0)
		set->access_log = p_strdup(pool, value);
	else if (strcmp(name, "popinjay_access_log_key_file") == 0)
		set->key_file = p_strdup(pool, value);
	else if (strcmp(name, "executable") == 0) {
		args = t_strsplit_spaces(value, " ");
		if (args[0] != NULL && args[1] != NULL)
			set->service_file = p_strdup(pool, args[1]);
	}
}

int popinjay_log_settings_read(pool_t pool, struct popinjay_log_settings *set_r,
			       const char **error_r)
{
	string_t *output = t_str_new(256);
	const char *const *linep;

	if (doveconf_run(output, error_r) < 0)
		return -1;
	set_r->access_log = "log";
	set_r->key_file = "";
	set_r->service_file = NULL;
	linep = t_strsplit(str_c(output), "\n");
	for (; *linep != NULL; linep++)
		settings_parse_line(pool, *linep, set_r);
	set_r->dovecot_log = dovecot_info_log(pool);
	return 0;
}
