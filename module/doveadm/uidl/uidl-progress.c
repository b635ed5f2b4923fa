/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: how far a command through all users has come. */

#include "lib.h"
#include "array.h"
#include "doveadm-mail.h"
#include "progress.h"
#include "uidl-progress.h"

#include <unistd.h>

struct uidl_progress {
	pool_t pool;
	uidl_progress_next_t *next_user;
	ARRAY_TYPE(const_string) users;
	unsigned int next, done;
	bool have_users;
	/* what the last user's name ended with */
	int users_ret;

	struct progress *line;
};

int uidl_progress_next_user(struct uidl_progress *progress,
			    struct doveadm_mail_cmd_context *ctx,
			    const char **username_r)
{
	const char *user;

	if (!progress->have_users) {
		while ((progress->users_ret =
			progress->next_user(ctx, &user)) > 0) {
			user = p_strdup(progress->pool, user);
			array_push_back(&progress->users, &user);
		}
		progress->have_users = TRUE;
		progress->line = progress_init();
	}
	if (progress->next == array_count(&progress->users))
		return progress->users_ret;
	*username_r = array_idx_elem(&progress->users, progress->next++);
	return 1;
}

struct uidl_progress *
uidl_progress_init(struct doveadm_mail_cmd_context *ctx)
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
	return progress;
}

void uidl_progress_step(struct uidl_progress *progress)
{
	unsigned int count;

	if (progress == NULL)
		return;
	count = array_count(&progress->users);
	progress->done++;
	T_BEGIN {
		progress_show(progress->line, progress->done, count,
			t_strdup_printf("%u of %u users", progress->done,
					count));
	} T_END;
}

void uidl_progress_deinit(struct uidl_progress **_progress)
{
	struct uidl_progress *progress = *_progress;

	if (progress == NULL)
		return;
	*_progress = NULL;
	progress_deinit(&progress->line);
	array_free(&progress->users);
	pool_unref(&progress->pool);
}
