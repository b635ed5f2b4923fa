/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the access log's records of sessions and of commands. */

#include "session.h"
#include "net.h"
#include "mail-user.h"
#include "access-log.h"
#include "message-log.h"
#include "record.h"
#include "refetch.h"
#include "reply.h"
#include "session-log.h"

enum counted_command {
	COUNTED_RETR,
	COUNTED_TOP,
	COUNTED_LIST,
	COUNTED_UIDL,
	COUNTED_DELE,

	COUNTED_COUNT
};

struct session_log {
	/* all commands, and those answered -ERR or cut */
	unsigned int commands, errors;
	/* those answered +OK, cut ones among them, and the bytes of their
	   replies; for DELE the sizes of the messages */
	struct {
		unsigned int count;
		uint64_t bytes;
	} counted[COUNTED_COUNT];
	/* messages that this session removed from the storage */
	unsigned int expunged_count;
	uint64_t expunged_bytes;
};

static const struct {
	const char *name;
	enum popinjay_log_field count_key, bytes_key;
} counted_commands[COUNTED_COUNT] = {
	[COUNTED_RETR] = {
		"RETR", POPINJAY_LOG_RETR_COUNT, POPINJAY_LOG_RETR_BYTES
	},
	[COUNTED_TOP] = {
		"TOP", POPINJAY_LOG_TOP_COUNT, POPINJAY_LOG_TOP_BYTES
	},
	[COUNTED_LIST] = {
		"LIST", POPINJAY_LOG_LIST_COUNT, POPINJAY_LOG_LIST_BYTES
	},
	[COUNTED_UIDL] = {
		"UIDL", POPINJAY_LOG_UIDL_COUNT, POPINJAY_LOG_UIDL_BYTES
	},
	[COUNTED_DELE] = {
		"DELE", POPINJAY_LOG_DELE_COUNT, POPINJAY_LOG_DELE_BYTES
	}
};

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

/* --- sessions --- */

static void
add_client(struct popinjay_session *session, struct popinjay_record *record,
	   const struct popinjay_access_log *access_log)
{
	const struct mail_user *user = popinjay_session_user(session);
	const char *local_ip = NULL;

	if (access_log->config->ip == POPINJAY_ANONYMIZE_NOT) {
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
	popinjay_access_log_add_credentials(session, record);
}

static void add_counts(struct popinjay_record *record,
		       const struct session_log *log)
{
	unsigned int i;

	for (i = 0; i < COUNTED_COUNT; i++) {
		popinjay_record_add_uint(record, counted_commands[i].count_key,
					 log->counted[i].count);
		popinjay_record_add_uint(record, counted_commands[i].bytes_key,
					 log->counted[i].bytes);
	}
	popinjay_record_add_uint(record, POPINJAY_LOG_EXPUNGED_COUNT,
				 log->expunged_count);
	popinjay_record_add_uint(record, POPINJAY_LOG_EXPUNGED_BYTES,
				 log->expunged_bytes);
}

static struct popinjay_record *
session_record(struct popinjay_session *session, const struct session_log *log,
	       const struct popinjay_access_log *access_log)
{
	struct popinjay_client *client = session->client;
	struct popinjay_record *record;

	record = popinjay_access_log_record(session, POPINJAY_RECORD_SESSION,
					    access_log->config->session);
	add_client(session, record, access_log);
	popinjay_record_add_uint(record, POPINJAY_LOG_MESSAGES,
				 popinjay_client_messages(client));
	popinjay_record_add_uint(record, POPINJAY_LOG_MESSAGE_BYTES,
				 popinjay_client_total_bytes(client));
	add_counts(record, log);
	popinjay_refetch_add_counts(session, record);
	popinjay_message_log_add_fingerprints(session, record);
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES_IN,
				 popinjay_client_bytes_in(client));
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES_OUT,
				 popinjay_client_bytes_out(client));
	popinjay_record_add_uint(record, POPINJAY_LOG_COMMANDS, log->commands);
	popinjay_record_add_uint(record, POPINJAY_LOG_ERRORS, log->errors);
	popinjay_record_add_uint(record, POPINJAY_LOG_UNREADABLE_COUNT,
				 seq_range_count(&session->unreadable));
	if (access_log->skipped_records > 0) {
		popinjay_record_add_uint(record, POPINJAY_LOG_SKIPPED_RECORDS,
					 access_log->skipped_records);
	}
	popinjay_record_add_uint(record, POPINJAY_LOG_DURATION_USECS,
		popinjay_clock_usecs() - session->start_usecs);
	popinjay_record_add_str(record, POPINJAY_LOG_END,
				session_ends[popinjay_client_end(client)]);
	return record;
}

static void
session_log_end(struct popinjay_session *session, void *state)
{
	const struct popinjay_access_log *access_log =
		popinjay_access_log_get(session);

	if (popinjay_access_log_wants_session(session)) T_BEGIN {
		popinjay_access_log_write(session, access_log->config->session,
			access_log->session_events,
			session_record(session, state, access_log));
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
	return popinjay_client_has_native(request->session->client,
					  request->name) &&
		!str_array_find(password_commands, request->name);
}

static void
log_command(struct popinjay_request *request,
	    const struct popinjay_result *result,
	    const struct popinjay_access_log *access_log)
{
	struct popinjay_session *session = request->session;
	bool sinks = access_log->config->command;
	struct popinjay_record *record;
	bool safe = args_are_safe(request);

	record = popinjay_access_log_record(session, POPINJAY_RECORD_COMMAND,
					    sinks);
	popinjay_access_log_add_credentials(session, record);
	popinjay_record_add_str(record, POPINJAY_LOG_NAME,
				safe || request->command != NULL ?
				request->name : NULL);
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
	popinjay_access_log_write(session, sinks, access_log->command_events,
				  record);
}

static void count_command(struct session_log *log,
			  const struct popinjay_request *request,
			  const struct popinjay_result *result)
{
	unsigned int i;

	log->commands++;
	if (result->outcome != POPINJAY_OUTCOME_OK)
		log->errors++;
	if (result->outcome != POPINJAY_OUTCOME_OK &&
	    result->outcome != POPINJAY_OUTCOME_CUT)
		return;
	for (i = 0; i < COUNTED_COUNT; i++) {
		if (strcmp(request->name, counted_commands[i].name) != 0)
			continue;
		log->counted[i].count++;
		log->counted[i].bytes += i == COUNTED_DELE ?
			request->message.size : result->bytes_out;
	}
}

static void session_log_after(struct popinjay_request *request, void *state,
			      const struct popinjay_result *result)
{
	struct popinjay_session *session = request->session;
	const struct popinjay_access_log *access_log =
		popinjay_access_log_get(session);

	count_command(state, request, result);
	if ((access_log->config->command || access_log->command_events) &&
	    popinjay_access_log_may_detail(session)) T_BEGIN {
		log_command(request, result, access_log);
	} T_END;
}

static void
session_log_removed(struct popinjay_session *session ATTR_UNUSED, void *state,
		    const struct popinjay_message *message,
		    bool certain ATTR_UNUSED)
{
	struct session_log *log = state;

	log->expunged_count++;
	log->expunged_bytes += message->size;
}

const struct popinjay_feature popinjay_session_log_feature = {
	.name = "session log",
	.session_size = sizeof(struct session_log),
	.after = session_log_after,
	.message_removed = session_log_removed,
	.session_end = session_log_end
};
