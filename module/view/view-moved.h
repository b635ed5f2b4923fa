/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEW_MOVED_H
#define POPINJAY_VIEW_MOVED_H

/* The part of views in what uidl/box/uidl-renumber.h does: at another
   UIDVALIDITY they hide the same messages. Set this hook in each process that
   opens mailboxes. A session whose view popinjay_view_map_from() does not know
   calls popinjay_uidl_renumber() first, and so does one that is about to write
   the first view of a mailbox. */

struct popinjay_uidl_renumber_hook;

extern const struct popinjay_uidl_renumber_hook popinjay_view_moved_hook;

#endif
