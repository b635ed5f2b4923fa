/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the commands "doveadm popinjay uidl" and their parameters. */

#include "lib.h"
#include "uidl-cmd.h"

#define SOURCE_USAGE \
	"[-p <password file>|-P <passwords file>] [-o <old format>] "

#define SOURCE_PARAMS \
DOVEADM_CMD_PARAM('f', "from", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('p', "password-file", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('P', "passwords-file", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('o', "old-format", CMD_PARAM_STR, 0)

static struct doveadm_mail_cmd_context *list_alloc(void)
{
	return uidl_cmd_alloc(&uidl_cmd_list);
}

static struct doveadm_mail_cmd_context *freeze_alloc(void)
{
	return uidl_cmd_alloc(&uidl_cmd_freeze);
}

static struct doveadm_mail_cmd_context *export_alloc(void)
{
	return uidl_cmd_alloc(&uidl_cmd_export);
}

static struct doveadm_mail_cmd_context *import_alloc(void)
{
	return uidl_cmd_alloc(&uidl_cmd_import);
}

static struct doveadm_mail_cmd_context *diff_alloc(void)
{
	return uidl_cmd_alloc(&uidl_cmd_diff);
}

static struct doveadm_mail_cmd_context *check_alloc(void)
{
	return uidl_cmd_alloc(&uidl_cmd_check);
}

static struct doveadm_mail_cmd_context *accept_alloc(void)
{
	return uidl_cmd_alloc(&uidl_cmd_accept);
}

static struct doveadm_cmd_ver2 commands[] = {
	{
		.name = "popinjay uidl list",
		.mail_cmd = list_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay uidl freeze",
		.mail_cmd = freeze_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay uidl export",
		.mail_cmd = export_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX
			"[-f <source> " SOURCE_USAGE "]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
SOURCE_PARAMS
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay uidl import",
		.mail_cmd = import_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX
			"[-n] [-r] {-f <source> " SOURCE_USAGE "| < <list>}",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
SOURCE_PARAMS
DOVEADM_CMD_PARAM('n', "dry-run", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('r', "replace", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "file", CMD_PARAM_ISTREAM, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay uidl diff",
		.mail_cmd = diff_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX
			"[-f <format>] [-p <policy>] [-s <sources>] "
			"[-x yes|no] [-o <old format>] [-t <old until>] "
			"[-y yes|no] [-w] [-W] [-l <location>] [-k]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('f', "format", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('p', "policy", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('s', "sources", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('x', "reuse-xuidl", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('o', "old-format", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('t', "old-until", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('y', "strict", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('w', "without-saved", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('W', "without-stored", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('l', "location", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAM('k', "stock", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay uidl check",
		.mail_cmd = check_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[-r] [-k]",
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('r', "repair", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('k', "stock", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAMS_END
	}, {
		.name = "popinjay uidl accept",
		.mail_cmd = accept_alloc,
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
	}
};

void popinjay_uidl_commands_register(void)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(commands); i++)
		doveadm_cmd_register_ver2(&commands[i]);
}
