/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: holds a session before it commits, or before it syncs, so
   that a test can let another go first. Who has a file hold-commit (hold-sync)
   in the home directory is held at the next commit (sync) of the INBOX: the
   file becomes held-commit (held-sync), and the process goes on when that is
   gone. */

#include "lib.h"
#include "mail-storage-hooks.h"
#include "mail-storage-private.h"
#include "mail-user.h"

#include <stdio.h>
#include <unistd.h>

#define HOLD_USECS 10000

#define HOLD_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, hold_storage_module)

struct module;

extern const char *popinjay_hold_plugin_version;
void popinjay_hold_plugin_init(struct module *module);
void popinjay_hold_plugin_deinit(void);

static MODULE_CONTEXT_DEFINE_INIT(hold_storage_module,
				  &mail_storage_module_register);

static void hold(struct mailbox *box, const char *where)
{
	const char *home, *asked, *held;

	if (mail_user_get_home(box->storage->user, &home) <= 0)
		return;
	asked = t_strdup_printf("%s/hold-%s", home, where);
	held = t_strdup_printf("%s/held-%s", home, where);
	if (rename(asked, held) < 0)
		return;
	while (access(held, F_OK) == 0)
		usleep(HOLD_USECS);
}

static int
hold_transaction_commit(struct mailbox_transaction_context *t,
			struct mail_transaction_commit_changes *changes_r)
{
	union mailbox_module_context *mbox = HOLD_CONTEXT_REQUIRE(t->box);

	T_BEGIN {
		hold(t->box, "commit");
	} T_END;
	return mbox->super.transaction_commit(t, changes_r);
}

static struct mailbox_sync_context *
hold_sync_init(struct mailbox *box, enum mailbox_sync_flags flags)
{
	union mailbox_module_context *mbox = HOLD_CONTEXT_REQUIRE(box);

	T_BEGIN {
		hold(box, "sync");
	} T_END;
	return mbox->super.sync_init(box, flags);
}

static void hold_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *mbox;

	if (!box->inbox_user)
		return;
	mbox = p_new(box->pool, union mailbox_module_context, 1);
	mbox->super = *v;
	box->vlast = &mbox->super;
	v->transaction_commit = hold_transaction_commit;
	v->sync_init = hold_sync_init;
	MODULE_CONTEXT_SET_SELF(box, hold_storage_module, mbox);
}

static struct mail_storage_hooks hold_hooks = {
	.mailbox_allocated = hold_mailbox_allocated
};

const char *popinjay_hold_plugin_version = DOVECOT_ABI_VERSION;

void popinjay_hold_plugin_init(struct module *module)
{
	mail_storage_hooks_add(module, &hold_hooks);
}

void popinjay_hold_plugin_deinit(void)
{
	mail_storage_hooks_remove(&hold_hooks);
}
