/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the story of one message. */

#include "lib.h"
#include "log-story-private.h"
#include "log-text.h"

#define USECS_IN_SEC UINT64_C(1000000)

/* What is known so far of one of the messages that were asked for: several may
   have the same Message-ID. */
struct told_message {
	const struct story_record *first;
	/* when it was downloaded first and last; 0: never */
	uint64_t first_download_usecs, last_download_usecs;
	bool deleted;
};

struct teller {
	struct popinjay_log_story *story;
	pool_t pool;
	struct popinjay_log_story_result *result;
	ARRAY(struct told_message) messages;
	/* index of the record that is told */
	unsigned int index;
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

static struct told_message *
find_message(struct teller *t, const struct story_record *record)
{
	struct told_message *message;

	array_foreach_modifiable(&t->messages, message) {
		if (story_same_message(message->first, record))
			return message;
	}
	return NULL;
}

/* A session that never asked for UIDLs knows none, and DELE alone reads no
   Message-ID: find out first which messages are meant. */
static void find_messages(struct teller *t)
{
	const struct story_record *record;
	struct told_message *message;

	array_foreach(&t->story->records, record) {
		if (is_of_message(record) && is_asked_for(t->story, record) &&
		    find_message(t, record) == NULL) {
			message = array_append_space(&t->messages);
			message->first = record;
		}
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
	line->uid = record->uid;
	line->uidl = record->uidl == NULL ? NULL :
		popinjay_log_text_clean(t->pool, record->uidl);
	line->message_id = record->message_id == NULL ? NULL :
		popinjay_log_text_clean(t->pool, record->message_id);
}

static void tell_retr(struct teller *t, struct told_message *message,
		      const struct story_record *record, const char *client)
{
	const char *sent = popinjay_log_text_bytes(record->bytes);

	if (!record->complete && record->broken) {
		tell(t, record, "download-failed", t_strdup_printf(
			"could not be read whole by the server for %s: "
			"%s of %s were sent", client, sent,
			popinjay_log_text_bytes(record->size)));
		return;
	}
	if (!record->complete) {
		tell(t, record, "download-failed", t_strdup_printf(
			"downloaded only in part by %s: the connection ended "
			"after %s of %s", client, sent,
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

/* Was the mark that this record is of carried out in the same session? */
static bool is_expunged(struct teller *t, const struct story_record *mark)
{
	const struct story_record *record;
	unsigned int i;

	for (i = t->index + 1; i < array_count(&t->story->records); i++) {
		record = array_idx(&t->story->records, i);
		if (record->action == STORY_EXPUNGE &&
		    record->session == mark->session &&
		    story_same_message(record, mark))
			return TRUE;
	}
	return FALSE;
}

static void
tell_record(struct teller *t, struct told_message *message,
	    const struct story_record *record)
{
	const char *client = story_client(t->pool, record->session);

	switch (record->action) {
	case STORY_RETR:
		tell_retr(t, message, record, client);
		break;
	case STORY_TOP:
		tell(t, record, "looked-at", record->lines == 0 ?
		     t_strdup_printf("its header looked at by %s", client) :
		     t_strdup_printf("its header and up to %s looked at by %s",
				     popinjay_log_text_count(record->lines,
							     "line"), client));
		break;
	case STORY_DELE:
		if (!is_expunged(t, record)) {
			tell(t, record, "marked", t_strdup_printf(
				"marked for deletion by %s, %s", client,
				story_not_deleted(record->session)));
		}
		break;
	case STORY_EXPUNGE:
		message->deleted = TRUE;
		tell(t, record, "deleted", t_strconcat("deleted by ", client,
			record->uncertain ? ", or by another at that moment" :
			"",
			message->last_download_usecs > 0 ?
			t_strdup_printf(", %s after it was downloaded",
				ago(message->last_download_usecs,
				    record->usecs)) :
			!record->fetched_known ?
			"; before that the log shows no whole download of it" :
			record->fetched ? ", after it was downloaded" :
			"; no POP3 client had downloaded it whole", NULL));
		break;
	case STORY_SESSION:
	case STORY_LOGIN_REFUSED:
		break;
	}
}

static void tell_notes(struct teller *t)
{
	const struct told_message *message;
	const char *name, *note;

	if (array_count(&t->messages) == 0) {
		note = !t->story->message_seen && t->story->deletion_seen ?
			"The log has no records of single messages "
			"(popinjay_access_log_events)." :
			!t->story->download_seen ?
			"No POP3 client deleted this message while this log "
			"was written. If it is gone, it was not by POP3: look "
			"at IMAP, webmail, filters and expiry. The log does "
			"not tell what was downloaded "
			"(popinjay_access_log_events)." :
			"No POP3 client downloaded or deleted this message "
			"while this log was written. If it is gone, it was "
			"not by POP3: look at IMAP, webmail, filters and "
			"expiry.";
		story_add_note(t->result, t->pool, note);
		return;
	}
	if (array_count(&t->messages) > 1) {
		story_add_note(t->result, t->pool, t_strdup_printf(
			"%u messages are meant; each has its number (uid).",
			array_count(&t->messages)));
	}
	array_foreach(&t->messages, message) {
		if (message->deleted)
			continue;
		name = array_count(&t->messages) == 1 ? "it" :
			t_strdup_printf("message %"PRIu64,
					message->first->uid);
		story_add_note(t->result, t->pool, t_strdup_printf(
			"No POP3 client deleted %s. If %s is gone, it was "
			"not by POP3: look at IMAP, webmail, filters and "
			"expiry.", name, name));
	}
}

void story_tell_message(struct popinjay_log_story *story, pool_t pool,
			struct popinjay_log_story_result *result)
{
	struct teller t = { .story = story, .pool = pool, .result = result };
	const struct story_record *record;
	struct told_message *message;

	i_array_init(&t.messages, 4);
	find_messages(&t);
	for (; t.index < array_count(&story->records); t.index++) T_BEGIN {
		record = array_idx(&story->records, t.index);
		if (is_of_message(record)) {
			message = find_message(&t, record);
			if (message != NULL)
				tell_record(&t, message, record);
		}
	} T_END;
	tell_notes(&t);
	array_free(&t.messages);
}
