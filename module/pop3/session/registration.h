/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_REGISTRATION_H
#define POPINJAY_REGISTRATION_H

struct popinjay_request;
struct popinjay_result;
struct popinjay_session;

/* Returns the command of that name (in upper case) that is ours or a
   plugin's, or NULL. */
const struct popinjay_command *popinjay_command_find(const char *name);

/* Ask the before-hooks. Returns TRUE if all let the command run, FALSE if one
   has refused it. */
bool popinjay_hooks_run_before(struct popinjay_request *request);
/* Tell the after-hooks. */
void popinjay_hooks_run_after(struct popinjay_request *request,
			      const struct popinjay_result *result);

/* Our own commands, which come before Dovecot's of the same name. */
extern const struct popinjay_command popinjay_command_capa;
extern const struct popinjay_command popinjay_command_dele;
extern const struct popinjay_command popinjay_command_list;
extern const struct popinjay_command popinjay_command_quit;
extern const struct popinjay_command popinjay_command_retr;
extern const struct popinjay_command popinjay_command_top;
extern const struct popinjay_command popinjay_command_uidl;

/* Add the lines of plugins' commands and of capability providers. */
void popinjay_capabilities_add_registered(struct popinjay_session *session,
	struct popinjay_capabilities *capabilities);

#endif
