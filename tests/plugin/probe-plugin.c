/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: tries what registration has to refuse, and does in its
   commands and hooks what no plugin should. tests/test-plugins.c knows what
   has to come of it. Loaded after the example plugin. */

#include "lib.h"
#include "str.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include <popinjay/popinjay.h>

#include <fcntl.h>
#include <unistd.h>

struct module;

POPINJAY_EXPORT extern const char *popinjay_probe_plugin_version;
POPINJAY_EXPORT void popinjay_probe_plugin_init(struct module *module);
POPINJAY_EXPORT void popinjay_probe_plugin_deinit(void);

/* --- Commands --- */

static enum popinjay_outcome probe_ok(struct popinjay_request *request)
{
	return popinjay_reply_ok(request, "%s",
				 popinjay_request_name(request));
}

static enum popinjay_outcome probe_err(struct popinjay_request *request)
{
	return popinjay_reply_err(request, "IN-USE", "%s",
				  popinjay_request_args(request));
}

static enum popinjay_outcome probe_bad(struct popinjay_request *request)
{
	return popinjay_reply_bad(request, "no good");
}

/* A reply line that would be two, and one that is too long. */
static enum popinjay_outcome probe_crlf(struct popinjay_request *request)
{
	return popinjay_reply_ok(request, "one\r\n+OK two\t%c.", 0x7f);
}

static enum popinjay_outcome probe_long(struct popinjay_request *request)
{
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return popinjay_reply_ok(request, "%s", text);
}

/* Lines that could be mistaken for the end of the reply. */
static enum popinjay_outcome
probe_lines_more(struct popinjay_request *request, void *context)
{
	static const char *const lines[] = {
		".", "..", ".x", "", "a\r\n.\r\nb", "h\xc3\xa9\x7f"
	};
	unsigned int *next = context;

	if (*next == N_ELEMENTS(lines))
		return POPINJAY_OUTCOME_OK;
	(void)popinjay_send_line(request, lines[(*next)++]);
	return POPINJAY_OUTCOME_MORE;
}

static void probe_lines_free(void *context)
{
	unsigned int *next = context;

	i_info("popinjay_probe: freed");
	i_free(next);
}

static enum popinjay_outcome probe_lines(struct popinjay_request *request)
{
	return popinjay_reply_multiline(request, probe_lines_more,
					probe_lines_free,
					i_new(unsigned int, 1), "%s", "");
}

static enum popinjay_outcome
probe_cut_more(struct popinjay_request *request, void *context)
{
	bool *sent = context;

	if (*sent)
		return POPINJAY_OUTCOME_CUT;
	*sent = TRUE;
	(void)popinjay_send_line(request, "part of the reply");
	return POPINJAY_OUTCOME_MORE;
}

static void probe_cut_free(void *context)
{
	bool *sent = context;

	i_info("popinjay_probe: freed");
	i_free(sent);
}

static enum popinjay_outcome probe_cut(struct popinjay_request *request)
{
	return popinjay_reply_multiline(request, probe_cut_more,
					probe_cut_free, i_new(bool, 1),
					"not all of it will come");
}

/* A reply that never ends. */
static enum popinjay_outcome
probe_endless_more(struct popinjay_request *request, void *context ATTR_UNUSED)
{
	(void)popinjay_send_line(request, "and so on");
	return POPINJAY_OUTCOME_MORE;
}

static enum popinjay_outcome probe_endless(struct popinjay_request *request)
{
	return popinjay_reply_multiline(request, probe_endless_more,
					probe_lines_free,
					i_new(unsigned int, 1), "%s", "");
}

/* What a plugin is told about the session. */
static enum popinjay_outcome probe_session(struct popinjay_request *request)
{
	struct popinjay_session *session = popinjay_request_session(request);
	unsigned int argc, msn;
	const char *const *argv = popinjay_request_argv(request, &argc);
	uint32_t seq = 0;
	bool found;

	i_assert(argc == 1 && argv[1] == NULL);
	if (str_to_uint(argv[0], &msn) < 0)
		return popinjay_reply_bad(request, "Not a number.");
	found = popinjay_session_msn_to_seq(session, msn, &seq);
	return popinjay_reply_ok(request, "%s %s %u %s %u",
		popinjay_session_user(session)->username,
		mailbox_get_vname(popinjay_session_mailbox(session)),
		popinjay_session_messages(session),
		found ? "found" : "none", seq);
}

static const struct popinjay_command good_commands[] = {
	/* the shortest and the longest name there may be */
	{ "X-1", "X-1", 0, 0, probe_ok },
	{ "XABCDEFGHIJ-0123", "X-1", 0, UINT_MAX, probe_ok },
	{ "XERR", "X-BAD\r\nX-FORGED", 0, 1, probe_err },
	{ "XBAD", "X-\xc3\xa9", 0, 1, probe_bad },
	{ "XCRLF", "", 0, 0, probe_crlf },
	{ "XLONG", NULL, 0, 0, probe_long },
	{ "XLINES", NULL, 0, 0, probe_lines },
	{ "XCUT", NULL, 0, 0, probe_cut },
	{ "XENDLESS", NULL, 0, 0, probe_endless },
	{ "XSESSION", NULL, 1, 1, probe_session }
};

/* --- Hooks --- */

/* Refuse what the client asks to be refused. */
static bool probe_before(struct popinjay_request *request)
{
	const char *args = popinjay_request_args(request);

	if (strcmp(args, "refuse-with-code") == 0) {
		popinjay_reply_err(request, "IN-USE", "By the probe.");
		return FALSE;
	}
	return strcmp(args, "refuse-in-silence") != 0;
}

static bool probe_before_second(struct popinjay_request *request)
{
	if (strncmp(popinjay_request_args(request), "refuse", 6) == 0)
		i_info("popinjay_probe: asked after a refusal");
	return TRUE;
}

static void
probe_after_second(struct popinjay_request *request,
		   const struct popinjay_result *result)
{
	if (result->outcome == POPINJAY_OUTCOME_REFUSED) {
		i_info("popinjay_probe: told of a refused %s",
		       popinjay_request_name(request));
	}
}

static const struct popinjay_hook hook_before = {
	.name = "probe-before", .before = probe_before
};
static const struct popinjay_hook hook_second = {
	.name = "probe-second", .before = probe_before_second,
	.after = probe_after_second
};
static const struct popinjay_hook hook_other = { .name = "other" };

/* --- Capabilities and policies that are refused --- */

static void
probe_provide(struct popinjay_session *session ATTR_UNUSED,
	      struct popinjay_capabilities *capabilities)
{
	popinjay_capabilities_add(capabilities, "TOP");
	popinjay_capabilities_add(capabilities, "XPROVIDED");
	popinjay_capabilities_add(capabilities, "XPROVIDED");
	popinjay_capabilities_add(capabilities, "X\r\n.");
	popinjay_capabilities_add(capabilities, "X\x7f");
}

static const struct popinjay_capability_provider provider = {
	.name = "probe", .provide = probe_provide
};

static int probe_uidl_get(struct mail *mail, struct buffer *dest,
			  const char **error_r)
{
	if (mail->uid == 1) {
		str_append(dest, "probe-first");
		return 1;
	}
	*error_r = "The probe has no UIDLs";
	return -1;
}

static const struct popinjay_uidl_policy good_policy = {
	.name = "probe-failing", .get = probe_uidl_get
};

/* Saves, as another process would, while UIDLs are made: in a Maildir. */
static int probe_saving_get(struct mail *mail, struct buffer *dest,
			    const char **error_r)
{
	static const char text[] = "popinjay-uidl 1 0\n";
	const char *dir, *path;
	int fd;

	if (mailbox_get_path_to(mail->box, MAILBOX_LIST_PATH_TYPE_CONTROL,
				&dir) <= 0) {
		*error_r = "There is no control directory";
		return -1;
	}
	path = t_strconcat(dir, "/popinjay-uidl", NULL);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd != -1) {
		if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
			i_error("write(%s) failed: %m", path);
		i_close_fd(&fd);
	}
	str_printfa(dest, "probe.%u", mail->uid);
	return 1;
}

static const struct popinjay_uidl_policy saving_policy = {
	.name = "probe-saving", .get = probe_saving_get
};

/* --- What has to be refused --- */

static void report(const char *what, int ret, const char *error)
{
	i_info("popinjay_probe: %s: %s", what,
	       ret == 0 ? "registered" : error);
}

static const struct {
	const char *what;
	struct popinjay_command command;
} bad_commands[] = {
	{ "native", { "STAT", NULL, 0, 0, probe_ok } },
	{ "own", { "RETR", NULL, 0, 0, probe_ok } },
	{ "before-login", { "STLS", NULL, 0, 0, probe_ok } },
	{ "taken", { "XECHO", NULL, 0, 0, probe_ok } },
	{ "taken-by-name", { "X-1", NULL, 0, 0, probe_ok } },
	{ "lower-case", { "xlow", NULL, 0, 0, probe_ok } },
	{ "short", { "X1", NULL, 0, 0, probe_ok } },
	{ "long", { "XABCDEFGHIJKLMNOP", NULL, 0, 0, probe_ok } },
	{ "empty", { "", NULL, 0, 0, probe_ok } },
	{ "space", { "X A", NULL, 0, 0, probe_ok } },
	{ "colon", { "X:A", NULL, 0, 0, probe_ok } },
	{ "8-bit", { "X\xc3\xa9", NULL, 0, 0, probe_ok } },
	{ "no-name", { NULL, NULL, 0, 0, probe_ok } },
	{ "no-handler", { "XNOHANDLER", NULL, 0, 0, NULL } },
	{ "arguments", { "XARGS", NULL, 2, 1, probe_ok } }
};

static const struct {
	const char *what;
	struct popinjay_uidl_policy policy;
} bad_policies[] = {
	{ "policy-built-in", { "format", probe_uidl_get } },
	{ "policy-taken", { "example", probe_uidl_get } },
	{ "policy-empty", { "", probe_uidl_get } },
	{ "policy-no-name", { NULL, probe_uidl_get } },
	{ "policy-no-get", { "probe-empty", NULL } }
};

static void try_bad(void)
{
	static const struct popinjay_hook no_name_hook = { .name = NULL };
	static const struct popinjay_capability_provider no_provide = {
		.name = "probe-empty"
	};
	const char *error;
	unsigned int i;
	int ret;

	for (i = 0; i < N_ELEMENTS(bad_commands); i++) {
		ret = popinjay_command_register(&bad_commands[i].command,
						&error);
		report(bad_commands[i].what, ret, error);
	}
	for (i = 0; i < N_ELEMENTS(bad_policies); i++) {
		ret = popinjay_uidl_policy_register(&bad_policies[i].policy,
						    &error);
		report(bad_policies[i].what, ret, error);
	}
	ret = popinjay_hook_register(&no_name_hook, &error);
	report("hook-no-name", ret, error);
	ret = popinjay_capability_provider_register(&no_provide, &error);
	report("provider-no-function", ret, error);
	ret = popinjay_command_register(&good_commands[0], &error);
	report("command-twice", ret, error);
	ret = popinjay_hook_register(&hook_before, &error);
	report("hook-twice", ret, error);
	ret = popinjay_capability_provider_register(&provider, &error);
	report("provider-twice", ret, error);
	ret = popinjay_uidl_policy_register(&good_policy, &error);
	report("policy-twice", ret, error);
}

/* A plugin of another version may have other structs: what the pointer points
   to must not be looked at. */
static void try_versions(void)
{
	static const unsigned int versions[] = { 0, POPINJAY_API_VERSION + 1 };
	const void *unreadable = (const void *)1;
	const char *error;
	unsigned int i;
	int ret;

	for (i = 0; i < N_ELEMENTS(versions); i++) {
		ret = popinjay_command_register_version(versions[i],
							unreadable, &error);
		report("version-command", ret, error);
		ret = popinjay_hook_register_version(versions[i], unreadable,
						     &error);
		report("version-hook", ret, error);
		ret = popinjay_capability_provider_register_version(
			versions[i], unreadable, &error);
		report("version-provider", ret, error);
		ret = popinjay_uidl_policy_register_version(versions[i],
							    unreadable, &error);
		report("version-policy", ret, error);
	}
}

/* What was not registered can be unregistered, what was is gone then. */
static void try_unregister(void)
{
	static const struct popinjay_command gone = {
		.name = "XGONE", .capability = "XGONE", .handler = probe_ok
	};
	const char *error;
	int ret;

	popinjay_command_unregister(&gone);
	popinjay_hook_unregister(&hook_other);
	ret = popinjay_command_register(&gone, &error);
	report("gone", ret, error);
	popinjay_command_unregister(&gone);
	popinjay_command_unregister(&gone);
	ret = popinjay_command_register(&gone, &error);
	report("gone-again", ret, error);
	popinjay_command_unregister(&gone);
}

/* --- Entry points --- */

const char *popinjay_probe_plugin_version = DOVECOT_ABI_VERSION;

void popinjay_probe_plugin_init(struct module *module ATTR_UNUSED)
{
	const char *error;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(good_commands); i++) {
		if (popinjay_command_register(&good_commands[i], &error) < 0)
			i_error("popinjay_probe: %s", error);
	}
	if (popinjay_hook_register(&hook_before, &error) < 0 ||
	    popinjay_hook_register(&hook_second, &error) < 0 ||
	    popinjay_capability_provider_register(&provider, &error) < 0 ||
	    popinjay_uidl_policy_register(&good_policy, &error) < 0 ||
	    popinjay_uidl_policy_register(&saving_policy, &error) < 0)
		i_error("popinjay_probe: %s", error);

	try_bad();
	try_versions();
	try_unregister();
}

void popinjay_probe_plugin_deinit(void)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(good_commands); i++)
		popinjay_command_unregister(&good_commands[i]);
	popinjay_hook_unregister(&hook_before);
	popinjay_hook_unregister(&hook_second);
	popinjay_capability_provider_unregister(&provider);
	popinjay_uidl_policy_unregister(&good_policy);
	popinjay_uidl_policy_unregister(&saving_policy);
}
