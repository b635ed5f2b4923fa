/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDLIST_H
#define POPINJAY_UIDLIST_H

/* Reads the lines of a Maildir's dovecot-uidlist (version 3):

     3 V<uidvalidity> N<next uid> ...
     <uid> [<key><value> ...] :<file name>

   Dovecot keeps it in a hash of file names, which is most of the time it takes
   to open a large Maildir. What POP3 wants of it needs a look at each line. */

struct popinjay_uidlist {
	/* Private. */
	uint32_t uidvalidity;
	uint32_t prev_uid;
	bool header_seen:1;
};

struct popinjay_uidlist_entry {
	uint32_t uid;
	/* the virtual size, UOFF_T_MAX if it is not there */
	uoff_t virtual_size;
	/* the message has a UIDL of its own, a place of its own in the list */
	bool pop3_uidl:1;
	bool pop3_order:1;
};

/* Start to read the file of a mailbox with this UIDVALIDITY. */
void popinjay_uidlist_init(struct popinjay_uidlist *list,
			   uint32_t uidvalidity);

/* Read the next entry in data, and move data and size behind it. Returns 1, 0
   if there is no whole line left, or -1 if this is not the file of the mailbox,
   or not as Dovecot writes it: then nothing that was read before counts. */
int popinjay_uidlist_next(struct popinjay_uidlist *list,
			  const unsigned char **data, size_t *size,
			  struct popinjay_uidlist_entry *entry_r);

#endif
