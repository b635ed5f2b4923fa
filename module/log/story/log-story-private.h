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

/* What the records of a session share. */
struct story_session {
	char *id;
	/* who it was: NULL if unknown */
	char *label, *mechanism, *address;
	/* how it ended; NULL if the log does not say */
	char *end;
	unsigned int refcount;
	/* number of records of messages that are kept, and of records of
	   commands, which are only counted; and the number that the session's
	   own record has, 0 if there is none */
	uint64_t records, commands, last_record;
	/* from its own record: when it ended and began, and how many messages
	   it marked; and how many records of marks and of deletions there
	   are */
	uint64_t usecs, began_usecs, dele_count, marks, deletions;
	/* records of the session were left out */
	bool skipped;
	/* log-story-mailbox.c: what it did with messages */
	struct story_work *work;
};

struct story_record {
	uint64_t usecs;
	enum story_action action;
	struct story_session *session;
	uint64_t number;

	/* of a message */
	bool complete;
	/* the server could not read it completely, or ended the session */
	bool broken, by_server;
	/* another program may have removed it at that moment */
	bool uncertain;
	/* a later record of the session tells what happened to the mark */
	bool superseded;
	/* whether POP3 had fetched it before it was deleted, if that is
	   known */
	bool fetched_known, fetched;
	uint64_t uid, size, bytes, lines;
	char *guid, *uidl, *message_id, *subject;

	/* of a session */
	uint64_t messages, downloaded, deleted, again, unreadable;
	/* of a refused login */
	char *reason;
};

struct popinjay_log_story {
	struct popinjay_log_story_settings set;
	ARRAY(struct story_record) records;
	HASH_TABLE(char *, struct story_session *) sessions;

	/* of the whole log: the time of the first record, and whether there are
	   records of messages, records of messages other than deletions,
	   sessions that deleted messages, and users who cannot be told apart */
	uint64_t first_usecs;
	bool message_seen, download_seen, deletion_seen;
	bool cut_user_seen, hashed_user_seen;
	/* number of older records of the user that were dropped */
	uint64_t dropped;
};

/* log-story-message.c: tell what happened to one message. */
void story_tell_message(struct popinjay_log_story *story, pool_t pool,
			struct popinjay_log_story_result *result);
/* log-story-mailbox.c: tell what happened to the mailbox. */
void story_tell_mailbox(struct popinjay_log_story *story, pool_t pool,
			struct popinjay_log_story_result *result);

/* Returns the client: "'office-printer' (APOP, 198.51.100.7)", from pool. */
const char *story_client(pool_t pool, const struct story_session *session);

/* Add a line about a record's session, at the record's time. */
struct popinjay_log_story_line *
story_add_line(struct popinjay_log_story_result *result, pool_t pool,
	       const struct story_record *record, const char *action,
	       const char *text);

/* Say in a line that it is about the record's message alone. */
void story_line_set_message(struct popinjay_log_story_line *line, pool_t pool,
			    const struct story_record *record);

/* Add a note, which is copied. */
void story_add_note(struct popinjay_log_story_result *result, pool_t pool,
		    const char *note);

/* Returns TRUE if the session certainly ended without deleting what it had
   marked. */
bool story_was_kept(const struct story_session *session);
/* Returns why a session did not delete what it had marked, or that this is
   unknown, to follow ", ". */
const char *story_not_deleted(const struct story_session *session);

/* Returns TRUE if two records are of the same message. */
bool story_same_message(const struct story_record *record1,
			const struct story_record *record2);

#endif
