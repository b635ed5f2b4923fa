/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: tells the story of what was kept, and adds what a reader has to know
   about the log itself. */

#include "lib.h"
#include "log-story-private.h"
#include "log-text.h"

static int record_cmp(const struct story_record *record1,
		      const struct story_record *record2)
{
	if (record1->usecs != record2->usecs)
		return record1->usecs < record2->usecs ? -1 : 1;
	if (record1->number != record2->number)
		return record1->number < record2->number ? -1 : 1;
	return 0;
}

static int line_cmp(const struct popinjay_log_story_line *line1,
		    const struct popinjay_log_story_line *line2)
{
	if (line1->usecs != line2->usecs)
		return line1->usecs > line2->usecs ? -1 : 1;
	return line1->number > line2->number ? -1 : 1;
}

static void
add_common_notes(struct popinjay_log_story *story, pool_t pool,
		 struct popinjay_log_story_result *result)
{
	const struct story_record *record;
	uint64_t begin = I_MAX(story->first_usecs, story->set.since_usecs);
	uint64_t lost = 0, skipped = 0;

	array_foreach(&story->records, record) {
		const struct story_session *session = record->session;

		if (record->action != STORY_SESSION)
			continue;
		skipped += session->skipped ? 1 : 0;
		/* One record is the session's own. Do not miss records from
		   before the log begins. */
		if (session->records == 0 && session->began_usecs >= begin &&
		    session->last_record > session->commands + 1)
			lost++;
	}
	if (lost > 0 && story->message_seen) {
		story_add_note(result, pool, t_strdup_printf(
			"The records of messages are missing for "
			"%s.", popinjay_log_text_count(lost,
							      "session")));
	}
	if (skipped > 0) {
		story_add_note(result, pool, t_strdup_printf(
			"Some records are missing for %s: the client did more "
			"than is logged for one session.",
			popinjay_log_text_count(skipped, "session")));
	}
	if (array_count(&story->records) == 0 && story->cut_user_seen) {
		story_add_note(result, pool, "This log names only the domains "
			"of users (popinjay_access_log_anonymize), so it "
			"cannot tell what happened to whom.");
	}
	if (array_count(&story->records) == 0 && story->hashed_user_seen &&
	    story->set.user_hash == NULL) {
		story_add_note(result, pool, "This log names users by keyed "
			"hashes, and the key file "
			"(popinjay_access_log_key_file) is not known here.");
	}
	if (story->dropped > 0) {
		story_add_note(result, pool, t_strdup_printf(
			"There is more: the oldest %"PRIu64" records of this "
			"user are left out.", story->dropped));
	}
}

/* A message can be marked many times in a session: the last record of it there
   is enough. */
static void supersede_marks(struct popinjay_log_story *story, pool_t pool)
{
	HASH_TABLE(char *, struct story_record *) last;
	unsigned int i = array_count(&story->records);

	hash_table_create(&last, default_pool, 0, str_hash, strcmp);
	while (i > 0) T_BEGIN {
		struct story_record *record =
			array_idx_modifiable(&story->records, --i);
		char *key;

		if (record->action == STORY_DELE ||
		    record->action == STORY_EXPUNGE) {
			key = t_strdup_noconst(t_strdup_printf("%"PRIu64"\t%s",
				record->uid, record->session->id));
			if (hash_table_lookup(last, key) == NULL) {
				key = p_strdup(pool, key);
				hash_table_insert(last, key, record);
			} else {
				record->superseded = TRUE;
			}
		}
	} T_END;
	hash_table_destroy(&last);
}

struct popinjay_log_story_result *
popinjay_log_story_tell(struct popinjay_log_story *story, pool_t pool)
{
	struct popinjay_log_story_result *result;

	result = p_new(pool, struct popinjay_log_story_result, 1);
	p_array_init(&result->lines, pool, 64);
	p_array_init(&result->notes, pool, 4);
	array_sort(&story->records, record_cmp);
	supersede_marks(story, pool);
	if (story->set.uidl != NULL || story->set.message_id != NULL)
		story_tell_message(story, pool, result);
	else
		story_tell_mailbox(story, pool, result);
	array_sort(&result->lines, line_cmp);
	add_common_notes(story, pool, result);
	return result;
}
