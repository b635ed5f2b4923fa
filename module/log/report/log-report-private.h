/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_LOG_REPORT_PRIVATE_H
#define POPINJAY_LOG_REPORT_PRIVATE_H

#include "hash.h"
#include "log-report.h"

/* A user, an address, or a user at an address. */
struct report_entry {
	/* a pair is "user\taddress" */
	char *name;
	/* the last address, for a user */
	char address[48];
	/* of the last session without TLS */
	char mechanism[24];

	uint64_t sessions, messages, bytes;
	/* sessions that did not end with QUIT */
	uint64_t failed;
	/* logins */
	uint64_t refused;
	/* messages that had already been downloaded */
	uint64_t again, again_bytes;
	/* how often the UIDLs changed although no mail had come */
	uint64_t uidl_changes;
	/* sessions without TLS, and those with the password in the clear */
	uint64_t no_tls, in_clear;

	/* for a pair: when the last session began, how many sessions began too
	   soon after another, and the sum of these intervals */
	uint64_t start_usecs, polls, poll_gaps_usecs;
	/* of the last session that asked for UIDLs: a hash of those left (0 if
	   unknown), and the number of messages left */
	uint64_t fingerprint, messages_left;
};

struct report_table {
	HASH_TABLE(char *, struct report_entry *) entries;
	/* names that were dropped */
	uint64_t dropped;
};

/* The totals of an hour. */
struct report_hour {
	uint64_t sessions, messages, bytes, no_tls;
};

/* Counts by a few names that the server chooses, such as how sessions ended. */
struct report_count {
	char *name;
	uint64_t count;
};

struct report_counts {
	ARRAY(struct report_count) counts;
};

/* A message that could not be read completely. */
struct report_broken {
	char *user, *guid;
	uint64_t uid, usecs, count;
};

struct popinjay_log_report {
	struct popinjay_log_report_settings set;

	struct report_entry total;
	uint64_t expunged, first_usecs, last_usecs;
	/* sessions in which a message could not be read */
	uint64_t unreadable;
	struct report_table users, addresses, pairs;
	/* hours since 1970 + 1 -> hour */
	HASH_TABLE(void *, struct report_hour *) hours;
	struct report_counts ends, mechanisms, tls_versions, refusals;
	ARRAY(struct report_broken) broken;
	/* the log has records of messages, records of messages other than
	   deletions, and records of logins */
	bool message_seen, download_seen, login_seen;
};

#endif
