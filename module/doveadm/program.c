/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: runs other programs of Dovecot to ask what only they know. */

#include "lib.h"
#include "array.h"
#include "env-util.h"
#include "execv-const.h"
#include "str.h"
#include "program.h"
#include "small-file.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define CMDLINE_MAX_BYTES (128 * 1024)

const char *program_beside_doveadm(const char *name)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe));
	const char *path, *end;

	if (len > 0 && (size_t)len < sizeof(exe)) {
		path = t_strndup(exe, len);
		end = strrchr(path, '/');
		path = t_strconcat(t_strdup_until(path, end), "/", name, NULL);
		if (access(path, X_OK) == 0)
			return path;
	}
	return name;
}

static void ATTR_NORETURN
program_exec(const char *const *argv, const char *const *env, int out, int err)
{
	static const char *const kept[] = { "PATH", NULL };
	int in[2];

	/* not /dev/null, for which epoll has no use */
	if (pipe(in) < 0 || close(in[1]) < 0 ||
	    dup2(in[0], STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(FATAL_EXEC);
	/* otherwise a program run by a doveadm server would think that it is a
	   service itself */
	env_clean_except(kept);
	if (env != NULL)
		env_put_array(env);
	execvp_const(argv[0], argv);
}

static bool read_some(int *fd, string_t *dest)
{
	char buf[4096];
	ssize_t ret = read(*fd, buf, sizeof(buf));

	if (ret > 0 && dest != NULL)
		str_append_data(dest, buf, ret);
	if (ret == 0 || (ret < 0 && errno != EINTR)) {
		i_close_fd(fd);
		return FALSE;
	}
	return TRUE;
}

static void read_both(int out, int err, string_t *output, string_t *errors)
{
	struct pollfd fds[2];

	while (out != -1 || err != -1) {
		/* poll() ignores negative ones */
		fds[0].fd = out;
		fds[1].fd = err;
		fds[0].events = fds[1].events = POLLIN;
		if (poll(fds, 2, -1) < 0)
			continue;
		if (out != -1 && fds[0].revents != 0)
			(void)read_some(&out, output);
		if (err != -1 && fds[1].revents != 0)
			(void)read_some(&err, errors);
	}
}

const char *const *program_parent_args(void)
{
	const char *path = t_strdup_printf("/proc/%ld/cmdline",
					   (long)getppid());
	ARRAY_TYPE(const_string) args;
	const char *arg, *end, *error;
	string_t *text = t_str_new(1024);

	(void)popinjay_small_file_read(path, CMDLINE_MAX_BYTES, text, &error);
	t_array_init(&args, 8);
	arg = str_c(text);
	for (end = arg + str_len(text); arg < end; arg += strlen(arg) + 1)
		array_push_back(&args, &arg);
	array_append_zero(&args);
	return array_front(&args);
}

int program_run(const char *const *argv, const char *const *env,
		string_t *output, string_t *errors, const char **error_r)
{
	int out[2], err[2], status;
	pid_t pid;

	if (pipe(out) < 0) {
		*error_r = t_strdup_printf("pipe() failed: %m");
		return -1;
	}
	if (pipe(err) < 0) {
		*error_r = t_strdup_printf("pipe() failed: %m");
		i_close_fd(&out[0]);
		i_close_fd(&out[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		program_exec(argv, env, out[1], err[1]);
	i_close_fd(&out[1]);
	i_close_fd(&err[1]);
	read_both(out[0], err[0], output, errors);
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		*error_r = t_strdup_printf("Running %s failed: %m", argv[0]);
		return -1;
	}
	if (!WIFEXITED(status)) {
		*error_r = t_strdup_printf("%s was killed by signal %d",
					   argv[0], WTERMSIG(status));
		return -1;
	}
	return WEXITSTATUS(status);
}
