/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_H
#define POPINJAY_UIDL_H

/* UIDLs that a client may be shown (RFC 1939 section 7, the UIDL command) and
   that are unique in their mailbox. Each message has a row of candidates: the
   UIDL that its policy gave (level 0), an opaque one made from its GUID (level
   1), and others made from GUID and uid (level 2 and above, of which no mailbox
   needs more than level 2 unless somebody tries to make UIDLs collide). A
   candidate that more than one message comes to is given to none of them: each
   takes its next one. So the result depends on which messages there are, never
   on their order. Only a permanent UIDL that no other permanent one equals
   stays with its message, so that a sender who writes it into a header cannot
   take it away. */

#define POPINJAY_UIDL_MAX_LEN 70

struct popinjay_uidl {
	uint32_t uid;
	/* What clients see; set by popinjay_uidl_set_resolve(). */
	const char *uidl;
	/* Private: what get_guid returned. Not asked for at level 0. */
	const char *guid;
	/* The candidate in use: 0 the given one, above the fallbacks. */
	unsigned int level;
	/* As it was given to popinjay_uidl_set_add(). */
	bool permanent:1;
	/* uidl is not the given one: level is above 0. */
	bool replaced:1;
};

/* Returns the GUID of the message uid, or NULL if it has none. The string has
   to live until the next call only. For a GUID that there is but that cannot
   be had now it returns NULL too and notes that in context: the message then
   has another UIDL for a while, which nobody may keep. */
typedef const char *
popinjay_uidl_get_guid_t(void *context, uint32_t uid);

/* Check that uidl is 1-70 characters of 0x21-0x7E (RFC 1939 section 7).
   Returns TRUE if a client may be shown it. */
bool popinjay_uidl_is_valid(const char *uidl);

/* Append the fallback of a level, 1 or above, to dest: 35 characters, always
   valid. Level 1 depends on the GUID alone, the others on GUID and uid. If guid
   is NULL or "", all depend on uidvalidity and uid. */
void popinjay_uidl_fallback(string_t *dest, const char *guid,
			    uint32_t uidvalidity, uint32_t uid,
			    unsigned int level);

/* Returns an empty set for a mailbox of about message_count messages. get_guid
   is called, by popinjay_uidl_set_resolve() only, at most once for each message
   that needs a fallback. */
struct popinjay_uidl_set *
popinjay_uidl_set_create(unsigned int message_count, uint32_t uidvalidity,
			 popinjay_uidl_get_guid_t *get_guid, void *context);
/* Free the set with its strings, and set *set to NULL. Does nothing if it is
   NULL. */
void popinjay_uidl_set_free(struct popinjay_uidl_set **set);

/* Add a message, in the order of uids. uidl is copied; it may be NULL or
   invalid, which gives the message a fallback. permanent says that uidl is
   stored with the message, where no sender could write it. */
void popinjay_uidl_set_add(struct popinjay_uidl_set *set, uint32_t uid,
			   const char *uidl, bool permanent);

/* Settle the UIDLs of all messages added. Call it once. */
void popinjay_uidl_set_resolve(struct popinjay_uidl_set *set);

/* Returns the message uid of a resolved set, or NULL if it was not added. */
const struct popinjay_uidl *
popinjay_uidl_set_find(const struct popinjay_uidl_set *set, uint32_t uid);

/* Returns all messages of a resolved set by uid and their number in
   *count_r. */
const struct popinjay_uidl *
popinjay_uidl_set_get(const struct popinjay_uidl_set *set,
		      unsigned int *count_r);

#endif
