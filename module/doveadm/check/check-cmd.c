/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay check: finds what would make POP3 logins fail, before they
   do. Without a user it checks what all users share. */

#include "lib.h"
#include "mail-user.h"
#include "module-dir.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "compat-doveadm.h"
#include "check.h"
#include "input.h"

#include <pwd.h>
#include <stdio.h>
#include <sysexits.h>

/* what Linux takes for users that it cannot map, too */
#define NOBODY_UID 65534

static const char *const result_names[] = { "ok", "warning", "error" };

struct check_cmd {
	struct doveadm_mail_cmd_context ctx;
	struct check check;
};

static char *module_dir;

void check_print(struct check *check, enum check_result result,
		 const char *what, const char *fmt, ...)
{
	const char *text;
	va_list args;

	va_start(args, fmt);
	text = t_strdup_vprintf(fmt, args);
	va_end(args);
	if (result == CHECK_ERROR)
		check->exit_code = EX_CONFIG;
	if (check->for_people) {
		printf("%-8s %s: %s\n", result_names[result], what, text);
		fflush(stdout);
		return;
	}
	doveadm_print(result_names[result]);
	doveadm_print(what);
	doveadm_print(text);
}

static void check_init(struct check *check, pool_t pool)
{
	i_zero(check);
	check->pool = pool;
	check->for_people = !doveadm_print_is_initialized();
	check->event = popinjay_doveadm_event();
	check->module_dir = module_dir;
}

static void print_headers(void)
{
	doveadm_print_header_simple("result");
	doveadm_print_header_simple("what");
	doveadm_print_header_simple("text");
}

/* 2.3 expands $auth_mechanisms where it is written, without what is set
   later. */
static void check_copied_settings(struct check *check)
{
	static const char *const names[] = {
		POPINJAY_DOVEADM_COPIED_SETTINGS
	};
	const char *copy, *value;
	unsigned int i;

	for (i = 0; names[i] != NULL; i += 2) {
		copy = doveconf_find(&check->pop3, names[i]);
		value = doveconf_find(&check->pop3, names[i + 1]);
		if (*copy == '\0' || strcasecmp(copy, value) == 0)
			continue;
		check_print(check, CHECK_WARNING, names[i], "It is \"%s\", but "
			"%s is \"%s\": CAPA after login will differ from CAPA "
			"before it. Set it to $%s after the place where that "
			"is set", copy,
			names[i + 1], value, names[i + 1]);
	}
}

/* Returns a variable of ours that is written with a single %, or NULL. */
static const char *find_percent(const char *value)
{
	static const char *const ours[] = {
		"uidvalidity}", "md5}", "filename}", "guid}", "hmac}", "date}"
	};
	unsigned int i;

	while ((value = strchr(value, '%')) != NULL) {
		if (value[1] == '%') {
			value += 2;
			continue;
		}
		value++;
		for (i = 0; *value == '{' && i < N_ELEMENTS(ours); i++) {
			if (strncmp(value + 1, ours[i], strlen(ours[i])) == 0)
				return t_strdup_until(value, value + 1 +
						      strlen(ours[i]));
		}
	}
	return NULL;
}

/* 2.3 expands a % in plugin {} itself, before a session sees it. */
static void check_percent(struct check *check)
{
	static const char *const names[] = {
		"popinjay_uidl_format", "popinjay_uidl_old_format"
	};
	const char *variable;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(names); i++) {
		variable = find_percent(doveconf_find(&check->pop3,
			t_strconcat("plugin/", names[i], NULL)));
		if (variable == NULL)
			continue;
		check_print(check, CHECK_ERROR, names[i], "Dovecot 2.3 takes "
			"%%%s for a variable of its own, so that POP3, IMAP, "
			"delivery and doveadm fail: write %s, without the %%",
			variable, variable);
	}
}

/* Dovecot 2.4 accepts any setting in any block. */
static void check_misplaced_settings(struct check *check)
{
	const struct doveconf_setting *setting;
	const char *name;

	array_foreach(&check->pop3, setting) {
		name = strrchr(setting->name, '/');
		if (name == NULL || strncmp(name, "/popinjay_", 10) != 0 ||
		    (strncmp(setting->name, "namespace/", 10) != 0 &&
		     strncmp(setting->name, "mailbox/", 8) != 0))
			continue;
		check_print(check, CHECK_ERROR, name + 1, "It has no effect in "
			    "%s: it is a setting of users, not of mailboxes. "
			    "Move it out of namespace and mailbox blocks",
			    t_strdup_until(setting->name, name));
	}
}

static void check_server(struct check *check)
{
	static const char *const names[] = {
		"auth_username_chars", "base_dir", "default_internal_user",
		"libexec_dir",
		"login_plugin_dir", "login_plugins", "mail_plugin_dir",
		"mail_plugins", "mailbox", "namespace", "passdb", "plugin",
		POPINJAY_LOG_EXECUTABLE,
		"service/auth/user", "service/auth/group",
		"service/auth/extra_groups",
		"service/popinjay-log/user", "service/popinjay-log/group",
		"service/popinjay-log/extra_groups",
		POPINJAY_DOVEADM_SERVICE_COUNT,
		POPINJAY_DOVEADM_COPIED_SETTINGS
	};
	const char *error;

	if (doveconf_get(check->pool, "pop3", names, &check->pop3,
			 &error) < 0) {
		p_array_init(&check->pop3, check->pool, 1);
		check_print(check, CHECK_ERROR, "configuration", "%s", error);
		return;
	}
	check_copied_settings(check);
	check_percent(check);
	check_misplaced_settings(check);
	check_modules(check);
	check_log_service(check);
	check_secrets(check);
}

static bool has_param(struct doveadm_cmd_context *cctx, const char *name)
{
	const struct doveadm_cmd_param *param;
	int i;

	for (i = 0; i < cctx->argc; i++) {
		param = &cctx->argv[i];
		if (param->value_set && strcmp(param->name, name) == 0)
			return TRUE;
	}
	return FALSE;
}

/* doveadm's own loop over users needs a user. */
void popinjay_check_cmd(struct doveadm_cmd_context *cctx)
{
	struct check check;
	pool_t pool;

	if (has_param(cctx, "user") || has_param(cctx, "all-users") ||
	    has_param(cctx, "user-file")) {
		/* what a doveadm server answers are rows */
		if (popinjay_may_be_sent(cctx))
			doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
		doveadm_cmd_ver2_to_mail_cmd_wrapper(cctx);
		return;
	}
	pool = pool_alloconly_create("popinjay check", 4096);
	check_init(&check, pool);
	if (!check.for_people)
		print_headers();
	check_server(&check);
	if (check.for_people) {
		printf("No user was checked: -u USER checks one, -A "
		       "all.\n");
	}
	doveadm_exit_code = check.exit_code;
	pool_unref(&pool);
}

/* --- users --- */

static void cmd_preinit(struct doveadm_mail_cmd_context *ctx)
{
	/* the pop3 program that checks the user's settings drops its
	   privileges itself, and loads the plugins */
	ctx->service_flags |= MAIL_STORAGE_SERVICE_FLAG_NO_RESTRICT_ACCESS |
		MAIL_STORAGE_SERVICE_FLAG_NO_NAMESPACES |
		MAIL_STORAGE_SERVICE_FLAG_NO_PLUGINS |
		MAIL_STORAGE_SERVICE_FLAG_NO_CHDIR;
}

static void cmd_init(struct doveadm_mail_cmd_context *ctx)
{
	struct check_cmd *cmd = container_of(ctx, struct check_cmd, ctx);

	cmd->check.many_users = !ctx->iterate_single_user;
	if (!cmd->check.for_people) {
		print_headers();
		if (!ctx->iterate_single_user)
			doveadm_print_sticky("username", "");
	}
	check_server(&cmd->check);
}
POPINJAY_DOVEADM_INIT(cmd_init_args, cmd_init)

/* A process that has become one user cannot become another. */
static void check_uid(struct check *check, const struct mail_user *user)
{
	const char *count = doveconf_find(&check->pop3,
					  POPINJAY_DOVEADM_SERVICE_COUNT);

	if (check->first_user == NULL) {
		check->first_user = p_strdup(check->pool, user->username);
		check->first_uid = user->uid;
	}
	if (*count == '\0' || strcmp(count, "1") == 0 || check->uids_told ||
	    check->first_uid == user->uid)
		return;
	check->uids_told = TRUE;
	check_print(check, CHECK_ERROR, "service pop3", "A process serves more "
		"than one session (%s=%s), but users have different uids "
		"(%s %s, %s %s), so many logins will fail: set it to 1",
		strrchr(POPINJAY_DOVEADM_SERVICE_COUNT, '/') + 1, count,
		check->first_user, dec2str(check->first_uid), user->username,
		dec2str(user->uid));
}

/* The system's user "nobody" has no mail, but -A gets it from a userdb passwd
   unless last_valid_uid forbids it. */
static bool is_nobody(const struct mail_user *user)
{
	const struct passwd *pw;

	if (user->uid != NOBODY_UID)
		return FALSE;
	pw = getpwuid(user->uid);
	return pw != NULL && strcmp(pw->pw_name, user->username) == 0;
}

static int
cmd_run(struct doveadm_mail_cmd_context *ctx, struct mail_user *user)
{
	struct check_cmd *cmd = container_of(ctx, struct check_cmd, ctx);

	if (array_is_empty(&cmd->check.pop3) ||
	    (has_param(ctx->cctx, "all-users") && is_nobody(user)))
		return 0;
	check_uid(&cmd->check, user);
	check_user(&cmd->check, user);
	return 0;
}

static void cmd_deinit(struct doveadm_mail_cmd_context *ctx)
{
	struct check_cmd *cmd = container_of(ctx, struct check_cmd, ctx);

	if (cmd->check.for_people && array_is_empty(&cmd->check.pop3)) {
		printf("No user was checked, because the configuration cannot "
		       "be read.\n");
	} else if (cmd->check.for_people && !ctx->iterate_single_user) {
		printf("%u of %u users have errors.\n",
		       cmd->check.bad_users, cmd->check.users);
	}
	/* not earlier: doveadm stops when it is set */
	if (ctx->exit_code == 0)
		ctx->exit_code = cmd->check.exit_code;
}

struct doveadm_mail_cmd_context *popinjay_check_cmd_alloc(void)
{
	struct check_cmd *cmd = doveadm_mail_cmd_alloc(struct check_cmd);

	popinjay_doveadm_accept_params(&cmd->ctx);
	cmd->ctx.v.preinit = cmd_preinit;
	cmd->ctx.v.init = cmd_init_args;
	cmd->ctx.v.run = cmd_run;
	cmd->ctx.v.deinit = cmd_deinit;
	check_init(&cmd->check, cmd->ctx.pool);
	return &cmd->ctx;
}

void popinjay_check_cmd_init(const struct module *module)
{
	const char *dir = t_strdup_until(module->path,
					 strrchr(module->path, '/'));

	module_dir = i_strdup(t_strdup_until(dir, strrchr(dir, '/')));
}

void popinjay_check_cmd_deinit(void)
{
	i_free(module_dir);
}
