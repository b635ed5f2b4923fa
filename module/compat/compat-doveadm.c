/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: what differs between Dovecots. */

#include "lib.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "mail-namespace.h"
#include "mail-storage-service.h"
#include "mail-user.h"
#include "doveadm-mail.h"
#include "compat-doveadm.h"

#ifdef POPINJAY_HAVE_SETTINGS_GET
#  define service_settings_get master_service_get_service_settings
#else
#  define service_settings_get master_service_settings_get
#endif

#ifdef POPINJAY_HAVE_DOVEADM_MAIL_ARGS

static bool
accept_param(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
	     int c ATTR_UNUSED)
{
	return TRUE;
}

void popinjay_doveadm_accept_params(struct doveadm_mail_cmd_context *ctx)
{
	ctx->getopt_args = "";
	ctx->v.parse_arg = accept_param;
}

static int
user_init(struct mail_storage_service_ctx *service,
	  const struct mail_storage_service_input *input,
	  const char *location, struct mail_user **user_r, const char **error_r)
{
	struct mail_storage_service_user *service_user;

	*error_r = "There is no such user";
	if (mail_storage_service_lookup_next(service, input, &service_user,
					     user_r, error_r) <= 0)
		return -1;
	mail_storage_service_io_deactivate_user(service_user);
	mail_storage_service_user_unref(&service_user);
	return mail_namespaces_init_location(*user_r, location, error_r);
}

struct event *popinjay_doveadm_event(void)
{
	return NULL;
}

const char *popinjay_doveadm_secret_config(void)
{
	return doveadm_plugin_getenv("popinjay_secret_config");
}

static struct mail_storage_service_ctx *
service_init(enum mail_storage_service_flags flags)
{
	return mail_storage_service_init(master_service, NULL, flags);
}

#else

#include "settings.h"

void popinjay_doveadm_accept_params(
	struct doveadm_mail_cmd_context *ctx ATTR_UNUSED)
{
}

static void
set_location(struct mail_storage_service_user *user, const char *driver,
	     const char *path)
{
	struct settings_instance *set =
		mail_storage_service_user_get_settings_instance(user);

	/* what is set for the location it has now would count more */
	mail_storage_2nd_settings_reset(set, "*/");
	settings_override(set, "*/mail_driver", driver,
			  SETTINGS_OVERRIDE_TYPE_2ND_CLI_PARAM);
	settings_override(set, "*/mail_path", path,
			  SETTINGS_OVERRIDE_TYPE_2ND_CLI_PARAM);
}

static int
user_init(struct mail_storage_service_ctx *service,
	  const struct mail_storage_service_input *input,
	  const char *location, struct mail_user **user_r, const char **error_r)
{
	struct mail_storage_service_user *service_user;
	const char *path = strchr(location, ':');
	int ret;

	if (path == NULL || strchr(path + 1, ':') != NULL) {
		*error_r = t_strdup_printf("%s: Use driver:path, as in "
					   "mdbox:~/mdbox", location);
		return -1;
	}
	*error_r = "There is no such user";
	if (mail_storage_service_lookup(service, input, &service_user,
					error_r) <= 0)
		return -1;
	set_location(service_user, t_strdup_until(location, path), path + 1);
	ret = mail_storage_service_next(service, service_user, user_r,
					error_r);
	if (ret == 0)
		mail_storage_service_io_deactivate_user(service_user);
	mail_storage_service_user_unref(&service_user);
	if (ret < 0)
		return -1;
	return mail_namespaces_init_location(*user_r, (*user_r)->event,
					     error_r);
}

struct event *popinjay_doveadm_event(void)
{
	return master_service_get_event(master_service);
}

const char *popinjay_doveadm_secret_config(void)
{
	return NULL;
}

static struct mail_storage_service_ctx *
service_init(enum mail_storage_service_flags flags)
{
	return mail_storage_service_init(master_service, flags);
}

#endif

int popinjay_doveadm_user_at(struct doveadm_mail_cmd_context *ctx,
			     const struct mail_user *user,
			     const char *location, struct mail_user **user_r,
			     const char **error_r)
{
	const struct mail_storage_service_input input = {
#ifdef POPINJAY_HAVE_DOVEADM_MAIL_ARGS
		.module = "mail",
#endif
		/* what stands in protocol doveadm {} counts here too */
		.service = "doveadm",
		.username = user->username,
		.flags_override_add = MAIL_STORAGE_SERVICE_FLAG_NO_NAMESPACES |
			MAIL_STORAGE_SERVICE_FLAG_NO_RESTRICT_ACCESS
	};
	int ret;

	*user_r = NULL;
	mail_storage_service_io_deactivate_user(ctx->cur_service_user);
	ret = user_init(ctx->storage_service, &input, location, user_r,
			error_r);
	mail_storage_service_io_activate_user(ctx->cur_service_user);
	if (ret < 0 && *user_r != NULL) {
		*error_r = t_strdup(*error_r);
		mail_user_deinit(user_r);
	}
	return ret;
}

const char *popinjay_doveadm_info_log(pool_t pool)
{
	const struct master_service_settings *set =
		service_settings_get(master_service);

	return p_strdup(pool, *set->info_log_path != '\0' ?
			set->info_log_path : set->log_path);
}

struct mail_storage_service_ctx *
popinjay_doveadm_storage_service(enum mail_storage_service_flags flags)
{
	/* each service makes a connection to auth when it is first used, and
	   there is a place for one only: that of doveadm's service stays */
	struct auth_master_connection *conn = mail_user_auth_master_conn;
	struct mail_storage_service_ctx *service = service_init(flags);

	mail_user_auth_master_conn = NULL;
	mail_storage_service_init_settings(service, NULL);
	mail_user_auth_master_conn = conn;
	return service;
}
