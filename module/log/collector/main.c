/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service popinjay-log, a process of Dovecot's: it owns the log file that
   mail processes cannot write to, and appends the records they send. */

#include "lib.h"
#include "lib-signals.h"
#include "restrict-access.h"
#include "master-service.h"
#include "compat-service.h"
#include "connection.h"
#include "module-version.h"
#include "output.h"

static void client_connected(struct master_service_connection *conn)
{
	master_service_client_connection_accept(conn);
	connection_create(conn->fd);
}

static void sig_reopen(const siginfo_t *si ATTR_UNUSED,
		       void *context ATTR_UNUSED)
{
	output_reopen();
}

/* for "doveadm popinjay check" */
extern const char *popinjay_log_version;
POPINJAY_DEFINE_MODULE_VERSION(popinjay_log);

int main(int argc, char *argv[])
{
	const enum master_service_flags service_flags =
		MASTER_SERVICE_FLAG_DONT_SEND_STATS;
	const char *error;

	master_service = master_service_init("popinjay-log", service_flags,
					     &argc, &argv, "");
	if (master_getopt(master_service) > 0)
		return FATAL_DEFAULT;
	if (popinjay_service_settings_read(master_service, &error) < 0)
		i_fatal("%s", error);
	master_service_init_log(master_service);
	if (argc != 2 || argv[1][0] != '/') {
		i_fatal("The path of the log file is missing: use executable = "
			"popinjay-log /PATH");
	}

	restrict_access_by_env(RESTRICT_ACCESS_FLAG_ALLOW_ROOT, NULL);
	restrict_access_allow_coredumps(TRUE);
	/* mail processes that outlive the master still send records */
	master_service_set_die_with_master(master_service, FALSE);
	lib_signals_set_handler(SIGUSR1, LIBSIG_FLAGS_SAFE, sig_reopen, NULL);
	/* a limit on the size of files is like a full disk: write() fails */
	lib_signals_ignore(SIGXFSZ, TRUE);

	output_init(argv[1]);
	master_service_init_finish(master_service);
	master_service_run(master_service, client_connected);

	connections_deinit();
	output_deinit();
	master_service_deinit(&master_service);
	return 0;
}
