/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay secret list, show and verify. Nothing here prints a
   secret. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "time-util.h"
#include "doveadm-print.h"
#include "input.h"
#include "secret-cmd.h"
#include "secret-login.h"
#include "secret-text.h"
#include "store.h"

#include <sysexits.h>

#define TEXT_MAX_BYTES 4096

static const char *time_str(time_t time)
{
	return t_strfgmtime("%Y-%m-%dT%H:%M:%SZ", time);
}

static const char *expires_str(const struct popinjay_secret *secret)
{
	return secret->expires == 0 ? "never" : time_str(secret->expires);
}

/* Returns "", or time, address and mechanism of the last use. */
static int
get_used(struct secret_cmd *cmd, const char *id, const char *const **used_r)
{
	static const char *const none[] = { "", "", "", NULL };
	const char *value, *error;
	const char *const *parts;
	time_t secs;
	int ret;

	*used_r = none;
	ret = popinjay_secret_store_get_used(cmd->store,
					     pool_datastack_create(), cmd->user,
					     id, &value, &error);
	if (ret < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "Looking up failed: %s",
				error);
		return -1;
	}
	if (ret == 0)
		return 0;
	parts = t_strsplit(value, " ");
	if (str_array_length(parts) == 3 && str_to_time(parts[0], &secs) == 0) {
		const char **used = t_new(const char *, 4);

		used[0] = time_str(secs);
		used[1] = parts[1];
		used[2] = parts[2];
		*used_r = used;
	}
	return 0;
}

static void print_limits(const struct popinjay_secret *secret)
{
	doveadm_print(popinjay_secret_mechs_str(secret->mechs));
	doveadm_print(popinjay_secret_services_str(secret));
	doveadm_print(*secret->nets == '\0' ? "all" : secret->nets);
	doveadm_print(secret->tls_optional ? "no" : "yes");
	doveadm_print(secret->read_only ? "yes" : "no");
}

/* --- list --- */

static int list_run(struct secret_cmd *cmd)
{
	const struct popinjay_secret *secret;
	const char *const *used, *text;
	int ret = 0;

	array_foreach(&cmd->secrets, secret) {
		if (get_used(cmd, secret->id, &used) < 0)
			return -1;
		popinjay_rows_next(&cmd->output);
		doveadm_print(secret->id);
		doveadm_print(secret->label);
		doveadm_print(time_str(secret->created));
		doveadm_print(expires_str(secret));
		print_limits(secret);
		doveadm_print(used[0]);
		doveadm_print(secret_cmd_account_str(cmd));
		if (secret_cmd_open(cmd, secret, &text) < 0)
			ret = -1;
	}
	return ret;
}

static const char *const list_headers[] = {
	"id", "label", "created", "expires", "mechanisms",
	"services", "networks", "tls", "read_only", "last_used",
	"account", NULL
};

const struct secret_cmd_vfuncs secret_cmd_list = {
	.headers = list_headers,
	.opens_none = TRUE,
	.run = list_run
};

/* --- show --- */

static int show_run(struct secret_cmd *cmd)
{
	const struct popinjay_secret *secret = secret_cmd_find(cmd);
	const char *const *used, *text;

	if (secret == NULL || get_used(cmd, secret->id, &used) < 0)
		return -1;
	popinjay_rows_next(&cmd->output);
	doveadm_print(secret->id);
	doveadm_print(secret->label);
	doveadm_print(secret->generated ? "generated" : "imported");
	doveadm_print(time_str(secret->created));
	doveadm_print(expires_str(secret));
	print_limits(secret);
	doveadm_print(secret->key_id);
	doveadm_print(used[0]);
	doveadm_print(used[1]);
	doveadm_print(used[2]);
	doveadm_print(secret_cmd_account_str(cmd));
	return secret_cmd_open(cmd, secret, &text);
}

static const char *const show_headers[] = {
	"id", "label", "origin", "created", "expires", "mechanisms",
	"services", "networks", "tls", "read_only", "key",
	"last_used", "last_ip", "last_mechanism", "account", NULL
};

const struct secret_cmd_vfuncs secret_cmd_show = {
	.headers = show_headers,
	.wants_secret = TRUE,
	.opens_none = TRUE,
	.run = show_run
};

/* --- verify --- */

static int verify_run(struct secret_cmd *cmd)
{
	const struct popinjay_secret *secret;
	const char *opened, *error;

	if (cmd->text == NULL) {
		string_t *text = t_str_new(128);

		if (popinjay_input_read(&cmd->ctx, TEXT_MAX_BYTES, text) < 0)
			return -1;
		/* the doveadm protocol may have made CRLF of LF */
		cmd->text = p_strdup(cmd->ctx.pool, t_str_rtrim(
			t_strcut(str_c(text), '\n'), "\r"));
	}
	array_foreach(&cmd->secrets, secret) {
		if (popinjay_secret_open(secret, cmd->keys, cmd->user, &opened,
					 &error) < 0)
			i_unreached();
		if (!popinjay_secret_plain_matches(secret, opened, cmd->text))
			continue;
		popinjay_rows_next(&cmd->output);
		doveadm_print(secret->id);
		doveadm_print(secret->label);
		return 0;
	}
	if (!popinjay_secret_text_is_valid(
			popinjay_secret_text_normalize(cmd->text))) {
		secret_cmd_fail(cmd, EX_NOPERM, "No secret matches, and it is "
			"mistyped or none that was generated");
	} else {
		secret_cmd_fail(cmd, EX_NOPERM, "No secret matches");
	}
	return -1;
}

static const char *const verify_headers[] = { "id", "label", NULL };

const struct secret_cmd_vfuncs secret_cmd_verify = {
	.headers = verify_headers,
	.input = TRUE,
	.run = verify_run
};
