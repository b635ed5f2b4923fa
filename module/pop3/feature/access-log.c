/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: what all records of the access log share. The settings are
   checked in any mail process. doc/popinjay-log.7 lists the fields. */

#include "session.h"
#include "time-util.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "mail-user.h"
#include "access-log.h"
#include "compat-pop3.h"
#include "log-protocol.h"
#include "log-service.h"
#include "log-writer.h"
#include "popinjay-settings.h"
#include "read-only.h"
#include "record.h"
#include "user.h"

/* What a session may log of its commands, and of what it does with messages
   before they are removed, so that a client cannot fill a disk; with so many
   more for each message. */
#define DETAIL_RECORDS_MAX 10000
#define DETAIL_RECORDS_PER_MESSAGE 10

#define LOG_USER_CONTEXT(obj) MODULE_CONTEXT(obj, log_user_module)

struct log_user {
	union mail_user_module_context module_ctx;
	struct popinjay_access_log_config config;
};

struct popinjay_log_identity {
	const char *session, *user, *remote_ip;
	const char *mechanism, *secret_id, *secret_label;
};

static MODULE_CONTEXT_DEFINE_INIT(log_user_module,
				  &mail_user_module_register);

/* --- settings --- */

static void log_user_deinit(struct mail_user *user)
{
	struct log_user *luser = LOG_USER_CONTEXT(user);

	popinjay_access_log_config_free(&luser->config);
	luser->module_ctx.super.deinit(user);
}

static int access_log_settings_check(struct mail_user *user,
				     const char **error_r)
{
	struct mail_user_vfuncs *v = user->vlast;
	struct log_user *luser = p_new(user->pool, struct log_user, 1);

	luser->module_ctx.super = *v;
	user->vlast = &luser->module_ctx.super;
	v->deinit = log_user_deinit;
	MODULE_CONTEXT_SET(user, log_user_module, luser);

	if (popinjay_log_config_init(user->pool, popinjay_user_get(user)->set,
				     &luser->config, error_r) < 0)
		return -1;
	if (popinjay_is_pop3_process()) {
		popinjay_log_service_init(t_strconcat(user->set->base_dir, "/",
			POPINJAY_LOG_SOCKET, NULL));
	}
	return 0;
}

const struct popinjay_access_log_config *
popinjay_access_log_config(struct mail_user *user)
{
	static const struct popinjay_access_log_config without_settings = {
		.log = TRUE, .session = TRUE
	};

	return popinjay_user_get(user)->error != NULL ? &without_settings :
		&((struct log_user *)LOG_USER_CONTEXT(user))->config;
}

/* --- records --- */

static struct popinjay_log_identity *
identity_create(struct popinjay_session *session,
		const struct popinjay_access_log_config *config)
{
	const struct mail_user *user = popinjay_session_user(session);
	pool_t pool = popinjay_client_pool(session->client);
	struct popinjay_log_identity *identity =
		p_new(pool, struct popinjay_log_identity, 1);

	identity->session = p_strdup(pool,
		popinjay_anonymize_session(config, user->session_id));
	identity->user = p_strdup(pool,
		popinjay_anonymize_user(config, user->username));
	identity->remote_ip = p_strdup(pool,
		popinjay_anonymize_ip(config, user->conn.remote_ip));
	identity->mechanism = user->auth_mech;
	identity->secret_id = popinjay_secret_get(user, "id");
	identity->secret_label = popinjay_secret_get(user, "label");
	return identity;
}

struct popinjay_access_log *
popinjay_access_log_get(struct popinjay_session *session)
{
	struct event *event = popinjay_client_event(session->client);
	struct popinjay_access_log *access_log =
		popinjay_feature_state(session, &popinjay_access_log_feature);

	if (access_log->config != NULL)
		return access_log;
	access_log->config =
		popinjay_access_log_config(popinjay_session_user(session));
	access_log->session_events = popinjay_log_has_listener(event,
		POPINJAY_LOG_SESSION_FINISHED);
	access_log->message_events = popinjay_log_has_listener(event,
		POPINJAY_LOG_MESSAGE_FINISHED);
	access_log->command_events = popinjay_log_has_listener(event,
		POPINJAY_LOG_COMMAND_FINISHED);
	access_log->identity = identity_create(session, access_log->config);
	return access_log;
}

bool popinjay_access_log_wants_session(struct popinjay_session *session)
{
	const struct popinjay_access_log *access_log =
		popinjay_access_log_get(session);

	return access_log->config->session || access_log->session_events;
}

struct popinjay_record *
popinjay_access_log_record(struct popinjay_session *session,
			   enum popinjay_record_kind kind, bool sinks)
{
	struct popinjay_access_log *access_log =
		popinjay_access_log_get(session);
	const struct popinjay_log_identity *identity = access_log->identity;
	struct popinjay_record *record;
	struct timeval now;

	/* many commands may have run since the ioloop looked at the clock */
	i_gettimeofday(&now);
	record = popinjay_record_create(pool_datastack_create(), kind);
	popinjay_record_add_time(record, POPINJAY_LOG_TIME, &now);
	popinjay_record_add_str(record, POPINJAY_LOG_SESSION_ID,
				identity->session);
	if (sinks) {
		popinjay_record_add_uint(record, POPINJAY_LOG_RECORD,
					 ++access_log->records);
	}
	popinjay_record_add_str(record, POPINJAY_LOG_USER, identity->user);
	popinjay_record_add_str(record, POPINJAY_LOG_REMOTE_IP,
				identity->remote_ip);
	return record;
}

bool popinjay_access_log_may_detail(struct popinjay_session *session)
{
	struct popinjay_access_log *access_log =
		popinjay_access_log_get(session);
	uint64_t max = DETAIL_RECORDS_MAX + DETAIL_RECORDS_PER_MESSAGE *
		(uint64_t)popinjay_session_messages(session);

	if (access_log->detail_records < max) {
		access_log->detail_records++;
		return TRUE;
	}
	if (access_log->skipped_records++ == 0) {
		e_warning(popinjay_client_event(session->client),
			"popinjay: The client has made this session log "
			"%"PRIu64" records of messages and commands - no more "
			"of them are logged, only what QUIT deletes and the "
			"end of the session", max);
	}
	return FALSE;
}

void popinjay_access_log_add_credentials(struct popinjay_session *session,
					 struct popinjay_record *record)
{
	const struct popinjay_log_identity *identity =
		popinjay_access_log_get(session)->identity;

	popinjay_record_add_str(record, POPINJAY_LOG_MECHANISM,
				identity->mechanism);
	/* another passdb than ours might set one of them alone */
	if (identity->secret_id != NULL && identity->secret_label != NULL) {
		popinjay_record_add_str(record, POPINJAY_LOG_SECRET_ID,
					identity->secret_id);
		popinjay_record_add_str(record, POPINJAY_LOG_SECRET_LABEL,
					identity->secret_label);
	}
}

void popinjay_access_log_write(struct popinjay_session *session, bool sinks,
			       bool event,
			       const struct popinjay_record *record)
{
	popinjay_log_write(popinjay_access_log_get(session)->config, sinks,
			   event, popinjay_client_event(session->client),
			   record);
}

const struct popinjay_feature popinjay_access_log_feature = {
	.name = "access log",
	.session_size = sizeof(struct popinjay_access_log),
	.settings_check = access_log_settings_check
};
