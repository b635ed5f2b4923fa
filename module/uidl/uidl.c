/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: which UIDL each message of a mailbox gets (RFC 1939 section 7).

   A message claims its candidates one after the other until it holds one. A
   value that several messages claimed is lost to all of them for good, also
   after they have moved on: that is what makes the outcome the same in
   whatever order they are looked at. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "hex-binary.h"
#include "sha2.h"
#include "str.h"
#include "fnv.h"
#include "uidl.h"

#define FALLBACK_PREFIX "pj-"
/* of each pool; a string fits into what is left at its end */
#define POOL_BYTES (64 * 1024)
#define POOL_MARGIN_BYTES 1024
/* of the digest; 128 bits never collide by accident */
#define FALLBACK_DIGEST_BYTES 16

/* A value that at least one message came to. */
struct claim {
	/* the message that has it; NULL if it is lost to all who claimed it */
	struct popinjay_uidl *holder;
	/* the highest among the claims */
	enum popinjay_uidl_rank rank;
};

ARRAY_DEFINE_TYPE(uidl_ptr, struct popinjay_uidl *);
ARRAY_DEFINE_TYPE(uidl_pool, pool_t);

struct popinjay_uidl_set {
	ARRAY_TYPE(uidl_pool) pools;
	/* of strings that are not copied, or NULL */
	pool_t held_pool;
	uint32_t uidvalidity;
	popinjay_uidl_get_guid_t *get_guid;
	void *context;

	ARRAY(struct popinjay_uidl) messages;
	ARRAY(const char *) reserved;

	/* while the set is being resolved */
	ARRAY_TYPE(uidl_pool) claim_pools;
	HASH_TABLE(const char *, struct claim *) claims;
	/* have lost what they claimed */
	ARRAY_TYPE(uidl_ptr) losers;
	bool resolved:1;
	bool take_any:1;
};

static unsigned int hash_seed;

bool popinjay_uidl_is_valid(const char *uidl)
{
	size_t i;

	for (i = 0; uidl[i] != '\0'; i++) {
		if (i == POPINJAY_UIDL_MAX_LEN ||
		    uidl[i] < 0x21 || uidl[i] > 0x7e)
			return FALSE;
	}
	return i > 0;
}

bool popinjay_uidl_is_short(const char *uidl)
{
	return strlen(uidl) <= POPINJAY_UIDL_RFC_MAX_LEN;
}

static void hash_uint32(struct sha256_ctx *ctx, uint32_t num)
{
	const unsigned char bytes[] = { num >> 24, num >> 16, num >> 8, num };

	sha256_loop(ctx, bytes, sizeof(bytes));
}

void popinjay_uidl_fallback(string_t *dest, const char *guid,
			    uint32_t uidvalidity, uint32_t uid,
			    unsigned int level)
{
	unsigned char digest[SHA256_RESULTLEN];
	struct sha256_ctx ctx;

	i_assert(level > 0);

	/* NULs end what has no fixed size, so that no two different inputs
	   are the same bytes */
	sha256_init(&ctx);
	hash_uint32(&ctx, level);
	if (guid != NULL && *guid != '\0') {
		sha256_loop(&ctx, guid, strlen(guid) + 1);
		if (level > 1)
			hash_uint32(&ctx, uid);
	} else {
		sha256_loop(&ctx, "", 1);
		hash_uint32(&ctx, uidvalidity);
		hash_uint32(&ctx, uid);
	}
	sha256_result(&ctx, digest);

	str_append(dest, FALLBACK_PREFIX);
	binary_to_hex_append(dest, digest, FALLBACK_DIGEST_BYTES);
}

/* It starts with what nobody outside knows: str_hash() makes it easy to send
   many X-UIDLs with one hash, and each look-up would walk along all of them. It
   also sees little more than the end of a text, which is the host's name in all
   GUIDs of a Maildir. */
unsigned int popinjay_keyed_hash(const char *text)
{
	uint64_t hash;

	if (hash_seed == 0)
		hash_seed = i_rand() | 1;
	hash = popinjay_fnv(POPINJAY_FNV_START ^ hash_seed, text, strlen(text));
	return hash ^ (hash >> 32);
}

/* A pool takes memory by twice what it has: so many small ones, since
   vsz_limit bounds also what is not used. */
static pool_t pools_get(ARRAY_TYPE(uidl_pool) *pools)
{
	pool_t pool;

	if (array_count(pools) > 0) {
		pool = *array_back(pools);
		if (pool_alloconly_get_total_used_size(pool) <
		    POOL_BYTES - POOL_MARGIN_BYTES)
			return pool;
	}
	pool = pool_alloconly_create("popinjay uidls", POOL_BYTES);
	array_push_back(pools, &pool);
	return pool;
}

static void pools_free(ARRAY_TYPE(uidl_pool) *pools)
{
	pool_t *poolp;

	array_foreach_modifiable(pools, poolp)
		pool_unref(poolp);
	array_free(pools);
}

struct popinjay_uidl_set *
popinjay_uidl_set_create(unsigned int message_count, uint32_t uidvalidity,
			 popinjay_uidl_get_guid_t *get_guid, void *context)
{
	struct popinjay_uidl_set *set;

	set = i_new(struct popinjay_uidl_set, 1);
	i_array_init(&set->pools, 64);
	set->uidvalidity = uidvalidity;
	set->get_guid = get_guid;
	set->context = context;
	i_array_init(&set->messages, message_count + 1);
	i_array_init(&set->reserved, 8);
	return set;
}

void popinjay_uidl_set_free(struct popinjay_uidl_set **_set)
{
	struct popinjay_uidl_set *set = *_set;

	if (set == NULL)
		return;
	*_set = NULL;

	array_free(&set->messages);
	array_free(&set->reserved);
	pool_unref(&set->held_pool);
	pools_free(&set->pools);
	i_free(set);
}

void popinjay_uidl_set_take_any(struct popinjay_uidl_set *set)
{
	i_assert(array_count(&set->messages) == 0);
	set->take_any = TRUE;
}

static struct popinjay_uidl *
set_append(struct popinjay_uidl_set *set, uint32_t uid,
	   enum popinjay_uidl_rank rank)
{
	const struct popinjay_uidl *messages;
	struct popinjay_uidl *message;
	unsigned int count;

	i_assert(!set->resolved);
	messages = array_get(&set->messages, &count);
	i_assert(count == 0 || messages[count-1].uid < uid);

	message = array_append_space(&set->messages);
	message->uid = uid;
	message->rank = rank;
	message->source = "";
	return message;
}

struct popinjay_uidl *
popinjay_uidl_set_add(struct popinjay_uidl_set *set, uint32_t uid,
		      const char *uidl, enum popinjay_uidl_rank rank)
{
	struct popinjay_uidl *message = set_append(set, uid, rank);

	if (uidl != NULL && (set->take_any || popinjay_uidl_is_valid(uidl)))
		message->uidl = p_strdup(pools_get(&set->pools), uidl);
	return message;
}

struct popinjay_uidl *
popinjay_uidl_set_add_saved(struct popinjay_uidl_set *set, uint32_t uid,
			    const char *uidl, const char *key)
{
	struct popinjay_uidl *message = set_append(set, uid,
						   POPINJAY_UIDL_SAVED);

	message->uidl = uidl;
	message->key = key;
	return message;
}

void popinjay_uidl_set_hold(struct popinjay_uidl_set *set, pool_t pool)
{
	i_assert(set->held_pool == NULL);
	set->held_pool = pool;
	pool_ref(pool);
}

void popinjay_uidl_set_key(struct popinjay_uidl_set *set,
			   struct popinjay_uidl *message, const char *key)
{
	message->key = p_strdup(pools_get(&set->pools), key);
}

void popinjay_uidl_set_reserve(struct popinjay_uidl_set *set,
			       const char *uidl)
{
	i_assert(!set->resolved);
	array_push_back(&set->reserved, &uidl);
}

static void set_lose(struct popinjay_uidl_set *set,
		     struct popinjay_uidl *message)
{
	array_push_back(&set->losers, &message);
}

static struct claim *
set_claim_new(struct popinjay_uidl_set *set, const char *uidl)
{
	struct claim *claim = p_new(pools_get(&set->claim_pools),
				    struct claim, 1);

	hash_table_insert(set->claims, uidl, claim);
	return claim;
}

static const char *
set_get_guid(struct popinjay_uidl_set *set, struct popinjay_uidl *message)
{
	const char *guid;

	if (message->guid == NULL) {
		guid = set->get_guid(set->context, message->uid);
		message->guid = guid == NULL ? "" :
			p_strdup(pools_get(&set->pools), guid);
	}
	return message->guid;
}

static bool set_are_copies(struct popinjay_uidl_set *set,
			   struct popinjay_uidl *message1,
			   struct popinjay_uidl *message2)
{
	const char *guid = set_get_guid(set, message1);

	return *guid != '\0' && strcmp(guid, set_get_guid(set, message2)) == 0;
}

static void set_claim(struct popinjay_uidl_set *set,
		      struct popinjay_uidl *message)
{
	struct claim *claim;
	enum popinjay_uidl_rank rank =
		message->replaced ? POPINJAY_UIDL_MADE : message->rank;

	claim = hash_table_lookup(set->claims, message->uidl);
	if (claim == NULL) {
		claim = set_claim_new(set, message->uidl);
		claim->holder = message;
		claim->rank = rank;
		return;
	}

	message->clashed = TRUE;
	if (claim->rank > rank) {
		set_lose(set, message);
		return;
	}
	if (rank >= POPINJAY_UIDL_STORED && claim->rank == rank &&
	    claim->holder != NULL &&
	    set_are_copies(set, claim->holder, message)) {
		set_lose(set, message);
		return;
	}
	if (claim->holder != NULL) {
		claim->holder->clashed = TRUE;
		set_lose(set, claim->holder);
	}
	if (rank > claim->rank) {
		claim->holder = message;
		claim->rank = rank;
	} else {
		claim->holder = NULL;
		set_lose(set, message);
	}
}

static void set_raise(struct popinjay_uidl_set *set,
		      struct popinjay_uidl *message)
{
	string_t *uidl = t_str_new(POPINJAY_UIDL_MAX_LEN);

	popinjay_uidl_fallback(uidl, set_get_guid(set, message),
			       set->uidvalidity, message->uid,
			       ++message->level);
	message->uidl = p_strdup(pools_get(&set->pools), str_c(uidl));
	message->replaced = TRUE;
}

static int
uidl_ptr_cmp(struct popinjay_uidl *const *message1,
	     struct popinjay_uidl *const *message2)
{
	if ((*message1)->uid == (*message2)->uid)
		return 0;
	return (*message1)->uid < (*message2)->uid ? -1 : 1;
}

void popinjay_uidl_set_resolve(struct popinjay_uidl_set *set)
{
	ARRAY_TYPE(uidl_ptr) raised;
	struct popinjay_uidl *message, *const *messagep;
	const char *const *reservedp;

	i_assert(!set->resolved);
	set->resolved = TRUE;
	if (set->take_any)
		return;

	i_array_init(&set->claim_pools, 64);
	hash_table_create(&set->claims, default_pool,
			  array_count(&set->messages), popinjay_keyed_hash,
			  strcmp);
	i_array_init(&set->losers, 128);
	i_array_init(&raised, 128);

	array_foreach(&set->reserved, reservedp) {
		if (hash_table_lookup(set->claims, *reservedp) == NULL) {
			set_claim_new(set, *reservedp)->rank =
				POPINJAY_UIDL_GONE;
		}
	}
	array_foreach_modifiable(&set->messages, message) {
		if (message->uidl == NULL)
			set_lose(set, message);
		else
			set_claim(set, message);
	}
	while (array_count(&set->losers) > 0) {
		/* storages find GUIDs fastest in the order of uids */
		array_clear(&raised);
		array_append_array(&raised, &set->losers);
		array_clear(&set->losers);
		array_sort(&raised, uidl_ptr_cmp);
		array_foreach(&raised, messagep) T_BEGIN {
			set_raise(set, *messagep);
			set_claim(set, *messagep);
		} T_END;
	}

	array_free(&raised);
	array_free(&set->losers);
	hash_table_destroy(&set->claims);
	pools_free(&set->claim_pools);
}

void popinjay_uidl_set_provisional(struct popinjay_uidl_set *set,
				   uint32_t uid)
{
	struct popinjay_uidl *message;

	i_assert(set->resolved);
	array_foreach_modifiable(&set->messages, message) {
		if (message->uid == uid)
			message->provisional = TRUE;
	}
}

const struct popinjay_uidl *
popinjay_uidl_set_get(const struct popinjay_uidl_set *set,
		      unsigned int *count_r)
{
	i_assert(set->resolved);
	return array_get(&set->messages, count_r);
}

static int uid_cmp(const void *_uid, const void *_message)
{
	const uint32_t *uid = _uid;
	const struct popinjay_uidl *message = _message;

	if (*uid == message->uid)
		return 0;
	return *uid < message->uid ? -1 : 1;
}

const struct popinjay_uidl *
popinjay_uidl_set_find(const struct popinjay_uidl_set *set, uint32_t uid)
{
	const struct popinjay_uidl *messages;
	unsigned int count;

	messages = popinjay_uidl_set_get(set, &count);
	return bsearch(&uid, messages, count, sizeof(*messages), uid_cmp);
}
