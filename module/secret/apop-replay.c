/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: each APOP challenge is good for one use. pop3-login lets a client
   try again on one connection with the same challenge, so whoever sees a digest
   could otherwise replay it. */

#include "lib.h"
#include "hash.h"
#include "llist.h"
#include "secret-login.h"
#include "apop-replay.h"

struct used_challenge {
	struct used_challenge *prev, *next;
	char *challenge;
	time_t used;
};

struct popinjay_apop_replay {
	unsigned int max_age_secs;
	HASH_TABLE(char *, struct used_challenge *) used;
	/* the oldest first */
	struct used_challenge *head, *tail;
};

static void forget_oldest(struct popinjay_apop_replay *replay)
{
	struct used_challenge *used = replay->head;

	hash_table_remove(replay->used, used->challenge);
	DLLIST2_REMOVE(&replay->head, &replay->tail, used);
	i_free(used->challenge);
	i_free(used);
}

struct popinjay_apop_replay *
popinjay_apop_replay_create(unsigned int max_age_secs)
{
	struct popinjay_apop_replay *replay;

	replay = i_new(struct popinjay_apop_replay, 1);
	replay->max_age_secs = max_age_secs;
	hash_table_create(&replay->used, default_pool, 0, str_hash, strcmp);
	return replay;
}

void popinjay_apop_replay_free(struct popinjay_apop_replay **_replay)
{
	struct popinjay_apop_replay *replay = *_replay;

	if (replay == NULL)
		return;
	*_replay = NULL;
	while (replay->head != NULL)
		forget_oldest(replay);
	hash_table_destroy(&replay->used);
	i_free(replay);
}

const char *popinjay_apop_replay_use(struct popinjay_apop_replay *replay,
				     const char *challenge, time_t now)
{
	struct used_challenge *used;
	time_t made;

	/* those too old to be accepted need not be remembered */
	while (replay->head != NULL && now > replay->head->used &&
	       now - replay->head->used > (time_t)replay->max_age_secs)
		forget_oldest(replay);

	if (popinjay_apop_challenge_time(challenge, &made) < 0)
		return "the challenge is malformed";
	/* pop3-login's clock may be read a little later than ours */
	if (made > now + 1)
		return "the challenge is from the future";
	if (now > made && now - made > (time_t)replay->max_age_secs)
		return "the challenge is too old";
	if (hash_table_lookup(replay->used, challenge) != NULL)
		return "the challenge was used before";

	used = i_new(struct used_challenge, 1);
	used->challenge = i_strdup(challenge);
	/* as long as it would be accepted again */
	used->used = I_MAX(now, made);
	hash_table_insert(replay->used, used->challenge, used);
	DLLIST2_APPEND(&replay->head, &replay->tail, used);
	return NULL;
}

unsigned int
popinjay_apop_replay_count(const struct popinjay_apop_replay *replay)
{
	return hash_table_count(replay->used);
}
