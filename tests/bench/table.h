/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TABLE_H
#define TABLE_H

/* What is measured, and the table that tells it. */

#include "peers.h"
#include "pop3.h"

enum { STOCK, OURS, SERVERS };
#define ALL_SERVERS (SERVERS + BENCH_PEERS)

struct sample {
	double secs;
	/* of the pop3 process, or, for a poll, of all processes together; user
	   and system */
	double cpu_secs;
	/* largest memory of the pop3 process that it shares with no other */
	double peak_kib;
	double bytes;
	/* in which sendfile() sends as much, 0 if that says nothing here */
	double sendfile_secs;
};

/* A mailbox on a server. */
struct side {
	/* NULL if there is none */
	struct fixture *f;
	char *user;
	/* not a Dovecot: nothing but the time is measured */
	gboolean peer;
	/* what all messages of the mailbox come to, once that is known */
	guint64 retr_bytes;
};

struct measurement;
typedef void measure_func_t(struct side *side, const struct measurement *m,
			    struct sample *sample);

/* The mailboxes, each on all servers. */
enum { BIG, TLS, MIXED, MANY, POLL, REUSED, MAILBOXES };

struct measurement {
	const char *name;
	measure_func_t *measure;
	unsigned int mailbox;
	/* of RETR: how many are on their way at once; of polls: how many in a
	   round */
	unsigned int depth;
	enum pop3_security security;
	const char *command;
	/* the result is told in MB/s rather than in ms */
	gboolean throughput;
};

/* Print what stands above the table. */
void bench_print_head(void);

/* Print a line of the table, or a JSON object, of what was measured on each
   side; a side that is not there is NULL. Returns TRUE if the machine was quiet
   enough to tell. */
gboolean
bench_report(const struct measurement *m, struct sample *const *samples,
	     int rounds, gboolean json);

/* Print what stands below: so many lines of count were too noisy. */
void bench_print_end(unsigned int noisy, unsigned int count);

#endif
