/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entry points of lib20_popinjay_plugin.so. Dovecot loads it into each mail
   process whose mail_plugins name it: in all of them it gives the INBOX its
   UIDLs, in the pop3 process it drives the session. */

#include "lib.h"
#include "module-dir.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "access-log.h"
#include "check.h"
#include "client.h"
#include "commands.h"
#include "compat-pop3.h"
#include "feature.h"
#include "hooks.h"
#include "log-writer.h"
#include "login-capabilities.h"
#include "message-log.h"
#include "module-version.h"
#include "opening.h"
#include "order.h"
#include "plugin.h"
#include "read-only.h"
#include "refetch.h"
#include "registration.h"
#include "removal.h"
#include "session-log.h"
#include "short-read.h"
#include "stages.h"
#include "takeover.h"
#include "uidl-box.h"
#include "uidl-incoming.h"
#include "uidl-renumber.h"
#include "uidl-replica.h"
#include "uidl-sdbox.h"
#include "user.h"
#include "view-moved.h"

/* In the order in which they take part. A command is refused before it is
   logged; what a command was comes before the message that it was about, and
   the end of a session last of all, as session_end() goes backwards. */
static const struct popinjay_feature *const features[] = {
	&popinjay_read_only_feature,
	&popinjay_login_capabilities_feature,
	&popinjay_short_read_feature,
	&popinjay_access_log_feature,
	&popinjay_session_log_feature,
	&popinjay_order_feature,
	&popinjay_refetch_feature,
	&popinjay_message_log_feature,
	&popinjay_hooks_feature
};

static const struct popinjay_command *const commands[] = {
	&popinjay_command_capa,
	&popinjay_command_dele,
	&popinjay_command_list,
	&popinjay_command_quit,
	&popinjay_command_retr,
	&popinjay_command_top,
	&popinjay_command_uidl
};

static void popinjay_settings_check(struct mail_user *user)
{
	const struct popinjay_user *puser;
	const char *error;

	popinjay_user_created(user);
	puser = popinjay_user_get(user);
	if (puser == NULL)
		return;
	if (puser->error == NULL &&
	    popinjay_stages_settings_check(user, &error) < 0)
		popinjay_user_set_error(user, error);
	if (popinjay_check_is_wanted())
		popinjay_check_user(user, puser);
	if (puser->error != NULL && !popinjay_is_pop3_process()) {
		/* a POP3 setting must not stop the delivery of mail */
		e_error(user->event, "%s", puser->error);
	}
}

static void popinjay_namespaces_created(struct mail_namespace *namespaces)
{
	if (popinjay_is_pop3_process() && namespaces != NULL)
		popinjay_session_take_over(namespaces->user);
}

static struct mail_storage_hooks popinjay_storage_hooks = {
	.mail_user_created = popinjay_settings_check,
	.mail_namespaces_created = popinjay_namespaces_created,
	.mailbox_allocated = popinjay_uidl_box_allocated,
	.mail_allocated = popinjay_uidl_mail_allocated
};

/* A hook may lay one layer over the functions of a mailbox: so more hooks. */
static struct mail_storage_hooks popinjay_removal_hooks = {
	.mailbox_allocated = popinjay_removal_mailbox_allocated
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

static void register_all(void)
{
	const char *error;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(features); i++) {
		if (popinjay_feature_register(features[i], &error) < 0)
			i_panic("popinjay: %s", error);
	}
	for (i = 0; i < N_ELEMENTS(commands); i++)
		popinjay_command_add(commands[i]);
}

static void unregister_all(void)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(commands); i++)
		popinjay_command_unregister(commands[i]);
	for (i = 0; i < N_ELEMENTS(features); i++)
		popinjay_feature_unregister(features[i]);
}

void popinjay_plugin_init(struct module *module)
{
	register_all();
	mail_storage_hooks_add(popinjay_check_is_wanted() ?
			       first_module(module) : module,
			       &popinjay_storage_hooks);
	mail_storage_hooks_add(module, &popinjay_uidl_incoming_hooks);
	mail_storage_hooks_add(module, &popinjay_uidl_replica_hooks);
	popinjay_uidl_renumber_hook_set(&popinjay_view_moved_hook);
	mail_storage_hooks_add(module, &popinjay_uidl_sdbox_hooks);
	if (popinjay_is_pop3_process()) {
		mail_storage_hooks_add(module, &popinjay_removal_hooks);
		mail_storage_hooks_add(module, &popinjay_opening_hooks);
		popinjay_clients_init(popinjay_session_created);
	}
}

void popinjay_plugin_deinit(void)
{
	if (popinjay_is_pop3_process()) {
		popinjay_clients_deinit();
		mail_storage_hooks_remove(&popinjay_opening_hooks);
		mail_storage_hooks_remove(&popinjay_removal_hooks);
		popinjay_log_writer_deinit();
	}
	mail_storage_hooks_remove(&popinjay_uidl_sdbox_hooks);
	popinjay_uidl_renumber_hook_set(NULL);
	mail_storage_hooks_remove(&popinjay_uidl_replica_hooks);
	mail_storage_hooks_remove(&popinjay_uidl_incoming_hooks);
	mail_storage_hooks_remove(&popinjay_storage_hooks);
	unregister_all();
}
