/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: reads and checks our settings when Dovecot makes a mail
   user. Nobody is shown a UIDL under settings that make no sense. */

#include "lib.h"
#include "array.h"
#include "restrict-access.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "compat-pop3.h"
#include "log-protocol.h"
#include "log-service.h"
#include "log-writer.h"
#include "popinjay-settings.h"
#include "popinjay.h"
#include "uidl-sources.h"
#include "user.h"

#define POPINJAY_USER_CONTEXT(obj) \
	MODULE_CONTEXT(obj, popinjay_user_module)

static MODULE_CONTEXT_DEFINE_INIT(popinjay_user_module,
				  &mail_user_module_register);

struct popinjay_user *popinjay_user_get(struct mail_user *user)
{
	return POPINJAY_USER_CONTEXT(user);
}

static void user_deinit(struct mail_user *user)
{
	struct popinjay_user *puser = popinjay_user_get(user);

	popinjay_uidl_sources_free(&puser->uidl_sources);
	popinjay_access_log_config_free(&puser->log);
	popinjay_settings_free(&puser->set);
	puser->module_ctx.super.deinit(user);
}

static int
user_settings_init(struct mail_user *user, struct popinjay_user *puser,
		   const char **error_r)
{

	if (popinjay_settings_get(user, &puser->set, error_r) < 0)
		return -1;

	if (popinjay_log_config_init(user->pool, puser->set, &puser->log,
				     error_r) < 0)
		return -1;
	if (popinjay_is_pop3_process()) {
		popinjay_log_service_init(t_strconcat(user->set->base_dir, "/",
			POPINJAY_LOG_SOCKET, NULL));
	}

	return popinjay_uidl_sources_create(user, puser->set,
					    &puser->uidl_sources, error_r);
}

const char *popinjay_user_root_note(void)
{
	const char *root = restrict_access_get_current_chroot();

	return root == NULL ? "" : t_strdup_printf(
		" (all paths are inside of mail_chroot=%s)", root);
}

void popinjay_user_created(struct mail_user *user)
{
	struct mail_user_vfuncs *v = user->vlast;
	struct popinjay_user *puser;
	const char *error;

	if (user->autocreated) {
		/* the owner of a shared folder, or lda's raw storage: nobody's
		   INBOX is read through them */
		return;
	}
	puser = p_new(user->pool, struct popinjay_user, 1);
	puser->module_ctx.super = *v;
	user->vlast = &puser->module_ctx.super;
	v->deinit = user_deinit;
	MODULE_CONTEXT_SET(user, popinjay_user_module, puser);

	if (user_settings_init(user, puser, &error) < 0) {
		popinjay_access_log_config_free(&puser->log);
		i_zero(&puser->log);
		puser->log.log = puser->log.session = TRUE;
		puser->error = p_strconcat(user->pool,
			POPINJAY_USER_ERROR_PREFIX, error,
			popinjay_user_root_note(), NULL);
	}
	if (puser->error != NULL && !popinjay_is_pop3_process()) {
		/* a POP3 setting must not stop the delivery of mail */
		e_error(user->event, "%s", puser->error);
	}
}
