/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: where a message's UIDL comes from (RFC 1939 section 7): a
   chain of sources that the administrator sets, of which the first one that has
   a UIDL for the message gives it. */

#include "lib.h"
#include "array.h"
#include "iso8601-date.h"
#include "str.h"
#include "strnum.h"
#include "mail-storage-private.h"
#include "popinjay-settings.h"
#include "popinjay.h"
#include "uidl-format.h"
#include "uidl-plain.h"
#include "uidl-policy.h"
#include "uidl-sources.h"

enum source_type {
	SOURCE_SAVED,
	SOURCE_XUIDL,
	SOURCE_OLD,
	SOURCE_FORMAT,
	SOURCE_POLICY
};

struct source {
	enum source_type type;
	/* a constant */
	const char *name;
	/* of SOURCE_POLICY */
	const struct popinjay_uidl_policy *policy;
	/* of SOURCE_OLD and SOURCE_FORMAT */
	struct popinjay_uidl_format *format;
};

struct popinjay_uidl_sources {
	ARRAY(struct source) chain;
	/* Messages that SOURCE_OLD is for: up to this uid, or, if that is 0,
	   received before this time. */
	uint32_t old_uid;
	time_t old_time;

	bool ignore_saved:1;
	bool ignore_stored:1;
	/* UIDLs have to be as short as RFC 1939 wants them */
	bool strict:1;
	/* what Dovecot shows without us, good or not */
	bool stock:1;
};

void popinjay_uidl_sources_free(struct popinjay_uidl_sources **_sources)
{
	struct popinjay_uidl_sources *sources = *_sources;
	struct source *source;

	if (sources == NULL)
		return;
	*_sources = NULL;

	array_foreach_modifiable(&sources->chain, source)
		popinjay_uidl_format_free(&source->format);
	array_free(&sources->chain);
	i_free(sources);
}

static int
old_until_parse(struct popinjay_uidl_sources *sources, const char *value,
		const char **error_r)
{
	const char *date = value;
	int zone;

	if (str_to_uint32(value, &sources->old_uid) == 0 &&
	    sources->old_uid > 0)
		return 0;
	if (strlen(value) == strlen("2026-01-02"))
		date = t_strconcat(value, "T00:00:00Z", NULL);
	if (!iso8601_date_parse((const unsigned char *)date, strlen(date),
				&sources->old_time, &zone)) {
		*error_r = t_strdup_printf(
			"popinjay_uidl_old_until=%s: Invalid value: use a date "
			"(2026-01-02), a time (2026-01-02T03:04:05Z) or a uid",
			value);
		return -1;
	}
	sources->old_uid = 0;
	return 0;
}

static int
source_init_old(struct popinjay_uidl_sources *sources, struct mail_user *user,
		const struct popinjay_settings *set, struct source *source,
		const char **error_r)
{
	if (*set->popinjay_uidl_old_format == '\0' ||
	    *set->popinjay_uidl_old_until == '\0') {
		*error_r = "The UIDL source old needs popinjay_uidl_old_format "
			"and popinjay_uidl_old_until";
		return -1;
	}
	if (old_until_parse(sources, set->popinjay_uidl_old_until,
			    error_r) < 0)
		return -1;
	return popinjay_uidl_format_create(user, set,
		"popinjay_uidl_old_format", set->popinjay_uidl_old_format, TRUE,
		&source->format, error_r);
}

static int
source_init_format(struct popinjay_uidl_sources *sources,
		   struct mail_user *user, const struct popinjay_settings *set,
		   struct source *source, const char **error_r)
{
	const char *format = set->popinjay_uidl_format;

	if (*format != '\0' && !sources->stock) {
		return popinjay_uidl_format_create(user, set,
			"popinjay_uidl_format", format, TRUE, &source->format,
			error_r);
	}
	return popinjay_uidl_format_create(user, set, "pop3_uidl_format",
		popinjay_settings_get_native_uidl_format(user), FALSE,
		&source->format, error_r);
}

static int
source_init(struct popinjay_uidl_sources *sources, struct mail_user *user,
	    const struct popinjay_settings *set, const char *name,
	    struct source *source, const char **error_r)
{
	if (strcmp(name, POPINJAY_UIDL_SOURCE_SAVED) == 0) {
		source->type = SOURCE_SAVED;
		source->name = POPINJAY_UIDL_SOURCE_SAVED;
	} else if (strcmp(name, POPINJAY_UIDL_SOURCE_XUIDL) == 0) {
		source->type = SOURCE_XUIDL;
		source->name = POPINJAY_UIDL_SOURCE_XUIDL;
	} else if (strcmp(name, POPINJAY_UIDL_SOURCE_OLD) == 0) {
		source->type = SOURCE_OLD;
		source->name = POPINJAY_UIDL_SOURCE_OLD;
		return source_init_old(sources, user, set, source, error_r);
	} else if (strcmp(name, POPINJAY_UIDL_POLICY_FORMAT) == 0) {
		source->type = SOURCE_FORMAT;
		source->name = POPINJAY_UIDL_POLICY_FORMAT;
		return source_init_format(sources, user, set, source, error_r);
	} else {
		source->type = SOURCE_POLICY;
		source->policy = popinjay_uidl_policy_find(name);
		if (source->policy == NULL) {
			*error_r = NULL;
			return -1;
		}
		source->name = source->policy->name;
	}
	return 0;
}

static const struct source *
source_find(const struct popinjay_uidl_sources *sources, const char *name)
{
	const struct source *source;

	array_foreach(&sources->chain, source) {
		if (strcmp(source->name, name) == 0)
			return source;
	}
	return NULL;
}

static int
source_add(struct popinjay_uidl_sources *sources, struct mail_user *user,
	   const struct popinjay_settings *set, const char *name,
	   const char **error_r)
{
	struct source source;
	int ret;

	i_zero(&source);
	ret = source_init(sources, user, set, name, &source, error_r);
	if (ret == 0)
		array_push_back(&sources->chain, &source);
	return ret;
}

/* The chain that popinjay_uidl_sources names. */
static int
sources_parse(struct popinjay_uidl_sources *sources, struct mail_user *user,
	      const struct popinjay_settings *set, const char **error_r)
{
	const char *value = set->popinjay_uidl_sources;
	const char *const *names;

	for (names = t_strsplit_spaces(value, " ,\t"); *names != NULL;
	     names++) {
		if (source_find(sources, *names) != NULL) {
			*error_r = t_strdup_printf(
				"popinjay_uidl_sources=%s: %s is there twice",
				value, *names);
			return -1;
		}
		if (source_add(sources, user, set, *names, error_r) == 0)
			continue;
		if (*error_r == NULL) {
			*error_r = t_strdup_printf(
				"popinjay_uidl_sources=%s: There is no source "
				"%s; there are: "POPINJAY_UIDL_SOURCE_SAVED", "
				POPINJAY_UIDL_SOURCE_XUIDL", "
				POPINJAY_UIDL_SOURCE_OLD", %s", value, *names,
				popinjay_uidl_policy_names());
		}
		return -1;
	}
	if (*set->popinjay_uidl_old_format != '\0' &&
	    source_find(sources, POPINJAY_UIDL_SOURCE_OLD) == NULL) {
		*error_r = t_strdup_printf(
			"popinjay_uidl_sources=%s: popinjay_uidl_old_format "
			"needs the source old among them", value);
		return -1;
	}
	if (strcmp(set->popinjay_uidl_policy,
		   POPINJAY_UIDL_POLICY_FORMAT) != 0 &&
	    source_find(sources, set->popinjay_uidl_policy) == NULL) {
		*error_r = t_strdup_printf(
			"popinjay_uidl_sources=%s: popinjay_uidl_policy=%s is "
			"not among them", value, set->popinjay_uidl_policy);
		return -1;
	}
	return 0;
}

/* The chain that the other settings mean. */
static int
sources_default(struct popinjay_uidl_sources *sources, struct mail_user *user,
		const struct popinjay_settings *set, const char **error_r)
{
	if (source_add(sources, user, set, POPINJAY_UIDL_SOURCE_SAVED,
		       error_r) < 0)
		return -1;
	if (strcmp(set->popinjay_reuse_xuidl, "yes") == 0 &&
	    source_add(sources, user, set, POPINJAY_UIDL_SOURCE_XUIDL,
		       error_r) < 0)
		return -1;
	if ((*set->popinjay_uidl_old_format != '\0' ||
	     *set->popinjay_uidl_old_until != '\0') &&
	    source_add(sources, user, set, POPINJAY_UIDL_SOURCE_OLD,
		       error_r) < 0)
		return -1;
	/* a policy may not be called what another source is */
	if (strcmp(set->popinjay_uidl_policy,
		   POPINJAY_UIDL_POLICY_FORMAT) == 0 ||
	    popinjay_uidl_policy_find(set->popinjay_uidl_policy) != NULL) {
		return source_add(sources, user, set,
				  set->popinjay_uidl_policy, error_r);
	}
	*error_r = t_strdup_printf("popinjay_uidl_policy=%s: There is no such "
				   "policy; there are: %s",
				   set->popinjay_uidl_policy,
				   popinjay_uidl_policy_names());
	return -1;
}

int popinjay_uidl_sources_create(struct mail_user *user,
				 const struct popinjay_settings *set,
				 struct popinjay_uidl_sources **sources_r,
				 const char **error_r)
{
	struct popinjay_uidl_sources *sources =
		i_new(struct popinjay_uidl_sources, 1);
	bool first;
	int ret;

	i_array_init(&sources->chain, 4);
	sources->strict = set->popinjay_uidl_strict;
	ret = *set->popinjay_uidl_sources == '\0' ?
		sources_default(sources, user, set, error_r) :
		sources_parse(sources, user, set, error_r);
	if (ret == 0 && set->popinjay_uidl_save &&
	    (!popinjay_uidl_sources_use_saved(sources, &first) || !first)) {
		*error_r = t_strdup_printf("popinjay_uidl_sources=%s: With "
			"popinjay_uidl_save=yes the source saved must be the "
			"first", set->popinjay_uidl_sources);
		ret = -1;
	}
	if (ret < 0)
		popinjay_uidl_sources_free(&sources);
	else
		*sources_r = sources;
	return ret;
}

int popinjay_uidl_sources_create_stock(struct mail_user *user,
				       const struct popinjay_settings *set,
				       struct popinjay_uidl_sources **sources_r,
				       const char **error_r)
{
	struct popinjay_uidl_sources *sources =
		i_new(struct popinjay_uidl_sources, 1);

	i_array_init(&sources->chain, 4);
	sources->stock = TRUE;
	/* the source saved then has only what is stored */
	sources->ignore_saved = TRUE;
	if (source_add(sources, user, set, POPINJAY_UIDL_SOURCE_SAVED,
		       error_r) < 0 ||
	    (set->pop3_reuse_xuidl &&
	     source_add(sources, user, set, POPINJAY_UIDL_SOURCE_XUIDL,
			error_r) < 0) ||
	    source_add(sources, user, set, POPINJAY_UIDL_POLICY_FORMAT,
		       error_r) < 0) {
		popinjay_uidl_sources_free(&sources);
		return -1;
	}
	*sources_r = sources;
	return 0;
}

void popinjay_uidl_sources_add_xuidl(struct popinjay_uidl_sources *sources)
{
	struct source source;

	if (source_find(sources, POPINJAY_UIDL_SOURCE_XUIDL) != NULL)
		return;
	i_zero(&source);
	source.type = SOURCE_XUIDL;
	source.name = POPINJAY_UIDL_SOURCE_XUIDL;
	array_insert(&sources->chain, 1, &source, 1);
}

void popinjay_uidl_sources_ignore(struct popinjay_uidl_sources *sources,
				  bool saved, bool stored)
{
	sources->ignore_saved = saved;
	sources->ignore_stored = stored;
}

bool
popinjay_uidl_sources_use_saved(const struct popinjay_uidl_sources *sources,
				bool *first_r)
{
	const struct source *source;

	source = source_find(sources, POPINJAY_UIDL_SOURCE_SAVED);
	*first_r = source != NULL &&
		array_foreach_idx(&sources->chain, source) == 0;
	return source != NULL && !sources->ignore_saved;
}

bool
popinjay_uidl_sources_are_stock(const struct popinjay_uidl_sources *sources)
{
	return sources->stock;
}

const struct popinjay_uidl_plain *
popinjay_uidl_sources_plain(const struct popinjay_uidl_sources *sources)
{
	const struct source *source;

	array_foreach(&sources->chain, source) {
		if (source->type != SOURCE_SAVED)
			break;
	}
	/* what stands behind it is never asked */
	if ((unsigned int)array_foreach_idx(&sources->chain, source) ==
	    array_count(&sources->chain) || source->type != SOURCE_FORMAT)
		return NULL;
	return popinjay_uidl_format_plain(source->format);
}

const struct popinjay_uidl_plain *
popinjay_uidl_sources_parse(const struct popinjay_uidl_sources *sources,
			    uint32_t uidvalidity, const char *uidl,
			    uint32_t *uid_r)
{
	const struct popinjay_uidl_plain *plain;
	const struct source *source;

	array_foreach(&sources->chain, source) {
		plain = source->format == NULL ? NULL :
			popinjay_uidl_format_plain(source->format);
		if (plain != NULL &&
		    popinjay_uidl_plain_parse(plain, uidvalidity, uidl, uid_r))
			return plain;
	}
	return NULL;
}

enum mail_fetch_field
popinjay_uidl_sources_fields(const struct popinjay_uidl_sources *sources)
{
	const struct source *source;
	enum mail_fetch_field fields = 0;

	array_foreach(&sources->chain, source) {
		if (source->format != NULL)
			fields |= popinjay_uidl_format_fields(source->format);
	}
	return fields;
}

static int
get_stored(struct mail *mail, const char **uidl_r, const char **error_r)
{
	if (mail_get_special(mail, MAIL_FETCH_UIDL_BACKEND, uidl_r) < 0)
		return popinjay_uidl_lookup_failed(mail, "stored UIDL",
						   error_r);
	return **uidl_r != '\0' ? 1 : 0;
}

static int
get_xuidl(const struct popinjay_uidl_sources *sources, struct mail *mail,
	  const char **uidl_r, const char **error_r)
{
	int ret = mail_get_first_header(mail, "X-UIDL", uidl_r);

	if (ret < 0)
		return popinjay_uidl_lookup_failed(mail, "X-UIDL header",
						   error_r);
	if (ret > 0 && !sources->stock &&
	    (!popinjay_uidl_is_valid(*uidl_r) ||
	     (sources->strict && !popinjay_uidl_is_short(*uidl_r)))) {
		/* the sender wrote it */
		return 0;
	}
	return ret;
}

static int
is_old(const struct popinjay_uidl_sources *sources, struct mail *mail,
       const char **error_r)
{
	time_t received;

	if (sources->old_uid > 0)
		return mail->uid <= sources->old_uid ? 1 : 0;
	if (mail_get_received_date(mail, &received) < 0)
		return popinjay_uidl_lookup_failed(mail, "received date",
						   error_r);
	return received < sources->old_time ? 1 : 0;
}

static int
get_made(const struct popinjay_uidl_sources *sources,
	 const struct source *source, struct mail *mail, string_t *buf,
	 const char **error_r)
{
	int ret;

	str_truncate(buf, 0);
	if (source->type == SOURCE_POLICY)
		return source->policy->get(mail, buf, error_r);
	if (source->type == SOURCE_OLD &&
	    (ret = is_old(sources, mail, error_r)) <= 0)
		return ret;
	return popinjay_uidl_format_get(source->format, mail, buf, error_r);
}

static int
source_get(const struct popinjay_uidl_sources *sources,
	   const struct source *source, struct mail *mail, const char *saved,
	   string_t *buf, struct popinjay_uidl_offer *offer_r,
	   const char **error_r)
{
	int ret;

	offer_r->source = source->name;
	offer_r->rank = POPINJAY_UIDL_MADE;
	switch (source->type) {
	case SOURCE_SAVED:
		if (saved != NULL && !sources->ignore_saved) {
			offer_r->uidl = saved;
			offer_r->rank = POPINJAY_UIDL_SAVED;
			return 1;
		}
		if (sources->ignore_stored)
			return 0;
		offer_r->source = POPINJAY_UIDL_SOURCE_STORED;
		offer_r->rank = POPINJAY_UIDL_STORED;
		return get_stored(mail, &offer_r->uidl, error_r);
	case SOURCE_XUIDL:
		return get_xuidl(sources, mail, &offer_r->uidl, error_r);
	case SOURCE_OLD:
	case SOURCE_FORMAT:
	case SOURCE_POLICY:
		ret = get_made(sources, source, mail, buf, error_r);
		offer_r->uidl = str_c(buf);
		return ret;
	}
	i_unreached();
}

/* No client knows long UIDLs of a policy that Dovecot has not. */
static bool source_is_strict(const struct popinjay_uidl_sources *sources,
			     const struct source *source)
{
	return sources->strict || source->type == SOURCE_POLICY;
}

int popinjay_uidl_sources_get(const struct popinjay_uidl_sources *sources,
			      struct mail *mail, const char *saved,
			      string_t *buf,
			      struct popinjay_uidl_offer *offer_r,
			      const char **error_r)
{
	const struct source *source;
	int ret = 0;

	array_foreach(&sources->chain, source) {
		ret = source_get(sources, source, mail, saved, buf, offer_r,
				 error_r);
		if (ret != 0)
			break;
	}
	if (ret > 0 && source_is_strict(sources, source) &&
	    offer_r->rank != POPINJAY_UIDL_SAVED &&
	    !popinjay_uidl_is_short(offer_r->uidl))
		offer_r->uidl = "";
	return ret;
}
