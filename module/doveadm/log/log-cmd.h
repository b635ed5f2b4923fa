/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_CMD_H
#define POPINJAY_LOG_CMD_H

#include "doveadm.h"
#include "fail.h"
#include "log-files.h"
#include "log-reader.h"
#include "log-settings.h"

/* Any command of "doveadm popinjay log". */
struct log_cmd {
	struct doveadm_cmd_context *cctx;
	pool_t pool;

	struct popinjay_log_settings set;
	/* what --since and --until say, 0 if it was not given */
	time_t since, until;
	ARRAY_TYPE(popinjay_log_file) files;
	/* after log_cmd_read() */
	struct popinjay_log_counts counts;
	/* people read the output: no formatter was chosen */
	bool for_people;
};

/* Take what all commands take, and find and open the log. Returns 0, or -1
   after log_cmd_fail(). */
int log_cmd_init(struct log_cmd *cmd, struct doveadm_cmd_context *cctx);
/* Free what log_cmd_init() made, also after it failed. */
void log_cmd_deinit(struct log_cmd *cmd);

/* Call func for each record of the log. On a terminal it shows how far it
   is. A file that cannot be read to its end is an error that does not end
   the command. */
void log_cmd_read(struct log_cmd *cmd,
		  void (*func)(void *context,
			       const struct popinjay_log_record *record),
		  void *context);

/* Say what went wrong, and let doveadm end with that exit code. */
#define log_cmd_fail(code, ...) \
	popinjay_fail(&doveadm_exit_code, code, __VA_ARGS__)

/* Print a line for people. */
void log_cmd_print_line(const char *line);

/* Returns a sentence on what of the log was read, with its lost lines; in the
   data stack. */
const char *log_cmd_coverage(const struct log_cmd *cmd);
/* The same with the log's end, the time now and the time zone. */
const char *log_cmd_span(const struct log_cmd *cmd);

/* The commands, for doveadm. */
void popinjay_log_cmd_explain(struct doveadm_cmd_context *cctx);
/* As above. */
void popinjay_log_cmd_report(struct doveadm_cmd_context *cctx);

#endif
