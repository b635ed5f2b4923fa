/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: messages that do not get through, and the order that follows. */

#include "lib.h"
#include "array.h"
#include "bsearch-insert-pos.h"
#include "crc32.h"
#include "sort.h"
#include "str.h"
#include "strnum.h"
#include "trouble.h"
#include "views.h"

#define FILE_MAGIC "popinjay-trouble"
#define FILE_VERSION 1

/* all bits but POPINJAY_FETCHED_ANY */
#define FETCHED_VIEW_BITS 7

struct entry {
	const char *view_id;
	uint32_t uid;
	unsigned int tries;
};
ARRAY_DEFINE_TYPE(entry, struct entry);

struct popinjay_trouble {
	pool_t pool;
	uint32_t uidvalidity;
	/* by view and uid */
	ARRAY_TYPE(entry) entries;
};

/* --- What was fetched --- */

static unsigned char fetched_bit(const char *view_id)
{
	return strcmp(view_id, POPINJAY_VIEW_ACCOUNT) == 0 ?
		POPINJAY_FETCHED_ANY :
		2 << (crc32_str(view_id) % FETCHED_VIEW_BITS);
}

unsigned char popinjay_trouble_fetched_bits(const char *view_id)
{
	return POPINJAY_FETCHED_ANY | fetched_bit(view_id);
}

bool popinjay_trouble_is_fetched(const char *view_id, unsigned char fetched)
{
	return (fetched & fetched_bit(view_id)) != 0;
}

/* --- What is in trouble --- */

struct popinjay_trouble *popinjay_trouble_create(uint32_t uidvalidity)
{
	pool_t pool = pool_alloconly_create("popinjay trouble", 512);
	struct popinjay_trouble *trouble =
		p_new(pool, struct popinjay_trouble, 1);

	trouble->pool = pool;
	trouble->uidvalidity = uidvalidity;
	i_array_init(&trouble->entries, 4);
	return trouble;
}

void popinjay_trouble_free(struct popinjay_trouble **_trouble)
{
	struct popinjay_trouble *trouble = *_trouble;

	if (trouble == NULL)
		return;
	*_trouble = NULL;

	array_free(&trouble->entries);
	pool_unref(&trouble->pool);
}

static int entry_cmp(const struct entry *entry1, const struct entry *entry2)
{
	int ret = strcmp(entry1->view_id, entry2->view_id);

	return ret != 0 ? ret : uint32_cmp(&entry1->uid, &entry2->uid);
}

static bool
trouble_lookup(const struct popinjay_trouble *trouble, const char *view_id,
	       uint32_t uid, unsigned int *idx_r)
{
	struct entry key = { .view_id = view_id, .uid = uid };

	return array_bsearch_insert_pos(&trouble->entries, &key, entry_cmp,
					idx_r);
}

unsigned int popinjay_trouble_get(const struct popinjay_trouble *trouble,
				  const char *view_id, uint32_t uid)
{
	const struct entry *entry;
	unsigned int idx;

	if (!trouble_lookup(trouble, view_id, uid, &idx))
		return 0;
	entry = array_idx(&trouble->entries, idx);
	return entry->tries;
}

bool popinjay_trouble_has(const struct popinjay_trouble *trouble,
			  const char *view_id)
{
	const struct entry *entry;

	array_foreach(&trouble->entries, entry) {
		if (strcmp(entry->view_id, view_id) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Make room by leaving out what failed least often. */
static void trouble_make_room(struct popinjay_trouble *trouble)
{
	const struct entry *entry;
	unsigned int i, least = 0, tries = UINT_MAX;

	if (array_count(&trouble->entries) < POPINJAY_TROUBLE_MAX)
		return;
	for (i = 0; i < array_count(&trouble->entries); i++) {
		entry = array_idx(&trouble->entries, i);
		if (entry->tries < tries) {
			tries = entry->tries;
			least = i;
		}
	}
	array_delete(&trouble->entries, least, 1);
}

static struct entry *
trouble_insert(struct popinjay_trouble *trouble, const char *view_id,
	       uint32_t uid)
{
	struct entry entry = {
		.view_id = p_strdup(trouble->pool, view_id), .uid = uid
	};
	unsigned int idx;

	trouble_make_room(trouble);
	if (!trouble_lookup(trouble, view_id, uid, &idx))
		array_insert(&trouble->entries, idx, &entry, 1);
	return array_idx_modifiable(&trouble->entries, idx);
}

unsigned int popinjay_trouble_add(struct popinjay_trouble *trouble,
				  const char *view_id, uint32_t uid)
{
	unsigned int idx;
	struct entry *entry;

	entry = trouble_lookup(trouble, view_id, uid, &idx) ?
		array_idx_modifiable(&trouble->entries, idx) :
		trouble_insert(trouble, view_id, uid);
	if (entry->tries < UINT_MAX)
		entry->tries++;
	return entry->tries;
}

bool popinjay_trouble_remove(struct popinjay_trouble *trouble,
			     const char *view_id, uint32_t uid)
{
	unsigned int idx;

	if (!trouble_lookup(trouble, view_id, uid, &idx))
		return FALSE;
	array_delete(&trouble->entries, idx, 1);
	return TRUE;
}

bool popinjay_trouble_prune(struct popinjay_trouble *trouble,
			    const uint32_t *uids, unsigned int count)
{
	unsigned int i, before = array_count(&trouble->entries);
	const struct entry *entry;

	for (i = before; i > 0; i--) {
		entry = array_idx(&trouble->entries, i - 1);
		if (i_bsearch(&entry->uid, uids, count, sizeof(*uids),
			      uint32_cmp) == NULL)
			array_delete(&trouble->entries, i - 1, 1);
	}
	return array_count(&trouble->entries) < before;
}

/* --- The order --- */

struct troubled {
	unsigned int idx, tries;
};

static int troubled_cmp(const struct troubled *message1,
			const struct troubled *message2)
{
	if (message1->tries != message2->tries)
		return message1->tries < message2->tries ? -1 : 1;
	return message1->idx < message2->idx ? -1 : 1;
}

unsigned int
popinjay_trouble_order(const struct popinjay_trouble *trouble,
		       const char *view_id, const uint32_t *uids,
		       unsigned int count, unsigned int *order_r)
{
	ARRAY(struct troubled) last;
	const struct troubled *message;
	unsigned int idx, pos = 0, troubled_count;

	t_array_init(&last, 8);
	for (idx = 0; idx < count; idx++) {
		struct troubled troubled = {
			.idx = idx,
			.tries = array_count(&trouble->entries) == 0 ? 0 :
				popinjay_trouble_get(trouble, view_id,
						     uids[idx])
		};

		if (troubled.tries > 0)
			array_push_back(&last, &troubled);
		else
			order_r[pos++] = idx;
	}
	troubled_count = array_count(&last);
	array_sort(&last, troubled_cmp);
	array_foreach(&last, message)
		order_r[pos++] = message->idx;
	return troubled_count;
}

/* --- The file --- */

static int parse_header(const char *line, uint32_t *uidvalidity_r)
{
	const char *const *words = t_strsplit(line, " ");
	unsigned int version;

	return str_array_length(words) == 3 &&
		strcmp(words[0], FILE_MAGIC) == 0 &&
		str_to_uint(words[1], &version) == 0 &&
		version == FILE_VERSION &&
		str_to_uint32(words[2], uidvalidity_r) == 0 ? 0 : -1;
}

static int parse_entry(struct popinjay_trouble *trouble, const char *line)
{
	const char *const *words = t_strsplit(line, " ");
	unsigned int idx, tries;
	uint32_t uid;

	if (str_array_length(words) != 3 ||
	    !popinjay_view_id_is_valid(words[0]) ||
	    str_to_uint32(words[1], &uid) < 0 || uid == 0 ||
	    str_to_uint(words[2], &tries) < 0 || tries == 0 ||
	    trouble_lookup(trouble, words[0], uid, &idx) ||
	    array_count(&trouble->entries) == POPINJAY_TROUBLE_MAX)
		return -1;
	trouble_insert(trouble, words[0], uid)->tries = tries;
	return 0;
}

/* Returns as popinjay_trouble_parse(), but entries may remain. */
static int
parse_lines(struct popinjay_trouble *trouble, const char *data,
	    const char *end, const char **error_r)
{
	unsigned int line_num;
	uint32_t uidvalidity = 0;
	const char *lf;
	int ret = 0;

	for (line_num = 1; data < end; line_num++, data = lf + 1) {
		lf = memchr(data, '\n', end - data);
		if (lf != NULL && memchr(data, '\0', lf - data) == NULL) {
			const char *line = t_strdup_until(data, lf);

			ret = line_num == 1 ?
				parse_header(line, &uidvalidity) :
				parse_entry(trouble, line);
		} else {
			ret = -1;
		}
		if (ret < 0) {
			*error_r = t_strdup_printf("Line %u is damaged",
						   line_num);
			return -1;
		}
		if (uidvalidity != trouble->uidvalidity)
			return 0;
	}
	if (line_num == 1) {
		*error_r = "It is empty";
		return -1;
	}
	return 1;
}

int popinjay_trouble_parse(struct popinjay_trouble *trouble, const void *data,
			   size_t size, const char **error_r)
{
	int ret;

	i_assert(array_count(&trouble->entries) == 0);

	ret = parse_lines(trouble, data, CONST_PTR_OFFSET(data, size),
			  error_r);
	if (ret <= 0)
		array_clear(&trouble->entries);
	return ret;
}

void popinjay_trouble_write(const struct popinjay_trouble *trouble,
			    string_t *dest)
{
	const struct entry *entry;

	str_printfa(dest, FILE_MAGIC" %d %u\n", FILE_VERSION,
		    trouble->uidvalidity);
	array_foreach(&trouble->entries, entry) {
		str_printfa(dest, "%s %u %u\n", entry->view_id, entry->uid,
			    entry->tries);
	}
}

unsigned int popinjay_trouble_most(const struct popinjay_trouble *trouble,
				   uint32_t uid)
{
	const struct entry *entry;
	unsigned int most = 0;

	array_foreach(&trouble->entries, entry) {
		if (entry->uid == uid)
			most = I_MAX(most, entry->tries);
	}
	return most;
}
