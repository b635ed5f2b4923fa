/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: whether all of a message was read. */

#include "lib.h"
#include "istream.h"
#include "mail-storage-private.h"
#include "whole.h"

void popinjay_holder_prepare(struct mailbox_transaction_context *trans)
{
	/* It compares in transactions whose statistics it keeps, and takes a
	   claim for the truth. */
	trans->stats_track =
		popinjay_storage_kind(trans->box)->dovecot_compares;
}

void popinjay_holder_init(struct popinjay_holder *holder, struct mail *mail,
			  struct istream *stream)
{
	i_zero(holder);
	holder->kind = popinjay_storage_kind(mail->box);
	holder->mail = mail;
	holder->stream = stream;
	holder->size_known = holder->kind->get_held_size != NULL &&
		holder->kind->get_held_size(holder, &holder->size_bytes);
}

bool popinjay_holder_is_readable(const struct popinjay_holder *holder)
{
	return holder->kind->is_readable == NULL ||
		holder->kind->is_readable(holder);
}

/* Returns TRUE if what holds the message is still as large as when it was
   opened, and was read to its end. */
static bool holder_is_read(const struct popinjay_holder *holder,
			   uoff_t read_bytes, const char **text_r)
{
	if (holder->kind->is_unchanged != NULL &&
	    !holder->kind->is_unchanged(holder, text_r))
		return FALSE;
	if (read_bytes != holder->size_bytes) {
		*text_r = t_strdup_printf("%s ends after %"PRIuUOFF_T" of the "
			"%"PRIuUOFF_T" bytes of the message",
			i_stream_get_name(holder->stream), read_bytes,
			holder->size_bytes);
		return FALSE;
	}
	return TRUE;
}

void popinjay_holder_forget_size(const struct popinjay_holder *holder,
				 enum mail_fetch_field field)
{
	struct mail *mail = holder->mail;
	struct mail *other = mail_alloc(mail->transaction, 0, NULL);

	/* with the mail whose stream has failed, Dovecot would not */
	mail_set_seq(other, mail->seq);
	mail_set_cache_corrupted(other, field,
				 "POP3 client was told another size");
	mail_free(&other);
}

void popinjay_holder_failed(const struct popinjay_holder *holder)
{
	int stream_errno = holder->stream->stream_errno;

	/* Dovecot's words for: longer, shorter than its size. In mbox they mean
	   that the message is not where it was: that heals by itself. */
	if (holder->kind->dovecot_compares &&
	    (stream_errno == EINVAL || stream_errno == EPIPE))
		popinjay_holder_forget_size(holder, MAIL_FETCH_PHYSICAL_SIZE);
}

static enum popinjay_whole
claim_check(const struct popinjay_holder *holder,
	    const struct popinjay_read_sizes *sizes, const char **text_r)
{
	if (sizes->virtual_bytes >= sizes->told_bytes)
		return POPINJAY_WHOLE;
	popinjay_holder_forget_size(holder, MAIL_FETCH_VIRTUAL_SIZE);
	*text_r = t_strdup_printf("The message ends after %"PRIuUOFF_T" of "
		"%"PRIuUOFF_T" bytes", sizes->virtual_bytes,
		sizes->told_bytes);
	return POPINJAY_WHOLE_NOT;
}

enum popinjay_whole
popinjay_holder_check(const struct popinjay_holder *holder,
		      const struct popinjay_read_sizes *sizes,
		      const char **text_r)
{
	*text_r = NULL;
	if (!holder->size_known && holder->kind->compare == NULL)
		return claim_check(holder, sizes, text_r);
	if (holder->size_known &&
	    !holder_is_read(holder, sizes->read_bytes, text_r))
		return POPINJAY_WHOLE_NOT;

	/* with pop3_fast_size_lookups clients are told the size as stored */
	if (sizes->told_bytes != sizes->virtual_bytes &&
	    sizes->told_bytes != sizes->read_bytes) {
		*text_r = t_strdup_printf("%"PRIuUOFF_T" bytes with CRLF line "
			"ends, not the %"PRIuUOFF_T" that was recorded",
			sizes->virtual_bytes, sizes->told_bytes);
	}
	if (holder->kind->compare != NULL)
		return holder->kind->compare(holder, sizes, text_r);
	if (*text_r == NULL)
		return POPINJAY_WHOLE;
	popinjay_holder_forget_size(holder, MAIL_FETCH_VIRTUAL_SIZE);
	return POPINJAY_WHOLE_OTHER_SIZE;
}
