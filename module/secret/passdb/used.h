/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_USED_H
#define POPINJAY_USED_H

struct auth_request;
struct popinjay_secret;
struct popinjay_secret_store;
struct popinjay_used;

/* Begin to note the uses of secrets in the store. */
struct popinjay_used *
popinjay_used_create(struct popinjay_secret_store *store);
/* Note nothing more, so that the store can go, and set *used to NULL. Requests
   that are under way may end later. Does nothing if it is NULL. */
void popinjay_used_free(struct popinjay_used **used);

/* The secret is about to serve the request. When the request turns out to be
   successful, log it and write down the secret's use; most mechanisms know
   only after they got the credentials. When the client's answer turns out to be
   wrong, log that. */
void popinjay_used_watch(struct auth_request *request,
			 struct popinjay_used *used, const char *user,
			 const struct popinjay_secret *secret);

#endif
