/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: the access log's records of messages. What a record tells
   of a message is noted while the message is at hand: when it is sent, its
   stream is open anyway, and when it is removed, it is too late. */

#include "session.h"
#include "hash.h"
#include "istream.h"
#include "mail-storage-private.h"
#include "access-log.h"
#include "fnv.h"
#include "kind.h"
#include "log-headers.h"
#include "message-log.h"
#include "record.h"
#include "refetch.h"
#include "reply.h"
#include "uidls.h"

/* Message-ID and Subject are looked for in this much of a message. */
#define HEADERS_MAX_BYTES (32 * 1024)

/* What is noted of a message. */
struct note {
	struct popinjay_message message;
	/* NULL if not known */
	const char *guid, *uidl;
	const char *message_id, *subject;
	bool headers_read:1;
	/* what was true when it was marked as deleted */
	bool fetched:1;
	/* nobody else can have removed it */
	bool removed_certainly:1;
};

struct message_log {
	/* NULL until something is noted */
	pool_t pool;
	const struct popinjay_access_log *access_log;
	/* by uid: messages that were sent or marked as deleted */
	HASH_TABLE(void *, struct note *) notes;
	/* those that QUIT has removed */
	ARRAY(struct note *) removed;
	/* records of messages are wanted: those of what is removed, and all */
	bool wanted, all_wanted;

	/* of all UIDLs, and of those that are left, if the client asked for
	   them */
	bool fingerprint_known;
	uint64_t fingerprint, fingerprint_left;
};

static struct message_log *message_log_get(struct popinjay_session *session)
{
	struct message_log *log =
		popinjay_feature_state(session, &popinjay_message_log_feature);
	const struct popinjay_access_log *access_log;

	if (log->pool != NULL)
		return log;
	log->pool = pool_alloconly_create("popinjay message log", 1024);
	hash_table_create_direct(&log->notes, log->pool, 0);
	p_array_init(&log->removed, log->pool, 16);
	access_log = log->access_log = popinjay_access_log_get(session);
	log->wanted = access_log->config->expunge ||
		access_log->message_events;
	log->all_wanted = access_log->config->message ||
		access_log->message_events;
	return log;
}

static struct note *
note_get(struct message_log *log, const struct popinjay_message *message)
{
	struct note *note;

	note = hash_table_lookup(log->notes, POINTER_CAST(message->uid));
	if (note == NULL) {
		note = p_new(log->pool, struct note, 1);
		note->message = *message;
		hash_table_insert(log->notes, POINTER_CAST(message->uid),
				  note);
	}
	return note;
}

static void note_uidl(struct popinjay_session *session,
		      struct message_log *log, struct note *note)
{
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];

	if (note->uidl == NULL &&
	    popinjay_uidls_get(session, &note->message, uidl))
		note->uidl = p_strdup(log->pool, uidl);
}

static void
note_guid(struct message_log *log, struct note *note, struct mail *mail)
{
	const char *guid;

	if (note->guid == NULL &&
	    mail_get_special(mail, MAIL_FETCH_GUID, &guid) == 0 &&
	    *guid != '\0')
		note->guid = p_strdup(log->pool, guid);
}

/* --- headers --- */

static void note_headers(struct message_log *log, struct note *note,
			 struct istream *stream)
{
	const struct popinjay_access_log_config *config =
		log->access_log->config;
	const unsigned char *data;
	size_t size, wanted = 1;
	int ret;

	if (note->headers_read || (!config->message_id && !config->subject))
		return;
	note->headers_read = TRUE;
	do {
		/* nothing is skipped, so nothing is read twice */
		ret = i_stream_read_bytes(stream, &data, &size, wanted);
		wanted = size + 1;
	} while (!popinjay_log_headers_find(log->pool, data, size, ret <= 0,
			config->message_id ? &note->message_id : NULL,
			config->subject ? &note->subject : NULL) &&
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

/* The client deletes a message that it has not fetched in this session. */
static void
note_deleted_headers(struct message_log *log, struct note *note,
		     struct mail *mail)
{
	const struct popinjay_access_log_config *config =
		log->access_log->config;
	/* a transaction that has read it keeps it locked */
	bool locks = popinjay_storage_kind(mail->box)->one_file;
	const char *id = NULL;
	struct istream *stream;

	if (note->headers_read || (!config->message_id && !config->subject))
		return;
	if (!config->subject || locks)
		id = message_cached_id(mail);
	if (id != NULL)
		note->message_id = p_strdup(log->pool, id);
	else if (!locks &&
		 mail_get_stream_because(mail, NULL, NULL, "access log",
					 &stream) == 0)
		note_headers(log, note, stream);
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
static void
note_fingerprint(struct popinjay_session *session, struct message_log *log)
{
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	struct popinjay_message message;
	unsigned int msn;

	if (log->fingerprint_known || !session->uidls_listed)
		return;
	log->fingerprint_known = TRUE;
	for (msn = 1; msn <= popinjay_session_messages(session); msn++) {
		popinjay_session_message(session, msn, &message);
		if (popinjay_uidls_get(session, &message, uidl))
			log->fingerprint ^= uidl_fingerprint(uidl);
	}
	log->fingerprint_left = log->fingerprint;
}

static void
add_fingerprint(struct popinjay_record *record, enum popinjay_log_field key,
		const struct message_log *log, uint64_t fingerprint)
{
	popinjay_record_add_str(record, key, !log->fingerprint_known ? NULL :
		t_strdup_printf("%016"PRIx64, fingerprint));
}

void popinjay_message_log_add_fingerprints(struct popinjay_session *session,
					   struct popinjay_record *record)
{
	const struct message_log *log =
		popinjay_feature_state(session, &popinjay_message_log_feature);

	add_fingerprint(record, POPINJAY_LOG_UIDL_FINGERPRINT, log,
			log->fingerprint);
	add_fingerprint(record, POPINJAY_LOG_UIDL_FINGERPRINT_LEFT, log,
			log->fingerprint_left);
}

/* --- records --- */

static void
add_message(struct popinjay_record *record, const struct note *note)
{
	popinjay_record_add_uint(record, POPINJAY_LOG_MSN, note->message.msn);
	popinjay_record_add_uint(record, POPINJAY_LOG_UID, note->message.uid);
	popinjay_record_add_str(record, POPINJAY_LOG_GUID, note->guid);
	popinjay_record_add_str(record, POPINJAY_LOG_UIDL, note->uidl);
	popinjay_record_add_uint(record, POPINJAY_LOG_SIZE, note->message.size);
}

static void add_headers(struct popinjay_record *record,
			const struct message_log *log, const struct note *note)
{
	const struct popinjay_access_log_config *config =
		log->access_log->config;

	if (config->message_id) {
		popinjay_record_add_str(record, POPINJAY_LOG_MESSAGE_ID,
					note->message_id);
	}
	if (config->subject)
		popinjay_record_add_str(record, POPINJAY_LOG_SUBJECT,
					note->subject);
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

static void
log_retrieved(struct popinjay_request *request, struct message_log *log,
	      const struct popinjay_result *result, enum popinjay_sent sent,
	      const struct note *note)
{
	static const char *const cut_by[] = {
		[POPINJAY_SENT_CUT_BY_CLIENT] = "client",
		[POPINJAY_SENT_CUT_BY_STORAGE] = "storage",
		[POPINJAY_SENT_CUT_BY_SERVER] = "server",
		[POPINJAY_SENT_NOT_OPENED] = "storage"
	};
	struct popinjay_session *session = request->session;
	bool sinks = log->access_log->config->message;
	bool retr = strcmp(request->name, "RETR") == 0;
	bool complete = sent == POPINJAY_SENT_WHOLE;
	struct popinjay_record *record;

	record = retr ?
		message_record(session, POPINJAY_RECORD_RETR, sinks, "retr") :
		message_record(session, POPINJAY_RECORD_TOP, sinks, "top");
	popinjay_record_add_bool(record, POPINJAY_LOG_COMPLETE, complete);
	if (!complete)
		popinjay_record_add_str(record, POPINJAY_LOG_CUT_BY,
					cut_by[sent]);
	add_message(record, note);
	/* -ERR has nothing of the message */
	popinjay_record_add_uint(record, POPINJAY_LOG_BYTES,
		sent == POPINJAY_SENT_NOT_OPENED ? 0 : result->bytes_out);
	if (!retr) {
		/* more than what JSON's readers take for a number is as many
		   as there are */
		popinjay_record_add_uint(record, POPINJAY_LOG_LINES,
			I_MIN(request->top_lines, UINT32_MAX));
	}
	popinjay_record_add_uint(record, POPINJAY_LOG_DURATION_USECS,
				 result->duration_usecs);
	add_headers(record, log, note);
	popinjay_access_log_write(session, sinks,
				  log->access_log->message_events, record);
}

static void
log_action(struct popinjay_session *session, const struct message_log *log,
	   bool removed, const struct note *note)
{
	bool sinks = removed ? log->access_log->config->expunge :
		log->access_log->config->message;
	struct popinjay_record *record = removed ?
		message_record(session, POPINJAY_RECORD_EXPUNGE, sinks,
			       "expunge") :
		message_record(session, POPINJAY_RECORD_DELE, sinks, "dele");

	if (popinjay_refetch_is_known(session))
		popinjay_record_add_bool(record, POPINJAY_LOG_FETCHED,
					 note->fetched);
	else
		popinjay_record_add_null(record, POPINJAY_LOG_FETCHED);
	if (removed) {
		popinjay_record_add_bool(record, POPINJAY_LOG_CERTAIN,
					 note->removed_certainly);
	}
	add_message(record, note);
	add_headers(record, log, note);
	popinjay_access_log_write(session, sinks,
				  log->access_log->message_events, record);
}

/* --- commands --- */

static int message_log_opened(struct popinjay_request *request,
			      void *state ATTR_UNUSED,
			      const struct popinjay_message *message,
			      struct mail *mail, struct istream *stream)
{
	struct message_log *log = message_log_get(request->session);
	struct note *note;

	if (!log->wanted)
		return 0;
	note = note_get(log, message);
	if (log->all_wanted)
		note_guid(log, note, mail);
	T_BEGIN {
		note_headers(log, note, stream);
	} T_END;
	return 0;
}

static void
message_log_sent(struct popinjay_request *request, void *state ATTR_UNUSED,
		 const struct popinjay_message *message,
		 enum popinjay_sent sent, const struct popinjay_result *result)
{
	struct popinjay_session *session = request->session;
	struct message_log *log = message_log_get(session);
	struct note *note;

	if (!log->all_wanted || !popinjay_access_log_may_detail(session))
		return;
	note = note_get(log, message);
	if (note->guid == NULL)
		note->guid = p_strdup(log->pool, request->guid);
	T_BEGIN {
		note_uidl(session, log, note);
		log_retrieved(request, log, result, sent, note);
	} T_END;
}

/* Note now what a record tells of the message: when it is gone, it is too
   late. */
static enum popinjay_delete
message_log_delete(struct popinjay_request *request, void *state ATTR_UNUSED,
		   const struct popinjay_message *message)
{
	struct popinjay_session *session = request->session;
	struct message_log *log = message_log_get(session);
	struct note *note = note_get(log, message);
	struct mail *mail;

	note_uidl(session, log, note);
	note->fetched = popinjay_refetch_mark(session, message->seq) != 0;
	if (!log->wanted || (note->guid != NULL && note->headers_read))
		return POPINJAY_DELETE_NATIVE;
	/* without its GUID nobody could tell which message is gone */
	mail = popinjay_session_mail(session, message, 0);
	T_BEGIN {
		note_guid(log, note, mail);
		note_deleted_headers(log, note, mail);
	} T_END;
	mail_free(&mail);
	return POPINJAY_DELETE_NATIVE;
}

static void
message_log_after(struct popinjay_request *request, void *state ATTR_UNUSED,
		  const struct popinjay_result *result)
{
	struct popinjay_session *session = request->session;
	struct message_log *log;

	if (result->outcome != POPINJAY_OUTCOME_OK)
		return;
	if (strcmp(request->name, "UIDL") == 0 &&
	    popinjay_access_log_wants_session(session))
		note_fingerprint(session, message_log_get(session));
	else if (strcmp(request->name, "DELE") == 0) {
		log = message_log_get(session);
		if (log->all_wanted &&
		    popinjay_access_log_may_detail(session)) T_BEGIN {
			log_action(session, log, FALSE,
				   note_get(log, &request->message));
		} T_END;
	}
}

/* --- the end of the session --- */

static void
message_log_removed(struct popinjay_session *session ATTR_UNUSED, void *state,
		    const struct popinjay_message *message, bool certain)
{
	struct message_log *log = state;
	struct note *note = log->pool == NULL ? NULL :
		hash_table_lookup(log->notes, POINTER_CAST(message->uid));

	if (note != NULL) {
		note->removed_certainly = certain;
		array_push_back(&log->removed, &note);
	}
}

/* Log the messages that are really gone. */
static void message_log_end(struct popinjay_session *session, void *state)
{
	struct message_log *log = state;
	struct note *note;

	if (log->pool == NULL)
		return;
	array_foreach_elem(&log->removed, note) {
		if (note->uidl != NULL)
			log->fingerprint_left ^= uidl_fingerprint(note->uidl);
		if (log->wanted) T_BEGIN {
			log_action(session, log, TRUE, note);
		} T_END;
	}
	hash_table_destroy(&log->notes);
	pool_unref(&log->pool);
}

const struct popinjay_feature popinjay_message_log_feature = {
	.name = "message log",
	.session_size = sizeof(struct message_log),
	.message_opened = message_log_opened,
	.message_delete = message_log_delete,
	.message_removed = message_log_removed,
	.after = message_log_after,
	.message_sent = message_log_sent,
	.session_end = message_log_end
};
