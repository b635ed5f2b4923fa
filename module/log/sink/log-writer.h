/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_WRITER_H
#define POPINJAY_LOG_WRITER_H

#include "access-log-config.h"

struct event;
struct popinjay_record;
struct popinjay_settings;

/* Parse the settings of the access log. See access-log-config.h. */
int popinjay_log_config_init(pool_t pool, const struct popinjay_settings *set,
			     struct popinjay_access_log_config *config_r,
			     const char **error_r);

/* Returns TRUE if somebody may listen to events of that name, so that they have
   to be sent even if no sink wants the record. */
bool popinjay_log_has_listener(struct event *parent, const char *event_name);

/* Write a record to all sinks if sinks is TRUE. Send it as an event, a child of
   parent, if event is TRUE; that costs more than the line, so do it only if
   somebody listens. A line that a sink does not accept goes to Dovecot's own
   log. */
void popinjay_log_write(const struct popinjay_access_log_config *config,
			bool sinks, bool event, struct event *parent,
			const struct popinjay_record *record);

/* Give the sinks what is left, and close them. */
void popinjay_log_writer_deinit(void);

#endif
