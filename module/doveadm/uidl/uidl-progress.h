/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_UIDL_PROGRESS_H
#define POPINJAY_DOVEADM_UIDL_PROGRESS_H

struct doveadm_mail_cmd_context;

typedef int uidl_progress_next_t(struct doveadm_mail_cmd_context *ctx,
				 const char **username_r);

/* Say on a terminal how many of a command's users are done, and how long the
   others will take. To be called by the command's init, which then has
   ctx->v.get_next_user call uidl_progress_next_user(). Returns NULL if nobody
   would see it. */
struct uidl_progress *
uidl_progress_init(struct doveadm_mail_cmd_context *ctx);
/* Get the next user as doveadm's own get_next_user() does. The first call asks
   that for the names of all users, to count them. */
int uidl_progress_next_user(struct uidl_progress *progress,
			    struct doveadm_mail_cmd_context *ctx,
			    const char **username_r);
/* A user is done. Does nothing if progress is NULL. */
void uidl_progress_step(struct uidl_progress *progress);
/* Remove what was said. Does nothing if *progress is NULL. */
void uidl_progress_deinit(struct uidl_progress **progress);

#endif
