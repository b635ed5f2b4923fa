/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entry points of lib20_popinjay_plugin.so. Dovecot loads it into each mail
   process whose mail_plugins name it: in all of them it gives the INBOX its
   UIDLs, in the pop3 process it drives the session. */

#include "session.h"
#include "module-dir.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "session-log.h"
#include "check.h"
#include "log-writer.h"
#include "module-version.h"
#include "opening.h"
#include "plugin.h"
#include "read-only.h"
#include "uidl-box.h"
#include "uidl-incoming.h"
#include "uidl-renumber.h"
#include "uidl-replica.h"
#include "uidl-sdbox.h"
#include "user.h"
#include "view-moved.h"

static pop3_client_created_func_t *next_client_created_hook;

static void popinjay_namespaces_created(struct mail_namespace *namespaces)
{
	if (popinjay_is_pop3_process() && namespaces != NULL)
		popinjay_session_take_over(namespaces->user);
}

static void popinjay_plugin_user_created(struct mail_user *user)
{
	const struct popinjay_user *puser;

	popinjay_user_created(user);
	puser = popinjay_user_get(user);
	if (puser != NULL && popinjay_check_is_wanted())
		popinjay_check_user(user, puser);
}

static struct mail_storage_hooks popinjay_storage_hooks = {
	.mail_user_created = popinjay_plugin_user_created,
	.mail_namespaces_created = popinjay_namespaces_created,
	.mailbox_allocated = popinjay_uidl_box_allocated,
	.mail_allocated = popinjay_uidl_mail_allocated
};

/* A hook may lay one layer over the functions of a mailbox: so more hooks. */
static struct mail_storage_hooks popinjay_access_log_hooks = {
	.mailbox_allocated = popinjay_access_log_mailbox_allocated
};

static struct mail_storage_hooks popinjay_opening_hooks = {
	.mailbox_allocated = popinjay_opening_mailbox_allocated
};

static struct mail_storage_hooks popinjay_uidl_incoming_hooks = {
	.mailbox_allocated = popinjay_uidl_incoming_mailbox_allocated
};

static struct mail_storage_hooks popinjay_uidl_replica_hooks = {
	.mailbox_allocated = popinjay_uidl_replica_mailbox_allocated
};

static struct mail_storage_hooks popinjay_uidl_sdbox_hooks = {
	.mailbox_allocated = popinjay_uidl_sdbox_mailbox_allocated
};

static void popinjay_client_created(struct client **client)
{
	popinjay_session_created(*client);
	if (next_client_created_hook != NULL)
		next_client_created_hook(client);
}

POPINJAY_DEFINE_MODULE_VERSION(popinjay_plugin);

/* A check ends the process before other plugins do what belongs to a login.
   Dovecot calls hooks in the order of their modules' file names. */
static struct module *first_module(const struct module *module)
{
	static char path[] = "00_popinjay";
	static struct module first;

	first = *module;
	first.path = path;
	return &first;
}

void popinjay_plugin_init(struct module *module)
{
	const char *error;

	mail_storage_hooks_add(popinjay_check_is_wanted() ?
			       first_module(module) : module,
			       &popinjay_storage_hooks);
	mail_storage_hooks_add(module, &popinjay_uidl_incoming_hooks);
	mail_storage_hooks_add(module, &popinjay_uidl_replica_hooks);
	popinjay_uidl_renumber_hook_set(&popinjay_view_moved_hook);
	mail_storage_hooks_add(module, &popinjay_uidl_sdbox_hooks);
	if (popinjay_is_pop3_process()) {
		mail_storage_hooks_add(module, &popinjay_access_log_hooks);
		mail_storage_hooks_add(module, &popinjay_opening_hooks);
		next_client_created_hook = pop3_client_created_hook_set(
			popinjay_client_created);
		if (popinjay_hook_register(&popinjay_secret_hook,
					   &error) < 0 ||
		    popinjay_hook_register(&popinjay_access_log_hook,
					   &error) < 0)
			i_fatal("popinjay: %s", error);
	}
}

void popinjay_plugin_deinit(void)
{
	if (popinjay_is_pop3_process()) {
		popinjay_hook_unregister(&popinjay_access_log_hook);
		popinjay_hook_unregister(&popinjay_secret_hook);
		pop3_client_created_hook_set(next_client_created_hook);
		mail_storage_hooks_remove(&popinjay_opening_hooks);
		mail_storage_hooks_remove(&popinjay_access_log_hooks);
		popinjay_log_writer_deinit();
	}
	mail_storage_hooks_remove(&popinjay_uidl_sdbox_hooks);
	popinjay_uidl_renumber_hook_set(NULL);
	mail_storage_hooks_remove(&popinjay_uidl_replica_hooks);
	mail_storage_hooks_remove(&popinjay_uidl_incoming_hooks);
	mail_storage_hooks_remove(&popinjay_storage_hooks);
}
