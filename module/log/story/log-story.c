/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: keeps the records of one user, and has the phrases that the stories
   of a message and of a mailbox share. */

#include "lib.h"
#include "time-util.h"
#include "log-story-private.h"
#include "log-text.h"
#include "time-units.h"

#include <time.h>

/* a future time may come from the clock of another server */
#define FUTURE_SECS SECS_IN_DAY

#define STR(key) popinjay_log_record_str(record, POPINJAY_LOG_##key)
#define NUM(key) popinjay_log_record_num(record, POPINJAY_LOG_##key)

struct popinjay_log_story *
popinjay_log_story_init(const struct popinjay_log_story_settings *set)
{
	struct popinjay_log_story *story;

	story = i_new(struct popinjay_log_story, 1);
	story->set = *set;
	i_array_init(&story->records, 128);
	hash_table_create(&story->sessions, default_pool, 0, str_hash, strcmp);
	return story;
}

static void session_free(struct story_session *session)
{
	i_free(session->id);
	i_free(session->label);
	i_free(session->mechanism);
	i_free(session->address);
	i_free(session->end);
	i_free(session);
}

static void session_unref(struct popinjay_log_story *story,
			  struct story_session *session)
{
	if (--session->refcount == 0) {
		hash_table_remove(story->sessions, session->id);
		session_free(session);
	}
}

/* The sessions that are left have only records of commands. */
static void sessions_free(struct popinjay_log_story *story)
{
	struct hash_iterate_context *iter;
	struct story_session *session;
	char *id;

	iter = hash_table_iterate_init(story->sessions);
	while (hash_table_iterate(iter, story->sessions, &id, &session))
		session_free(session);
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&story->sessions);
}

static void record_free(struct popinjay_log_story *story,
			struct story_record *record)
{
	i_free(record->guid);
	i_free(record->uidl);
	i_free(record->message_id);
	i_free(record->subject);
	i_free(record->reason);
	session_unref(story, record->session);
}

void popinjay_log_story_deinit(struct popinjay_log_story **_story)
{
	struct popinjay_log_story *story = *_story;
	struct story_record *record;

	*_story = NULL;
	array_foreach_modifiable(&story->records, record)
		record_free(story, record);
	array_free(&story->records);
	sessions_free(story);
	i_free(story);
}

/* --- records --- */

static struct story_session *
get_session(struct popinjay_log_story *story,
	    const struct popinjay_log_record *record)
{
	const char *id = STR(SESSION_ID);
	struct story_session *session;

	/* each record without a session id is a session of its own */
	if (id == NULL) {
		id = t_strdup_printf("\t%"PRIu64"-%u", record->time_usecs,
				     array_count(&story->records));
	}
	session = hash_table_lookup(story->sessions, id);
	if (session == NULL) {
		session = i_new(struct story_session, 1);
		session->id = i_strdup(id);
		session->label = i_strdup(STR(SECRET_LABEL));
		session->mechanism = i_strdup(STR(MECHANISM));
		session->address = i_strdup(STR(REMOTE_IP));
		hash_table_insert(story->sessions, session->id, session);
	}
	return session;
}

static void drop_oldest(struct popinjay_log_story *story)
{
	unsigned int i, count = array_count(&story->records) / 2;
	struct story_record *record;

	for (i = 0; i < count; i++) {
		record = array_idx_modifiable(&story->records, i);
		record_free(story, record);
	}
	array_delete(&story->records, 0, count);
	story->dropped += count;
}

static bool get_action(const struct popinjay_log_record *record,
		       enum story_action *action_r)
{
	const char *action;

	switch (record->event) {
	case POPINJAY_LOG_SESSION:
		*action_r = STORY_SESSION;
		return TRUE;
	case POPINJAY_LOG_LOGIN:
		*action_r = STORY_LOGIN_REFUSED;
		return popinjay_log_record_str_equals(record,
				POPINJAY_LOG_RESULT, "refused");
	case POPINJAY_LOG_MESSAGE:
		break;
	case POPINJAY_LOG_OTHER_EVENT:
		return FALSE;
	}
	action = STR(ACTION);
	if (null_strcmp(action, "retr") == 0)
		*action_r = STORY_RETR;
	else if (null_strcmp(action, "top") == 0)
		*action_r = STORY_TOP;
	else if (null_strcmp(action, "dele") == 0)
		*action_r = STORY_DELE;
	else if (null_strcmp(action, "expunge") == 0)
		*action_r = STORY_EXPUNGE;
	else
		return FALSE;
	return TRUE;
}

/* What a session's own record says about it. */
static void keep_session(struct story_record *kept,
			 const struct popinjay_log_record *record)
{
	struct story_session *session = kept->session;

	kept->messages = NUM(MESSAGES);
	kept->downloaded = NUM(RETR_COUNT);
	kept->deleted = NUM(EXPUNGED_COUNT);
	kept->again = NUM(REFETCH_COUNT);
	kept->unreadable = NUM(UNREADABLE_COUNT);
	session->last_record = kept->number;
	session->usecs = kept->usecs;
	session->began_usecs = kept->usecs -
		I_MIN(kept->usecs, NUM(DURATION_USECS));
	session->dele_count = NUM(DELE_COUNT);
	session->skipped = NUM(SKIPPED_RECORDS) > 0;
	if (session->end == NULL)
		session->end = i_strdup(STR(END));
}

static void keep_message(struct story_record *kept,
			 const struct popinjay_log_record *record)
{
	kept->complete = NUM(COMPLETE) != 0;
	kept->broken = popinjay_log_record_str_equals(record,
			POPINJAY_LOG_CUT_BY, "storage");
	kept->by_server = popinjay_log_record_str_equals(record,
			POPINJAY_LOG_CUT_BY, "server");
	kept->uncertain = popinjay_log_record_has(record,
			POPINJAY_LOG_CERTAIN) && NUM(CERTAIN) == 0;
	kept->fetched_known = popinjay_log_record_has(record,
			POPINJAY_LOG_FETCHED);
	kept->fetched = NUM(FETCHED) != 0;
	kept->uid = NUM(UID);
	kept->size = NUM(SIZE);
	kept->bytes = NUM(BYTES);
	kept->lines = NUM(LINES);
	kept->guid = i_strdup(STR(GUID));
	kept->uidl = i_strdup(STR(UIDL));
	kept->message_id = i_strdup(STR(MESSAGE_ID));
	kept->subject = i_strdup(STR(SUBJECT));
	kept->session->records++;
	if (kept->action == STORY_DELE)
		kept->session->marks++;
	else if (kept->action == STORY_EXPUNGE)
		kept->session->deletions++;
}

static void keep_record(struct popinjay_log_story *story,
			const struct popinjay_log_record *record,
			enum story_action action)
{
	struct story_record *kept;

	if (array_count(&story->records) == POPINJAY_LOG_STORY_RECORDS_MAX)
		drop_oldest(story);
	kept = array_append_space(&story->records);
	kept->usecs = record->time_usecs;
	kept->action = action;
	kept->number = NUM(RECORD);
	kept->session = get_session(story, record);
	kept->session->refcount++;
	if (action == STORY_SESSION)
		keep_session(kept, record);
	else if (action == STORY_LOGIN_REFUSED)
		kept->reason = i_strdup(STR(REASON));
	else
		keep_message(kept, record);
}

/* Records of commands are not told, but they use up numbers. */
static void count_command(struct popinjay_log_story *story,
			  const struct popinjay_log_record *record)
{
	if (STR(SESSION_ID) != NULL &&
	    hash_table_count(story->sessions) < POPINJAY_LOG_STORY_RECORDS_MAX)
		get_session(story, record)->commands++;
}

void popinjay_log_story_add(struct popinjay_log_story *story,
			    const struct popinjay_log_record *record)
{
	const struct popinjay_log_value *user =
		&record->values[POPINJAY_LOG_USER];
	enum story_action action;

	if (story->first_usecs == 0 || record->time_usecs < story->first_usecs)
		story->first_usecs = record->time_usecs;
	if (record->event == POPINJAY_LOG_MESSAGE) {
		story->message_seen = TRUE;
		if (!popinjay_log_record_str_equals(record, POPINJAY_LOG_ACTION,
						    "expunge"))
			story->download_seen = TRUE;
	} else if (record->event == POPINJAY_LOG_SESSION &&
		   NUM(EXPUNGED_COUNT) > 0) {
		story->deletion_seen = TRUE;
	}
	if (record->time_usecs < story->set.since_usecs ||
	    (story->set.until_usecs != 0 &&
	     record->time_usecs >= story->set.until_usecs))
		return;
	if (user->type == POPINJAY_LOG_STR && user->size > 0) {
		if (user->data[0] == '@')
			story->cut_user_seen = TRUE;
		else if (user->size > 5 &&
			 memcmp(user->data, "hmac:", 5) == 0)
			story->hashed_user_seen = TRUE;
	}
	if (!popinjay_log_record_str_equals(record, POPINJAY_LOG_USER,
					    story->set.user) &&
	    (story->set.user_hash == NULL ||
	     !popinjay_log_record_str_equals(record, POPINJAY_LOG_USER,
					     story->set.user_hash)))
		return;
	T_BEGIN {
		if (get_action(record, &action))
			keep_record(story, record, action);
		else if (record->event == POPINJAY_LOG_OTHER_EVENT)
			count_command(story, record);
	} T_END;
}

/* --- telling --- */

const char *story_client(pool_t pool, const struct story_session *session)
{
	const char *address = session->address != NULL ? session->address :
		"unknown address";
	const char *mechanism = session->mechanism, *client;

	if (session->label != NULL && mechanism != NULL) {
		client = t_strdup_printf("'%s' (%s, %s)", session->label,
					 mechanism, address);
	} else if (session->label != NULL)
		client = t_strdup_printf("'%s' (%s)", session->label, address);
	else if (mechanism != NULL)
		client = t_strdup_printf("%s (%s)", address, mechanism);
	else
		client = address;
	return popinjay_log_text_clean(pool, client);
}

static const char *clean_or_null(pool_t pool, const char *str)
{
	return str == NULL ? NULL : popinjay_log_text_clean(pool, str);
}

struct popinjay_log_story_line *
story_add_line(struct popinjay_log_story_result *result, pool_t pool,
	       const struct story_record *record, const char *action,
	       const char *text)
{
	struct popinjay_log_story_line *line =
		array_append_space(&result->lines);
	const struct story_session *session = record->session;

	line->usecs = record->usecs;
	line->number = array_count(&result->lines);
	line->action = action;
	line->text = popinjay_log_text_clean(pool, text);
	line->label = clean_or_null(pool, session->label);
	line->mechanism = clean_or_null(pool, session->mechanism);
	line->address = clean_or_null(pool, session->address);
	line->session = session->id[0] == '\t' ? NULL :
		clean_or_null(pool, session->id);
	line->count = 1;
	return line;
}

void story_line_set_message(struct popinjay_log_story_line *line, pool_t pool,
			    const struct story_record *record)
{
	line->uid = record->uid;
	line->uidl = clean_or_null(pool, record->uidl);
	line->message_id = clean_or_null(pool, record->message_id);
}

void story_add_note(struct popinjay_log_story_result *result, pool_t pool,
		    const char *note)
{
	note = popinjay_log_text_clean(pool, note);
	array_push_back(&result->notes, &note);
}

static bool end_is(const struct story_session *session, const char *end)
{
	return null_strcmp(session->end, end) == 0;
}

bool story_was_kept(const struct story_session *session)
{
	/* the error may have been in QUIT */
	return session->end != NULL && !end_is(session, "quit") &&
		!end_is(session, "error");
}

const char *story_not_deleted(const struct story_session *session)
{
	if (session->end == NULL)
		return "and the log does not say how that session ended";
	if (end_is(session, "lost"))
		return "but kept, because the connection was lost before QUIT";
	if (end_is(session, "timeout"))
		return "but kept, because the client timed out before QUIT";
	if (end_is(session, "quit"))
		return "and the log does not say what happened then";
	if (end_is(session, "error"))
		return "and the log does not say what happened then: the "
			"session ended with an error";
	return "but kept, because the server ended the session before QUIT";
}

bool story_same_message(const struct story_record *record1,
			const struct story_record *record2)
{
	/* a copy in mdbox has the GUID of the original */
	if (record1->guid != NULL && record2->guid != NULL &&
	    strcmp(record1->guid, record2->guid) != 0)
		return FALSE;
	return record1->uid == record2->uid;
}

const char *popinjay_log_story_time(uint64_t usecs, time_t now)
{
	time_t time = usecs / USECS_IN_SEC;
	struct tm tm = *localtime(&time), now_tm = *localtime(&now);

	if (time > now - 6 * SECS_IN_DAY && time <= now + FUTURE_SECS)
		return t_strflocaltime("%a %H:%M", time);
	if (tm.tm_year == now_tm.tm_year)
		return t_strflocaltime("%a %e %b %H:%M", time);
	return t_strflocaltime("%e %b %Y %H:%M", time);
}
