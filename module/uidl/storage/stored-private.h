/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_STORED_PRIVATE_H
#define POPINJAY_STORED_PRIVATE_H

#include "kind.h"
#include "stored.h"

struct popinjay_stored {
	const struct popinjay_storage_kind *kind;
	struct mailbox_transaction_context *trans;

	/* sdbox and mdbox: the index, if it has sizes, goes before its cache */
	unsigned int cache_field;
	bool index_has_sizes;

	/* Maildir: [seq - 1], UOFF_T_MAX where it is not known */
	uoff_t *sizes;
	uint32_t count;
};

#endif
