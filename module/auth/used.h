/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_USED_H
#define POPINJAY_USED_H

struct auth_request;
struct popinjay_passdb;
struct popinjay_secret;

/* Prepare db for noting uses. */
void popinjay_used_init(struct popinjay_passdb *db);
/* Free what popinjay_used_init() and noting took. */
void popinjay_used_deinit(struct popinjay_passdb *db);

/* The secret is about to serve the request. When the request turns out to be
   successful, log it and write down the secret's use; most mechanisms know
   only after they got the credentials. */
void popinjay_used_watch(struct auth_request *request,
			 struct popinjay_passdb *db, const char *user,
			 const struct popinjay_secret *secret);

#endif
