/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RECORDS_H
#define RECORDS_H

/* Records of the access log, of every kind. */

#include "access-record.h"

/* The records in text, a line each or at the end of lines of Dovecot's log, in
   their order: all, or those of a user. Each is checked against the schema. Of
   JsonObject. */
GPtrArray *records_parse(const char *text, const char *user);

/* Wait for the end of the user's first session after the mark, and return the
   records of it in Dovecot's log, numbered from 1 without a gap. */
GPtrArray *records_of_session(struct fixture *f, gsize since, const char *user);

/* The records in a file, once it has count of them. */
GPtrArray *records_in_file(const char *path, unsigned int count);

/* The record at an index must be of this event; without "popinjay_" and
   "_finished". */
JsonObject *record_at(GPtrArray *records, unsigned int idx, const char *event);

/* Check that records of each session are there from 1 on, without a gap, in
   order, and end with the session's, and that no session is there twice.
   Returns the number of sessions. */
unsigned int records_check_sessions(GPtrArray *records);

/* Wait until so many records of so many sessions are in the file of that path
   or in Dovecot's log since a mark, each once. */
void records_check_nothing_lost(struct fixture *f, const char *path,
				gsize since, unsigned int count,
				unsigned int sessions);

/* As above, but one that is in the file may be in Dovecot's log, too: a mail
   process has ended before it was told that a collector, now killed, had
   written it. */
void records_check_nothing_lost_killed(struct fixture *f, const char *path,
				       gsize since, unsigned int count,
				       unsigned int sessions);

/* Settings as the fixture wants them, for the collector: popinjay-log writes to
   path. */
char *collector_config(struct fixture *f, const char *path);

/* The pid of the collector, which must run. */
pid_t collector_pid(struct fixture *f);

#endif
