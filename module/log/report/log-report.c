/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: counts the records of a log. */

#include "lib.h"
#include "array.h"
#include "net.h"
#include "log-report-private.h"
#include "time-units.h"

/* eleven years; a log with more hours has wrong times */
#define HOURS_MAX 100000
/* different names in a struct report_counts */
#define COUNTS_MAX 64
#define BROKEN_MAX 1000

struct popinjay_log_report *
popinjay_log_report_init(const struct popinjay_log_report_settings *set)
{
	struct popinjay_log_report *report;

	report = i_new(struct popinjay_log_report, 1);
	report->set = *set;
	hash_table_create(&report->users.entries, default_pool, 0, str_hash,
			  strcmp);
	hash_table_create(&report->addresses.entries, default_pool, 0,
			  str_hash, strcmp);
	hash_table_create(&report->pairs.entries, default_pool, 0, str_hash,
			  strcmp);
	hash_table_create_direct(&report->hours, default_pool, 0);
	i_array_init(&report->ends.counts, 8);
	i_array_init(&report->mechanisms.counts, 8);
	i_array_init(&report->tls_versions.counts, 8);
	i_array_init(&report->refusals.counts, 16);
	i_array_init(&report->broken, 8);
	return report;
}

static void entry_free(struct report_entry *entry)
{
	i_free(entry->name);
	i_free(entry);
}

static void table_deinit(struct report_table *table)
{
	struct hash_iterate_context *iter;
	struct report_entry *entry;
	char *name;

	iter = hash_table_iterate_init(table->entries);
	while (hash_table_iterate(iter, table->entries, &name, &entry))
		entry_free(entry);
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&table->entries);
}

static void counts_deinit(struct report_counts *counts)
{
	struct report_count *count;

	array_foreach_modifiable(&counts->counts, count)
		i_free(count->name);
	array_free(&counts->counts);
}

void popinjay_log_report_deinit(struct popinjay_log_report **_report)
{
	struct popinjay_log_report *report = *_report;
	struct hash_iterate_context *iter;
	struct report_broken *broken;
	struct report_hour *hour;
	void *key;

	*_report = NULL;
	table_deinit(&report->users);
	table_deinit(&report->addresses);
	table_deinit(&report->pairs);
	iter = hash_table_iterate_init(report->hours);
	while (hash_table_iterate(iter, report->hours, &key, &hour))
		i_free(hour);
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&report->hours);
	counts_deinit(&report->ends);
	counts_deinit(&report->mechanisms);
	counts_deinit(&report->tls_versions);
	counts_deinit(&report->refusals);
	array_foreach_modifiable(&report->broken, broken) {
		i_free(broken->user);
		i_free(broken->guid);
	}
	array_free(&report->broken);
	i_free(report);
}

/* --- tables --- */

/* Covers everything that sections are sorted by: the first rows of a section
   must not be dropped. */
static uint64_t entry_weight(const struct report_entry *entry)
{
	return entry->sessions + entry->refused + entry->again +
		(entry->bytes >> 20);
}

static int entry_weight_cmp(struct report_entry *const *entry1,
			    struct report_entry *const *entry2)
{
	uint64_t weight1 = entry_weight(*entry1);
	uint64_t weight2 = entry_weight(*entry2);

	if (weight1 != weight2)
		return weight1 < weight2 ? -1 : 1;
	return strcmp((*entry1)->name, (*entry2)->name);
}

/* Make room: drop the half with the lowest weight. */
static void table_prune(struct report_table *table)
{
	struct hash_iterate_context *iter;
	ARRAY(struct report_entry *) entries;
	struct report_entry *entry;
	unsigned int i, count = hash_table_count(table->entries);
	char *name;

	i_array_init(&entries, count);
	iter = hash_table_iterate_init(table->entries);
	while (hash_table_iterate(iter, table->entries, &name, &entry))
		array_push_back(&entries, &entry);
	hash_table_iterate_deinit(&iter);
	array_sort(&entries, entry_weight_cmp);
	for (i = 0; i < count / 2; i++) {
		entry = array_idx_elem(&entries, i);
		hash_table_remove(table->entries, entry->name);
		entry_free(entry);
	}
	array_free(&entries);
	table->dropped += count / 2;
}

static struct report_entry *
table_get(struct report_table *table, const char *name)
{
	struct report_entry *entry;

	entry = hash_table_lookup(table->entries, name);
	if (entry != NULL)
		return entry;
	if (hash_table_count(table->entries) >= POPINJAY_LOG_REPORT_NAMES_MAX)
		table_prune(table);
	entry = i_new(struct report_entry, 1);
	entry->name = i_strdup(name);
	hash_table_insert(table->entries, entry->name, entry);
	return entry;
}

static void counts_add(struct report_counts *counts, const char *name)
{
	struct report_count *count;

	if (name == NULL)
		name = "unknown";
	array_foreach_modifiable(&counts->counts, count) {
		if (strcmp(count->name, name) == 0) {
			count->count++;
			return;
		}
	}
	if (array_count(&counts->counts) == COUNTS_MAX)
		return;
	count = array_append_space(&counts->counts);
	count->name = i_strdup(name);
	count->count = 1;
}

static struct report_hour *
get_hour(struct popinjay_log_report *report, uint64_t usecs)
{
	void *key = POINTER_CAST((uintptr_t)(usecs / USECS_IN_HOUR) + 1);
	struct report_hour *hour;

	hour = hash_table_lookup(report->hours, key);
	if (hour == NULL && hash_table_count(report->hours) < HOURS_MAX) {
		hour = i_new(struct report_hour, 1);
		hash_table_insert(report->hours, key, hour);
	}
	return hour;
}

/* --- records --- */

#define STR(key) popinjay_log_record_str(record, POPINJAY_LOG_##key)
#define NUM(key) popinjay_log_record_num(record, POPINJAY_LOG_##key)
#define HAS(key) popinjay_log_record_has(record, POPINJAY_LOG_##key)

/* Returns TRUE if the mechanism sends the password itself. Records of older
   versions do not have the mechanism. */
static bool sends_password(const char *mechanism)
{
	return mechanism == NULL || strcasecmp(mechanism, "PLAIN") == 0 ||
		strcasecmp(mechanism, "LOGIN") == 0 ||
		strcasecmp(mechanism, "XOAUTH2") == 0 ||
		strcasecmp(mechanism, "OAUTHBEARER") == 0;
}

/* Sessions from the server itself, such as a webmail's, need no TLS. */
static bool is_local(const char *remote_ip, const char *local_ip)
{
	return remote_ip != NULL &&
		(null_strcmp(remote_ip, local_ip) == 0 ||
		 strncmp(remote_ip, "127.", 4) == 0 ||
		 strcmp(remote_ip, "::1") == 0);
}

/* The record has 64 bits as hex; 0 is kept for "not known". */
static uint64_t get_fingerprint(const char *hex)
{
	uint64_t num;

	if (hex == NULL || str_to_uint64_hex(hex, &num) < 0)
		return 0;
	return num == 0 ? 1 : num;
}

static void entry_add(struct report_entry *entry,
		      const struct popinjay_log_record *record, bool no_tls,
		      bool in_clear)
{
	entry->sessions++;
	entry->messages += NUM(RETR_COUNT);
	entry->bytes += NUM(BYTES_OUT);
	entry->again += NUM(REFETCH_COUNT);
	entry->again_bytes += NUM(REFETCH_BYTES);
	if (!popinjay_log_record_str_equals(record, POPINJAY_LOG_END, "quit"))
		entry->failed++;
	entry->no_tls += no_tls ? 1 : 0;
	entry->in_clear += in_clear ? 1 : 0;
}

static void
add_uidls(struct report_entry *user, const struct popinjay_log_record *record)
{
	uint64_t fingerprint = get_fingerprint(STR(UIDL_FINGERPRINT));
	uint64_t messages = NUM(MESSAGES);

	if (fingerprint != 0 && user->fingerprint != 0 && messages > 0 &&
	    user->messages_left == messages &&
	    user->fingerprint != fingerprint)
		user->uidl_changes++;
	user->fingerprint = get_fingerprint(STR(UIDL_FINGERPRINT_LEFT));
	user->messages_left = messages - I_MIN(messages, NUM(EXPUNGED_COUNT));
}

static void
add_poll(struct popinjay_log_report *report,
	 const struct popinjay_log_record *record, const char *user,
	 const char *address)
{
	struct report_entry *pair;
	uint64_t start = record->time_usecs -
		I_MIN(record->time_usecs, NUM(DURATION_USECS));

	pair = table_get(&report->pairs, t_strconcat(user, "\t", address,
						     NULL));
	pair->sessions++;
	if (pair->start_usecs != 0 && start > pair->start_usecs &&
	    start - pair->start_usecs <
	    report->set.poll_secs * USECS_IN_SEC) {
		pair->polls++;
		pair->poll_gaps_usecs += start - pair->start_usecs;
	}
	if (start > pair->start_usecs)
		pair->start_usecs = start;
}

static void
add_session(struct popinjay_log_report *report,
	    const struct popinjay_log_record *record)
{
	const char *user = STR(USER), *address = STR(REMOTE_IP);
	const char *mechanism = STR(MECHANISM);
	struct report_entry *entry;
	struct report_hour *hour;
	bool no_tls, in_clear;

	no_tls = NUM(TLS) == 0 && !is_local(address, STR(LOCAL_IP));
	in_clear = no_tls && sends_password(mechanism);
	entry_add(&report->total, record, no_tls, in_clear);
	report->expunged += NUM(EXPUNGED_COUNT);
	if (NUM(UNREADABLE_COUNT) > 0)
		report->unreadable++;
	counts_add(&report->ends, STR(END));
	if (HAS(MECHANISM))
		counts_add(&report->mechanisms, mechanism);

	hour = get_hour(report, record->time_usecs);
	if (hour != NULL) {
		hour->sessions++;
		hour->messages += NUM(RETR_COUNT);
		hour->bytes += NUM(BYTES_OUT);
		hour->no_tls += no_tls ? 1 : 0;
	}
	if (user != NULL) {
		entry = table_get(&report->users, user);
		entry_add(entry, record, no_tls, in_clear);
		add_uidls(entry, record);
		if (no_tls) {
			i_strocpy(entry->mechanism,
				  mechanism != NULL ? mechanism : "",
				  sizeof(entry->mechanism));
			i_strocpy(entry->address,
				  address != NULL ? address : "",
				  sizeof(entry->address));
		}
	}
	if (address != NULL) {
		entry_add(table_get(&report->addresses, address), record,
			  no_tls, in_clear);
	}
	if (user != NULL && address != NULL)
		add_poll(report, record, user, address);
}

static void
add_login(struct popinjay_log_report *report,
	  const struct popinjay_log_record *record)
{
	report->login_seen = TRUE;
	if (popinjay_log_record_str_equals(record, POPINJAY_LOG_RESULT,
					   "accepted")) {
		if (NUM(TLS) != 0)
			counts_add(&report->tls_versions, STR(TLS_VERSION));
		return;
	}
	report->total.refused++;
	counts_add(&report->refusals, STR(REASON));
	if (HAS(USER))
		table_get(&report->users, STR(USER))->refused++;
	if (HAS(REMOTE_IP))
		table_get(&report->addresses, STR(REMOTE_IP))->refused++;
}

static void
add_message(struct popinjay_log_report *report,
	    const struct popinjay_log_record *record)
{
	const char *user = STR(USER), *guid = STR(GUID);
	struct report_broken *broken;

	report->message_seen = TRUE;
	if (!popinjay_log_record_str_equals(record, POPINJAY_LOG_ACTION,
					    "expunge"))
		report->download_seen = TRUE;
	if (!popinjay_log_record_str_equals(record, POPINJAY_LOG_CUT_BY,
					    "storage"))
		return;
	array_foreach_modifiable(&report->broken, broken) {
		if (broken->uid == NUM(UID) &&
		    null_strcmp(broken->user, user) == 0 &&
		    null_strcmp(broken->guid, guid) == 0) {
			broken->count++;
			broken->usecs = record->time_usecs;
			return;
		}
	}
	if (array_count(&report->broken) == BROKEN_MAX)
		return;
	broken = array_append_space(&report->broken);
	broken->user = i_strdup(user);
	broken->guid = i_strdup(guid);
	broken->uid = NUM(UID);
	broken->usecs = record->time_usecs;
	broken->count = 1;
}

void popinjay_log_report_add(struct popinjay_log_report *report,
			     const struct popinjay_log_record *record)
{
	if (record->time_usecs < report->set.since_usecs ||
	    record->time_usecs >= report->set.until_usecs)
		return;
	if (report->first_usecs == 0 ||
	    record->time_usecs < report->first_usecs)
		report->first_usecs = record->time_usecs;
	if (record->time_usecs > report->last_usecs)
		report->last_usecs = record->time_usecs;
	T_BEGIN {
		switch (record->event) {
		case POPINJAY_LOG_SESSION:
			add_session(report, record);
			break;
		case POPINJAY_LOG_MESSAGE:
			add_message(report, record);
			break;
		case POPINJAY_LOG_LOGIN:
			add_login(report, record);
			break;
		case POPINJAY_LOG_OTHER_EVENT:
			break;
		}
	} T_END;
}
