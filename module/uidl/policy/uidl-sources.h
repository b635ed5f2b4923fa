/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_SOURCES_H
#define POPINJAY_UIDL_SOURCES_H

#include "uidl.h"

struct mail;
struct mail_user;
struct popinjay_settings;
struct popinjay_uidl_plain;
struct popinjay_uidl_sources;

/* The UIDL that a source has for a message. */
struct popinjay_uidl_offer {
	const char *uidl;
	/* a constant */
	const char *source;
	enum popinjay_uidl_rank rank;
};

/* Prepare the chain of sources that the settings name, with their templates.
   Returns 0, or -1 with a message that names the setting, its value and what it
   accepts. */
int popinjay_uidl_sources_create(struct mail_user *user,
				 const struct popinjay_settings *set,
				 struct popinjay_uidl_sources **sources_r,
				 const char **error_r);
/* Free the chain and set *sources to NULL. Does nothing if it is NULL. */
void popinjay_uidl_sources_free(struct popinjay_uidl_sources **sources);

/* Prepare the chain that Dovecot without Popinjay goes through, whose UIDLs may
   be anything. As popinjay_uidl_sources_create(). */
int popinjay_uidl_sources_create_stock(struct mail_user *user,
				       const struct popinjay_settings *set,
				       struct popinjay_uidl_sources **sources_r,
				       const char **error_r);
/* Look at the X-UIDL header next after what is saved, in a chain that
   popinjay_uidl_sources does not name. */
void popinjay_uidl_sources_add_xuidl(struct popinjay_uidl_sources *sources);

/* Let the chain take no notice of what is saved, of what is stored. */
void popinjay_uidl_sources_ignore(struct popinjay_uidl_sources *sources,
				  bool saved, bool stored);

/* Returns TRUE if saved UIDLs are looked at; *first_r is TRUE if nothing is
   looked at before them. */
bool popinjay_uidl_sources_use_saved(const struct popinjay_uidl_sources *chain,
				     bool *first_r);

/* Returns TRUE if it is Dovecot's. */
bool popinjay_uidl_sources_are_stock(const struct popinjay_uidl_sources *chain);

/* Returns how UIDLs are made of uid and UIDVALIDITY alone where nothing is
   saved or stored, or NULL if it takes more. */
const struct popinjay_uidl_plain *
popinjay_uidl_sources_plain(const struct popinjay_uidl_sources *sources);

/* Find the uid that a UIDL is made of, if the chain makes some of uid and
   UIDVALIDITY alone. Returns how it is made, or NULL if it is none of these. */
const struct popinjay_uidl_plain *
popinjay_uidl_sources_parse(const struct popinjay_uidl_sources *sources,
			    uint32_t uidvalidity, const char *uidl,
			    uint32_t *uid_r);

/* Returns the fields of a mail that most messages will be asked for. */
enum mail_fetch_field
popinjay_uidl_sources_fields(const struct popinjay_uidl_sources *sources);

/* Get the UIDL of mail from the first source that has one. saved is its saved
   UIDL, or NULL. buf is for a UIDL that has to be made. Returns 1, 0 if no
   source has one, or -1 with the reason in error_r if one could not be read
   now: then a later source may not answer for it. A UIDL that is too long for
   the settings becomes "". */
int popinjay_uidl_sources_get(const struct popinjay_uidl_sources *sources,
			      struct mail *mail, const char *saved,
			      string_t *buf,
			      struct popinjay_uidl_offer *offer_r,
			      const char **error_r);

#endif
