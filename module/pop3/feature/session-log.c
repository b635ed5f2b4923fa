/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the access log. doc/popinjay-log.7 lists the fields. */

#include "session.h"
#include "array.h"
#include "net.h"
#include "ostream.h"
#include "time-util.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "mail-user.h"
#include "session-log.h"
#include "log-writer.h"
#include "message-log.h"
#include "record.h"
#include "read-only.h"
#include "user.h"

#define ACCESS_LOG_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, access_log_storage_module)

/* What a session may log of its commands, and of what it does with messages
   before they are removed, so that a client cannot fill a disk; with so many
   more for each message. */
#define DETAIL_RECORDS_MAX 10000
#define DETAIL_RECORDS_PER_MESSAGE 10

static MODULE_CONTEXT_DEFINE_INIT(access_log_storage_module,
				  &mail_storage_module_register);

static const char *const session_ends[] = {
	[POPINJAY_SESSION_END_LOST] = "lost",
	[POPINJAY_SESSION_END_QUIT] = "quit",
	[POPINJAY_SESSION_END_TIMEOUT] = "timeout",
	[POPINJAY_SESSION_END_REFUSED] = "refused",
	[POPINJAY_SESSION_END_SHUTDOWN] = "shutdown",
	[POPINJAY_SESSION_END_ERROR] = "error"
};

static const char *const outcomes[] = {
	[POPINJAY_OUTCOME_OK] = "ok",
	[POPINJAY_OUTCOME_ERR] = "err",
	[POPINJAY_OUTCOME_BAD] = "bad",
	[POPINJAY_OUTCOME_REFUSED] = "refused",
	[POPINJAY_OUTCOME_MORE] = "cut",
	[POPINJAY_OUTCOME_CUT] = "cut"
};

static const enum popinjay_log_field
counted_fields[POPINJAY_COUNTED_COUNT][2] = {
	[POPINJAY_COUNTED_RETR] = {
		POPINJAY_LOG_RETR_COUNT, POPINJAY_LOG_RETR_BYTES
	},
	[POPINJAY_COUNTED_TOP] = {
		POPINJAY_LOG_TOP_COUNT, POPINJAY_LOG_TOP_BYTES
	},
	[POPINJAY_COUNTED_LIST] = {
		POPINJAY_LOG_LIST_COUNT, POPINJAY_LOG_LIST_BYTES
	},
	[POPINJAY_COUNTED_UIDL] = {
		POPINJAY_LOG_UIDL_COUNT, POPINJAY_LOG_UIDL_BYTES
	},
	[POPINJAY_COUNTED_DELE] = {
		POPINJAY_LOG_DELE_COUNT, POPINJAY_LOG_DELE_BYTES
	}
};

struct popinjay_log_identity {
	const char *session, *user, *remote_ip;
	const char *mechanism, *secret_id, *secret_label;
};

void popinjay_access_log_find_listeners(struct popinjay_session *session)
{
	struct event *event = popinjay_client_event(session->client);

	if (session->listeners.known)
		return;
	session->listeners.known = TRUE;
	session->listeners.session =
		popinjay_log_has_listener(event, POPINJAY_LOG_SESSION_FINISHED);
	session->listeners.message =
		popinjay_log_has_listener(event, POPINJAY_LOG_MESSAGE_FINISHED);
	session->listeners.command =
		popinjay_log_has_listener(event, POPINJAY_LOG_COMMAND_FINISHED);
}

/* Hashes, addresses as text: made once, for there may be many records. */
static const struct popinjay_log_identity *
get_identity(struct popinjay_session *session)
{
	const struct popinjay_access_log_config *log = &session->puser->log;
	const struct mail_user *user = session->client->user;
	pool_t pool = session->client->pool;
	struct popinjay_log_identity *identity;

	if (session->log_identity != NULL)
		return session->log_identity;
	identity = p_new(pool, struct popinjay_log_identity, 1);
	identity->session = p_strdup(pool,
		popinjay_anonymize_session(log, user->session_id));
	identity->user = p_strdup(pool,
		popinjay_anonymize_user(log, user->username));
	identity->remote_ip = p_strdup(pool,
		popinjay_anonymize_ip(log, user->conn.remote_ip));
	identity->mechanism = user->auth_mech;
	identity->secret_id = popinjay_secret_get(user, "id");
	identity->secret_label = popinjay_secret_get(user, "label");
	session->log_identity = identity;
	return identity;
}

struct popinjay_record *
popinjay_access_log_record(struct popinjay_session *session,
			   enum popinjay_record_kind kind, bool sinks)
{
	const struct popinjay_log_identity *identity = get_identity(session);
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
					 ++session->stats.records);
	}
	popinjay_record_add_str(record, POPINJAY_LOG_USER, identity->user);
	popinjay_record_add_str(record, POPINJAY_LOG_REMOTE_IP,
				identity->remote_ip);
	return record;
}

bool popinjay_access_log_may_detail(struct popinjay_session *session)
{
	struct popinjay_session_stats *stats = &session->stats;
	uint64_t max = DETAIL_RECORDS_MAX + DETAIL_RECORDS_PER_MESSAGE *
		(uint64_t)session->client->messages_count;

	if (stats->detail_records < max) {
		stats->detail_records++;
		return TRUE;
	}
	if (stats->skipped_records++ == 0) {
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
	const struct popinjay_log_identity *identity = get_identity(session);

	popinjay_record_add_str(record, POPINJAY_LOG_MECHANISM,
				identity->mechanism);
	if (identity->secret_id != NULL) {
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
	popinjay_log_write(&session->puser->log, sinks, event,
			   popinjay_client_event(session->client), record);
}

/* --- sessions --- */

static void
add_fingerprint(struct popinjay_record *record, enum popinjay_log_field key,
		const struct popinjay_session *session, uint64_t fingerprint)
{
	popinjay_record_add_str(record, key,
		!session->uidl_fingerprint_known ? NULL :
		t_strdup_printf("%016"PRIx64, fingerprint));
}

static void add_connection(struct popinjay_session *session,
			   struct popinjay_record *record)
{
	const struct mail_user *user = session->client->user;
	const char *local_ip = NULL;

	if (session->puser->log.ip == POPINJAY_ANONYMIZE_NOT) {
		popinjay_record_add_uint(record, POPINJAY_LOG_REMOTE_PORT,
					 user->conn.remote_port);
	} else {
		popinjay_record_add_null(record, POPINJAY_LOG_REMOTE_PORT);
	}
	if (user->conn.local_ip != NULL && user->conn.local_ip->family != 0)
		local_ip = net_ip2addr(user->conn.local_ip);
	popinjay_record_add_str(record, POPINJAY_LOG_LOCAL_IP, local_ip);
	popinjay_record_add_uint(record, POPINJAY_LOG_LOCAL_PORT,
				 user->conn.local_port);
	popinjay_record_add_bool(record, POPINJAY_LOG_TLS,
				 popinjay_client_is_tls(session->client));
}

/* What the session did with messages. */
static void add_counts(struct popinjay_session *session,
		       struct popinjay_record *record)
{
	const struct client *client = session->client;
	const struct popinjay_session_stats *stats = &session->stats;
	unsigned int i;

	popinjay_record_add_uint(record, POPINJAY_LOG_MESSAGES,
				 client->messages_count);
	popinjay_record_add_uint(record, POPINJAY_LOG_MESSAGE_BYTES,
				 client->total_size);
	for (i = 0; i < POPINJAY_COUNTED_COUNT; i++) {
		popinjay_record_add_uint(record, counted_fields[i][0],
					 stats->counted[i].count);
		popinjay_record_add_uint(record, counted_fields[i][1],
					 stats->counted[i].bytes);
	}
	popinjay_record_add_uint(record, POPINJAY_LOG_EXPUNGED_COUNT,
				 stats->expunged_count);
	popinjay_record_add_uint(record, POPINJAY_LOG_EXPUNGED_BYTES,
				 stats->expunged_bytes);
	if (popinjay_refetch_is_known(session)) {
		popinjay_record_add_uint(record, POPINJAY_LOG_REFETCH_COUNT,
					 stats->refetch_count);
		popinjay_record_add_uint(record, POPINJAY_LOG_REFETCH_BYTES,
					 stats->refetch_bytes);
	} else {
		popinjay_record_add_null(record, POPINJAY_LOG_REFETCH_COUNT);
		popinjay_record_add_null(record, POPINJAY_LOG_REFETCH_BYTES);
	}
	add_fingerprint(record, POPINJAY_LOG_UIDL_FINGERPRINT, session,
			stats->uidl_fingerprint);
	add_fingerprint(record, POPINJAY_LOG_UIDL_FINGERPRINT_LEFT, session,
			stats->uidl_fingerprint_left);
}

static struct popinjay_record *session_record(struct popinjay_session *session)
{
	const struct popinjay_session_stats *stats = &session->stats;
	struct popinjay_record *record;

	record = popinjay_access_log_record(session, POPINJAY_RECORD_SESSION,
					    session->puser->log.session);
	add_connection(session, record);
	popinjay_access_log_add_credentials(session, record);
	add_counts(session, record);
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES_IN,
				 popinjay_client_bytes_in(session->client));
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES_OUT,
				 session->refused_output != NULL ?
				 session->refusal_bytes :
				 session->client->output->offset);
	popinjay_record_add_uint(record, POPINJAY_LOG_COMMANDS,
				 stats->commands);
	popinjay_record_add_uint(record, POPINJAY_LOG_ERRORS, stats->errors);
	popinjay_record_add_uint(record, POPINJAY_LOG_UNREADABLE_COUNT,
				 stats->unreadable_count);
	if (stats->skipped_records > 0) {
		popinjay_record_add_uint(record, POPINJAY_LOG_SKIPPED_RECORDS,
					 stats->skipped_records);
	}
	popinjay_record_add_uint(record, POPINJAY_LOG_DURATION_USECS,
				 popinjay_clock_usecs() - stats->start_usecs);
	popinjay_record_add_str(record, POPINJAY_LOG_END,
				session_ends[session->end]);
	return record;
}

void popinjay_access_log_session(struct popinjay_session *session)
{
	bool sinks = session->puser->log.session;

	popinjay_access_log_find_listeners(session);
	popinjay_message_log_expunged(session);
	if (sinks || session->listeners.session) T_BEGIN {
		popinjay_access_log_write(session, sinks,
					  session->listeners.session,
					  session_record(session));
	} T_END;
}

/* --- commands --- */

/* A client that has lost count sends its password as a command. */
static const char *const password_commands[] = {
	"APOP", "AUTH", "PASS", "USER", NULL
};

/* What a command of a plugin takes, nobody here can know. */
static bool args_are_safe(const struct popinjay_request *request)
{
	return popinjay_native_command_exists(request->session->client,
					      request->name) &&
		!str_array_find(password_commands, request->name);
}

static void
access_log_command(struct popinjay_request *request,
		   const struct popinjay_result *result, bool sinks)
{
	struct popinjay_session *session = request->session;
	struct popinjay_record *record;
	bool safe = args_are_safe(request);

	record = popinjay_access_log_record(session, POPINJAY_RECORD_COMMAND,
					    sinks);
	popinjay_access_log_add_credentials(session, record);
	popinjay_record_add_str(record, POPINJAY_LOG_NAME,
		safe || request->command != NULL ? request->name : NULL);
	popinjay_record_add_str(record, POPINJAY_LOG_ARGS,
				safe ? request->args : NULL);
	popinjay_record_add_str(record, POPINJAY_LOG_OUTCOME,
				outcomes[result->outcome]);
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES_IN,
				 result->bytes_in);
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES_OUT,
				 result->bytes_out);
	popinjay_record_add_uint(record, POPINJAY_LOG_DURATION_USECS,
				 result->duration_usecs);
	popinjay_access_log_write(session, sinks, session->listeners.command,
				  record);
}

static void access_log_after(struct popinjay_request *request,
			     const struct popinjay_result *result)
{
	struct popinjay_session *session = request->session;
	bool sinks = session->puser->log.command;

	popinjay_access_log_find_listeners(session);
	if ((sinks || session->listeners.command) &&
	    popinjay_access_log_may_detail(session)) T_BEGIN {
		access_log_command(request, result, sinks);
	} T_END;
	popinjay_message_log_command(request, result);
}

const struct popinjay_hook popinjay_access_log_hook = {
	.name = "access log",
	.after = access_log_after
};

/* --- what is really removed --- */

static void access_log_sync_notify(struct mailbox *box, uint32_t uid,
				   enum mailbox_sync_type sync_type)
{
	union mailbox_module_context *mbox =
		ACCESS_LOG_BOX_CONTEXT_REQUIRE(box);

	if (mbox->super.sync_notify != NULL)
		mbox->super.sync_notify(box, uid, sync_type);
	if (sync_type == MAILBOX_SYNC_TYPE_EXPUNGE)
		popinjay_session_expunged(box, uid);
}

void popinjay_access_log_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *mbox;

	if (!box->inbox_user)
		return;
	mbox = p_new(box->pool, union mailbox_module_context, 1);
	mbox->super = *v;
	box->vlast = &mbox->super;
	v->sync_notify = access_log_sync_notify;
	MODULE_CONTEXT_SET_SELF(box, access_log_storage_module, mbox);
}
