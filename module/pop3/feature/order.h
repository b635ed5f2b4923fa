/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_ORDER_H
#define POPINJAY_ORDER_H

struct popinjay_feature;

/* Remembers messages that do not get through to the client, and shows them
   last (popinjay_order). */
extern const struct popinjay_feature popinjay_order_feature;

#endif
