/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_H
#define POPINJAY_UIDL_H

/* The words we use for UIDLs:

   made         from a template or by a plugin's policy, anew each time
   stored       by Dovecot's storage with the message, such as in the P field of
                a Maildir's dovecot-uidlist
   saved        by us, in the file popinjay-uidl
   shown        to clients; popinjay-uidl-shown has a fingerprint of them
   brought      by a message that doveadm sync or backup saves
   given        by the administrator, with doveadm popinjay uidl import
   gone         saved, of a message that was deleted: reserved for a while
   provisional  a stand-in for a message that cannot be read, never saved
   plain        made of uid and UIDVALIDITY alone, so without any look-up
   key          what tells a message from all others wherever it goes, mostly
                its GUID: UIDLs are saved under it
   source       where a UIDL comes from; policy is a source that makes UIDLs
   set          the UIDLs of all messages of a mailbox
   drift        messages that would be shown with another UIDL than before */

/* UIDLs that a client may be shown (RFC 1939 section 7, the UIDL command) and
   that are unique in their mailbox. Each message has a row of candidates: the
   UIDL that its source has for it (level 0), an opaque one made from its GUID
   (level 1), and others made from GUID and uid (level 2 and above, of which no
   mailbox needs more than level 2 unless somebody tries to make UIDLs collide).
   A candidate that more than one message comes to goes to none of them: each
   takes its next one. So the result depends on which messages there are, never
   on their order. Only a UIDL of a higher rank that no other one of its rank
   equals stays with its message, so that a sender who writes it into a header
   cannot take it away. A UIDL that is stored or saved stays with the message of
   the lowest uid if all others that have it are copies of it: sdbox and mdbox
   store it for each copy, and doveadm backup brings one UIDL for all. */

/* What RFC 1939 allows. Dovecot shows longer ones, such as file names, and
   clients have known mail by them for years. */
#define POPINJAY_UIDL_RFC_MAX_LEN 70
/* What the reply to UIDL for one message has room for: 512 octets (RFC 1939
   section 3) less "+OK", two spaces, the largest number and CRLF. */
#define POPINJAY_UIDL_MAX_LEN 495

/* How firmly a UIDL is a message's. */
enum popinjay_uidl_rank {
	/* it was made of the message just now */
	POPINJAY_UIDL_MADE,
	/* it was that of a message that is gone: see
	   popinjay_uidl_set_reserve() */
	POPINJAY_UIDL_GONE,
	/* it is stored with the message */
	POPINJAY_UIDL_STORED,
	/* we saved it */
	POPINJAY_UIDL_SAVED
};

struct popinjay_uidl {
	uint32_t uid;
	/* What clients see; set by popinjay_uidl_set_resolve(). */
	const char *uidl;
	/* Private: what get_guid returned, "" for none; NULL if it was not
	   asked. */
	const char *guid;
	/* What tells the message from all others, wherever it is moved to, and
	   what it is saved under; "" if there is nothing, NULL if that is not
	   known. Set by popinjay_uidl_set_add()'s caller. */
	const char *key;
	/* The source of the UIDL that was added; set by
	   popinjay_uidl_set_add()'s caller, a constant. "" if there was
	   none. */
	const char *source;
	/* The candidate in use: 0 what was added, above that the
	   fallbacks. */
	unsigned int level;
	/* As it was added. */
	enum popinjay_uidl_rank rank;
	/* uidl is not what was added: level is above 0. */
	bool replaced:1;
	/* Another message had or wanted its UIDL: which one it shows could not
	   be told without that message. */
	bool clashed:1;
	/* Saved without its key, which is to be added now; set by
	   popinjay_uidl_set_add()'s caller. */
	bool unnamed:1;
	/* The message could not be read. uidl is a stand-in for this session:
	   never save it. */
	bool provisional:1;
};

/* Returns the GUID of the message uid, or NULL if it has none. The string has
   to live until the next call only. If the message has a GUID that cannot be
   read now, it returns NULL too and notes that in context: the message is then
   provisional. */
typedef const char *
popinjay_uidl_get_guid_t(void *context, uint32_t uid);

/* Check that uidl is 1-495 characters of 0x21-0x7E (RFC 1939 section 7, which
   allows 70). Returns TRUE if a client may be shown it. */
bool popinjay_uidl_is_valid(const char *uidl);

/* Returns TRUE if uidl is no longer than RFC 1939 allows. */
bool popinjay_uidl_is_short(const char *uidl);

/* Returns a hash for tables of texts that others choose, such as UIDLs and
   keys. It differs from process to process. */
unsigned int popinjay_keyed_hash(const char *text);

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

/* Let each message have the UIDL that is added, even if it is invalid or that
   of several messages, and NULL if none is. Call it before the first is
   added. */
void popinjay_uidl_set_take_any(struct popinjay_uidl_set *set);

/* Add a message, in the order of uids. uidl is copied; it may be NULL or
   invalid, which gives the message a fallback. Returns the message, of which
   the caller may set source, and key by popinjay_uidl_set_key(); it is valid
   until the next is added. */
struct popinjay_uidl *
popinjay_uidl_set_add(struct popinjay_uidl_set *set, uint32_t uid,
		      const char *uidl, enum popinjay_uidl_rank rank);

/* Say what key a message has that was just added. It is copied. */
void popinjay_uidl_set_key(struct popinjay_uidl_set *set,
			   struct popinjay_uidl *message, const char *key);

/* The same for a message that has a saved UIDL, which is valid. uidl and key,
   which may be NULL, are not copied: they are of the pool that
   popinjay_uidl_set_hold() was called with. */
struct popinjay_uidl *
popinjay_uidl_set_add_saved(struct popinjay_uidl_set *set, uint32_t uid,
			    const char *uidl, const char *key);
/* Hold a reference to a pool as long as the set lives. Call it once at most. */
void popinjay_uidl_set_hold(struct popinjay_uidl_set *set, pool_t pool);

/* Let no message have uidl that only made it: a client took it for that of a
   message that is gone, and would never fetch another one. uidl must live until
   the set is resolved. */
void popinjay_uidl_set_reserve(struct popinjay_uidl_set *set,
			       const char *uidl);

/* Settle the UIDLs of all messages added. Call it once. */
void popinjay_uidl_set_resolve(struct popinjay_uidl_set *set);

/* Say that the message uid of a resolved set could not be read. */
void popinjay_uidl_set_provisional(struct popinjay_uidl_set *set,
				   uint32_t uid);

/* Returns the message uid of a resolved set, or NULL if it was not added. */
const struct popinjay_uidl *
popinjay_uidl_set_find(const struct popinjay_uidl_set *set, uint32_t uid);

/* Returns all messages of a resolved set by uid and their number in
   *count_r. */
const struct popinjay_uidl *
popinjay_uidl_set_get(const struct popinjay_uidl_set *set,
		      unsigned int *count_r);

#endif
