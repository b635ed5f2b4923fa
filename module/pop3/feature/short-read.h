/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_SHORT_READ_H
#define POPINJAY_SHORT_READ_H

struct popinjay_feature;

/* Sends no part of a message as if it were all, and refuses to delete what
   could not be read. */
extern const struct popinjay_feature popinjay_short_read_feature;

#endif
