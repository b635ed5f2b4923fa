/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: what the commands about secrets have in common. They run as root,
   who alone can read the key file, and open no mailbox. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "lib-event.h"
#include "str.h"
#include "utc-mktime.h"
#include "doveadm-print.h"
#include "mail-user.h"
#include "compat-doveadm.h"
#include "configuration.h"
#include "input.h"
#include "secret-cmd.h"
#include "secret-key.h"
#include "secret-turn.h"
#include "store.h"
#include "time-units.h"

#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#define EXPIRES_MAX_DAYS 36500

/* --- options --- */

static void get_params(struct secret_cmd *cmd)
{
	const struct {
		const char *name, **value;
	} params[] = {
		{ "label", &cmd->label },
		{ "mechanisms", &cmd->mechs },
		{ "networks", &cmd->nets },
		{ "services", &cmd->services },
		{ "expires", &cmd->expires },
		{ "tls", &cmd->tls },
		{ "read-only", &cmd->read_only },
		{ "delete", &cmd->delete_action },
		{ "window", &cmd->window },
		{ "replaces", &cmd->replaces },
		{ "secret", &cmd->secret }
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(params); i++) {
		(void)doveadm_cmd_param_str(cmd->ctx.cctx, params[i].name,
					    params[i].value);
	}
	(void)doveadm_cmd_param_bool(cmd->ctx.cctx, "all", &cmd->all);
}

static int parse_bool(const char *name, const char *value, bool *value_r,
		      const char **error_r)
{
	if (strcmp(value, "yes") == 0)
		*value_r = TRUE;
	else if (strcmp(value, "no") == 0)
		*value_r = FALSE;
	else {
		*error_r = t_strdup_printf("%s must be yes or no", name);
		return -1;
	}
	return 0;
}

int secret_cmd_parse_expires(const char *str, time_t now, time_t *expires_r)
{
	unsigned int days;
	const char *p;
	struct tm tm;

	if (strcmp(str, "never") == 0) {
		*expires_r = 0;
		return 0;
	}
	if (str_parse_uint(str, &days, &p) == 0 && strcmp(p, "d") == 0) {
		if (days == 0 || days > EXPIRES_MAX_DAYS)
			return -1;
		*expires_r = now + (time_t)days * SECS_IN_DAY;
		return 0;
	}
	i_zero(&tm);
	if (strspn(str, "0123456789-") != 10 || str[10] != '\0' ||
	    sscanf(str, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon,
		   &tm.tm_mday) != 3)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	/* fails if there is no such day */
	*expires_r = utc_mktime(&tm);
	if (*expires_r == (time_t)-1)
		return -1;
	/* valid until the end of that day */
	*expires_r += SECS_IN_DAY;
	return *expires_r > now ? 0 : -1;
}

/* Returns 0 if the secret can be used at all, or -1 with the reason in
   error_r. */
static int
check_services(const struct popinjay_secret *secret, const char **error_r)
{
	if (secret->services == 0)
		return 0;
	if (popinjay_secret_has_view_limits(secret) &&
	    secret->services != POPINJAY_SECRET_SERVICE_POP3) {
		*error_r = "A secret that may not delete mail can serve pop3 "
			"only: add -s pop3";
		return -1;
	}
	if (secret->mechs == POPINJAY_SECRET_MECH_APOP &&
	    !popinjay_secret_serves(secret, "pop3")) {
		*error_r = "APOP is a mechanism of POP3 only: add another "
			"mechanism, or -s pop3";
		return -1;
	}
	return 0;
}

/* -d, and -r, which is its older form. */
static int
apply_delete(const struct secret_cmd *cmd, struct popinjay_secret *secret,
	     const char **error_r)
{
	enum popinjay_secret_delete action = secret->delete_action;

	if (cmd->read_only != NULL) {
		if (strcmp(cmd->read_only, "no") == 0)
			action = POPINJAY_SECRET_DELETE_NATIVE;
		else if (strcmp(cmd->read_only, "yes") == 0)
			action = POPINJAY_SECRET_DELETE_REFUSE;
		else {
			*error_r = "read-only must be yes or no";
			return -1;
		}
	}
	secret->delete_action = action;
	if (cmd->delete_action == NULL)
		return 0;
	if (popinjay_secret_delete_parse(cmd->delete_action,
					 &secret->delete_action) < 0) {
		*error_r = "delete must be native or refuse";
		return -1;
	}
	if (cmd->read_only != NULL && secret->delete_action != action) {
		*error_r = t_strdup_printf("-r %s means -d %s: give only one "
			"of -r and -d", cmd->read_only,
			popinjay_secret_delete_str(action));
		return -1;
	}
	return 0;
}

/* Dovecot takes 192.0.2 for 192.0.0.2, and 10/8 for 0.0.0.10/8. Returns the
   first of nets that has less than four numbers, or NULL. */
static const char *find_short_ipv4(const char *nets)
{
	const char *const *netp = t_strsplit(nets, ",");
	unsigned int dots;
	const char *p;

	for (; *netp != NULL; netp++) {
		if (strchr(*netp, ':') != NULL)
			continue;
		for (dots = 0, p = *netp; *p != '\0'; p++)
			dots += *p == '.' ? 1 : 0;
		if (dots != 3)
			return *netp;
	}
	return NULL;
}

int secret_cmd_apply_options(const struct secret_cmd *cmd,
			     struct popinjay_secret *secret,
			     const char **error_r)
{
	bool tls = !secret->tls_optional;
	bool had_limits = popinjay_secret_has_view_limits(secret);
	string_t *nets;
	const char *p;

	if (cmd->label != NULL) {
		if (!popinjay_secret_label_is_valid(cmd->label)) {
			*error_r = "A label must be 1-64 letters, digits, "
				"\".\", \"_\" or \"-\"";
			return -1;
		}
		secret->label = cmd->label;
	}
	if (cmd->mechs != NULL &&
	    popinjay_secret_mechs_parse(cmd->mechs, &secret->mechs,
					error_r) < 0)
		return -1;
	if (cmd->nets != NULL) {
		nets = t_str_new(64);
		for (p = cmd->nets; *p != '\0'; p++) {
			if (*p != ' ')
				str_append_c(nets, *p);
		}
		if (popinjay_secret_nets_check(str_c(nets), error_r) < 0)
			return -1;
		p = str_len(nets) == 0 ? NULL : find_short_ipv4(str_c(nets));
		if (p != NULL) {
			*error_r = t_strdup_printf("Invalid network '%s': an "
				"IPv4 address has four numbers, as in "
				"192.0.2.0/24", p);
			return -1;
		}
		secret->nets = str_c(nets);
	}
	if (cmd->services != NULL &&
	    popinjay_secret_services_parse(cmd->services, &secret->services,
					   error_r) < 0)
		return -1;
	if (cmd->expires != NULL &&
	    secret_cmd_parse_expires(cmd->expires, ioloop_time,
				     &secret->expires) < 0) {
		*error_r = "expires must be never, a number of days such as "
			"90d, or a day in the future such as 2030-12-31";
		return -1;
	}
	if (cmd->window != NULL) {
		/* better than a secret that shows more than intended */
		*error_r = "A window of days is not available yet: the "
			"session cannot hide older mail";
		return -1;
	}
	if (cmd->tls != NULL &&
	    parse_bool("tls", cmd->tls, &tls, error_r) < 0)
		return -1;
	secret->tls_optional = !tls;
	if (apply_delete(cmd, secret, error_r) < 0)
		return -1;
	if (had_limits && !popinjay_secret_has_view_limits(secret) &&
	    secret->services == 0) {
		/* until now only that limit kept it to POP3 */
		secret->services = POPINJAY_SECRET_SERVICE_POP3;
	}
	return check_services(secret, error_r);
}

/* --- a user --- */

int secret_cmd_open_store(struct secret_cmd *cmd)
{
	const char *error;

	if (cmd->store != NULL)
		return 0;
	if (cmd->event == NULL)
		cmd->event = event_create(popinjay_doveadm_event());
	if (popinjay_secret_config_get(cmd->event,
				       popinjay_doveadm_secret_config(),
				       cmd->ctx.pool, &cmd->config,
				       &error) < 0) {
		secret_cmd_fail(cmd, EX_CONFIG, "%s", error);
		return -1;
	}
	if (cmd->keys == NULL &&
	    popinjay_secret_keys_read(cmd->config.key_file, &cmd->keys,
				      &error) < 0) {
		secret_cmd_fail(cmd, EX_CONFIG, "key_file: %s", error);
		return -1;
	}
	if (popinjay_secret_store_init(cmd->config.dict, cmd->ctx.set->base_dir,
				       cmd->event, &cmd->store, &error) < 0) {
		secret_cmd_fail(cmd, EX_CONFIG, "%s", error);
		return -1;
	}
	if (cmd->v->writes)
		cmd->turn = secret_turn_init(cmd->store, cmd->config.key_file);
	return 0;
}

/* From reading the secrets on, nobody else may write them. */
static int cmd_take_turn(struct secret_cmd *cmd)
{
	const char *error;

	if (secret_turn_take(cmd->turn, &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "Nothing was changed: %s",
				error);
		return -1;
	}
	return 0;
}

int secret_cmd_open(struct secret_cmd *cmd,
		    const struct popinjay_secret *secret, const char **text_r)
{
	const char *error;

	if (popinjay_secret_open(secret, cmd->keys, cmd->user, text_r,
				 &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "Secret %s (%s): %s. Put "
				"the key file back as it was, or revoke this "
				"secret", secret->id, secret->label, error);
		return -1;
	}
	return 0;
}

/* Refuse to work with a value that is partly damaged: writing it again could
   lose what can still be restored. */
static int cmd_load(struct secret_cmd *cmd)
{
	const struct popinjay_secret *secret;
	const char *value, *text, *error;
	pool_t pool = pool_datastack_create();
	int ret;

	t_array_init(&cmd->secrets, 4);
	ret = popinjay_secret_store_lookup(cmd->store, pool, cmd->user, &value,
					   &error);
	if (ret < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "Looking up the secrets "
				"failed: %s", error);
		return -1;
	}
	if (ret == 0)
		return 0;
	if (popinjay_secrets_parse(value, pool, &cmd->secrets, &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "The secrets are damaged: "
				"%s. Restore this user's value in the store "
				"from a backup", error);
		return -1;
	}
	if (cmd->v->opens_none)
		return 0;
	array_foreach(&cmd->secrets, secret) {
		if (secret_cmd_open(cmd, secret, &text) < 0)
			return -1;
	}
	return 0;
}

/* Returns 0 if the store has the value, and nobody else can have changed it
   meanwhile, or -1 with the reason in error_r. */
static int
check_written(struct secret_cmd *cmd, const char *value, const char **error_r)
{
	const char *now;
	int ret = popinjay_secret_store_lookup(cmd->store,
		pool_datastack_create(), cmd->user, &now, error_r);

	if (ret < 0)
		return -1;
	if (null_strcmp(ret == 0 ? NULL : now, value) != 0) {
		*error_r = "somebody else has written to the store since";
		return -1;
	}
	return secret_turn_check(cmd->turn, error_r);
}

int secret_cmd_save(struct secret_cmd *cmd)
{
	const char *value, *error;

	value = array_count(&cmd->secrets) == 0 ? NULL :
		popinjay_secrets_format(&cmd->secrets);
	if (secret_turn_check(cmd->turn, &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "Nothing was changed: %s",
				error);
		return -1;
	}
	if (popinjay_secret_store_set(cmd->store, cmd->user, value,
				      &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "Writing the secrets "
				"failed: %s", error);
		return -1;
	}
	if (check_written(cmd, value, &error) < 0) {
		secret_cmd_fail(cmd, EX_TEMPFAIL, "The change may be lost: %s. "
			"Check with list, and repeat the change if it is "
			"missing", error);
		return -1;
	}
	return 0;
}

struct popinjay_secret *
secret_cmd_find(struct secret_cmd *cmd, const char *id_or_label)
{
	struct popinjay_secret *secret =
		popinjay_secrets_find(&cmd->secrets, id_or_label);

	if (secret == NULL) {
		secret_cmd_fail(cmd, EX_DATAERR, "There is no secret %s, or "
			"more than one; use an id that list shows",
			id_or_label);
	}
	return secret;
}

/* Neither the userdb nor the store knows the user. */
static int nobody(struct secret_cmd *cmd)
{
	if (!cmd->ctx.iterate_single_user) {
		i_info("User doesn't exist, skipping");
		return 0;
	}
	secret_cmd_fail(cmd, EX_NOUSER, "There is no such user, and the store "
			"has no secrets for that name");
	return -1;
}

static int
cmd_run(struct doveadm_mail_cmd_context *ctx, struct mail_user *user)
{
	struct secret_cmd *cmd = container_of(ctx, struct secret_cmd, ctx);
	int ret;

	if (cmd->v->wants_secret && !cmd->all && cmd->secret == NULL) {
		secret_cmd_fail(cmd, EX_USAGE,
				"Give the id or the label of one secret");
		return -1;
	}
	if (cmd->all && cmd->secret != NULL) {
		secret_cmd_fail(cmd, EX_USAGE, "Give the id or the label of "
				"one secret, or --all");
		return -1;
	}
	if (!popinjay_secret_store_user_is_valid(user->username)) {
		secret_cmd_fail(cmd, EX_DATAERR, "A user of that name cannot "
			"have secrets: it is too long or not printable "
			"UTF-8");
		return -1;
	}
	cmd->user = user->username;
	ret = secret_cmd_open_store(cmd);
	if (ret == 0 && cmd->v->writes)
		ret = cmd_take_turn(cmd);
	if (ret == 0)
		ret = cmd_load(cmd);
	if (ret == 0 && cmd->account == SECRET_ACCOUNT_GONE &&
	    array_count(&cmd->secrets) == 0)
		ret = nobody(cmd);
	else if (ret == 0)
		ret = cmd->v->run(cmd);
	if (cmd->turn != NULL)
		secret_turn_pass(cmd->turn);
	cmd->user = NULL;
	return ret;
}

/* --- the command --- */

static void cmd_preinit(struct doveadm_mail_cmd_context *ctx)
{
	/* mail plugins would work as root on what belongs to the user */
	ctx->service_flags |= MAIL_STORAGE_SERVICE_FLAG_NO_RESTRICT_ACCESS |
		MAIL_STORAGE_SERVICE_FLAG_NO_PLUGINS |
		MAIL_STORAGE_SERVICE_FLAG_NO_NAMESPACES |
		MAIL_STORAGE_SERVICE_FLAG_NO_CHDIR;
}

static void cmd_init(struct doveadm_mail_cmd_context *ctx)
{
	struct secret_cmd *cmd = container_of(ctx, struct secret_cmd, ctx);
	const char *error;

	get_params(cmd);
	secret_cmd_accounts_init(cmd);
	popinjay_rows_begin(&cmd->output);
	if (cmd->v->input && popinjay_input_get(ctx, &error) < 0) {
		secret_cmd_fail(cmd, EX_USAGE, "%s", error);
		popinjay_no_users(ctx);
	}
}
POPINJAY_DOVEADM_INIT(cmd_init_params, cmd_init)

static void cmd_deinit(struct doveadm_mail_cmd_context *ctx)
{
	struct secret_cmd *cmd = container_of(ctx, struct secret_cmd, ctx);

	/* errors about secrets whose key is lost come after the rows */
	popinjay_rows_end(&cmd->output, ctx->exit_code != EX_TEMPFAIL);
	secret_cmd_accounts_deinit(cmd);
	secret_turn_deinit(&cmd->turn);
	popinjay_secret_store_deinit(&cmd->store);
	popinjay_secret_keys_free(&cmd->keys);
	if (hash_table_is_created(cmd->passwords))
		hash_table_destroy(&cmd->passwords);
	event_unref(&cmd->event);
}

struct doveadm_mail_cmd_context *
secret_cmd_alloc(const struct secret_cmd_vfuncs *v)
{
	struct secret_cmd *cmd = doveadm_mail_cmd_alloc(struct secret_cmd);

	popinjay_doveadm_accept_params(&cmd->ctx);
	cmd->ctx.v.preinit = cmd_preinit;
	cmd->ctx.v.init = cmd_init_params;
	cmd->ctx.v.run = cmd_run;
	cmd->ctx.v.deinit = cmd_deinit;
	cmd->v = v;
	secret_cmd_accounts_alloc(cmd);
	if (v->headers != NULL) {
		popinjay_rows_init(&cmd->output, &cmd->ctx, v->headers,
				   DOVEADM_PRINT_TYPE_TABLE);
	}
	return &cmd->ctx;
}
