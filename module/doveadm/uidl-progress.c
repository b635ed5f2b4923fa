/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: how far a command through all users has come. */

#include "lib.h"
#include "array.h"
#include "time-util.h"
#include "doveadm-mail.h"
#include "uidl-cmd.h"
#include "uidl-progress.h"

#include <stdio.h>
#include <unistd.h>

#define STEP_MSECS 500
/* An estimate made of less is none. */
#define ESTIMATE_MIN_MSECS 3000

struct uidl_progress {
	pool_t pool;
	int (*next_user)(struct doveadm_mail_cmd_context *ctx,
			 const char **username_r);
	ARRAY_TYPE(const_string) users;
	unsigned int next, done;
	bool have_users;
	/* what the last user's name ended with */
	int users_ret;

	struct timeval start, shown;
};

static int progress_next_user(struct doveadm_mail_cmd_context *ctx,
			      const char **username_r)
{
	struct uidl_cmd *cmd = container_of(ctx, struct uidl_cmd, ctx);
	struct uidl_progress *progress = cmd->progress;
	const char *user;

	if (!progress->have_users) {
		while ((progress->users_ret =
			progress->next_user(ctx, &user)) > 0) {
			user = p_strdup(progress->pool, user);
			array_push_back(&progress->users, &user);
		}
		progress->have_users = TRUE;
		i_gettimeofday(&progress->start);
		progress->shown = progress->start;
	}
	if (progress->next == array_count(&progress->users))
		return progress->users_ret;
	*username_r = array_idx_elem(&progress->users, progress->next++);
	return 1;
}

struct uidl_progress *uidl_progress_init(struct doveadm_mail_cmd_context *ctx)
{
	struct uidl_progress *progress;
	pool_t pool;

	if (ctx->iterate_single_user || isatty(STDERR_FILENO) == 0)
		return NULL;
	pool = pool_alloconly_create("popinjay progress", 16*1024);
	progress = p_new(pool, struct uidl_progress, 1);
	progress->pool = pool;
	i_array_init(&progress->users, 1024);
	progress->next_user = ctx->v.get_next_user;
	ctx->v.get_next_user = progress_next_user;
	return progress;
}

static const char *secs_str(unsigned int secs)
{
	if (secs < 90)
		return t_strdup_printf("%u s", secs);
	if (secs < 90 * 60)
		return t_strdup_printf("%u min", (secs + 30) / 60);
	return t_strdup_printf("%u h", (secs + 1800) / 3600);
}

void uidl_progress_step(struct uidl_progress *progress)
{
	unsigned int count;
	struct timeval now;
	int msecs;

	if (progress == NULL)
		return;
	progress->done++;
	count = array_count(&progress->users);
	i_gettimeofday(&now);
	if (timeval_diff_msecs(&now, &progress->shown) < STEP_MSECS &&
	    progress->done < count)
		return;
	progress->shown = now;
	msecs = timeval_diff_msecs(&now, &progress->start);
	/* back to the line's beginning, and away with what is behind it */
	fprintf(stderr, "\r%u of %u users", progress->done, count);
	if (msecs >= ESTIMATE_MIN_MSECS && progress->done < count) {
		fprintf(stderr, ", about %s left", secs_str(
			(uint64_t)msecs * (count - progress->done) /
			progress->done / 1000));
	}
	fprintf(stderr, "\033[K");
	fflush(stderr);
}

void uidl_progress_deinit(struct uidl_progress **_progress)
{
	struct uidl_progress *progress = *_progress;

	if (progress == NULL)
		return;
	*_progress = NULL;
	fprintf(stderr, "\r\033[K");
	array_free(&progress->users);
	pool_unref(&progress->pool);
}
