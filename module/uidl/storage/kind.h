/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_STORAGE_KIND_H
#define POPINJAY_STORAGE_KIND_H

/* What differs between the storages of Dovecot: a file for each of them, like
   the back ends of Dovecot's quota plugin. The functions are called by stored.c
   and whole.c, whose headers say what they do; each may be NULL. */

struct istream;
struct mail;
struct mail_index_view;
struct mailbox;
struct popinjay_storage_kind;
struct popinjay_stored;

enum popinjay_whole {
	POPINJAY_WHOLE,
	/* a claim was wrong */
	POPINJAY_WHOLE_OTHER_SIZE,
	/* A claim was larger, and no session has noticed before: the file may
	   have lost its end, or may not be seen as it is. */
	POPINJAY_WHOLE_SMALLER,
	/* a part of it */
	POPINJAY_WHOLE_NOT
};

struct popinjay_holder {
	const struct popinjay_storage_kind *kind;
	struct mail *mail;
	struct istream *stream;
	/* of what holds the message, if the stream gives just that */
	uoff_t size_bytes;
	bool size_known;
};

/* What is known of a message once it was read to its end. */
struct popinjay_read_sizes {
	/* what came from the stream, and the same with CRLF line ends */
	uoff_t read_bytes, virtual_bytes;
	/* the size with CRLF that the client was told */
	uoff_t told_bytes;
};

struct popinjay_stored_facts {
	/* a message may have a UIDL stored, a place of its own in listings */
	bool uidls, orders;
};

struct popinjay_storage_kind {
	/* as Dovecot names the storage; NULL: any other */
	const char *name;
	/* A UIDL that a message brings is stored with it. */
	bool stores_uidls;
	/* All messages are in one file: to read one locks it until the
	   transaction ends, and to find a GUID may take to read all. */
	bool one_file;
	/* Dovecot itself compares what was read with what index and cache
	   claim: nothing better is known. */
	bool dovecot_compares;

	/* Find out the facts, and the sizes for stored unless that is NULL.
	   Returns FALSE if they are not known. */
	bool (*read_facts)(struct mailbox *box, uint32_t uidvalidity,
			   struct popinjay_stored *stored,
			   struct popinjay_stored_facts *facts_r);
	/* Sizes are not known without. */
	void (*stored_init)(struct popinjay_stored *stored);
	bool (*get_size)(struct popinjay_stored *stored, uint32_t seq,
			 uoff_t *size_r);
	bool (*get_file_size)(struct mail *mail, uoff_t *size_r);
	bool (*has_message)(struct mailbox *box, uint32_t uid);
	bool (*is_as_indexed)(struct mailbox *box,
			      struct mail_index_view *view);

	bool (*is_readable)(const struct popinjay_holder *holder);
	/* Get the size of what holds the message. Returns FALSE if the stream
	   gives something else. */
	bool (*get_held_size)(const struct popinjay_holder *holder,
			      uoff_t *size_r);
	/* Returns FALSE with the reason if it changed while it was read. */
	bool (*is_unchanged)(const struct popinjay_holder *holder,
			     const char **text_r);
	/* Compare what was read with what is claimed. *text_r is NULL, or says
	   that the client was told a wrong size. */
	enum popinjay_whole
	(*compare)(const struct popinjay_holder *holder,
		   const struct popinjay_read_sizes *sizes,
		   const char **text_r);
};

/* Returns how the messages of the mailbox are stored. */
const struct popinjay_storage_kind *
popinjay_storage_kind(const struct mailbox *box);

extern const struct popinjay_storage_kind popinjay_storage_maildir,
	popinjay_storage_sdbox, popinjay_storage_mdbox, popinjay_storage_mbox;

#endif
