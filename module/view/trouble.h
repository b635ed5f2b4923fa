/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_TROUBLE_H
#define POPINJAY_TROUBLE_H

/* Messages that do not get through to the clients of a view: the storage or the
   line cut them. Most clients end their session there and begin with message 1
   next time, so such a message has to stand last, or nothing behind it is ever
   fetched.

   The file is

       popinjay-trouble 1 UIDVALIDITY
       ID UID TRIES
       ...

   with a line for each message in trouble in a view. It is a cache: lost,
   damaged or of another UIDVALIDITY it counts as empty, and a message in
   trouble is found to be so again.

   fetchmail finds the first new message by halving, so a message that a view
   has once fetched whole must never stand behind one that it has not: such a
   message is never in trouble. What was fetched whole is remembered in
   Dovecot's index, in the byte that each message has of the extension
   "popinjay-fetched": popinjay_trouble_fetched_bits() tells which bits a view
   sets, and by which it finds out. Several views may share a bit; a message
   that one of them has fetched then keeps its place for the others too. This
   costs no file and no write of its own. Where these bytes can not be written
   (pop3_no_flag_updates) the order has to be that of arrival. If the index is
   lost they are lost with it. */

struct popinjay_trouble;

/* Bit of the fetched byte: any POP3 session fetched it. */
#define POPINJAY_FETCHED_ANY 0x01

/* No more messages than this are remembered; those of the most tries stay. */
#define POPINJAY_TROUBLE_MAX 1000

/* Returns the bits to set when a view has fetched a message whole. */
unsigned char popinjay_trouble_fetched_bits(const char *view_id);
/* Returns TRUE if the fetched byte says that the view may have fetched the
   message whole: it can not be in trouble. The view "account" may have fetched
   whatever was fetched. */
bool popinjay_trouble_is_fetched(const char *view_id, unsigned char fetched);

/* Returns no messages in trouble. */
struct popinjay_trouble *popinjay_trouble_create(uint32_t uidvalidity);
/* Free it and set *trouble to NULL. Does nothing if it is NULL. */
void popinjay_trouble_free(struct popinjay_trouble **trouble);

/* Parse the text of a file into trouble, which is empty. Returns 1, 0 if the
   file is of another UIDVALIDITY, or -1 with the reason for a warning in
   error_r. Unless it returns 1, trouble is still empty and may be used. */
int popinjay_trouble_parse(struct popinjay_trouble *trouble, const void *data,
			   size_t size, const char **error_r);
/* Append the text of the file to dest. */
void popinjay_trouble_write(const struct popinjay_trouble *trouble,
			    string_t *dest);

/* Returns how often a message failed in this view since it was last whole. */
unsigned int popinjay_trouble_get(const struct popinjay_trouble *trouble,
				  const char *view_id, uint32_t uid);
/* Returns TRUE if any message is in trouble in this view. */
bool popinjay_trouble_has(const struct popinjay_trouble *trouble,
			  const char *view_id);
/* A message was cut, or not opened. The view must not have fetched it whole
   before. Returns how often that is now. */
unsigned int popinjay_trouble_add(struct popinjay_trouble *trouble,
				  const char *view_id, uint32_t uid);
/* A message was fetched whole. Returns TRUE if it was in trouble. */
bool popinjay_trouble_remove(struct popinjay_trouble *trouble,
			     const char *view_id, uint32_t uid);
/* Forget messages that are not among these uids, which are all that there are,
   in ascending order. Returns TRUE if there were any. */
bool popinjay_trouble_prune(struct popinjay_trouble *trouble,
			    const uint32_t *uids, unsigned int count);

/* Tell in which order the view shows messages. uids are those of the messages
   it shows, in the order of arrival, and order_r gets the places that the first
   message, the second, ... have in it. Those in trouble stand last: first what
   failed least often, so that each gets its turn, and in the order of arrival
   where that is equal. Returns how many are in trouble; if none is, order_r is
   0, 1, 2, ... */
unsigned int
popinjay_trouble_order(const struct popinjay_trouble *trouble,
		       const char *view_id, const uint32_t *uids,
		       unsigned int count, unsigned int *order_r);

/* Returns how often a message failed in the view in which it failed most often,
   or 0 if it is in trouble in none. */
unsigned int popinjay_trouble_most(const struct popinjay_trouble *trouble,
				   uint32_t uid);

#endif
