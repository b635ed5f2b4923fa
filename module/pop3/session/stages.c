/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: where a session, which knows none of its features by name,
   lets them take part. */

#include "session.h"
#include "reply.h"
#include "stages.h"

int popinjay_stages_settings_check(struct mail_user *user,
				   const char **error_r)
{
	const struct popinjay_feature *const *features;
	unsigned int i, count;

	features = popinjay_features(&count);
	for (i = 0; i < count; i++) {
		if (features[i]->settings_check != NULL &&
		    features[i]->settings_check(user, error_r) < 0)
			return -1;
	}
	return 0;
}

/* --- the session --- */

static const struct popinjay_feature *const *
session_features(const struct popinjay_session *session, unsigned int *count_r)
{
	const struct popinjay_feature *const *features =
		popinjay_features(count_r);

	/* those that were registered later have no state here */
	*count_r = I_MIN(*count_r, session->feature_count);
	return features;
}

void popinjay_stages_session_created(struct popinjay_session *session)
{
	const struct popinjay_feature *const *features;
	pool_t pool = popinjay_client_pool(session->client);
	unsigned int i, count;

	features = popinjay_features(&count);
	session->feature_count = count;
	session->feature_states = p_new(pool, void *, count + 1);
	for (i = 0; i < count; i++) {
		if (features[i]->session_size > 0) {
			session->feature_states[i] =
				p_malloc(pool, features[i]->session_size);
		}
	}
}

void popinjay_stages_session_begin(struct popinjay_session *session)
{
	const struct popinjay_feature *const *features;
	unsigned int i, count;

	features = session_features(session, &count);
	for (i = 0; i < count && session->refusal == NULL; i++) {
		if (features[i]->session_begin != NULL) {
			features[i]->session_begin(session,
				session->feature_states[i]);
		}
	}
}

void popinjay_stages_session_end(struct popinjay_session *session)
{
	const struct popinjay_feature *const *features;
	unsigned int i, count;

	features = session_features(session, &count);
	for (i = count; i > 0; i--) {
		if (features[i - 1]->session_end != NULL) {
			features[i - 1]->session_end(session,
				session->feature_states[i - 1]);
		}
	}
}

bool popinjay_stages_want_view(struct popinjay_session *session,
			       struct mailbox *box)
{
	const struct popinjay_feature *const *features;
	void **states = session->feature_states;
	unsigned int i, count;
	bool wanted = FALSE;

	features = session_features(session, &count);
	for (i = 0; i < count; i++) {
		if (features[i]->view != NULL &&
		    (features[i]->wants_view == NULL ||
		     features[i]->wants_view(session, states[i], box)))
			wanted = TRUE;
	}
	return wanted;
}

void popinjay_stages_view(struct popinjay_session *session,
			  struct mailbox *box, ARRAY_TYPE(uint32_t) *seqs)
{
	const struct popinjay_feature *const *features;
	unsigned int i, count;

	features = session_features(session, &count);
	for (i = 0; i < count && session->refusal == NULL; i++) {
		if (features[i]->view != NULL) {
			features[i]->view(session, session->feature_states[i],
					  box, seqs);
		}
	}
}

void popinjay_stages_capabilities(struct popinjay_session *session,
				  struct popinjay_capabilities *capabilities)
{
	const struct popinjay_feature *const *features;
	unsigned int i, count;

	features = session_features(session, &count);
	for (i = 0; i < count; i++) {
		if (features[i]->capabilities != NULL) {
			features[i]->capabilities(session,
				session->feature_states[i], capabilities);
		}
	}
}

/* --- commands --- */

enum popinjay_before popinjay_stages_before(struct popinjay_request *request)
{
	const struct popinjay_feature *const *features;
	enum popinjay_before answer;
	unsigned int i, count;

	features = session_features(request->session, &count);
	while (request->next_before < count) {
		i = request->next_before++;
		if (features[i]->before == NULL)
			continue;
		answer = features[i]->before(request,
			request->session->feature_states[i]);
		/* who has answered has refused, whatever it returns */
		if (request->replied)
			answer = POPINJAY_BEFORE_REFUSE;
		if (answer != POPINJAY_BEFORE_GO_ON) {
			request->asked = features[i]->name;
			return answer;
		}
	}
	return POPINJAY_BEFORE_GO_ON;
}

void popinjay_stages_after(struct popinjay_request *request,
			   const struct popinjay_result *result)
{
	const struct popinjay_feature *const *features;
	void **states = request->session->feature_states;
	unsigned int i, count;

	features = session_features(request->session, &count);
	for (i = 0; i < count; i++) {
		if (features[i]->after != NULL)
			features[i]->after(request, states[i], result);
		if (features[i]->message_sent != NULL &&
		    request->sent != POPINJAY_SENT_NOTHING) {
			features[i]->message_sent(request, states[i],
						  &request->message,
						  request->sent, result);
		}
	}
}

/* --- messages --- */

int popinjay_stages_message_opened(struct popinjay_request *request,
				   const struct popinjay_message *message,
				   struct mail *mail, struct istream *stream)
{
	const struct popinjay_feature *const *features;
	void **states = request->session->feature_states;
	unsigned int i, count;

	features = session_features(request->session, &count);
	for (i = 0; i < count; i++) {
		if (features[i]->message_opened != NULL &&
		    features[i]->message_opened(request, states[i], message,
						mail, stream) < 0)
			return -1;
	}
	return 0;
}

int popinjay_stages_message_read(struct popinjay_request *request,
				 const struct popinjay_message *message,
				 uoff_t bytes, uoff_t virtual_bytes,
				 const char **error_r)
{
	const struct popinjay_feature *const *features;
	void **states = request->session->feature_states;
	unsigned int i, count;

	features = session_features(request->session, &count);
	for (i = 0; i < count; i++) {
		if (features[i]->message_read != NULL &&
		    features[i]->message_read(request, states[i], message,
					      bytes, virtual_bytes,
					      error_r) < 0)
			return -1;
	}
	return 0;
}

enum popinjay_delete
popinjay_stages_message_delete(struct popinjay_request *request,
			       const struct popinjay_message *message)
{
	const struct popinjay_feature *const *features;
	void **states = request->session->feature_states;
	enum popinjay_delete wanted, all_want = POPINJAY_DELETE_NATIVE;
	unsigned int i, count;

	features = session_features(request->session, &count);
	for (i = 0; i < count && all_want != POPINJAY_DELETE_REFUSE; i++) {
		if (features[i]->message_delete == NULL)
			continue;
		wanted = features[i]->message_delete(request, states[i],
						     message);
		all_want = I_MAX(all_want, wanted);
	}
	return all_want;
}

int popinjay_stages_update(struct popinjay_request *request)
{
	const struct popinjay_feature *const *features;
	void **states = request->session->feature_states;
	unsigned int i, count;

	features = session_features(request->session, &count);
	for (i = 0; i < count; i++) {
		if (features[i]->update != NULL &&
		    features[i]->update(request, states[i]) < 0)
			return -1;
	}
	return 0;
}

void popinjay_stages_message_removed(struct popinjay_session *session,
				     const struct popinjay_message *message,
				     bool certain)
{
	const struct popinjay_feature *const *features;
	unsigned int i, count;

	features = session_features(session, &count);
	for (i = 0; i < count; i++) {
		if (features[i]->message_removed != NULL) {
			features[i]->message_removed(session,
				session->feature_states[i], message, certain);
		}
	}
}
