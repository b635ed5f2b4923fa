/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PEERS_H
#define PEERS_H

#include "fixture.h"

/* Other POP3 servers from Debian's packages, as tests/prepare unpacks them. */
enum bench_peer {
	BENCH_COURIER,
	BENCH_CYRUS,
	BENCH_PEERS
};

/* Their names. */
extern const char *const bench_peer_names[BENCH_PEERS];

/* Start one that has one user with these mails (GBytes). Returns what pop3.h's
   functions take for a Dovecot; the user is in user_r. It ends with f, whose
   directory it uses. */
struct fixture *
bench_peer_new(enum bench_peer peer, struct fixture *f, const GPtrArray *mails,
	       const char **user_r);

/* Stop it. */
void bench_peer_free(enum bench_peer peer, struct fixture *other);

#endif
