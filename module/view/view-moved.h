/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEW_MOVED_H
#define POPINJAY_VIEW_MOVED_H

/* The part of views in what uidl/box/uidl-renumber.h does: at another
   UIDVALIDITY they hide the same messages. Set this hook in each process that
   opens mailboxes. Whoever is about to write a view calls
   popinjay_uidl_renumber() first: what the view hides can only be found again
   by uids that popinjay-uidl has. */

struct popinjay_uidl_renumber_hook;

extern const struct popinjay_uidl_renumber_hook popinjay_view_moved_hook;

#endif
