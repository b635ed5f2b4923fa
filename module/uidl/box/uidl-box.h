/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_BOX_H
#define POPINJAY_UIDL_BOX_H

/* The UIDLs of a mailbox that is in use. Each INBOX has a struct of its own
   from the time Dovecot allocates it until it frees it. */

struct mail;
struct popinjay_saved_file;
struct popinjay_uidl_box;
struct popinjay_uidl_plain;
struct popinjay_uidl_saved;
struct popinjay_uidl_set;
struct popinjay_uidl_sources;
struct popinjay_user;

/* Returns TRUE if whoever asks Dovecot for the UIDL of this message is not to
   be told it. */
typedef bool popinjay_uidl_box_hides_t(struct popinjay_uidl_box *ubox,
				       uint32_t uid, const char *uidl);

struct popinjay_uidl_box {
	union mailbox_module_context module_ctx;
	struct mailbox *box;
	/* with the sources of UIDLs */
	struct popinjay_user *user;
	/* the set that was made last has been shown, and saved as far as it
	   can be */
	bool shown;
	/* set while doveadm sync or backup works on the mailbox, else NULL */
	popinjay_uidl_box_hides_t *hides;

	/* Private: see popinjay_uidl_box_get_file() and
	   popinjay_uidl_box_get(). */
	struct popinjay_saved_file *file;
	struct popinjay_uidl_set *set;
	/* Private: the mailbox and the saved UIDLs as the set was made. */
	uint32_t set_messages_count, set_next_uid, set_uidvalidity;
	unsigned int set_generation;
	/* Private: some use of the set needs keys; the set is being made, and
	   mails answer what is stored. */
	bool want_keys, making_set;
};

/* Returns NULL if the mailbox has no UIDLs of ours: it is not the user's INBOX,
   or was opened without us. */
struct popinjay_uidl_box *popinjay_uidl_box(struct mailbox *box);

/* Returns the file of saved UIDLs. */
struct popinjay_saved_file *
popinjay_uidl_box_get_file(struct popinjay_uidl_box *ubox);

/* Get the UIDLs of all messages that the mailbox has now. The set lives until
   the next call after messages came or went or something was saved, by
   whomever, or until the mailbox is freed. Returns 0, or -1 with the mailbox's
   error set. */
int popinjay_uidl_box_get(struct popinjay_uidl_box *ubox,
			  const struct popinjay_uidl_set **set_r);

/* Returns how the UIDL of each message is made of its uid and the UIDVALIDITY,
   or NULL if any message may have another one, or UIDLs are to be saved or
   compared: only a set can tell them then. */
const struct popinjay_uidl_plain *
popinjay_uidl_box_get_plain(struct popinjay_uidl_box *ubox);

/* Make a set that is the caller's, with other sources than the user's. Returns
   0, or -1 with the mailbox's error set. */
int popinjay_uidl_box_make(struct popinjay_uidl_box *ubox,
			   const struct popinjay_uidl_sources *sources,
			   bool want_keys, struct popinjay_uidl_set **set_r);

/* The same with other saved UIDLs than those of the file. */
int popinjay_uidl_box_make_with(struct popinjay_uidl_box *ubox,
				const struct popinjay_uidl_sources *sources,
				struct popinjay_uidl_saved *saved,
				bool want_keys,
				struct popinjay_uidl_set **set_r);

/* Let each message of a set have its key from now on. Frees the last set. */
void popinjay_uidl_box_want_keys(struct popinjay_uidl_box *ubox);

/* Returns TRUE if the set that popinjay_uidl_box_get() returned last was made
   of the saved UIDLs as they were last read or written here. */
bool popinjay_uidl_box_is_current(const struct popinjay_uidl_box *ubox);

/* Free that set: other UIDLs are saved now. */
void popinjay_uidl_box_forget(struct popinjay_uidl_box *ubox);

/* Storage hooks. */
void popinjay_uidl_box_allocated(struct mailbox *box);
void popinjay_uidl_mail_allocated(struct mail *mail);

#endif
