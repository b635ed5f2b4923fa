/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_KEEP_H
#define POPINJAY_UIDL_KEEP_H

#include "uidl-drift.h"

struct mailbox;
struct popinjay_settings;
struct popinjay_uidl_set;

/* The fingerprint of what was shown, see uidl/saved/uidl-drift.h. */
#define POPINJAY_UIDL_SHOWN_NAME "popinjay-uidl-shown"

/* Returns TRUE if what is to be kept needs the keys of all messages. */
bool popinjay_uidl_keep_wants_keys(const struct popinjay_settings *set);

/* Keep what popinjay_uidl_storage_get() says before a client sees it: compare
   it with what was shown before, and save it as far as the settings want it.
   What cannot be saved is an error in the log, and is shown all the same: to
   the client it is as good as without saving. Returns 1 with the set, which may
   be another one than before; or -1 with the mailbox's error set if it is not
   to be shown. */
int popinjay_uidl_keep_shown(struct mailbox *box,
			     const struct popinjay_uidl_set **set_r);

/* Save all that popinjay_uidl_storage_get() says, whatever the settings want.
   Returns 0 with the number of messages that had nothing saved in *count_r, or
   -1 with the reason in error_r: also when it would not be shown. */
int popinjay_uidl_keep_all(struct mailbox *box, unsigned int *count_r,
			   const char **error_r);

/* Compare what popinjay_uidl_storage_get() says with what was shown last.
   Returns 1, 0 if nothing was, or -1 with the reason in error_r. */
int popinjay_uidl_keep_get_drift(struct mailbox *box,
				 struct popinjay_uidl_drift_result *result_r,
				 const char **error_r);

/* Take what popinjay_uidl_storage_get() says for what was shown. Returns 0, or
   -1 with the reason in error_r. */
int popinjay_uidl_keep_accept_drift(struct mailbox *box, const char **error_r);

#endif
