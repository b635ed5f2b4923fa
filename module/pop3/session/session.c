/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: what is known of a session and its messages. */

#include "session.h"
#include "istream.h"
#include "mail-storage-private.h"
#include "kind.h"
#include "time-units.h"

#include <time.h>

uint64_t popinjay_clock_usecs(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		i_fatal("clock_gettime() failed: %m");
	return (uint64_t)ts.tv_sec * USECS_IN_SEC + ts.tv_nsec / NSECS_IN_USEC;
}

struct popinjay_session *popinjay_session_find(const struct mail_user *user)
{
	struct popinjay_client *client = popinjay_client_find(user);

	return client == NULL ? NULL : popinjay_client_session(client);
}

void popinjay_session_message(const struct popinjay_session *session,
			      unsigned int msn,
			      struct popinjay_message *message_r)
{
	i_zero(message_r);
	message_r->msn = msn;
	message_r->seq = popinjay_client_seq(session->client, msn - 1);
	mail_index_lookup_uid(popinjay_client_mailbox(session->client)->view,
			      message_r->seq, &message_r->uid);
	message_r->size = popinjay_client_size(session->client, msn - 1);
}

struct mail *popinjay_session_mail(const struct popinjay_session *session,
				   const struct popinjay_message *message,
				   unsigned int wanted_fields)
{
	struct mail *mail =
		mail_alloc(popinjay_client_transaction(session->client),
			   wanted_fields, NULL);

	mail_set_seq(mail, message->seq);
	return mail;
}

const char *popinjay_known_guid(struct mail *mail,
				const struct istream *stream)
{
	enum mail_lookup_abort lookup_abort = mail->lookup_abort;
	const char *guid;

	/* it may read all of the file, with a stream that has failed */
	if (popinjay_storage_kind(mail->box)->one_file &&
	    (stream == NULL || stream->stream_errno != 0))
		return NULL;
	mail->lookup_abort = MAIL_LOOKUP_ABORT_NOT_IN_CACHE;
	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) < 0 ||
	    *guid == '\0')
		guid = NULL;
	mail->lookup_abort = lookup_abort;
	return guid;
}

bool popinjay_session_is_unreadable(const struct popinjay_session *session,
				    unsigned int msn)
{
	return seq_range_exists(&session->unreadable, msn);
}

void popinjay_session_set_unreadable(struct popinjay_session *session,
				     unsigned int msn)
{
	seq_range_array_add(&session->unreadable, msn);
}

/* --- feature.h --- */

void *popinjay_feature_state(const struct popinjay_session *session,
			     const struct popinjay_feature *feature)
{
	const struct popinjay_feature *const *features;
	unsigned int i, count;

	features = popinjay_features(&count);
	for (i = 0; i < count; i++) {
		if (features[i] == feature) {
			return i < session->feature_count ?
				session->feature_states[i] : NULL;
		}
	}
	i_panic("popinjay: The feature %s is not registered", feature->name);
}

void popinjay_session_refuse(struct popinjay_session *session,
			     const char *code, const char *text)
{
	pool_t pool = popinjay_client_pool(session->client);

	if (session->refusal != NULL)
		return;
	session->refusal_code = p_strdup(pool, code);
	session->refusal = p_strdup(pool, text);
}

/* --- include/popinjay.h --- */

struct mail_user *popinjay_session_user(const struct popinjay_session *session)
{
	return popinjay_client_user(session->client);
}

struct mailbox *
popinjay_session_mailbox(const struct popinjay_session *session)
{
	return popinjay_client_mailbox(session->client);
}

unsigned int
popinjay_session_messages(const struct popinjay_session *session)
{
	return popinjay_client_messages(session->client);
}

bool popinjay_session_msn_to_seq(const struct popinjay_session *session,
				 unsigned int msn, uint32_t *seq_r)
{
	if (msn == 0 || msn > popinjay_session_messages(session) ||
	    popinjay_client_is_deleted(session->client, msn - 1))
		return FALSE;
	*seq_r = popinjay_client_seq(session->client, msn - 1);
	return TRUE;
}
