/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process that "doveadm popinjay check" has started: tells what is
   wrong before a client would notice it. Nothing is changed, not even the file
   of a sink is made. */

#include "lib.h"
#include "mail-user.h"
#include "master-interface.h"
#include "access-log.h"
#include "check-protocol.h"
#include "compat-pop3.h"
#include "log-probe.h"
#include "log-protocol.h"
#include "log-syslog.h"
#include "check.h"
#include "user.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool popinjay_check_is_wanted(void)
{
	/* what Dovecot has started is a session, and who delivers mail must not
	   be kept from it by an environment */
	return getenv(POPINJAY_CHECK_ENV) != NULL &&
		getenv(MASTER_IS_PARENT_ENV) == NULL &&
		popinjay_is_pop3_process();
}

static void problem(const char *text)
{
	printf(POPINJAY_CHECK_PROBLEM"%s\n", text);
}

static void sink_problem(const char *sink, const char *call)
{
	problem(t_strdup_printf("popinjay_access_log=%s: %s failed for uid "
		"%s: %m; its records go to Dovecot's log until that works%s",
		sink, call, dec2str(geteuid()), popinjay_user_root_note()));
}

static void check_file(const char *path)
{
	const char *sink = t_strconcat("file:", path, NULL);
	const char *dir = t_strdup_until(path, strrchr(path, '/') + 1);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);

	if (fd != -1)
		i_close_fd(&fd);
	else if (errno != ENOENT)
		sink_problem(sink, "open()");
	else if (access(dir, W_OK | X_OK) < 0)
		sink_problem(sink, t_strdup_printf("access(%s)", dir));
}

static void check_service(struct mail_user *user)
{
	const char *path = t_strconcat(user->set->base_dir, "/",
				       POPINJAY_LOG_SOCKET, NULL);

	if (popinjay_log_service_probe(path) < 0)
		sink_problem("service", t_strdup_printf("connect(%s)", path));
}

static void check_sinks(struct mail_user *user,
			const struct popinjay_access_log_config *log)
{
	const char *const *pathp;

	for (pathp = log->files; pathp != NULL && *pathp != NULL; pathp++)
		check_file(*pathp);
	for (pathp = log->syslogs; pathp != NULL && *pathp != NULL; pathp++) {
		if (popinjay_log_syslog_open(*pathp) < 0) {
			sink_problem(t_strconcat("syslog:", *pathp, NULL),
				     "connect()");
		}
	}
	if (log->service)
		check_service(user);
}

void popinjay_check_user(struct mail_user *user,
			 const struct popinjay_user *puser)
{
	if (puser->error != NULL)
		problem(puser->error + strlen(POPINJAY_USER_ERROR_PREFIX));
	else
		check_sinks(user, popinjay_access_log_config(user));
	printf(POPINJAY_CHECK_END POPINJAY_VERSION"\n");
	fflush(stdout);
	/* nothing is open that would have to be closed */
	_exit(0);
}
