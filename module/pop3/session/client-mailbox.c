/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: what Dovecot's struct client has of the mailbox, for the
   commands that are ours and for those that stay Dovecot's. */

#include "pop3-common.h"
#include "array.h"
#include "seq-range-array.h"
#include "mail-storage.h"
#include "bit-set.h"
#include "client.h"
#include "client-mailbox.h"

struct mailbox *popinjay_client_mailbox(const struct popinjay_client *client)
{
	return popinjay_client_dovecot(client)->mailbox;
}

struct mailbox_transaction_context *
popinjay_client_transaction(const struct popinjay_client *client)
{
	return popinjay_client_dovecot(client)->trans;
}

uint32_t popinjay_client_uid_validity(const struct popinjay_client *client)
{
	return popinjay_client_dovecot(client)->uid_validity;
}

unsigned int popinjay_client_messages(const struct popinjay_client *client)
{
	return popinjay_client_dovecot(client)->messages_count;
}

unsigned int
popinjay_client_messages_left(const struct popinjay_client *client)
{
	const struct client *dovecot = popinjay_client_dovecot(client);

	return dovecot->messages_count - dovecot->deleted_count;
}

uoff_t popinjay_client_total_bytes(const struct popinjay_client *client)
{
	return popinjay_client_dovecot(client)->total_size;
}

uoff_t popinjay_client_size(const struct popinjay_client *client,
			    unsigned int msgnum)
{
	return popinjay_client_dovecot(client)->message_sizes[msgnum];
}

uint32_t popinjay_client_seq(const struct popinjay_client *client,
			     unsigned int msgnum)
{
	const struct client *dovecot = popinjay_client_dovecot(client);

	return msgnum < dovecot->msgnum_to_seq_map_count ?
		dovecot->msgnum_to_seq_map[msgnum] : msgnum + 1;
}

bool popinjay_client_is_deleted(const struct popinjay_client *client,
				unsigned int msgnum)
{
	return popinjay_bit_set_has(
		popinjay_client_dovecot(client)->deleted_bitmask, msgnum);
}

bool popinjay_client_has_deleted(const struct popinjay_client *client)
{
	return popinjay_client_dovecot(client)->deleted_bitmask != NULL;
}

void popinjay_client_keep(struct popinjay_client *client, unsigned int msgnum)
{
	popinjay_bit_set_remove(
		popinjay_client_dovecot(client)->deleted_bitmask, msgnum);
}

void popinjay_client_hides_messages(struct popinjay_client *client)
{
	struct client *dovecot = popinjay_client_dovecot(client);

	/* Dovecot adds what it counts to what is there, and it may have tried
	   before */
	if (array_is_created(&dovecot->all_seqs))
		array_clear(&dovecot->all_seqs);
	else
		i_array_init(&dovecot->all_seqs, 32);
}

void popinjay_client_retrieve_begins(struct popinjay_client *client,
				     unsigned int msgnum, bool whole)
{
	struct client *dovecot = popinjay_client_dovecot(client);

	if (!whole) {
		dovecot->top_count++;
		return;
	}
	/* for LAST and for pop3_logout_format */
	if (dovecot->lowest_retr_pop3_msn > msgnum + 1 ||
	    dovecot->lowest_retr_pop3_msn == 0)
		dovecot->lowest_retr_pop3_msn = msgnum + 1;
	if (dovecot->last_seen_pop3_msn < msgnum + 1)
		dovecot->last_seen_pop3_msn = msgnum + 1;
	dovecot->retr_count++;
}

void popinjay_client_retrieve_ends(struct popinjay_client *client, bool whole,
				   uint64_t bytes)
{
	struct client *dovecot = popinjay_client_dovecot(client);

	if (whole)
		dovecot->retr_bytes += bytes;
	else
		dovecot->top_bytes += bytes;
}

void popinjay_client_set_seen(struct popinjay_client *client,
			      unsigned int msgnum)
{
	struct client *dovecot = popinjay_client_dovecot(client);

	if (dovecot->seen_bitmask == NULL)
		return;
	popinjay_bit_set_add(dovecot->seen_bitmask, msgnum);
	dovecot->seen_change_count++;
}

bool popinjay_client_asks_expunged(struct popinjay_client *client,
				   unsigned int msgnum)
{
	struct client *dovecot = popinjay_client_dovecot(client);

	if (msgnum <= dovecot->highest_expunged_fetch_msgnum)
		return TRUE;
	dovecot->highest_expunged_fetch_msgnum = msgnum;
	return FALSE;
}

const char **popinjay_client_want_uidls(struct popinjay_client *client,
					pool_t *pool_r)
{
	struct client *dovecot = popinjay_client_dovecot(client);

	if (!dovecot->message_uidls_save || dovecot->message_uidls != NULL ||
	    dovecot->messages_count == 0)
		return NULL;
	dovecot->uidl_pool = pool_alloconly_create("message uidls", 1024);
	dovecot->message_uidls = p_new(dovecot->uidl_pool, const char *,
				       dovecot->messages_count);
	*pool_r = dovecot->uidl_pool;
	return dovecot->message_uidls;
}
