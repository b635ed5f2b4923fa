/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_REFETCH_H
#define POPINJAY_REFETCH_H

struct popinjay_feature;
struct popinjay_message;
struct popinjay_record;
struct popinjay_session;

/* Keeps which messages POP3 has fetched, and counts those that are fetched
   again. */
extern const struct popinjay_feature popinjay_refetch_feature;

/* Returns TRUE if that is kept, and so known. */
bool popinjay_refetch_is_known(struct popinjay_session *session);

/* Returns who has fetched the message whole, as a byte that view/trouble.h
   explains; 0 if nobody has. */
unsigned char popinjay_refetch_mark(struct popinjay_session *session,
				    uint32_t seq);

/* Add the session's counts, null if they are not known. */
void popinjay_refetch_add_counts(struct popinjay_session *session,
				 struct popinjay_record *record);

#endif
