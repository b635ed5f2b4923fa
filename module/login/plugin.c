/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entry points of lib20_popinjay_login_plugin.so, for the process pop3-login:
   the access log's records of logins. Only this process knows how a connection
   is encrypted, and which logins were refused before the auth process was
   asked. It also encrypts all output of sessions with TLS, which is made faster
   here. */

#include "login-common.h"
#include "array.h"
#include "iostream-openssl.h"
#include "module-context.h"
#include "net.h"
#include "ostream.h"
#include "time-util.h"
#include "client-common.h"
#include "compat-login.h"
#include "compat-ostream.h"
#include "log-protocol.h"
#include "log-service.h"
#include "log-syslog.h"
#include "log-writer.h"
#include "module-version.h"
#include "popinjay.h"
#include "popinjay-settings.h"
#include "plugin.h"
#include "record.h"

#define LOGIN_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, popinjay_login_module)

struct login_client {
	union login_client_module_context module_ctx;
	unsigned int attempts;
};

static MODULE_CONTEXT_DEFINE_INIT(popinjay_login_module,
				  &login_module_register);

static pool_t config_pool;
static struct popinjay_access_log_config config;

/* NULL if the login was accepted */
static const char *refusal_reason(const struct client *client,
				  enum client_auth_result result)
{
	switch (result) {
	case CLIENT_AUTH_RESULT_SUCCESS:
	case CLIENT_AUTH_RESULT_REFERRAL_SUCCESS:
		return NULL;
	case CLIENT_AUTH_RESULT_ABORTED:
		return "aborted";
	case CLIENT_AUTH_RESULT_AUTHFAILED:
	case CLIENT_AUTH_RESULT_AUTHFAILED_REASON:
		return client->last_auth_fail ==
			CLIENT_AUTH_FAIL_CODE_USER_DISABLED ?
			"user_disabled" : "authentication_failed";
	case CLIENT_AUTH_RESULT_AUTHZFAILED:
		return "authorization_failed";
	case CLIENT_AUTH_RESULT_TEMPFAIL:
		return "temporary_failure";
	case CLIENT_AUTH_RESULT_PASS_EXPIRED:
		return "password_expired";
	case CLIENT_AUTH_RESULT_SSL_REQUIRED:
	case CLIENT_AUTH_RESULT_MECH_SSL_REQUIRED:
		return "tls_required";
	case CLIENT_AUTH_RESULT_INVALID_BASE64:
		return "bad_input";
	case CLIENT_AUTH_RESULT_LOGIN_DISABLED:
	case CLIENT_AUTH_RESULT_REFERRAL_NOLOGIN:
		return "login_disabled";
	case CLIENT_AUTH_RESULT_MECH_INVALID:
		return "mechanism_invalid";
	default:
		break;
	}
	return "other";
}

static void
add_connection(struct popinjay_record *record, struct client *client)
{
	popinjay_record_add_str(record, POPINJAY_LOG_REMOTE_IP,
				popinjay_anonymize_ip(&config, &client->ip));
	if (config.ip == POPINJAY_ANONYMIZE_NOT) {
		popinjay_record_add_uint(record, POPINJAY_LOG_REMOTE_PORT,
					 client->remote_port);
	} else {
		popinjay_record_add_null(record, POPINJAY_LOG_REMOTE_PORT);
	}
	popinjay_record_add_str(record, POPINJAY_LOG_LOCAL_IP,
				client->local_ip.family == 0 ? NULL :
				net_ip2addr(&client->local_ip));
	popinjay_record_add_uint(record, POPINJAY_LOG_LOCAL_PORT,
				 client->local_port);
}

static void add_tls(struct popinjay_record *record, struct client *client)
{
	const char *version = NULL, *cipher = NULL;
	unsigned int bits = 0;

	if (client->ssl_iostream != NULL) {
		version = ssl_iostream_get_protocol_name(client->ssl_iostream);
		cipher = ssl_iostream_get_cipher(client->ssl_iostream, &bits);
	}
	popinjay_record_add_bool(record, POPINJAY_LOG_TLS,
				 popinjay_login_client_is_tls(client));
	popinjay_record_add_str(record, POPINJAY_LOG_TLS_VERSION, version);
	popinjay_record_add_str(record, POPINJAY_LOG_TLS_CIPHER, cipher);
	if (cipher != NULL)
		popinjay_record_add_uint(record, POPINJAY_LOG_TLS_CIPHER_BITS,
					 bits);
	else
		popinjay_record_add_null(record, POPINJAY_LOG_TLS_CIPHER_BITS);
}

static void log_login(struct client *client, const char *reason)
{
	struct login_client *lclient = LOGIN_CONTEXT(client);
	struct popinjay_record *record =
		popinjay_record_create(pool_datastack_create(),
				       POPINJAY_RECORD_LOGIN);
	struct timeval now;

	i_gettimeofday(&now);
	popinjay_record_add_time(record, POPINJAY_LOG_TIME, &now);
	popinjay_record_add_str(record, POPINJAY_LOG_SESSION_ID,
		popinjay_anonymize_session(&config,
					   client_get_session_id(client)));
	popinjay_record_add_str(record, POPINJAY_LOG_USER,
		popinjay_anonymize_user(&config, client->virtual_user));
	add_connection(record, client);
	add_tls(record, client);
	popinjay_record_add_str(record, POPINJAY_LOG_MECHANISM,
				client->auth_mech_name);
	popinjay_record_add_uint(record, POPINJAY_LOG_ATTEMPT,
				 ++lclient->attempts);
	popinjay_record_add_str(record, POPINJAY_LOG_RESULT,
				reason == NULL ? "accepted" : "refused");
	if (reason != NULL)
		popinjay_record_add_str(record, POPINJAY_LOG_REASON, reason);
	/* the client's event would add text of its own to the line */
	popinjay_log_write(&config, TRUE, TRUE, NULL, record);
}

/* From now on all output of the session comes through this process to be
   encrypted, in pieces of at most IO_BLOCK_SIZE, or of half of that with
   Dovecot's limit, and with five system calls for socket options for each. */
static void prepare_tls_output(struct client *client)
{
	popinjay_ostream_set_nodelay(client->ssl_iostream->plain_output, TRUE);
	o_stream_set_max_buffer_size(client->output, IO_BLOCK_SIZE);
}

static void login_auth_result(struct client *client,
			      enum client_auth_result result,
			      const struct client_auth_reply *reply,
			      const char *text)
{
	struct login_client *lclient = LOGIN_CONTEXT(client);

	T_BEGIN {
		log_login(client, refusal_reason(client, result));
	} T_END;
	if (result == CLIENT_AUTH_RESULT_SUCCESS &&
	    client->ssl_iostream != NULL)
		prepare_tls_output(client);
	lclient->module_ctx.super.auth_result(client, result, reply, text);
}

static void login_client_allocated(struct client *client)
{
	struct client_vfuncs *v = client->vlast;
	struct login_client *lclient;

	lclient = p_new(client->pool, struct login_client, 1);
	lclient->module_ctx.super = *v;
	client->vlast = &lclient->module_ctx.super;
	v->auth_result = login_auth_result;
	MODULE_CONTEXT_SET(client, popinjay_login_module, lclient);
}

static int config_init(const char **error_r)
{
	const struct popinjay_settings *set;
	int ret;

	if (popinjay_login_settings_get(&set, error_r) < 0)
		return -1;
	ret = popinjay_log_config_init(config_pool, set, &config, error_r);
	popinjay_login_settings_free(&set);
	if (ret == 0 && *config.files != NULL) {
		/* files belong to mail users */
		config.files = NULL;
		config.log = TRUE;
	}
	return ret;
}

static const struct login_client_hooks login_hooks = {
	.client_allocated = login_client_allocated
};

POPINJAY_DEFINE_MODULE_VERSION(popinjay_login_plugin);

void popinjay_login_plugin_init(struct module *module)
{
	const char *const *pathp, *error;

	/* the other protocols' logins are not our business */
	if (strcmp(login_binary->protocol, "pop3") != 0)
		return;
	config_pool = pool_alloconly_create("popinjay login", 512);
	if (config_init(&error) < 0) {
		i_error("popinjay: %s - records of logins go to this log",
			error);
		popinjay_access_log_config_free(&config);
		i_zero(&config);
		config.log = TRUE;
	}
	/* it lies in the process's directory, chrooted or not */
	popinjay_log_service_init(POPINJAY_LOG_SOCKET);
	/* and that of syslog outside of it */
	for (pathp = config.syslogs; pathp != NULL && *pathp != NULL; pathp++)
		(void)popinjay_log_syslog_open(*pathp);
	login_client_hooks_add(module, &login_hooks);
}

void popinjay_login_plugin_deinit(void)
{
	if (config_pool == NULL)
		return;
	login_client_hooks_remove(&login_hooks);
	popinjay_log_writer_deinit();
	popinjay_access_log_config_free(&config);
	pool_unref(&config_pool);
}
