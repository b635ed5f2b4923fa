/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: the story of a mailbox: what each session did. Sessions in a row
   that did nothing are one line. */

#include "lib.h"
#include "log-story-private.h"
#include "log-text.h"
#include "time-units.h"

/* the most messages that a line names one by one */
#define DETAILS_MAX 20

struct teller {
	struct popinjay_log_story *story;
	pool_t pool;
	struct popinjay_log_story_result *result;
	/* "guid\tuid" -> the last complete download so far */
	HASH_TABLE(char *, const struct story_record *) downloads;
	/* the last line is about these sessions, and more of the same kind are
	   added to it */
	unsigned int repeated_line;
	const struct story_record *repeated;
	uint64_t repeated_since_usecs;
};

/* What a session did with messages. */
struct story_work {
	const struct story_session *session;
	/* the last record of each kind, NULL: none */
	const struct story_record *downloaded, *failed, *deleted, *marked;
	uint64_t downloads, failures, deletions, marks;
	/* those of the downloads and failures that the session's own record
	   counts as well */
	uint64_t sent;
	/* deletions that another program may have done */
	uint64_t uncertain;
	/* of deletions: how long after the download; how many without a
	   download in the log, and how many of these the record says were
	   fetched or not */
	uint64_t after_min_usecs, after_max_usecs, undownloaded;
	uint64_t fetched, unfetched;
	ARRAY_TYPE(const_string) details;
};

static char *message_key(const struct story_record *record)
{
	return t_strdup_noconst(t_strdup_printf("%s\t%"PRIu64,
		record->guid == NULL ? "" : record->guid, record->uid));
}

/* Returns what to call the message. DELE does not read headers, but the
   download, which may be NULL, did. */
static const char *message_text(struct teller *t,
				const struct story_record *record,
				const struct story_record *download)
{
	const char *message_id = record->message_id;
	const char *subject = record->subject;

	if (message_id == NULL && download != NULL)
		message_id = download->message_id;
	if (subject == NULL && download != NULL)
		subject = download->subject;
	if (message_id == NULL)
		message_id = t_strdup_printf("message %"PRIu64, record->uid);
	if (subject != NULL) {
		message_id = t_strdup_printf("%s \"%s\"", message_id,
					     subject);
	}
	return popinjay_log_text_clean(t->pool, t_strdup_printf("%s, %s",
		message_id, popinjay_log_text_bytes(record->size)));
}

/* --- what a session did with messages --- */

static void work_add(struct teller *t, struct story_work *work,
		     const struct story_record *record)
{
	const struct story_record *download;
	uint64_t after_usecs;
	const char *text;

	switch (record->action) {
	case STORY_RETR:
		work->sent += record->complete || record->bytes > 0 ? 1 : 0;
		if (!record->complete) {
			work->failed = record;
			work->failures++;
			break;
		}
		work->downloaded = record;
		work->downloads++;
		break;
	case STORY_DELE:
		if (!record->superseded) {
			work->marked = record;
			work->marks++;
		}
		break;
	case STORY_EXPUNGE:
		work->deleted = record;
		work->deletions++;
		work->uncertain += record->uncertain ? 1 : 0;
		download = hash_table_lookup(t->downloads,
					     message_key(record));
		if (download == NULL) {
			work->undownloaded++;
			if (record->fetched)
				work->fetched++;
			else if (record->fetched_known)
				work->unfetched++;
		} else {
			after_usecs = record->usecs - download->usecs;
			work->after_min_usecs = I_MIN(work->after_min_usecs,
						      after_usecs);
			work->after_max_usecs = I_MAX(work->after_max_usecs,
						      after_usecs);
		}
		if (work->deletions <= DETAILS_MAX) {
			text = message_text(t, record, download);
			array_push_back(&work->details, &text);
		}
		break;
	case STORY_TOP:
	case STORY_SESSION:
	case STORY_LOGIN_REFUSED:
		break;
	}
}

/* ", 3 min after they were downloaded", to follow "deleted by ..." */
static const char *deleted_after(const struct story_work *work)
{
	const char *min_text, *max_text, *they;

	they = work->deletions == 1 ? "it was" : "they were";
	if (work->fetched == work->deletions)
		return t_strdup_printf(", after %s downloaded", they);
	if (work->fetched + work->unfetched == work->deletions) {
		return work->deletions == 1 ?
			"; no POP3 client had completely downloaded it" :
			t_strdup_printf("; no POP3 client had completely "
				"downloaded %"PRIu64" of "
				"them", work->unfetched);
	}
	if (work->undownloaded == work->deletions)
		return "; the log shows no complete download before that";
	min_text = popinjay_log_text_duration(work->after_min_usecs /
					      USECS_IN_SEC);
	max_text = popinjay_log_text_duration(work->after_max_usecs /
					      USECS_IN_SEC);
	return t_strdup_printf(", %s%s%s after %s downloaded%s", min_text,
		strcmp(min_text, max_text) == 0 ? "" : " to ",
		strcmp(min_text, max_text) == 0 ? "" : max_text, they,
		work->undownloaded == 0 ? "" : t_strdup_printf(
			"; the log shows no complete download of %"PRIu64" of "
			"them",
			work->undownloaded));
}

static void
tell_line(struct teller *t, const struct story_record *record,
	  const char *action, uint64_t count, const char *text)
{
	struct popinjay_log_story_line *line;

	line = story_add_line(t->result, t->pool, record, action, text);
	line->count = count;
	if (count == 1)
		story_line_set_message(line, t->pool, record);
}

/* ", or by another program at that moment", to follow "deleted by ..." */
static const char *perhaps_by_other(const struct story_work *work)
{
	if (work->uncertain == 0)
		return "";
	if (work->uncertain == work->deletions)
		return ", or by another program at that moment";
	return t_strdup_printf(" (%"PRIu64" of them perhaps by another program "
			       "at that moment)", work->uncertain);
}

static void tell_deleted(struct teller *t, struct story_work *work,
			 const char *client)
{
	struct popinjay_log_story_line *line;
	const char *text;

	tell_line(t, work->deleted, "deleted", work->deletions,
		  t_strdup_printf("%s deleted by %s%s%s",
			popinjay_log_text_count(work->deletions, "message"),
			client, perhaps_by_other(work), deleted_after(work)));
	if (work->deletions > DETAILS_MAX) {
		text = p_strdup_printf(t->pool, "and %"PRIu64" more",
				       work->deletions - DETAILS_MAX);
		array_push_back(&work->details, &text);
	}
	array_append_zero(&work->details);
	line = array_back_modifiable(&t->result->lines);
	line->details = array_front(&work->details);
}

/* Tell what the session's own record says, if the log has no records of
   messages. */
static void
tell_download_count(struct teller *t, const struct story_record *record,
		    uint64_t usecs, const char *client)
{
	struct popinjay_log_story_line *line;

	if (record->downloaded == 0)
		return;
	line = story_add_line(t->result, t->pool, record, "downloaded",
		t_strdup_printf("%s downloaded by %s%s",
		popinjay_log_text_count(record->downloaded, "message"),
		client, record->again == 0 ? "" :
		t_strdup_printf(", %"PRIu64" of them again",
				record->again)));
	line->count = record->downloaded;
	line->usecs = usecs;
}

/* A session that logs no more records can still download. */
static void
tell_left_out(struct teller *t, const struct story_record *record,
	      uint64_t sent, const char *client)
{
	uint64_t count;

	if (!record->session->skipped || record->downloaded <= sent)
		return;
	count = record->downloaded - sent;
	story_add_line(t->result, t->pool, record, "downloaded",
		t_strdup_printf("%s downloaded by %s, without a record of each",
		popinjay_log_text_count(count, "message"),
		client))->count = count;
}

static void tell_work(struct teller *t, struct story_work *work,
		      const struct story_record *session_record)
{
	const char *client = story_client(t->pool, work->session);

	if (work->downloaded != NULL) {
		uint64_t again = session_record == NULL ? 0 :
			I_MIN(session_record->again, work->downloads);

		tell_line(t, work->downloaded, "downloaded", work->downloads,
			t_strdup_printf("%s downloaded by %s%s",
			popinjay_log_text_count(work->downloads, "message"),
			client, again == 0 ? "" :
			again == work->downloads ? ", again" :
			t_strdup_printf(", %"PRIu64" of them again",
					again)));
	}
	if (!t->story->download_seen && session_record != NULL) {
		/* QUIT deletes, and nothing is downloaded after it */
		tell_download_count(t, session_record, work->deleted == NULL ?
				    session_record->usecs :
				    work->deleted->usecs, client);
	}
	if (t->story->download_seen && session_record != NULL)
		tell_left_out(t, session_record, work->sent, client);
	if (work->failed != NULL && work->failed->broken &&
	    work->failed->bytes == 0) {
		tell_line(t, work->failed, "download-failed", work->failures,
			t_strdup_printf("%s not downloaded by %s: the server "
			"could not read %s",
			popinjay_log_text_count(work->failures, "message"),
			client, work->failures == 1 ? "it" : "them"));
	} else if (work->failed != NULL) {
		tell_line(t, work->failed, "download-failed", work->failures,
			t_strdup_printf("%s downloaded only in part by %s: %s",
			popinjay_log_text_count(work->failures, "message"),
			client, work->failed->broken ?
			"the server could not read the rest" :
			work->failed->by_server ?
			"the server ended the session" :
			"the connection ended"));
	}
	if (work->deleted != NULL)
		tell_deleted(t, work, client);
	if (work->marked != NULL) {
		tell_line(t, work->marked, "marked", work->marks,
			t_strdup_printf("%s marked for deletion by %s, %s",
			popinjay_log_text_count(work->marks, "message"),
			client, story_not_deleted(work->session)));
	}
}

/* --- the same again and again --- */

/* Tell of a session that did nothing, or of a refused login. Several in a row
   are one line. */
static void
tell_repeated(struct teller *t, const struct story_record *record,
	      const char *action, const char *what, const char *done)
{
	const struct story_record *last = t->repeated;
	struct popinjay_log_story_line *line;
	const char *client = story_client(t->pool, record->session);

	if (last != NULL && last->action == record->action &&
	    null_strcmp(last->reason, record->reason) == 0 &&
	    strcmp(story_client(t->pool, last->session), client) == 0) {
		line = array_idx_modifiable(&t->result->lines,
					    t->repeated_line);
		line->usecs = record->usecs;
		line->count++;
		line->text = popinjay_log_text_clean(t->pool, t_strdup_printf(
			"%s %"PRIu64" times within %s %s %s", what,
			line->count, popinjay_log_text_duration(
				(record->usecs - t->repeated_since_usecs) /
				USECS_IN_SEC), done, client));
	} else {
		t->repeated_line = array_count(&t->result->lines);
		t->repeated_since_usecs = record->usecs;
		line = story_add_line(t->result, t->pool, record, action,
			t_strdup_printf("%s %s %s", what, done, client));
	}
	if (record->reason != NULL) {
		line->text = p_strconcat(t->pool, line->text, ": ",
			popinjay_log_text_clean(t->pool,
				t_str_replace(record->reason, '_', ' ')),
			NULL);
	}
	t->repeated = record;
}

/* Tell what logs that have only sessions contain. */
static void
tell_counts(struct teller *t, const struct story_record *record)
{
	const char *client = story_client(t->pool, record->session);

	tell_download_count(t, record, record->usecs, client);
	if (record->deleted > 0) {
		story_add_line(t->result, t->pool, record, "deleted",
			t_strdup_printf("%s deleted by %s",
			popinjay_log_text_count(record->deleted, "message"),
			client))->count = record->deleted;
	}
}

/* --- sessions --- */

static struct story_work *
get_work(struct teller *t, struct story_session *session)
{
	if (session->work == NULL) {
		session->work = p_new(t->pool, struct story_work, 1);
		session->work->session = session;
		session->work->after_min_usecs = UINT64_MAX;
		p_array_init(&session->work->details, t->pool, 4);
	}
	return session->work;
}

static void
keep_download(struct teller *t, const struct story_record *record)
{
	char *key = message_key(record);

	if (hash_table_lookup(t->downloads, key) == NULL)
		key = p_strdup(t->pool, key);
	hash_table_update(t->downloads, key, record);
}

/* Tell what the session's own record says about marks, if there are no records
   of them. Returns FALSE if it has none. */
static bool
tell_mark_count(struct teller *t, const struct story_record *record)
{
	const struct story_session *session = record->session;
	uint64_t deletions = I_MAX(session->deletions, record->deleted);
	uint64_t marks;

	if (session->marks > 0 || session->dele_count <= deletions)
		return FALSE;
	marks = session->dele_count - deletions;
	story_add_line(t->result, t->pool, record, "marked", t_strdup_printf(
		"%s marked for deletion by %s, %s",
		popinjay_log_text_count(marks, "message"),
		story_client(t->pool, session),
		story_not_deleted(session)))->count = marks;
	return TRUE;
}

/* Where no record of a message tells of a failure. */
static bool
tell_unreadable_count(struct teller *t, const struct story_record *record)
{
	if (record->unreadable == 0)
		return FALSE;
	story_add_line(t->result, t->pool, record, "download-failed",
		t_strdup_printf("the server could not read %s for %s",
		popinjay_log_text_count(record->unreadable, "message"),
		story_client(t->pool, record->session)))->count =
			record->unreadable;
	return TRUE;
}

static void
tell_session(struct teller *t, const struct story_record *record)
{
	struct story_session *session = record->session;
	bool failure_told = session->work != NULL &&
		session->work->failed != NULL;
	bool told = TRUE;

	if (session->work != NULL) {
		tell_work(t, session->work, record);
		session->work = NULL;
	} else if (record->downloaded > 0 || record->deleted > 0) {
		tell_counts(t, record);
	} else {
		told = FALSE;
	}
	if (!failure_told && tell_unreadable_count(t, record))
		told = TRUE;
	if (tell_mark_count(t, record) || told)
		t->repeated = NULL;
	else
		tell_repeated(t, record, "polled", "mail checked", "by");
}

static void
tell_record(struct teller *t, const struct story_record *record)
{
	switch (record->action) {
	case STORY_SESSION:
		tell_session(t, record);
		break;
	case STORY_LOGIN_REFUSED:
		tell_repeated(t, record, "login-refused", "login refused",
			      "from");
		break;
	case STORY_TOP:
		break;
	case STORY_RETR:
	case STORY_DELE:
	case STORY_EXPUNGE:
		work_add(t, get_work(t, record->session), record);
		if (record->action == STORY_RETR && record->complete)
			keep_download(t, record);
		break;
	}
}

void story_tell_mailbox(struct popinjay_log_story *story, pool_t pool,
			struct popinjay_log_story_result *result)
{
	struct teller t = { .story = story, .pool = pool, .result = result };
	const struct story_record *record;

	hash_table_create(&t.downloads, default_pool, 0, str_hash, strcmp);
	array_foreach(&story->records, record) T_BEGIN {
		tell_record(&t, record);
	} T_END;
	/* sessions that go on, or whose end is missing in the log */
	array_foreach(&story->records, record) T_BEGIN {
		if (record->session->work != NULL) {
			tell_work(&t, record->session->work, NULL);
			record->session->work = NULL;
		}
	} T_END;
	hash_table_destroy(&t.downloads);
	if (array_count(&story->records) == 0) {
		story_add_note(result, pool, "The log has no records of this "
			       "user.");
	}
}
