/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SAVED_TEXT_H
#define SAVED_TEXT_H

/* For tests: the text of popinjay-uidl, with numbers for GUIDs. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "uidl-saved.h"

#include <glib.h>

/* Returns what a text without faults has; nothing if it is empty. */
static inline struct popinjay_uidl_saved *saved_text_read(const char *text)
{
	struct popinjay_uidl_saved *saved = popinjay_uidl_saved_create();
	const char *fault;

	if (*text != '\0')
		(void)popinjay_uidl_saved_parse(saved, text, strlen(text));
	if (popinjay_uidl_saved_faults(saved, &fault) > 0)
		g_error("%s: %s", fault, text);
	return saved;
}

static inline const char *t_saved_key(uint32_t guid)
{
	return t_strdup_printf("guid%u", guid);
}

/* Append an entry as popinjay_saved_file_append() does. */
static inline void saved_text_append(GString *text, uint32_t uidvalidity,
				     uint32_t uid, uint32_t guid)
{
	struct popinjay_uidl_saved *saved = saved_text_read(text->str);
	string_t *lines = t_str_new(128);

	if (text->len == 0)
		popinjay_uidl_saved_write_header(lines, 0, uidvalidity);
	else if (popinjay_uidl_saved_end(saved) != uidvalidity)
		popinjay_uidl_saved_write_uidvalidity(lines, uidvalidity);
	popinjay_uidl_saved_append(lines, uid, t_saved_key(guid),
				   t_strdup_printf("uidl%u", guid), 0);
	g_string_append(text, str_c(lines));
	popinjay_uidl_saved_free(&saved);
}

/* Give an entry, or a new one if it is NULL, its uid of now. */
static inline void
saved_text_set(struct popinjay_uidl_saved *saved,
	       struct popinjay_uidl_entry *entry, uint32_t uidvalidity,
	       uint32_t uid, uint32_t guid)
{
	if (entry == NULL) {
		entry = popinjay_uidl_saved_set(saved, uidvalidity, uid,
			t_saved_key(guid), t_strdup_printf("uidl%u", guid));
		entry->matched = TRUE;
	}
	entry->uid = uid;
	entry->uidvalidity = uidvalidity;
}

/* Returns TRUE if there is an entry of this GUID; unless uid is 0, one of this
   uid and UIDVALIDITY. */
static inline bool
saved_text_has(const struct popinjay_uidl_saved *saved, uint32_t guid,
	       uint32_t uidvalidity, uint32_t uid)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(popinjay_uidl_saved_get(saved), entryp) {
		if (strcmp((*entryp)->key, t_saved_key(guid)) == 0 &&
		    (uid == 0 || ((*entryp)->uid == uid &&
				  (*entryp)->uidvalidity == uidvalidity)))
			return TRUE;
	}
	return FALSE;
}

#endif
