/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_STORY_PRIVATE_H
#define POPINJAY_LOG_STORY_PRIVATE_H

#include "array.h"
#include "hash.h"
#include "log-story.h"

enum story_action {
	STORY_SESSION,
	STORY_LOGIN_REFUSED,
	STORY_RETR,
	STORY_TOP,
	STORY_DELE,
	STORY_EXPUNGE
};

/* What all records of a session have. */
struct story_session {
	char *id;
	/* who it was: NULL if unknown */
	char *label, *mechanism, *address;
	/* how it ended; NULL if the log does not say */
	char *end;
	unsigned int refcount;
	/* records of messages that are here, and those of commands, which are
	   only counted; and the number that the session's own record had, 0 if
	   there is none */
	uint64_t records, commands, last_record;
	/* of its own record: when, when it began, and how many messages it has
	   marked; and how many records there are of marks, and of deletions */
	uint64_t usecs, began_usecs, dele_count, marks, deletions;
	/* the session was told to leave records out */
	bool skipped;
	/* log-story-mailbox.c: what it did with messages, while that is being
	   told */
	struct story_work *work;
};

struct story_record {
	uint64_t usecs;
	enum story_action action;
	struct story_session *session;
	uint64_t number;

	/* of a message */
	bool complete;
	/* the server could not read it whole, or it ended the session */
	bool broken, by_server;
	/* another may have removed it at that moment */
	bool uncertain;
	/* a later record of the session tells what became of the mark */
	bool superseded;
	/* before it was deleted, POP3 had fetched it, as far as is known */
	bool fetched_known, fetched;
	uint64_t uid, size, bytes, lines;
	char *guid, *uidl, *message_id, *subject;

	/* of a session */
	uint64_t messages, downloaded, deleted, again;
	/* of a refused login */
	char *reason;
};

struct popinjay_log_story {
	struct popinjay_log_story_settings set;
	ARRAY(struct story_record) records;
	HASH_TABLE(char *, struct story_session *) sessions;

	/* of the whole log: the first record, and whether there are records
	   of messages, others than of deleted ones, sessions that deleted some,
	   and users who cannot be told apart */
	uint64_t first_usecs;
	bool message_seen, download_seen, deletion_seen;
	bool cut_user_seen, hashed_user_seen;
	/* older ones of the user had to go; those kept begin here */
	uint64_t dropped;
};

/* log-story-message.c: tell what befell one message. */
void story_tell_message(struct popinjay_log_story *story, pool_t pool,
			struct popinjay_log_story_result *result);
/* log-story-mailbox.c: tell what befell the mailbox. */
void story_tell_mailbox(struct popinjay_log_story *story, pool_t pool,
			struct popinjay_log_story_result *result);

/* Returns who it was: "'office-printer' (APOP, 198.51.100.7)", from pool. */
const char *story_client(pool_t pool, const struct story_session *session);

/* Add a line about a record's session, with its time. */
struct popinjay_log_story_line *
story_add_line(struct popinjay_log_story_result *result, pool_t pool,
	       const struct story_record *record, const char *action,
	       const char *text);

/* Add a note, which is copied. */
void story_add_note(struct popinjay_log_story_result *result, pool_t pool,
		    const char *note);

/* Returns TRUE if the session certainly ended without carrying marks out. */
bool story_was_kept(const struct story_session *session);
/* Returns why a session did not delete what it had marked, or that nobody
   knows, to follow ", ". */
const char *story_not_deleted(const struct story_session *session);

/* Returns TRUE if two records are of the same message. */
bool story_same_message(const struct story_record *record1,
			const struct story_record *record2);

#endif
