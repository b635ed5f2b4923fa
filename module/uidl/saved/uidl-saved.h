/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_SAVED_H
#define POPINJAY_UIDL_SAVED_H

#include "seq-range-array.h"

/* The saved UIDLs of a mailbox, as the text of their file and in memory.

   The file is

       popinjay-uidl 1 COUNT UIDVALIDITY
       UID KEY UIDL
       UID KEY UIDL GONE
       uidvalidity UIDVALIDITY
       UID KEY UIDL
       ...

   The first line says how many entries were there when the file was written as
   a whole; later ones are appended. UIDs belong to the UIDVALIDITY of the first
   line, or of the last line before them that has another one; 0 is for those of
   which nobody knows: whoever saves a message may not have seen yet that the
   UIDVALIDITY has changed. What stands behind a faulty line, which may have
   told another one, is not known either. A first line without a UIDVALIDITY,
   as earlier versions wrote it, has 0. (What these read a later file as is a
   damaged one: they show no UIDLs, and change nothing.)

   An entry is a line that ends with LF: what follows the last LF is a line
   that was cut while it was written, and counts for nothing. A KEY is the
   message's GUID; where the storage only has a hash of the header for one
   (mbox), that with "-" and the size. It is written with each byte outside of
   0x21 to 0x7E, and %, as % and two hex digits. GONE is
   when the message was first missed, in seconds since 1970: its UIDL stays for
   a while, in case the message comes back, and no other message may have it.

   A message is found by its key. Where several messages share one, they are
   copies of each other: each first gets the entry of its own uid, and what is
   left goes by the order of uids. So a changed UIDVALIDITY loses nothing. A
   message whose key was not known when its UIDL was saved stands with
   ":UIDVALIDITY:UID" instead. A later entry of the same key and uid replaces an
   earlier one; that one's UIDVALIDITY stays if the later one's is 0. */

/* How long the UIDL of a message that is gone stays. */
#define POPINJAY_UIDL_GONE_SECS (30 * 24 * 60 * 60)

struct popinjay_uidl_saved;

struct popinjay_uidl_entry {
	const char *key, *uidl;
	uint32_t uid;
	/* that the uid belongs to; 0 if that is not known */
	uint32_t uidvalidity;
	/* the message was not there when the file was last written as a whole:
	   since when; else 0 */
	time_t gone;
	/* popinjay_uidl_saved_find() or popinjay_uidl_saved_find_rest() gave it
	   to a message */
	bool matched;
	/* ... which has another uid now */
	bool elsewhere;
	/* private: the next entry of the same key */
	struct popinjay_uidl_entry *next;
};

ARRAY_DEFINE_TYPE(popinjay_uidl_entry, struct popinjay_uidl_entry *);

/* The mailbox as it was when its messages were given their entries. */
struct popinjay_uidl_view {
	time_t now;
	uint32_t uidvalidity;
	/* others may have messages from this uid on */
	uint32_t uidnext;
};

/* Returns no saved UIDLs. */
struct popinjay_uidl_saved *popinjay_uidl_saved_create(void);
/* Free them and set *saved to NULL. Does nothing if it is NULL. */
void popinjay_uidl_saved_free(struct popinjay_uidl_saved **saved);

/* Parse the text of a file into saved, which is empty. Returns the number of
   bytes that are whole lines; faults in them are counted. */
size_t popinjay_uidl_saved_parse(struct popinjay_uidl_saved *saved,
				 const void *data, size_t size);

/* Returns how many faults the text has: invalid lines, and entries that the
   first line promises and that are missing. The first fault is in *error_r,
   NULL if there is none. */
unsigned int
popinjay_uidl_saved_faults(const struct popinjay_uidl_saved *saved,
			   const char **error_r);

/* Returns the pool of all keys and UIDLs there have ever been in saved: who
   holds a reference to it may use them when saved is freed. */
pool_t popinjay_uidl_saved_pool(const struct popinjay_uidl_saved *saved);

/* Returns all entries in the order of the file; one that was replaced is where
   the first one was. */
const ARRAY_TYPE(popinjay_uidl_entry) *
popinjay_uidl_saved_get(const struct popinjay_uidl_saved *saved);

/* Returns the UIDVALIDITY that an entry would have which is appended to the
   text that was parsed. */
uint32_t popinjay_uidl_saved_end(const struct popinjay_uidl_saved *saved);

/* Returns TRUE if all entries have the uids that their messages have at this
   UIDVALIDITY, as far as anybody has looked. */
bool popinjay_uidl_saved_is_numbered(const struct popinjay_uidl_saved *saved,
				     uint32_t uidvalidity);

/* Add an entry, or give one of the same key and uid another UIDL. uidvalidity
   is 0 if it is not known what the uid belongs to. key and uidl are copied.
   Returns the entry. */
struct popinjay_uidl_entry *
popinjay_uidl_saved_set(struct popinjay_uidl_saved *saved,
			uint32_t uidvalidity, uint32_t uid, const char *key,
			const char *uidl);

/* Begin to look at all messages anew: no message has an entry yet. */
void popinjay_uidl_saved_unmatch(struct popinjay_uidl_saved *saved);

/* Find the entry of a message by key and uid, or by uidvalidity and uid. Call
   it once for each message, before popinjay_uidl_saved_find_rest() is called
   for any. Returns the entry, or NULL: *rest_r is then TRUE if
   popinjay_uidl_saved_find_rest() may find one. */
struct popinjay_uidl_entry *
popinjay_uidl_saved_find(struct popinjay_uidl_saved *saved,
			 uint32_t uidvalidity, uint32_t uid, const char *key,
			 bool *rest_r);

/* Find an entry of this key that no message has, in the order of uids.
   Returns NULL if there is none. */
struct popinjay_uidl_entry *
popinjay_uidl_saved_find_rest(struct popinjay_uidl_saved *saved,
			      const char *key);

/* Append the line of an entry to dest. */
void popinjay_uidl_saved_append(string_t *dest, uint32_t uid, const char *key,
				const char *uidl, time_t gone);

/* Append the file's text to dest, as of this view: entries that no message has
   are marked as gone, and left out if they have been for
   POPINJAY_UIDL_GONE_SECS. Those without a key are left out at once, unless
   the view is too old to know their messages. */
void popinjay_uidl_saved_write(const struct popinjay_uidl_saved *saved,
			       const struct popinjay_uidl_view *view,
			       string_t *dest);

/* How far the text is written, all 0 at first. */
struct popinjay_uidl_saved_pos {
	unsigned int idx;
	/* of what would be appended now */
	uint32_t uidvalidity;
};

/* The same in pieces of about size bytes. Returns FALSE after the last one. */
bool popinjay_uidl_saved_write_more(const struct popinjay_uidl_saved *saved,
				    const struct popinjay_uidl_view *view,
				    struct popinjay_uidl_saved_pos *pos,
				    string_t *dest, size_t size);

/* Append the first line of a file with so many entries of this UIDVALIDITY. */
void popinjay_uidl_saved_write_header(string_t *dest, unsigned int count,
				      uint32_t uidvalidity);

/* Append the line before entries of another UIDVALIDITY. */
void popinjay_uidl_saved_write_uidvalidity(string_t *dest,
					   uint32_t uidvalidity);

/* Returns TRUE if so much has to be marked as gone or left out that it is
   worth writing the file anew. */
bool popinjay_uidl_saved_wants_write(const struct popinjay_uidl_saved *saved,
				     const struct popinjay_uidl_view *view);

/* Add to dest the uids of all entries from first_uid on. */
void popinjay_uidl_saved_get_uids(const struct popinjay_uidl_saved *saved,
				  uint32_t first_uid,
				  ARRAY_TYPE(seq_range) *dest);

/* Append to dest the key of a message whose storage only has a hash of the
   header for a GUID. size_bytes is as RFC822.SIZE tells it. */
void popinjay_uidl_saved_hash_key(string_t *dest, const char *hash,
				  uoff_t size_bytes);

/* Append to dest what stands for the key of a message where that is not
   known. */
void popinjay_uidl_saved_unknown_key(string_t *dest, uint32_t uidvalidity,
				     uint32_t uid);

#endif
