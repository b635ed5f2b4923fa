/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_TURN_H
#define POPINJAY_SECRET_TURN_H

/* Who may change secrets. On one host that is whoever has locked the key file.
   Hosts with key files of their own, and one store, take turns: a record in the
   store says whose turn it is. */

struct popinjay_secret_store;
struct secret_turn;

/* Begin. The strings and the store must live as long. */
struct secret_turn *secret_turn_init(struct popinjay_secret_store *store,
				     const char *key_file);
/* End, give up the turn, and set *turn to NULL. Does nothing if it is NULL. */
void secret_turn_deinit(struct secret_turn **turn);

/* Wait until it is ours. Returns 0, or -1 with the reason in error_r. */
int secret_turn_take(struct secret_turn *turn, const char **error_r);
/* Returns 0 if it still is, or -1 with the reason in error_r. dict has no
   "compare and set", so what is written has to stand between two of these. */
int secret_turn_check(struct secret_turn *turn, const char **error_r);
/* The changes of a user are done, and what follows can do without. Others get
   their turn now or soon. */
void secret_turn_pass(struct secret_turn *turn);

#endif
