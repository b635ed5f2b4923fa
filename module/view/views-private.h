/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_VIEWS_PRIVATE_H
#define POPINJAY_VIEWS_PRIVATE_H

#include "views.h"

struct popinjay_views {
	pool_t pool;
	/* in the order of their ids */
	ARRAY_TYPE(popinjay_view) views;
};

/* Remove all views. */
void popinjay_views_clear(struct popinjay_views *views);

#endif
