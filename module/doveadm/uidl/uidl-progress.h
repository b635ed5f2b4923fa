/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_UIDL_PROGRESS_H
#define POPINJAY_DOVEADM_UIDL_PROGRESS_H

struct doveadm_mail_cmd_context;

/* Count the users that a command goes through, and say on a terminal how many
   are done and how long the others will take: for that it asks doveadm for the
   names of all of them before the first one's turn. To be called by the
   command's init. Returns NULL if nobody would see it. */
struct uidl_progress *
uidl_progress_init(struct doveadm_mail_cmd_context *ctx);
/* A user is done. Does nothing if progress is NULL. */
void uidl_progress_step(struct uidl_progress *progress);
/* Remove what was said. Does nothing if *progress is NULL. */
void uidl_progress_deinit(struct uidl_progress **progress);

#endif
