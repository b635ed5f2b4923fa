/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_CLIENT_MAILBOX_H
#define POPINJAY_CLIENT_MAILBOX_H

/* What Dovecot's struct client has of the mailbox and its messages. Those are
   named by msgnum, from 0, as Dovecot does; see popinjay_session_message(). */

struct mailbox;
struct mailbox_transaction_context;
struct popinjay_client;

/* NULL until Dovecot has opened it. */
struct mailbox *popinjay_client_mailbox(const struct popinjay_client *client);
/* What commands read and change the mailbox in, NULL when that is over. RSET
   and QUIT end it. */
struct mailbox_transaction_context *
popinjay_client_transaction(const struct popinjay_client *client);
uint32_t popinjay_client_uid_validity(const struct popinjay_client *client);

/* Returns how many messages there are, those marked deleted included; how many
   are not; and the bytes of all. */
unsigned int
popinjay_client_messages(const struct popinjay_client *client);
unsigned int
popinjay_client_messages_left(const struct popinjay_client *client);
uoff_t popinjay_client_total_bytes(const struct popinjay_client *client);

/* Returns the size that clients are told, and the sequence. */
uoff_t popinjay_client_size(const struct popinjay_client *client,
			    unsigned int msgnum);
uint32_t popinjay_client_seq(const struct popinjay_client *client,
			     unsigned int msgnum);

/* Returns TRUE if the message is marked deleted. */
bool popinjay_client_is_deleted(const struct popinjay_client *client,
				unsigned int msgnum);
/* Returns TRUE if one may be. */
bool popinjay_client_has_deleted(const struct popinjay_client *client);
/* Let QUIT not remove the message, though it stays marked for the client. To be
   called just before QUIT. */
void popinjay_client_keep(struct popinjay_client *client, unsigned int msgnum);

/* The messages that are to be counted will not be all of the mailbox. */
void popinjay_client_hides_messages(struct popinjay_client *client);

/* RETR or TOP of a message begins; and has sent so many bytes of it. */
void popinjay_client_retrieve_begins(struct popinjay_client *client,
				     unsigned int msgnum, bool whole);
void popinjay_client_retrieve_ends(struct popinjay_client *client, bool whole,
				   uint64_t bytes);
/* Let QUIT set \Seen, if sessions do that. */
void popinjay_client_set_seen(struct popinjay_client *client,
			      unsigned int msgnum);
/* The client asks for a message that is gone. Returns TRUE if it did before. */
bool popinjay_client_asks_expunged(struct popinjay_client *client,
				   unsigned int msgnum);

/* Returns where Dovecot looks for the UIDLs of all messages at the end of the
   session, for the caller to fill with strings from *pool_r; or NULL if it does
   not, or if they are there. */
const char **popinjay_client_want_uidls(struct popinjay_client *client,
					pool_t *pool_r);

#endif
