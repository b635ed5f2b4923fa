/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_API_H
#define POPINJAY_UIDL_API_H

/* What the main module offers to "doveadm popinjay uidl", which is a module of
   its own: one table, found by its name in the loaded main module. All of it is
   about the INBOX of a user in a process that has loaded the main module too;
   the mailbox is open and synced. Errors are for the administrator. */

#include "uidl.h"
#include "uidl-drift.h"

struct mailbox;
struct mailbox_transaction_context;
struct popinjay_uidl_saved;

/* Other settings than those of the user. NULL and FALSE: as it is set. */
struct popinjay_uidl_other {
	/* popinjay_uidl_sources, popinjay_uidl_policy, popinjay_reuse_xuidl,
	   popinjay_uidl_format, popinjay_uidl_old_format,
	   popinjay_uidl_old_until, popinjay_uidl_strict */
	const char *sources, *policy, *reuse_xuidl;
	const char *format, *old_format, *old_until, *strict;
	/* as if nothing were saved, as if nothing were stored */
	bool ignore_saved, ignore_stored;
};

/* A message and the UIDL it is to have from now on. */
struct popinjay_uidl_given {
	uint32_t uid;
	const char *uidl;
};

struct popinjay_uidl_api {
	/* POPINJAY_VERSION. Of another version than one's own, nothing below
	   may be called. */
	const char *version;

	/* Get what a client would be shown now. The set lives until the next
	   call, save() or save_shown(), or until the mailbox is freed.
	   Returns 1, 0 if this is not an INBOX of
	   ours, or -1 with the reason in error_r. */
	int (*get)(struct mailbox *box,
		   const struct popinjay_uidl_set **set_r,
		   const char **error_r);

	/* Get what a client would be shown under other settings; nothing is
	   changed. To be freed with popinjay_uidl_set_free(). Returns 1, 0, or
	   -1 as get() does; an invalid setting is an error too. */
	int (*get_other)(struct mailbox *box,
			 const struct popinjay_uidl_other *other,
			 struct popinjay_uidl_set **set_r,
			 const char **error_r);

	/* Get what a client would be shown without Popinjay, as get_other()
	   does: a UIDL may be invalid there, that of several messages, or NULL
	   for none. */
	int (*get_stock)(struct mailbox *box,
			 struct popinjay_uidl_set **set_r,
			 const char **error_r);

	/* A message that a search found is about to be read: if its file name
	   claims a wrong size, Dovecot is not to change that. With another name
	   the message would have another UIDL. */
	void (*prepare_read)(struct mailbox_transaction_context *trans);

	/* Save what get() says, of messages that have no saved UIDL yet. It is
	   on disk when this returns 0, with the number of messages that had
	   none in *count_r. Returns -1 with the reason in error_r. */
	int (*save_shown)(struct mailbox *box, unsigned int *count_r,
			  const char **error_r);

	/* Save these UIDLs, all of them or none, and replace those that the
	   messages have. They are on disk when this returns 0. Returns -1 with
	   the reason in error_r: an invalid UIDL, a message that there is not,
	   or a UIDL that two messages would have then, by what was saved
	   before or by what is given. */
	int (*save)(struct mailbox *box,
		    const struct popinjay_uidl_given *given,
		    unsigned int count, const char **error_r);

	/* Read the saved UIDLs as they stand on disk, also a file that the
	   session would refuse. popinjay_uidl_saved_free() frees them. Returns
	   1, 0 if nothing is saved (saved_r is then empty), or -1 with the
	   reason in error_r. *path_r is where they are, or would be. */
	int (*saved_read)(struct mailbox *box,
			  struct popinjay_uidl_saved **saved_r,
			  const char **path_r, const char **error_r);

	/* Write the saved UIDLs anew: without what cannot be read, without
	   doubles (the entry of a message that is there stays, and of two such
	   the first), and without messages that went long ago. Keeps the old
	   file beside it, as PATH.broken, if it was damaged. Returns 0, or -1
	   with the reason in error_r. */
	int (*saved_repair)(struct mailbox *box, const char **error_r);

	/* Compare what get() says with what was last shown to a client.
	   Returns 1 if that is known, 0 if nothing was shown yet (result_r is
	   all zero), -1 with the reason in error_r. */
	int (*drift_get)(struct mailbox *box,
			 struct popinjay_uidl_drift_result *result_r,
			 const char **error_r);

	/* Take what get() says for what was shown, so that it may be. Returns
	   0, or -1 with the reason in error_r. */
	int (*drift_accept)(struct mailbox *box, const char **error_r);
};

/* How to find it: module_get_symbol(module_dir_find(
   mail_storage_service_modules, "popinjay_plugin"), "popinjay_uidl_api").
   Where the module is not loaded there are no UIDLs of ours. */
extern POPINJAY_EXPORT const struct popinjay_uidl_api popinjay_uidl_api;

#endif
