/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: match a list of UIDLs with the messages of a mailbox. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "uidl-match.h"
#include "uidl.h"

/* Rows and messages with one key, matched or not. */
struct key_group {
	unsigned int row_count, message_count;
	/* the first message, later the next to be matched, and the last */
	unsigned int message, last_message;
};
HASH_TABLE_DEFINE_TYPE(key_group, const char *, struct key_group *);

struct uidl_matcher {
	const struct popinjay_uidl_row *rows;
	unsigned int row_count;
	struct popinjay_uidl_message *messages;
	unsigned int message_count;
	enum popinjay_uidl_match *matches;
	/* of messages without a row that could not be read */
	ARRAY(uoff_t) unread_sizes;

	/* of one kind of key */
	pool_t pool;
	/* the next message with the key of messages[i] */
	unsigned int *next;
	HASH_TABLE_TYPE(key_group) groups;
};

static const char *
match_key(enum popinjay_uidl_match kind, const char *guid, const char *hash,
	  const char *message_id, uoff_t size)
{
	const char *name = NULL;

	switch (kind) {
	case POPINJAY_UIDL_MATCH_GUID:
		return guid;
	case POPINJAY_UIDL_MATCH_HEADER:
		return hash;
	case POPINJAY_UIDL_MATCH_HEADER_SIZE:
		name = hash;
		break;
	case POPINJAY_UIDL_MATCH_ID_SIZE:
		name = message_id;
		break;
	default:
		i_unreached();
	}
	if (name == NULL || size == UOFF_T_MAX)
		return NULL;
	return t_strdup_printf("%"PRIuUOFF_T" %s", size, name);
}

static const char *
row_key(const struct popinjay_uidl_row *row, enum popinjay_uidl_match kind)
{
	return match_key(kind, row->guid, row->hash, row->message_id,
			 row->size);
}

static const char *
message_key(const struct popinjay_uidl_message *message,
	    enum popinjay_uidl_match kind)
{
	if (kind == POPINJAY_UIDL_MATCH_HEADER && message->common_header)
		return NULL;
	return match_key(kind, message->guid, message->hash,
			 message->message_id, message->size);
}

static struct key_group *get_group(struct uidl_matcher *m, const char *key)
{
	struct key_group *group;

	group = hash_table_lookup(m->groups, key);
	if (group == NULL) {
		group = p_new(m->pool, struct key_group, 1);
		key = p_strdup(m->pool, key);
		hash_table_insert(m->groups, key, group);
	}
	return group;
}

static void make_groups(struct uidl_matcher *m, enum popinjay_uidl_match kind)
{
	unsigned int i;

	for (i = 0; i < m->row_count; i++) T_BEGIN {
		const char *key = row_key(&m->rows[i], kind);
		struct key_group *group;

		if (key != NULL) {
			group = get_group(m, key);
			group->row_count++;
		}
	} T_END;
	for (i = 0; i < m->message_count; i++) T_BEGIN {
		const char *key = message_key(&m->messages[i], kind);
		struct key_group *group;

		if (key != NULL) {
			group = get_group(m, key);
			if (group->message_count++ == 0)
				group->message = i;
			else
				m->next[group->last_message] = i;
			group->last_message = i;
		}
	} T_END;
}

static int size_cmp(const uoff_t *size1, const uoff_t *size2)
{
	return *size1 == *size2 ? 0 : (*size1 < *size2 ? -1 : 1);
}

static void find_unread(struct uidl_matcher *m)
{
	unsigned int i;

	for (i = 0; i < m->message_count; i++) {
		if (m->messages[i].unread && m->messages[i].row == NULL)
			array_push_back(&m->unread_sizes,
					&m->messages[i].size);
	}
	array_sort(&m->unread_sizes, size_cmp);
}

/* Returns TRUE if a message that could not be read may be the one with the
   row's Message-ID, or with a header that says little, and its size. */
static bool row_may_be_unread(struct uidl_matcher *m,
			      enum popinjay_uidl_match kind,
			      const struct popinjay_uidl_row *row)
{
	unsigned int count = array_count(&m->unread_sizes);

	if (count == 0 || (kind != POPINJAY_UIDL_MATCH_HEADER_SIZE &&
			   kind != POPINJAY_UIDL_MATCH_ID_SIZE))
		return FALSE;
	return *array_idx(&m->unread_sizes, count - 1) == UOFF_T_MAX ||
		array_bsearch(&m->unread_sizes, &row->size, size_cmp) != NULL;
}

static void match_row(struct uidl_matcher *m, enum popinjay_uidl_match kind,
		      unsigned int i)
{
	const char *key = row_key(&m->rows[i], kind);
	struct popinjay_uidl_message *message;
	struct key_group *group;

	group = key == NULL ? NULL : hash_table_lookup(m->groups, key);
	if (group == NULL || group->message_count == 0)
		return;
	if (group->row_count != group->message_count ||
	    (group->row_count > 1 && kind != POPINJAY_UIDL_MATCH_GUID) ||
	    row_may_be_unread(m, kind, &m->rows[i])) {
		if (m->matches[i] == POPINJAY_UIDL_MATCH_NONE)
			m->matches[i] = POPINJAY_UIDL_MATCH_AMBIGUOUS;
		return;
	}
	message = &m->messages[group->message];
	/* of a GUID: the row after this one is the message after this one */
	group->message = m->next[group->message];
	if (m->matches[i] == POPINJAY_UIDL_MATCH_INVALID ||
	    m->matches[i] == POPINJAY_UIDL_MATCH_DOUBLE) {
		/* no other row is this message */
		return;
	}
	if (popinjay_uidl_match_is_found(m->matches[i]))
		return;
	if (message->row != NULL) {
		/* a better key says that it is another row */
		m->matches[i] = POPINJAY_UIDL_MATCH_AMBIGUOUS;
		return;
	}
	message->row = &m->rows[i];
	m->matches[i] = kind;
}

static void match_by(struct uidl_matcher *m, enum popinjay_uidl_match kind)
{
	unsigned int i;

	m->pool = pool_alloconly_create("popinjay uidl match", 64*1024);
	m->next = p_new(m->pool, unsigned int, m->message_count + 1);
	hash_table_create(&m->groups, m->pool, m->row_count,
			  popinjay_keyed_hash, strcmp);
	make_groups(m, kind);
	for (i = 0; i < m->row_count; i++) T_BEGIN {
		match_row(m, kind, i);
	} T_END;
	hash_table_destroy(&m->groups);
	pool_unref(&m->pool);
}

/* UIDLs that no client may be shown, and those that clients could not tell
   messages by. */
static void find_unusable(struct uidl_matcher *m)
{
	HASH_TABLE(const char *, void *) seen;
	unsigned int i;
	void *value;

	hash_table_create(&seen, default_pool, m->row_count,
			  popinjay_keyed_hash, strcmp);
	for (i = 0; i < m->row_count; i++) {
		m->matches[i] = POPINJAY_UIDL_MATCH_NONE;
		if (!popinjay_uidl_is_valid(m->rows[i].uidl)) {
			m->matches[i] = POPINJAY_UIDL_MATCH_INVALID;
			continue;
		}
		value = hash_table_lookup(seen, m->rows[i].uidl);
		if (value == NULL) {
			hash_table_insert(seen, m->rows[i].uidl,
					  POINTER_CAST(i + 1));
			continue;
		}
		m->matches[POINTER_CAST_TO(value, unsigned int) - 1] =
			POPINJAY_UIDL_MATCH_DOUBLE;
		m->matches[i] = POPINJAY_UIDL_MATCH_DOUBLE;
	}
	hash_table_destroy(&seen);
}

void popinjay_uidl_match(const struct popinjay_uidl_row *rows,
			 unsigned int row_count,
			 struct popinjay_uidl_message *messages,
			 unsigned int message_count,
			 enum popinjay_uidl_match *matches_r)
{
	struct uidl_matcher matcher = {
		.rows = rows,
		.row_count = row_count,
		.messages = messages,
		.message_count = message_count,
		.matches = matches_r
	};
	unsigned int i;

	for (i = 0; i < message_count; i++)
		messages[i].row = NULL;
	i_array_init(&matcher.unread_sizes, 8);
	find_unusable(&matcher);
	match_by(&matcher, POPINJAY_UIDL_MATCH_GUID);
	find_unread(&matcher);
	match_by(&matcher, POPINJAY_UIDL_MATCH_HEADER);
	match_by(&matcher, POPINJAY_UIDL_MATCH_HEADER_SIZE);
	match_by(&matcher, POPINJAY_UIDL_MATCH_ID_SIZE);
	array_free(&matcher.unread_sizes);
}
