/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_SHOWN_H
#define POPINJAY_UIDL_SHOWN_H

/* The fingerprint of what a mailbox last showed, on disk; see
   uidl/saved/uidl-drift.h. */

struct mailbox;
struct popinjay_uidl_drift;

#define POPINJAY_UIDL_SHOWN_NAME "popinjay-uidl-shown"

/* Read what was shown last. Returns 1, 0 with NULL in *shown_r if nothing was,
   or -1 with the reason in error_r: *damaged_r says that the file could be
   read, but is not valid. */
int popinjay_uidl_shown_read(struct mailbox *box,
			     struct popinjay_uidl_drift **shown_r,
			     bool *damaged_r, const char **error_r);

/* Write what is shown from now on. Returns 0, or -1 with the reason in
   error_r. */
int popinjay_uidl_shown_write(struct mailbox *box,
			      const struct popinjay_uidl_drift *shown,
			      const char **error_r);

#endif
