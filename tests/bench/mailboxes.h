/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAILBOXES_H
#define MAILBOXES_H

#include "fixture.h"

/* Make mails of that size, or, if it is 0, of the sizes that people get.
   Returns an array of GBytes. */
GPtrArray *bench_mails(unsigned int count, gsize size);

/* Make a user who has these mails. */
void
bench_deliver(struct fixture *f, const char *user, const GPtrArray *mails);

#endif
