/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_SHOW_H
#define POPINJAY_UIDL_SHOW_H

#include "uidl-drift.h"

struct popinjay_uidl_box;
struct popinjay_uidl_set;

/* Get the UIDLs that a client is shown when this returns. They have been
   compared with those it was shown before, and saved as far as the settings
   want it. What cannot be saved is shown all the same: to the client it is as
   good as without saving. What goes wrong is logged. Returns 0 with the set,
   which lives as that of popinjay_uidl_box_get(), or -1 with the mailbox's
   error set if the UIDLs are not to be shown. */
int popinjay_uidl_show(struct popinjay_uidl_box *ubox,
		       const struct popinjay_uidl_set **set_r);

/* Save all that popinjay_uidl_box_get() returns, whatever the settings want.
   Returns 0 with the number of messages that had nothing saved in *count_r, or
   -1 with the reason in error_r: also if the UIDLs would not be shown. */
int popinjay_uidl_save_all(struct popinjay_uidl_box *ubox,
			   unsigned int *count_r, const char **error_r);

/* Compare what popinjay_uidl_box_get() returns with what was shown last.
   Returns 1, 0 if nothing was, or -1 with the reason in error_r. */
int popinjay_uidl_shown_compare(struct popinjay_uidl_box *ubox,
				struct popinjay_uidl_drift_result *result_r,
				const char **error_r);

/* Take what popinjay_uidl_box_get() returns for what was shown. Returns 0, or
   -1 with the reason in error_r. */
int popinjay_uidl_shown_accept(struct popinjay_uidl_box *ubox,
			       const char **error_r);

#endif
