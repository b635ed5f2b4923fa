/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The processes that make records: from the record to the sinks. */

#include "lib.h"
#include "array.h"
#include "compat-event.h"
#include "event-filter.h"
#include "sleep.h"
#include "str.h"
#include "log-service.h"
#include "log-syslog.h"
#include "log-trouble.h"
#include "log-writer.h"
#include "popinjay-settings.h"
#include "record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600
/* milliseconds after which a line without LF is a cut one */
#define CUT_CHECK_COUNT 20

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

int popinjay_log_config_init(pool_t pool, const struct popinjay_settings *set,
			     struct popinjay_access_log_config *config_r,
			     const char **error_r)
{
	const struct popinjay_access_log_values values = {
		.access_log = set->popinjay_access_log,
		.format = set->popinjay_access_log_format,
		.events = set->popinjay_access_log_events,
		.headers = set->popinjay_access_log_headers,
		.anonymize = set->popinjay_access_log_anonymize,
		.key_file = set->popinjay_access_log_key_file
	};

	return popinjay_access_log_config_parse(pool, &values, config_r,
						error_r);
}

/* --- events --- */

static void event_add_record(struct event *event,
			     const struct popinjay_record *record)
{
	const struct popinjay_field *fields;
	unsigned int i, count;

	fields = popinjay_record_get_fields(record, &count);
	for (i = 0; i < count; i++) {
		const struct popinjay_field *field = &fields[i];
		const struct popinjay_log_field_info *info =
			&popinjay_log_fields[field->key];

		if (field->null) {
			/* also where the parent has a field of that name */
			event_add_str(event, info->name, NULL);
			continue;
		}
		switch (info->type) {
		case POPINJAY_FIELD_STR:
			event_add_str(event, info->name, field->value.str);
			break;
		case POPINJAY_FIELD_UINT:
			event_add_int(event, info->name, field->value.unum);
			break;
		case POPINJAY_FIELD_BOOL:
			event_add_int(event, info->name,
				      field->value.yes ? 1 : 0);
			break;
		case POPINJAY_FIELD_TIME:
			event_add_timeval(event, info->name,
					  &field->value.time);
			break;
		}
	}
}

static struct event *
record_event(struct event *parent, const char *name)
{
	struct event *event = event_create(parent);

	event_add_category(event, &event_category_popinjay);
	event_set_name(event, name);
	return event;
}

/* A filter may look at fields that the event does not have yet. So any filter
   that names one of our events may match. */
static bool filter_names_us(struct event_filter *filter)
{
	string_t *str;

	if (filter == NULL)
		return FALSE;
	str = t_str_new(256);
	event_filter_export(filter, str);
	return strstr(str_c(str), POPINJAY_LOG_EVENT_PREFIX) != NULL;
}

bool popinjay_log_has_listener(struct event *parent, const char *event_name)
{
	struct event_filter *stats_filter;
	struct event *event;
	bool wanted;

	/* if it cannot be known, assume that somebody listens */
	if (!popinjay_event_stats_filter(&stats_filter))
		return TRUE;
	T_BEGIN {
		event = record_event(parent, event_name);
		wanted = event_want_debug(event) ||
			filter_names_us(stats_filter) ||
			filter_names_us(event_get_global_debug_log_filter());
		event_unref(&event);
	} T_END;
	return wanted;
}

/* --- sinks --- */

static void file_error(struct event *event, const char *path,
		       const char *function)
{
	int old_errno = errno;

	if (!popinjay_log_trouble_begins(path))
		return;
	errno = old_errno;
	e_error(event, "popinjay_access_log=file:%s: %s failed: %m - "
		"its records go to this log", path, function);
}

/* Returns FALSE if the file is empty, ends with LF, or may be written to but
   not read. */
static bool file_ends_within_line(int fd, const char *path)
{
	struct stat st;
	char last = '\n';
	int read_fd;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return FALSE;
	read_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (read_fd == -1)
		return FALSE;
	if (pread(read_fd, &last, 1, st.st_size - 1) < 0)
		last = '\n';
	i_close_fd(&read_fd);
	return last != '\n';
}

/* Returns TRUE if the last line was cut off, for example because the disk was
   full. A line that another process is just writing is complete in a moment. */
static bool file_is_cut(int fd, const char *path)
{
	unsigned int i;

	for (i = 0; i < CUT_CHECK_COUNT; i++) {
		if (!file_ends_within_line(fd, path))
			return FALSE;
		i_sleep_intr_msecs(1);
	}
	return TRUE;
}

/* The file is opened for each line, so that it may be rotated at any time. With
   O_APPEND and one write() the lines of several processes do not mix. */
static bool file_write_line(struct event *event, const char *path,
			    const char *line)
{
	const char *text;
	size_t size;
	ssize_t ret;
	int fd;

	/* a named pipe that nobody reads must not keep the session waiting */
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK,
		  FILE_MODE);
	if (fd == -1) {
		file_error(event, path, "open()");
		return FALSE;
	}
	text = t_strconcat(file_is_cut(fd, path) ? "\n" : "", line, "\n",
			   NULL);
	size = strlen(text);
	ret = write(fd, text, size);
	if (ret >= 0 && (size_t)ret < size) {
		/* the next line begins with the missing LF */
		errno = ENOSPC;
		ret = -1;
	}
	if (ret < 0)
		file_error(event, path, "write()");
	else
		popinjay_log_trouble_ends(path);
	i_close_fd(&fd);
	return ret >= 0;
}

static bool syslog_write_line(struct event *event, const char *path,
			      const char *line)
{
	const char *sink = t_strconcat("syslog:", path, NULL);
	int old_errno;

	if (popinjay_log_syslog_send(path, line) == 0) {
		popinjay_log_trouble_ends(sink);
		return TRUE;
	}
	old_errno = errno;
	if (popinjay_log_trouble_begins(sink)) {
		errno = old_errno;
		e_error(event, "popinjay_access_log=syslog:%s failed: %m - "
			"its records go to this log", path);
	}
	return FALSE;
}

/* Returns TRUE if all sinks but Dovecot's log have the line. */
static bool sinks_write(const struct popinjay_access_log_config *config,
			struct event *event, const char *line)
{
	const char *const *pathp;
	bool written = TRUE;

	for (pathp = config->files; pathp != NULL && *pathp != NULL; pathp++) {
		if (!file_write_line(event, *pathp, line))
			written = FALSE;
	}
	for (pathp = config->syslogs; pathp != NULL && *pathp != NULL;
	     pathp++) {
		if (!syslog_write_line(event, *pathp, line))
			written = FALSE;
	}
	if (config->service &&
	    !popinjay_log_service_send(line, config->log || !written))
		written = FALSE;
	return written;
}

/* line is what goes to Dovecot's log, or NULL. */
static void
write_event(struct event *parent, const struct popinjay_record *record,
	    const char *line)
{
	struct event *event;

	event = record_event(parent, popinjay_record_event(record));
	event_add_record(event, record);
	if (line != NULL)
		e_info(event, "%s", line);
	else {
		/* for those who listen to events */
		e_debug(event, "%s", popinjay_record_event(record));
	}
	event_unref(&event);
}

/* Returns what goes to Dovecot's log, or NULL. */
static const char *
write_line(const struct popinjay_access_log_config *config,
	   struct event *parent, const struct popinjay_record *record)
{
	string_t *line = t_str_new(1024);

	if (config->logfmt)
		popinjay_record_to_logfmt(record, line);
	else
		popinjay_record_to_json(record, line);
	return sinks_write(config, parent, str_c(line)) && !config->log ?
		NULL : str_c(line);
}

void popinjay_log_write(const struct popinjay_access_log_config *config,
			bool sinks, bool event, struct event *parent,
			const struct popinjay_record *record)
{
	T_BEGIN {
		const char *line = !sinks ? NULL :
			write_line(config, parent, record);

		if (event)
			write_event(parent, record, line);
		else if (line != NULL)
			e_info(parent, "%s", line);
	} T_END;
}

void popinjay_log_writer_deinit(void)
{
	popinjay_log_service_deinit();
	popinjay_log_syslog_deinit();
	popinjay_log_trouble_deinit();
}
