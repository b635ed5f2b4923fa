/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: all commands "doveadm popinjay ...". Dovecot takes its help from
   this table, and tests compare it with the manual pages. */

#include "lib.h"
#include "doveadm-mail.h"
#include "check.h"
#include "commands.h"
#include "log-cmd.h"
#include "secret-cmd.h"
#include "uidl-cmd.h"
#include "usage.h"

#define STR(letter, name) DOVEADM_CMD_PARAM(letter, name, CMD_PARAM_STR, 0)
#define FLAG(letter, name) DOVEADM_CMD_PARAM(letter, name, CMD_PARAM_BOOL, 0)
#define NO_PARAMS
#define ARGUMENT(name, type) \
	DOVEADM_CMD_PARAM('\0', name, type, CMD_PARAM_FLAG_POSITIONAL)

/* It runs in doveadm itself: func(cctx). */
#define PLAIN_COMMAND(command, func, command_usage, params) { \
	.name = "popinjay " command, \
	.cmd = func, \
	.usage = command_usage, \
	DOVEADM_CMD_PARAMS_START params DOVEADM_CMD_PARAMS_END \
}
/* It runs for each user, perhaps in a doveadm server. */
#define MAIL_COMMAND(group, command, command_usage, params) { \
	.name = "popinjay " #group " " #command, \
	.mail_cmd = group##_##command##_alloc, \
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX command_usage, \
	DOVEADM_CMD_PARAMS_START DOVEADM_CMD_MAIL_COMMON params \
	DOVEADM_CMD_PARAMS_END \
}

/* Dovecot's allocator of a command has no argument. */
#define ALLOC(group, command) \
static struct doveadm_mail_cmd_context *group##_##command##_alloc(void) \
{ \
	return group##_cmd_alloc(&group##_cmd_##command); \
}
ALLOC(secret, add)
ALLOC(secret, import)
ALLOC(secret, list)
ALLOC(secret, rekey)
ALLOC(secret, revoke)
ALLOC(secret, set)
ALLOC(secret, show)
ALLOC(secret, verify)
ALLOC(uidl, list)
ALLOC(uidl, freeze)
ALLOC(uidl, export)
ALLOC(uidl, import)
ALLOC(uidl, diff)
ALLOC(uidl, check)
ALLOC(uidl, accept)

#define LIMITS_USAGE \
	"[-l <label>] [-m <mechanisms>] [-n <networks>] [-s <services>] " \
	"[-e <expiry>] [-t yes|no] [-d native|refuse] " \
	"[-r yes|no] [-w <days>]"
#define LIMITS_PARAMS \
	STR('l', "label") STR('m', "mechanisms") STR('n', "networks") \
	STR('s', "services") STR('e', "expires") STR('t', "tls") \
	STR('d', "delete") STR('r', "read-only") STR('w', "window")
#define SECRET_ARGUMENT ARGUMENT("secret", CMD_PARAM_STR)

#define SOURCE_USAGE \
	"[-p <password file>|-P <passwords file>] [-o <old format>] "
#define SOURCE_PARAMS \
	STR('f', "from") STR('p', "password-file") \
	STR('P', "passwords-file") STR('o', "old-format")

static struct doveadm_cmd_ver2 commands[] = {
	{
		/* without a user it looks at the server alone */
		.name = "popinjay check",
		.cmd = popinjay_check_cmd,
		.mail_cmd = popinjay_check_cmd_alloc,
		.usage = "[-u <user>|-A|-F <file>] [-S <socket>]",
		DOVEADM_CMD_PARAMS_START DOVEADM_CMD_MAIL_COMMON
		DOVEADM_CMD_PARAMS_END
	},

	PLAIN_COMMAND("log explain", popinjay_log_cmd_explain,
		"-u <user> [--uidl <uidl>] [--message-id <message-id>] "
		"[-s <since>] [--until <until>] [<log file> ...]",
		STR('u', "user") STR('U', "uidl") STR('m', "message-id")
		STR('s', "since") STR('e', "until")
		ARGUMENT("file", CMD_PARAM_ARRAY)),
	PLAIN_COMMAND("log report", popinjay_log_cmd_report,
		"[-s <since>] [--until <until>] [--top <n>] "
		"[--poll-secs <n>] [--html <file>] [<log file> ...]",
		STR('s', "since") STR('e', "until") STR('t', "top")
		STR('p', "poll-secs") STR('H', "html")
		ARGUMENT("file", CMD_PARAM_ARRAY)),

	MAIL_COMMAND(secret, add,
		LIMITS_USAGE " [--replaces <id or label>]",
		LIMITS_PARAMS STR('R', "replaces")),
	MAIL_COMMAND(secret, import, LIMITS_USAGE " < <passwd-file>",
		LIMITS_PARAMS),
	MAIL_COMMAND(secret, list, "", NO_PARAMS),
	MAIL_COMMAND(secret, rekey, "", NO_PARAMS),
	MAIL_COMMAND(secret, revoke, "--all|<id or label>",
		FLAG('a', "all") SECRET_ARGUMENT),
	MAIL_COMMAND(secret, set, LIMITS_USAGE " <id or label>",
		LIMITS_PARAMS SECRET_ARGUMENT),
	MAIL_COMMAND(secret, show, "<id or label>", SECRET_ARGUMENT),
	MAIL_COMMAND(secret, verify, "", NO_PARAMS),

	MAIL_COMMAND(uidl, accept, "", NO_PARAMS),
	MAIL_COMMAND(uidl, check, "[-r] [-k]",
		FLAG('r', "repair") FLAG('k', "stock")),
	MAIL_COMMAND(uidl, diff,
		"[-f <format>] [-p <policy>] [-s <sources>] [-x yes|no] "
		"[-o <old format>] [-t <old until>] [-y yes|no] [-w] [-W] "
		"[-l <location>] [-k]",
		STR('f', "format") STR('p', "policy") STR('s', "sources")
		STR('x', "reuse-xuidl") STR('o', "old-format")
		STR('t', "old-until") STR('y', "strict")
		FLAG('w', "without-saved") FLAG('W', "without-stored")
		STR('l', "location") FLAG('k', "stock")),
	MAIL_COMMAND(uidl, export, "[-f <source> " SOURCE_USAGE "]",
		SOURCE_PARAMS),
	MAIL_COMMAND(uidl, freeze, "", NO_PARAMS),
	MAIL_COMMAND(uidl, import,
		"[-n] [-r] {-f <source> " SOURCE_USAGE "| < <list>}",
		SOURCE_PARAMS FLAG('n', "dry-run") FLAG('r', "replace")
		ARGUMENT("file", CMD_PARAM_ISTREAM)),
	MAIL_COMMAND(uidl, list, "", NO_PARAMS)
};

/* "doveadm popinjay log" and the like tell what stands behind them. doveadm
   takes the first that fits. */
static const char *const groups[] = {
	"popinjay log", "popinjay secret", "popinjay uidl", "popinjay", NULL
};

void popinjay_commands_register(void)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(commands); i++)
		doveadm_cmd_register_ver2(&commands[i]);
	popinjay_usage_register(groups);
}

void popinjay_commands_unregister(void)
{
	popinjay_usage_deinit();
}
