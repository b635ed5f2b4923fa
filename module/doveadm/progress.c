/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: shows the progress of a command on a terminal. */

#include "lib.h"
#include "time-util.h"
#include "log-text.h"
#include "progress.h"
#include "time-units.h"

#include <stdio.h>
#include <unistd.h>

#define STEP_USECS (250 * USECS_IN_MSEC)
/* Show no remaining time before this much has been measured. */
#define ESTIMATE_MIN_USECS (3 * USECS_IN_SEC)
#define BAR "########################################"
#define BAR_WIDTH 40

struct progress {
	uint64_t start_usecs, shown_usecs;
};

struct progress *progress_init(void)
{
	struct progress *progress;

	if (isatty(STDERR_FILENO) == 0)
		return NULL;
	progress = i_new(struct progress, 1);
	progress->start_usecs = progress->shown_usecs = i_microseconds();
	return progress;
}

void progress_deinit(struct progress **_progress)
{
	struct progress *progress = *_progress;

	if (progress == NULL)
		return;
	*_progress = NULL;
	fprintf(stderr, "\r\033[K");
	i_free(progress);
}

bool progress_is_due(const struct progress *progress)
{
	return progress != NULL &&
		i_microseconds() - progress->shown_usecs >= STEP_USECS;
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total,
		   const char *text)
{
	uint64_t usecs;
	int filled;

	if (progress == NULL || total == 0 ||
	    (done < total && !progress_is_due(progress)))
		return;
	progress->shown_usecs = i_microseconds();
	usecs = progress->shown_usecs - progress->start_usecs;
	filled = done * BAR_WIDTH / total;
	/* write over the line, then clear what is left of the old one */
	fprintf(stderr, "\r[%.*s%*s] %s", filled, BAR, BAR_WIDTH - filled, "",
		text);
	if (usecs >= ESTIMATE_MIN_USECS && done > 0 && done < total) T_BEGIN {
		fprintf(stderr, ", about %s left", popinjay_log_text_duration(
			(double)usecs * (total - done) / done / USECS_IN_SEC));
	} T_END;
	fprintf(stderr, "\033[K");
	fflush(stderr);
}
