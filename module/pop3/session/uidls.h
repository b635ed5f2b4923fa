/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDLS_H
#define POPINJAY_UIDLS_H

#include "uidl.h"

struct mail;
struct popinjay_message;
struct popinjay_session;
struct popinjay_uidl_plain;
struct popinjay_uidl_set;

struct popinjay_uidls {
	/* UIDLs come from one of these */
	const struct popinjay_uidl_plain *plain;
	const struct popinjay_uidl_set *set;
	uint32_t uid_validity;
	/* saves UIDLs, NULL if that is not wanted */
	struct mail *save_mail;
};

/* Get the UIDLs that the client is to be shown. Returns 0, or -1 if they cannot
   be listed now; the error is logged. */
int popinjay_uidls_show(struct popinjay_session *session,
			struct popinjay_uidls *uidls_r);
/* From now on save each that is written, if Dovecot's settings want that. */
void popinjay_uidls_save(struct popinjay_session *session,
			 struct popinjay_uidls *uidls);
void popinjay_uidls_free(struct popinjay_uidls *uidls);

/* Write the UIDL of a message to dest, with a NUL at its end. Returns its
   length, or 0 if the message was expunged by another session. */
size_t popinjay_uidls_write(struct popinjay_uidls *uidls,
			    const struct popinjay_message *message,
			    char dest[POPINJAY_UIDL_MAX_LEN + 1]);

/* Write the UIDL that clients are shown of a message to dest, with a NUL at its
   end. Returns FALSE if it has none, or if getting it would need more than the
   session has at hand: it is made of more than the uid, and the client has not
   asked for it. */
bool popinjay_uidls_get(struct popinjay_session *session,
			const struct popinjay_message *message,
			char dest[POPINJAY_UIDL_MAX_LEN + 1]);

#endif
