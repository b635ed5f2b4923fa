/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: an example of a plugin that uses Popinjay's public API,
   described in popinjay-api(3). It needs the installed header and Dovecot's
   headers, and nothing else of Popinjay's tree:

       cc -shared -fPIC -DHAVE_CONFIG_H -I/usr/include/dovecot \
           -o lib30_popinjay_example_plugin.so example-plugin.c

   It goes where Dovecot's plugins are, and is loaded with
   "mail_plugins = $mail_plugins popinjay popinjay_example". It has

   - the command XECHO, which repeats its arguments,
   - the command XCOUNT, whose reply is as long as the client wants,
   - a hook that keeps mail with the header X-Keep from being deleted, and
     logs how each command ended,
   - a capability that is another one in each session,
   - the UIDL policy "example": the Message-ID. */

#include "lib.h"
#include "str.h"
#include "mail-storage.h"
#include "mail-user.h"
#include <popinjay/popinjay.h>

struct module;

/* Dovecot looks these up by their names. */
POPINJAY_EXPORT extern const char *popinjay_example_plugin_version;
POPINJAY_EXPORT extern const char *popinjay_example_plugin_dependencies[];
POPINJAY_EXPORT void popinjay_example_plugin_init(struct module *module);
POPINJAY_EXPORT void popinjay_example_plugin_deinit(void);

/* --- XECHO: a reply of one line --- */

static enum popinjay_outcome example_echo(struct popinjay_request *request)
{
	return popinjay_reply_ok(request, "%s",
				 popinjay_request_args(request));
}

static const struct popinjay_command example_command_echo = {
	.name = "XECHO",
	.capability = "XECHO",
	.args_min = 1,
	.args_max = 3,
	.handler = example_echo
};

/* --- XCOUNT: a reply of many lines, sent as the client reads them --- */

/* Then others get their turn. */
#define COUNT_LINES_AT_ONCE 500

struct count {
	unsigned int next, last;
};

static enum popinjay_outcome
example_count_more(struct popinjay_request *request, void *context)
{
	struct count *count = context;
	unsigned int i;
	char line[64];

	for (i = 0; i < COUNT_LINES_AT_ONCE; i++) {
		if (count->next > count->last)
			return POPINJAY_OUTCOME_OK;
		if (i_snprintf(line, sizeof(line), "line %u of %u",
			       count->next++, count->last) < 0)
			i_unreached();
		if (!popinjay_send_line(request, line))
			break;
	}
	return POPINJAY_OUTCOME_MORE;
}

static void example_count_free(void *context)
{
	struct count *count = context;

	i_free(count);
}

static enum popinjay_outcome example_count(struct popinjay_request *request)
{
	struct count *count;
	unsigned int argc, last;
	const char *const *argv = popinjay_request_argv(request, &argc);

	if (str_to_uint(argv[0], &last) < 0)
		return popinjay_reply_bad(request, "Not a number.");
	if (last == 0) {
		return popinjay_reply_err(request, NULL,
					  "There is nothing to count.");
	}

	count = i_new(struct count, 1);
	count->next = 1;
	count->last = last;
	return popinjay_reply_multiline(request, example_count_more,
					example_count_free, count,
					"%u lines", last);
}

static const struct popinjay_command example_command_count = {
	.name = "XCOUNT",
	.capability = "XCOUNT",
	.args_min = 1,
	.args_max = 1,
	.handler = example_count
};

/* --- The hook --- */

#define KEEP_HEADER "X-Keep"

/* Returns 1 if the message has the header, 0 if not, -1 if that could not be
   found out. */
static int
example_has_keep_header(struct popinjay_session *session, uint32_t seq)
{
	struct mailbox_transaction_context *trans;
	struct mail *mail;
	const char *value;
	int ret;

	trans = mailbox_transaction_begin(popinjay_session_mailbox(session),
					  0, "popinjay_example");
	mail = mail_alloc(trans, 0, NULL);
	mail_set_seq(mail, seq);
	ret = mail_get_first_header(mail, KEEP_HEADER, &value);
	mail_free(&mail);
	mailbox_transaction_rollback(&trans);
	return ret;
}

static bool example_before(struct popinjay_request *request)
{
	struct popinjay_session *session = popinjay_request_session(request);
	unsigned int argc, msn;
	const char *const *argv;
	uint32_t seq;
	int ret;

	if (strcmp(popinjay_request_name(request), "DELE") != 0)
		return TRUE;
	argv = popinjay_request_argv(request, &argc);
	if (argc != 1 || str_to_uint(argv[0], &msn) < 0 ||
	    !popinjay_session_msn_to_seq(session, msn, &seq)) {
		/* the command itself says best what is wrong */
		return TRUE;
	}

	ret = example_has_keep_header(session, seq);
	if (ret == 0)
		return TRUE;
	if (ret < 0) {
		popinjay_reply_err(request, "SYS/TEMP",
			"Message %u could not be looked at.", msn);
	} else {
		popinjay_reply_err(request, "SYS/PERM",
			"Message %u has to be kept.", msn);
	}
	return FALSE;
}

static const char *example_outcome_name(enum popinjay_outcome outcome)
{
	switch (outcome) {
	case POPINJAY_OUTCOME_OK:
		return "ok";
	case POPINJAY_OUTCOME_ERR:
		return "err";
	case POPINJAY_OUTCOME_BAD:
		return "bad";
	case POPINJAY_OUTCOME_REFUSED:
		return "refused";
	case POPINJAY_OUTCOME_CUT:
		return "cut";
	case POPINJAY_OUTCOME_MORE:
		/* only what a handler returns, not how a command ends */
		break;
	}
	i_unreached();
}

static void
example_after(struct popinjay_request *request,
	      const struct popinjay_result *result)
{
	struct mail_user *user =
		popinjay_session_user(popinjay_request_session(request));

	e_info(user->event, "popinjay_example: '%s' %s: %"PRIu64" bytes in, "
	       "%"PRIu64" bytes out, %"PRIu64" usecs",
	       popinjay_request_name(request),
	       example_outcome_name(result->outcome), result->bytes_in,
	       result->bytes_out, result->duration_usecs);
}

static const struct popinjay_hook example_hook = {
	.name = "popinjay_example",
	.before = example_before,
	.after = example_after
};

/* --- The capability --- */

static void
example_provide(struct popinjay_session *session,
		struct popinjay_capabilities *capabilities)
{
	char line[64];

	if (i_snprintf(line, sizeof(line), "XMESSAGES %u",
		       popinjay_session_messages(session)) < 0)
		i_unreached();
	popinjay_capabilities_add(capabilities, line);
}

static const struct popinjay_capability_provider example_provider = {
	.name = "popinjay_example",
	.provide = example_provide
};

/* --- The UIDL policy --- */

static int
example_uidl_get(struct mail *mail, struct buffer *dest, const char **error_r)
{
	const char *value;
	size_t len;
	int ret;

	ret = mail_get_first_header(mail, "Message-ID", &value);
	if (ret < 0) {
		*error_r = mailbox_get_last_internal_error(mail->box, NULL);
		return -1;
	}
	if (ret == 0)
		return 0;

	/* what is too long, holds spaces or is there twice is Popinjay's to
	   replace */
	len = strlen(value);
	if (len > 2 && value[0] == '<' && value[len - 1] == '>')
		str_append_data(dest, value + 1, len - 2);
	else
		str_append(dest, value);
	return 1;
}

static const struct popinjay_uidl_policy example_uidl_policy = {
	.name = "example",
	.get = example_uidl_get
};

/* --- Entry points --- */

const char *popinjay_example_plugin_version = DOVECOT_ABI_VERSION;
const char *popinjay_example_plugin_dependencies[] = { "popinjay", NULL };

void popinjay_example_plugin_init(struct module *module ATTR_UNUSED)
{
	const char *error;

	if (popinjay_command_register(&example_command_echo, &error) < 0 ||
	    popinjay_command_register(&example_command_count, &error) < 0 ||
	    popinjay_hook_register(&example_hook, &error) < 0 ||
	    popinjay_capability_provider_register(&example_provider,
						  &error) < 0 ||
	    popinjay_uidl_policy_register(&example_uidl_policy, &error) < 0)
		i_error("popinjay_example: %s", error);
}

void popinjay_example_plugin_deinit(void)
{
	popinjay_command_unregister(&example_command_echo);
	popinjay_command_unregister(&example_command_count);
	popinjay_hook_unregister(&example_hook);
	popinjay_capability_provider_unregister(&example_provider);
	popinjay_uidl_policy_unregister(&example_uidl_policy);
}
