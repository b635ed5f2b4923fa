/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_PLAIN_H
#define POPINJAY_UIDL_PLAIN_H

/* UIDLs that are made of text, the uid and the UIDVALIDITY alone, as Dovecot's
   default is. They need no message, they are always valid, and no two messages
   of a mailbox can have the same: each part only grows longer with the uid, so
   two UIDLs of one length have the same parts, and the uid is one of them. */

#include "uidl.h"

struct popinjay_template_piece;
struct popinjay_uidl_plain;

/* Returns how to make the UIDLs of a template, or NULL if they are not of this
   kind: it has other variables than these two, or not the first, or a UIDL
   might be invalid. pieces must live as long as what is returned. */
struct popinjay_uidl_plain *
popinjay_uidl_plain_create(pool_t pool,
			   const struct popinjay_template_piece *pieces,
			   unsigned int count, unsigned int uid_variable,
			   unsigned int uidvalidity_variable);

/* Write the UIDL of a message to dest, with a NUL at its end. Returns its
   length. */
size_t popinjay_uidl_plain_write(const struct popinjay_uidl_plain *plain,
				 uint32_t uidvalidity, uint32_t uid,
				 char dest[POPINJAY_UIDL_MAX_LEN + 1]);

/* Find the uid of a UIDL that is made so. Returns FALSE if it is none, or is
   made with another UIDVALIDITY. */
bool popinjay_uidl_plain_parse(const struct popinjay_uidl_plain *plain,
			       uint32_t uidvalidity, const char *uidl,
			       uint32_t *uid_r);

#endif
