/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pop3 process: CAPA in the TRANSACTION state (RFC 2449 section 5). */

#include "session.h"
#include "pop3-capability.h"
#include "commands.h"
#include "reply.h"
#include "stages.h"

struct popinjay_capabilities {
	pool_t pool;
	ARRAY_TYPE(const_string) lines;
	unsigned int next;
};

void popinjay_capabilities_add(struct popinjay_capabilities *capabilities,
			       const char *line)
{
	const char *const *linep;
	const char *p;

	if (*line == '\0')
		return;
	for (p = line; *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7e)
			return;
	}
	array_foreach(&capabilities->lines, linep) {
		if (strcmp(*linep, line) == 0)
			return;
	}
	line = p_strdup(capabilities->pool, line);
	array_push_back(&capabilities->lines, &line);
}

static void capabilities_collect(struct popinjay_session *session,
				 struct popinjay_capabilities *capabilities)
{
	const char *const *lines;

	lines = t_strsplit_spaces(POP3_CAPABILITY_REPLY, "\r\n");
	for (; *lines != NULL; lines++)
		popinjay_capabilities_add(capabilities, *lines);
	popinjay_stages_capabilities(session, capabilities);
}

static enum popinjay_outcome
capabilities_send(struct popinjay_request *request, void *context)
{
	struct popinjay_capabilities *capabilities = context;
	unsigned int count = array_count(&capabilities->lines);

	while (capabilities->next < count) {
		const char *line = array_idx_elem(&capabilities->lines,
						  capabilities->next++);

		if (!popinjay_send_line(request, line))
			return POPINJAY_OUTCOME_MORE;
	}
	return POPINJAY_OUTCOME_OK;
}

static enum popinjay_outcome command_capa(struct popinjay_request *request)
{
	struct popinjay_capabilities *capabilities;

	capabilities = p_new(request->pool, struct popinjay_capabilities, 1);
	p_array_init(&capabilities->lines, request->pool, 16);
	capabilities->pool = request->pool;
	capabilities_collect(request->session, capabilities);
	return popinjay_reply_multiline(request, capabilities_send, NULL,
					capabilities, "%s", "");
}

const struct popinjay_command popinjay_command_capa = {
	.name = "CAPA", .args_max = UINT_MAX, .handler = command_capa
};
