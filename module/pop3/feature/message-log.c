/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the access log's records of messages. What a record tells
   of a message is noted while the message is at hand: when it is sent, its
   stream is open anyway, and when it is removed, it is too late. */

#include "session.h"
#include "array.h"
#include "hash.h"
#include "istream.h"
#include "mail-storage-private.h"
#include "session-log.h"
#include "fnv.h"
#include "list.h"
#include "log-headers.h"
#include "message-log.h"
#include "record.h"
#include "user.h"
#include "whole.h"

/* Message-ID and Subject are looked for in this much of a message. */
#define HEADERS_MAX_BYTES (32 * 1024)

/* An extension of Dovecot's index: 1 for each message that POP3 has fetched. */
#define FETCHED_EXT_NAME "popinjay-fetched"

struct message {
	uint32_t uid;
	unsigned int msgnum;
	/* NULL if not known */
	const char *guid, *uidl;
	const char *message_id, *subject;
	bool headers_read:1;
	/* what was true when it was marked as deleted */
	bool fetched:1;
	/* nobody else can have removed it */
	bool removed_certainly:1;
};

struct popinjay_message_log {
	pool_t pool;
	/* by uid: messages that were sent or marked as deleted */
	HASH_TABLE(void *, struct message *) messages;
	/* those that QUIT has removed */
	ARRAY(struct message *) removed;
	/* [msgnum / CHAR_BIT]: messages fetched in this session; or NULL */
	unsigned char *fetched_bitmask;
	uint32_t fetched_ext_id;
	/* records of messages are wanted: those of what is removed, and all */
	bool wanted, all_wanted;
};

static struct popinjay_message_log *
message_log_get(struct popinjay_session *session)
{
	struct popinjay_message_log *log = session->message_log;
	pool_t pool;

	if (log != NULL)
		return log;
	pool = pool_alloconly_create("popinjay message log", 1024);
	log = p_new(pool, struct popinjay_message_log, 1);
	log->pool = pool;
	hash_table_create_direct(&log->messages, pool, 0);
	p_array_init(&log->removed, pool, 16);
	log->fetched_ext_id = mail_index_ext_register(
		session->client->mailbox->index, FETCHED_EXT_NAME, 0, 1, 1);
	popinjay_access_log_find_listeners(session);
	log->wanted = session->puser->log.expunge ||
		session->listeners.message;
	log->all_wanted = session->puser->log.message ||
		session->listeners.message;
	session->message_log = log;
	return log;
}

static uint32_t
message_uid(const struct popinjay_session *session, unsigned int msgnum)
{
	uint32_t uid;

	mail_index_lookup_uid(session->client->mailbox->view,
			      popinjay_session_seq(session, msgnum), &uid);
	return uid;
}

static struct message *
message_get(struct popinjay_session *session, unsigned int msgnum)
{
	struct popinjay_message_log *log = message_log_get(session);
	uint32_t uid = message_uid(session, msgnum);
	struct message *message;

	message = hash_table_lookup(log->messages, POINTER_CAST(uid));
	if (message == NULL) {
		message = p_new(log->pool, struct message, 1);
		message->uid = uid;
		message->msgnum = msgnum;
		hash_table_insert(log->messages, POINTER_CAST(uid), message);
	}
	return message;
}

static void message_read_uidl(struct popinjay_session *session,
			      struct message *message)
{
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];

	if (message->uidl == NULL &&
	    popinjay_listing_uidl(session, message->msgnum, uidl))
		message->uidl = p_strdup(session->message_log->pool, uidl);
}

static void message_read_guid(struct popinjay_message_log *log,
			      struct message *message, struct mail *mail)
{
	const char *guid;

	if (message->guid == NULL &&
	    mail_get_special(mail, MAIL_FETCH_GUID, &guid) == 0 &&
	    *guid != '\0')
		message->guid = p_strdup(log->pool, guid);
}

/* --- headers --- */

static void message_read_headers(struct popinjay_session *session,
				 struct message *message,
				 struct istream *stream)
{
	const struct popinjay_access_log_config *config = &session->puser->log;
	pool_t pool = session->message_log->pool;
	const unsigned char *data;
	size_t size, wanted = 1;
	int ret;

	if (message->headers_read || (!config->message_id && !config->subject))
		return;
	message->headers_read = TRUE;
	do {
		/* nothing is skipped, so nothing is read twice */
		ret = i_stream_read_bytes(stream, &data, &size, wanted);
		wanted = size + 1;
	} while (!popinjay_log_headers_find(pool, data, size, ret <= 0,
			config->message_id ? &message->message_id : NULL,
			config->subject ? &message->subject : NULL) &&
		 wanted <= HEADERS_MAX_BYTES);
}

static const char *message_cached_id(struct mail *mail)
{
	enum mail_lookup_abort lookup_abort = mail->lookup_abort;
	const char *value;

	mail->lookup_abort = MAIL_LOOKUP_ABORT_NOT_IN_CACHE;
	if (mail_get_first_header(mail, "Message-ID", &value) <= 0)
		value = NULL;
	mail->lookup_abort = lookup_abort;
	return value;
}

/* A transaction that has read an mbox keeps it locked. */
static bool reading_locks(const struct popinjay_session *session)
{
	return popinjay_storage_kind(session->client->mailbox)->one_file;
}

/* The client deletes a message that it has not fetched in this session. */
static void message_open_headers(struct popinjay_session *session,
				 struct message *message, struct mail *mail)
{
	const struct popinjay_access_log_config *config = &session->puser->log;
	const char *id = NULL;
	struct istream *stream;

	if (message->headers_read || (!config->message_id && !config->subject))
		return;
	if (!config->subject || reading_locks(session))
		id = message_cached_id(mail);
	popinjay_holder_prepare(mail->transaction);
	if (id != NULL)
		message->message_id = p_strdup(session->message_log->pool, id);
	else if (!reading_locks(session) &&
		 mail_get_stream_because(mail, NULL, NULL, "access log",
					 &stream) == 0)
		message_read_headers(session, message, stream);
}

/* --- what was fetched before --- */

static bool session_is_wanted(const struct popinjay_session *session)
{
	return session->puser->log.session || session->listeners.session;
}

bool popinjay_refetch_is_known(const struct popinjay_session *session)
{
	/* with that setting a session is not to write to the index */
	return session_is_wanted(session) &&
		!session->client->set->pop3_no_flag_updates;
}

static bool
message_is_fetched(struct popinjay_session *session, unsigned int msgnum)
{
	struct popinjay_message_log *log = message_log_get(session);
	const void *data;

	if (log->fetched_bitmask != NULL &&
	    (log->fetched_bitmask[msgnum / CHAR_BIT] &
	     (1 << (msgnum % CHAR_BIT))) != 0)
		return TRUE;
	mail_index_lookup_ext(session->client->mailbox->view,
			      popinjay_session_seq(session, msgnum),
			      log->fetched_ext_id, &data, NULL);
	return data != NULL && *(const unsigned char *)data != 0;
}

/* A message was sent whole. */
static void
message_fetched(struct popinjay_session *session, unsigned int msgnum)
{
	struct popinjay_message_log *log = message_log_get(session);
	struct client *client = session->client;
	unsigned char yes = 1;

	if (message_is_fetched(session, msgnum)) {
		session->stats.refetch_count++;
		session->stats.refetch_bytes += client->message_sizes[msgnum];
		return;
	}
	if (log->fetched_bitmask == NULL) {
		log->fetched_bitmask =
			p_malloc(log->pool, MSGS_BITMASK_SIZE(client));
	}
	log->fetched_bitmask[msgnum / CHAR_BIT] |= 1 << (msgnum % CHAR_BIT);
	mail_index_update_ext(client->trans->itrans,
			      popinjay_session_seq(session, msgnum),
			      log->fetched_ext_id, &yes, NULL);
}

/* --- UIDLs --- */

/* The last step keeps those of similar UIDLs from cancelling each other out.
   Nobody gains anything by making two of them equal. */
static uint64_t uidl_fingerprint(const char *uidl)
{
	uint64_t hash = popinjay_fnv(POPINJAY_FNV_START, uidl, strlen(uidl));

	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ (hash >> 32);
}

/* The client was shown the UIDLs. */
static void uidls_finished(struct popinjay_session *session)
{
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	unsigned int msgnum, count = session->client->messages_count;
	uint64_t fingerprint = 0;

	if (session->uidl_fingerprint_known || !session->uidls_listed)
		return;
	session->uidl_fingerprint_known = TRUE;
	for (msgnum = 0; msgnum < count; msgnum++) {
		if (popinjay_listing_uidl(session, msgnum, uidl))
			fingerprint ^= uidl_fingerprint(uidl);
	}
	session->stats.uidl_fingerprint = fingerprint;
	session->stats.uidl_fingerprint_left = fingerprint;
}

/* --- records --- */

static void
add_message(struct popinjay_session *session, struct popinjay_record *record,
	    const struct message *message)
{
	popinjay_record_add_uint(record, POPINJAY_LOG_MSN, message->msgnum + 1);
	popinjay_record_add_uint(record, POPINJAY_LOG_UID, message->uid);
	popinjay_record_add_str(record, POPINJAY_LOG_GUID, message->guid);
	popinjay_record_add_str(record, POPINJAY_LOG_UIDL, message->uidl);
	popinjay_record_add_uint(record, POPINJAY_LOG_SIZE,
		session->client->message_sizes[message->msgnum]);
}

static void
add_headers(struct popinjay_session *session, struct popinjay_record *record,
	    const struct message *message)
{
	if (session->puser->log.message_id) {
		popinjay_record_add_str(record, POPINJAY_LOG_MESSAGE_ID,
					message->message_id);
	}
	if (session->puser->log.subject)
		popinjay_record_add_str(record, POPINJAY_LOG_SUBJECT,
					message->subject);
}

static struct popinjay_record *
message_record(struct popinjay_session *session,
	       enum popinjay_record_kind kind, bool sinks, const char *action)
{
	struct popinjay_record *record;

	record = popinjay_access_log_record(session, kind, sinks);
	popinjay_access_log_add_credentials(session, record);
	popinjay_record_add_str(record, POPINJAY_LOG_ACTION, action);
	return record;
}

/* Returns why a message was not sent whole. */
static const char *cut_by(const struct popinjay_session *session,
			  const struct message *message)
{
	if (popinjay_session_is_unreadable(session, message->msgnum))
		return "storage";
	switch (session->end) {
	case POPINJAY_SESSION_END_SHUTDOWN:
	case POPINJAY_SESSION_END_ERROR:
	case POPINJAY_SESSION_END_REFUSED:
		return "server";
	case POPINJAY_SESSION_END_LOST:
	case POPINJAY_SESSION_END_QUIT:
	case POPINJAY_SESSION_END_TIMEOUT:
		break;
	}
	return "client";
}

static void
log_retrieved(struct popinjay_request *request,
	      const struct popinjay_result *result,
	      const struct message *message)
{
	struct popinjay_session *session = request->session;
	bool sinks = session->puser->log.message;
	bool whole = strcmp(request->name, "RETR") == 0;
	bool complete = result->outcome == POPINJAY_OUTCOME_OK;
	struct popinjay_record *record;

	record = whole ?
		message_record(session, POPINJAY_RECORD_RETR, sinks, "retr") :
		message_record(session, POPINJAY_RECORD_TOP, sinks, "top");
	popinjay_record_add_bool(record, POPINJAY_LOG_COMPLETE, complete);
	if (!complete) {
		popinjay_record_add_str(record, POPINJAY_LOG_CUT_BY,
					cut_by(session, message));
	}
	add_message(session, record, message);
	/* -ERR has nothing of the message */
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES,
		result->outcome == POPINJAY_OUTCOME_ERR ? 0 :
		result->bytes_out);
	if (!whole) {
		/* more than what JSON's readers take for a number is as many
		   as there are */
		popinjay_record_add_uint(record, POPINJAY_LOG_LINES,
					 I_MIN(request->top_lines, UINT32_MAX));
	}
	popinjay_record_add_uint(record, POPINJAY_LOG_DURATION_USECS,
				 result->duration_usecs);
	add_headers(session, record, message);
	popinjay_access_log_write(session, sinks, session->listeners.message,
				  record);
}

static void log_action(struct popinjay_session *session, bool sinks,
		       bool removed, const struct message *message)
{
	struct popinjay_record *record = removed ?
		message_record(session, POPINJAY_RECORD_EXPUNGE, sinks,
			       "expunge") :
		message_record(session, POPINJAY_RECORD_DELE, sinks, "dele");

	if (popinjay_refetch_is_known(session)) {
		popinjay_record_add_bool(record, POPINJAY_LOG_FETCHED,
					 message->fetched);
	} else {
		popinjay_record_add_null(record, POPINJAY_LOG_FETCHED);
	}
	if (removed) {
		popinjay_record_add_bool(record, POPINJAY_LOG_CERTAIN,
					 message->removed_certainly);
	}
	add_message(session, record, message);
	add_headers(session, record, message);
	popinjay_access_log_write(session, sinks, session->listeners.message,
				  record);
}

void popinjay_message_log_command(struct popinjay_request *request,
				  const struct popinjay_result *result)
{
	struct popinjay_session *session = request->session;
	bool complete = result->outcome == POPINJAY_OUTCOME_OK;
	unsigned int msgnum = request->msn - 1;

	if (complete && strcmp(request->name, "UIDL") == 0 &&
	    session_is_wanted(session))
		uidls_finished(session);
	if (request->msn == 0)
		return;
	if (complete && strcmp(request->name, "RETR") == 0 &&
	    popinjay_refetch_is_known(session))
		message_fetched(session, msgnum);
	if (!message_log_get(session)->all_wanted ||
	    !popinjay_access_log_may_detail(session))
		return;
	T_BEGIN {
		struct message *message = message_get(session, msgnum);

		message_read_uidl(session, message);
		if (strcmp(request->name, "DELE") == 0)
			log_action(session, session->puser->log.message,
				   FALSE, message);
		else
			log_retrieved(request, result, message);
	} T_END;
}

void popinjay_message_log_opened(struct popinjay_request *request,
				 struct mail *mail, struct istream *stream)
{
	struct popinjay_session *session = request->session;
	struct popinjay_message_log *log = message_log_get(session);
	struct message *message;

	if (!log->wanted)
		return;
	message = message_get(session, request->msn - 1);
	if (log->all_wanted)
		message_read_guid(log, message, mail);
	T_BEGIN {
		message_read_headers(session, message, stream);
	} T_END;
}

void popinjay_message_log_unreadable(struct popinjay_request *request,
				     const char *guid)
{
	struct popinjay_session *session = request->session;
	struct popinjay_message_log *log = message_log_get(session);
	struct message *message;

	if (!log->all_wanted)
		return;
	message = message_get(session, request->msn - 1);
	if (message->guid == NULL)
		message->guid = p_strdup(log->pool, guid);
}

void popinjay_message_log_deleted(struct popinjay_session *session,
				  unsigned int msgnum)
{
	struct popinjay_message_log *log = message_log_get(session);
	struct message *message = message_get(session, msgnum);
	struct mail *mail;

	message_read_uidl(session, message);
	message->fetched = message_is_fetched(session, msgnum);
	if (!log->wanted || (message->guid != NULL && message->headers_read))
		return;
	/* without its GUID nobody could tell which message is gone */
	mail = mail_alloc(session->client->trans, 0, NULL);
	mail_set_seq(mail, popinjay_session_seq(session, msgnum));
	T_BEGIN {
		message_read_guid(log, message, mail);
		message_open_headers(session, message, mail);
	} T_END;
	mail_free(&mail);
}

/* --- the end of the session --- */

void popinjay_message_log_removed(struct popinjay_session *session,
				  unsigned int msgnum, uint32_t uid,
				  bool certain)
{
	struct popinjay_message_log *log = session->message_log;
	struct message *message;

	session->stats.expunged_count++;
	session->stats.expunged_bytes +=
		session->client->message_sizes[msgnum];
	message = log == NULL ? NULL :
		hash_table_lookup(log->messages, POINTER_CAST(uid));
	if (message != NULL) {
		message->removed_certainly = certain;
		array_push_back(&log->removed, &message);
	}
}

void popinjay_message_log_expunged(struct popinjay_session *session)
{
	struct popinjay_message_log *log = session->message_log;
	struct message *message;

	if (log == NULL)
		return;
	array_foreach_elem(&log->removed, message) {
		if (message->uidl != NULL) {
			session->stats.uidl_fingerprint_left ^=
				uidl_fingerprint(message->uidl);
		}
		if (log->wanted) T_BEGIN {
			log_action(session, session->puser->log.expunge, TRUE,
				   message);
		} T_END;
	}
	array_clear(&log->removed);
}

void popinjay_message_log_free(struct popinjay_session *session)
{
	struct popinjay_message_log *log = session->message_log;

	if (log == NULL)
		return;
	session->message_log = NULL;
	hash_table_destroy(&log->messages);
	pool_unref(&log->pool);
}
