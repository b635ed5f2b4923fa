/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the story of one message. */

#include "lib.h"
#include "log-story-private.h"
#include "log-text.h"
#include "time-units.h"

/* What is known so far of one of the messages that were asked for: several may
   have the same Message-ID. */
struct told_message {
	const struct story_record *first;
	/* another with the same uid */
	struct told_message *next;
	/* the last record of it */
	uint64_t last_usecs;
	/* when it was downloaded first and last; 0: never */
	uint64_t first_download_usecs, last_download_usecs;
	bool deleted;
	/* it was marked, and the log does not say what became of that */
	bool marked;
};

struct teller {
	struct popinjay_log_story *story;
	pool_t pool;
	struct popinjay_log_story_result *result;
	ARRAY(struct told_message *) messages;
	/* uid + 1 -> the messages with that uid */
	HASH_TABLE(void *, struct told_message *) by_uid;
};

static bool is_of_message(const struct story_record *record)
{
	return record->action != STORY_SESSION &&
		record->action != STORY_LOGIN_REFUSED;
}

static bool is_asked_for(const struct popinjay_log_story *story,
			 const struct story_record *record)
{
	return (story->set.uidl == NULL ||
		null_strcmp(record->uidl, story->set.uidl) == 0) &&
		(story->set.message_id == NULL ||
		 null_strcmp(record->message_id,
			     story->set.message_id) == 0);
}

/* If pointers are shorter than numbers in the log, uids may share a key: the
   messages under it are compared. */
static void *uid_key(uint64_t uid)
{
	return POINTER_CAST((uintptr_t)(uid % UINT32_MAX) + 1);
}

static struct told_message *
find_message(struct teller *t, const struct story_record *record)
{
	struct told_message *message;

	message = hash_table_lookup(t->by_uid, uid_key(record->uid));
	while (message != NULL && !story_same_message(message->first, record))
		message = message->next;
	return message;
}

static void add_message(struct teller *t, const struct story_record *record)
{
	void *key = uid_key(record->uid);
	struct told_message *message = p_new(t->pool, struct told_message, 1);

	message->first = record;
	message->next = hash_table_lookup(t->by_uid, key);
	hash_table_update(t->by_uid, key, message);
	array_push_back(&t->messages, &message);
}

/* Find the messages that match before telling about them: records of sessions
   that never asked for UIDLs have none, and records of DELE alone have no
   Message-ID. */
static void find_messages(struct teller *t)
{
	const struct story_record *record;

	array_foreach(&t->story->records, record) {
		if (is_of_message(record) && is_asked_for(t->story, record) &&
		    find_message(t, record) == NULL)
			add_message(t, record);
	}
}

static const char *ago(uint64_t from_usecs, uint64_t to_usecs)
{
	return popinjay_log_text_duration((to_usecs - from_usecs) /
					  USECS_IN_SEC);
}

static void tell(struct teller *t, const struct story_record *record,
		 const char *action, const char *text)
{
	struct popinjay_log_story_line *line;

	if (array_count(&t->messages) > 1) {
		text = t_strdup_printf("message %"PRIu64" %s", record->uid,
				       text);
	}
	line = story_add_line(t->result, t->pool, record, action, text);
	story_line_set_message(line, t->pool, record);
}

static void tell_retr(struct teller *t, struct told_message *message,
		      const struct story_record *record, const char *client)
{
	const char *sent = popinjay_log_text_bytes(record->bytes);

	if (!record->complete && record->broken && record->bytes == 0) {
		tell(t, record, "download-failed", t_strdup_printf(
			"could not be read by the server for %s", client));
		return;
	}
	if (!record->complete && record->broken) {
		tell(t, record, "download-failed", t_strdup_printf(
			"could not be read completely by the server for %s: %s "
			"of %s were sent", client, sent,
			popinjay_log_text_bytes(record->size)));
		return;
	}
	if (!record->complete) {
		tell(t, record, "download-failed", t_strdup_printf(
			"downloaded only in part by %s: %s after %s of %s",
			client, record->by_server ?
			"the server ended the session" :
			"the connection ended", sent,
			popinjay_log_text_bytes(record->size)));
		return;
	}
	if (message->first_download_usecs == 0) {
		message->first_download_usecs = record->usecs;
		tell(t, record, "downloaded", t_strdup_printf(
			"downloaded by %s, %s", client,
			popinjay_log_text_bytes(record->size)));
	} else {
		tell(t, record, "downloaded", t_strdup_printf(
			"downloaded again by %s, %s after the first time",
			client, ago(message->first_download_usecs,
				    record->usecs)));
	}
	message->last_download_usecs = record->usecs;
}

static void
tell_record(struct teller *t, struct told_message *message,
	    const struct story_record *record)
{
	const char *client = story_client(t->pool, record->session);

	/* it still exists */
	message->marked = FALSE;
	message->last_usecs = record->usecs;
	switch (record->action) {
	case STORY_RETR:
		tell_retr(t, message, record, client);
		break;
	case STORY_TOP:
		tell(t, record, "looked-at", record->lines == 0 ?
		     t_strdup_printf("its header viewed by %s", client) :
		     t_strdup_printf("its header and up to %s viewed by %s",
				     popinjay_log_text_count(record->lines,
							     "line"), client));
		break;
	case STORY_DELE:
		if (!record->superseded) {
			message->marked = !story_was_kept(record->session);
			tell(t, record, "marked", t_strdup_printf(
				"marked for deletion by %s, %s", client,
				story_not_deleted(record->session)));
		}
		break;
	case STORY_EXPUNGE:
		message->deleted = TRUE;
		tell(t, record, "deleted", t_strconcat("deleted by ", client,
			record->uncertain ? ", or by another program at that "
					    "moment" :
			"",
			message->last_download_usecs > 0 ?
			t_strdup_printf(", %s after it was downloaded",
				ago(message->last_download_usecs,
				    record->usecs)) :
			!record->fetched_known ?
			"; the log shows no complete download of it before "
			"that" :
			record->fetched ? ", after it was downloaded" :
			"; no POP3 client had completely downloaded it", NULL));
		break;
	case STORY_SESSION:
	case STORY_LOGIN_REFUSED:
		break;
	}
}

/* Returns the end of the last session that may have deleted messages without a
   record of each, or 0. */
static uint64_t last_undecided_usecs(struct popinjay_log_story *story)
{
	const struct story_record *record;
	const struct story_session *session;
	uint64_t usecs = 0;

	array_foreach(&story->records, record) {
		session = record->session;
		/* if there are records of all marks, those of the message are
		   known */
		if (record->action == STORY_SESSION &&
		    !story_was_kept(session) &&
		    session->deletions < session->dele_count &&
		    session->marks < session->dele_count)
			usecs = I_MAX(usecs, session->usecs);
	}
	return usecs;
}

#define UNDECIDED "The log does not say whether a POP3 client deleted %s"
#define NOT_NAMED ": it does not name every message that was marked for " \
	"deletion."
#define NAMELESS ": it has deleted messages without their %s. Leave out %s " \
	"to see these, too."

/* Returns TRUE if there may have been a download without a record. */
static bool downloads_are_left_out(const struct popinjay_log_story *story)
{
	const struct story_record *record;

	array_foreach(&story->records, record) {
		if (record->action == STORY_SESSION &&
		    record->session->skipped && record->downloaded > 0)
			return TRUE;
	}
	return FALSE;
}

static bool is_another(const struct popinjay_log_story *story,
		       const struct story_record *record)
{
	return (story->set.uidl != NULL && record->uidl != NULL &&
		strcmp(record->uidl, story->set.uidl) != 0) ||
		(story->set.message_id != NULL && record->message_id != NULL &&
		 strcmp(record->message_id, story->set.message_id) != 0);
}

/* No message was found. Returns TRUE if the one that was asked for may be a
   deleted message whose records do not identify it. */
static bool a_nameless_one_is_deleted(struct teller *t)
{
	const struct story_record *record;

	array_foreach(&t->story->records, record) {
		if (is_of_message(record) && is_another(t->story, record) &&
		    find_message(t, record) == NULL)
			add_message(t, record);
	}
	array_foreach(&t->story->records, record) {
		if ((record->action == STORY_EXPUNGE ||
		     (record->action == STORY_DELE && !record->superseded &&
		      !story_was_kept(record->session))) &&
		    find_message(t, record) == NULL)
			return TRUE;
	}
	return FALSE;
}

static const char *
note_unknown(struct teller *t, uint64_t undecided_usecs)
{
	const struct popinjay_log_story *story = t->story;

	if (!story->message_seen && story->deletion_seen) {
		return "The log has no records of individual messages "
			"(popinjay_access_log_events).";
	}
	if (undecided_usecs > 0)
		return t_strdup_printf(UNDECIDED NOT_NAMED, "this message");
	if (a_nameless_one_is_deleted(t)) {
		return t_strdup_printf(UNDECIDED NAMELESS, "this message",
			story->set.message_id != NULL ? "Message-ID" : "UIDL",
			story->set.message_id != NULL ? "--message-id" :
			"--uidl");
	}
	if (!story->download_seen) {
		return "No POP3 client deleted this message while this log was "
			"written. If it is gone, something else removed it: "
			"look at IMAP, webmail, filters and expiry. The log "
			"does not record downloads "
			"(popinjay_access_log_events).";
	}
	if (downloads_are_left_out(story)) {
		return "No POP3 client deleted this message while this log was "
			"written. If it is gone, something else removed it: "
			"look at IMAP, webmail, filters and expiry. The log "
			"does not say whether one downloaded it: some "
			"downloads may have no record.";
	}
	return "No POP3 client downloaded or deleted this message while this "
		"log was written. If it is gone, something else removed it: "
		"look at IMAP, webmail, filters and expiry.";
}

static const char *
note_not_deleted(const struct told_message *message, const char *name,
		 uint64_t undecided_usecs)
{
	if (message->marked)
		return t_strdup_printf(UNDECIDED ".", name);
	if (message->last_usecs < undecided_usecs)
		return t_strdup_printf(UNDECIDED NOT_NAMED, name);
	return t_strdup_printf("No POP3 client deleted %s. If %s is gone, "
		"something else removed it: look at IMAP, webmail, filters and "
		"expiry.",
		name, name);
}

static void tell_notes(struct teller *t)
{
	unsigned int count = array_count(&t->messages);
	uint64_t undecided_usecs = last_undecided_usecs(t->story);
	struct told_message *message;
	const char *name;

	if (count == 0) {
		story_add_note(t->result, t->pool,
			       note_unknown(t, undecided_usecs));
		return;
	}
	if (count > 1) {
		story_add_note(t->result, t->pool, t_strdup_printf(
			"%u messages match; each is named by its number (uid).",
			count));
	}
	array_foreach_elem(&t->messages, message) T_BEGIN {
		if (!message->deleted) {
			name = count == 1 ? "it" : t_strdup_printf(
				"message %"PRIu64, message->first->uid);
			story_add_note(t->result, t->pool,
				note_not_deleted(message, name,
						 undecided_usecs));
		}
	} T_END;
}

void story_tell_message(struct popinjay_log_story *story, pool_t pool,
			struct popinjay_log_story_result *result)
{
	struct teller t = { .story = story, .pool = pool, .result = result };
	const struct story_record *record;
	struct told_message *message;

	i_array_init(&t.messages, 4);
	hash_table_create_direct(&t.by_uid, default_pool, 0);
	find_messages(&t);
	array_foreach(&story->records, record) T_BEGIN {
		message = !is_of_message(record) ? NULL :
			find_message(&t, record);
		if (message != NULL)
			tell_record(&t, message, record);
	} T_END;
	tell_notes(&t);
	hash_table_destroy(&t.by_uid);
	array_free(&t.messages);
}
