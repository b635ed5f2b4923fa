/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: makes the sections of a report from what was counted. */

#include "lib.h"
#include "array.h"
#include "time-util.h"
#include "log-report-private.h"
#include "log-text.h"
#include "time-units.h"

#include <time.h>

/* rows are hours, days or months, so that there are not too many */
#define HOURS_SECTION_MAX_DAYS 3
#define DAYS_SECTION_MAX_DAYS 100

#define COLUMN(name) [POPINJAY_LOG_COLUMN_##name]
#define ROW_NUM(row, name) (row)->num[POPINJAY_LOG_COLUMN_##name]
#define ROW_TEXT(row, name) (row)->text[POPINJAY_LOG_COLUMN_##name]

struct builder {
	struct popinjay_log_report *report;
	pool_t pool;
	ARRAY_TYPE(popinjay_log_section) *sections;
};

/* Returns what an entry is sorted by in a section; 0: it is left out. */
typedef uint64_t entry_rank(const struct report_entry *entry);
/* Fill the row of an entry. */
typedef void entry_row(pool_t pool, const struct report_entry *entry,
		       struct popinjay_log_row *row);

struct ranked {
	uint64_t rank;
	const struct report_entry *entry;
};

static struct popinjay_log_section *
add_section(struct builder *b, const struct popinjay_log_section *section)
{
	struct popinjay_log_section *copy = array_append_space(b->sections);

	*copy = *section;
	p_array_init(&copy->rows, b->pool, 16);
	return copy;
}

static int ranked_cmp(const struct ranked *ranked1,
		      const struct ranked *ranked2)
{
	if (ranked1->rank != ranked2->rank)
		return ranked1->rank > ranked2->rank ? -1 : 1;
	return strcmp(ranked1->entry->name, ranked2->entry->name);
}

/* Add a section of the entries that rank first. */
static void
add_ranked(struct builder *b, const struct report_table *table,
	   entry_rank *rank, entry_row *fill,
	   const struct popinjay_log_section *section)
{
	ARRAY_TYPE(popinjay_log_row) *rows = &add_section(b, section)->rows;
	struct hash_iterate_context *iter;
	struct report_entry *entry;
	ARRAY(struct ranked) all;
	struct ranked *ranked;
	char *name;

	i_array_init(&all, 256);
	iter = hash_table_iterate_init(table->entries);
	while (hash_table_iterate(iter, table->entries, &name, &entry)) {
		if (rank(entry) > 0) {
			ranked = array_append_space(&all);
			ranked->rank = rank(entry);
			ranked->entry = entry;
		}
	}
	hash_table_iterate_deinit(&iter);
	array_sort(&all, ranked_cmp);
	array_foreach_modifiable(&all, ranked) {
		if (array_count(rows) == b->report->set.top)
			break;
		fill(b->pool, ranked->entry, array_append_space(rows));
	}
	array_free(&all);
}

/* --- summary --- */

static void summary_add(struct popinjay_log_section *section, const char *name,
			uint64_t count)
{
	struct popinjay_log_row *row = array_append_space(&section->rows);

	ROW_TEXT(row, NAME) = name;
	ROW_NUM(row, COUNT) = count;
}

static uint64_t count_used(const struct report_table *table)
{
	struct hash_iterate_context *iter;
	struct report_entry *entry;
	uint64_t count = table->dropped;
	char *name;

	iter = hash_table_iterate_init(table->entries);
	while (hash_table_iterate(iter, table->entries, &name, &entry))
		count += entry->sessions > 0 ? 1 : 0;
	hash_table_iterate_deinit(&iter);
	return count;
}

static void add_summary(struct builder *b)
{
	static const struct popinjay_log_section section = {
		.id = "summary", .title = "Summary",
		.columns = { COLUMN(NAME) = "", COLUMN(COUNT) = "number" }
	};
	struct popinjay_log_report *report = b->report;
	struct popinjay_log_section *summary = add_section(b, &section);

	summary_add(summary, "sessions", report->total.sessions);
	summary_add(summary, "users", count_used(&report->users));
	summary_add(summary, "addresses", count_used(&report->addresses));
	summary_add(summary, "messages downloaded", report->total.messages);
	summary_add(summary, "messages downloaded again",
		    report->total.again);
	summary_add(summary, "messages deleted", report->expunged);
	summary_add(summary, "bytes sent", report->total.bytes);
	summary_add(summary, "sessions without TLS", report->total.no_tls);
	summary_add(summary, "passwords in the clear",
		    report->total.in_clear);
	summary_add(summary, "sessions not ended by QUIT",
		    report->total.failed);
	summary_add(summary, "sessions with unreadable messages",
		    report->unreadable);
	if (report->download_seen) {
		summary_add(summary, "messages not readable",
			    array_count(&report->broken));
	}
	if (report->login_seen)
		summary_add(summary, "logins refused", report->total.refused);
}

/* --- times --- */

ARRAY_DEFINE_TYPE(report_hours, time_t);

static int hour_cmp(const time_t *time1, const time_t *time2)
{
	return *time1 < *time2 ? -1 : (*time1 > *time2 ? 1 : 0);
}

enum time_unit {
	UNIT_HOUR,
	UNIT_DAY,
	UNIT_MONTH
};

static const char *time_name(time_t time, enum time_unit unit)
{
	switch (unit) {
	case UNIT_HOUR:
		return t_strflocaltime("%Y-%m-%d %H:00", time);
	case UNIT_DAY:
		return t_strflocaltime("%Y-%m-%d", time);
	case UNIT_MONTH:
		return t_strflocaltime("%Y-%m", time);
	}
	i_unreached();
}

static struct popinjay_log_row *
time_row(struct builder *b, ARRAY_TYPE(popinjay_log_row) *rows, time_t time,
	 enum time_unit unit)
{
	struct popinjay_log_row *row = NULL;
	unsigned int count = array_count(rows);
	const char *name = time_name(time, unit);

	if (count > 0) {
		row = array_idx_modifiable(rows, count - 1);
		if (strcmp(ROW_TEXT(row, NAME), name) == 0)
			return row;
	}
	row = array_append_space(rows);
	ROW_TEXT(row, NAME) = p_strdup(b->pool, name);
	return row;
}

/* Get the beginnings of all hours with sessions, sorted. */
static void get_hours(struct popinjay_log_report *report,
		      ARRAY_TYPE(report_hours) *hours)
{
	struct hash_iterate_context *iter;
	struct report_hour *hour;
	time_t time;
	void *key;

	iter = hash_table_iterate_init(report->hours);
	while (hash_table_iterate(iter, report->hours, &key, &hour)) {
		time = ((time_t)POINTER_CAST_TO(key, uintptr_t) - 1) *
			SECS_IN_HOUR;
		array_push_back(hours, &time);
	}
	hash_table_iterate_deinit(&iter);
	array_sort(hours, hour_cmp);
}

static enum time_unit choose_unit(const ARRAY_TYPE(report_hours) *hours)
{
	unsigned int count = array_count(hours);
	time_t secs = count == 0 ? 0 : array_idx_elem(hours, count - 1) -
		array_idx_elem(hours, 0);

	if (secs < HOURS_SECTION_MAX_DAYS * SECS_IN_DAY)
		return UNIT_HOUR;
	return secs < DAYS_SECTION_MAX_DAYS * SECS_IN_DAY ? UNIT_DAY :
		UNIT_MONTH;
}

static void add_times(struct builder *b)
{
	static const struct popinjay_log_section section = {
		.id = "times", .title = "When",
		.columns = {
			COLUMN(NAME) = "local time",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(MESSAGES) = "downloaded",
			COLUMN(BYTES) = "bytes sent",
			COLUMN(COUNT) = "without TLS",
		}
	};
	ARRAY_TYPE(popinjay_log_row) *rows = &add_section(b, &section)->rows;
	ARRAY_TYPE(report_hours) hours;
	const struct report_hour *hour;
	struct popinjay_log_row *row;
	enum time_unit unit;
	time_t time, previous = 0;

	i_array_init(&hours, 256);
	get_hours(b->report, &hours);
	unit = choose_unit(&hours);
	array_foreach_elem(&hours, time) {
		/* hours and days without sessions get a row, too */
		while (previous != 0 && previous + SECS_IN_HOUR < time &&
		       unit != UNIT_MONTH) {
			previous += SECS_IN_HOUR;
			(void)time_row(b, rows, previous, unit);
		}
		previous = time;
		hour = hash_table_lookup(b->report->hours,
				POINTER_CAST(time / SECS_IN_HOUR + 1));
		row = time_row(b, rows, time, unit);
		ROW_NUM(row, SESSIONS) += hour->sessions;
		ROW_NUM(row, MESSAGES) += hour->messages;
		ROW_NUM(row, BYTES) += hour->bytes;
		ROW_NUM(row, COUNT) += hour->no_tls;
	}
	array_free(&hours);
}

/* --- users and addresses --- */

static uint64_t rank_bytes(const struct report_entry *entry)
{
	return entry->sessions == 0 ? 0 : entry->bytes + 1;
}

static uint64_t rank_sessions(const struct report_entry *entry)
{
	return entry->sessions;
}

static void row_activity(pool_t pool, const struct report_entry *entry,
			 struct popinjay_log_row *row)
{
	ROW_TEXT(row, NAME) = popinjay_log_text_clean(pool, entry->name);
	ROW_NUM(row, SESSIONS) = entry->sessions;
	ROW_NUM(row, MESSAGES) = entry->messages;
	ROW_NUM(row, BYTES) = entry->bytes;
}

static void row_address(pool_t pool, const struct report_entry *entry,
			struct popinjay_log_row *row)
{
	row_activity(pool, entry, row);
	ROW_TEXT(row, ADDRESS) = ROW_TEXT(row, NAME);
	ROW_TEXT(row, NAME) = NULL;
}

static void add_busiest(struct builder *b)
{
	static const struct popinjay_log_section users = {
		.id = "users", .title = "Busiest users",
		.columns = {
			COLUMN(NAME) = "user",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(MESSAGES) = "downloaded",
			COLUMN(BYTES) = "bytes sent",
		}
	};
	static const struct popinjay_log_section addresses = {
		.id = "addresses", .title = "Busiest addresses",
		.columns = {
			COLUMN(ADDRESS) = "address",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(MESSAGES) = "downloaded",
			COLUMN(BYTES) = "bytes sent",
		}
	};

	add_ranked(b, &b->report->users, rank_bytes, row_activity, &users);
	add_ranked(b, &b->report->addresses, rank_sessions, row_address,
		   &addresses);
}

/* --- what is wrong --- */

/* A few may be a person who presses a button. */
#define POLLS_MIN 10

static uint64_t rank_polls(const struct report_entry *entry)
{
	return entry->polls < POLLS_MIN ? 0 : entry->polls;
}

static void row_polls(pool_t pool, const struct report_entry *entry,
		      struct popinjay_log_row *row)
{
	const char *tab = strrchr(entry->name, '\t');

	ROW_TEXT(row, NAME) = popinjay_log_text_clean(pool,
					t_strdup_until(entry->name, tab));
	ROW_TEXT(row, ADDRESS) = popinjay_log_text_clean(pool, tab + 1);
	ROW_NUM(row, SESSIONS) = entry->sessions;
	ROW_NUM(row, COUNT) = entry->polls;
	ROW_NUM(row, SECS) = entry->poll_gaps_usecs / entry->polls /
		USECS_IN_SEC;
}

static uint64_t rank_again(const struct report_entry *entry)
{
	return entry->again + entry->uidl_changes;
}

static void row_again(pool_t pool, const struct report_entry *entry,
		      struct popinjay_log_row *row)
{
	ROW_TEXT(row, NAME) = popinjay_log_text_clean(pool, entry->name);
	ROW_NUM(row, SESSIONS) = entry->sessions;
	ROW_NUM(row, MESSAGES) = entry->again;
	ROW_NUM(row, BYTES) = entry->again_bytes;
	ROW_NUM(row, COUNT) = entry->uidl_changes;
}

static uint64_t rank_no_tls(const struct report_entry *entry)
{
	return entry->no_tls == 0 ? 0 :
		(entry->in_clear << 32) + entry->no_tls;
}

static void row_no_tls(pool_t pool, const struct report_entry *entry,
		       struct popinjay_log_row *row)
{
	ROW_TEXT(row, NAME) = popinjay_log_text_clean(pool, entry->name);
	ROW_TEXT(row, ADDRESS) = popinjay_log_text_clean(pool,
							 entry->address);
	ROW_NUM(row, SESSIONS) = entry->no_tls;
	ROW_NUM(row, COUNT) = entry->in_clear;
	ROW_TEXT(row, DETAIL) = popinjay_log_text_clean(pool,
							entry->mechanism);
}

static uint64_t rank_failed(const struct report_entry *entry)
{
	return entry->failed;
}

static void row_failed(pool_t pool, const struct report_entry *entry,
		       struct popinjay_log_row *row)
{
	ROW_TEXT(row, NAME) = popinjay_log_text_clean(pool, entry->name);
	ROW_NUM(row, SESSIONS) = entry->sessions;
	ROW_NUM(row, COUNT) = entry->failed;
}

static uint64_t rank_refused(const struct report_entry *entry)
{
	return entry->refused;
}

static void row_refused(pool_t pool, const struct report_entry *entry,
			struct popinjay_log_row *row)
{
	ROW_TEXT(row, ADDRESS) = popinjay_log_text_clean(pool, entry->name);
	ROW_NUM(row, SESSIONS) = entry->sessions;
	ROW_NUM(row, COUNT) = entry->refused;
}

static void add_polls(struct builder *b)
{
	struct popinjay_log_section polls = {
		.id = "polls", .title = "Polls too often",
		.columns = {
			COLUMN(NAME) = "user",
			COLUMN(ADDRESS) = "address",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(COUNT) = "too soon",
			COLUMN(SECS) = "after secs",
		}
	};

	polls.note = p_strdup_printf(b->pool, "Sessions that began less than "
		"%u seconds after the previous one, and the average number of "
		"seconds between them.", b->report->set.poll_secs);
	add_ranked(b, &b->report->pairs, rank_polls, row_polls, &polls);
}

static void add_faults(struct builder *b)
{
	static const struct popinjay_log_section again = {
		.id = "again", .title = "Downloads the same mail again",
		.note = "Messages that POP3 had already fetched from this "
			"mailbox, and how often the UIDLs had changed although "
			"no mail had come or gone.",
		.columns = {
			COLUMN(NAME) = "user",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(MESSAGES) = "again",
			COLUMN(BYTES) = "bytes again",
			COLUMN(COUNT) = "UIDLs changed",
		}
	};
	static const struct popinjay_log_section no_tls = {
		.id = "no-tls", .title = "No TLS",
		.note = "Sessions without TLS, and how many of them sent the "
			"password itself. APOP does not send it.",
		.columns = {
			COLUMN(NAME) = "user",
			COLUMN(ADDRESS) = "last address",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(COUNT) = "password in the clear",
			COLUMN(DETAIL) = "last login by",
		}
	};
	static const struct popinjay_log_section failed = {
		.id = "failed", .title = "Sessions not ended by QUIT",
		.note = "Such a session deletes nothing, so the client gets "
			"the same mail again.",
		.columns = {
			COLUMN(NAME) = "user",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(COUNT) = "without QUIT",
		}
	};
	static const struct popinjay_log_section refused = {
		.id = "refused", .title = "Refused logins",
		.columns = {
			COLUMN(ADDRESS) = "address",
			COLUMN(SESSIONS) = "sessions",
			COLUMN(COUNT) = "refused",
		}
	};
	struct popinjay_log_report *report = b->report;

	add_polls(b);
	add_ranked(b, &report->users, rank_again, row_again, &again);
	add_ranked(b, &report->users, rank_no_tls, row_no_tls, &no_tls);
	add_ranked(b, &report->users, rank_failed, row_failed, &failed);
	add_ranked(b, &report->addresses, rank_refused, row_refused,
		   &refused);
}

static void add_broken(struct builder *b)
{
	static const struct popinjay_log_section section = {
		.id = "broken", .title = "Messages that could not be read",
		.note = "The server could not read these completely. Clients "
			"cannot delete them until they are repaired.",
		.columns = {
			COLUMN(NAME) = "user",
			COLUMN(COUNT) = "times",
			COLUMN(DETAIL) = "message",
		}
	};
	ARRAY_TYPE(popinjay_log_row) *rows = &add_section(b, &section)->rows;
	struct popinjay_log_row *row;
	const struct report_broken *broken;

	array_foreach(&b->report->broken, broken) {
		if (array_count(rows) == b->report->set.top)
			break;
		row = array_append_space(rows);
		ROW_TEXT(row, NAME) = popinjay_log_text_clean(b->pool,
			broken->user != NULL ? broken->user : "(unknown)");
		ROW_NUM(row, COUNT) = broken->count;
		ROW_TEXT(row, DETAIL) = popinjay_log_text_clean(b->pool,
			t_strdup_printf("uid %"PRIu64"%s%s", broken->uid,
					broken->guid == NULL ? "" : ", GUID ",
					broken->guid == NULL ? "" :
					broken->guid));
	}
}

/* --- few names --- */

static int count_cmp(const struct report_count *count1,
		     const struct report_count *count2)
{
	if (count1->count != count2->count)
		return count1->count > count2->count ? -1 : 1;
	return strcmp(count1->name, count2->name);
}

static void add_counts(struct builder *b, struct report_counts *counts,
		       const char *id, const char *title, const char *what)
{
	struct popinjay_log_section section = {
		.id = id, .title = title,
		.columns = { COLUMN(NAME) = what, COLUMN(COUNT) = "number" }
	};
	ARRAY_TYPE(popinjay_log_row) *rows = &add_section(b, &section)->rows;
	const struct report_count *count;
	struct popinjay_log_row *row;

	array_sort(&counts->counts, count_cmp);
	array_foreach(&counts->counts, count) {
		row = array_append_space(rows);
		ROW_TEXT(row, NAME) = popinjay_log_text_clean(b->pool,
							      count->name);
		ROW_NUM(row, COUNT) = count->count;
	}
}

const ARRAY_TYPE(popinjay_log_section) *
popinjay_log_report_sections(struct popinjay_log_report *report, pool_t pool)
{
	struct builder b = { .report = report, .pool = pool };

	b.sections = p_new(pool, ARRAY_TYPE(popinjay_log_section), 1);
	p_array_init(b.sections, pool, 16);
	add_summary(&b);
	add_times(&b);
	add_busiest(&b);
	add_faults(&b);
	add_counts(&b, &report->refusals, "refusals", "Why logins were refused",
		   "reason");
	add_broken(&b);
	add_counts(&b, &report->ends, "ends", "How sessions ended", "end");
	add_counts(&b, &report->mechanisms, "mechanisms", "Logins by",
		   "mechanism");
	add_counts(&b, &report->tls_versions, "tls", "TLS versions",
		   "version");
	return b.sections;
}
