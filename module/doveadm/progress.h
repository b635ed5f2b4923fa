/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_DOVEADM_PROGRESS_H
#define POPINJAY_DOVEADM_PROGRESS_H

/* A line on a terminal that says how far a command is, and when it will be
   done. Nothing here does anything if progress is NULL. */
struct progress;

/* Returns NULL if nobody would see it. The work begins now. */
struct progress *progress_init(void);
/* Remove the line. */
void progress_deinit(struct progress **progress);

/* done of total is done, which text says in words. The line moves a few times
   a second, and when all is done. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total,
		   const char *text);

/* Returns TRUE if progress_show() would move the line. */
bool progress_is_due(const struct progress *progress);

#endif
