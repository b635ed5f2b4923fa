/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pure logic: tells whether a mailbox is about to show its messages with other
   UIDLs than before (RFC 1939 section 7: a UIDL persists across sessions). */

#include "lib.h"
#include "array.h"
#include "crc32.h"
#include "str.h"
#include "strnum.h"
#include "uidl-drift.h"
#include "uidl.h"

#define FILE_MAGIC "popinjay-uidl-shown 1 "
#define LINE_BYTES 18

/* How a message was shown. Not all that share a key need have one hash. */
struct shown {
	uint32_t key_hash, uidl_hash;
};
ARRAY_DEFINE_TYPE(shown, struct shown);

struct popinjay_uidl_drift {
	/* sorted */
	ARRAY_TYPE(shown) sample;
};

static int shown_cmp(const struct shown *shown1, const struct shown *shown2)
{
	if (shown1->key_hash != shown2->key_hash)
		return shown1->key_hash < shown2->key_hash ? -1 : 1;
	if (shown1->uidl_hash != shown2->uidl_hash)
		return shown1->uidl_hash < shown2->uidl_hash ? -1 : 1;
	return 0;
}

static struct popinjay_uidl_drift *drift_alloc(void)
{
	struct popinjay_uidl_drift *drift = i_new(struct popinjay_uidl_drift,
						  1);

	i_array_init(&drift->sample, 128);
	return drift;
}

void popinjay_uidl_drift_free(struct popinjay_uidl_drift **_drift)
{
	struct popinjay_uidl_drift *drift = *_drift;

	if (drift == NULL)
		return;
	*_drift = NULL;
	array_free(&drift->sample);
	i_free(drift);
}

/* Sort the sample, cut it to its size, and return the highest key hash that
   can be in it. */
static uint32_t sample_cut(ARRAY_TYPE(shown) *sample)
{
	const struct shown *shown;
	unsigned int count;

	array_sort(sample, shown_cmp);
	count = array_count(sample);
	if (count <= POPINJAY_UIDL_DRIFT_SAMPLE)
		return UINT32_MAX;
	array_delete(sample, POPINJAY_UIDL_DRIFT_SAMPLE,
		     count - POPINJAY_UIDL_DRIFT_SAMPLE);
	shown = array_idx(sample, POPINJAY_UIDL_DRIFT_SAMPLE - 1);
	return shown->key_hash;
}

/* A CRC tells texts apart, but those of names that were counted up are no
   random sample: so its bits are mixed, as murmurhash3 does at its end. */
static uint32_t hash(const char *text)
{
	uint32_t value = crc32_str(text);

	value = (value ^ (value >> 16)) * 0x85ebca6bU;
	value = (value ^ (value >> 13)) * 0xc2b2ae35U;
	return value ^ (value >> 16);
}

/* Gather all messages whose key hash is up to highest; with cut, only as many
   as a sample has. */
static void sample_set(ARRAY_TYPE(shown) *sample,
		       const struct popinjay_uidl_set *set, uint32_t highest,
		       bool cut)
{
	const struct popinjay_uidl *messages;
	struct shown shown;
	unsigned int i, count;

	messages = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		if (messages[i].key == NULL || *messages[i].key == '\0' ||
		    messages[i].provisional)
			continue;
		shown.key_hash = hash(messages[i].key);
		if (shown.key_hash > highest)
			continue;
		shown.uidl_hash = hash(messages[i].uidl);
		array_push_back(sample, &shown);
		if (cut &&
		    array_count(sample) >= 2 * POPINJAY_UIDL_DRIFT_SAMPLE)
			highest = sample_cut(sample);
	}
	if (cut)
		(void)sample_cut(sample);
	else
		array_sort(sample, shown_cmp);
}

static bool set_has_provisional(const struct popinjay_uidl_set *set)
{
	const struct popinjay_uidl *messages;
	unsigned int i, count;

	messages = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++) {
		if (messages[i].provisional)
			return TRUE;
	}
	return FALSE;
}

/* Add what was shown of keys that the sample does not have. Even the key of a
   message that cannot be read may not be known, so any of them may be its. */
static void sample_add_missing(ARRAY_TYPE(shown) *sample,
			       const ARRAY_TYPE(shown) *then)
{
	const struct shown *old, *now = NULL;
	unsigned int i = 0, count = array_count(sample);

	array_foreach(then, old) {
		for (; i < count; i++) {
			now = array_idx(sample, i);
			if (now->key_hash >= old->key_hash)
				break;
		}
		if (i == count || now->key_hash != old->key_hash)
			array_push_back(sample, old);
	}
	(void)sample_cut(sample);
}

struct popinjay_uidl_drift *
popinjay_uidl_drift_create(const struct popinjay_uidl_set *set,
			   const struct popinjay_uidl_drift *shown)
{
	struct popinjay_uidl_drift *drift = drift_alloc();

	sample_set(&drift->sample, set, UINT32_MAX, TRUE);
	if (shown != NULL && set_has_provisional(set))
		sample_add_missing(&drift->sample, &shown->sample);
	return drift;
}

static int parse_hash(const char *hex, uint32_t *hash_r)
{
	unsigned int i;

	*hash_r = 0;
	for (i = 0; i < 8; i++) {
		char chr = hex[i];

		if (chr >= '0' && chr <= '9')
			*hash_r = (*hash_r << 4) | (chr - '0');
		else if (chr >= 'a' && chr <= 'f')
			*hash_r = (*hash_r << 4) | (chr - 'a' + 10);
		else
			return -1;
	}
	return 0;
}

static int drift_parse(struct popinjay_uidl_drift *drift, const char *data,
		       const char *end)
{
	const char *lf = memchr(data, '\n', end - data);
	struct shown shown;
	unsigned int count, left;

	if (lf == NULL || memchr(data, '\0', lf - data) != NULL)
		return -1;
	data = t_strdup_until(data, lf);
	if (strncmp(data, FILE_MAGIC, strlen(FILE_MAGIC)) != 0 ||
	    str_to_uint(data + strlen(FILE_MAGIC), &count) < 0 ||
	    count > POPINJAY_UIDL_DRIFT_SAMPLE ||
	    (size_t)(end - lf - 1) != (size_t)count * LINE_BYTES)
		return -1;
	data = lf + 1;
	for (left = count; left > 0; left--, data += LINE_BYTES) {
		if (parse_hash(data, &shown.key_hash) < 0 ||
		    data[8] != ' ' ||
		    parse_hash(data + 9, &shown.uidl_hash) < 0 ||
		    data[17] != '\n')
			return -1;
		array_push_back(&drift->sample, &shown);
	}
	array_sort(&drift->sample, shown_cmp);
	return 0;
}

int popinjay_uidl_drift_parse(const void *data, size_t size,
			      struct popinjay_uidl_drift **drift_r)
{
	struct popinjay_uidl_drift *drift = drift_alloc();
	const char *text = data;

	if (drift_parse(drift, text, text + size) < 0) {
		popinjay_uidl_drift_free(&drift);
		return -1;
	}
	*drift_r = drift;
	return 0;
}

void popinjay_uidl_drift_write(const struct popinjay_uidl_drift *drift,
			       string_t *dest)
{
	const struct shown *shown;

	str_printfa(dest, FILE_MAGIC"%u\n", array_count(&drift->sample));
	array_foreach(&drift->sample, shown) {
		str_printfa(dest, "%08x %08x\n", shown->key_hash,
			    shown->uidl_hash);
	}
}

bool popinjay_uidl_drift_equals(const struct popinjay_uidl_drift *drift1,
				const struct popinjay_uidl_drift *drift2)
{
	return array_cmp(&drift1->sample, &drift2->sample);
}

/* Returns the number of messages from idx on that have its key. */
static unsigned int
same_key(const struct shown *shown, unsigned int idx, unsigned int count)
{
	unsigned int end = idx + 1;

	while (end < count && shown[end].key_hash == shown[idx].key_hash)
		end++;
	return end - idx;
}

/* Compare the messages of one key. Those missing now were deleted; those beyond
   the old number are new. */
static void
compare_key(const struct shown *then, unsigned int then_count,
	     const struct shown *now, unsigned int now_count,
	     struct popinjay_uidl_drift_result *result)
{
	unsigned int i, j, same = 0;
	unsigned int both = I_MIN(then_count, now_count);

	for (i = j = 0; i < then_count && j < now_count; ) {
		int cmp = shown_cmp(&then[i], &now[j]);

		if (cmp == 0)
			same++;
		if (cmp <= 0)
			i++;
		if (cmp >= 0)
			j++;
	}
	result->compared += both;
	result->changed += both - same;
}

void popinjay_uidl_drift_compare(const struct popinjay_uidl_drift *drift,
				 const struct popinjay_uidl_set *set,
				 struct popinjay_uidl_drift_result *result_r)
{
	ARRAY_TYPE(shown) now_sample;
	const struct shown *then, *now;
	unsigned int i, j, then_count, now_count;

	i_zero(result_r);
	then = array_get(&drift->sample, &then_count);
	if (then_count == 0)
		return;

	i_array_init(&now_sample, 128);
	sample_set(&now_sample, set, then[then_count - 1].key_hash, FALSE);
	now = array_get(&now_sample, &now_count);
	for (i = j = 0; i < then_count && j < now_count; ) {
		unsigned int then_same = same_key(then, i, then_count);
		unsigned int now_same = same_key(now, j, now_count);
		uint32_t then_hash = then[i].key_hash;
		uint32_t now_hash = now[j].key_hash;

		if (then_hash == now_hash) {
			compare_key(then + i, then_same, now + j, now_same,
				     result_r);
		}
		if (then_hash <= now_hash)
			i += then_same;
		if (then_hash >= now_hash)
			j += now_same;
	}
	array_free(&now_sample);
}

bool
popinjay_uidl_drift_exceeds(const struct popinjay_uidl_drift_result *result,
			    unsigned int limit)
{
	return (uint64_t)result->changed * 100 >
		(uint64_t)result->compared * limit;
}
