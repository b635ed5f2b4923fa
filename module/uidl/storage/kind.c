/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: which kind of storage a mailbox is in. */

#include "lib.h"
#include "mail-storage-private.h"
#include "kind.h"

static const struct popinjay_storage_kind storage_other = {
	.dovecot_compares = TRUE
};

static const struct popinjay_storage_kind *const kinds[] = {
	&popinjay_storage_maildir, &popinjay_storage_sdbox,
	&popinjay_storage_mdbox, &popinjay_storage_mbox
};

const struct popinjay_storage_kind *
popinjay_storage_kind(const struct mailbox *box)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(kinds); i++) {
		if (strcmp(kinds[i]->name, box->storage->name) == 0)
			return kinds[i];
	}
	return &storage_other;
}
