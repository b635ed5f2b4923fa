/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_APOP_REPLAY_H
#define POPINJAY_APOP_REPLAY_H

struct popinjay_apop_replay;

/* Remember used challenges for max_age_secs. */
struct popinjay_apop_replay *
popinjay_apop_replay_create(unsigned int max_age_secs);
/* Free it and set *replay to NULL. Does nothing if it is NULL. */
void popinjay_apop_replay_free(struct popinjay_apop_replay **replay);

/* Note that a challenge is used now. Returns NULL the first time, or why the
   challenge is refused: it is not one of Dovecot's, is older than max_age_secs,
   is from the future, or was used before. */
const char *popinjay_apop_replay_use(struct popinjay_apop_replay *replay,
				     const char *challenge, time_t now);

/* Number of challenges remembered. */
unsigned int
popinjay_apop_replay_count(const struct popinjay_apop_replay *replay);

#endif
