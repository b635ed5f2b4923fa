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
	/* --since and --until; 0 if not given */
	time_t since, until;
	ARRAY_TYPE(popinjay_log_file) files;
	/* after log_cmd_read() */
	struct popinjay_log_counts counts;
	/* the output is for people: no formatter was chosen */
	bool for_people;
};

/* Parse the common parameters, and find and open the log. Returns 0, or -1
   after log_cmd_fail(). */
int log_cmd_init(struct log_cmd *cmd, struct doveadm_cmd_context *cctx);
/* Free what log_cmd_init() made, also after it failed. */
void log_cmd_deinit(struct log_cmd *cmd);

/* Call func for each record of the log, and show the progress on a terminal. If
   a file cannot be read to its end, log_cmd_fail() is called and the command
   goes on. */
void log_cmd_read(struct log_cmd *cmd,
		  void (*func)(void *context,
			       const struct popinjay_log_record *record),
		  void *context);

/* Print an error, and let doveadm end with that exit code. */
#define log_cmd_fail(code, ...) \
	popinjay_fail(&doveadm_exit_code, code, __VA_ARGS__)

/* Begin to print lines for people, and print one. */
void log_cmd_print_lines_init(void);
void log_cmd_print_line(const char *line);

/* Returns a sentence about the beginning of the log and its damaged records. In
   the data stack. */
const char *log_cmd_coverage(const struct log_cmd *cmd);
/* The same with the end of the log, the current time and the time zone. */
const char *log_cmd_span(const struct log_cmd *cmd);

/* The commands, for doveadm. */
void popinjay_log_cmd_explain(struct doveadm_cmd_context *cctx);
/* As above. */
void popinjay_log_cmd_report(struct doveadm_cmd_context *cctx);

#endif
