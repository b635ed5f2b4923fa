/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm sync and backup: which UIDLs two mailboxes that are kept the same may
   give each other. Clients of both may know a UIDL for different messages, as
   both sides gave the same uid to another one; no side can tell what the other
   has shown. So there are rules that need no order:

   A UIDL that is made of uid and UIDVALIDITY is not told in a sync both ways.
   Both sides have the same uids and UIDVALIDITY after it, and make the same.

   With popinjay_uidl_save, what a sync brought is saved at its end.

   A message of which dsync changes the uid, since the other side has used that
   one, has the UIDL of its new uid on both sides, as it has without us. A saved
   one too: the other side may have shown it for another message.

   Where both sides bring each other the same UIDL of other kinds for different
   messages, each of these gets one that is made of its GUID. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage-private.h"
#include "popinjay-settings.h"
#include "saved-file.h"
#include "uidl-box.h"
#include "uidl-make.h"
#include "uidl-mbox.h"
#include "uidl-plain.h"
#include "uidl-replica.h"
#include "uidl-saved.h"
#include "uidl-show.h"
#include "uidl-sources.h"
#include "uidl.h"
#include "user.h"

#define REPLICA_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, replica_storage_module)

/* no GUID begins so, nor does what stands for one */
#define LOST_PREFIX ".lost:"

/* Whose UIDL it is. */
struct known {
	/* 0 if the message is gone */
	uint32_t uid;
	/* NULL unless it is gone */
	const char *key;
};

/* A message of which dsync changes the uid, with a UIDL made of that. */
struct renumbered {
	uint32_t old_uid, new_uid;
	const char *key;
	const struct popinjay_uidl_plain *plain;
};

struct replica_box {
	union mailbox_module_context module_ctx;

	/* what clients may know as the sync begins, unless that can't be
	   told */
	bool has_known, known_failed;
	pool_t known_pool;
	HASH_TABLE(const char *, struct known *) known;
	uint32_t next_uid;

	ARRAY(struct renumbered) renumbered;
	/* messages may have come */
	bool changed;
};

static MODULE_CONTEXT_DEFINE_INIT(replica_storage_module,
				  &mail_storage_module_register);

static uint32_t get_uidvalidity(struct mailbox *box)
{
	struct mailbox_status status;

	mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
	return status.uidvalidity;
}

/* Returns how the UIDL is made of a uid, or NULL if it is none of these. */
static const struct popinjay_uidl_plain *
parse_uidl(struct mailbox *box, const char *uidl, uint32_t *uid_r)
{
	const struct popinjay_user *user = popinjay_uidl_box(box)->user;

	return user->error != NULL ? NULL :
		popinjay_uidl_sources_parse(user->uidl_sources,
					    get_uidvalidity(box), uidl, uid_r);
}

/* doveadm sync is not told a UIDL that both sides make of the same uid. */
static bool replica_hides(struct popinjay_uidl_box *ubox, uint32_t uid,
			  const char *uidl)
{
	struct mailbox *box = ubox->box;
	uint32_t of_uid;

	/* who only sends has opened it so */
	return box->storage->user->dsyncing &&
		(box->flags & MAILBOX_FLAG_READONLY) == 0 &&
		parse_uidl(box, uidl, &of_uid) != NULL && of_uid == uid;
}

/* Append lines that give a message another UIDL than old_uidl. */
static void
append_changed(struct popinjay_uidl_saved *saved, string_t *lines,
	       uint32_t uid, const char *key, const char *old_uidl,
	       const char *uidl)
{
	struct popinjay_uidl_entry *const *entryp;

	array_foreach(popinjay_uidl_saved_get(saved), entryp) {
		if (strcmp((*entryp)->key, key) == 0 &&
		    strcmp((*entryp)->uidl, old_uidl) == 0) {
			uid = (*entryp)->uid;
			break;
		}
	}
	popinjay_uidl_saved_append(lines, uid, key, uidl, 0);
	popinjay_uidl_saved_set(saved, 0, uid, key, uidl);
}

/* --- What is brought --- */

static void
known_add(struct replica_box *rbox, const char *uidl, uint32_t uid,
	  const char *key)
{
	struct known *known;

	if (hash_table_lookup(rbox->known, uidl) != NULL)
		return;
	uidl = p_strdup(rbox->known_pool, uidl);
	known = p_new(rbox->known_pool, struct known, 1);
	known->uid = uid;
	known->key = p_strdup(rbox->known_pool, key);
	hash_table_insert(rbox->known, uidl, known);
}

static void
known_add_all(struct mailbox *box, const struct popinjay_uidl_set *set)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	const struct popinjay_uidl_saved *saved = popinjay_saved_file_get(
		popinjay_uidl_box_get_file(popinjay_uidl_box(box)));
	struct popinjay_uidl_entry *const *entryp;
	const struct popinjay_uidl *messages;
	unsigned int i, count;

	rbox->known_pool = pool_alloconly_create("popinjay known uidls",
						 16*1024);
	hash_table_create(&rbox->known, default_pool, 0, popinjay_keyed_hash,
			  strcmp);
	messages = popinjay_uidl_set_get(set, &count);
	for (i = 0; i < count; i++)
		known_add(rbox, messages[i].uidl, messages[i].uid, NULL);
	if (saved == NULL)
		return;
	array_foreach(popinjay_uidl_saved_get(saved), entryp) {
		if (!(*entryp)->matched) {
			known_add(rbox, (*entryp)->uidl, 0, (*entryp)->key);
		}
	}
}

/* Learn what clients may know. Returns -1 if that can't be told; the reason is
   logged. */
static int known_init(struct mailbox *box)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);
	const struct popinjay_uidl_set *set;
	struct mailbox_status status;

	if (rbox->has_known || rbox->known_failed)
		return rbox->has_known ? 0 : -1;
	mailbox_get_open_status(box, STATUS_UIDNEXT, &status);
	/* where all are made of their uids, nobody has to be asked */
	if (popinjay_uidl_box_get_plain(ubox) == NULL) {
		if (popinjay_uidl_box_get(ubox, &set) < 0) {
			e_error(box->event, "popinjay: Looking up the UIDLs "
				"failed, so those that doveadm sync or backup "
				"brings can't be compared with them: %s",
				mailbox_get_last_internal_error(box, NULL));
			rbox->known_failed = TRUE;
			return -1;
		}
		known_add_all(box, set);
	}
	rbox->next_uid = status.uidnext;
	rbox->has_known = TRUE;
	return 0;
}

/* Append the key of a message that is there to dest. */
static void get_key(struct mailbox *box, uint32_t uid, string_t *dest)
{
	struct mailbox_transaction_context *trans;
	struct mail *mail;

	trans = mailbox_transaction_begin(box, 0, __func__);
	mail = mail_alloc(trans, MAIL_FETCH_GUID, NULL);
	if (mail_set_uid(mail, uid))
		(void)popinjay_uidl_make_key(mail, dest);
	mail_free(&mail);
	(void)mailbox_transaction_commit(&trans);
}

/* Returns TRUE if the message is there, and is the one of this key. */
static bool has_key(struct mailbox *box, uint32_t uid, const char *key)
{
	string_t *found = t_str_new(64);

	get_key(box, uid, found);
	return str_len(found) > 0 && strcmp(str_c(found), key) == 0;
}

/* Returns TRUE if clients may know the UIDL as another message's than the one
   of this key; *known_r is that, or NULL if it is none that was looked up. */
static bool
is_of_another(struct mailbox *box, const char *uidl, uint32_t uid,
	      const char *key, const struct known **known_r)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	const struct popinjay_settings *set = popinjay_uidl_box(box)->user->set;
	const struct known *known;
	uint32_t of_uid = 0;

	*known_r = NULL;
	if (parse_uidl(box, uidl, &of_uid) != NULL && of_uid == uid)
		return FALSE;
	if (known_init(box) < 0) {
		/* What is saved here is firmer than what is brought. What is
		   made here is not: both sides make it of the same uid. */
		return of_uid != 0;
	}
	known = !hash_table_is_created(rbox->known) ? NULL :
		hash_table_lookup(rbox->known, uidl);
	if (known != NULL) {
		/* another kind of UIDL than this changes both */
		*known_r = of_uid == 0 ? known : NULL;
		return known->uid != 0 ? !has_key(box, known->uid, key) :
			strcmp(known->key, key) != 0;
	}
	if (of_uid == 0 || of_uid >= rbox->next_uid)
		return FALSE;
	/* whatever was shown would be saved */
	return !set->popinjay_uidl_save && !has_key(box, of_uid, key);
}

/* Give both messages that have a UIDL one of their own, and let nobody have
   that. */
static int
part_locked(struct popinjay_saved_file *file, const char *uidl,
	    uint32_t uid1, const char *key1, uint32_t uid2, const char *key2,
	    const char **error_r)
{
	struct popinjay_uidl_saved *saved = popinjay_saved_file_get(file);
	string_t *lines = t_str_new(256);
	string_t *uidl1 = t_str_new(64), *uidl2 = t_str_new(64);
	const char *lost = t_strconcat(LOST_PREFIX, uidl, NULL);

	popinjay_uidl_fallback(uidl1, key1, 0, 0, 1);
	popinjay_uidl_fallback(uidl2, key2, 0, 0, 1);
	append_changed(saved, lines, uid1, key1, uidl, str_c(uidl1));
	append_changed(saved, lines, uid2, key2, uidl, str_c(uidl2));
	popinjay_uidl_saved_append(lines, 0, lost, uidl, ioloop_time);
	popinjay_uidl_saved_set(saved, 0, 0, lost, uidl)->gone = ioloop_time;
	return popinjay_saved_file_append(file, 0, lines, TRUE, error_r);
}

static void
part(struct mailbox *box, const char *uidl, uint32_t known_uid, uint32_t uid,
     const char *key)
{
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	string_t *known_key = t_str_new(64);
	const char *error;
	int ret;

	get_key(box, known_uid, known_key);
	if (str_len(known_key) == 0 || *key == '\0')
		return;
	ret = popinjay_saved_file_lock_create(file, &error);
	if (ret == 0) {
		ret = part_locked(file, uidl, known_uid, str_c(known_key),
				  uid, key, &error);
		popinjay_saved_file_unlock(file);
	}
	popinjay_uidl_box_forget(ubox);
	if (ret < 0) {
		e_error(box->event, "popinjay: The messages with the UIDs %u "
			"and %u have the same UIDL, but no others could be "
			"saved: %s", known_uid, uid, error);
	}
}

/* A message with this key is being saved: take the UIDL that it brings away if
   it is not to have it. */
static void check_brought(struct mail_save_context *ctx, const char *key)
{
	struct mailbox *box = ctx->transaction->box;
	const char *uidl = ctx->data.pop3_uidl;
	const struct known *known;

	if (!is_of_another(box, uidl, ctx->data.uid, key, &known))
		return;
	e_debug(box->event, "popinjay: UID %u does not get the UIDL %s, which "
		"clients may know as another message's", ctx->data.uid, uidl);
	if (known != NULL && known->uid != 0)
		part(box, uidl, known->uid, ctx->data.uid, key);
	i_free(ctx->data.pop3_uidl);
}

static bool has_guids(struct mailbox *box)
{
	return (box->storage->class_flags &
		MAIL_STORAGE_CLASS_FLAG_HAVE_MAIL_SAVE_GUIDS) != 0;
}

static int
replica_save_begin(struct mail_save_context *ctx, struct istream *input)
{
	struct mailbox *box = ctx->transaction->box;
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);

	if (ctx->data.pop3_uidl != NULL) T_BEGIN {
		string_t *key = t_str_new(64);

		if (!popinjay_uidl_mbox_is(box)) {
			check_brought(ctx, ctx->data.guid == NULL ? "" :
				      ctx->data.guid);
		} else if (popinjay_uidl_mbox_foretell_key(box, input, key))
			check_brought(ctx, str_c(key));
	} T_END;
	return rbox->module_ctx.super.save_begin(ctx, input);
}

/* --- Other uids --- */

/* Note that the uid of a message changes, if it has a UIDL made of it that will
   not follow. */
static void
note_renumbered(struct mailbox *box, struct mail *mail, uint32_t new_uid)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);
	const struct popinjay_uidl_set *set;
	const struct popinjay_uidl *message;
	const struct popinjay_uidl_plain *plain;
	struct renumbered *renumbered;
	string_t *key = t_str_new(64);
	uint32_t of_uid;

	if (popinjay_uidl_box_get_plain(ubox) != NULL ||
	    popinjay_uidl_box_get(ubox, &set) < 0)
		return;
	message = popinjay_uidl_set_find(set, mail->uid);
	if (message == NULL || message->rank < POPINJAY_UIDL_STORED)
		return;
	plain = parse_uidl(box, message->uidl, &of_uid);
	if (plain == NULL || of_uid != mail->uid ||
	    popinjay_uidl_make_key(mail, key) <= 0)
		return;
	if (!array_is_created(&rbox->renumbered))
		p_array_init(&rbox->renumbered, box->pool, 8);
	renumbered = array_append_space(&rbox->renumbered);
	renumbered->old_uid = mail->uid;
	renumbered->new_uid = new_uid;
	renumbered->key = p_strdup(box->pool, str_c(key));
	renumbered->plain = plain;
}

static int replica_copy(struct mail_save_context *ctx, struct mail *mail)
{
	struct mailbox *box = ctx->transaction->box;
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);

	if (mail->box == box) {
		if (ctx->moving && ctx->data.uid != 0) T_BEGIN {
			note_renumbered(box, mail, ctx->data.uid);
		} T_END;
	} else if (ctx->data.pop3_uidl != NULL && has_guids(box)) T_BEGIN {
		check_brought(ctx, ctx->data.guid == NULL ? "" :
			      ctx->data.guid);
	} T_END;
	return rbox->module_ctx.super.copy(ctx, mail);
}

static int
renumber_locked(struct mailbox *box, struct popinjay_saved_file *file,
		uint32_t remote_next_uid, const char **error_r)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	uint32_t uidvalidity = get_uidvalidity(box);
	char old_uidl[POPINJAY_UIDL_MAX_LEN + 1];
	char uidl[POPINJAY_UIDL_MAX_LEN + 1];
	const struct renumbered *renumbered;
	string_t *lines = t_str_new(1024);

	array_foreach(&rbox->renumbered, renumbered) {
		/* below it, it has the uid that it has on the other side */
		if (renumbered->new_uid < remote_next_uid)
			continue;
		popinjay_uidl_plain_write(renumbered->plain, uidvalidity,
					  renumbered->old_uid, old_uidl);
		popinjay_uidl_plain_write(renumbered->plain, uidvalidity,
					  renumbered->new_uid, uidl);
		append_changed(popinjay_saved_file_get(file), lines,
			       renumbered->new_uid, renumbered->key, old_uidl,
			       uidl);
	}
	return popinjay_saved_file_append(file, 0, lines, TRUE, error_r);
}

/* dsync has changed uids, and tells the next one that the other side had. */
static void renumber(struct mailbox *box, uint32_t remote_next_uid)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);
	struct popinjay_saved_file *file = popinjay_uidl_box_get_file(ubox);
	const char *error;
	int ret;

	ret = popinjay_saved_file_lock_create(file, &error);
	if (ret == 0) {
		ret = renumber_locked(box, file, remote_next_uid, &error);
		popinjay_saved_file_unlock(file);
	}
	popinjay_uidl_box_forget(ubox);
	array_clear(&rbox->renumbered);
	if (ret < 0) {
		e_error(box->event, "popinjay: Messages keep UIDLs that the "
			"other side may have shown for other messages: %s",
			error);
	}
}

static int
replica_update(struct mailbox *box, const struct mailbox_update *update)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	int ret = rbox->module_ctx.super.update_box(box, update);

	if (update->min_next_uid > 0)
		rbox->changed = TRUE;
	if (update->min_next_uid > 0 && array_is_created(&rbox->renumbered) &&
	    array_count(&rbox->renumbered) > 0) T_BEGIN {
		renumber(box, update->min_next_uid);
	} T_END;
	return ret;
}

/* What one side shows and saves is firm on that side: so it has to be on
   both, else one of them would change it with the settings, and with the uid
   of a message that leaves the mailbox and comes back. */
static void save_all(struct popinjay_uidl_box *ubox)
{
	unsigned int count;
	const char *error;

	if (popinjay_uidl_save_all(ubox, &count, &error) < 0) {
		e_error(ubox->box->event, "popinjay: The UIDLs couldn't be "
			"saved after doveadm sync or backup: %s", error);
	}
}

static void replica_close(struct mailbox *box)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);

	if (rbox->changed && ubox->user->error == NULL &&
	    ubox->user->set->popinjay_uidl_save) T_BEGIN {
		save_all(ubox);
	} T_END;
	rbox->changed = FALSE;
	rbox->module_ctx.super.close(box);
}

static void replica_free(struct mailbox *box)
{
	struct replica_box *rbox = REPLICA_BOX_CONTEXT_REQUIRE(box);

	if (hash_table_is_created(rbox->known))
		hash_table_destroy(&rbox->known);
	pool_unref(&rbox->known_pool);
	rbox->module_ctx.super.free(box);
}

void popinjay_uidl_replica_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct popinjay_uidl_box *ubox = popinjay_uidl_box(box);
	struct replica_box *rbox;

	if (ubox == NULL || !box->storage->user->dsyncing)
		return;
	ubox->hides = replica_hides;
	rbox = p_new(box->pool, struct replica_box, 1);
	rbox->module_ctx.super = *v;
	box->vlast = &rbox->module_ctx.super;
	v->close = replica_close;
	v->free = replica_free;
	v->update_box = replica_update;
	v->save_begin = replica_save_begin;
	v->copy = replica_copy;
	MODULE_CONTEXT_SET(box, replica_storage_module, rbox);
}
