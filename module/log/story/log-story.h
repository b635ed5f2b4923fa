/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_STORY_H
#define POPINJAY_LOG_STORY_H

#include "log-line.h"

/* What happened to a mailbox, or to a message in it, in plain words. Of the
   records of the user the newest so many are kept, which bounds the memory to
   about 50 MB. */
#define POPINJAY_LOG_STORY_RECORDS_MAX 100000

struct popinjay_log_story_settings {
	const char *user;
	/* the name as anonymized logs have it, or NULL */
	const char *user_hash;
	/* ignore records before and from these times; 0: no limit */
	uint64_t since_usecs, until_usecs;
	/* choose a message; both NULL: the mailbox */
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
	/* the message; 0 and NULL if unknown, or if there are several */
	uint64_t uid;
	const char *uidl, *message_id;
	/* the client; NULL if unknown */
	const char *label, *mechanism, *address, *session;
	/* number of messages or attempts */
	uint64_t count;
	/* a text for each of several messages; ends with NULL, or is NULL */
	const char *const *details;
};
ARRAY_DEFINE_TYPE(popinjay_log_story_line, struct popinjay_log_story_line);

struct popinjay_log_story_result {
	/* the newest first */
	ARRAY_TYPE(popinjay_log_story_line) lines;
	/* sentences that a reader has to know, too */
	ARRAY_TYPE(const_string) notes;
};

/* Returns an empty story. The strings of set must outlive it. */
struct popinjay_log_story *
popinjay_log_story_init(const struct popinjay_log_story_settings *set);
/* Frees the story. */
void popinjay_log_story_deinit(struct popinjay_log_story **story);

/* Add a record if it is about the user. The order does not matter. */
void popinjay_log_story_add(struct popinjay_log_story *story,
			    const struct popinjay_log_record *record);

/* Tell the story, in pool. All texts are clean for a terminal. */
struct popinjay_log_story_result *
popinjay_log_story_tell(struct popinjay_log_story *story, pool_t pool);

/* Returns a time as a person would say it now: "Sun 14:02" in the last six
   days, "Sun 15 Nov 14:02" before, "15 Nov 2024 14:02" in another year. In the
   data stack. */
const char *popinjay_log_story_time(uint64_t usecs, time_t now);

#endif
