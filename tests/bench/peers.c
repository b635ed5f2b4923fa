/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Other servers for the benchmark, each with one mailbox. */

#include "../uidl/servers.h"
#include "peers.h"

#define USER "u1"

struct peer {
	/* must be first */
	struct fixture other;

	struct courier *courier;
	struct cyrus *cyrus;
};

const char *const bench_peer_names[BENCH_PEERS] = {
	[BENCH_COURIER] = "courier",
	[BENCH_CYRUS] = "cyrus"
};

struct fixture *
bench_peer_new(enum bench_peer kind, struct fixture *f, const GPtrArray *mails,
	       const char **user_r)
{
	struct peer *peer = g_new0(struct peer, 1);

	peer->other = *f;
	if (kind == BENCH_COURIER) {
		peer->courier = courier_new(f);
		for (unsigned int i = 0; i < mails->len; i++) {
			courier_deliver(peer->courier, USER,
					g_ptr_array_index(mails, i));
		}
		peer->other.pop3_port = courier_port(peer->courier);
	} else {
		peer->cyrus = cyrus_new(f);
		cyrus_user(peer->cyrus, USER);
		cyrus_fill(peer->cyrus, USER, (GBytes *const *)mails->pdata,
			   mails->len);
		peer->other.pop3_port = cyrus_port(peer->cyrus);
	}
	*user_r = USER;
	return &peer->other;
}

void bench_peer_free(enum bench_peer kind, struct fixture *other)
{
	struct peer *peer = (struct peer *)other;

	if (kind == BENCH_COURIER)
		courier_free(peer->courier);
	else
		cyrus_free(peer->cyrus);
	g_free(peer);
}
