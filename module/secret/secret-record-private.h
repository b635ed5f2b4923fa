/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SECRET_RECORD_PRIVATE_H
#define POPINJAY_SECRET_RECORD_PRIVATE_H

/* Append the record's fields, up to and with ";seal=", which are also what the
   seal authenticates. */
void popinjay_secret_append_fields(const struct popinjay_secret *secret,
				   string_t *dest);

#endif
