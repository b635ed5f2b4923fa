/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the options of all commands that begin as what was typed does, such
   as "doveadm popinjay log". Before 2.4.2 doveadm itself lists no more than the
   commands' names there, and only of "doveadm popinjay". */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "doveadm.h"
#include "doveadm-mail.h"
#include "compat-doveadm.h"
#include "usage.h"

#include <stdio.h>
#include <sysexits.h>

static pool_t usage_pool;

static void cmd_group(struct doveadm_cmd_context *cctx);

/* Returns what stands behind "doveadm GROUP " in a list of its commands. */
static const char *usage_text(const char *group)
{
	const char *start = t_strconcat(group, " ", NULL);
	const struct doveadm_cmd_ver2 *cmd;
	string_t *text = t_str_new(2048);

	array_foreach(&doveadm_cmds_ver2, cmd) {
		if (cmd->cmd == cmd_group ||
		    strncmp(cmd->name, start, strlen(start)) != 0)
			continue;
		if (str_len(text) > 0)
			str_printfa(text, "\ndoveadm %s", start);
		str_printfa(text, "%s %s", cmd->name + strlen(start),
			    cmd->usage);
	}
	str_printfa(text, "\nThe manual: man doveadm-%s",
		    t_str_replace(group, ' ', '-'));
	return str_c(text);
}

static bool is_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0 ||
		strcmp(arg, "help") == 0;
}

static void cmd_group(struct doveadm_cmd_context *cctx)
{
	const char *const *args;
	bool help;

	if (!doveadm_cmd_param_bool(cctx, "help", &help)) {
		help = doveadm_cmd_param_array(cctx, "args", &args) &&
			is_help(args[0]);
	}
	if (cctx->conn_type != DOVEADM_CONNECTION_TYPE_CLI) {
		i_error("There is no command \"%s\"", cctx->cmd->name);
	} else {
		fprintf(help ? stdout : stderr, "doveadm %s %s\n",
			cctx->cmd->name, usage_text(cctx->cmd->name));
	}
	if (!help)
		doveadm_exit_code = EX_USAGE;
}

static const struct doveadm_cmd_ver2 group_cmd = {
	.cmd = cmd_group,
	.flags = CMD_FLAG_HIDDEN | POPINJAY_DOVEADM_NO_OPTIONS,
DOVEADM_CMD_PARAMS_START
POPINJAY_DOVEADM_HELP_PARAM
DOVEADM_CMD_PARAM('\0', "args", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};

void popinjay_usage_register(const char *const *groups)
{
	struct doveadm_cmd_ver2 cmd = group_cmd;

	usage_pool = pool_alloconly_create("popinjay usage", 8192);
	for (; *groups != NULL; groups++) T_BEGIN {
		cmd.name = *groups;
		cmd.usage = p_strdup(usage_pool,
			POPINJAY_DOVEADM_GROUP_USAGE(usage_text(*groups)));
		doveadm_cmd_register_ver2(&cmd);
	} T_END;
}

void popinjay_usage_deinit(void)
{
	pool_unref(&usage_pool);
}
