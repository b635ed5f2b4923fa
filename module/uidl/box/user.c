/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: reads and checks our settings when Dovecot makes a mail
   user. Nobody is shown a UIDL under settings that make no sense. */

#include "lib.h"
#include "array.h"
#include "restrict-access.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
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
	popinjay_settings_free(&puser->set);
	puser->module_ctx.super.deinit(user);
}

const char *popinjay_user_root_note(void)
{
	const char *root = restrict_access_get_current_chroot();

	return root == NULL ? "" : t_strdup_printf(
		" (all paths are inside of mail_chroot=%s)", root);
}

void popinjay_user_set_error(struct mail_user *user, const char *error)
{
	popinjay_user_get(user)->error =
		p_strconcat(user->pool, POPINJAY_USER_ERROR_PREFIX, error,
			    popinjay_user_root_note(), NULL);
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

	if (popinjay_settings_get(user, &puser->set, &error) < 0 ||
	    popinjay_uidl_sources_create(user, puser->set,
					 &puser->uidl_sources, &error) < 0)
		popinjay_user_set_error(user, error);
}
