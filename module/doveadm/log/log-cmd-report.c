/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm popinjay log report: counts for operators. */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "ioloop.h"
#include "str.h"
#include "time-util.h"
#include "unichar.h"
#include "doveadm-print.h"
#include "log-cmd.h"
#include "log-page.h"
#include "log-report.h"
#include "log-text.h"
#include "time-units.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define TOP_DEFAULT 10
#define TOP_MAX 10000
/* the clocks of several servers may differ */
#define FUTURE_SECS (60 * 60)
#define PAGE_MODE 0600

struct report_cmd {
	struct log_cmd cmd;
	struct popinjay_log_report_settings set;
	struct popinjay_log_report *report;
	/* the file for the page, or NULL */
	const char *html;
};

/* --- as text --- */

static const char *
cell_text(const struct popinjay_log_section *section,
	  const struct popinjay_log_row *row, enum popinjay_log_column column)
{
	if (POPINJAY_LOG_COLUMN_IS_TEXT(column))
		return row->text[column] == NULL ? "" : row->text[column];
	if (column == POPINJAY_LOG_COLUMN_BYTES ||
	    (strcmp(section->id, "summary") == 0 &&
	     strcmp(row->text[POPINJAY_LOG_COLUMN_NAME], "bytes sent") == 0))
		return popinjay_log_text_bytes(row->num[column]);
	return t_strdup_printf("%"PRIu64, row->num[column]);
}

static void append_cell(string_t *line, const char *text, bool is_text,
			unsigned int width)
{
	int pad = (int)width - (int)uni_utf8_strlen(text);

	if (!is_text)
		str_printfa(line, "%*s", pad, "");
	str_append(line, text);
	if (is_text)
		str_printfa(line, "%*s", pad, "");
	str_append(line, "  ");
}

static void print_line(const string_t *line)
{
	const char *text = str_c((string_t *)line);
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == ' ')
		len--;
	log_cmd_print_line(t_strndup(text, len));
}

static void print_section(const struct popinjay_log_section *section)
{
	unsigned int widths[POPINJAY_LOG_COLUMNS];
	const struct popinjay_log_row *row;
	enum popinjay_log_column c;
	string_t *line = t_str_new(256);

	log_cmd_print_line("");
	log_cmd_print_line(section->title);
	if (section->note != NULL)
		log_cmd_print_line(section->note);
	i_zero(&widths);
	for (c = 0; c < POPINJAY_LOG_COLUMNS; c++) {
		if (section->columns[c] == NULL)
			continue;
		widths[c] = strlen(section->columns[c]);
		array_foreach(&section->rows, row) {
			widths[c] = I_MAX(widths[c], (unsigned int)
				uni_utf8_strlen(cell_text(section, row, c)));
		}
		append_cell(line, section->columns[c],
			    POPINJAY_LOG_COLUMN_IS_TEXT(c), widths[c]);
	}
	if (strcmp(section->id, "summary") != 0)
		print_line(line);
	array_foreach(&section->rows, row) {
		str_truncate(line, 0);
		for (c = 0; c < POPINJAY_LOG_COLUMNS; c++) {
			if (section->columns[c] != NULL) {
				append_cell(line, cell_text(section, row, c),
					    POPINJAY_LOG_COLUMN_IS_TEXT(c),
					    widths[c]);
			}
		}
		print_line(line);
	}
}

static void
print_people(const ARRAY_TYPE(popinjay_log_section) *sections,
	     const char *title, const char *coverage)
{
	const struct popinjay_log_section *section;

	log_cmd_print_lines_init();
	log_cmd_print_line(title);
	log_cmd_print_line(coverage);
	array_foreach(sections, section) {
		if (array_count(&section->rows) > 0) T_BEGIN {
			print_section(section);
		} T_END;
	}
}

/* --- for programs --- */

static void print_rows(const ARRAY_TYPE(popinjay_log_section) *sections)
{
	static const char *const headers[POPINJAY_LOG_COLUMNS] = {
		[POPINJAY_LOG_COLUMN_NAME] = "name",
		[POPINJAY_LOG_COLUMN_ADDRESS] = "address",
		[POPINJAY_LOG_COLUMN_SESSIONS] = "sessions",
		[POPINJAY_LOG_COLUMN_MESSAGES] = "messages",
		[POPINJAY_LOG_COLUMN_BYTES] = "bytes",
		[POPINJAY_LOG_COLUMN_COUNT] = "count",
		[POPINJAY_LOG_COLUMN_SECS] = "seconds",
		[POPINJAY_LOG_COLUMN_DETAIL] = "detail"
	};
	const struct popinjay_log_section *section;
	const struct popinjay_log_row *row;
	enum popinjay_log_column c;

	doveadm_print_header_simple("section");
	for (c = 0; c < POPINJAY_LOG_COLUMNS; c++) {
		doveadm_print_header(headers[c], headers[c],
				     POPINJAY_LOG_COLUMN_IS_TEXT(c) ? 0 :
				     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	}
	array_foreach(sections, section) {
		array_foreach(&section->rows, row) {
			doveadm_print(section->id);
			for (c = 0; c < POPINJAY_LOG_COLUMNS; c++) {
				if (!POPINJAY_LOG_COLUMN_IS_TEXT(c))
					doveadm_print_num(row->num[c]);
				else
					doveadm_print(row->text[c] == NULL ?
						      "" : row->text[c]);
			}
		}
	}
}

/* --- as a page --- */

static int write_all(int fd, const string_t *page)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	const unsigned char *data = str_data(page);
	size_t size = str_len(page);
	ssize_t ret;

	while (size > 0) {
		ret = write(fd, data, size);
		if (ret < 0 && errno == EAGAIN)
			(void)poll(&pfd, 1, -1);
		else if (ret < 0 && errno != EINTR)
			return -1;
		else if (ret > 0) {
			data += ret;
			size -= ret;
		}
	}
	return 0;
}

static int write_file(const char *path, int flags, const string_t *page)
{
	int fd, ret;

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, PAGE_MODE);
	if (fd == -1) {
		log_cmd_fail(EX_CANTCREAT, "open(%s) failed: %m", path);
		return -1;
	}
	ret = write_all(fd, page);
	if (ret < 0)
		log_cmd_fail(EX_IOERR, "write(%s) failed: %m", path);
	if (close(fd) < 0 && ret == 0) {
		log_cmd_fail(EX_IOERR, "close(%s) failed: %m", path);
		ret = -1;
	}
	if (ret < 0 && (flags & O_EXCL) != 0)
		i_unlink(path);
	return ret;
}

/* Readers of the file see either the old page or the new one. It contains
   users' names, so only the administrator may let others read it. */
static void write_page(const char *path, const string_t *page)
{
	const char *temp = t_strdup_printf("%s.%s.tmp", path, my_pid);
	struct stat st;

	if (strcmp(path, "-") == 0) {
		if (write_all(STDOUT_FILENO, page) < 0)
			log_cmd_fail(EX_IOERR, "write(stdout) failed: %m");
	} else if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		/* a link, a pipe or a device such as /dev/stdout */
		(void)write_file(path, O_TRUNC, page);
	} else if (write_file(temp, O_EXCL, page) == 0 &&
		   rename(temp, path) < 0) {
		log_cmd_fail(EX_CANTCREAT, "rename(%s, %s) failed: %m", temp,
			     path);
		i_unlink(temp);
	}
}

static void
print_page(const struct report_cmd *rcmd,
	   const ARRAY_TYPE(popinjay_log_section) *sections,
	   const char *title, const char *coverage)
{
	string_t *page = str_new(default_pool, 512 * 1024);

	popinjay_log_page_append(page, sections, title, coverage);
	write_page(rcmd->html, page);
	str_free(&page);
}

/* --- the command --- */

static int parse_int(struct doveadm_cmd_context *cctx, const char *name,
		     unsigned int max, unsigned int *value)
{
	const char *str;

	if (!doveadm_cmd_param_str(cctx, name, &str))
		return 0;
	if (str_to_uint(str, value) < 0 || *value < 1 || *value > max) {
		log_cmd_fail(EX_USAGE, "--%s takes a number from 1 to %u",
			     name, max);
		return -1;
	}
	return 0;
}

static int parse_params(struct report_cmd *rcmd,
			struct doveadm_cmd_context *cctx)
{
	rcmd->set.top = TOP_DEFAULT;
	rcmd->set.poll_secs = POPINJAY_LOG_REPORT_POLL_SECS;
	if (parse_int(cctx, "top", TOP_MAX, &rcmd->set.top) < 0 ||
	    parse_int(cctx, "poll-secs", 24 * 60 * 60,
		      &rcmd->set.poll_secs) < 0)
		return -1;
	if (doveadm_cmd_param_str(cctx, "html", &rcmd->html) &&
	    cctx->conn_type != DOVEADM_CONNECTION_TYPE_CLI) {
		log_cmd_fail(EX_USAGE, "--html works only on the command line");
		return -1;
	}
	return 0;
}

static void report_record(void *context,
			  const struct popinjay_log_record *record)
{
	popinjay_log_report_add(context, record);
}

static const char *report_title(const struct log_cmd *cmd)
{
	const char *since = "", *until = "";

	if (cmd->since != 0)
		since = t_strflocaltime(" since %a %e %b %Y %H:%M", cmd->since);
	if (cmd->until != 0)
		until = t_strflocaltime(" until %a %e %b %Y %H:%M", cmd->until);
	return t_strdup_printf("POP3 on %s%s%s", my_hostname, since, until);
}

static void report(struct report_cmd *rcmd)
{
	struct log_cmd *cmd = &rcmd->cmd;
	const ARRAY_TYPE(popinjay_log_section) *sections;
	const char *title, *coverage;

	rcmd->set.since_usecs = cmd->since * USECS_IN_SEC;
	rcmd->set.until_usecs = (cmd->until != 0 ? cmd->until :
				 ioloop_time + FUTURE_SECS) * USECS_IN_SEC;
	rcmd->report = popinjay_log_report_init(&rcmd->set);
	log_cmd_read(cmd, report_record, rcmd->report);
	sections = popinjay_log_report_sections(rcmd->report, cmd->pool);
	title = report_title(cmd);
	coverage = log_cmd_span(cmd);
	if (rcmd->html != NULL)
		print_page(rcmd, sections, title, coverage);
	else if (cmd->for_people)
		print_people(sections, title, coverage);
	else
		print_rows(sections);
	popinjay_log_report_deinit(&rcmd->report);
}

void popinjay_log_cmd_report(struct doveadm_cmd_context *cctx)
{
	struct report_cmd rcmd;

	i_zero(&rcmd);
	if (parse_params(&rcmd, cctx) < 0)
		return;
	if (log_cmd_init(&rcmd.cmd, cctx) == 0)
		report(&rcmd);
	log_cmd_deinit(&rcmd.cmd);
}
