/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_USED_H
#define POPINJAY_USED_H

struct auth_request;
struct popinjay_secret;
struct popinjay_secret_store;
struct popinjay_used;

/* Start to store the uses of secrets. */
struct popinjay_used *
popinjay_used_create(struct popinjay_secret_store *store);
/* Store no more uses, so that the store can go, and set *used to NULL. Requests
   in progress may end later. Does nothing if it is NULL. */
void popinjay_used_free(struct popinjay_used **used);

/* The secret is about to serve the request, whose success most mechanisms know
   only after they got the credentials. If it succeeds, log it and store the use
   of the secret; if the client's answer turns out to be wrong, log that. */
void popinjay_used_watch(struct auth_request *request,
			 struct popinjay_used *used, const char *user,
			 const struct popinjay_secret *secret);

#endif
