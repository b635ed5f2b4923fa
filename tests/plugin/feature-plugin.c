/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A feature as version 2 of the public API will let other plugins have one.
   What it does in a session stands, word by word, in the file "feature" of the
   user's home directory; test-features has the words. */

#include "feature.h"
#include "ioloop.h"
#include "istream.h"
#include "str.h"
#include "mail-storage-private.h"
#include "mail-user.h"

struct module;

extern const char *popinjay_feature_plugin_version;
void popinjay_feature_plugin_init(struct module *module);
void popinjay_feature_plugin_deinit(void);

/* A command waits for so long. */
#define WAIT_MSECS 300

struct feature_state {
	const char *const *words;
	struct popinjay_request *waiting;
	struct timeout *to;
};

static bool is_asked(const struct feature_state *state, const char *word)
{
	return state->words != NULL && str_array_find(state->words, word);
}

static const char *const *read_words(struct mail_user *user)
{
	const char *home, *line = NULL, *const *words = NULL;
	struct istream *input;

	if (mail_user_get_home(user, &home) <= 0)
		return NULL;
	input = i_stream_create_file(t_strconcat(home, "/feature", NULL), 1024);
	line = i_stream_read_next_line(input);
	if (line != NULL)
		words = (const char *const *)p_strsplit_spaces(user->pool, line,
							       " ");
	i_stream_destroy(&input);
	return words;
}

static void feature_begin(struct popinjay_session *session, void *context)
{
	struct feature_state *state = context;

	state->words = read_words(popinjay_session_user(session));
	if (is_asked(state, "refuse-session")) {
		popinjay_session_refuse(session, "SYS/PERM",
					"Ask the feature why.");
	}
}

static void
feature_view(struct popinjay_session *session, void *context,
	     struct mailbox *box ATTR_UNUSED, ARRAY_TYPE(uint32_t) *seqs)
{
	struct feature_state *state = context;

	if (is_asked(state, "hide-first"))
		array_delete(seqs, 0, 1);
	if (is_asked(state, "reverse"))
		array_reverse(seqs);
	if (is_asked(state, "refuse-view")) {
		popinjay_session_refuse(session, "SYS/TEMP",
					"There is no view now.");
	}
}

static void feature_answer(struct feature_state *state)
{
	struct popinjay_request *request = state->waiting;

	timeout_remove(&state->to);
	state->waiting = NULL;
	popinjay_request_resume(request, is_asked(state, "refuse-late") ?
				POPINJAY_BEFORE_REFUSE :
				POPINJAY_BEFORE_GO_ON);
}

static enum popinjay_before
feature_before(struct popinjay_request *request, void *context)
{
	struct feature_state *state = context;
	const char *name = popinjay_request_name(request);

	if (strcmp(name, "RSET") == 0 && is_asked(state, "wait-at-once")) {
		popinjay_request_resume(request, POPINJAY_BEFORE_GO_ON);
		return POPINJAY_BEFORE_WAIT;
	}
	if (strcmp(name, "DELE") != 0 || !is_asked(state, "wait"))
		return POPINJAY_BEFORE_GO_ON;
	i_info("popinjay_feature: %s waits", name);
	state->waiting = request;
	if (!is_asked(state, "for-ever"))
		state->to = timeout_add_short(WAIT_MSECS,
					      feature_answer, state);
	return POPINJAY_BEFORE_WAIT;
}

static void
feature_after(struct popinjay_request *request, void *context,
	      const struct popinjay_result *result)
{
	struct feature_state *state = context;

	i_info("popinjay_feature: after %s: %d%s",
	       popinjay_request_name(request), result->outcome,
	       state->waiting == request ? ", still waiting" : "");
	state->waiting = NULL;
	timeout_remove(&state->to);
}

static void
feature_sent(struct popinjay_request *request, void *context ATTR_UNUSED,
	     const struct popinjay_message *message, enum popinjay_sent sent,
	     const struct popinjay_result *result ATTR_UNUSED)
{
	i_info("popinjay_feature: %s %u (UID %u, seq %u, %"PRIuUOFF_T" bytes): "
	       "%d", popinjay_request_name(request), message->msn,
	       message->uid, message->seq, message->size, sent);
}

static int
feature_opened(struct popinjay_request *request ATTR_UNUSED, void *context,
	       const struct popinjay_message *message ATTR_UNUSED,
	       struct mail *mail, struct istream *stream ATTR_UNUSED)
{
	if (!is_asked(context, "not-opened"))
		return 0;
	mail_set_critical(mail, "The feature does not let it be read");
	return -1;
}

static int
feature_read(struct popinjay_request *request ATTR_UNUSED, void *context,
	     const struct popinjay_message *message ATTR_UNUSED,
	     uoff_t bytes ATTR_UNUSED, uoff_t virtual_bytes ATTR_UNUSED,
	     const char **error_r)
{
	if (!is_asked(context, "not-whole"))
		return 0;
	*error_r = "The feature misses something";
	return -1;
}

static enum popinjay_delete
feature_delete(struct popinjay_request *request, void *context,
	       const struct popinjay_message *message)
{
	if (is_asked(context, "refuse-deletion"))
		return POPINJAY_DELETE_REFUSE;
	if (is_asked(context, "refuse-deletion-with-text")) {
		popinjay_reply_err(request, "SYS/PERM", "Message %u stays.",
				   message->msn);
		return POPINJAY_DELETE_REFUSE;
	}
	/* all but the first */
	return is_asked(context, "keep") && message->msn > 1 ?
		POPINJAY_DELETE_KEEP : POPINJAY_DELETE_NATIVE;
}

static int feature_update(struct popinjay_request *request, void *context)
{
	if (!is_asked(context, "update-fails"))
		return 0;
	popinjay_reply_err(request, "SYS/TEMP", "The feature could not move.");
	return -1;
}

static void
feature_removed(struct popinjay_session *session ATTR_UNUSED,
		void *context ATTR_UNUSED,
		const struct popinjay_message *message, bool certain)
{
	i_info("popinjay_feature: removed UID %u: %d", message->uid, certain);
}

static void
feature_capabilities(struct popinjay_session *session ATTR_UNUSED,
		     void *context, struct popinjay_capabilities *capabilities)
{
	if (is_asked(context, "capability"))
		popinjay_capabilities_add(capabilities, "X-FEATURE");
}

static void feature_end(struct popinjay_session *session, void *context)
{
	struct feature_state *state = context;

	i_assert(state->waiting == NULL && state->to == NULL);
	i_info("popinjay_feature: end of %s",
	       popinjay_session_user(session)->username);
}

static const struct popinjay_feature feature = {
	.name = "test feature",
	.session_size = sizeof(struct feature_state),
	.session_begin = feature_begin,
	.view = feature_view,
	.before = feature_before,
	.message_opened = feature_opened,
	.message_read = feature_read,
	.message_delete = feature_delete,
	.update = feature_update,
	.message_removed = feature_removed,
	.after = feature_after,
	.message_sent = feature_sent,
	.capabilities = feature_capabilities,
	.session_end = feature_end
};

const char *popinjay_feature_plugin_version = DOVECOT_ABI_VERSION;

void popinjay_feature_plugin_init(struct module *module ATTR_UNUSED)
{
	const char *error;

	if (popinjay_feature_register(&feature, &error) < 0)
		i_error("popinjay_feature: %s", error);
}

void popinjay_feature_plugin_deinit(void)
{
	popinjay_feature_unregister(&feature);
}
