/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entry points of lib20_doveadm_popinjay_plugin.so: the commands "doveadm
   popinjay check", "doveadm popinjay log ...", "doveadm popinjay secret ..."
   and "doveadm popinjay uidl ...". */

#include "lib.h"
#include "module-dir.h"
#include "doveadm-mail.h"
#include "check.h"
#include "log-cmd.h"
#include "module-version.h"
#include "secret-cmd.h"
#include "uidl-cmd.h"
#include "usage.h"
#include "plugin.h"

#define LIMITS_USAGE \
	"[-l <label>] [-m <mechanisms>] [-n <networks>] [-s <services>] " \
	"[-e <expiry>] [-t yes|no] [-r yes|no] [-w <days>]"

#define LIMITS_PARAMS \
DOVEADM_CMD_PARAM('l', "label", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('m', "mechanisms", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('n', "networks", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('s', "services", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('e', "expires", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('t', "tls", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('r', "read-only", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('w', "window", CMD_PARAM_STR, 0)

static struct doveadm_cmd_ver2 commands[] = {
	{
		.name = "popinjay check",
		.cmd = popinjay_check_cmd,
		.mail_cmd = popinjay_check_cmd_alloc,
		.usage = "[-u <user>|-A|-F <file>] [-S <socket>]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay log explain",
		.cmd = popinjay_log_cmd_explain,
		.usage = "-u <user> [--uidl <uidl>] "
			"[--message-id <message-id>] [-s <since>] "
			"[--until <until>] [<log file> ...]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('u', "user", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('U', "uidl", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('m', "message-id", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('s', "since", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('e', "until", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('\0', "file", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay log report",
		.cmd = popinjay_log_cmd_report,
		.usage = "[-s <since>] [--until <until>] [--top <n>] "
			"[--poll-secs <n>] [--html <file>] [<log file> ...]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('s', "since", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('e', "until", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('t', "top", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('p', "poll-secs", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('H', "html", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('\0', "file", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	},
	{
		.name = "popinjay secret add",
		.mail_cmd = popinjay_secret_cmd_add_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX LIMITS_USAGE,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
LIMITS_PARAMS
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay secret list",
		.mail_cmd = popinjay_secret_cmd_list_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay secret show",
		.mail_cmd = popinjay_secret_cmd_show_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX"<id or label>",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('\0', "secret", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay secret set",
		.mail_cmd = popinjay_secret_cmd_set_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX LIMITS_USAGE
			" <id or label>",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
LIMITS_PARAMS
DOVEADM_CMD_PARAM('\0', "secret", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay secret revoke",
		.mail_cmd = popinjay_secret_cmd_revoke_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX
			"--all|<id or label>",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('a', "all", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "secret", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay secret verify",
		.mail_cmd = popinjay_secret_cmd_verify_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay secret rekey",
		.mail_cmd = popinjay_secret_cmd_rekey_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay secret import",
		.mail_cmd = popinjay_secret_cmd_import_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX LIMITS_USAGE
			" < <passwd-file>",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
LIMITS_PARAMS
DOVEADM_CMD_PARAMS_END
	}
};

POPINJAY_DEFINE_MODULE_VERSION(doveadm_popinjay_plugin);

void doveadm_popinjay_plugin_init(struct module *module)
{
	unsigned int i;

	popinjay_check_cmd_init(module);
	for (i = 0; i < N_ELEMENTS(commands); i++)
		doveadm_cmd_register_ver2(&commands[i]);
	popinjay_uidl_commands_register();
	popinjay_usage_register();
}

void doveadm_popinjay_plugin_deinit(void)
{
	popinjay_usage_deinit();
	popinjay_check_cmd_deinit();
}
