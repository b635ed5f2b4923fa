/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LIST_H
#define POPINJAY_LIST_H

#include "uidl.h"

struct popinjay_session;

/* Write the UIDL that clients are shown of a message to dest, with a NUL at its
   end. Returns FALSE if it has none, or if getting it would need more than the
   session has at hand: it is made of more than the uid, and the client has not
   asked for it. */
bool popinjay_listing_uidl(struct popinjay_session *session,
			   unsigned int msgnum,
			   char dest[POPINJAY_UIDL_MAX_LEN + 1]);

#endif
