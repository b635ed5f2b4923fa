/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: makes the UIDLs of a whole mailbox. Whether one is unique
   can only be told from all of them. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-storage-private.h"
#include "uidl-make.h"
#include "uidl-policy.h"
#include "uidl-saved.h"
#include "uidl-sources.h"
#include "uidl.h"

/* What is saved for a message. */
struct match {
	/* NULL if nothing is saved for it */
	const struct popinjay_uidl_entry *entry;
	/* NULL if it was not asked for */
	const char *key;
};

struct maker {
	struct mailbox *box;
	const struct popinjay_uidl_sources *sources;
	struct popinjay_uidl_saved *saved;
	bool want_keys;
	struct popinjay_uidl_set *set;

	struct mailbox_transaction_context *trans;
	/* for GUIDs and keys alone */
	struct mail *guid_mail;
	unsigned int messages_count;
	uint32_t uidvalidity;
	/* of all messages by seq - 1, if anything is saved */
	struct match *matches;
	pool_t match_pool;

	/* messages that could not be read, in no order */
	uint32_t failed_uids[POPINJAY_UIDL_MAX_FAILED];
	unsigned int failed_count;
};

/* Returns TRUE if the message was saved before its key was known. */
static bool match_is_unnamed(const struct match *match)
{
	return match->entry != NULL && *match->key != '\0' &&
		strcmp(match->entry->key, match->key) != 0;
}

static void maker_error(struct maker *maker, uint32_t uid, const char *error)
{
	unsigned int i, known = I_MIN(maker->failed_count,
				      POPINJAY_UIDL_MAX_FAILED);

	for (i = 0; i < known; i++) {
		if (maker->failed_uids[i] == uid)
			return;
	}
	if (known < POPINJAY_UIDL_MAX_FAILED)
		maker->failed_uids[known] = uid;
	/* one line is enough when a disk fails under 100,000 messages */
	if (maker->failed_count++ == 0) {
		e_error(maker->box->event, "popinjay: UIDL of UID %u: %s",
			uid, error);
	}
}

/* Note that something of a message could not be read, unless there is no such
   thing. */
static void maker_lookup_failed(struct maker *maker, struct mail *mail)
{
	enum mail_error error;
	const char *errstr;

	errstr = mailbox_get_last_internal_error(mail->box, &error);
	if (error != MAIL_ERROR_EXPUNGED && error != MAIL_ERROR_NOTFOUND &&
	    error != MAIL_ERROR_NOTPOSSIBLE)
		maker_error(maker, mail->uid, errstr);
}

/* Returns the GUID, "" if the message has none or it cannot be read. */
static const char *maker_get_guid(struct maker *maker, struct mail *mail)
{
	const char *guid;

	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) == 0)
		return guid;
	maker_lookup_failed(maker, mail);
	return "";
}

int popinjay_uidl_make_key(struct mail *mail, string_t *dest)
{
	const char *guid;
	uoff_t size;

	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) < 0)
		return -1;
	if (*guid == '\0')
		return 0;
	if ((mail->box->storage->class_flags &
	     MAIL_STORAGE_CLASS_FLAG_HAVE_MAIL_SAVE_GUIDS) != 0) {
		/* no two different messages have one GUID */
		str_append(dest, guid);
		return 1;
	}
	/* it is of a part of the header: another mail may have it too */
	guid = t_strdup(guid);
	if (mail_get_virtual_size(mail, &size) < 0)
		return -1;
	popinjay_uidl_saved_hash_key(dest, guid, size);
	return 1;
}

/* Returns the key, "" as maker_get_guid(). */
static const char *maker_get_key(struct maker *maker, struct mail *mail)
{
	string_t *key = t_str_new(64);

	if (popinjay_uidl_make_key(mail, key) < 0)
		maker_lookup_failed(maker, mail);
	return str_c(key);
}

/* For messages that need a replacement of their UIDL. */
static const char *maker_get_guid_of_uid(void *context, uint32_t uid)
{
	struct maker *maker = context;

	if (!mail_set_uid(maker->guid_mail, uid))
		return NULL;
	return maker_get_guid(maker, maker->guid_mail);
}

/* Find what is saved for each message. */
static void maker_find_saved(struct maker *maker)
{
	struct mail *mail = maker->guid_mail;
	ARRAY_TYPE(uint32_t) rest_seqs;
	const uint32_t *seqp;
	uint32_t seq;

	popinjay_uidl_saved_unmatch(maker->saved);
	maker->match_pool = pool_alloconly_create("popinjay uidl matches",
						  16*1024);
	maker->matches = i_new(struct match, maker->messages_count + 1);
	i_array_init(&rest_seqs, 16);
	for (seq = 1; seq <= maker->messages_count; seq++) T_BEGIN {
		struct match *match = &maker->matches[seq - 1];
		const char *key;
		bool rest;

		mail_set_seq(mail, seq);
		key = maker_get_key(maker, mail);
		match->entry = popinjay_uidl_saved_find(maker->saved,
			maker->uidvalidity, mail->uid, key, &rest);
		if (match->entry != NULL &&
		    strcmp(match->entry->key, key) == 0)
			match->key = match->entry->key;
		else
			match->key = p_strdup(maker->match_pool, key);
		if (rest && match->entry == NULL)
			array_push_back(&rest_seqs, &seq);
	} T_END;
	array_foreach(&rest_seqs, seqp) {
		struct match *match = &maker->matches[*seqp - 1];

		match->entry = popinjay_uidl_saved_find_rest(maker->saved,
							     match->key);
	}
	array_free(&rest_seqs);
}

static void maker_reserve_gone(struct maker *maker)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(popinjay_uidl_saved_get(maker->saved), entryp) {
		if (!(*entryp)->matched) {
			popinjay_uidl_set_reserve(maker->set,
						  (*entryp)->uidl);
		}
	}
}

static void
maker_add(struct maker *maker, struct mail *mail, uint32_t seq, string_t *buf)
{
	const struct match *match =
		maker->matches == NULL ? NULL : &maker->matches[seq - 1];
	struct popinjay_uidl_offer offer;
	struct popinjay_uidl *message;
	const char *saved, *error;
	int ret;

	i_zero(&offer);
	saved = match == NULL || match->entry == NULL ? NULL :
		match->entry->uidl;
	mail_set_seq(mail, seq);
	ret = popinjay_uidl_sources_get(maker->sources, mail, saved, buf,
					&offer, &error);
	if (ret < 0)
		maker_error(maker, mail->uid, error);
	message = popinjay_uidl_set_add(maker->set, mail->uid,
					ret <= 0 ? NULL : offer.uidl,
					offer.rank);
	if (ret > 0)
		message->source = offer.source;
	if (match != NULL) {
		popinjay_uidl_set_key(maker->set, message, match->key);
		message->unnamed = match_is_unnamed(match);
	} else if (maker->want_keys) {
		popinjay_uidl_set_key(maker->set, message,
				      maker_get_key(maker, mail));
	}
}

/* A message that needs no look, as most do when they are saved. */
static void
maker_add_saved(struct maker *maker, const struct match *match, uint32_t seq)
{
	const struct popinjay_uidl_entry *entry = match->entry;
	struct popinjay_uidl *message;
	uint32_t uid;

	mail_index_lookup_uid(maker->box->view, seq, &uid);
	message = popinjay_uidl_set_add_saved(maker->set, uid, entry->uidl,
		match->key == entry->key ? entry->key : NULL);
	message->source = POPINJAY_UIDL_SOURCE_SAVED;
	message->unnamed = match_is_unnamed(match);
	if (message->key == NULL)
		popinjay_uidl_set_key(maker->set, message, match->key);
}

static void maker_add_all(struct maker *maker, bool saved_first)
{
	string_t *buf = str_new(default_pool, 128);
	struct mail *mail;
	uint32_t seq;

	mail = mail_alloc(maker->trans,
			  popinjay_uidl_sources_fields(maker->sources) |
			  (maker->want_keys ? MAIL_FETCH_GUID : 0), NULL);
	for (seq = 1; seq <= maker->messages_count; seq++) T_BEGIN {
		if (saved_first && maker->matches != NULL &&
		    maker->matches[seq - 1].entry != NULL)
			maker_add_saved(maker, &maker->matches[seq - 1], seq);
		else
			maker_add(maker, mail, seq, buf);
	} T_END;
	mail_free(&mail);
	str_free(&buf);
}

int popinjay_uidl_make(struct mailbox *box,
		       const struct popinjay_uidl_sources *sources,
		       struct popinjay_uidl_saved *saved, bool want_keys,
		       struct popinjay_uidl_set **set_r)
{
	struct mailbox_status status;
	struct maker maker;
	bool saved_first;
	unsigned int i;

	i_zero(&maker);
	maker.box = box;
	maker.sources = sources;
	maker.want_keys = want_keys;
	if (popinjay_uidl_sources_use_saved(sources, &saved_first))
		maker.saved = saved;

	mailbox_get_open_status(box, STATUS_MESSAGES | STATUS_UIDVALIDITY,
				&status);
	maker.messages_count = status.messages;
	maker.uidvalidity = status.uidvalidity;
	maker.set = popinjay_uidl_set_create(status.messages,
		status.uidvalidity, maker_get_guid_of_uid, &maker);
	if (popinjay_uidl_sources_are_stock(sources))
		popinjay_uidl_set_take_any(maker.set);

	maker.trans = mailbox_transaction_begin(box, 0, __func__);
	maker.guid_mail = mail_alloc(maker.trans, MAIL_FETCH_GUID, NULL);
	if (maker.saved != NULL) {
		popinjay_uidl_set_hold(maker.set,
			popinjay_uidl_saved_pool(maker.saved));
		maker_find_saved(&maker);
		maker_reserve_gone(&maker);
	}
	maker_add_all(&maker, saved_first);
	popinjay_uidl_set_resolve(maker.set);
	mail_free(&maker.guid_mail);
	/* not rolled back: what was read stands in the cache next time */
	(void)mailbox_transaction_commit(&maker.trans);
	i_free(maker.matches);
	pool_unref(&maker.match_pool);

	if (maker.failed_count > 0 &&
	    (maker.failed_count > POPINJAY_UIDL_MAX_FAILED ||
	     maker.failed_count == status.messages)) {
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP,
			t_strdup_printf("The UIDLs of %u messages couldn't be "
					"read", maker.failed_count));
		popinjay_uidl_set_free(&maker.set);
	}
	*set_r = maker.set;
	if (maker.set == NULL)
		return -1;
	for (i = 0; i < maker.failed_count; i++)
		popinjay_uidl_set_provisional(maker.set, maker.failed_uids[i]);
	return 0;
}
