/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_TURN_H
#define POPINJAY_SECRET_TURN_H

/* Turns in changing secrets. On one host, whoever has locked the key file has
   the turn. Hosts that share a store, each with its own key file, take turns by
   a record in the store. */

struct popinjay_secret_store;
struct secret_turn;

/* Prepare to take turns. The store and key_file must live as long. */
struct secret_turn *secret_turn_init(struct popinjay_secret_store *store,
				     const char *key_file);
/* Give up the turn, free it, and set *turn to NULL. Does nothing if it is
   NULL. */
void secret_turn_deinit(struct secret_turn **turn);

/* Wait for our turn. Returns 0, or -1 with the reason in error_r. */
int secret_turn_take(struct secret_turn *turn, const char **error_r);
/* Returns 0 if it is still our turn, or -1 with the reason in error_r. A dict
   has no "compare and set", so call this before and after each write. */
int secret_turn_check(struct secret_turn *turn, const char **error_r);
/* A user's changes are complete, and the next ones do not depend on them: let
   others have their turn, now or soon. */
void secret_turn_pass(struct secret_turn *turn);

#endif
