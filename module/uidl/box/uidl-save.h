/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_SAVE_H
#define POPINJAY_UIDL_SAVE_H

struct popinjay_uidl_box;
struct popinjay_uidl_set;

/* Another session that saves at the same moment makes us look again. It then
   has saved what we wanted to, unless it is given other messages each time. */
#define POPINJAY_UIDL_SAVE_MAX_TRIES 10
#define POPINJAY_UIDL_SAVE_TRIES_ERROR "Other sessions save all the time"

/* Save the UIDLs of set, which popinjay_uidl_box_get() returned: with all, of
   each message that has none saved; else only those that cannot be made again.
   They are on disk when this returns 1, with the number of messages in
   *count_r. Returns 0 if popinjay_uidl_box_get() would return another set now:
   nothing was saved then. Returns -1 with the reason in error_r. */
int popinjay_uidl_save(struct popinjay_uidl_box *ubox,
		       const struct popinjay_uidl_set *set, bool all,
		       unsigned int *count_r, const char **error_r);

#endif
