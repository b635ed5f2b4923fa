/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_STORY_H
#define POPINJAY_LOG_STORY_H

#include "log-line.h"

/* What befell a mailbox, or a message in it, in plain words.

   Of the records of the user the newest so many are kept, which bounds the
   memory to about 50 MB. */
#define POPINJAY_LOG_STORY_RECORDS_MAX 100000

struct popinjay_log_story_settings {
	const char *user;
	/* the same as it is in anonymized logs, or NULL */
	const char *user_hash;
	/* nothing before, and nothing from then on; 0: no limit */
	uint64_t since_usecs, until_usecs;
	/* One of them chooses a message, or all are NULL: the mailbox. */
	const char *uidl, *message_id;
};

struct popinjay_log_story_line {
	/* when it ended, and its number among those of that time */
	uint64_t usecs;
	unsigned int number;
	/* for programs: downloaded, download-failed, looked-at, marked,
	   deleted, polled, login-refused */
	const char *action;
	/* a sentence without its full stop */
	const char *text;
	/* of one message: 0 and NULL if unknown or if it is about several */
	uint64_t uid;
	const char *uidl, *message_id;
	/* who did it: NULL if unknown */
	const char *label, *mechanism, *address, *session;
	/* messages or attempts it is about */
	uint64_t count;
	/* ends with NULL: about each message of several */
	const char *const *details;
};
ARRAY_DEFINE_TYPE(popinjay_log_story_line, struct popinjay_log_story_line);

struct popinjay_log_story_result {
	/* the newest first */
	ARRAY_TYPE(popinjay_log_story_line) lines;
	/* what else has to be known, sentences */
	ARRAY_TYPE(const_string) notes;
};

/* Returns an empty story. The strings of set have to outlive it. */
struct popinjay_log_story *
popinjay_log_story_init(const struct popinjay_log_story_settings *set);
/* Frees the story. */
void popinjay_log_story_deinit(struct popinjay_log_story **story);

/* Take a record in if it is about the user. The order does not matter. */
void popinjay_log_story_add(struct popinjay_log_story *story,
			    const struct popinjay_log_record *record);

/* Tell the story, in pool. All texts are clean for a terminal. */
struct popinjay_log_story_result *
popinjay_log_story_tell(struct popinjay_log_story *story, pool_t pool);

/* Returns when it was, as a person would say it now: "Sun 14:02" in the last
   six days, "Sun 15 Nov 14:02" before, "15 Nov 2024 14:02" in another year. In
   the data stack. */
const char *popinjay_log_story_time(uint64_t usecs, time_t now);

#endif
