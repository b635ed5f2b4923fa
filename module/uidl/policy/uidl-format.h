/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_FORMAT_H
#define POPINJAY_UIDL_FORMAT_H

struct mail;
struct mail_user;
struct popinjay_settings;
struct popinjay_uidl_format;
struct popinjay_uidl_plain;

/* Prepare the template that is the value of the setting of that name, and its
   key. In a setting of ours, %{uid} may be written {uid}. Returns 0, or -1 with
   a message that names the setting, its value and what it accepts. */
int popinjay_uidl_format_create(struct mail_user *user,
				const struct popinjay_settings *set,
				const char *name, const char *value,
				bool ours,
				struct popinjay_uidl_format **format_r,
				const char **error_r);
/* Free the format and set *format to NULL. Does nothing if it is NULL. */
void popinjay_uidl_format_free(struct popinjay_uidl_format **format);

/* Returns the fields of a mail that popinjay_uidl_format_get() will ask for. */
enum mail_fetch_field
popinjay_uidl_format_fields(const struct popinjay_uidl_format *format);

/* Returns how UIDLs are made of uid and UIDVALIDITY alone, or NULL if it takes
   more. */
const struct popinjay_uidl_plain *
popinjay_uidl_format_plain(const struct popinjay_uidl_format *format);

/* Append the UIDL of mail to dest. Returns 1 if it did, 0 if the message lacks
   something that the template wants, -1 with the reason in error_r if that
   could not be read. */
int popinjay_uidl_format_get(const struct popinjay_uidl_format *format,
			     struct mail *mail, string_t *dest,
			     const char **error_r);

/* Returns what a look-up of mail that failed comes to: 0 if there is nothing to
   look up, or -1 with the reason in error_r if the storage could not read the
   message just now. */
int popinjay_uidl_lookup_failed(struct mail *mail, const char *what,
				const char **error_r);

#endif
