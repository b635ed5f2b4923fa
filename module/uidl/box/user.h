/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_USER_H
#define POPINJAY_USER_H

struct mail_user;
struct popinjay_settings;
struct popinjay_uidl_sources;

#define POPINJAY_USER_ERROR_PREFIX "popinjay: "

/* What we keep for a mail user, in any mail process. */
struct popinjay_user {
	union mail_user_module_context module_ctx;

	const struct popinjay_settings *set;
	struct popinjay_uidl_sources *uidl_sources;

	/* The prefix and what is wrong with our settings, or NULL. The pop3
	   process refuses the session; others go on, but have no UIDLs. */
	const char *error;
};

/* Returns our part of user, or NULL if the user was made without us. */
struct popinjay_user *popinjay_user_get(struct mail_user *user);

/* Returns what an error about a path has to say besides, "" or that paths are
   inside of the directory that this process is chrooted to; in the data
   stack. */
const char *popinjay_user_root_note(void);

/* What stands in the settings, or in files that they name, is wrong. */
void popinjay_user_set_error(struct mail_user *user, const char *error);

/* Storage hook: read the user's settings. */
void popinjay_user_created(struct mail_user *user);

#endif
