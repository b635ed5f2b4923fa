/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: what the commands that read the log share. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "time-util.h"
#include "doveadm-print.h"
#include "doveconf.h"
#include "log-cmd.h"
#include "log-text.h"
#include "log-when.h"
#include "program.h"
#include "progress.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

/* records between two looks at the clock */
#define PROGRESS_RECORDS 2000

/* where syslog usually writes messages of mail programs; the first that exists
   is used */
static const char *const syslog_paths[] = {
	"/var/log/mail.log", "/var/log/maillog", "/var/log/mail",
	"/var/log/syslog", "/var/log/messages", NULL
};

void log_cmd_print_lines_init(void)
{
	doveadm_print_init(DOVEADM_PRINT_TYPE_FLOW);
	doveadm_print_header("text", "", DOVEADM_PRINT_HEADER_FLAG_HIDE_TITLE);
}

void log_cmd_print_line(const char *line)
{
	doveadm_print(line);
}

/* --- which files --- */

static bool begins(const char *str, const char *start)
{
	return strncmp(str, start, strlen(start)) == 0;
}

static const char *find_syslog(void)
{
	const char *const *pathp;

	for (pathp = syslog_paths; *pathp != NULL; pathp++) {
		if (access(*pathp, R_OK) == 0)
			return *pathp;
	}
	return NULL;
}

/* All sinks get the same records, so one file is enough. The service's file
   comes first, because it has all users. */
static int find_path(struct log_cmd *cmd, const char **path_r,
		     const char **error_r)
{
	const char *const *words = t_strsplit_spaces(cmd->set.access_log, " ");
	bool service = str_array_find(words, "service");
	bool log = FALSE, syslog = FALSE;

	*path_r = cmd->set.service_file;
	if (service && *path_r != NULL && **path_r == '/')
		return 0;
	for (; *words != NULL; words++) {
		if (begins(*words, "file:")) {
			*path_r = *words + strlen("file:");
			return 0;
		}
		log = log || strcmp(*words, "log") == 0;
		syslog = syslog || begins(*words, "syslog");
	}
	if (log && *cmd->set.dovecot_log == '/' &&
	    !begins(cmd->set.dovecot_log, "/dev/")) {
		*path_r = cmd->set.dovecot_log;
		return 0;
	}
	if (log || syslog) {
		*path_r = find_syslog();
		if (*path_r != NULL)
			return 0;
	}
	*error_r = t_strdup_printf("popinjay_access_log=%s names no file to "
		"read%s: name the log files%s", cmd->set.access_log, !service ?
		"" : "; the service popinjay-log has none either (executable = "
		"popinjay-log /PATH)", !log && !syslog ? "" :
		t_strdup_printf(", or pipe the journal in: "
			"journalctl -t %s | doveadm popinjay log ... -",
			log ? "dovecot" : "popinjay"));
	return -1;
}

/* Let doveadm expand the user's variables in the path. It may have to ask the
   userdb. Returns its exit status, or -1 with the reason in error_r. */
static int run_expand(const char *path, const char *user, string_t *output,
		      string_t *errors, const char **error_r)
{
	const char *const tail[] = {
		"user", "-x", "service=pop3", "-e", path, "--", user, NULL
	};
	const char *const head[] = {
		program_beside_doveadm("doveadm"), "-c", doveconf_file()
	};
	ARRAY_TYPE(const_string) argv;

	t_array_init(&argv, N_ELEMENTS(head) + N_ELEMENTS(tail));
	array_append(&argv, head, head[2] == NULL ? 1 : N_ELEMENTS(head));
	array_append(&argv, tail, N_ELEMENTS(tail));
	return program_run(array_front(&argv), NULL, output, errors, error_r);
}

static int
expand_path(struct log_cmd *cmd, const char **path, const char **error_r)
{
	string_t *output = t_str_new(128), *errors = t_str_new(128);
	const char *user, *error = "It has a * or ?";

	if (!doveadm_cmd_param_str(cmd->cctx, "user", &user)) {
		*error_r = t_strdup_printf("popinjay_access_log=%s has a file "
			"for each user: name the log files",
			cmd->set.access_log);
		return -1;
	}
	/* a mask would match several users */
	if (strpbrk(user, "*?") == NULL &&
	    run_expand(*path, user, output, errors, &error) == 0) {
		*path = p_strdup(cmd->pool, t_str_rtrim(str_c(output), "\n"));
		return 0;
	}
	if (str_len(errors) > 0)
		error = t_strcut(t_str_trim(str_c(errors), "\n"), '\n');
	*error_r = t_strdup_printf("popinjay_access_log=%s: Dovecot cannot "
		"find out the file of user %s (%s): name the log files",
		cmd->set.access_log, user, error);
	return -1;
}

static int find_files(struct log_cmd *cmd, const char **error_r)
{
	const char *path;

	if (find_path(cmd, &path, error_r) < 0)
		return -1;
	if (strchr(path, '%') != NULL && expand_path(cmd, &path, error_r) < 0)
		return -1;
	return popinjay_log_files_open_rotated(cmd->pool, path, cmd->since,
					       &cmd->files, error_r);
}

static int open_files(struct log_cmd *cmd, const char **error_r)
{
	const char *const *paths;
	bool named = doveadm_cmd_param_array(cmd->cctx, "file", &paths);

	p_array_init(&cmd->files, cmd->pool, 16);
	if (popinjay_log_settings_read(cmd->pool, &cmd->set, error_r) < 0) {
		/* another machine's logs need no settings */
		if (!named)
			return -1;
		cmd->set.key_file = "";
	}
	if (!named) {
		if (find_files(cmd, error_r) < 0)
			return -1;
	} else for (; *paths != NULL; paths++) {
		if (popinjay_log_files_open(cmd->pool, *paths, &cmd->files,
					    error_r) < 0)
			return -1;
	}
	popinjay_log_files_sort(&cmd->files);
	return 0;
}

static int parse_time(struct log_cmd *cmd, const char *name, time_t *time_r)
{
	const char *value, *error;

	if (doveadm_cmd_param_str(cmd->cctx, name, &value) &&
	    popinjay_log_when_parse(value, ioloop_time, time_r, &error) < 0) {
		log_cmd_fail(EX_USAGE, "--%s: %s", name, error);
		return -1;
	}
	return 0;
}

int log_cmd_init(struct log_cmd *cmd, struct doveadm_cmd_context *cctx)
{
	const char *error;

	i_zero(cmd);
	cmd->cctx = cctx;
	cmd->pool = pool_alloconly_create("popinjay log", 16 * 1024);
	cmd->for_people = !doveadm_print_is_initialized();
	if (parse_time(cmd, "since", &cmd->since) < 0 ||
	    parse_time(cmd, "until", &cmd->until) < 0)
		return -1;
	if (open_files(cmd, &error) < 0) {
		log_cmd_fail(EX_NOINPUT, "%s", error);
		return -1;
	}
	return 0;
}

void log_cmd_deinit(struct log_cmd *cmd)
{
	if (array_is_created(&cmd->files))
		popinjay_log_files_close(&cmd->files);
	pool_unref(&cmd->pool);
}

/* --- reading --- */

static void show_progress(struct progress *progress,
			  const struct popinjay_log_counts *counts)
{
	if (counts->bytes_total > 0) {
		progress_show(progress, counts->bytes_read,
			counts->bytes_total, t_strdup_printf("%3u%% of %s",
			(unsigned int)(counts->bytes_read * 100 /
				       counts->bytes_total),
			popinjay_log_text_bytes(counts->bytes_total)));
	}
}

void log_cmd_read(struct log_cmd *cmd,
		  void (*func)(void *context,
			       const struct popinjay_log_record *record),
		  void *context)
{
	bool cli = cmd->cctx->conn_type == DOVEADM_CONNECTION_TYPE_CLI;
	struct progress *progress = cli ? progress_init() : NULL;
	const struct popinjay_log_record *record;
	struct popinjay_log_reader *reader;
	struct sigaction old_int, old_term, act;
	unsigned int records = 0;
	const char *error;
	int ret;

	/* doveadm handles signals only in its ioloop, which does not run here.
	   Reading changes nothing, so it may be killed at any point. */
	if (cli) {
		i_zero(&act);
		act.sa_handler = SIG_DFL;
		(void)sigaction(SIGINT, &act, &old_int);
		(void)sigaction(SIGTERM, &act, &old_term);
	}
	reader = popinjay_log_reader_init(&cmd->files);
	while ((ret = popinjay_log_reader_next(reader, &record,
					       &error)) != 0) {
		if (ret < 0) {
			log_cmd_fail(EX_IOERR, "%s", error);
			continue;
		}
		func(context, record);
		if (++records % PROGRESS_RECORDS == 0 &&
		    progress_is_due(progress)) T_BEGIN {
			show_progress(progress,
				      popinjay_log_reader_counts(reader));
		} T_END;
	}
	cmd->counts = *popinjay_log_reader_counts(reader);
	popinjay_log_reader_deinit(&reader);
	progress_deinit(&progress);
	if (cli) {
		(void)sigaction(SIGINT, &old_int, NULL);
		(void)sigaction(SIGTERM, &old_term, NULL);
	}
}

static const char *time_str(uint64_t usecs)
{
	return t_strflocaltime("%a %e %b %Y at %H:%M", usecs / 1000000);
}

static const char *with_damage(const struct log_cmd *cmd, const char *text)
{
	if (cmd->counts.damaged == 0)
		return t_strconcat(text, ".", NULL);
	return t_strdup_printf("%s; %s in it cannot be read.", text,
		popinjay_log_text_count(cmd->counts.damaged,
					"damaged record"));
}

#define NO_RECORD "This log has no records."

const char *log_cmd_coverage(const struct log_cmd *cmd)
{
	if (cmd->counts.records == 0)
		return NO_RECORD;
	return with_damage(cmd, t_strdup_printf("The log begins on %s",
		time_str(cmd->counts.first_usecs)));
}

const char *log_cmd_span(const struct log_cmd *cmd)
{
	const char *made = t_strdup_printf(" Created on %s. Times are in the "
		"time zone %s.", t_strflocaltime(
			"%a %e %b %Y at %H:%M", ioloop_time),
		t_strflocaltime("%Z (UTC%z)", ioloop_time));

	if (cmd->counts.records == 0)
		return t_strconcat(NO_RECORD, made, NULL);
	return t_strconcat(with_damage(cmd, t_strdup_printf(
		"The log begins on %s and ends on %s",
		time_str(cmd->counts.first_usecs),
		time_str(cmd->counts.last_usecs))), made, NULL);
}
