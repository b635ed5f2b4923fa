/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_READ_ONLY_H
#define POPINJAY_READ_ONLY_H

struct mail_user;
struct popinjay_feature;

/* Returns what our passdb said of the secret that the user logged in with:
   "id", "label", or for a read-only one "read_only". NULL if it said nothing,
   as when another passdb let the user in. Lives as long as the user. */
const char *popinjay_secret_get(const struct mail_user *user, const char *name);

/* Refuses DELE to a session with a read-only secret. */
extern const struct popinjay_feature popinjay_read_only_feature;

#endif
