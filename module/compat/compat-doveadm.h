/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_COMPAT_DOVEADM_H
#define POPINJAY_COMPAT_DOVEADM_H

#include "mail-storage-service.h"

/* What differs between Dovecots for doveadm. Include it behind
   doveadm-mail.h. */

struct doveadm_mail_cmd_context;
struct mail_user;

/* Define the function NAME for a mail command's init, which calls
   func(ctx). The command takes its parameters from ctx->cctx by
   doveadm_cmd_param_...(). */
#ifdef POPINJAY_HAVE_DOVEADM_MAIL_ARGS
#  define POPINJAY_DOVEADM_INIT(name, func) \
static void name(struct doveadm_mail_cmd_context *ctx, \
		 const char *const args[] ATTR_UNUSED) \
{ \
	func(ctx); \
}
#else
#  define POPINJAY_DOVEADM_INIT(name, func) \
static void name(struct doveadm_mail_cmd_context *ctx) \
{ \
	func(ctx); \
}
#endif

/* What loads our settings module: "" in Dovecots that have none. */
#ifdef POPINJAY_HAVE_SETTINGS_GET
#  define POPINJAY_DOVEADM_SETTINGS_LOADER "config"
#else
#  define POPINJAY_DOVEADM_SETTINGS_LOADER ""
#endif

/* The section in which doveconf has our settings. */
#ifdef POPINJAY_HAVE_SETTINGS_GET
#  define POPINJAY_DOVEADM_SECTION ""
#else
#  define POPINJAY_DOVEADM_SECTION "plugin/"
#endif

/* Settings of ours that have to be copies of Dovecot's: name of the copy, name
   of Dovecot's, and so on; ends with NULL. None where we know Dovecot's. */
#ifdef POPINJAY_HAVE_SETTINGS_GET
#  define POPINJAY_DOVEADM_COPIED_SETTINGS NULL
#else
#  define POPINJAY_DOVEADM_COPIED_SETTINGS \
	"plugin/popinjay_sasl_mechanisms", "auth_mechanisms", \
	"plugin/popinjay_disable_plaintext_auth", "disable_plaintext_auth", \
	NULL
#endif

/* The usage of a command that is the beginning of others, whose usages are
   text. 2.4 hides it and prints it for --help; 2.3 lists it with the others and
   prints it never. */
#ifdef POPINJAY_HAVE_DOVEADM_MAIL_ARGS
#  define POPINJAY_DOVEADM_GROUP_USAGE(text) "--help"
#else
#  define POPINJAY_DOVEADM_GROUP_USAGE(text) text
#endif

/* The flag of a command whose options are among its args, and the parameter for
   --help where there is no such flag. */
#ifdef POPINJAY_HAVE_CMD_FLAG_NO_OPTIONS
#  define POPINJAY_DOVEADM_NO_OPTIONS CMD_FLAG_NO_OPTIONS
#  define POPINJAY_DOVEADM_HELP_PARAM
#else
#  define POPINJAY_DOVEADM_NO_OPTIONS CMD_FLAG_NONE
#  define POPINJAY_DOVEADM_HELP_PARAM \
	DOVEADM_CMD_PARAM('h', "help", CMD_PARAM_BOOL, 0)
#endif

/* How many sessions a process of pop3 serves. */
#ifdef POPINJAY_HAVE_SETTINGS_GET
#  define POPINJAY_DOVEADM_SERVICE_COUNT "service/pop3/restart_request_count"
#else
#  define POPINJAY_DOVEADM_SERVICE_COUNT "service/pop3/service_count"
#endif

/* Let doveadm accept the parameters of its command though the command has no
   function to be told of them. */
void popinjay_doveadm_accept_params(struct doveadm_mail_cmd_context *ctx);

/* Get the command's current user once more, with mail at another location,
   "driver:path". Returns 0 with a user whose only namespace is that of the
   INBOX there, to be freed with mail_user_deinit(), or -1 with the reason in
   error_r. */
int popinjay_doveadm_user_at(struct doveadm_mail_cmd_context *ctx,
			     const struct mail_user *user,
			     const char *location, struct mail_user **user_r,
			     const char **error_r);

/* Returns an event that sees the settings of no user in particular, or NULL
   where settings are not read through events. */
struct event *popinjay_doveadm_event(void);

/* Returns the file that the setting popinjay_secret_config names, or NULL. */
const char *popinjay_doveadm_secret_config(void);

/* Returns where Dovecot's messages of level Info go, from pool: a path or
   "syslog". */
const char *popinjay_doveadm_info_log(pool_t pool);

/* Make another storage service than doveadm's own. */
struct mail_storage_service_ctx *
popinjay_doveadm_storage_service(enum mail_storage_service_flags flags);

#endif
