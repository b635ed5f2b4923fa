/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: the saved UIDLs of a mailbox (RFC 1939 section 7 wants a UIDL to
   persist across sessions), as text and in memory. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "str.h"
#include "strnum.h"
#include "hex-number.h"
#include "uidl-saved.h"
#include "uidl.h"

#define FILE_MAGIC "popinjay-uidl"
#define FILE_VERSION 1
#define UIDVALIDITY_WORD "uidvalidity"
/* no key begins so */
#define UNKNOWN_PREFIX ':'

/* so many entries to be dropped or marked are never worth a new file */
#define WRITE_MIN_ENTRIES 50

struct popinjay_uidl_saved {
	pool_t pool;
	ARRAY_TYPE(popinjay_uidl_entry) entries;
	/* for those of a file: in one piece, as large as they need */
	struct popinjay_uidl_entry *block;
	unsigned int block_left;
	/* to the entry of the lowest uid */
	HASH_TABLE(const char *, struct popinjay_uidl_entry *) by_key;

	/* of the entry that is parsed next */
	uint32_t uidvalidity;
	unsigned int faults;
	const char *first_fault;
	/* some messages stand without their key */
	bool has_unknown:1;
};

struct popinjay_uidl_saved *popinjay_uidl_saved_create(void)
{
	struct popinjay_uidl_saved *saved;
	pool_t pool;

	/* another pool would take up to twice as much of what vsz_limit
	   bounds */
	pool = pool_allocfree_create("popinjay saved uidls");
	saved = p_new(pool, struct popinjay_uidl_saved, 1);
	saved->pool = pool;
	i_array_init(&saved->entries, 128);
	hash_table_create(&saved->by_key, default_pool, 0,
			  popinjay_keyed_hash, strcmp);
	return saved;
}

void popinjay_uidl_saved_free(struct popinjay_uidl_saved **_saved)
{
	struct popinjay_uidl_saved *saved = *_saved;

	if (saved == NULL)
		return;
	*_saved = NULL;

	hash_table_destroy(&saved->by_key);
	array_free(&saved->entries);
	pool_unref(&saved->pool);
}

/* key and uidl have to live as long as saved. */
static struct popinjay_uidl_entry *
saved_add(struct popinjay_uidl_saved *saved, uint32_t uidvalidity,
	  uint32_t uid, const char *key, const char *uidl)
{
	struct popinjay_uidl_entry *entry, *first, **prev;

	first = hash_table_lookup(saved->by_key, key);
	for (prev = &first; *prev != NULL; prev = &(*prev)->next) {
		if ((*prev)->uid == uid) {
			(*prev)->uidl = uidl;
			(*prev)->gone = 0;
			if (uidvalidity != 0)
				(*prev)->uidvalidity = uidvalidity;
			return *prev;
		}
		if ((*prev)->uid > uid)
			break;
	}

	if (saved->block_left > 0) {
		saved->block_left--;
		entry = saved->block++;
	} else {
		entry = p_new(saved->pool, struct popinjay_uidl_entry, 1);
	}
	entry->uid = uid;
	entry->uidvalidity = uidvalidity;
	entry->key = key;
	entry->uidl = uidl;
	entry->next = *prev;
	if (prev != &first)
		*prev = entry;
	else {
		/* it is the same text, whichever entry it is of */
		hash_table_update(saved->by_key, key, entry);
	}
	array_push_back(&saved->entries, &entry);
	if (*key == UNKNOWN_PREFIX)
		saved->has_unknown = TRUE;
	return entry;
}

struct popinjay_uidl_entry *
popinjay_uidl_saved_set(struct popinjay_uidl_saved *saved,
			uint32_t uidvalidity, uint32_t uid, const char *key,
			const char *uidl)
{
	return saved_add(saved, uidvalidity, uid, p_strdup(saved->pool, key),
			 p_strdup(saved->pool, uidl));
}

static void ATTR_FORMAT(2, 3)
saved_fault(struct popinjay_uidl_saved *saved, const char *fmt, ...)
{
	va_list args;

	/* it may have told another one */
	saved->uidvalidity = 0;
	if (saved->faults++ > 0)
		return;
	va_start(args, fmt);
	saved->first_fault = p_strdup_vprintf(saved->pool, fmt, args);
	va_end(args);
}

/* Decode in place: it only gets shorter. */
static int key_decode(char *key)
{
	char *dest = key;
	uint32_t byte;

	for (; *key != '\0'; key++) {
		if (*key < 0x21 || *key > 0x7e)
			return -1;
		if (*key != '%') {
			*dest++ = *key;
			continue;
		}
		/* as it is written, and in no other way */
		if (strspn(key + 1, "0123456789ABCDEF") < 2 ||
		    popinjay_hex_number(key + 1, 2, &byte) < 0 || byte == 0)
			return -1;
		*dest++ = byte;
		key += 2;
	}
	*dest = '\0';
	return 0;
}

static char *next_word(char **line)
{
	char *word = *line, *space;

	if (word == NULL)
		return NULL;
	space = strchr(word, ' ');
	if (space == NULL)
		*line = NULL;
	else {
		*space = '\0';
		*line = space + 1;
	}
	return word;
}

static int parse_entry(struct popinjay_uidl_saved *saved, char *line)
{
	struct popinjay_uidl_entry *entry;
	char *uid_word = next_word(&line);
	char *key = next_word(&line);
	char *uidl = next_word(&line);
	char *gone_word = next_word(&line);
	time_t gone = 0;
	uint32_t uid;

	if (uidl == NULL || line != NULL ||
	    str_to_uint32(uid_word, &uid) < 0 ||
	    *key == '\0' || key_decode(key) < 0 ||
	    !popinjay_uidl_is_valid(uidl))
		return -1;
	if (gone_word != NULL &&
	    (str_to_time(gone_word, &gone) < 0 || gone <= 0))
		return -1;
	entry = saved_add(saved, saved->uidvalidity, uid, key, uidl);
	entry->gone = gone;
	return 0;
}

static int parse_header(struct popinjay_uidl_saved *saved, char *line,
			unsigned int *count_r)
{
	char *magic = next_word(&line);
	char *version = next_word(&line);
	char *count = next_word(&line);
	char *uidvalidity = next_word(&line);
	unsigned int version_num;

	if (count == NULL || line != NULL ||
	    strcmp(magic, FILE_MAGIC) != 0 ||
	    str_to_uint(version, &version_num) < 0 ||
	    version_num != FILE_VERSION ||
	    str_to_uint(count, count_r) < 0)
		return -1;
	return uidvalidity == NULL ? 0 :
		str_to_uint32(uidvalidity, &saved->uidvalidity);
}

/* Returns 1, 0 if it is another kind of line, or -1 if it is faulty. */
static int parse_uidvalidity(struct popinjay_uidl_saved *saved,
			     const char *line)
{
	const size_t len = strlen(UIDVALIDITY_WORD" ");

	if (strncmp(line, UIDVALIDITY_WORD" ", len) != 0)
		return 0;
	return str_to_uint32(line + len, &saved->uidvalidity) < 0 ? -1 : 1;
}

/* Make room for as many entries as the text has lines. */
static void saved_reserve(struct popinjay_uidl_saved *saved, const char *text,
			  size_t size)
{
	const char *end = text + size;
	unsigned int lines = 0;

	for (; (text = memchr(text, '\n', end - text)) != NULL; text++)
		lines++;
	saved->block = p_new(saved->pool, struct popinjay_uidl_entry, lines);
	saved->block_left = lines;
	array_free(&saved->entries);
	i_array_init(&saved->entries, lines);
	hash_table_destroy(&saved->by_key);
	hash_table_create(&saved->by_key, default_pool, lines,
			  popinjay_keyed_hash, strcmp);
}

/* Lines are missing, and one may have told another UIDVALIDITY. */
static void saved_forget_uidvalidity(struct popinjay_uidl_saved *saved)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(&saved->entries, entryp)
		(*entryp)->uidvalidity = 0;
}

size_t popinjay_uidl_saved_parse(struct popinjay_uidl_saved *saved,
				 const void *data, size_t size)
{
	char *text, *line, *lf;
	size_t whole = size;
	unsigned int line_num = 0, promised = 0, entries = 0;
	int ret;

	while (whole > 0 && ((const char *)data)[whole - 1] != '\n')
		whole--;
	if (whole == 0) {
		saved_fault(saved, "It has no first line");
		return 0;
	}

	/* the entries point into it */
	text = p_malloc(saved->pool, whole);
	memcpy(text, data, whole);
	saved_reserve(saved, text, whole);
	for (line = text; line < text + whole; line = lf + 1) {
		lf = memchr(line, '\n', text + whole - line);
		*lf = '\0';
		line_num++;
		if (memchr(line, '\0', lf - line) != NULL) {
			saved_fault(saved, "Line %u has a NUL", line_num);
		} else if (line_num == 1) {
			if (parse_header(saved, line, &promised) < 0) {
				saved_fault(saved, "The first line is not "
					"\""FILE_MAGIC" 1 COUNT "
					"UIDVALIDITY\"");
			}
		} else if ((ret = parse_uidvalidity(saved, line)) > 0) {
			continue;
		} else if (ret < 0 || parse_entry(saved, line) < 0) {
			saved_fault(saved, "Line %u is not "
				    "\"UID KEY UIDL [GONE]\"", line_num);
		} else {
			entries++;
		}
	}
	if (entries < promised) {
		saved_forget_uidvalidity(saved);
		saved_fault(saved, "It has %u entries of at least %u",
			    entries, promised);
	}
	return whole;
}

uint32_t popinjay_uidl_saved_end(const struct popinjay_uidl_saved *saved)
{
	return saved->uidvalidity;
}

bool popinjay_uidl_saved_is_numbered(const struct popinjay_uidl_saved *saved,
				     uint32_t uidvalidity)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(&saved->entries, entryp) {
		const struct popinjay_uidl_entry *entry = *entryp;

		if (entry->elsewhere ||
		    (entry->uidvalidity != uidvalidity &&
		     (entry->matched || entry->gone == 0)))
			return FALSE;
	}
	return TRUE;
}

unsigned int
popinjay_uidl_saved_faults(const struct popinjay_uidl_saved *saved,
			   const char **error_r)
{
	*error_r = saved->first_fault;
	return saved->faults;
}

pool_t popinjay_uidl_saved_pool(const struct popinjay_uidl_saved *saved)
{
	return saved->pool;
}

const ARRAY_TYPE(popinjay_uidl_entry) *
popinjay_uidl_saved_get(const struct popinjay_uidl_saved *saved)
{
	return &saved->entries;
}

void popinjay_uidl_saved_unmatch(struct popinjay_uidl_saved *saved)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(&saved->entries, entryp)
		(*entryp)->matched = (*entryp)->elsewhere = FALSE;
}

struct popinjay_uidl_entry *
popinjay_uidl_saved_find(struct popinjay_uidl_saved *saved,
			 uint32_t uidvalidity, uint32_t uid, const char *key,
			 bool *rest_r)
{
	struct popinjay_uidl_entry *entry, *first;
	string_t *unknown;

	first = *key == '\0' ? NULL : hash_table_lookup(saved->by_key, key);
	for (entry = first; entry != NULL; entry = entry->next) {
		if (entry->uid == uid)
			break;
	}
	*rest_r = entry == NULL && first != NULL;
	if (entry == NULL && saved->has_unknown) {
		unknown = t_str_new(32);
		popinjay_uidl_saved_unknown_key(unknown, uidvalidity, uid);
		entry = hash_table_lookup(saved->by_key, str_c(unknown));
	}
	if (entry != NULL)
		entry->matched = TRUE;
	return entry;
}

struct popinjay_uidl_entry *
popinjay_uidl_saved_find_rest(struct popinjay_uidl_saved *saved,
			      const char *key)
{
	struct popinjay_uidl_entry *entry;

	entry = hash_table_lookup(saved->by_key, key);
	while (entry != NULL && entry->matched)
		entry = entry->next;
	if (entry != NULL)
		entry->matched = entry->elsewhere = TRUE;
	return entry;
}

void popinjay_uidl_saved_append(string_t *dest, uint32_t uid, const char *key,
				const char *uidl, time_t gone)
{
	i_assert(*key != '\0');

	str_printfa(dest, "%u ", uid);
	for (; *key != '\0'; key++) {
		if (*key < 0x21 || *key > 0x7e || *key == '%')
			str_printfa(dest, "%%%02X", (unsigned char)*key);
		else
			str_append_c(dest, *key);
	}
	str_append_c(dest, ' ');
	str_append(dest, uidl);
	if (gone > 0)
		str_printfa(dest, " %"PRIdTIME_T, gone);
	str_append_c(dest, '\n');
}

/* Returns TRUE if it is of a message that others brought since, as far as this
   view can tell. */
static bool
entry_is_ahead(const struct popinjay_uidl_entry *entry,
	       const struct popinjay_uidl_view *view)
{
	bool ahead = FALSE;

	if (entry->matched || *entry->key != UNKNOWN_PREFIX ||
	    entry->uid < view->uidnext)
		return FALSE;
	T_BEGIN {
		string_t *key = t_str_new(32);

		popinjay_uidl_saved_unknown_key(key, view->uidvalidity,
						entry->uid);
		ahead = strcmp(entry->key, str_c(key)) == 0;
	} T_END;
	return ahead;
}

static bool
entry_is_dropped(const struct popinjay_uidl_entry *entry,
		 const struct popinjay_uidl_view *view)
{
	if (entry->matched)
		return FALSE;
	/* no message comes back with its uid */
	if (*entry->key == UNKNOWN_PREFIX)
		return !entry_is_ahead(entry, view);
	return entry->gone > 0 &&
		view->now - entry->gone >= POPINJAY_UIDL_GONE_SECS;
}

/* Returns when the entry's message was first missed, 0 if it is not. */
static time_t
entry_gone(const struct popinjay_uidl_entry *entry,
	   const struct popinjay_uidl_view *view)
{
	if (entry->matched || entry_is_ahead(entry, view))
		return 0;
	return entry->gone > 0 ? entry->gone : view->now;
}

void popinjay_uidl_saved_write_header(string_t *dest, unsigned int count,
				      uint32_t uidvalidity)
{
	str_printfa(dest, FILE_MAGIC" %d %u %u\n", FILE_VERSION, count,
		    uidvalidity);
}

void popinjay_uidl_saved_write_uidvalidity(string_t *dest,
					   uint32_t uidvalidity)
{
	str_printfa(dest, UIDVALIDITY_WORD" %u\n", uidvalidity);
}

bool popinjay_uidl_saved_write_more(const struct popinjay_uidl_saved *saved,
				    const struct popinjay_uidl_view *view,
				    struct popinjay_uidl_saved_pos *pos,
				    string_t *dest, size_t size)
{
	struct popinjay_uidl_entry *const *entries;
	unsigned int i, all, count = 0;
	size_t end = str_len(dest) + size;

	entries = array_get(&saved->entries, &all);
	if (pos->idx == 0) {
		for (i = 0; i < all; i++) {
			if (!entry_is_dropped(entries[i], view))
				count++;
		}
		pos->uidvalidity = view->uidvalidity;
		popinjay_uidl_saved_write_header(dest, count,
						 pos->uidvalidity);
	}
	for (; pos->idx < all && str_len(dest) < end; pos->idx++) {
		const struct popinjay_uidl_entry *entry = entries[pos->idx];

		if (entry_is_dropped(entry, view))
			continue;
		if (entry->uidvalidity != pos->uidvalidity) {
			pos->uidvalidity = entry->uidvalidity;
			popinjay_uidl_saved_write_uidvalidity(dest,
				pos->uidvalidity);
		}
		popinjay_uidl_saved_append(dest, entry->uid, entry->key,
			entry->uidl, entry_gone(entry, view));
	}
	return pos->idx < all;
}

void popinjay_uidl_saved_write(const struct popinjay_uidl_saved *saved,
			       const struct popinjay_uidl_view *view,
			       string_t *dest)
{
	struct popinjay_uidl_saved_pos pos = { 0 };

	(void)popinjay_uidl_saved_write_more(saved, view, &pos, dest,
					     SIZE_MAX - str_len(dest));
}

bool popinjay_uidl_saved_wants_write(const struct popinjay_uidl_saved *saved,
				     const struct popinjay_uidl_view *view)
{
	struct popinjay_uidl_entry *const *entryp;
	unsigned int changes = 0;

	array_foreach(&saved->entries, entryp) {
		const struct popinjay_uidl_entry *entry = *entryp;

		if (entry->matched && entry->gone > 0) {
			/* it has come back: were it to go again, it would be
			   left out before its time */
			return TRUE;
		}
		if (entry->gone != entry_gone(entry, view) ||
		    entry_is_dropped(entry, view))
			changes++;
	}
	return changes >= WRITE_MIN_ENTRIES +
		array_count(&saved->entries) / 8;
}

void popinjay_uidl_saved_get_uids(const struct popinjay_uidl_saved *saved,
				  uint32_t first_uid,
				  ARRAY_TYPE(seq_range) *dest)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(&saved->entries, entryp) {
		if ((*entryp)->uid >= first_uid)
			seq_range_array_add(dest, (*entryp)->uid);
	}
}

void popinjay_uidl_saved_hash_key(string_t *dest, const char *hash,
				  uoff_t size_bytes)
{
	str_printfa(dest, "%s-%"PRIuUOFF_T, hash, size_bytes);
}

void popinjay_uidl_saved_unknown_key(string_t *dest, uint32_t uidvalidity,
				     uint32_t uid)
{
	str_printfa(dest, "%c%u:%u", UNKNOWN_PREFIX, uidvalidity, uid);
}
