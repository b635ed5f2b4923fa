/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDLIST_H
#define POPINJAY_UIDLIST_H

/* Reads the lines of a Maildir's dovecot-uidlist, version 3, or version 1 that
   very old Dovecots wrote:

     3 V<uidvalidity> N<next uid> ...
     <uid> [<key><value> ...] :<file name>

     1 <uidvalidity> <next uid>
     <uid> <file name>

   Dovecot keeps it in a hash of file names, which is most of the time it takes
   to open a large Maildir. What POP3 wants of it needs a look at each line. */

struct popinjay_uidlist {
	/* known when the first line was read, else 0 */
	unsigned int version;
	uint32_t uidvalidity;

	/* Private. */
	uint32_t wanted_uidvalidity, prev_uid;
};

/* Characters in the line, or NULL. */
struct popinjay_uidlist_text {
	const unsigned char *data;
	size_t size;
};

struct popinjay_uidlist_entry {
	uint32_t uid;
	/* the virtual size, UOFF_T_MAX if it is not there */
	uoff_t virtual_size;
	/* the UIDL stored for the message, its GUID if that is not the file
	   name, and the file name with flags, which is always there */
	struct popinjay_uidlist_text pop3_uidl, guid, filename;
	/* the message has a place of its own in listings */
	bool pop3_order;
};

/* Start to read the file of a mailbox with this UIDVALIDITY, which has to be of
   version 3; or of any mailbox if uidvalidity is 0. */
void popinjay_uidlist_init(struct popinjay_uidlist *list,
			   uint32_t uidvalidity);

/* Read a line without its LF. Returns 1, 0 if it was the first line, which has
   no entry, or -1 if this is not the file of the mailbox, or not as Dovecot
   writes it: then nothing that was read before counts. */
int popinjay_uidlist_line(struct popinjay_uidlist *list,
			  const unsigned char *line, size_t size,
			  struct popinjay_uidlist_entry *entry_r);

/* Read the next entry in data, and move data and size behind it. Returns 1, 0
   if there is no whole line left, or -1 as popinjay_uidlist_line(). */
int popinjay_uidlist_next(struct popinjay_uidlist *list,
			  const unsigned char **data, size_t *size,
			  struct popinjay_uidlist_entry *entry_r);

#endif
